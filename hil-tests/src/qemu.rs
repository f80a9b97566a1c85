//! A disk image → a board in QEMU: `-M virt` with PL061 lines, the i6300esb watchdog, and a network behind which this machine is
//! 10.0.2.2.

use crate::bed::{Answer, Bed, Kept, Need};
use crate::card::Card;
use crate::clock;
use crate::console::Console;
use crate::program::{lasting, run};
use crate::shell::Shell;
use crate::sides::{self, Sides};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Debian's boot loader for this machine.
const BOOT_LOADER: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
/// What it finds in its flash in place of its own settings, which wait two seconds for a key and look for USB first: the partition
/// with our script, and where this machine's memory takes what it loads.
const VARIABLES: &str = "bootdelay=0\nfdt_addr=0x40000000\nscriptaddr=0x40200000\nkernel_addr_r=0x40400000\nramdisk_addr_r=0x44000000\n\
                         bootcmd=virtio scan; load virtio 0:1 ${scriptaddr} boot.scr && source ${scriptaddr}; reset\n";
/// Of the settings, by which U-Boot's checksum goes.
const VARIABLES_BYTES: &str = "0x40000";
/// QEMU's flash is as large, whatever is in it.
const FLASH_BYTES: u64 = 64 << 20;
/// What was in a board's memory when it was put aside.
const MEMORY: &str = "memory";

pub(crate) struct Qemu {
    image: PathBuf,
    /// Of this board alone.
    folder: PathBuf,
    card: Card,
    qmp: PathBuf,
    log: PathBuf,
    console: Console,
    shell: Shell,
    /// The boot loader's settings.
    variables: PathBuf,
    page: u16,
    ssh: u16,
    is_slow: bool,
    process: Option<Child>,
}

