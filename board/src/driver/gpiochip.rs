//! Lines through the kernel's GPIO character device (uAPI v2): works on any board, and the kernel keeps others off.
//!
//! When the process dies the kernel takes the line back; most chips then make it an input.
//! <https://docs.kernel.org/userspace-api/gpio/chardev.html>

use crate::{Board, BoardError, Chip, OutputLine, RelayLine, Request};
use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin, PinState, StatefulOutputPin};
use gpiocdev::line::Value;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longest consumer name the kernel stores: `GPIO_MAX_NAME_SIZE` of `linux/gpio.h`, less the closing NUL.
const CONSUMER: usize = 31;

pub(super) fn missing() -> Option<String> {
    let none = gpiocdev::chip::chips().map_or(true, |chips| chips.is_empty());
    none.then(|| "no /dev/gpiochip0; plug in a board with GPIO, or boot a kernel with a GPIO chip".into())
}

pub(super) fn open(request: &Request<'_>) -> Result<Box<dyn OutputLine>, BoardError> {
    let path = find(request)?;
    let (offset, wiring) = (request.line.offset, request.wiring);
    refuse_taken(request, &path)?;
    let level = match wiring.level(wiring.safe_on) {
        PinState::High => Value::Active,
        PinState::Low => Value::Inactive,
    };
    let opened = gpiocdev::Request::builder()
        .on_chip(&path)
        .with_consumer(consumer(request.output))
        .with_line(offset)
        .as_output(level)
        .request();
    let lines = opened.map_err(|e| match refuse_taken(request, &path) {
        Err(taken) => taken,
        Ok(()) => request.failed(e),
    })?;
    Ok(Box::new(RelayLine::new(ChipPin { lines, offset }, request)))
}

/// The chip's device file.
pub(super) fn find(request: &Request<'_>) -> Result<PathBuf, BoardError> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let found = match &request.line.chip {
        Chip::Path(path) => chips.iter().find(|p| p.as_path() == Path::new(path)),
        Chip::Label(label) => chips.iter().find(|p| label_of(p).as_deref() == Some(label)),
        Chip::Sim => None,
    };
    if let Some(path) = found {
        return match std::fs::File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(no_access(request, path)),
            _ => Ok(path.clone()),
        };
    }
    // A chip that can't be opened doesn't tell its label: then permission is the fault, not the chip.
    let is_closed = |p: &&PathBuf| {
        std::fs::File::open(p).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
    };
    if let Some(path) = chips.iter().find(is_closed) {
        return Err(no_access(request, path));
    }
    let found = chips.iter().map(|p| format!("{} ({})", p.display(), label_of(p).unwrap_or_default()));
    let mut found = found.collect::<Vec<_>>().join(", ");
    if found.is_empty() {
        found = "none: no /dev/gpiochip0".into();
    }
    let (output, line, board) = request.names();
    Err(BoardError::NoChip { output, line, board, chip: request.line.chip.to_string(), found })
}

/// An error when the line is not there, reserved on this board, or used by someone.
pub(super) fn refuse_taken(request: &Request<'_>, path: &Path) -> Result<(), BoardError> {
    let chip = gpiocdev::Chip::from_path(path).map_err(|e| request.failed(e))?;
    let info = chip.info().map_err(|e| request.failed(e))?;
    let offset = request.line.offset;
    if offset >= info.num_lines {
        let why = format!("{} has lines 0 to {}", path.display(), info.num_lines.saturating_sub(1));
        return Err(request.failed(why));
    }
    let board = Board::by_id(&request.line.board)?;
    if let Some((name, why)) = board.reserved_at(&info.label, offset) {
        return Err(board.reserved(name, why));
    }
    let line = chip.line_info(offset).map_err(|e| request.failed(e))?;
    match (line.used, line.consumer.as_str()) {
        (false, _) => Ok(()),
        (true, "") => Err(request.taken("the kernel")),
        (true, owner) => Err(request.taken(format!("\"{owner}\""))),
    }
}

fn label_of(path: &Path) -> Option<String> {
    Some(gpiocdev::Chip::from_path(path).ok()?.info().ok()?.label)
}

fn no_access(request: &Request<'_>, path: &Path) -> BoardError {
    let (output, line, board) = request.names();
    BoardError::NoAccess { output, line, board, device: path.display().to_string() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_id_still_fits_the_consumer() {
        assert_eq!(consumer("siren"), "nightjar siren");
        assert_eq!(consumer(&"ü".repeat(40)).len(), CONSUMER);
    }
}
