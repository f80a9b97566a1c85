//! A board's model text and a line's name → an open output that moves a relay, or an open input that tells of edges.
//!
//! Boards are data (`boards/*.toml`, table [`BOARDS`]); drivers stand behind embedded-hal's `StatefulOutputPin`
//! (table [`DRIVERS`]). Finding a board and resolving a name are pure; only [`open_output`] and
//! [`open_input`] touch the machine.
#![forbid(unsafe_code)]

pub mod board;
pub mod driver;
pub mod error;
pub mod input;
pub mod line;
pub mod output;
pub mod sensors;

pub use board::{BOARDS, Board, Boot, HeaderLine};
pub use driver::{DRIVERS, Driver};
pub use error::BoardError;
pub use input::{Edges, InputLine, InputRequest, Pull, Sense, open_input};
pub use line::{Chip, Line};
pub use output::{OutputLine, RelayLine, Request, Wiring, open_output};
pub use sensors::{Bearing, Heat, Reading, Sensors, Strain};
