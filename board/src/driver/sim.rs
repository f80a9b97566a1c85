//! Simulated lines: each remembers its level and its edges. One bench of 32 lines for the whole process.
//!
//! With `NIGHTJAR_SIM=FOLDER` in its environment the bench can be met from other processes, as by a meter and a wire: every
//! line that is opened or driven is a line of text in `FOLDER/levels` (`sim:1 low open`, `sim:1 high`), and an input takes
//! its level from datagrams `1` and `0` to the socket `FOLDER/sim-4`.

use crate::input::SensedLine;
use crate::line::SIM_LINES;
use crate::{BoardError, Edges, InputLine, InputRequest, OutputLine, Pull, RelayLine, Request};
use embedded_hal::digital::{ErrorType, InputPin, OutputPin, StatefulOutputPin};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Edges that a line remembers; older ones are only counted.
pub const HISTORY: usize = 1_024;

static BENCH: [Mutex<Wire>; SIM_LINES as usize] = [const { Mutex::new(Wire::new()) }; SIM_LINES as usize];

struct Wire {
    owner: Option<String>,
    high: bool,
    edges: VecDeque<bool>,
    moved: u64,
    /// Of an input: where a probe puts its levels.
    feed: Option<UnixDatagram>,
}

impl Wire {
    const fn new() -> Self {
        Self { owner: None, high: false, edges: VecDeque::new(), moved: 0, feed: None }
    }
}

/// Looks at a simulated line from outside, as a meter on the pin would.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    offset: usize,
}

/// A probe on line `offset`; `None` when there is no such line.
pub fn probe(offset: u32) -> Option<Probe> {
    (offset < SIM_LINES).then_some(Probe { offset: offset as usize })
}

impl Probe {
    /// Electrically high now. A line that was never opened is low.
    pub fn is_high(self) -> bool {
        self.wire().high
    }

    /// The newest [`HISTORY`] edges since the line was opened last, oldest first: `true` is low → high. The level at
    /// opening is no edge.
    pub fn edges(self) -> Vec<bool> {
        self.wire().edges.iter().copied().collect()
    }

    /// All edges since the line was opened last.
    pub fn moved(self) -> u64 {
        self.wire().moved
    }

    /// Id of the output or input that has it.
    pub fn owner(self) -> Option<String> {
        self.wire().owner.clone()
    }

    /// Connects an input to a level, as a wire would. Fails when nobody has the line open as an input.
    pub fn drive(self, high: bool) -> io::Result<()> {
        let wire = self.wire();
        let feed = wire.feed.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        feed.send(if high { b"1" } else { b"0" }).map(drop)
    }

    fn wire(self) -> MutexGuard<'static, Wire> {
        // A panic elsewhere leaves no half-made change: every change here is one assignment after another.
        BENCH[self.offset].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a level where other processes see it.
    fn note(self, high: bool, word: &str) {
        let Some(folder) = folder() else { return };
        let level = if high { "high" } else { "low" };
        let line = format!("sim:{} {level}{word}\n", self.offset);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("levels"));
        if let Err(e) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            tracing::warn!(error = %e, "NIGHTJAR_SIM: the bench cannot be written");
        }
    }
}

/// Where other processes meet the bench.
fn folder() -> Option<PathBuf> {
    std::env::var_os("NIGHTJAR_SIM").map(PathBuf::from)
}

/// Gives the line of this number to `owner`, or to nobody else.
fn take(offset: u32, owner: &str) -> Result<Probe, Refusal> {
    let probe = probe(offset).ok_or(Refusal::NoLine)?;
    let mut wire = probe.wire();
    if let Some(owner) = &wire.owner {
        return Err(Refusal::Taken(format!("\"{owner}\"")));
    }
    wire.owner = Some(owner.into());
    wire.edges.clear();
    wire.moved = 0;
    drop(wire);
    Ok(probe)
}

enum Refusal {
    NoLine,
    Taken(String),
}

const NO_LINE: &str = "there is no such simulated line";

pub(super) fn open(request: &Request<'_>) -> Result<Box<dyn OutputLine>, BoardError> {
    let probe = take(request.line.offset, request.output).map_err(|refusal| match refusal {
        Refusal::NoLine => request.failed(NO_LINE),
        Refusal::Taken(owner) => request.taken(owner),
    })?;
    let high = bool::from(request.wiring.level(request.wiring.safe_on));
    probe.wire().high = high;
    probe.note(high, " open");
    Ok(Box::new(RelayLine::new(SimPin { probe }, request)))
}

pub(super) fn open_input(request: &InputRequest<'_>) -> Result<Box<dyn InputLine>, BoardError> {
    let probe = take(request.line.offset, request.input).map_err(|refusal| match refusal {
        Refusal::NoLine => request.failed(NO_LINE),
        Refusal::Taken(owner) => request.asker().taken(owner),
    })?;
    let pin = SimPin { probe };
    let (fed, feed) = wires(request.line.offset).map_err(|e| request.failed(e))?;
    let mut wire = probe.wire();
    (wire.high, wire.feed) = (request.sense.pull == Pull::Up, feed);
    drop(wire);
    Ok(Box::new(SensedLine::new(SimInput { pin, fed }, request)))
}

/// Where an input's levels come from, and the other end if that is in this process.
fn wires(offset: u32) -> io::Result<(UnixDatagram, Option<UnixDatagram>)> {
    let (fed, feed) = match folder() {
        None => UnixDatagram::pair().map(|(fed, feed)| (fed, Some(feed)))?,
        Some(folder) => {
            let path = folder.join(format!("sim-{offset}"));
            // A process that was killed leaves its socket behind.
            let _ = std::fs::remove_file(&path);
            (UnixDatagram::bind(path)?, None)
        }
    };
    fed.set_nonblocking(true)?;
    Ok((fed, feed))
}

/// The pin's one owner; gives the line back when dropped.
#[derive(Debug)]
struct SimPin {
    probe: Probe,
}

impl SimPin {
    fn drive(&mut self, high: bool) {
        let mut wire = self.probe.wire();
        if wire.high != high {
            wire.high = high;
            wire.moved += 1;
            if wire.edges.len() == HISTORY {
                wire.edges.pop_front();
            }
            wire.edges.push_back(high);
            drop(wire);
            self.probe.note(high, "");
        }
    }
}

impl Drop for SimPin {
    fn drop(&mut self) {
        let mut wire = self.probe.wire();
        (wire.owner, wire.feed) = (None, None);
    }
}

impl ErrorType for SimPin {
    type Error = Infallible;
}

impl OutputPin for SimPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.drive(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.drive(true);
        Ok(())
    }
}

impl StatefulOutputPin for SimPin {
    fn is_set_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.probe.is_high())
    }

    fn is_set_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.probe.is_high())
    }
}

/// A pin that is driven from outside.
struct SimInput {
    pin: SimPin,
    fed: UnixDatagram,
}

impl ErrorType for SimInput {
    type Error = Infallible;
}

impl InputPin for SimInput {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        self.pin.is_set_high()
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.pin.is_set_low()
    }
}

impl Edges for SimInput {
    fn fd(&self) -> BorrowedFd<'_> {
        self.fed.as_fd()
    }

    fn next_edge(&mut self) -> Result<Option<bool>, Infallible> {
        let mut level = [0];
        while let Ok(1) = self.fed.recv(&mut level) {
            let high = level[0] == b'1';
            if high != self.pin.probe.is_high() {
                self.pin.drive(high);
                return Ok(Some(high));
            }
        }
        Ok(None)
    }
}
