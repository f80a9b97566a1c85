//! A real board that is reached over SSH. What it lacks is named, and the tests that need it are skipped.

use crate::bed::{Answer, Bed, Need};
use crate::console::Console;
use crate::shell::Shell;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

pub(crate) struct Real {
    address: String,
    shell: Shell,
    power: Option<String>,
    network: Option<String>,
    console: Option<Console>,
}

/// What was plugged in, by the words of the command line.
#[derive(Debug, Default)]
pub(crate) struct Plugged {
    pub(crate) power: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) console: Option<String>,
}

impl Real {
    /// `user@host` or `user@host:port`.
    pub(crate) fn new(address: &str, plugged: Plugged) -> Result<Self> {
        let (address, port) = match address.rsplit_once(':') {
            Some((address, port)) => (address, port.parse().with_context(|| format!("`{port}` is no port"))?),
            None => (address, 22),
        };
        let shell = Shell::new(address, port, None);
        shell.ask("true", 60)?;
        Ok(Self {
            address: address.to_owned(),
            shell,
            power: plugged.power,
            network: plugged.network,
            console: plugged.console.map(|log| Console::new(Path::new(&log))),
        })
    }

    fn switch(&self, command: Option<&String>, need: Need, word: &str) -> Result<()> {
        let command = command.with_context(|| need.mend())?;
        self.shell.forget();
        let status = Command::new("sh").arg("-c").arg(format!("{command} {word}")).status();
        if !status.is_ok_and(|status| status.success()) {
            bail!("`{command} {word}` failed");
        }
        Ok(())
    }

    fn is_so(&self, words: &str) -> bool {
        self.shell.ask(words, 60).is_ok_and(|answer| answer.code == 0)
    }
}

impl Bed for Real {
    fn name(&self) -> String {
        let model = self.shell.ask("tr -d '\\0' < /proc/device-tree/model", 60).map(|answer| answer.text);
        format!("{}: {}", self.address, model.unwrap_or_else(|_| "a board".to_owned()))
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::Power => self.power.is_some(),
            Need::Network => self.network.is_some(),
            Need::Console => self.console.is_some(),
            Need::Flash | Need::Sides | Need::Fleet => false,
            Need::Line => self.is_so("test -s /etc/nightjar/hil-line"),
            Need::LocalCamera => self.is_so("ls /dev/video* || modprobe vivid"),
            Need::Slots => self.is_so("rauc status && nightjar-ota --version"),
        }
    }

    fn ask(&self, words: &str, seconds: u64) -> Result<Answer> {
        self.shell.ask(words, seconds)
    }

    fn feed(&self, bytes: &[u8], words: &str) -> Result<()> {
        self.shell.feed(bytes, words)
    }

    fn power_on(&mut self) -> Result<()> {
        self.switch(self.power.as_ref(), Need::Power, "on")
    }

    fn power_cut(&mut self) -> Result<()> {
        self.switch(self.power.as_ref(), Need::Power, "off")
    }

    fn network(&mut self, is_on: bool) -> Result<()> {
        self.switch(self.network.as_ref(), Need::Network, if is_on { "on" } else { "off" })
    }

    fn console(&self) -> Option<&Console> {
        self.console.as_ref()
    }

    fn lend(&self, port: u16) -> String {
        self.shell.lend(port);
        format!("127.0.0.1:{port}")
    }

    fn lend_again(&self, seconds: u64) -> Result<()> {
        self.awake(seconds)
    }

    fn page(&self) -> String {
        let host = self.address.rsplit_once('@').map_or(self.address.as_str(), |(_, host)| host);
        format!("https://{host}:8443")
    }
}
