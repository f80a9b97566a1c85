//! Simulated lines: each remembers its level and its edges. One bench of 32 lines for the whole process.

use crate::line::SIM_LINES;
use crate::{BoardError, OutputLine, RelayLine, Request};
use embedded_hal::digital::{ErrorType, OutputPin, StatefulOutputPin};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Edges that a line remembers; older ones are only counted.
pub const HISTORY: usize = 1_024;

static BENCH: [Mutex<Wire>; SIM_LINES as usize] = [const { Mutex::new(Wire::new()) }; SIM_LINES as usize];

struct Wire {
    owner: Option<String>,
    high: bool,
    edges: VecDeque<bool>,
    moved: u64,
}

impl Wire {
    const fn new() -> Self {
        Self { owner: None, high: false, edges: VecDeque::new(), moved: 0 }
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

    /// Id of the output that has it.
    pub fn owner(self) -> Option<String> {
        self.wire().owner.clone()
    }

    fn wire(self) -> MutexGuard<'static, Wire> {
        // A panic elsewhere leaves no half-made change: every change here is one assignment after another.
        BENCH[self.offset].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn open(request: &Request<'_>) -> Result<Box<dyn OutputLine>, BoardError> {
    let probe =
        probe(request.line.offset).ok_or_else(|| request.failed("there is no such simulated line"))?;
    let mut wire = probe.wire();
    if let Some(owner) = &wire.owner {
        return Err(request.taken(format!("relay \"{owner}\"")));
    }
    wire.owner = Some(request.output.into());
    wire.high = bool::from(request.wiring.level(request.wiring.safe_on));
    wire.edges.clear();
    wire.moved = 0;
    Ok(Box::new(RelayLine::new(SimPin { probe }, request)))
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
        }
    }
}

impl Drop for SimPin {
    fn drop(&mut self) {
        self.probe.wire().owner = None;
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
