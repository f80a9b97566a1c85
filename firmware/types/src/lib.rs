//! The nouns: what every other room of the house speaks about. Pure data; knows no clock, socket, file or task.
#![forbid(unsafe_code)]

pub mod black_box;
pub mod capture;
pub mod config;
pub mod day;
pub mod detection;
pub mod event;
pub mod eye;
pub mod gate;
pub mod id;
pub mod live;
pub mod scene;
pub mod secret;
pub mod status;
pub mod time;
pub mod unit;
pub mod world;

pub use detection::{BBox, Detection};
pub use event::{Event, EventId, Gap, GapCause};
pub use id::{CameraId, Name, OutputId, StreamKind};
pub use scene::{SceneState, Tamper};
pub use secret::Secret;
pub use time::{Mono, Wall};
pub use unit::{AccessUnit, AudioParams, Media, StreamParams, VideoCodec, VideoParams};
