//! The one place of this program that reads the clock: how long something took, and whether a deadline has passed.

use std::time::{Duration, Instant};

/// Processor time that this process has used on all its threads.
pub(crate) fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.max(0) as u64, spent.tv_nsec.clamp(0, 999_999_999) as u32)
}

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
