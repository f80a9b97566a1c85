//! A board's model text and a line's name → an open output that moves a relay.
//!
//! Boards are data (`boards/*.toml`, table [`BOARDS`]); drivers stand behind embedded-hal's `StatefulOutputPin`
//! (table [`DRIVERS`]). Finding a board and resolving a name are pure; only [`open_output`] touches the machine.
#![forbid(unsafe_code)]

pub mod board;
pub mod driver;
pub mod error;
pub mod line;
pub mod output;
pub mod sensors;

pub use board::{BOARDS, Board, HeaderLine};
pub use driver::{DRIVERS, Driver};
pub use error::BoardError;
pub use line::{Chip, Line};
pub use output::{OutputLine, RelayLine, Request, Wiring, open_output};
pub use sensors::{Bearing, Heat, Reading, Sensors, Strain};
