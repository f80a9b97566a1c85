//! The only place of the tests that reads a clock; in: a condition and a deadline, out: what the condition gave.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a condition is asked again.
const POLL: Duration = Duration::from_millis(50);

/// Now on the monotonic clock.
#[allow(clippy::disallowed_methods)] // the tests drive real programs, so they live in real time
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970 UTC.
#[allow(clippy::disallowed_methods)] // as above
pub fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is later than 1970").as_millis() as i64
}

/// Asks `condition` until it gives something, and panics with `what` when `seconds` have passed.
#[track_caller]
pub fn until<T>(what: &str, seconds: u64, condition: impl FnMut() -> Option<T>) -> T {
    within(seconds, condition).unwrap_or_else(|| panic!("after {seconds} s still not: {what}"))
}

/// Asks `condition` until it gives something; `None` when `seconds` have passed.
pub fn within<T>(seconds: u64, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if now() >= end {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Lets `ms` pass: for faults at chosen moments, never to wait for a result.
pub fn pass(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
