//! The one place of this program that reads the clocks: how long something took, whether a deadline has passed, and how
//! much processor time was used.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Processor time that this process has used, all threads together.
pub(crate) fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.max(0) as u64, used.tv_nsec as u32)
}

/// Processor time that this thread has used: what something costs, also while others want the processor.
pub(crate) fn thread_time() -> Duration {
    Duration::from_micros(micros(ClockId::ThreadCPUTime))
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

    /// Microseconds from the start to another start; 0 when that was earlier.
    pub(crate) fn us_until(self, later: Self) -> u32 {
        u32::try_from(later.0.saturating_duration_since(self.0).as_micros()).unwrap_or(u32::MAX)
    }

    /// Milliseconds since the start.
    pub(crate) fn ms(self) -> f32 {
        self.passed().as_secs_f32() * 1000.0
    }
}

fn micros(id: ClockId) -> u64 {
    let t = clock_gettime(id);
    (t.tv_sec.max(0) as u64).saturating_mul(1_000_000).saturating_add(t.tv_nsec.max(0) as u64 / 1_000)
}

/// Microseconds on the clock that cameras and GStreamer stamp pictures with: it stands still while the machine sleeps.
pub(crate) fn monotonic() -> u64 {
    micros(ClockId::Monotonic)
}

/// The recorder's time, which counts sleep, of a moment on that clock.
pub(crate) fn boot_of_monotonic(moment: u64) -> u64 {
    let asleep = micros(ClockId::Boottime).saturating_sub(monotonic());
    moment.saturating_add(asleep)
}

/// Processor time that this process has taken.
pub(crate) fn of_process() -> Duration {
    Duration::from_micros(micros(ClockId::ProcessCPUTime))
}
