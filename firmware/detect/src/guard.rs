//! Changes of light or mode all over a picture → is what the model sees now to be trusted with new things?
//!
//! From the first such picture until shortly after the last, pictures are unsettled: nothing new may begin, and the motion
//! gate takes each of them as its background. The guard can never blind for long: what it has kept shut stays open for half as
//! long, and for [`SIGHT`] after [`MOST`].

use crate::picture::{Picture, Plane};
use nightjar_types::Mono;
use std::time::Duration;

/// How long after the last change all over the picture it counts as settled.
pub const SETTLE: Duration = Duration::from_millis(500);
/// Longest time in which nothing new may begin. Cameras take up to three seconds for exposure and infrared filter.
pub const MOST: Duration = Duration::from_secs(3);
/// Least time of sight after that.
pub const SIGHT: Duration = Duration::from_secs(4);
/// Mean distance of colour samples from grey, 1/16 steps, below which a picture is grey, and above which it is not.
const GREY: u32 = 16;
const COLOURED: u32 = 28;

/// Watches one stream's light. `Default` is settled.
#[derive(Debug, Clone, Copy, Default)]
pub struct LightGuard {
    began: Option<Mono>,
    changed: Option<Mono>,
    /// No guarding before this moment.
    open_until: Option<Mono>,
    is_grey: Option<bool>,
}

impl LightGuard {
    /// Takes what the picture of `now` shows: `has_changed` by the motion gate. True: it is settled.
    pub fn see(&mut self, now: Mono, has_changed: bool, chroma: [Plane<'_>; 2]) -> bool {
        let was_grey = self.is_grey;
        self.is_grey = Some(is_grey(chroma, was_grey.unwrap_or(false)));
        let has_changed = has_changed || (was_grey.is_some() && was_grey != self.is_grey);
        if self.open_until.is_some_and(|until| now < until) {
            return true;
        }
        if has_changed {
            self.began.get_or_insert(now);
            self.changed = Some(now);
        }
        let (Some(began), Some(changed)) = (self.began, self.changed) else { return true };
        if now.since(changed) >= SETTLE || now.since(began) >= MOST {
            let shut = now.since(began);
            self.open_until = Some(now + if shut >= MOST { SIGHT } else { shut / 2 });
            (self.began, self.changed) = (None, None);
            return true;
        }
        false
    }

    /// The last picture had no colour.
    pub fn is_grey(&self) -> bool {
        self.is_grey.unwrap_or(false)
    }
}

/// Whether a picture has no colour, given what the one before was.
fn is_grey(chroma: [Plane<'_>; 2], was: bool) -> bool {
    let (mut sum, mut many) = (0u32, 0u32);
    for plane in chroma {
        for y in (0..plane.height).step_by(8) {
            for &sample in plane.row(y).iter().step_by(4) {
                sum += u32::from(sample.abs_diff(128));
                many += 1;
            }
        }
    }
    sum * 16 < many.max(1) * if was { COLOURED } else { GREY }
}

/// Whether a single picture has no colour.
pub(crate) fn has_no_colour(picture: &Picture) -> bool {
    is_grey(picture.chroma(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Mono {
        Mono(ms * 1000)
    }

    fn see(guard: &mut LightGuard, ms: u64, has_changed: bool, colour: u8) -> bool {
        let picture = Picture::flat((64, 64), [90, colour, 128]).unwrap();
        guard.see(at(ms), has_changed, picture.chroma())
    }

    #[test]
    fn a_switch_unsettles_for_half_a_second_after_its_last_picture() {
        let mut g = LightGuard::default();
        assert!(see(&mut g, 0, false, 150));
        assert!(!see(&mut g, 100, true, 150));
        assert!(!see(&mut g, 200, true, 150));
        assert!(!see(&mut g, 600, false, 150));
        assert!(see(&mut g, 700, false, 150));
    }

    #[test]
    fn losing_its_colour_is_a_change() {
        let mut g = LightGuard::default();
        assert!(see(&mut g, 0, false, 150) && !g.is_grey());
        assert!(!see(&mut g, 100, false, 128) && g.is_grey());
        assert!(see(&mut g, 700, false, 129), "a trace of colour is no switch back");
        assert!(!see(&mut g, 1100, false, 150));
    }

    proptest! {
        #[test]
        fn it_never_blinds_for_long(changes in prop::collection::vec(any::<bool>(), 100..600)) {
            let mut guard = LightGuard::default();
            let (mut blind, mut sight, all) = (0, 0, changes.len());
            for (i, changed) in changes.into_iter().enumerate() {
                if see(&mut guard, i as u64 * 100, changed, 150) {
                    sight += 1;
                    blind = 0;
                } else {
                    blind += 1;
                }
                prop_assert!(blind <= 30, "{blind} pictures");
            }
            prop_assert!(sight * 4 >= all, "{sight} of {all} pictures");
        }
    }
}
