//! Lines through the kernel's GPIO character device (uAPI v2): works on any board, and the kernel keeps others off.
//!
//! When the process dies the kernel takes the line back; most chips then make it an input.
//! <https://docs.kernel.org/userspace-api/gpio/chardev.html>

use crate::input::SensedLine;
use crate::line::Asker;
use crate::{Board, BoardError, Chip, Edges, InputLine, InputRequest, OutputLine, Pull, RelayLine, Request};
use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin, PinState, StatefulOutputPin};
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Longest consumer name the kernel stores: `GPIO_MAX_NAME_SIZE` of `linux/gpio.h`, less the closing NUL.
const CONSUMER: usize = 31;

pub(super) fn missing() -> Option<String> {
    let none = gpiocdev::chip::chips().map_or(true, |chips| chips.is_empty());
    none.then(|| "no /dev/gpiochip0; plug in a board with GPIO, or boot a kernel with a GPIO chip".into())
}

pub(super) fn open(request: &Request<'_>) -> Result<Box<dyn OutputLine>, BoardError> {
    let wiring = request.wiring;
    let level = match wiring.level(wiring.safe_on) {
        PinState::High => Value::Active,
        PinState::Low => Value::Inactive,
    };
    let lines = ask(&request.asker(), |builder| {
        builder.as_output(level);
    })?;
    Ok(Box::new(RelayLine::new(ChipPin { lines, offset: request.line.offset }, request)))
}

pub(super) fn open_input(request: &InputRequest<'_>) -> Result<Box<dyn InputLine>, BoardError> {
    let lines = ask(&request.asker(), |builder| {
        builder.as_input().with_edge_detection(EdgeDetection::BothEdges);
        match request.sense.pull {
            Pull::None => builder,
            Pull::Up => builder.with_bias(Bias::PullUp),
            Pull::Down => builder.with_bias(Bias::PullDown),
        };
    })?;
    Ok(Box::new(SensedLine::new(ChipPin { lines, offset: request.line.offset }, request)))
}

/// Requests the line, in one step with what `shape` says of it.
fn ask(
    asker: &Asker<'_>,
    shape: impl FnOnce(&mut gpiocdev::request::Builder),
) -> Result<gpiocdev::Request, BoardError> {
    let path = find(asker)?;
    refuse_taken(asker, &path)?;
    let mut builder = gpiocdev::Request::builder();
    builder.on_chip(&path).with_consumer(consumer(asker.id)).with_line(asker.line.offset);
    shape(&mut builder);
    builder.request().map_err(|e| match refuse_taken(asker, &path) {
        Err(taken) => taken,
        Ok(()) => asker.failed(e),
    })
}

/// The chip's device file.
pub(super) fn find(asker: &Asker<'_>) -> Result<PathBuf, BoardError> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let found = match &asker.line.chip {
        Chip::Path(path) => chips.iter().find(|p| p.as_path() == Path::new(path)),
        Chip::Label(label) => chips.iter().find(|p| label_of(p).as_deref() == Some(label)),
        Chip::Sim => None,
    };
    let is_closed = |p: &&PathBuf| {
        std::fs::File::open(p).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
    };
    if let Some(path) = found {
        let closed = || asker.no_access(path.display().to_string());
        return if is_closed(&path) { Err(closed()) } else { Ok(path.clone()) };
    }
    // A chip that can't be opened doesn't tell its label: then permission is the fault, not the chip.
    if let Some(path) = chips.iter().find(is_closed) {
        return Err(asker.no_access(path.display().to_string()));
    }
    let found = chips.iter().map(|p| format!("{} ({})", p.display(), label_of(p).unwrap_or_default()));
    let found = found.collect::<Vec<_>>().join(", ");
    Err(asker.no_chip(if found.is_empty() { "none: no /dev/gpiochip0".into() } else { found }))
}

/// An error when the line is not there, reserved on this board, or used by someone.
pub(super) fn refuse_taken(asker: &Asker<'_>, path: &Path) -> Result<(), BoardError> {
    let chip = gpiocdev::Chip::from_path(path).map_err(|e| asker.failed(e))?;
    let info = chip.info().map_err(|e| asker.failed(e))?;
    let offset = asker.line.offset;
    if offset >= info.num_lines {
        let why = format!("{} has lines 0 to {}", path.display(), info.num_lines.saturating_sub(1));
        return Err(asker.failed(why));
    }
    let board = Board::by_id(&asker.line.board)?;
    if let Some((name, why)) = board.reserved_at(&info.label, offset) {
        return Err(board.reserved(name, why));
    }
    let line = chip.line_info(offset).map_err(|e| asker.failed(e))?;
    match (line.used, line.consumer.as_str()) {
        (false, _) => Ok(()),
        (true, "") => Err(asker.taken("the kernel")),
        (true, owner) => Err(asker.taken(format!("\"{owner}\""))),
    }
}

fn label_of(path: &Path) -> Option<String> {
    Some(gpiocdev::Chip::from_path(path).ok()?.info().ok()?.label)
}

fn consumer(output: &str) -> String {
    let mut name = format!("nightjar {output}");
    while name.len() > CONSUMER {
        name.pop();
    }
    name
}

/// One requested line.
#[derive(Debug)]
struct ChipPin {
    lines: gpiocdev::Request,
    offset: u32,
}

struct ChipError(gpiocdev::Error);

impl fmt::Debug for ChipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl embedded_hal::digital::Error for ChipError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for ChipPin {
    type Error = ChipError;
}

impl OutputPin for ChipPin {
    fn set_low(&mut self) -> Result<(), ChipError> {
        self.lines.set_value(self.offset, Value::Inactive).map(drop).map_err(ChipError)
    }

    fn set_high(&mut self) -> Result<(), ChipError> {
        self.lines.set_value(self.offset, Value::Active).map(drop).map_err(ChipError)
    }
}

impl StatefulOutputPin for ChipPin {
    fn is_set_high(&mut self) -> Result<bool, ChipError> {
        self.lines.value(self.offset).map(|v| v == Value::Active).map_err(ChipError)
    }

    fn is_set_low(&mut self) -> Result<bool, ChipError> {
        self.is_set_high().map(|high| !high)
    }
}

impl InputPin for ChipPin {
    fn is_high(&mut self) -> Result<bool, ChipError> {
        self.is_set_high()
    }

    fn is_low(&mut self) -> Result<bool, ChipError> {
        self.is_set_low()
    }
}

impl Edges for ChipPin {
    fn fd(&self) -> BorrowedFd<'_> {
        self.lines.as_fd()
    }

    fn next_edge(&mut self) -> Result<Option<bool>, ChipError> {
        if !self.lines.has_edge_event().map_err(ChipError)? {
            return Ok(None);
        }
        let edge = self.lines.read_edge_event().map_err(ChipError)?;
        Ok(Some(edge.kind == EdgeKind::Rising))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_id_still_fits_the_consumer() {
        assert_eq!(consumer("siren"), "nightjar siren");
        assert_eq!(consumer(&"ü".repeat(40)).len(), CONSUMER);
    }
}
