//! One opening of a stream: its units, what moved, what lives → decode or keep; and the recorder hears when that changes.

use crate::outbox::Outbox;
use nightjar_detect::{Step, Tracks, Wake};
use nightjar_types::Mono;
use nightjar_types::eye::{ARCHIVE, FromEye};
use std::sync::{Mutex, PoisonError};

/// Shared by the stream's thread, which asks, and its watch, which knows what moves.
pub(crate) struct Pacing {
    stream: u32,
    outbox: Outbox,
    wake: Mutex<Wake>,
}

impl Pacing {
    /// Awake.
    pub(crate) fn new(stream: u32, outbox: Outbox) -> Self {
        outbox.send(FromEye::Pace { stream, is_quiet: false });
        Self { stream, outbox, wake: Mutex::new(Wake::new()) }
    }

    /// What to do with a unit, and whether the stream is quiet. Pictures of before never are: who sends them has chosen them.
    pub(crate) fn unit(&self, mono: Mono, is_key: bool, bytes: usize) -> (Step, bool) {
        if self.stream >= ARCHIVE {
            return (Step::Decode, false);
        }
        self.change(|wake| {
            let step = wake.unit(mono, is_key, bytes);
            (step, wake.is_quiet())
        })
    }

    /// The motion gate saw a picture. True when the stream has just woken.
    pub(crate) fn saw(&self, moved: bool) -> bool {
        moved && self.change(|wake| wake.saw(true))
    }

    /// The model looked. True when the stream has just woken.
    pub(crate) fn tracks(&self, tracks: Tracks) -> bool {
        self.change(|wake| wake.tracks(tracks))
    }

    /// The decoder holds pictures back. True when the stream has just woken.
    pub(crate) fn held_back(&self) -> bool {
        self.change(Wake::held_back)
    }

    /// Tells the recorder while still locked, so that it hears of changes in their order.
    fn change<T>(&self, change: impl FnOnce(&mut Wake) -> T) -> T {
        let mut wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        let before = wake.is_quiet();
        let out = change(&mut wake);
        let is_quiet = wake.is_quiet();
        if is_quiet != before {
            tracing::debug!(stream = self.stream, is_quiet, "another pace");
            self.outbox.send(FromEye::Pace { stream: self.stream, is_quiet });
        }
        out
    }
}