impl Qemu {
    /// Board `number` of those that run at a time. `image` is flashed, never changed. `key` is the SSH key whose other half the image
    /// holds. `is_slow`: this machine has other things to do, so the board's time goes by its instructions: it does not notice that it
    /// is kept waiting.
    pub(crate) fn new(number: usize, image: &Path, key: &Path, is_slow: bool) -> Result<Self> {
        let (ssh, page) = (free_port()?, free_port()?);
        let folder = image.with_file_name(format!("board-{number}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let log = folder.join("serial.log");
        File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        Ok(Self {
            image: image.to_owned(),
            card: Card::new(&folder),
            // Beneath a socket's 108 letters, wherever the work tree lies.
            qmp: std::env::temp_dir().join(format!("nightjar-hil-{}-{number}.qmp", std::process::id())),
            console: Console::new(&log),
            log,
            variables: variables(&folder)?,
            folder,
            shell: Shell::new("root@127.0.0.1", ssh, Some(key)),
            page,
            ssh,
            is_slow,
            process: None,
        })
    }

    /// Power on, with these network cards beside the usual one; `memory` is where a board that was put aside goes on from.
    fn start(&mut self, cards: &[sides::Card], memory: Option<&Path>) -> Result<()> {
        if self.process.is_some() {
            bail!("the power is on already");
        }
        self.console.skip();
        let (disk, log, qmp) = (self.card.file().display(), self.log.display(), self.qmp.display());
        let mut qemu = lasting("qemu-system-aarch64");
        // No seed for the kernel: one that lies where it was linked need not change address spaces at each call, a quarter of a start.
        qemu.args(["-M", "virt,acpi=off,dtb-randomness=off", "-cpu", "cortex-a53", "-m", "1024"]);
        // One core: each board has a processor of this machine, and two of them do more than one with two cores.
        qemu.args(["-smp", "1", "-accel", "tcg"]);
        if self.is_slow {
            // 8 ns an instruction.
            qemu.args(["-icount", "shift=3,sleep=on"]);
        }
        qemu.args(["-display", "none", "-nodefaults", "-bios", BOOT_LOADER, "-action", "watchdog=reset"]);
        let variables = self.variables.display();
        qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,readonly=on,file={variables}"));
        qemu.args(["-device", "virtio-rng-pci", "-device", "i6300esb"]);
        qemu.arg("-chardev")
            .arg(format!("file,id=line,path={log},append=on"))
            .args(["-serial", "chardev:line"]);
        qemu.arg("-qmp").arg(format!("unix:{qmp},server=on,wait=off"));
        // What the board has flushed is on this machine's disk cache when QEMU is killed; what it has not may be lost.
        let format = self.card.format();
        qemu.arg("-drive").arg(format!("if=none,id=card,format={format},file={disk},cache=writeback"));
        qemu.args(["-device", "virtio-blk-pci,drive=card"]);
        qemu.arg("-netdev").arg(format!(
            "user,id=net,hostfwd=tcp:127.0.0.1:{}-:22,hostfwd=tcp:127.0.0.1:{}-:8443",
            self.ssh, self.page
        ));
        qemu.args(["-device", "virtio-net-pci,netdev=net,romfile=", "-name", "nightjar-board"]);
        for sides::Card { tap, mac } in cards {
            qemu.arg("-netdev").arg(format!("tap,id={tap},ifname={tap},script=no,downscript=no"));
            qemu.arg("-device").arg(format!("virtio-net-pci,netdev={tap},romfile=,mac={mac}"));
        }
        if let Some(memory) = memory {
            qemu.arg("-incoming").arg(format!("exec:cat '{}'", memory.display()));
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        self.process = Some(qemu.spawn().context("can't start qemu-system-aarch64")?);
        Ok(())
    }

    /// One command to QEMU's monitor.
    fn monitor(&self, command: &Value) -> Result<Value> {
        let stream = UnixStream::connect(&self.qmp).context("QEMU's monitor does not answer")?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).context("no deadline for QEMU's monitor")?;
        let mut writer = stream.try_clone().context("can't share QEMU's monitor")?;
        let mut lines = BufReader::new(stream).lines();
        let mut next = || -> Result<Value> {
            loop {
                let line =
                    lines.next().context("QEMU's monitor ended")?.context("QEMU's monitor is silent")?;
                let value: Value = serde_json::from_str(&line).context("QEMU's monitor speaks no JSON")?;
                if value.get("event").is_none() {
                    return Ok(value);
                }
            }
        };
        next()?; // its greeting
        writer.write_all(b"{\"execute\":\"qmp_capabilities\"}\n").context("QEMU's monitor takes nothing")?;
        next()?;
        writer.write_all(format!("{command}\n").as_bytes()).context("QEMU's monitor takes nothing")?;
        let answer = next()?;
        if answer.get("error").is_some() {
            bail!("QEMU's monitor refuses {command}: {answer}");
        }
        Ok(answer)
    }
}

impl Bed for Qemu {
    fn name(&self) -> String {
        "QEMU virt, an emulated Cortex-A53".to_owned()
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::Fleet => false,
            Need::Sides => Sides::can_be(),
            _ => true,
        }
    }

    fn ask(&self, words: &str, seconds: u64) -> Result<Answer> {
        self.shell.ask(words, seconds)
    }

    fn feed(&self, bytes: &[u8], words: &str) -> Result<()> {
        self.shell.feed(bytes, words)
    }

    fn flash(&mut self, settings: &[(&str, String)]) -> Result<()> {
        self.power_cut()?;
        self.card.flash(&self.image, settings)
    }

    fn files(&mut self, partition: &str) -> Result<PathBuf> {
        self.card.files(partition)
    }

    fn leave(&mut self, name: &str, text: &str) -> Result<()> {
        self.card.leave(name, text)
    }

    fn snapshot(&mut self) -> Result<PathBuf> {
        let next = self.card.next_layer();
        // What is in the board's write cache is in it, too: it has left the board.
        self.monitor(&json!({
            "execute": "blockdev-snapshot-sync",
            "arguments": { "device": "card", "format": "qcow2", "snapshot-file": next },
        }))?;
        Ok(self.card.goes_on_in(next))
    }

    fn insert(&mut self, snapshot: &Path) -> Result<()> {
        self.power_cut()?;
        self.card.put_layer_above(snapshot)
    }

    fn keep(&mut self) -> Result<Kept> {
        let memory = self.folder.join(MEMORY);
        self.monitor(&json!({ "execute": "stop" }))?;
        // As fast as it can be: nothing runs meanwhile.
        let speed = json!({ "max-bandwidth": 1_u64 << 40 });
        self.monitor(&json!({ "execute": "migrate-set-parameters", "arguments": speed }))?;
        let to = format!("exec:cat > '{}'", memory.display());
        self.monitor(&json!({ "execute": "migrate", "arguments": { "uri": to } }))?;
        clock::until("the board's memory is written", 120, || {
            let status = self.monitor(&json!({ "execute": "query-migrate" }))?["return"]["status"].clone();
            if status == "failed" {
                bail!("QEMU can't write {}", memory.display());
            }
            Ok((status == "completed").then_some(()))
        })?;
        self.power_cut()?;
        let card = self.card.put_aside()?;
        Ok(Kept { card, memory })
    }

    fn go_on(&mut self, kept: &Kept) -> Result<()> {
        self.power_cut()?;
        self.card.put_layer_above(&kept.card)?;
        self.start(&[], Some(&kept.memory))?;
        clock::until("the board's memory is read", 120, || {
            let status = self.monitor(&json!({ "execute": "query-status" })).ok();
            Ok(status.filter(|status| status["return"]["status"] == "paused").map(drop))
        })?;
        self.monitor(&json!({ "execute": "cont" })).map(drop)
    }

    fn rest(&mut self) -> Result<()> {
        self.power_cut()
    }

    fn power_on(&mut self) -> Result<()> {
        self.start(&[], None)
    }

    fn power_on_with_sides(&mut self) -> Result<[sides::Card; 2]> {
        let card = |letter: char, last: u8| sides::Card {
            // Of this process alone, and within an interface's 15 letters.
            tap: format!("nj{}{letter}", std::process::id()),
            mac: format!("52:54:00:4e:4a:{last:02x}"),
        };
        let cards = [card('c', 1), card('l', 2)];
        self.start(&cards, None)?;
        // QEMU makes their other ends when it starts, before it answers here.
        clock::until("QEMU's monitor answers", 30, || {
            Ok(self.monitor(&json!({ "execute": "query-status" })).ok())
        })?;
        Ok(cards)
    }

    fn power_cut(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().context("QEMU can't be killed")?;
            process.wait().context("lost sight of QEMU")?;
        }
        self.shell.forget();
        Ok(())
    }

