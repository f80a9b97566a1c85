//! Wishes for updates in; a system that was kept because this board works in it, or the old one and one sentence why, out.
//!
//! [`slots`] decides, [`gate`] judges, both pure; [`Agent`] carries out. It works when the recorder is broken.
#![forbid(unsafe_code)]

mod agent;
pub mod client;
mod clock;
mod config;
mod error;
mod fleet;
pub mod gate;
mod http;
pub mod rauc;
mod recorder;
pub mod slots;
mod socket;
mod state;
mod status;
mod upload;
pub mod usb;
pub mod version;
pub mod window;
mod wish;

pub use agent::{Agent, Desk};
pub use config::Config;
pub use error::OtaError;
pub use fleet::{Fleet, hawkbit};
pub use socket::{Socket, listen};
pub use state::State;
pub use status::{Status, Wish};
