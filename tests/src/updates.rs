//! Debian's RAUC on a bus of its own, with two files as slots and a shell script as boot loader, and the update agent of a home's
//! recorder. Nobody is systemd there: that the board is to start anew stays in the agent's journal, and the test boots.

use crate::home::Home;
use crate::parts;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ends with its test.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// A board with two slots, of which one runs.
pub struct Board {
    dir: PathBuf,
    agent_socket: PathBuf,
    recorder: PathBuf,
    boots: u32,
    _bus: Program,
    rauc: Option<Program>,
    agent: Option<Program>,
}

/// What keeps a board from being made here, if something does.
pub fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("RAUC mounts bundles: run this as root");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).exists());
    let all = ["rauc", "mksquashfs", "dbus-daemon", "openssl"];
    (!all.iter().all(has)).then_some("install rauc, squashfs-tools, dbus-daemon and openssl")
}

impl Board {
    /// Both slots hold version 1.0; nothing of it runs yet.
    pub fn new(home: &Home) -> Self {
        let dir = home.path("board");
        for folder in ["state", "uploads", "mnt"] {
            fs::create_dir_all(dir.join(folder)).expect("the temporary folder takes it");
        }
        let write = |name: &str, text: &[u8]| fs::write(dir.join(name), text).expect("so it does");
        for slot in ["A", "B"] {
            write(slot, &image("1.0"));
            write(&format!("state.{slot}"), b"good");
        }
        write("primary", b"A");
        write("boot.sh", BOOT_LOADER.as_bytes());
        fs::set_permissions(dir.join("boot.sh"), fs::Permissions::from_mode(0o755)).expect("it is ours");
        write("system.conf", in_dir(SYSTEM_CONF, &dir).as_bytes());
        write("bus.conf", in_dir(BUS_CONF, &dir).as_bytes());
        let mut key = Command::new("openssl");
        key.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        key.args(["-days", "60", "-subj", "/CN=tests", "-keyout"]).arg(dir.join("key.pem"));
        let made = key.arg("-out").arg(dir.join("cert.pem")).stderr(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "openssl makes a key");
        let mut bus = Command::new("dbus-daemon");
        bus.arg(format!("--config-file={}", dir.join("bus.conf").display()));
        let bus = started(bus.args(["--nofork", "--nopidfile"]), &dir, "bus.log");
        let [agent_socket, recorder] = ["agent.sock", "board.sock"].map(|name| home.path(name));
        Self { dir, agent_socket, recorder, boots: 0, _bus: bus, rauc: None, agent: None }
    }

    /// The power goes, and the boot loader takes this slot. The agent judges until it is told to decide.
    pub fn boot(&mut self, slot: char) {
        self.power_off();
        self.boots += 1;
        let image = fs::read(self.dir.join(slot.to_string())).expect("a slot is a file");
        let line = image.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let version = String::from_utf8_lossy(line).replace("system ", "");
        self.write("os-release", &format!("IMAGE_VERSION={version}\n"));
        self.write("boot_id", &format!("boot-number-{}\n", self.boots));
        let mut rauc = Command::new("rauc");
        rauc.arg(format!("--conf={}", self.dir.join("system.conf").display()));
        rauc.arg(format!("--mount={}", self.dir.join("mnt").display()));
        rauc.arg(format!("--override-boot-slot={slot}")).arg("service");
        rauc.env("DBUS_SYSTEM_BUS_ADDRESS", in_dir(BUS, &self.dir));
        self.rauc = Some(started(&mut rauc, &self.dir, "rauc.log"));
        self.start_agent(up_s() + 3_600);
    }

    /// The agent's time for a system on trial is over.
    pub fn decide(&mut self) {
        self.start_agent(2); // longer than `hold`, and long past
    }

    /// Agent and RAUC end at once.
    pub fn power_off(&mut self) {
        (self.agent, self.rauc) = (None, None);
    }