    fn network(&mut self, is_on: bool) -> Result<()> {
        self.shell.forget();
        self.monitor(&json!({ "execute": "set_link", "arguments": { "name": "net", "up": is_on } }))?;
        Ok(())
    }

    fn console(&self) -> Option<&Console> {
        Some(&self.console)
    }

    fn lend(&self, port: u16) -> String {
        format!("10.0.2.2:{port}")
    }

    fn page(&self) -> String {
        format!("https://127.0.0.1:{}", self.page)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.power_cut();
        let _ = std::fs::remove_file(self.folder.join(MEMORY));
        let _ = std::fs::remove_file(&self.qmp);
    }
}

/// The boot loader's settings, in a file of the folder.
fn variables(folder: &Path) -> Result<PathBuf> {
    let (text, file) = (folder.join("variables.txt"), folder.join("variables.img"));
    std::fs::write(&text, VARIABLES).with_context(|| format!("can't write {}", text.display()))?;
    run(Command::new("mkenvimage").args(["-s", VARIABLES_BYTES, "-o"]).arg(&file).arg(&text))
        .context("is u-boot-tools installed?")?;
    let flash =
        File::options().write(true).open(&file).context("the boot loader's settings can't be opened")?;
    flash.set_len(FLASH_BYTES).context("the board's flash can't be made as large")?;
    Ok(file)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr().context("a port has no number")?.port())
}
