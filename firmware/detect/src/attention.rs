//! Motion and tracks → should the model look at this picture?
//!
//! Quiet pictures cost no inference, yet someone who stands still is looked at again and again, and an empty picture
//! now and then, for what the motion gate cannot see.

use nightjar_types::Mono;
use std::time::Duration;

/// How long a confirmed track may go without a look while nothing moves.
pub const KEEP: Duration = Duration::from_secs(2);
/// How long any stream may go without a look.
pub const REST: Duration = Duration::from_secs(5);

/// Decides for one stream. `Default` starts wanting the first picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attention {
    /// Mean time between two runs of the model, when there is always something to look at; zero is every picture.
    spacing: Duration,
    looked: Option<Mono>,
    /// No look before.
    due: Mono,
}

impl Attention {
    /// At most one run of the model per `spacing`, over any time since the first: a picture that comes a little late
    /// does not shift the next look, else 10 pictures a second would give 2.5 looks a second instead of 3.
    pub fn new(spacing: Duration) -> Self {
        Self { spacing, looked: None, due: Mono(0) }
    }

    /// Another least time between two looks from now on.
    pub fn space(&mut self, spacing: Duration) {
        self.spacing = spacing;
    }

    /// Whether the picture taken at `now` deserves a look.
    ///
    /// `confirmed` and `unsure`: there are confirmed tracks, there are tracks that wait for confirmation.
    pub fn wants(&self, now: Mono, moved: bool, confirmed: bool, unsure: bool) -> bool {
        let Some(looked) = self.looked else { return true };
        let since = now.since(looked);
        now >= self.due && (moved || unsure || (confirmed && since >= KEEP) || since >= REST)
    }

    /// The picture taken at `now` is being looked at, which takes so many runs of the model.
    pub fn looked(&mut self, now: Mono, runs: usize) {
        let taken = self.spacing * runs.min(64) as u32;
        self.due = match self.looked {
            // Half a slot more, once: so no stretch of time from its beginning has a run too many.
            None => now + taken + self.spacing / 2,
            Some(_) if now.since(self.due) < self.spacing => self.due + taken,
            Some(_) => now + taken,
        };
        self.looked = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(ms * 1000)
    }

    #[test]
    fn a_quiet_picture_is_looked_at_now_and_then_only() {
        let mut a = Attention::new(Duration::from_millis(200));
        assert!(a.wants(at(0), false, false, false), "the first");
        a.looked(at(0), 1);
        assert!(!a.wants(at(100), true, true, true), "too soon, whatever moves");
        assert!(a.wants(at(300), true, false, false), "motion");
        assert!(a.wants(at(300), false, false, true), "a thing not yet confirmed");
        assert!(!a.wants(at(1999), false, true, false));
        assert!(a.wants(at(2000), false, true, false), "someone stands still");
        assert!(!a.wants(at(4999), false, false, false));
        assert!(a.wants(at(5000), false, false, false), "nothing known, but it has been long");
    }

    #[test]
    fn the_rate_holds_on_average_and_is_used_up() {
        for (rate, runs) in [(3, 1), (3, 2), (5, 1), (4, 1)] {
            let mut a = Attention::new(Duration::from_secs(1) / rate);
            let mut run = 0;
            for i in 0..1000 {
                if a.wants(at(i * 100), true, false, false) {
                    a.looked(at(i * 100), runs);
                    run += runs as u32;
                }
                let most = rate as f32 * (i + 1) as f32 / 10.0 + runs as f32;
                assert!(run as f32 <= most, "{run} runs in {i} pictures at {rate} a second");
            }
            assert!(
                run <= 100 * rate && run + 2 * rate >= 100 * rate,
                "{run} runs in 100 s at {rate} a second"
            );
        }
    }

    #[test]
    fn a_quiet_hour_is_not_saved_up() {
        let mut a = Attention::new(Duration::from_millis(500));
        a.looked(at(0), 1);
        a.looked(at(3_600_000), 1);
        assert!(!a.wants(at(3_600_499), true, true, true) && a.wants(at(3_600_500), true, false, false));
    }
}
