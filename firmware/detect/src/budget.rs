//! Processor time that was used → how far apart the looks of the model are, so that the eye stays within its share.
//!
//! Looks are what costs, and what can be spared: a track is carried from look to look by its speed. So only they are
//! stretched; the recorder may ask for more of it when the board is hot.

use std::time::Duration;

/// Looks are at most this many times as far apart as usual.
pub const MOST_STRETCH: f32 = 16.0;
/// In one step the stretch grows at most by this factor: one slow second is not yet a trend.
const STEP: f32 = 2.0;
/// Below this share of the budget the stretch may relax. Above 1/2, or it would swing: it relaxes by less than a third.
const SLACK: f32 = 0.85;
const RELAX: f32 = 0.8;
/// Time that one measurement covers at least; shorter ones tell about single looks.
pub const WINDOW: Duration = Duration::from_secs(1);

/// A share of the processor and how it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Of one core: 1.5 is one and a half cores.
    share: f32,
    stretch: f32,
    load: f32,
}

impl Budget {
    /// `share` of one core, more than 1 for several.
    pub fn new(share: f32) -> Self {
        Self { share: share.max(0.01), stretch: 1.0, load: 0.0 }
    }

    /// Another share from now on.
    pub fn set_share(&mut self, share: f32) {
        self.share = share.max(0.01);
    }

    /// `used` processor time was used within `passed`, at least a [`WINDOW`].
    pub fn spent(&mut self, used: Duration, passed: Duration) {
        self.load = used.as_secs_f32() / passed.as_secs_f32().max(1e-3);
        let over = self.load / self.share;
        if over > 1.0 {
            self.stretch = (self.stretch * over.min(STEP)).min(MOST_STRETCH);
        } else if over < SLACK {
            self.stretch = (self.stretch * RELAX.max(over)).max(1.0);
        }
    }

    /// The last measured load, of one core.
    pub fn load(&self) -> f32 {
        self.load
    }

    /// What lies between two looks at a stream when `usual` does without any need to save.
    pub fn spacing(&self, usual: Duration) -> Duration {
        if self.stretch > 1.0 { usual.mul_f32(self.stretch) } else { usual }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Duration = Duration::from_millis(200);

    /// A board on which decoding takes `base` and a look `look` of a core-second, with `streams` streams that all move.
    fn settle(budget: &mut Budget, base: f32, look: f32, streams: f32, seconds: u32) -> f32 {
        let mut last = 0.0;
        for _ in 0..seconds {
            // one thread runs the model: it can't use more than a core
            let looks = (streams / budget.spacing(USUAL).as_secs_f32()).min(1.0 / look);
            last = base + looks * look;
            budget.spent(Duration::from_secs_f32(last), WINDOW);
        }
        last
    }

    #[test]
    fn an_eye_with_time_to_spare_looks_as_often_as_it_may() {
        let mut budget = Budget::new(1.0);
        settle(&mut budget, 0.1, 0.04, 4.0, 30);
        assert_eq!(budget.spacing(USUAL), USUAL);
    }

    #[test]
    fn looks_come_back_when_the_load_goes() {
        let mut budget = Budget::new(0.5);
        settle(&mut budget, 0.1, 0.15, 4.0, 30);
        assert!(budget.spacing(USUAL) > 5 * USUAL, "{budget:?}");
        settle(&mut budget, 0.02, 0.15, 0.0, 30);
        assert_eq!(budget.spacing(USUAL), USUAL);
    }

    #[test]
    fn a_budget_below_what_decoding_costs_still_looks_now_and_then() {
        let mut budget = Budget::new(0.05);
        settle(&mut budget, 0.2, 0.04, 4.0, 60);
        assert_eq!(budget.spacing(USUAL), USUAL.mul_f32(MOST_STRETCH));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_board_settles_within_its_share(share in 0.3f32..2.0, base in 0.0f32..0.15, look in 0.01f32..0.3, streams in 1.0f32..12.0) {
            let mut budget = Budget::new(share);
            settle(&mut budget, base, look, streams, 40);
            let mut loads = 0.0;
            for _ in 0..40 {
                loads += settle(&mut budget, base, look, streams, 1);
                prop_assert!(budget.spacing(USUAL) >= USUAL && budget.spacing(USUAL) <= USUAL.mul_f32(MOST_STRETCH));
            }
            let least = base + (streams * look / (0.2 * MOST_STRETCH)).min(1.0);
            prop_assert!(loads / 40.0 <= (share * 1.05).max(least + 0.01), "{budget:?} {}", loads / 40.0);
        }
    }
}
