//! Pixels → model input; model output → boxes → tracks. Pure: time is an argument, nothing here reads or writes.
//!
//! In the order of one picture's way: [`picture`] → [`motion`] with [`regions`] → [`attention`] (run the model or not) →
//! [`crop`] (on what) → [`letterbox`] with [`resize`] → the model (not here) → [`boxes`] → [`tracker`] → [`snapshot`].
#![forbid(unsafe_code)]

pub mod attention;
pub mod boxes;
mod course;
pub mod crop;
mod error;
pub mod flow;
pub mod letterbox;
pub mod motion;
pub mod picture;
pub mod regions;
pub mod resize;
pub mod snapshot;
pub mod tracker;

pub use attention::Attention;
pub use boxes::{Candidates, Found};
pub use crop::{Inputs, Planner, View};
pub use error::Error;
pub use flow::Sketch;
pub use letterbox::{Letterbox, Preparation};
pub use motion::{Motion, MotionGate};
pub use picture::{Colour, Matrix, Picture, Plane, Rect};
pub use regions::regions;
pub use snapshot::BestShot;
pub use tracker::{Lost, Tracked, Tracker, TrackerConfig};
