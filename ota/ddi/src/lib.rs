//! A fleet server's answers → duties of a board; what the board did → reports. hawkBit's Direct Device Integration.
//! <https://eclipse.dev/hawkbit/apis/ddi_api/>
//!
//! Two halves. [`duties`] is pure: what was read and what is under way in, what to do out. [`Client`] is the way to the server: it
//! polls, reports and downloads, with a deadline on every wait and a bound on every answer. Nothing here installs or remembers
//! anything: whoever uses it keeps [`Work`] where a power cut cannot reach it, and closes an action only after the new system
//! was found to be healthy.

#![forbid(unsafe_code)]

mod client;
mod download;
mod duty;
mod error;
mod http;
mod pace;
mod report;
mod setup;
mod tls;
mod wire;

pub use client::{Client, Door, Mode, Orders};
pub use duty::{Consent, Duty, Now, Stage, Verdict, Work, duties};
pub use error::{Error, Next};
pub use pace::{Pace, random};
pub use report::{Execution, Finished, Report};
pub use setup::{Address, Login, Setup};
pub use wire::{Artifact, Chunk, Deployment, Garbled, Handling, Window, parse};
