//! The one place of this program that reads clocks: nothing → time since boot, time of the day.

use rustix::time::{ClockId, clock_gettime};

fn millis(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec.saturating_mul(1_000).saturating_add(t.tv_nsec / 1_000_000)
}

/// Time since boot, suspended time included, ms.
pub(crate) fn since_boot_ms() -> u64 {
    millis(ClockId::Boottime).max(0) as u64
}

/// The wall clock as the system believes it, ms since 1970 UTC.
pub(crate) fn wall_ms() -> i64 {
    millis(ClockId::Realtime)
}
