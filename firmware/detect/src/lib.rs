//! Pixels → model input; model output → boxes → tracks. Pure: time is an argument, nothing here reads or writes.
//!
//! In the order of one picture's way: [`picture`] → [`motion`] → [`scene`] (is the light to be trusted, is the camera
//! tampered with) → [`attention`] (run the model or not) → [`letterbox`] with [`resize`] → the model (not here) → [`boxes`] → [`tracker`] → [`snapshot`].
#![forbid(unsafe_code)]

pub mod attention;
pub mod boxes;
mod error;
pub mod guard;
pub mod letterbox;
mod light;
pub mod motion;
pub mod parked;
pub mod picture;
pub mod resize;
pub mod scene;
pub mod snapshot;
pub mod tamper;
pub mod tracker;
pub mod view;

pub use attention::Attention;
pub use boxes::{Candidates, Found};
pub use error::Error;
pub use guard::LightGuard;
pub use letterbox::{Letterbox, Preparation};
pub use motion::{Motion, MotionGate};
pub use picture::{Colour, Matrix, Picture, Plane};
pub use scene::{Scene, SceneGuard, Trust};
pub use snapshot::BestShot;
pub use tamper::TamperGuard;
pub use tracker::{Lost, Tracked, Tracker, TrackerConfig, Witness};
pub use view::View;
