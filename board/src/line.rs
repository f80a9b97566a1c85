//! A line's name as a person types it → which line of which chip by which driver. Pure.
//!
//! `GPIO17` (the board's name or an alias) · `pin11` (place on the header) · `gpiochip0:17` (any chip, by the kernel's
//! number) · `rppal:GPIO17` (another driver of this board) · `sim:3` (simulated, on every board).

use crate::board::{Board, HeaderLine};
use crate::{BoardError, driver::DRIVERS};
use std::fmt;

/// Lines of the simulated chip.
pub const SIM_LINES: u32 = 32;
/// How many near lines a message lists.
const NEAR: usize = 3;

/// One line of one GPIO chip, and who drives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The board's name for it; without one, as it was typed.
    pub name: String,
    /// Name of a row of [`DRIVERS`].
    pub driver: &'static str,
    /// Its chip.
    pub chip: Chip,
    /// Its number on the chip.
    pub offset: u32,
    /// Id of the board it was looked up on.
    pub board: String,
}

/// How a GPIO chip is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Chip {
    /// The simulated one.
    Sim,
    /// By the label its kernel driver gives it: the same whatever was found first at boot.
    Label(String),
    /// By its device file.
    Path(String),
}

/// Who asks a driver for which line: what errors name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// `relay` or `input`.
    pub(crate) what: &'static str,
    /// Its id.
    pub(crate) id: &'a str,
    pub(crate) line: &'a Line,
}

impl Asker<'_> {
    fn names(&self) -> (String, String, String) {
        let who = format!("{} \"{}\"", self.what, self.id);
        (who, self.line.name.clone(), self.line.board.clone())
    }

    /// The driver could not open it.
    pub(crate) fn failed(&self, why: impl ToString) -> BoardError {
        let (who, line, board) = self.names();
        BoardError::Open { who, line, board, why: why.to_string() }
    }

    /// Someone else has it.
    pub(crate) fn taken(&self, owner: impl ToString) -> BoardError {
        let (who, line, board) = self.names();
        BoardError::Taken { who, line, board, owner: owner.to_string() }
    }

    /// It does not do what it is told, or does not tell.
    pub(crate) fn silent(&self, why: String) -> BoardError {
        let (who, line, board) = self.names();
        BoardError::Drive { who, line, board, why }
    }

    /// The user may not open the device.
    pub(crate) fn no_access(&self, device: String) -> BoardError {
        let (who, line, board) = self.names();
        BoardError::NoAccess { who, line, board, device }
    }

    /// The chip is not there.
    pub(crate) fn no_chip(&self, found: String) -> BoardError {
        let (who, line, board) = self.names();
        BoardError::NoChip { who, line, board, chip: self.line.chip.to_string(), found }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sim => f.write_str("sim"),
            Self::Label(text) | Self::Path(text) => f.write_str(text),
        }
    }
}

impl Board {
    /// The line of this name (forms: see the top of this file; upper and lower case are the same). Reserved lines are refused.
    pub fn resolve_line(&self, text: &str) -> Result<Line, BoardError> {
        let text = text.trim();
        match text.split_once(':') {
            Some(("sim", number)) => self.sim_line(text, number),
            Some((chip, number)) if is_chip(chip) => self.chip_line(text, chip, number),
            Some((driver, name)) => {
                let Some(known) = DRIVERS.iter().find(|d| d.name == driver) else {
                    return Err(self.no_such_line(text));
                };
                if !self.drivers().iter().any(|d| d == known.name) {
                    return Err(BoardError::WrongDriver {
                        line: text.into(),
                        board: self.id().into(),
                        driver: driver.into(),
                        drivers: self.drivers().join(", "),
                    });
                }
                self.named_line(name.trim(), text, known.name)
            }
            None => {
                let usual = DRIVERS.iter().find(|d| d.name == self.driver());
                let usual = usual.ok_or_else(|| self.no_such_line(text))?;
                self.named_line(text, text, usual.name)
            }
        }
    }

    /// Why line `offset` of the chip with this label can't be an output: (its name, the reason).
    pub fn reserved_at(&self, label: &str, offset: u32) -> Option<(&str, &str)> {
        let line = self.header().iter().find(|l| l.offset == offset && self.chip_of(l) == label)?;
        line.reserved.as_deref().map(|why| (line.name.as_str(), why))
    }

