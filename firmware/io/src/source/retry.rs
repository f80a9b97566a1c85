//! How a session ended → how long to wait before the next. Pure; the caller measures time and throws the dice.

use std::time::Duration;

/// First pause after a session that was good.
const FIRST: Duration = Duration::from_millis(500);
/// The pause stops growing here, so that a camera that comes back is recorded again within seconds.
const LONGEST: Duration = Duration::from_secs(15);
/// Cameras lock an account after a handful of wrong passwords within a few minutes (Hikvision: 7, Dahua: 5).
const LOGIN_REFUSED: Duration = Duration::from_secs(60);
/// A session that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// How soon a new session has a chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// As soon as the back-off allows.
    Soon,
    /// Only after a minute: the camera refused the login and counts attempts.
    Slow,
}

/// The back-off of one stream: 0.5 s, doubling to 15 s, a quarter more or less by chance. Never gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    failures: u32,
    longest: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Pause {
    /// One that stops growing at `longest`.
    pub fn up_to(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// The session that ended was a good one, however short.
    pub fn forget(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next session.
    ///
    /// `lasted` is how long the session that ended had been running; connecting in vain takes less than a good session.
    /// `random` is uniform in 0..1: many cameras behind one switch must not come back in step.
    pub fn next(&mut self, retry: Retry, lasted: Duration, random: f32) -> Duration {
        if lasted >= GOOD {
            self.failures = 0;
        }
        let random = random.clamp(0.0, 1.0);
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let quarter = |pause: Duration| pause / 4;
        match retry {
            Retry::Soon => {
                let pause = FIRST.saturating_mul(1 << doublings).min(self.longest);
                pause - quarter(pause) + (quarter(pause) * 2).mul_f32(random)
            }
            // Never earlier than a minute.
            Retry::Slow => LOGIN_REFUSED + quarter(LOGIN_REFUSED).mul_f32(random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIDDLE: f32 = 0.5;
    const NONE: Duration = Duration::ZERO;

    #[test]
    fn doubles_to_fifteen_seconds_and_stays() {
        let mut pause = Pause::default();
        let waits: Vec<u128> = (0..8).map(|_| pause.next(Retry::Soon, NONE, MIDDLE).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    }

    #[test]
    fn begins_anew_after_a_good_session_only() {
        let mut pause = Pause::default();
        for _ in 0..10 {
            pause.next(Retry::Soon, NONE, MIDDLE);
        }
        assert_eq!(pause.next(Retry::Soon, Duration::from_secs(29), MIDDLE), LONGEST);
        assert_eq!(pause.next(Retry::Soon, Duration::from_secs(30), MIDDLE), FIRST);
        assert_eq!(pause.next(Retry::Soon, NONE, MIDDLE), FIRST * 2);
    }

    #[test]
    fn leaves_a_camera_that_refused_the_login_alone_for_a_minute() {
        let mut pause = Pause::default();
        assert_eq!(pause.next(Retry::Slow, NONE, 0.0), LOGIN_REFUSED);
        assert!(pause.next(Retry::Slow, NONE, 1.0) <= Duration::from_secs(75));
    }

    proptest! {
        #[test]
        fn never_gives_up_and_never_hammers(steps in proptest::collection::vec((any::<bool>(), 0u64..100, 0f32..1.0), 1..200)) {
            let mut pause = Pause::default();
            for (slow, lasted, random) in steps {
                let retry = if slow { Retry::Slow } else { Retry::Soon };
                let wait = pause.next(retry, Duration::from_secs(lasted), random);
                prop_assert!(wait >= Duration::from_millis(375) && wait <= Duration::from_secs(75));
                prop_assert!(!slow || wait >= LOGIN_REFUSED);
            }
        }
    }
}
