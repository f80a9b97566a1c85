//! An embedded-hal input + polarity → [`InputLine`], which knows only "active" and "not", and tells of every edge.

use crate::line::Asker;
use crate::{BoardError, Line, driver::DRIVERS};
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;

/// What holds a line at a level while nothing is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pull {
    /// Nothing of ours: the device drives it, or a resistor outside does.
    #[default]
    None,
    /// A resistor to the supply: for contacts to ground.
    Up,
    /// A resistor to ground: for contacts to the supply.
    Down,
}

/// How an input is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sense {
    /// Electrically low means active.
    pub active_low: bool,
    /// Its resistor.
    pub pull: Pull,
}

/// What a driver is asked to open.
#[derive(Debug, Clone, Copy)]
pub struct InputRequest<'a> {
    /// Id of the input, for messages and as the line's consumer.
    pub input: &'a str,
    /// Which line.
    pub line: &'a Line,
    /// Its wiring.
    pub sense: Sense,
}

/// An embedded-hal input that keeps its edges until they are taken.
pub trait Edges: embedded_hal::digital::InputPin {
    /// Readable when an edge waits.
    fn fd(&self) -> BorrowedFd<'_>;
    /// The oldest edge that waits: electrically high after it. Never blocks.
    fn next_edge(&mut self) -> Result<Option<bool>, Self::Error>;
}

/// One open input.
pub trait InputLine: Send + std::fmt::Debug {
    /// Readable when [`Self::next_edge`] has something to say.
    fn fd(&self) -> BorrowedFd<'_>;
    /// The level now.
    fn is_active(&mut self) -> Result<bool, BoardError>;
    /// The oldest edge that waits: active after it. Never blocks.
    fn next_edge(&mut self) -> Result<Option<bool>, BoardError>;
}

/// Opens a line as an input, with the driver that it names.
pub fn open_input(input: &str, line: &Line, sense: Sense) -> Result<Box<dyn InputLine>, BoardError> {
    let request = InputRequest { input, line, sense };
    let driver = DRIVERS.iter().find(|d| d.name == line.driver);
    let driver = driver.ok_or_else(|| request.failed(format!("there is no driver \"{}\"", line.driver)))?;
    let open = (driver.open_input)(&request)?;
    tracing::info!(input, line = line.name, driver = line.driver, "input opened");
    Ok(open)
}

impl InputRequest<'_> {
    /// The driver could not open it.
    pub(crate) fn failed(&self, why: impl ToString) -> BoardError {
        self.asker().failed(why)
    }

    /// Who asks for which line.
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker { what: "input", id: self.input, line: self.line }
    }
}

/// Any embedded-hal input with edges as an [`InputLine`]: polarity is handled here, once for all drivers.
pub(crate) struct SensedLine<P: Edges> {
    pin: P,
    input: String,
    line: Line,
    active_low: bool,
}

impl<P: Edges> SensedLine<P> {
    pub(crate) fn new(pin: P, request: &InputRequest<'_>) -> Self {
        let InputRequest { input, line, sense } = *request;
        Self { pin, input: input.into(), line: line.clone(), active_low: sense.active_low }
    }

    fn failed(&self, e: P::Error) -> BoardError {
        Asker { what: "input", id: &self.input, line: &self.line }.silent(format!("{e:?}"))
    }
}

impl<P: Edges> std::fmt::Debug for SensedLine<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}", self.input, self.line)
    }
}

impl<P: Edges + Send> InputLine for SensedLine<P> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.pin.fd()
    }

    fn is_active(&mut self) -> Result<bool, BoardError> {
        match self.pin.is_high() {
            Ok(high) => Ok(high != self.active_low),
            Err(e) => Err(self.failed(e)),
        }
    }

    fn next_edge(&mut self) -> Result<Option<bool>, BoardError> {
        match self.pin.next_edge() {
            Ok(edge) => Ok(edge.map(|high| high != self.active_low)),
            Err(e) => Err(self.failed(e)),
        }
    }
}
