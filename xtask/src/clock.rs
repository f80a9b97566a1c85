//! Nothing → a stopwatch, and the wall clock. The only file here that asks what time it is.

use std::time::{Duration, Instant, SystemTime};

/// Time that passed since it was started.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods, reason = "this is the clock file of xtask")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Elapsed time for a person: `0.4 s`, `12 s`, `3 min 20 s`.
    pub(crate) fn words(&self) -> String {
        words(self.elapsed())
    }
}

/// The wall clock, since 1970.
#[allow(clippy::disallowed_methods, reason = "this is the clock file of xtask")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn words(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{s} s"),
        _ => format!("{} min {} s", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(words(Duration::from_millis(420)), "0.4 s");
        assert_eq!(words(Duration::from_secs(75)), "75 s");
        assert_eq!(words(Duration::from_secs(200)), "3 min 20 s");
    }
}
