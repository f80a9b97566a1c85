//! Lines through the Raspberry Pi's GPIO registers. Faster than the kernel's device, but nothing guards the line.
//!
//! The pin keeps its last level when the process is killed, so a relay may stay on: `gpiochip` is the usual driver.

use super::gpiochip;
use crate::{BoardError, OutputLine, RelayLine, Request};
use embedded_hal::digital::PinState;
use rppal::gpio::{Error, Gpio};

pub(super) fn missing() -> Option<String> {
    Gpio::new().err().map(|e| format!("{e}; plug in a Raspberry Pi with access to /dev/gpiomem"))
}

pub(super) fn open(request: &Request<'_>) -> Result<Box<dyn OutputLine>, BoardError> {
    let pin = u8::try_from(request.line.offset).map_err(|_| request.failed("there is no such line"))?;
    // Registers know no owner; the kernel does.
    let asker = request.asker();
    gpiochip::refuse_taken(&asker, &gpiochip::find(&asker)?)?;
    let gpio = Gpio::new().map_err(|e| failed(request, e))?;
    let pin = gpio.get(pin).map_err(|e| failed(request, e))?;
    let mut pin = match request.wiring.level(request.wiring.safe_on) {
        PinState::High => pin.into_output_high(),
        PinState::Low => pin.into_output_low(),
    };
    // Otherwise the pin floats after the last word, and a relay module may take that for "on".
    pin.set_reset_on_drop(false);
    Ok(Box::new(RelayLine::new(pin, request)))
}

fn failed(request: &Request<'_>, e: Error) -> BoardError {
    match e {
        Error::PinUsed(_) => request.taken("another output of this program"),
        Error::PermissionDenied(device) => request.asker().no_access(device),
        e => request.failed(e),
    }
}
