//! Shell words → what they did on a board, over one SSH connection that is kept.

use crate::bed::Answer;
use crate::clock::Stopwatch;
use anyhow::{Context, Result, bail};
use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// ssh's own exit code: the board was not reached.
const NOT_REACHED: i32 = 255;

/// Where a board is reached, and with which key.
#[derive(Debug)]
pub(crate) struct Shell {
    address: String,
    port: u16,
    key: Option<PathBuf>,
    /// The socket of the connection that is kept.
    control: PathBuf,
    /// Ports of this machine's loopback that the board has at its own.
    lent: RefCell<Vec<u16>>,
}

impl Shell {
    pub(crate) fn new(address: &str, port: u16, key: Option<&Path>) -> Self {
        // Beneath a socket's 108 letters, wherever the work tree lies.
        let control = std::env::temp_dir().join(format!("nightjar-hil-{}-{port}", std::process::id()));
        Self {
            address: address.to_owned(),
            port,
            key: key.map(Path::to_owned),
            control,
            lent: RefCell::default(),
        }
    }

    pub(crate) fn ask(&self, words: &str, seconds: u64) -> Result<Answer> {
        // A connection that does not answer may be that of a board which has gone: the next one is begun anew.
        let output = self.send(words, &[], seconds).inspect_err(|_| self.forget())?;
        let code = output.status.code().context("ssh was killed")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if code == NOT_REACHED {
            self.forget();
            bail!("the board is not reached: {}", text.trim());
        }
        Ok(Answer { code, text })
    }

    pub(crate) fn feed(&self, bytes: &[u8], words: &str) -> Result<()> {
        let output = self.send(words, bytes, 300)?;
        if !output.status.success() {
            bail!("`{words}`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Lends the board a port of this machine's loopback, under the same number, in this connection and those after it.
    pub(crate) fn lend(&self, port: u16) {
        if !self.lent.borrow().contains(&port) {
            self.lent.borrow_mut().push(port);
            self.forget();
        }
    }

    /// Ends the connection: the board behind it goes away or has gone.
    pub(crate) fn forget(&self) {
        let mut command = self.ssh();
        command.args(["-O", "exit", &self.address]).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = command.status();
        let _ = std::fs::remove_file(&self.control);
    }

    fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(["-p", &self.port.to_string()])
            .arg("-o")
            .arg(format!("ControlPath={}", self.control.display()));
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=20",
            "ControlPersist=yes",
            // Cheap for an emulated board, and any SSH server knows it.
            "KexAlgorithms=curve25519-sha256",
            "LogLevel=ERROR",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=6",
            // A board that was flashed has a new key.
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            command.args(["-o", option]);
        }
        if let Some(key) = &self.key {
            command.arg("-i").arg(key).args(["-o", "IdentitiesOnly=yes"]);
        }
        command
    }

    /// Begins the connection that is kept, with what is lent.
    fn connect(&self) -> Result<()> {
        if self.control.exists() {
            return Ok(());
        }
        let mut command = self.ssh();
        command.args(["-f", "-N", "-M"]);
        for port in self.lent.borrow().iter() {
            command.args(["-R", &format!("{port}:127.0.0.1:{port}")]);
        }
        command.arg(&self.address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().context("can't start ssh")?.success() {
            bail!("the board is not reached at {} port {}", self.address, self.port);
        }
        Ok(())
    }

    fn send(&self, words: &str, input: &[u8], seconds: u64) -> Result<Output> {
        self.connect()?;
        let mut command = self.ssh();
        command.arg(&self.address).arg(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("can't start ssh")?;
        let mut stdin = child.stdin.take().context("ssh takes no input")?;
        let bytes = input.to_vec();
        // The other end may be gone: then its exit code says so.
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).is_ok());
        let output = wait(child, seconds).with_context(|| format!("`{words}`"));
        let _ = writer.join();
        output
    }
}

/// Waits for a program and what it prints; ends it when it takes too long.
fn wait(child: Child, seconds: u64) -> Result<Output> {
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let watch = Stopwatch::start();
    match receiver.recv_timeout(Duration::from_secs(seconds)) {
        Ok(output) => output.context("lost sight of ssh"),
        Err(_) => {
            let _ = Command::new("kill").arg(id.to_string()).status();
            bail!("no end after {:.0} s", watch.seconds());
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.forget();
    }
}
