//! The one place of this program that reads the clock: how long something took, and whether a deadline has passed.

use rustix::time::ClockId;
use std::time::{Duration, Instant};

/// Processor time that this process has used on all its threads.
pub(crate) fn processor_time() -> Duration {
    spent(ClockId::ProcessCPUTime)
}

/// Processor time that this thread has used: what something costs, also while others want the processor.
pub(crate) fn thread_time() -> Duration {
    spent(ClockId::ThreadCPUTime)
}

fn spent(clock: ClockId) -> Duration {
    let spent = rustix::time::clock_gettime(clock);
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
