//! What happened → the world outside. One file per kind of alarm, one row in [`ALARMS`].
//!
//! An alarm is two halves with a bounded [`Outbox`] between them: its scribe writes [`Letter`]s and never waits, its courier
//! carries them and may wait as long as it likes. So nothing in the recorder ever waits for the world.

mod email;
mod guard;
mod http;
mod message;
mod mqtt;
mod ntfy;
mod outbox;
mod push;
mod tls;
mod webhook;
mod world;

pub use outbox::{Class, Counts, Letter, Outbox, Parcel};
pub use push::{Book, BookError, SenderKey, Subscription};
pub use world::{Couriers, World};

use crate::source::Retry;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use nightjar_types::config::{Config, Password};
use nightjar_types::status::Update;
use nightjar_types::{CameraId, EventId, Secret};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// Writes down what happens. Quick, and never waits: it is called wherever something happens.
pub trait Scribe: Send {
    /// How things are before anything happens.
    fn first(&mut self) -> Vec<Letter> {
        Vec::new()
    }

    /// What there is to tell of an update; mostly nothing.
    fn write(&mut self, update: &Update) -> Vec<Letter>;
}

/// Carries letters.
pub trait Courier: Send {
    /// Connects and carries what the outbox gives until it fails; waits when there is nothing. Every wait for the other side has
    /// a deadline. Safe to drop at any await: what was under way stays in the outbox.
    fn session<'a>(&'a mut self, outbox: &'a Outbox) -> BoxFuture<'a, Ended>;
}

/// Why a session ended. The courier is asked again after a pause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Ended {
    /// For a person: what happened and what to do. Nothing secret.
    pub words: String,
    /// How soon to try again.
    pub retry: Retry,
}

impl Ended {
    fn soon(words: String) -> Self {
        Self { words, retry: Retry::Soon }
    }

    fn slow(words: String) -> Self {
        Self { words, retry: Retry::Slow }
    }
}

/// One configured alarm.
pub struct Alarm {
    /// Its kind, or a webhook's own id.
    pub id: String,
    /// Where it leads, nothing secret.
    pub target: String,
    /// What becomes of it without the internet, in words.
    pub offline: &'static str,
    /// Bytes of letters that may wait.
    pub room: usize,
    /// Longest pause between two tries.
    pub longest: Duration,
    /// Writes.
    pub scribe: Box<dyn Scribe>,
    /// Carries.
    pub courier: Box<dyn Courier>,
}

/// Gives the secret behind a key of the configuration, or in words why not.
pub type Reveal<'a> = &'a dyn Fn(&str, &Password) -> Result<Secret<String>, String>;
/// Gives an event's newest picture, JFIF.
pub type Pictures = Arc<dyn Fn(EventId) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

/// All that alarms are opened with.
pub struct Opening<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Reads secrets.
    pub reveal: Reveal<'a>,
    /// Pictures of events.
    pub pictures: Pictures,
    /// Browsers that asked for messages, when `[push]` is configured.
    pub book: Option<Arc<Book>>,
    /// The longest that the other side may take for one answer.
    pub deadline: Duration,
}

impl Opening<'_> {
    /// The device's name as a level of a topic: what is no letter or digit becomes a dash.
    fn device(&self) -> String {
        slug(&self.config.device.name)
    }

    fn cameras(&self) -> impl Iterator<Item = &CameraId> {
        self.config.cameras.iter().map(|camera| &camera.id)
    }
}

/// One kind of alarm.
pub struct Kind {
    /// As in the configuration.
    pub name: &'static str,
    /// Every alarm of this kind that is configured; fails on what only shows now, such as a missing file, in words.
    pub open: fn(&Opening<'_>) -> Result<Vec<Alarm>, String>,
}

/// Every kind of alarm.
pub const ALARMS: &[Kind] = &[
    Kind { name: "mqtt", open: mqtt::open },
    Kind { name: "webhook", open: webhook::open },
    Kind { name: "ntfy", open: ntfy::open },
    Kind { name: "email", open: email::open },
    Kind { name: "push", open: push::open },
];

/// The longest that the other side may take for one answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Every configured alarm with its kind.
pub fn open(opening: &Opening<'_>) -> Result<Vec<(&'static str, Alarm)>, String> {
    let mut all = Vec::new();
    for kind in ALARMS {
        all.extend((kind.open)(opening)?.into_iter().map(|alarm| (kind.name, alarm)));
    }
    Ok(all)
}

/// What of the configured alarms a start would refuse, in words: a file that a key names is missing, or is not what it should be.
/// Connects to nothing.
pub fn faults(opening: &Opening<'_>) -> Vec<String> {
    ALARMS.iter().filter_map(|kind| (kind.open)(opening).err()).collect()
}

/// Why a file that a key of the configuration names cannot be read, with the mend.
pub fn unreadable(error: &io::Error) -> String {
    let mend = match error.kind() {
        ErrorKind::NotFound => "create it, or correct the key",
        ErrorKind::PermissionDenied => "make it readable for the user that the recorder runs as",
        ErrorKind::InvalidData => "it must be text in UTF-8",
        _ => "it must be a file that can be read",
    };
    format!("cannot be read: {error}; {mend}")
}

/// `Front Door` → `front-door`.
fn slug(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    text.trim().chars().map(fits).collect()
}
