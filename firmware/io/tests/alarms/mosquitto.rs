//! Debian's Mosquitto on a port of loopback, and its own client as the listener: neither is our code.

use super::rig::within;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// A broker; dropping it kills it.
pub(crate) struct Mosquitto {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    more: String,
    child: Option<Child>,
}

impl Mosquitto {
    /// With more lines of its configuration, in which `{dir}` is its folder; what it knows of durable clients outlives its death.
    pub(crate) async fn start(dir: TempDir, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = more.replace("{dir}", dir.path().to_str().unwrap());
        let mut broker = Self { dir, port, more, child: None };
        broker.again().await;
        broker
    }

    /// Starts it once more.
    pub(crate) async fn again(&mut self) {
        let dir = self.dir.path();
        let text = format!(
            "listener {} 127.0.0.1\nuser {}\npersistence true\npersistence_location {}/\nautosave_on_changes true\n\
             autosave_interval 1\n{}\n",
            self.port,
            if rustix::process::geteuid().is_root() { "root" } else { "mosquitto" },
            dir.display(),
            self.more
        );
        std::fs::write(dir.join("broker.conf"), text).unwrap();
        let program =
            ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
        let child = Command::new(program.unwrap_or("mosquitto"))
            .arg("-c")
            .arg(dir.join("broker.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("mosquitto is there: cargo xtask setup installs it"));
        let port = self.port;
        let answers = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        within("mosquitto listens", answers).await;
    }

    /// It takes nothing any more, and its connections stay open.
    pub(crate) fn freeze(&self) {
        let pid = self.child.as_ref().and_then(Child::id).unwrap();
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// A durable listener to `topic` that has subscribed; it says `R TOPIC PAYLOAD` with R = 1 for what was retained.
    pub(crate) async fn listen(&self, topic: &str, more: &[&str]) -> Listener {
        // told line by line, not when its buffer is full
        let mut command = Command::new("stdbuf");
        command.args([
            "-oL",
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-q",
            "1",
            "-d",
            "-c",
            "-i",
        ]);
        command.args([&format!("listener-{topic}"), "-t", topic, "-F", "MESSAGE %r %t %p"]).args(more);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listener = Listener { _child: child, lines };
        let subscribed = async { while !listener.line().await.starts_with("Subscribed") {} };
        within("mosquitto_sub has subscribed", subscribed).await;
        listener
    }
}

/// Who listens.
pub(crate) struct Listener {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("mosquitto_sub goes on")
    }

    /// The next message: whether it was retained, its topic and payload.
    pub(crate) async fn next(&mut self) -> (bool, String, String) {
        let next = async {
            loop {
                let line = self.line().await;
                let Some(rest) = line.strip_prefix("MESSAGE ") else { continue };
                let mut parts = rest.splitn(3, ' ');
                let mut part = || parts.next().unwrap_or_default().to_string();
                return (part() == "1", part(), part());
            }
        };
        within("a message", next).await
    }

    /// Messages until one is as wanted, that one included.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
        let mut all = Vec::new();
        loop {
            let (_, topic, payload) = self.next().await;
            let is_it = wanted(&topic, &payload);
            all.push((topic, payload));
            if is_it {
                return all;
            }
        }
    }
}
