//! How polls went → when the next one is due. Pure, apart from [`random`].
//!
//! Boards of one village that get their power back in the same second must not ask in the same second, now or for ever.

use std::time::Duration;

/// Before the first poll a board waits up to this long.
const FIRST: Duration = Duration::from_secs(30);
/// What the server may ask for. Less than a second would be an attack on it, more than a day would lose the board.
const SLEEP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
/// Until a server has said how often: hawkBit's own default.
const UNTOLD: Duration = Duration::from_secs(300);
/// Pause after the first failure; doubled with each one up to the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1800));
/// A pause is longer or shorter by up to so many hundredths.
const JITTER: f64 = 10.0;

/// The rhythm of one board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    sleep: Duration,
    failures: u32,
    /// The server wants to be left alone for so long.
    after: Duration,
    is_first: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { sleep: UNTOLD, failures: 0, after: Duration::ZERO, is_first: true }
    }
}

impl Pace {
    /// Of a board that was not switched on together with others: its first poll is due now.
    pub fn at_once() -> Self {
        Self { sleep: Duration::ZERO, is_first: false, ..Self::default() }
    }

    /// The server answered, and wants to be asked every `sleep`.
    pub fn heard(&mut self, sleep: Duration) {
        let sleep = sleep.clamp(SLEEP.0, SLEEP.1);
        *self = Self { sleep, failures: 0, after: Duration::ZERO, is_first: false };
    }

    /// It did not, or wants to be left alone for a time.
    pub fn failed(&mut self, after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        self.after = after.unwrap_or_default().min(SLEEP.1);
        self.is_first = false;
    }

    /// How long to wait now; `random` is any number.
    pub fn next(&self, random: u32) -> Duration {
        let part = f64::from(random) / f64::from(u32::MAX);
        if self.is_first {
            return FIRST.mul_f64(part);
        }
        if self.failures == 0 {
            return self.sleep.mul_f64((100.0 - JITTER + 2.0 * JITTER * part) / 100.0);
        }
        let doubled = BACK_OFF.0.saturating_mul(2u32.saturating_pow(self.failures - 1));
        let pause = doubled.min(BACK_OFF.1);
        self.after + pause.mul_f64(0.5 + 0.5 * part)
    }
}

/// Any number, of the kernel.
pub fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn boards_spread_over_the_first_half_minute() {
        let pace = Pace::default();
        assert_eq!((pace.next(0), pace.next(u32::MAX)), (Duration::ZERO, FIRST));
    }

    #[test]
    fn the_servers_word_counts_with_a_tenth_of_jitter() {
        let mut pace = Pace::default();
        pace.heard(100 * SECOND);
        assert_eq!((pace.next(0), pace.next(u32::MAX)), (90 * SECOND, 110 * SECOND));
        pace.heard(Duration::ZERO);
        assert!(pace.next(0) >= SECOND.mul_f64(0.9));
        pace.heard(Duration::MAX);
        assert!(pace.next(u32::MAX) <= SLEEP.1.mul_f64(1.1));
    }

    #[test]
    fn failures_double_the_pause_up_to_half_an_hour_and_one_answer_ends_it() {
        let mut pace = Pace::default();
        let longest = (0..40).map(|_| {
            pace.failed(None);
            pace.next(u32::MAX)
        });
        let all: Vec<Duration> = longest.collect();
        assert_eq!(all[..4], [5, 10, 20, 40].map(|s| s * SECOND));
        assert_eq!(all[39], BACK_OFF.1);
        pace.failed(Some(60 * SECOND));
        assert!(pace.next(0) >= 60 * SECOND, "a server that asks for peace gets it");
        pace.heard(7 * SECOND);
        assert!(pace.next(u32::MAX) < 8 * SECOND);
    }
}
