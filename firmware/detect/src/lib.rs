//! Pixels → model input; model output → boxes → tracks. Pure: time is an argument, nothing here reads or writes.
//!
//! In the order of one picture's way: [`wake`] (decode it or not) → the decoder (not here) → [`picture`] → [`motion`] with
//! [`regions`] → [`scene`] (is the light to be trusted, is the camera tampered with) → [`attention`], spaced by [`budget`]
//! (run the model or not) → [`veil`] (what is behind rain and snow) → [`crop`] (on what) → [`letterbox`] with [`resize`] → the
//! model (not here) → [`boxes`] → [`tracker`] → [`snapshot`].
#![forbid(unsafe_code)]

pub mod attention;
pub mod boxes;
pub mod budget;
mod course;
pub mod crop;
mod error;
pub mod flow;
pub mod guard;
pub mod letterbox;
mod light;
pub mod motion;
pub mod parked;
pub mod picture;
pub mod regions;
pub mod resize;
pub mod scene;
pub mod snapshot;
pub mod tamper;
pub mod tracker;
pub mod veil;
pub mod view;
pub mod wake;

pub use attention::Attention;
pub use boxes::{Candidates, Found};
pub use budget::Budget;
pub use crop::{Inputs, Planner, View};
pub use error::Error;
pub use flow::Sketch;
pub use guard::LightGuard;
pub use letterbox::{Letterbox, Preparation};
pub use motion::{Motion, MotionGate};
pub use picture::{Colour, Matrix, Picture, Plane, Rect};
pub use regions::regions;
pub use scene::{Scene, SceneGuard, Trust};
pub use snapshot::BestShot;
pub use tamper::TamperGuard;
pub use tracker::{Lost, Tracked, Tracker, TrackerConfig, Witness};
pub use veil::Veil;
pub use wake::{Step, Tracks, Wake};