    /// An error for a reserved line that lists lines near it.
    pub(crate) fn reserved(&self, name: &str, why: &str) -> BoardError {
        let near = self.near(name);
        BoardError::Reserved { line: name.into(), board: self.id().into(), why: why.into(), near }
    }

    fn sim_line(&self, text: &str, number: &str) -> Result<Line, BoardError> {
        let offset =
            number.parse().ok().filter(|n| *n < SIM_LINES).ok_or_else(|| BoardError::NoSuchLine {
                line: text.into(),
                board: self.id().into(),
                near: format!("simulated lines are sim:0 to sim:{}", SIM_LINES - 1),
            })?;
        Ok(Line {
            name: format!("sim:{offset}"),
            driver: "sim",
            chip: Chip::Sim,
            offset,
            board: self.id().into(),
        })
    }

    fn chip_line(&self, text: &str, chip: &str, number: &str) -> Result<Line, BoardError> {
        let offset = number.parse().map_err(|_| self.no_such_line(text))?;
        let path = format!("/dev/{}", chip.trim_start_matches("/dev/"));
        Ok(Line {
            name: text.into(),
            driver: "gpiochip",
            chip: Chip::Path(path),
            offset,
            board: self.id().into(),
        })
    }

    fn named_line(&self, name: &str, text: &str, driver: &'static str) -> Result<Line, BoardError> {
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.ambiguous(text, name));
        }
        let wanted = name.to_ascii_lowercase();
        let pin = wanted.strip_prefix("pin").and_then(|n| n.trim_start().parse::<u8>().ok());
        let fits = |l: &&HeaderLine| {
            l.also.iter().chain([&l.name]).any(|n| n.eq_ignore_ascii_case(name))
                || (pin.is_some() && l.pin == pin)
        };
        let line = self.header().iter().find(fits).ok_or_else(|| self.no_such_line(text))?;
        if let Some(why) = &line.reserved {
            return Err(self.reserved(&line.name, why));
        }
        let chip = Chip::Label(self.chip_of(line).into());
        Ok(Line { name: line.name.clone(), driver, chip, offset: line.offset, board: self.id().into() })
    }

    fn no_such_line(&self, text: &str) -> BoardError {
        BoardError::NoSuchLine { line: text.into(), board: self.id().into(), near: self.near(text) }
    }

    fn ambiguous(&self, text: &str, number: &str) -> BoardError {
        let named = |l: &&HeaderLine| l.name.trim_start_matches(|c: char| !c.is_ascii_digit()) == number;
        let by_name = self.header().iter().find(named).map(|l| format!("\"{}\"", l.name));
        let placed = |l: &&HeaderLine| l.pin.is_some_and(|pin| pin.to_string() == number);
        let by_pin = self.header().iter().find(placed);
        let by_pin = by_pin.map(|l| format!("\"pin{number}\" for header pin {number} ({})", l.name));
        let ways: Vec<String> = [by_name, by_pin].into_iter().flatten().collect();
        if ways.is_empty() {
            return self.no_such_line(text);
        }
        BoardError::Ambiguous { line: text.into(), board: self.id().into(), mend: ways.join(" or ") }
    }

    /// Free lines whose names are most like `text`.
    fn near(&self, text: &str) -> String {
        let wanted = text.to_ascii_uppercase();
        let mut free: Vec<&HeaderLine> = self.header().iter().filter(|l| l.reserved.is_none()).collect();
        if free.is_empty() {
            return format!("its lines are sim:0 to sim:{}", SIM_LINES - 1);
        }
        free.sort_by_key(|l| {
            let names = l.also.iter().chain([&l.name]).map(|n| strsim::damerau_levenshtein(n, &wanted));
            names.min()
        });
        let list = free.iter().take(NEAR).map(|l| match l.pin {
            Some(pin) => format!("{} (pin{pin})", l.name),
            None => l.name.clone(),
        });
        format!("free lines near it: {}", list.collect::<Vec<_>>().join(", "))
    }
}

/// `gpiochip0`, `/dev/gpiochip0`.
fn is_chip(text: &str) -> bool {
    let number = text.trim_start_matches("/dev/").strip_prefix("gpiochip");
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
