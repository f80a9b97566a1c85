//! An embedded-hal pin + polarity + safe level → [`OutputLine`], which knows only "on" and "off".

use crate::line::Asker;
use crate::{BoardError, Line, driver::DRIVERS};
use embedded_hal::digital::{PinState, StatefulOutputPin};

/// How an output is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wiring {
    /// Energised means electrically low.
    pub active_low: bool,
    /// The safe level is "energised".
    pub safe_on: bool,
}

impl Wiring {
    /// Electrical level of on or off.
    pub fn level(self, on: bool) -> PinState {
        PinState::from(on != self.active_low)
    }
}

/// What a driver is asked to open.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Id of the output, for messages and as the line's consumer.
    pub output: &'a str,
    /// Which line.
    pub line: &'a Line,
    /// Its wiring; the line is opened at the safe level.
    pub wiring: Wiring,
}

/// One open output. Dropping it puts the line at its safe level first and then gives it back.
pub trait OutputLine: Send + std::fmt::Debug {
    /// Energises or not. On an error the level is unknown; try again.
    fn set(&mut self, on: bool) -> Result<(), BoardError>;
    /// What was set last with success.
    fn is_on(&self) -> bool;
    /// What the driver reads back: the level that it drives now.
    fn read_back(&mut self) -> Result<bool, BoardError>;
}

/// Opens a line with the driver that it names, at its safe level: direction and level change in one step.
pub fn open_output(output: &str, line: &Line, wiring: Wiring) -> Result<Box<dyn OutputLine>, BoardError> {
    let request = Request { output, line, wiring };
    let driver = DRIVERS.iter().find(|d| d.name == line.driver);
    let driver = driver.ok_or_else(|| request.failed(format!("there is no driver \"{}\"", line.driver)))?;
    let open = (driver.open)(&request)?;
    tracing::info!(output, line = line.name, driver = line.driver, safe_on = wiring.safe_on, "output opened");
    Ok(open)
}

impl Request<'_> {
    /// The driver could not open it.
    pub(crate) fn failed(&self, why: impl ToString) -> BoardError {
        self.asker().failed(why)
    }

    /// Someone else has it.
    pub(crate) fn taken(&self, owner: impl ToString) -> BoardError {
        self.asker().taken(owner)
    }

    /// Who asks for which line.
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker { what: "relay", id: self.output, line: self.line }
    }
}

/// Any embedded-hal output as an [`OutputLine`]: polarity and safe level are handled here, once for all drivers.
pub struct RelayLine<P: StatefulOutputPin> {
    pin: P,
    output: String,
    line: Line,
    wiring: Wiring,
    on: bool,
}

impl<P: StatefulOutputPin> RelayLine<P> {
    /// Takes a pin that is at the safe level of `request` already.
    pub fn new(pin: P, request: &Request<'_>) -> Self {
        let Request { output, line, wiring } = *request;
        Self { pin, output: output.into(), line: line.clone(), wiring, on: wiring.safe_on }
    }

    fn failed(&self, e: P::Error) -> BoardError {
        Asker { what: "relay", id: &self.output, line: &self.line }.silent(format!("{e:?}"))
    }
}

impl<P: StatefulOutputPin> std::fmt::Debug for RelayLine<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}: {}", self.output, self.line, if self.on { "on" } else { "off" })
    }
}

impl<P: StatefulOutputPin + Send> OutputLine for RelayLine<P> {
    fn set(&mut self, on: bool) -> Result<(), BoardError> {
        self.pin.set_state(self.wiring.level(on)).map_err(|e| self.failed(e))?;
        self.on = on;
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.on
    }

    fn read_back(&mut self) -> Result<bool, BoardError> {
        match self.pin.is_set_high() {
            Ok(high) => Ok(high != self.wiring.active_low),
            Err(e) => Err(self.failed(e)),
        }
    }
}

impl<P: StatefulOutputPin> Drop for RelayLine<P> {
    fn drop(&mut self) {
        if let Err(e) = self.pin.set_state(self.wiring.level(self.wiring.safe_on)) {
            tracing::error!(output = self.output, line = self.line.name, error = ?e, "not left at its safe level");
        }
    }
}
