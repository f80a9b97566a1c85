//! The one place that reads the clocks: nothing → [`Mono`], [`Wall`].

use nightjar_types::{Mono, Wall};
use rustix::time::{ClockId, clock_gettime};

fn micros(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec.saturating_mul(1_000_000).saturating_add(t.tv_nsec / 1_000)
}

/// Time since boot, suspended time included.
pub fn mono() -> Mono {
    Mono(micros(ClockId::Boottime).max(0) as u64)
}

/// Wall-clock time as the system believes it.
pub fn wall() -> Wall {
    Wall(micros(ClockId::Realtime))
}
