//! A disk image → a board in QEMU: `-M virt` with PL061 lines, the i6300esb watchdog, and a network behind which this machine is
//! 10.0.2.2.

use crate::bed::{Answer, Bed, Kept, Need};
use crate::clock;
use crate::console::Console;
use crate::program::{lasting, run};
use crate::shell::Shell;
use crate::sides::{Card, Sides};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
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
/// The card that the image is flashed to. Sparse: it takes what is written.
const CARD_BYTES: u64 = 3 << 30;
const CARD: &str = "card.img";
/// The partition for what outlives an update.
pub(crate) const STATE: &str = "state";
/// The one for footage.
pub(crate) const DATA: &str = "data";
const SECTOR: u64 = 512;
/// What was in a board's memory when it was put aside.
const MEMORY: &str = "memory";

pub(crate) struct Qemu {
    image: PathBuf,
    /// Of this board alone.
    folder: PathBuf,
    /// What is in the board: a flashed card, or a layer above one that is as it was at some moment.
    disk: PathBuf,
    /// Layers that were made.
    layers: u32,
    /// Whether nothing else needs the layer that is in the board.
    is_for_once: bool,
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
            disk: folder.join(CARD),
            layers: 0,
            is_for_once: false,
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
    fn start(&mut self, cards: &[Card], memory: Option<&Path>) -> Result<()> {
        if self.process.is_some() {
            bail!("the power is on already");
        }
        self.console.skip();
        let (disk, log, qmp) = (self.disk.display(), self.log.display(), self.qmp.display());
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
        let format = format_of(&self.disk);
        qemu.arg("-drive").arg(format!("if=none,id=card,format={format},file={disk},cache=writeback"));
        qemu.args(["-device", "virtio-blk-pci,drive=card"]);
        qemu.arg("-netdev").arg(format!(
            "user,id=net,hostfwd=tcp:127.0.0.1:{}-:22,hostfwd=tcp:127.0.0.1:{}-:8443",
            self.ssh, self.page
        ));
        qemu.args(["-device", "virtio-net-pci,netdev=net,romfile=", "-name", "nightjar-board"]);
        for Card { tap, mac } in cards {
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

    /// A layer above a card, put in.
    fn put_layer_above(&mut self, card: &Path) -> Result<()> {
        self.take_card_out()?;
        let layer = self.next_layer();
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", format_of(card), "-b"])
            .arg(card)
            .arg(&layer))?;
        (self.disk, self.is_for_once) = (layer, true);
        Ok(())
    }

    /// Cuts the power, and throws away a layer that nothing else needs.
    fn take_card_out(&mut self) -> Result<()> {
        self.power_cut()?;
        if std::mem::take(&mut self.is_for_once) {
            std::fs::remove_file(&self.disk).context("a layer of the card stays")?;
        }
        Ok(())
    }

    /// A file for the next layer of the card, with none there.
    fn next_layer(&mut self) -> PathBuf {
        self.layers += 1;
        let layer = self.layer(self.layers);
        let _ = std::fs::remove_file(&layer);
        layer
    }

    fn layer(&self, number: u32) -> PathBuf {
        self.folder.join(format!("card-{number}.qcow2"))
    }

    /// A layer and what is beneath it become one file that other programs can read.
    fn make_whole(&mut self) -> Result<()> {
        if format_of(&self.disk) == "qcow2" {
            let whole = self.folder.join(CARD);
            run(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(&self.disk).arg(&whole))?;
            self.take_card_out()?;
            self.disk = whole;
        }
        Ok(())
    }

    /// A copy of a partition, with what a power cut left in its journal done: e2fsck loses its way on a file with an offset.
    fn mended(&self, partition: &str) -> Result<PathBuf> {
        let [first, bytes] = self.partition(partition)?;
        let copy = self.folder.join(format!("{partition}.ext4"));
        run(Command::new("dd")
            .arg(format!("if={}", self.disk.display()))
            .arg(format!("of={}", copy.display()))
            .args(["bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none"])
            .args([format!("skip={first}"), format!("count={bytes}")]))?;
        let mut mend = Command::new("e2fsck");
        let status = mend.args(["-f", "-y"]).arg(&copy).stdout(Stdio::null()).stderr(Stdio::null()).status();
        // 1: something was mended.
        if status.context("can't start e2fsck")?.code().is_none_or(|code| code > 1) {
            bail!("the file system of \"{partition}\" can't be mended");
        }
        Ok(copy)
    }

    /// First byte of a partition of the card, and how many it has.
    fn partition(&self, label: &str) -> Result<[u64; 2]> {
        let table =
            Command::new("sgdisk").arg("-p").arg(&self.disk).output().context("can't start sgdisk")?;
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        // Number, first and last sector, size in two words, code, name.
        let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|words| words.len() == 7 && words[6] == label);
        let row = row.with_context(|| format!("the card has no partition \"{label}\""))?;
        let number = |text: &str| text.parse::<u64>().context("sgdisk's table has a place that is no number");
        let (first, last) = (number(row[1])?, number(row[2])?);
        Ok([first * SECTOR, (last + 1 - first) * SECTOR])
    }