    /// The update that goes on, as the agent wrote it down.
    pub fn journal(&self) -> Value {
        let bytes = fs::read(self.dir.join("state/journal.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// A bundle that this board takes.
    pub fn bundle(&self, version: &str) -> PathBuf {
        let (input, bundle) = (self.dir.join("input"), self.dir.join(format!("nightjar-{version}.raucb")));
        fs::create_dir_all(&input).expect("the temporary folder takes it");
        fs::write(input.join("root.img"), image(version)).expect("so it does");
        let manifest = format!(
            "[update]\ncompatible=nightjar-test\nversion={version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
        );
        fs::write(input.join("manifest.raucm"), manifest).expect("so it does");
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| self.dir.join(name));
        let mut rauc = Command::new("rauc");
        rauc.arg("--cert").arg(&cert).arg("--key").arg(key).arg("--keyring").arg(&cert);
        let made = rauc.arg("bundle").arg(input).arg(&bundle).output().expect("rauc is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        bundle
    }

    fn start_agent(&mut self, deadline_s: u64) {
        self.agent = None;
        let text = format!(
            "[state]\nfolder = \"DIR/state\"\n[system]\nos_release = \"DIR/os-release\"\nboot_id = \"DIR/boot_id\"\nbus = \"{BUS}\"\n\
             [install]\nreboot = false\n[upload]\nfolder = \"DIR/uploads\"\nmost = \"64MiB\"\n\
             [gate]\ndeadline = \"{deadline_s}s\"\nhold = \"1s\"\nrecorder = {:?}\n[socket]\nlisten = {:?}\n",
            self.recorder, self.agent_socket,
        );
        self.write("ota.toml", &in_dir(&text, &self.dir));
        let mut agent = Command::new(parts::program("nightjar-ota"));
        agent.arg("--config").arg(self.dir.join("ota.toml")).arg("run");
        self.agent = Some(started(&mut agent, &self.dir, "agent.log"));
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).expect("the temporary folder takes it");
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the update agent said last:\n{last}\n---");
        }
    }
}

fn started(command: &mut Command, dir: &Path, log: &str) -> Program {
    let file = || {
        let file = fs::OpenOptions::new().create(true).append(true).open(dir.join(log));
        Stdio::from(file.expect("the temporary folder takes it"))
    };
    let child = command.stdin(Stdio::null()).stdout(file()).stderr(file()).spawn();
    Program(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Blocks of zeros behind its version.
fn image(version: &str) -> Vec<u8> {
    let mut image = format!("system {version}\n").into_bytes();
    image.resize(256 * 1024, 0);
    image
}

/// Since this machine was started.
fn up_s() -> u64 {
    let text = fs::read_to_string("/proc/uptime").expect("proc(5) is there");
    text.split('.').next().and_then(|s| s.parse().ok()).expect("it begins with whole seconds")
}

fn in_dir(text: &str, dir: &Path) -> String {
    text.replace("DIR", &dir.display().to_string())
}

const BUS: &str = "unix:path=DIR/bus";

const BOOT_LOADER: &str = "#!/bin/sh\nd=$(dirname \"$0\")\ncase $1 in\nget-primary) cat $d/primary;;\n\
    set-primary) echo $2 > $d/primary;;\nget-state) cat $d/state.$2;;\nset-state) echo $3 > $d/state.$2;;\nesac\n";

const SYSTEM_CONF: &str = "[system]\ncompatible=nightjar-test\nbootloader=custom\nstatusfile=DIR/central.raucs\n\
    mountprefix=DIR/mnt\n[handlers]\nbootloader-custom-backend=DIR/boot.sh\n[keyring]\npath=DIR/cert.pem\n\
    [slot.rootfs.0]\ndevice=DIR/A\ntype=raw\nbootname=A\n[slot.rootfs.1]\ndevice=DIR/B\ntype=raw\nbootname=B\n";

const BUS_CONF: &str = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\" \
    \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
    <listen>unix:path=DIR/bus</listen><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
    <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n";
