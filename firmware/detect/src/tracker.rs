//! Found things, picture by picture → tracks with numbers that are never used twice.
//!
//! Each track predicts its box at constant velocity. Sure things are matched to all tracks first, by overlap or else by
//! nearness, best pair first; then unsure ones to confirmed tracks still without a match (the two stages of ByteTrack, Zhang et al. 2022).
//! A track is solid after three hits, and has its number once its thing was seen to move ([`crate::parked`]). It is lost
//! after two seconds without a hit.

use crate::parked::{HELD, Parked, Place};
use crate::{Found, Trust};
use nightjar_types::{BBox, Mono};
use std::collections::VecDeque;
use std::time::Duration;

/// Most tracks of one stream; what is found beyond them waits for a free place.
pub const MAX_TRACKS: usize = 64;
/// Hits that confirm a track.
const CONFIRM_HITS: usize = 3;
/// Overlap that a sure thing, and an unsure one, needs with a predicted box.
const SURE_IOU: f32 = 0.2;
const UNSURE_IOU: f32 = 0.4;
/// How far from its predicted place a sure thing may be, in mean sides, when nothing overlaps; and its change of size.
/// On the pedestrian clip at five looks a second, scores from .5: 74 tracks of 3.5 s without this, 48 of 6 s with it.
const REACH: f32 = 0.9;
const ALIKE: f32 = 1.5;
/// Looks without a hit after which an unconfirmed track is dropped, and at least needed to lose a confirmed one:
/// when the model looks once in two seconds, a single miss must not end a track.
const MISSES: u32 = 2;
/// What is left of a score after a look that missed the thing.
const MISS_TRUST: f32 = 0.7;
/// Longest time that a velocity is trusted.
const HORIZON: Duration = Duration::from_secs(1);
/// Shares of a surprise that go into place and velocity (alpha-beta filter).
const PLACE_GAIN: f32 = 0.75;
const SPEED_GAIN: f32 = 0.3;

/// Thresholds of one tracker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerConfig {
    /// From this score on a thing is sure: it may begin a track.
    pub sure: f32,
    /// Hits within this time confirm a track, as do hits in successive looks.
    pub confirm_within: Duration,
    /// A confirmed track without a hit for this long is lost.
    pub lost_after: Duration,
}

impl TrackerConfig {
    /// One second to confirm, two to lose.
    pub fn new(sure: f32) -> Self {
        Self { sure, confirm_within: Duration::from_secs(1), lost_after: Duration::from_secs(2) }
    }
}

/// A track as it is at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracked {
    /// Its number once it is confirmed.
    pub id: Option<u32>,
    /// Index into the card's labels.
    pub class: u16,
    /// Score of its last hit, less for every look since that missed it, 0..1.
    pub score: f32,
    /// Where it was found, when that was at this moment; else where it is thought to be. Cut at the picture's edges.
    pub bbox: BBox,
    /// Looks in a row that did not find it; 0 when the newest did.
    pub misses: u32,
}

/// A confirmed track that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Its number.
    pub id: u32,
    /// When it was found last.
    pub seen: Mono,
}

#[derive(Debug, Clone)]
struct Track {
    id: Option<u32>,
    class: u16,
    score: f32,
    /// The box of the last hit, as the model gave it.
    seen: BBox,
    /// Centre x, centre y, width, height at `at`, smoothed.
    state: [f32; 4],
    /// Of the centre, a second.
    speed: [f32; 2],
    at: Mono,
    hits: VecDeque<Mono>,
    in_a_row: usize,
    misses: u32,
    is_solid: bool,
    place: Place,
}

/// The tracks of one stream.
#[derive(Debug, Clone)]
pub struct Tracker {
    config: TrackerConfig,
    tracks: Vec<Track>,
    next_id: u32,
    parked: Parked,
}

/// What the pixels say to a look, e.g. by [`crate::SceneGuard`].
#[derive(Clone, Copy)]
pub struct Witness<'a> {
    /// Whether new things may begin.
    pub trust: Trust,
    /// Did the pixels of a box change since the look before, or just now?
    pub moved_in: &'a dyn Fn(&BBox) -> bool,
    /// Does a box show what the place itself looks like there, in whatever light?
    pub is_place: &'a dyn Fn(&BBox) -> bool,
}