    /// A file into a folder of the partition "state", while the power is off.
    fn put(&self, file: &Path, folder: &str, name: &str) -> Result<()> {
        let state = format!("{}?offset={}", self.disk.display(), self.partition(STATE)?[0]);
        let ask = |words: &str| {
            let mut debugfs = Command::new("debugfs");
            debugfs.args(["-w", "-R", words, &state]).stdin(Stdio::null()).stderr(Stdio::null());
            let output = debugfs.output().context("can't start debugfs")?;
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        // debugfs ends well whatever it did.
        let _ = ask(&format!("mkdir {folder}"))?; // it may be there
        ask(&format!("write {} {folder}/{name}", file.display()))?;
        if !ask(&format!("stat {folder}/{name}"))?.contains("Type: regular") {
            bail!("{name} can't be put into {folder} of the card");
        }
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
        self.take_card_out()?;
        self.disk = self.folder.join(CARD);
        run(Command::new("cp").args(["--sparse=always"]).arg(&self.image).arg(&self.disk))?;
        let disk = File::options().write(true).open(&self.disk).context("the copy can't be opened")?;
        disk.set_len(CARD_BYTES).context("the card can't be made as large")?;
        let file = self.folder.join("setting");
        for (name, text) in settings {
            std::fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
            self.put(&file, "etc", name)?;
        }
        Ok(())
    }

    fn files(&mut self, partition: &str) -> Result<PathBuf> {
        self.make_whole()?;
        let copy = self.mended(partition)?;
        let folder = self.folder.join(partition);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        // In it: this program's words know no quotes.
        let mut debugfs = Command::new("debugfs");
        debugfs.current_dir(&folder).args(["-R", "rdump / ."]).arg(&copy);
        let output = debugfs.output().context("can't start debugfs")?;
        std::fs::remove_file(&copy).with_context(|| format!("{} stays", copy.display()))?;
        if !folder.join("lost+found").exists() {
            bail!("debugfs can't read \"{partition}\": {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(folder)
    }

    fn leave(&mut self, name: &str, text: &str) -> Result<()> {
        self.make_whole()?;
        let copy = self.mended(STATE)?;
        let mut card = File::options().write(true).open(&self.disk).context("the card can't be opened")?;
        card.seek(SeekFrom::Start(self.partition(STATE)?[0])).context("the card is too short")?;
        let mut mended = File::open(&copy).context("the mended \"state\" can't be read")?;
        std::io::copy(&mut mended, &mut card).context("\"state\" can't be put back")?;
        std::fs::write(&copy, text).with_context(|| format!("can't write {}", copy.display()))?;
        self.put(&copy, ".", name)?;
        std::fs::remove_file(&copy).with_context(|| format!("{} stays", copy.display()))
    }

    fn snapshot(&mut self) -> Result<PathBuf> {
        let next = self.next_layer();
        // What is in the board's write cache is in it, too: it has left the board.
        self.monitor(&json!({
            "execute": "blockdev-snapshot-sync",
            "arguments": { "device": "card", "format": "qcow2", "snapshot-file": next },
        }))?;
        self.is_for_once = false;
        Ok(std::mem::replace(&mut self.disk, next))
    }

    fn insert(&mut self, snapshot: &Path) -> Result<()> {
        self.put_layer_above(snapshot)
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
        let card = self.folder.join(format!("kept.{}", format_of(&self.disk)));
        std::fs::rename(&self.disk, &card).context("the card can't be put aside")?;
        self.is_for_once = false;
        Ok(Kept { card, memory })
    }

    fn go_on(&mut self, kept: &Kept) -> Result<()> {
        self.put_layer_above(&kept.card)?;
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

    fn power_on_with_sides(&mut self) -> Result<[Card; 2]> {
        let card = |letter: char, last: u8| Card {
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
        for layer in 1..=self.layers {
            let _ = std::fs::remove_file(self.layer(layer));
        }
        for file in ["kept.raw", "kept.qcow2", MEMORY] {
            let _ = std::fs::remove_file(self.folder.join(file));
        }
        for partition in [STATE, DATA] {
            let _ = std::fs::remove_dir_all(self.folder.join(partition));
        }
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

/// QEMU's word for what a card's file is.
fn format_of(disk: &Path) -> &'static str {
    if disk.extension().is_some_and(|ending| ending == "qcow2") { "qcow2" } else { "raw" }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr().context("a port has no number")?.port())
}
