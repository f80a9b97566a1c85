//! One file for each way to move a line, and the table of them.

use crate::{BoardError, InputLine, InputRequest, OutputLine, Request};

#[cfg(target_os = "linux")]
mod gpiochip;
#[cfg(target_os = "linux")]
mod rppal;
pub mod sim;

/// A row of [`DRIVERS`].
#[derive(Debug)]
pub struct Driver {
    /// As boards and lines name it.
    pub name: &'static str,
    /// Opens a line at its safe level.
    pub open: fn(&Request<'_>) -> Result<Box<dyn OutputLine>, BoardError>,
    /// Opens a line as an input.
    pub open_input: fn(&InputRequest<'_>) -> Result<Box<dyn InputLine>, BoardError>,
    /// Why it can't work on this machine and what to plug in; `None` when it can.
    pub missing: fn() -> Option<String>,
}

/// Every driver. To add one, write its file and a row here.
pub const DRIVERS: &[Driver] = &[
    Driver { name: "sim", open: sim::open, open_input: sim::open_input, missing: || None },
    #[cfg(target_os = "linux")]
    Driver {
        name: "gpiochip",
        open: gpiochip::open,
        open_input: gpiochip::open_input,
        missing: gpiochip::missing,
    },
    // The registers tell of no edge: rppal itself asks the kernel's device for them, and so do we.
    #[cfg(target_os = "linux")]
    Driver { name: "rppal", open: rppal::open, open_input: gpiochip::open_input, missing: rppal::missing },
];