impl Tracker {
    /// No tracks; the first confirmed one gets number 1.
    pub fn new(config: TrackerConfig) -> Self {
        Self { config, tracks: Vec::new(), next_id: 1, parked: Parked::default() }
    }

    /// Other thresholds from now on; tracks and numbers stay.
    pub fn configure(&mut self, config: TrackerConfig) {
        self.config = config;
    }

    /// As [`Tracker::look_with`], of a picture whose pixels nobody has watched: all of it may have moved.
    pub fn look(&mut self, now: Mono, found: &[Found]) -> Vec<Lost> {
        self.look_with(
            now,
            found,
            Witness { trust: Trust::Settled, moved_in: &|_| true, is_place: &|_| false },
        )
    }

    /// Takes what the model found in the picture of `now`; gives the confirmed tracks that ended.
    ///
    /// Things below the sure score should be among `found`, down to where they are mostly noise: they keep tracks alive.
    pub fn look_with(&mut self, now: Mono, found: &[Found], witness: Witness<'_>) -> Vec<Lost> {
        let mut free: Vec<Option<Found>> = found.iter().copied().map(Some).collect();
        let mut hit = vec![false; self.tracks.len()];
        let sure = self.config.sure;
        self.assign(now, &mut free, &mut hit, SURE_IOU, REACH, |_, f| f.score >= sure);
        self.assign(now, &mut free, &mut hit, UNSURE_IOU, 0.0, |t, _| t.is_solid);
        let is_settled = witness.trust == Trust::Settled;
        for (track, hit) in self.tracks.iter_mut().zip(hit) {
            if hit {
                self.parked.witness(now, track, witness);
            } else if track.id.is_none() || (is_settled && !track.is_held(now, witness)) {
                track.misses += 1;
                track.in_a_row = 0;
            }
            if hit && track.id.is_none() && track.is_solid && track.place.has_moved() {
                track.id = Some(self.next_id);
                self.next_id += 1;
            }
        }
        let lost = self.drop_gone(now);
        for found in free.into_iter().flatten().filter(|f| f.score >= sure) {
            if self.tracks.len() < MAX_TRACKS {
                let mut track = Track::new(now, &found);
                self.parked.witness(now, &mut track, witness);
                self.tracks.push(track);
            }
        }
        self.check_invariants();
        lost
    }

    /// Where the tracks are at `now`, unconfirmed ones too; confirmed ones first.
    pub fn at(&self, now: Mono) -> Vec<Tracked> {
        let mut out: Vec<Tracked> = self
            .tracks
            .iter()
            .map(|t| Tracked {
                id: t.id,
                class: t.class,
                score: t.score * MISS_TRUST.powi(t.misses.min(16) as i32),
                bbox: inside(if now == t.last_hit() { t.seen } else { t.predicted(now) }),
                misses: t.misses,
            })
            .collect();
        out.retain(|t| t.bbox.area() > 0.0);
        out.sort_by_key(|t| t.id.unwrap_or(u32::MAX));
        out
    }

    /// There is a confirmed track, or one that is confirmed as soon as it moves.
    pub fn has_confirmed(&self) -> bool {
        self.tracks.iter().any(|t| t.is_solid)
    }

    /// There is a track that more looks would confirm.
    pub fn has_unsure(&self) -> bool {
        self.tracks.iter().any(|t| !t.is_solid)
    }

    /// Ends every track: the stream is over.
    pub fn end(&mut self) -> Vec<Lost> {
        self.tracks.drain(..).filter_map(|t| Some(Lost { id: t.id?, seen: t.last_hit() })).collect()
    }

