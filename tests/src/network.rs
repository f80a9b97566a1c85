//! Names → network namespaces with cables and switches between them; what runs inside one is on that machine's network alone.
//!
//! Linux ties a namespace to a thread, and its children and their threads inherit it (setns(2)).

use crate::clock;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// A machine's network. Dropping it takes the network with all its cables away.
pub struct Space {
    name: String,
}

impl Space {
    /// An empty one with a loopback. The name is this process's own.
    pub fn new(name: &str) -> Result<Self, String> {
        let space = Self { name: format!("nj{}-{name}", std::process::id()) };
        ip(&["netns", "add", &space.name])?;
        space.ip(&["link", "set", "lo", "up"]);
        Ok(space)
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A switch of this name in it, for cables to end at.
    pub fn switch(&self, name: &str) {
        self.ip(&["link", "add", name, "type", "bridge"]);
        self.ip(&["link", "set", name, "up"]);
    }

    /// A cable from its new interface `port` to `switch` in `room`; gives the interface's hardware address.
    pub fn plug(&self, port: &str, room: &Space, switch: &str) -> String {
        let far = format!("{switch}-{}", self.name.rsplit('-').next().unwrap_or_default());
        let far = &far[..far.len().min(15)]; // IFNAMSIZ
        let words = ["link", "add", far, "netns", &room.name, "type", "veth"];
        ip(&[&words[..], &["peer", "name", port, "netns", &self.name]].concat())
            .expect("a cable can be laid");
        room.ip(&["link", "set", far, "master", switch]);
        room.ip(&["link", "set", far, "up"]);
        self.ip(&["link", "set", port, "up"]);
        let path = format!("/sys/class/net/{port}/address");
        // /sys shows the namespace of whoever mounted it: `ip netns exec` mounts its own.
        self.output(&["cat", &path]).trim().to_owned()
    }

    /// `ip` with these words in it.
    #[track_caller]
    pub fn ip(&self, words: &[&str]) {
        ip(&[&["-n", &self.name], words].concat()).unwrap_or_else(|why| panic!("ip {words:?}: {why}"));
    }

    /// As [`Space::ip`], with the words of each line.
    #[track_caller]
    pub fn ip_lines(&self, lines: &str) {
        lines.lines().for_each(|line| self.ip(&line.split_whitespace().collect::<Vec<_>>()));
    }

    /// Whether a TCP connection from it is made within this time.
    pub fn connects(&self, to: Ipv4Addr, port: u16, within: Duration) -> bool {
        self.enter(|| TcpStream::connect_timeout(&SocketAddr::new(to.into(), port), within).is_ok())
    }

    /// Runs `work` with the sockets and children of this network.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("ip made the namespace's file");
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("root may enter a namespace");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A program in it, with a `/sys` of its own.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    /// What a program prints that must succeed.
    #[track_caller]
    pub fn output(&self, words: &[&str]) -> String {
        let out = self.run(words);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{words:?}: {}: {said}", out.status);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Asks for an address at `port` so many times, and for this DHCP option, with a client that is not ours. It configures nothing;
    /// what it notes is in `folder`.
    pub fn lease(&self, port: &str, tries: u32, option: &str, folder: &Path) -> Lease {
        let (script, lease) = (folder.join("udhcpc"), folder.join("lease"));
        let text = format!("#!/bin/sh\nenv > {}.$1\n", lease.display());
        fs::write(&script, text).expect("the temporary folder takes it");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let (script, tries) = (script.display().to_string(), tries.to_string());
        let words = ["busybox", "udhcpc", "-i", port, "-f", "-q", "-n", "-t", &tries, "-T", "1"];
        self.output(&[&words[..], &["-O", option, "-s", &script]].concat());
        Lease(fs::read_to_string(lease.with_extension("bound")).expect("it has an address"))
    }

    /// Asks `whom` for the time, for so many seconds, with a client that is not ours; whether it was told, and the client's words.
    pub fn asks_time(&self, whom: Ipv4Addr, seconds: u32, folder: &Path) -> (bool, String) {
        let (server, seconds) = (format!("server {whom} iburst maxsamples 1"), seconds.to_string());
        let pid = format!("pidfile {}", folder.join("client.pid").display());
        let client = ["chronyd", "-Q", "-u", "root", "-t", &seconds, &server, &pid];
        let out = self.run(&[&client[..], &["bindcmdaddress /", "port 0", "cmdport 0"]].concat());
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        (out.status.success() && said.contains("System clock wrong by"), said)
    }
}

/// What a DHCP client was told, as lines of `name=value`.
#[derive(Debug)]
pub struct Lease(String);

impl Lease {
    /// The value of this name.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// A program that runs until it is dropped.
pub struct Service(Child);

impl Service {
    /// Starts it; what it says goes to this test's stderr.
    pub fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|why| panic!("{command:?}: {why}")))
    }

    /// Waits for its own end.
    #[track_caller]
    pub fn ends_within(&mut self, seconds: u64) -> ExitStatus {
        clock::until("the program ends by itself", seconds, || {
            self.0.try_wait().expect("our own child can be asked")
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Why this machine lets no test have a network of its own.
pub fn why_not() -> Option<String> {
    let space = match Space::new("try") {
        Ok(space) => space,
        Err(why) => {
            return Some(format!(
                "no network namespace can be made ({why}): run as root, not in a closed container"
            ));
        }
    };
    let out = space.run(&["nft", "add table inet nightjar_try { chain c { type filter hook forward priority 0; fib daddr type local drop; }; }"]);
    let why = String::from_utf8_lossy(&out.stderr).into_owned();
    (!out.status.success()).then(|| format!("the kernel has no nftables ({why})"))
}

fn ip(words: &[&str]) -> Result<(), String> {
    let out =
        Command::new("ip").args(words).stdin(Stdio::null()).output().map_err(|why| format!("ip: {why}"))?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    if out.status.success() { Ok(()) } else { Err(said) }
}
