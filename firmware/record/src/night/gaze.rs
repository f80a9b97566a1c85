//! What the eye made of a group of pictures → which is looked at next: key frames alone while nothing happens, whole groups where
//! something does, beginning with the group before, in which it began.

use nightjar_types::Wall;

/// How a group is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Its key frame.
    Key,
    /// All of it.
    Whole,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The first group that begins here or later.
    pub from: Wall,
    /// How it is looked at.
    pub look: Look,
    /// The eye must forget what it saw: time goes back.
    pub is_fresh: bool,
}

/// Where in one job the eye is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaze {
    next: Step,
    /// The group before, of which only the key frame was looked at.
    before: Option<Wall>,
}

impl Gaze {
    /// From a moment on.
    pub fn new(from: Wall) -> Self {
        Self { next: Step { from, look: Look::Key, is_fresh: true }, before: None }
    }

    /// What is to be done now.
    pub fn step(&self) -> Step {
        self.next
    }

    /// The step was done on the group that begins at `from` and ends at `to`; something `stirs` in it or not.
    pub fn done(&mut self, from: Wall, to: Wall, stirs: bool) {
        let on = to.max(from.plus_micros(1));
        self.next = match (self.next.look, stirs) {
            (Look::Key, true) => {
                // what is in the key frame came in since the one before
                let back = self.before.take().unwrap_or(from);
                Step { from: back, look: Look::Whole, is_fresh: true }
            }
            (Look::Key, false) => {
                self.before = Some(from);
                Step { from: on, look: Look::Key, is_fresh: false }
            }
            (Look::Whole, stirs) => {
                self.before = None;
                // the group looked at again because something stirs in the next one's key frame is often still itself
                let is_first = self.next.is_fresh;
                let look = if stirs || is_first { Look::Whole } else { Look::Key };
                Step { from: on, look, is_fresh: false }
            }
        };
    }

    /// Everything before this moment needs no second look, were the eye to begin anew. Events that go on are not its matter.
    pub fn settled(&self) -> Wall {
        self.before.unwrap_or(self.next.from).min(self.next.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Looks at groups of two seconds; gives the order in which they were looked at.
    fn walk(stirs: &[bool]) -> Vec<(usize, Look, bool)> {
        let mut gaze = Gaze::new(Wall(0));
        let mut order = Vec::new();
        let mut settled = Wall(0);
        for _ in 0..stirs.len() * 3 + 3 {
            let step = gaze.step();
            let n = (step.from.0.max(0) as usize).div_ceil(2_000_000);
            let Some(stir) = stirs.get(n) else { break };
            order.push((n, step.look, step.is_fresh));
            let from = Wall(n as i64 * 2_000_000);
            gaze.done(from, from.plus_micros(2_000_000), *stir);
            assert!(gaze.settled() >= settled, "it never unsettles");
            settled = gaze.settled();
        }
        order
    }

    #[test]
    fn key_frames_until_something_stirs_then_all_from_the_group_before() {
        use Look::{Key, Whole};
        assert_eq!(
            walk(&[false, false, true, true, false, false]),
            [
                (0, Key, true),
                (1, Key, false),
                (2, Key, false),
                (1, Whole, true),
                (2, Whole, false),
                (3, Whole, false),
                (4, Whole, false),
                (5, Key, false),
            ]
        );
        assert_eq!(walk(&[true, false])[..2], [(0, Key, true), (0, Whole, true)]);
    }

    proptest! {
        #[test]
        fn every_group_is_seen_and_those_that_stir_are_seen_whole(stirs in prop::collection::vec(any::<bool>(), 1..60)) {
            let order = walk(&stirs);
            for (n, stir) in stirs.iter().enumerate() {
                prop_assert!(order.iter().any(|o| o.0 == n), "{} unseen", n);
                prop_assert!(!stir || order.iter().any(|o| o.0 == n && o.1 == Look::Whole), "{} not whole", n);
            }
            // time goes back only where the eye is told
            for two in order.windows(2) {
                prop_assert!(two[1].2 || two[1].0 > two[0].0);
            }
            prop_assert!(order.len() <= stirs.len() * 2 + 1);
        }
    }
}
