//! Pixels → model input; model output → boxes → tracks. Pure: time is an argument, nothing here reads or writes.
//!
//! In the order of one picture's way: [`wake`] (decode it or not) → the decoder (not here) → [`picture`] → [`motion`] →
//! [`attention`], spaced by [`budget`] (run the model or not) → [`letterbox`] with [`resize`] → the model (not here) →
//! [`boxes`] → [`tracker`] → [`snapshot`].
#![forbid(unsafe_code)]

pub mod attention;
pub mod boxes;
pub mod budget;
mod error;
pub mod letterbox;
pub mod motion;
pub mod picture;
pub mod resize;
pub mod snapshot;
pub mod tracker;
pub mod wake;

pub use attention::Attention;
pub use boxes::{Candidates, Found};
pub use budget::Budget;
pub use error::Error;
pub use letterbox::{Letterbox, Preparation};
pub use motion::{Motion, MotionGate};
pub use picture::{Colour, Matrix, Picture, Plane};
pub use snapshot::BestShot;
pub use tracker::{Lost, Tracked, Tracker, TrackerConfig};
pub use wake::{Step, Tracks, Wake};
