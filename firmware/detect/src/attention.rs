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
    /// Least time between two looks; zero is every picture.
    spacing: Duration,
    looked: Option<Mono>,
}

impl Attention {
    /// At most one look per `spacing`.
    pub fn new(spacing: Duration) -> Self {
        Self { spacing, looked: None }
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
        since >= self.spacing && (moved || unsure || (confirmed && since >= KEEP) || since >= REST)
    }

    /// The picture taken at `now` is being looked at.
    pub fn looked(&mut self, now: Mono) {
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
        a.looked(at(0));
        assert!(!a.wants(at(100), true, true, true), "too soon, whatever moves");
        assert!(a.wants(at(200), true, false, false), "motion");
        assert!(a.wants(at(200), false, false, true), "a thing not yet confirmed");
        assert!(!a.wants(at(1999), false, true, false));
        assert!(a.wants(at(2000), false, true, false), "someone stands still");
        assert!(!a.wants(at(4999), false, false, false));
        assert!(a.wants(at(5000), false, false, false), "nothing known, but it has been long");
    }
}
