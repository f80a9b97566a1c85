//! Debian's Mosquitto on a port of loopback, and its own client as the listener: neither is our code.

use crate::clock;
use crate::home::free_port;
use serde_json::Value;
use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A broker that knows its durable clients again after its death, and one of them; dropping it ends both.
pub struct Broker {
    dir: TempDir,
    /// On 127.0.0.1.
    pub port: u16,
    broker: Child,
    listener: Child,
}

impl Broker {
    /// A client hears every message on `topic`, from before the broker answers to anybody else's first message.
    pub fn start(topic: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("nightjar-broker-").tempdir().expect("a temporary folder");
        let port = free_port();
        let broker = serve(dir.path(), port);
        let log = File::create(dir.path().join("heard")).expect("the temporary folder takes it");
        // told line by line, not when its buffer is full
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["-q", "1", "-d", "-c", "-i", "listener", "-t", topic, "-F", "MESSAGE %p"]);
        let listener = command.stdin(Stdio::null()).stdout(log).spawn();
        let listener = listener.expect("mosquitto_sub is there: cargo xtask setup installs it");
        let broker = Self { dir, port, broker, listener };
        clock::until("mosquitto_sub has subscribed", 30, || {
            broker.said().contains("Subscribed").then_some(())
        });
        broker
    }

    /// SIGKILL to the broker; its listener tries again for ever.
    pub fn kill(&mut self) {
        self.broker.kill().expect("it runs");
        self.broker.wait().expect("it was ours");
    }

    /// Starts the broker once more.
    pub fn again(&mut self) {
        self.broker = serve(self.dir.path(), self.port);
    }

    /// What was heard, in order. A message that was not acknowledged in time may stand there twice.
    pub fn heard(&self) -> Vec<Value> {
        let said = self.said();
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let payloads = whole.lines().filter_map(|line| line.strip_prefix("MESSAGE "));
        payloads.map(|payload| serde_json::from_str(payload).expect("what is told is JSON")).collect()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("heard")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for child in [&mut self.broker, &mut self.listener] {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }
}

fn serve(dir: &Path, port: u16) -> Child {
    let user = if rustix::process::geteuid().is_root() { "root" } else { "mosquitto" };
    let text = format!(
        "listener {port} 127.0.0.1\nuser {user}\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
         autosave_on_changes true\nautosave_interval 1\n",
        dir.display()
    );
    let config = dir.join("broker.conf");
    std::fs::write(&config, text).expect("the temporary folder takes it");
    let places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
    let program = places.into_iter().find(|place| Path::new(place).exists()).unwrap_or("mosquitto");
    let mut command = Command::new(program);
    let child = command.arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("mosquitto is there: cargo xtask setup installs it");
    clock::until("mosquitto listens", 30, || TcpStream::connect(("127.0.0.1", port)).ok());
    child
}
