//! Media time → the moment to hand a unit over, for sources that make their own time. No drift: every wait counts from the start.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// When the machine slept or was starved for longer, what was missed is not sent in one burst.
const LATEST: Duration = Duration::from_secs(2);

/// The moment at which media time is zero.
pub(super) struct Pace {
    began: Instant,
}

impl Pace {
    /// Media time zero is now.
    pub(super) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Waits until media time `at`. When that passed long ago, the whole time line moves on.
    pub(super) async fn until(&mut self, at: Duration) {
        let late = self.began.elapsed().saturating_sub(at);
        if late > LATEST {
            self.began += late;
        }
        sleep_until(self.began + at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_every_wait_from_the_start_and_forgives_a_long_sleep() {
        let (start, mut pace) = (Instant::now(), Pace::start());
        pace.until(Duration::from_secs(1)).await;
        tokio::time::advance(Duration::from_millis(700)).await;
        pace.until(Duration::from_secs(2)).await;
        // Timers have a granularity of one millisecond.
        assert_eq!(start.elapsed().as_secs(), 2);
        tokio::time::advance(Duration::from_secs(100)).await;
        pace.until(Duration::from_secs(3)).await;
        pace.until(Duration::from_secs(4)).await;
        assert_eq!(start.elapsed().as_secs(), 103);
    }
}
