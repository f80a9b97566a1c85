//! Address → access units. One file per kind of camera, one row in [`SOURCES`].

mod file;
mod local;
mod pace;
mod retry;
mod rtsp;
mod synthetic;

#[doc(hidden)]
pub use file::rehearse;
pub use local::Captures;
pub use retry::{Pause, Retry};

use futures_util::future::BoxFuture;
use nightjar_types::{AccessUnit, GapCause, Secret, StreamParams, config::SourceUrl};

/// What a source hands over, in order. `Params` comes first and again before the unit that needs new ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// How to decode what follows.
    Params(StreamParams),
    /// One picture or audio frame.
    Unit(AccessUnit),
    /// The camera lost packets before the next unit: it may not decode until the next key frame.
    Loss(u16),
}

/// Takes what a source hands over. Called on the source's own task; must not block.
pub type Sink<'a> = &'a mut (dyn FnMut(Item) + Send);

/// Why a session ended. Sessions only end this way: a camera is never "finished".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Ended {
    /// For the gap record.
    pub cause: GapCause,
    /// For a person: what happened and what to do. No credentials.
    pub words: String,
    /// How soon to try again.
    pub retry: Retry,
}

/// User name and password at the camera.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret<String>,
}

/// One stream of one camera. Each [`Source::session`] connects anew and runs until it fails.
pub trait Source: Send {
    /// Connects, hands items to `sink` and returns why it ended. Notices silence within 5 s. Safe to drop at any await.
    fn session<'a>(&'a mut self, sink: Sink<'a>) -> BoxFuture<'a, Ended>;
}

/// A source, or in words why its address makes no sense.
pub type Opened = Result<Box<dyn Source>, String>;

/// All that a source is opened with.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// The stream's address.
    pub url: &'a SourceUrl,
    /// The camera's id: streams of one camera may share a device.
    pub camera: &'a str,
    /// User name and password, for cameras that ask.
    pub login: Option<Login>,
    /// Where local cameras are captured.
    pub captures: &'a Captures,
}

/// One kind of source.
pub struct Kind {
    /// The part of the address before the colon.
    pub scheme: &'static str,
    /// Makes the source; fails when the address makes no sense for it, in words.
    pub open: fn(&Opening<'_>) -> Opened,
}

/// Every kind of source.
pub const SOURCES: &[Kind] = &[
    Kind { scheme: "rtsp", open: rtsp::open },
    Kind { scheme: "file", open: file::open },
    Kind { scheme: "synthetic", open: synthetic::open },
    Kind { scheme: "v4l2", open: local::open },
    Kind { scheme: "csi", open: local::open },
    Kind { scheme: "test", open: local::open },
];

/// The source for an address.
pub fn open(opening: &Opening<'_>) -> Opened {
    match SOURCES.iter().find(|kind| kind.scheme == opening.url.scheme) {
        Some(kind) => (kind.open)(opening),
        None => Err(format!("no source is called \"{}:\"", opening.url.scheme)),
    }
}
