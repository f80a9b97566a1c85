//! Boxes of tracks over time → is this thing on the move, or does it stand? One anchor for each (camera, track).
//!
//! A thing *departs* when its middle is further from its anchor than a quarter of its larger side (at least one per cent of
//! the picture), or its height has changed by a third: it comes closer. The anchor follows. It is on the move for
//! [`REST_US`] after it departed; it stands once it has not for as long. A thing that was just met is neither.
//!
//! Invariants: one anchor for each (camera, track); `since ≤ seen`.

use crate::{BBox, CameraIx, Micros, Thing};
use heapless::Vec;

/// What has not departed for so long stands, microseconds: a car at a gate waits less, a parked one more.
pub const REST_US: u64 = 10_000_000;
/// An anchor unseen for so long is forgotten, microseconds.
pub const FORGET_US: u64 = 30_000_000;
/// Least way that counts, picture units.
const STEP: u16 = 100;

/// What a thing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    /// Not known long enough to say.
    Unknown,
    /// It went somewhere lately.
    Moving,
    /// It stands.
    Still,
}

#[derive(Debug)]
struct Anchor {
    camera: CameraIx,
    track: u32,
    bbox: BBox,
    /// When it departed last; at first, when it was met.
    since: Micros,
    seen: Micros,
    has_moved: bool,
}

/// Up to `N` things at a time.
#[derive(Debug)]
pub struct Stillness<const N: usize> {
    anchors: Vec<Anchor, N>,
    evicted: u64,
}

impl<const N: usize> Default for Stillness<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Stillness<N> {
    /// Nothing is known.
    pub const fn new() -> Self {
        const { assert!(N > 0, "one thing must fit") };
        Self { anchors: Vec::new(), evicted: 0 }
    }

    /// A thing is seen: what it does. `now` never goes back.
    pub fn see(&mut self, camera: CameraIx, now: Micros, thing: &Thing) -> Motion {
        self.anchors.retain(|a| now.since(a.seen) < FORGET_US);
        let (track, bbox) = (thing.track, thing.bbox);
        let Some(anchor) = self.anchors.iter_mut().find(|a| (a.camera, a.track) == (camera, track)) else {
            self.meet(Anchor { camera, track, bbox, since: now, seen: now, has_moved: false });
            return Motion::Unknown;
        };
        anchor.seen = anchor.seen.max(now);
        if has_departed(anchor.bbox, bbox) {
            (anchor.bbox, anchor.since, anchor.has_moved) = (bbox, anchor.seen, true);
        }
        match (now.since(anchor.since) >= REST_US, anchor.has_moved) {
            (true, _) => Motion::Still,
            (false, true) => Motion::Moving,
            (false, false) => Motion::Unknown,
        }
    }

    /// Things that were forgotten because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        for (i, a) in self.anchors.iter().enumerate() {
            let twin = |o: &Anchor| (o.camera, o.track) == (a.camera, a.track);
            assert!(!self.anchors[i + 1..].iter().any(twin), "one anchor for each camera and track");
            assert!(a.since <= a.seen, "it departed before it was last seen");
        }
    }

    fn meet(&mut self, anchor: Anchor) {
        if self.anchors.is_full() {
            self.evicted += 1;
            let oldest = self.anchors.iter().enumerate().min_by_key(|(_, a)| a.seen).map(|(place, _)| place);
            self.anchors.swap_remove(oldest.expect("a full table is not empty: N > 0"));
        }
        let pushed = self.anchors.push(anchor);
        debug_assert!(pushed.is_ok(), "there is room for one more");
    }
}

fn has_departed(from: BBox, to: BBox) -> bool {
    let middle = |b: BBox| (i64::from(b.x) + i64::from(b.w / 2), i64::from(b.y) + i64::from(b.h / 2));
    let ((ax, ay), (bx, by)) = (middle(from), middle(to));
    let way = i64::from((from.w.max(from.h) / 4).max(STEP));
    let (dx, dy) = (bx - ax, by - ay);
    let is_far = dx * dx + dy * dy > way * way;
    let (low, high) = (u32::from(from.h.min(to.h)), u32::from(from.h.max(to.h)));
    is_far || (high * 3 > low * 4 && high - low > u32::from(STEP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassId, Score};
    use proptest::prelude::*;

    const CAM: CameraIx = CameraIx(3);
    const S: u64 = 1_000_000;

    fn car(track: u32, x: u16) -> Thing {
        let bbox = BBox { x, y: 4_000, w: 2_000, h: 1_000 };
        Thing::new(track, ClassId(2), Score::from_thousandths(700), bbox)
    }

    #[test]
    fn a_parked_car_stands_after_ten_seconds_and_moves_when_it_leaves() {
        let mut still = Stillness::<4>::new();
        let mut at = |s: u64, x| still.see(CAM, Micros(s * S), &car(1, x));
        assert_eq!([at(0, 100), at(5, 150), at(9, 90)], [Motion::Unknown; 3]);
        assert_eq!(at(10, 120), Motion::Still);
        assert_eq!(at(11, 2_000), Motion::Moving);
        assert_eq!([at(12, 4_000), at(21, 4_100)], [Motion::Moving; 2]);
        assert_eq!(at(22, 4_050), Motion::Still, "ten seconds after its last way");
    }

    #[test]
    fn who_comes_closer_moves_though_his_middle_stays() {
        let mut still = Stillness::<4>::new();
        let mut at = |s: u64, grown: u16| {
            let bbox = BBox { x: 5_000 - grown / 2, y: 5_000 - grown, w: 300 + grown, h: 1_000 + grown * 2 };
            still.see(CAM, Micros(s * S), &Thing::new(1, ClassId(0), Score::default(), bbox))
        };
        assert_eq!([at(0, 0), at(1, 60), at(2, 200)], [Motion::Unknown, Motion::Unknown, Motion::Moving]);
    }

    #[test]
    fn a_full_table_forgets_who_was_unseen_longest() {
        let mut still = Stillness::<2>::new();
        still.see(CAM, Micros(0), &car(1, 100));
        still.see(CAM, Micros(S), &car(2, 5_000));
        still.see(CAM, Micros(2 * S), &car(3, 7_000));
        assert_eq!(still.evicted(), 1);
        assert_eq!(still.see(CAM, Micros(11 * S), &car(2, 5_000)), Motion::Still);
        assert_eq!(still.see(CAM, Micros(12 * S), &car(1, 100)), Motion::Unknown, "met anew");
    }

    proptest! {
        #[test]
        fn trembling_is_no_motion(steps in prop::collection::vec((1..2_000_000u64, 0..200u16), 1..60)) {
            let mut still = Stillness::<2>::new();
            let mut now = Micros(0);
            still.see(CAM, now, &car(1, 3_000));
            for (gap, x) in steps {
                now = now.plus(gap);
                let expected = if now.0 >= REST_US { Motion::Still } else { Motion::Unknown };
                prop_assert_eq!(still.see(CAM, now, &car(1, 2_900 + x)), expected);
                still.check_invariants();
            }
        }

        #[test]
        fn any_boxes_are_taken(things in prop::collection::vec((0..9u32, any::<[u16; 4]>(), 0..40_000_000u64), 1..60)) {
            let mut still = Stillness::<3>::new();
            let mut now = Micros(0);
            for (track, [x, y, w, h], gap) in things {
                now = now.plus(gap);
                still.see(CAM, now, &Thing::new(track, ClassId(0), Score::default(), BBox { x, y, w, h }));
                still.check_invariants();
            }
        }
    }
}