    /// Numbers are given once, rising; the number of tracks is bounded.
    ///
    /// # Panics
    /// When that does not hold.
    pub fn check_invariants(&self) {
        let mut ids: Vec<u32> = self.tracks.iter().filter_map(|t| t.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|w| w[0] < w[1]), "two tracks with one number");
        assert!(ids.last().is_none_or(|&id| id < self.next_id), "a number not yet given");
        assert!(self.tracks.len() <= MAX_TRACKS, "too many tracks");
    }

    /// Pairs tracks and things of one class that overlap by at least `least`, best pairs first.
    fn assign(
        &mut self,
        now: Mono,
        free: &mut [Option<Found>],
        hit: &mut [bool],
        least: f32,
        reach: f32,
        may: impl Fn(&Track, &Found) -> bool,
    ) {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate().filter(|(t, _)| !hit[*t]) {
            let place = track.predicted(now);
            for (f, found) in free.iter().enumerate() {
                let Some(found) = found.filter(|f| f.class == track.class && may(track, f)) else { continue };
                let iou = place.iou(&found.bbox);
                if iou >= least {
                    pairs.push((iou, t, f));
                } else if let Some(near) = near(&place, &found.bbox, reach) {
                    pairs.push((near * least, t, f));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, t, f) in pairs {
            if hit[t] {
                continue;
            }
            let Some(found) = free[f].take() else { continue };
            hit[t] = true;
            let track = &mut self.tracks[t];
            track.hit(now, &found);
            track.is_solid |= track.is_confirmed(self.config.confirm_within);
        }
    }

    fn drop_gone(&mut self, now: Mono) -> Vec<Lost> {
        let mut lost = Vec::new();
        let lost_after = self.config.lost_after;
        let parked = &mut self.parked;
        self.tracks.retain(|t| {
            if t.misses < MISSES {
                return true;
            }
            let gone = !t.is_solid || now.since(t.last_hit()) >= lost_after;
            if let Some(id) = t.id.filter(|_| gone) {
                lost.push(Lost { id, seen: t.last_hit() });
                if t.place.stands(t.last_hit()) {
                    parked.remember(t.class, t.seen, t.last_hit());
                }
            }
            !gone
        });
        lost
    }
}

impl Track {
    fn new(now: Mono, found: &Found) -> Self {
        Self {
            id: None,
            class: found.class,
            score: found.score,
            seen: found.bbox,
            state: centred(&found.bbox),
            speed: [0.0; 2],
            at: now,
            hits: VecDeque::from([now]),
            in_a_row: 1,
            misses: 0,
            is_solid: false,
            place: Place::new(now, found.bbox),
        }
    }

    /// What it was in unsettled pictures says nothing about what it is.
    fn begin_anew(&mut self, now: Mono) {
        self.hits = VecDeque::from([now]);
        (self.in_a_row, self.is_solid) = (1, false);
        self.place = Place::new(now, self.seen);
    }

    /// The model misses it, but its pixels say that it still stands there.
    fn is_held(&mut self, now: Mono, witness: Witness<'_>) -> bool {
        let held = self.place.stands(now)
            && now.since(self.last_hit()) < HELD
            && !(witness.moved_in)(&inside(self.seen));
        if held {
            self.speed = [0.0; 2];
        }
        held
    }

    fn last_hit(&self) -> Mono {
        self.hits.back().copied().unwrap_or(self.at)
    }

    fn predicted_state(&self, now: Mono) -> [f32; 4] {
        let ahead = now.since(self.at).min(HORIZON).as_secs_f32();
        let [x, y, w, h] = self.state;
        [x + self.speed[0] * ahead, y + self.speed[1] * ahead, w, h]
    }

    fn predicted(&self, now: Mono) -> BBox {
        let [x, y, w, h] = self.predicted_state(now);
        BBox { x: x - w / 2.0, y: y - h / 2.0, w, h }
    }

    fn hit(&mut self, now: Mono, found: &Found) {
        let predicted = self.predicted_state(now);
        let seen = centred(&found.bbox);
        // Two looks in one instant carry no speed.
        let passed = now.since(self.at).as_secs_f32().max(0.02);
        // The second hit gives the first idea of a speed: take it whole.
        let gain = if self.hits.len() == 1 { 1.0 } else { SPEED_GAIN };
        for axis in 0..2 {
            self.speed[axis] += gain * (seen[axis] - predicted[axis]) / passed;
        }
        for (i, place) in self.state.iter_mut().enumerate() {
            *place = predicted[i] + PLACE_GAIN * (seen[i] - predicted[i]);
        }
        self.at = now.max(self.at);
        self.score = found.score;
        self.seen = found.bbox;
        self.misses = 0;
        self.in_a_row += 1;
        self.hits.push_back(now);
        if self.hits.len() > CONFIRM_HITS {
            self.hits.pop_front();
        }
    }

    fn is_confirmed(&self, within: Duration) -> bool {
        let enough = self.hits.len() >= CONFIRM_HITS;
        let quick = self.hits.front().is_some_and(|&first| self.last_hit().since(first) <= within);
        enough && (quick || self.in_a_row >= CONFIRM_HITS)
    }
}

/// How near two boxes of like size are, 1 for one place, 0 at `reach` mean sides apart; `None` beyond or of other size.
///
/// A small thing can pass its own width between two looks of a slow board: then no overlap is left to go by.
fn near(a: &BBox, b: &BBox, reach: f32) -> Option<f32> {
    let like = |a: f32, b: f32| a < b * ALIKE && b < a * ALIKE;
    if !like(a.w, b.w) || !like(a.h, b.h) {
        return None;
    }
    let ([ax, ay, ..], [bx, by, ..]) = (centred(a), centred(b));
    let apart = (ax - bx).hypot(ay - by) / (a.area() * b.area()).sqrt().sqrt();
    (apart < reach).then(|| 1.0 - apart / reach)
}

impl Parked {
    /// A track was hit: asks the pixels whether its thing moved.
    fn witness(&mut self, now: Mono, track: &mut Track, witness: Witness<'_>) {
        if witness.trust == Trust::Unsettled && track.id.is_none() {
            return track.begin_anew(now);
        }
        let is_told = track.id.is_none() && self.knows(now, track.class, &track.seen);
        let place = inside(track.seen);
        let changed =
            !is_told && !track.place.has_moved() && (witness.moved_in)(&place) && !(witness.is_place)(&place);
        track.place.hit(now, &track.seen, changed);
    }
}

fn centred(b: &BBox) -> [f32; 4] {
    [b.x + b.w / 2.0, b.y + b.h / 2.0, b.w, b.h]
}

/// Cut at the picture's edges.
fn inside(b: BBox) -> BBox {
    let (x, y) = (b.x.clamp(0.0, 1.0), b.y.clamp(0.0, 1.0));
    BBox { x, y, w: (b.x + b.w).clamp(x, 1.0) - x, h: (b.y + b.h).clamp(y, 1.0) - y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn thing(class: u16, score: f32, x: f32, y: f32) -> Found {
        Found { class, score, bbox: BBox { x, y, w: 0.1, h: 0.2 } }
    }

    fn at(ms: u64) -> Mono {
        Mono(ms * 1000)
    }

    fn tracker() -> Tracker {
        Tracker::new(TrackerConfig::new(0.5))
    }

    #[test]
    fn three_hits_confirm_and_one_flash_does_not() {
        let mut t = tracker();
        t.look(at(0), &[thing(0, 0.8, 0.3, 0.3), thing(0, 0.8, 0.7, 0.3)]);
        t.look(at(100), &[thing(0, 0.8, 0.31, 0.3)]);
        assert!(t.at(at(100)).iter().all(|t| t.id.is_none()));
        t.look(at(200), &[thing(0, 0.8, 0.32, 0.3)]);
        let now = t.at(at(200));
        assert_eq!(now.len(), 1, "the flash is forgotten");
        assert_eq!(now[0].id, Some(1));
    }

    #[test]
    fn a_slow_board_confirms_too() {
        let mut t = tracker();
        for i in 0..3 {
            t.look(at(i * 800), &[thing(0, 0.8, 0.3, 0.3)]);
        }
        assert!(t.has_confirmed());
    }

    #[test]
    fn keeps_its_number_through_a_short_absence_and_predicts_on() {
        let mut t = tracker();
        for i in 0..10 {
            t.look(at(i * 100), &[thing(0, 0.8, 0.1 + 0.02 * i as f32, 0.3)]);
        }
        for i in 10..15 {
            assert!(t.look(at(i * 100), &[]).is_empty());
        }
        let there = t.at(at(1400))[0];
        assert!((there.bbox.x - 0.38).abs() < 0.03 && there.misses == 5, "{there:?}");
        t.look(at(1500), &[thing(0, 0.8, 0.4, 0.3)]);
        assert_eq!(t.at(at(1500))[0].id, Some(1));
    }

    #[test]
    fn is_lost_after_two_seconds_and_only_then() {
        let mut t = tracker();
        for i in 0..5 {
            t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
        }
        assert!(t.look(at(2300), &[]).is_empty());
        let lost = t.look(at(2400), &[]);
        assert_eq!(lost, [Lost { id: 1, seen: at(400) }]);
        assert!(!t.has_confirmed());
    }

    #[test]
    fn one_miss_of_a_rare_look_loses_nobody() {
        let mut t = tracker();
        for i in 0..3 {
            t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
        }
        assert!(t.look(at(2500), &[]).is_empty());
        t.look(at(4500), &[thing(0, 0.8, 0.3, 0.3)]);
        assert_eq!(t.at(at(4500))[0].id, Some(1));
    }

    #[test]
    fn unsure_things_keep_a_track_but_begin_none() {
        let mut t = tracker();
        for i in 0..3 {
            t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3), thing(0, 0.3, 0.7, 0.7)]);
        }
        assert_eq!(t.at(at(200)).len(), 1);
        for i in 3..40 {
            assert!(t.look(at(i * 100), &[thing(0, 0.3, 0.3, 0.3)]).is_empty());
        }
        assert_eq!(t.at(at(3900))[0].id, Some(1));
    }

    #[test]
    fn a_quick_walker_keeps_the_number_though_boxes_never_overlap() {
        let mut t = tracker();
        for i in 0..8u8 {
            t.look(at(u64::from(i) * 500), &[thing(0, 0.8, 0.05 + 0.11 * f32::from(i), 0.3)]);
        }
        let now = t.at(at(3500));
        assert_eq!((now.len(), now[0].id), (1, Some(1)));
    }

    #[test]
    fn two_who_cross_stay_two() {
        let mut t = tracker();
        for i in 0..30u8 {
            let x = 0.02 * f32::from(i);
            t.look(at(u64::from(i) * 100), &[thing(0, 0.8, 0.1 + x, 0.30), thing(0, 0.8, 0.7 - x, 0.36)]);
        }
        let now = t.at(at(2900));
        assert_eq!(now.iter().filter_map(|t| t.id).collect::<Vec<_>>(), [1, 2]);
        let first = now[0].bbox;
        assert!(first.x > 0.5, "number 1 walked right: {first:?}");
    }

    /// What the pixels say: nothing moved, all moved, the light is changing.
    fn still<'a>() -> Witness<'a> {
        Witness { trust: Trust::Settled, moved_in: &|_| false, is_place: &|_| false }
    }

    fn unsettled<'a>() -> Witness<'a> {
        Witness { trust: Trust::Unsettled, moved_in: &|_| true, is_place: &|_| false }
    }

    #[test]
    fn what_never_moves_gets_no_number_until_it_goes_elsewhere() {
        let mut t = tracker();
        for i in 0..50 {
            t.look_with(at(i * 200), &[thing(0, 0.9, 0.3, 0.3)], still());
        }
        assert!(t.has_confirmed() && !t.has_unsure(), "it is known, and looked at rarely");
        assert!(t.at(at(9800)).iter().all(|t| t.id.is_none()));
        for i in 0..10u8 {
            let x = 0.3 + 0.015 * f32::from(i);
            t.look_with(at(10_000 + u64::from(i) * 200), &[thing(0, 0.9, x, 0.3)], still());
        }
        assert_eq!(t.at(at(11_800))[0].id, Some(1));
    }

    #[test]
    fn what_has_the_pattern_of_the_place_has_not_moved_though_its_light_did() {
        let mut t = tracker();
        for i in 0..50 {
            let light = Witness { trust: Trust::Settled, moved_in: &|_| true, is_place: &|_| true };
            t.look_with(at(i * 200), &[thing(2, 0.9, 0.3, 0.3)], light);
        }
        assert!(t.at(at(9800)).iter().all(|t| t.id.is_none()));
    }

    #[test]
    fn nothing_begins_while_the_light_changes_and_nobody_is_lost() {
        let mut t = tracker();
        for i in 0..5 {
            t.look(at(i * 200), &[thing(0, 0.9, 0.1, 0.3)]);
        }
        for i in 5..20 {
            assert!(t.look_with(at(i * 200), &[thing(0, 0.9, 0.7, 0.3)], unsettled()).is_empty());
        }
        assert_eq!(t.at(at(3800)).iter().filter_map(|t| t.id).collect::<Vec<_>>(), [1]);
        t.look(at(4000), &[thing(0, 0.9, 0.1, 0.3), thing(0, 0.9, 0.7, 0.3)]);
        assert_eq!(t.at(at(4000)).len(), 2);
        t.look(at(4200), &[thing(0, 0.9, 0.1, 0.3), thing(0, 0.9, 0.71, 0.3)]);
        assert_eq!(
            t.at(at(4200)).iter().filter_map(|t| t.id).collect::<Vec<_>>(),
            [1, 2],
            "confirmed after it"
        );
    }

    #[test]
    fn a_parked_car_stays_one_though_it_is_missed_and_passed() {
        let mut t = tracker();
        let car = [thing(2, 0.9, 0.5, 0.5)];
        for i in 0..40 {
            t.look(at(i * 200), &car);
        }
        for i in 40..200 {
            assert!(t.look_with(at(i * 200), &[], still()).is_empty(), "its pixels have not changed");
        }
        t.look_with(at(40_000), &car, still());
        assert_eq!(t.at(at(40_000))[0].id, Some(1));
        // A lorry stops in front of it: it is lost, found again and told no second time.
        let lost: Vec<Lost> = (201..230).flat_map(|i| t.look(at(i * 200), &[])).collect();
        assert_eq!(lost.iter().map(|l| l.id).collect::<Vec<_>>(), [1]);
        for i in 230..400 {
            t.look(at(i * 200), &car);
        }
        assert!(t.at(at(79_800)).iter().all(|t| t.id.is_none()));
        // Another one that drives up to the same place some minutes later is.
        let mut x = 0.1;
        for i in 0..20 {
            t.look(at(500_000 + i * 200), &[thing(2, 0.9, x, 0.5)]);
            x += 0.02;
        }
        assert_eq!(t.at(at(503_800)).iter().filter_map(|t| t.id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn ending_tells_of_every_confirmed_track() {
        let mut t = tracker();
        for i in 0..3 {
            t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
        }
        t.look(at(300), &[thing(0, 0.8, 0.3, 0.3), thing(1, 0.9, 0.6, 0.6)]);
        assert_eq!(t.end(), [Lost { id: 1, seen: at(300) }]);
        assert!(t.at(at(300)).is_empty());
    }

    proptest! {
        #[test]
        fn numbers_are_unique_and_never_come_back(
            looks in prop::collection::vec(
                (1u64..1500, prop::collection::vec((0u16..2, 0.2f32..1.0, 0f32..0.9, 0f32..0.8), 0..20)), 1..40),
        ) {
            let mut t = tracker();
            let (mut now, mut ended, mut known) = (0, HashSet::new(), HashSet::new());
            for (passed, things) in looks {
                now += passed;
                let found: Vec<Found> = things.iter().map(|&(c, s, x, y)| thing(c, s, x, y)).collect();
                for lost in t.look(at(now), &found) {
                    prop_assert!(known.contains(&lost.id), "lost before it was known");
                    prop_assert!(ended.insert(lost.id), "lost twice");
                }
                let ids: Vec<u32> = t.tracks.iter().filter_map(|t| t.id).collect();
                prop_assert!(ids.iter().all(|id| !ended.contains(id)), "a number came back");
                known.extend(ids);
                for shown in t.at(at(now + 400)) {
                    let b = shown.bbox;
                    prop_assert!(b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= 1.0001 && b.y + b.h <= 1.0001);
                }
            }
        }
    }
}
