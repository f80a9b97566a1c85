//! A board without hardware: RAUC itself (Debian's) on a bus of its own, two files as slots, a shell script as boot loader. What
//! stands in for something is systemd, which only notes that it is asked to start the board anew, and the recorder.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "test code; each test uses another part")]

pub mod false_rauc;

use nightjar_ota::{Agent, Config, Fleet, Socket, State, client, listen};
use nightjar_types::gate::{GateCamera, GateEye, GateRelay, GateReport, GateSlab};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zbus::zvariant::OwnedObjectPath;

/// What all waiting ends with.
pub const WITHIN: Duration = Duration::from_secs(60);
const COMPATIBLE: &str = "nightjar-test";

/// What keeps these tests from running here, if something does.
pub fn missing() -> Option<&'static str> {
    let has = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|dir| dir.join(name).exists() || Path::new("/usr/sbin").join(name).exists())
    };
    if !rustix::process::geteuid().is_root() {
        return Some("RAUC mounts bundles: run this as root");
    }
    let all = ["rauc", "mksquashfs", "dbus-daemon", "openssl"];
    all.iter().any(|name| !has(name)).then_some("install rauc, squashfs-tools, dbus-daemon and openssl")
}

/// Prints why a test does nothing, and where `cargo xtask test` collects it.
macro_rules! board_or_skip {
    ($test:literal) => {
        match board::missing() {
            Some(why) => {
                board::skip($test, why);
                return;
            }
            None => board::Board::new().await,
        }
    };
}

pub fn skip(test: &str, why: &str) {
    let line = format!("SKIP {test}: {why}");
    println!("{line}");
    if let Some(file) = std::env::var_os("NIGHTJAR_SKIPS") {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// Ends with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Board {
    pub dir: TempDir,
    bus: Program,
    rauc: Option<Program>,
    systemd: zbus::Connection,
    reboots: mpsc::UnboundedReceiver<String>,
    pub recorder: Arc<Mutex<Option<GateReport>>>,
    servers: Vec<JoinHandle<()>>,
    pub slot: char,
    boots: u32,
    agent: Option<JoinHandle<()>>,
    pub fleet: Option<Fleet>,
    /// Lines of the configuration that a test wants, of `[install]` and of a section `[fleet]`.
    pub install: String,
    pub fleet_lines: String,
    pub deadline_s: u64,
}

struct Systemd(mpsc::UnboundedSender<String>);

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn start_unit(&self, name: &str, _mode: &str) -> OwnedObjectPath {
        let _ = self.0.send(name.into());
        OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/1").unwrap()
    }
}

fn up_s() -> u64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec as u64
}

/// All is well.
pub fn well(page: &str) -> GateReport {
    let camera = |id: &str| GateCamera {
        id: id.into(),
        recording: true,
        continuous: true,
        last_age_ms: Some(700),
        missing_ms: Some(31_500),
        ..GateCamera::default()
    };
    GateReport {
        version: "0.1.0".into(),
        clock_sure: true,
        cameras: vec![camera("front"), camera("yard")],
        slab: GateSlab { written: true, read_back: true, ..GateSlab::default() },
        relays: vec![GateRelay { id: "siren".into(), ok: true, why: String::new() }],
        eye: GateEye { wanted: true, running: true, answered_age_ms: Some(1_000) },
        page: page.into(),
        ..GateReport::default()
    }
}

