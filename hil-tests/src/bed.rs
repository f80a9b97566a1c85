//! What a test may do to a board, whichever it is.

use crate::clock;
use crate::console::Console;
use crate::sides::Card;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Something that not every bed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The power can be cut and given back.
    Power,
    /// A card with a system as it was flashed, put in before the test.
    Flash,
    /// What the serial line says.
    Console,
    /// The board's network can be taken away.
    Network,
    /// A relay's line can be read from outside the recorder.
    Line,
    /// A camera on the board itself.
    LocalCamera,
    /// Two slots and an update agent.
    Slots,
    /// Two more network cards, whose other ends are in this machine.
    Sides,
    /// A hawkBit server, whichever the bed.
    Fleet,
}

impl Need {
    /// What a person plugs in to have it.
    pub(crate) fn mend(self) -> &'static str {
        match self {
            Self::Power => "a socket that can be switched: --power COMMAND is run with \"on\" and \"off\"",
            Self::Flash => "a way to write the card: only the QEMU bed has one",
            Self::Console => "a serial cable: --console FILE names what it is logged to",
            Self::Network => {
                "a switch port that can be turned off: --network COMMAND is run with \"on\" and \"off\""
            }
            Self::Sides => {
                "two network cards into namespaces: the QEMU bed has them where root finds /dev/net/tun and nftables"
            }
            Self::Fleet => {
                "a hawkBit server: `cargo xtask fleet` builds one and says what it lacks, or --jar names it"
            }
            Self::Line => "a wire from the relay's line to an input: WIRING.md",
            Self::LocalCamera => "a USB camera, or the kernel's module vivid",
            Self::Slots => {
                "an image with two slots: this system was not made by `cargo xtask image` or the Yocto layer"
            }
        }
    }
}

/// How a command on the board ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    /// Standard output and error.
    pub(crate) text: String,
}

/// A running board that was put aside: what is on its card, and what was in its memory.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) card: PathBuf,
    pub(crate) memory: PathBuf,
}

/// A board under test.
pub(crate) trait Bed: Send {
    /// For the heading of the report.
    fn name(&self) -> String;

    fn has(&self, need: Need) -> bool;

    /// Runs shell words as root. An error means that the board was not reached; the words' own failure is in the answer.
    fn ask(&self, words: &str, seconds: u64) -> Result<Answer>;

    /// Puts a file onto the board.
    fn push(&self, bytes: &[u8], to: &str) -> Result<()> {
        self.feed(bytes, &format!("cat > '{to}' && sync '{to}'"))
    }

    /// Runs shell words as root that must end well, with these bytes as their input.
    fn feed(&self, bytes: &[u8], words: &str) -> Result<()>;

    /// Takes the card out, flashes it, gives it the tests' settings, each a file of `/etc/nightjar` and its text, and puts it back;
    /// the power is off after it.
    fn flash(&mut self, _settings: &[(&str, String)]) -> Result<()> {
        bail!(Need::Flash.mend())
    }

    /// What is on a partition of the card, copied into a folder that it gives; the power is off before and after it.
    fn files(&mut self, _partition: &str) -> Result<PathBuf> {
        bail!(Need::Flash.mend())
    }

    /// Puts a file onto the partition "state" of the card; the power is off before and after it.
    fn leave(&mut self, _name: &str, _text: &str) -> Result<()> {
        bail!(Need::Flash.mend())
    }

    /// What is on the card at this moment, as if the plug were pulled; the board goes on.
    fn snapshot(&mut self) -> Result<PathBuf> {
        bail!(Need::Flash.mend())
    }

    /// Puts a card in that is what a snapshot was, which stays as it is; the power is off before and after it.
    fn insert(&mut self, _snapshot: &Path) -> Result<()> {
        bail!(Need::Flash.mend())
    }

    /// Puts a running board aside, as if its time stood still; the power is off after it.
    fn keep(&mut self) -> Result<Kept> {
        bail!(Need::Flash.mend())
    }

    /// A board that goes on where one was put aside, which stays as it is. Whoever spoke with that one has to begin anew.
    fn go_on(&mut self, _kept: &Kept) -> Result<()> {
        bail!(Need::Flash.mend())
    }

    /// No test is left for it.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }

    fn power_on(&mut self) -> Result<()>;

    /// As [`Bed::power_on`], with a card for cameras and one for people.
    fn power_on_with_sides(&mut self) -> Result<[Card; 2]> {
        bail!(Need::Sides.mend())
    }

    /// As if somebody pulled the plug.
    fn power_cut(&mut self) -> Result<()>;

    fn network(&mut self, is_on: bool) -> Result<()>;

    /// What was said on the serial line, if somebody listens.
    fn console(&self) -> Option<&Console>;

    /// Where the board finds a port of this machine's loopback: `HOST:PORT`.
    fn lend(&self, port: u16) -> String;

    /// Waits until a board that was started anew finds what it was lent.
    fn lend_again(&self, _seconds: u64) -> Result<()> {
        Ok(())
    }

    /// Address of the board's page, as this machine sees it.
    fn page(&self) -> String;

    /// Waits until the board can be asked something.
    fn awake(&self, seconds: u64) -> Result<()> {
        clock::until("the board answers over SSH", seconds, || Ok(self.ask("true", 30).ok().map(|_| ())))
    }

    /// Runs words that must end well, and gives what they printed.
    fn run(&self, words: &str) -> Result<String> {
        let answer = self.ask(words, 120)?;
        if answer.code != 0 {
            bail!("`{words}` ended with {}: {}", answer.code, answer.text.trim());
        }
        Ok(answer.text.trim().to_owned())
    }

    /// Runs words that must fail, and gives what they printed.
    fn run_badly(&self, words: &str, seconds: u64) -> Result<String> {
        let answer = self.ask(words, seconds)?;
        if answer.code == 0 {
            bail!("`{words}` was expected to fail and did not: {}", answer.text.trim());
        }
        Ok(answer.text.trim().to_owned())
    }
}
