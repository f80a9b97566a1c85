//! The one place of this program that reads the clock: how long something took, and whether a deadline has passed.

use std::time::{Duration, Instant};

/// A stopwatch that runs from its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[allow(clippy::disallowed_methods)] // The eye measures its own work; recorded times come with the units.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn passed(self) -> Duration {
        self.0.elapsed()
    }

    /// Milliseconds since the start.
    pub(crate) fn ms(self) -> f32 {
        self.passed().as_secs_f32() * 1000.0
    }
}