impl Board {
    /// Slot A runs version 1.0.
    pub async fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("nightjar-ota-").tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for folder in ["state", "uploads", "mnt"] {
            fs::create_dir(path(folder)).unwrap();
        }
        for slot in ["A", "B"] {
            fs::write(path(slot), image("1.0")).unwrap();
            fs::write(path(&format!("state.{slot}")), "good").unwrap();
        }
        fs::write(path("primary"), "A").unwrap();
        fs::write(path("boot.sh"), BOOT_LOADER).unwrap();
        fs::set_permissions(path("boot.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["ours", "foreign"] {
            let (key, cert) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
            let made = Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "60",
                ])
                .args(["-subj", &format!("/CN={name}"), "-keyout"])
                .arg(key)
                .arg("-out")
                .arg(cert)
                .stderr(Stdio::null())
                .status();
            assert!(made.unwrap().success());
        }
        fs::write(path("system.conf"), system_conf(dir.path())).unwrap();
        fs::write(path("bus.conf"), bus_conf(dir.path())).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", path("bus.conf").display()))
            .args(["--nofork", "--nopidfile"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = address(dir.path());
        until("the bus", || std::os::unix::net::UnixStream::connect(path("bus")).is_ok()).await;
        let (asked, reboots) = mpsc::unbounded_channel();
        let systemd = zbus::connection::Builder::address(address.as_str())
            .unwrap()
            .name("org.freedesktop.systemd1")
            .unwrap()
            .serve_at("/org/freedesktop/systemd1", Systemd(asked))
            .unwrap()
            .build()
            .await
            .unwrap();
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let report = well(&format!("http://{}/", page.local_addr().unwrap()));
        let recorder = Arc::new(Mutex::new(Some(report)));
        let socket = UnixListener::bind(path("board.sock")).unwrap();
        let servers =
            vec![tokio::spawn(serve_page(page)), tokio::spawn(serve_report(socket, recorder.clone()))];
        let mut board = Self {
            dir,
            bus: Program(bus),
            rauc: None,
            systemd,
            reboots,
            recorder,
            servers,
            slot: 'A',
            boots: 0,
            agent: None,
            fleet: None,
            install: String::new(),
            fleet_lines: String::new(),
            deadline_s: up_s() + 120,
        };
        board.boot('A').await;
        board
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn address(&self) -> String {
        address(self.dir.path())
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim().to_owned()
    }

    /// The power goes, and the boot loader chooses this slot.
    pub async fn boot(&mut self, slot: char) {
        self.power_off().await;
        self.slot = slot;
        self.boots += 1;
        let version = version_of(&fs::read(self.path(&slot.to_string())).unwrap());
        fs::write(self.path("os-release"), format!("IMAGE_VERSION={version}\n")).unwrap();
        fs::write(self.path("boot_id"), format!("boot-number-{}\n", self.boots)).unwrap();
        let log = fs::File::create(self.path(&format!("rauc.{}.log", self.boots))).unwrap();
        let rauc = Command::new("rauc")
            .arg(format!("--conf={}", self.path("system.conf").display()))
            .arg(format!("--mount={}", self.path("mnt").display()))
            .arg(format!("--override-boot-slot={slot}"))
            .arg("service")
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.rauc = Some(Program(rauc));
        self.until_rauc(true).await;
    }

    async fn until_rauc(&self, is_there: bool) {
        let bus = zbus::fdo::DBusProxy::new(&self.systemd).await.unwrap();
        let name = zbus::names::BusName::try_from("de.pengutronix.rauc").unwrap();
        let waited = timeout(WITHIN, async {
            while bus.name_has_owner(name.clone()).await.unwrap() != is_there {
                sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("not in time: RAUC on the bus: {is_there}"));
    }

    async fn power_off(&mut self) {
        self.stop_agent().await;
        self.without_rauc().await;
    }

    /// RAUC is another program's part.
    pub async fn without_rauc(&mut self) {
        self.rauc = None;
        self.until_rauc(false).await;
    }

    pub async fn stop_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.abort();
            let _ = agent.await;
        }
    }

    pub fn config(&self) -> Config {
        let text = format!(
            "[state]\nfolder = \"DIR/state\"\n[system]\nos_release = \"DIR/os-release\"\nrauc = \"DIR/rauc.conf\"\nboot_id = \"DIR/boot_id\"\n\
             bus = \"{}\"\n[install]\n{}\n[upload]\nfolder = \"DIR/uploads\"\nmost = \"64MiB\"\n\
             [gate]\ndeadline = \"{}s\"\nhold = \"1s\"\nrecorder = \"DIR/board.sock\"\n[socket]\nlisten = \"DIR/agent.sock\"\n{}",
            self.address(),
            self.install,
            self.deadline_s,
            self.fleet_lines,
        );
        Config::parse(&text.replace("DIR", self.dir.path().to_str().unwrap())).unwrap()
    }

    /// Starts the agent and waits until it knows the slots.
    pub async fn start_agent(&mut self) {
        let config = Arc::new(self.config());
        let state = State::open(&config.state).unwrap();
        let listener = listen(&config.socket).unwrap();
        let (agent, desk, fleet) = Agent::new(config.clone(), state.clone());
        let socket = Socket::new(config, state, desk);
        self.fleet = Some(fleet);
        self.agent = Some(tokio::spawn(async move {
            tokio::select! {
                done = agent.run(|| ()) => panic!("the agent ended: {done:?}"),
                () = socket.serve(listener) => {}
            }
        }));
        self.until_status("it knows the slots", |s| s["step"] != "starting").await;
    }

    pub fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    pub async fn status(&self) -> Value {
        client::ask(&self.socket(), hyper::Method::GET, "/v1/status", None).await.unwrap()
    }

    pub async fn until_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waited = timeout(WITHIN, async {
            loop {
                last = self.status().await;
                if is(&last) {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("not in time: {what}; at last {last:#}"));
        last
    }

    /// What became of the newest update, once there are so many.
    pub async fn entry(&self, number: usize) -> Value {
        let mut history = Value::Null;
        let waited = timeout(WITHIN, async {
            loop {
                history = client::ask(&self.socket(), hyper::Method::GET, "/v1/history", None).await.unwrap();
                if history["entries"].as_array().unwrap().len() >= number
                    && self.status().await["step"] == "idle"
                {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("not in time: entry {number}; there is {history:#}"));
        history["entries"][0].clone()
    }

    /// systemd is asked to start the board anew.
    pub async fn rebooted(&mut self) {
        let asked = timeout(WITHIN, self.reboots.recv()).await.expect("the board starts anew in time");
        assert_eq!(asked.as_deref(), Some("reboot.target"));
    }

    pub fn no_reboot_was_asked(&mut self) {
        assert!(self.reboots.try_recv().is_err());
    }

    /// The slot that the boot loader takes next.
    pub fn next_slot(&self) -> char {
        let primary = self.read("primary");
        let is_good = self.read(&format!("state.{primary}")) == "good" || self.boots_untried(&primary);
        let other = if primary == "A" { 'B' } else { 'A' };
        if is_good { primary.chars().next().unwrap() } else { other }
    }

    /// RAUC's custom backend marks a fresh slot by making it the first; only what was marked bad after that is left out.
    fn boots_untried(&self, primary: &str) -> bool {
        let changed = |name: &str| fs::metadata(self.path(name)).unwrap().modified().unwrap();
        changed("primary") > changed(&format!("state.{primary}"))
    }

    pub fn bundle(&self, name: &str, version: &str) -> PathBuf {
        self.bundle_of(name, version, COMPATIBLE, "ours")
    }

    pub fn bundle_of(&self, name: &str, version: &str, compatible: &str, key: &str) -> PathBuf {
        let (input, out) = (self.path(&format!("{name}.in")), self.path(name));
        fs::create_dir(&input).unwrap();
        fs::write(input.join("root.img"), image(version)).unwrap();
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion={version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=root.img\n"
        );
        fs::write(input.join("manifest.raucm"), manifest).unwrap();
        let key_file = |end: &str| self.path(&format!("{key}.{end}"));
        let made = Command::new("rauc")
            .arg("--cert")
            .arg(key_file("pem"))
            .arg("--key")
            .arg(key_file("key"))
            .arg("--keyring")
            .arg(key_file("pem"))
            .arg("bundle")
            .arg(&input)
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        out
    }

    /// Sends it as the page does.
    pub async fn send(&self, bundle: &Path) -> Result<String, String> {
        client::send(&self.socket(), bundle, "console").await
    }

    pub async fn post(&self, path: &str) -> Result<Value, String> {
        client::ask(&self.socket(), hyper::Method::POST, path, None).await
    }
}

/// Blocks of zeros behind its version.
pub fn image(version: &str) -> Vec<u8> {
    let mut image = format!("system {version}\n").into_bytes();
    image.resize(256 * 1024, 0);
    image
}

fn version_of(image: &[u8]) -> String {
    let line = image.split(|b| *b == b'\n').next().unwrap();
    String::from_utf8_lossy(line).strip_prefix("system ").unwrap().to_owned()
}

fn address(dir: &Path) -> String {
    format!("unix:path={}/bus", dir.display())
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let waited = timeout(WITHIN, async {
        while !is() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), body: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn serve_page(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        answer(&mut stream, "<!doctype html>").await;
    }
}

/// A recorder that does not answer closes the connection.
async fn serve_report(listener: UnixListener, report: Arc<Mutex<Option<GateReport>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let now = report.lock().unwrap().clone();
        if let Some(report) = now {
            answer(&mut stream, &serde_json::to_string(&report).unwrap()).await;
        }
    }
}

const BOOT_LOADER: &str = "#!/bin/sh\nd=$(dirname \"$0\")\ncase $1 in\nget-primary) cat $d/primary;;\n\
    set-primary) echo $2 > $d/primary;;\nget-state) cat $d/state.$2;;\nset-state) echo $3 > $d/state.$2;;\nesac\n";

fn system_conf(dir: &Path) -> String {
    let slot =
        |n: u32, name: &str| format!("[slot.rootfs.{n}]\ndevice=DIR/{name}\ntype=raw\nbootname={name}\n");
    let text = format!(
        "[system]\ncompatible={COMPATIBLE}\nbootloader=custom\nstatusfile=DIR/central.raucs\nmountprefix=DIR/mnt\n\
         [handlers]\nbootloader-custom-backend=DIR/boot.sh\n[keyring]\npath=DIR/ours.pem\n{}{}",
        slot(0, "A"),
        slot(1, "B")
    );
    text.replace("DIR", dir.to_str().unwrap())
}

fn bus_conf(dir: &Path) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
         <listen>{}</listen><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n",
        address(dir)
    )
}
