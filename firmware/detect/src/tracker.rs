//! Found things, picture by picture → tracks with numbers that are never used twice.
//!
//! Each track predicts its box ([`course`](crate::course)). Sure things are matched to all tracks first, by overlap or else by
//! nearness, best pair first; then unsure ones to confirmed tracks still without a match (the two stages of ByteTrack, Zhang et al. 2022).
//! A track is solid after three hits, and has its number once its thing was seen to move ([`crate::parked`]). It is lost
//! after two seconds without a hit.

use crate::course::Course;
use crate::flow::Sketch;
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
/// Shares of a new look's size and score that go into the track's.
const SIZE_GAIN: f32 = 0.5;
const SCORE_GAIN: f32 = 0.5;
/// A track was looked at when this share of its predicted box lay in one view: only then can it have been missed.
const IN_VIEW: f32 = 0.8;

/// All of the picture, and what is thought to have just left it.
const WHOLE: BBox = BBox { x: -1.0, y: -1.0, w: 3.0, h: 3.0 };

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
    /// Mean of its hits' scores, newer ones counting more, less for every look since that missed it, 0..1.
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
    /// Of the centre, x and y.
    course: [Course; 2],
    /// Width and height, smoothed.
    size: [f32; 2],
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
    /// The picture before, and its time.
    sketch: Option<(Mono, Sketch)>,
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
        Self { config, tracks: Vec::new(), next_id: 1, sketch: None, parked: Parked::default() }
    }

    /// Other thresholds from now on; tracks and numbers stay.
    pub fn configure(&mut self, config: TrackerConfig) {
        self.config = config;
    }

    /// As [`Tracker::look_with`], of a whole picture whose pixels nobody has watched: all of it may have moved.
    pub fn look(&mut self, now: Mono, found: &[Found]) -> Vec<Lost> {
        self.look_at(now, found, &[WHOLE])
    }

    /// The same when only parts of the picture were looked at.
    pub fn look_at(&mut self, now: Mono, found: &[Found], views: &[BBox]) -> Vec<Lost> {
        self.look_with(
            now,
            found,
            views,
            Witness { trust: Trust::Settled, moved_in: &|_| true, is_place: &|_| false },
        )
    }

    /// Takes what the model found in the picture of `now`; gives the confirmed tracks that ended.
    ///
    /// Things below the sure score should be among `found`, down to where they are mostly noise: they keep tracks alive.
    /// Tracks outside the parts of the picture that were looked at are not missed by it.
    pub fn look_with(
        &mut self,
        now: Mono,
        found: &[Found],
        views: &[BBox],
        witness: Witness<'_>,
    ) -> Vec<Lost> {
        let mut free: Vec<Option<Found>> = found.iter().copied().map(Some).collect();
        let mut hit = vec![false; self.tracks.len()];
        let sure = self.config.sure;
        self.assign(now, &mut free, &mut hit, SURE_IOU, REACH, |_, f| f.score >= sure);
        self.assign(now, &mut free, &mut hit, UNSURE_IOU, 0.0, |t, _| t.is_solid);
        let is_settled = witness.trust == Trust::Settled;
        for (track, hit) in self.tracks.iter_mut().zip(hit) {
            let is_missed = || views.iter().any(|v| share_in(&track.predicted(now), v) >= IN_VIEW);
            if hit {
                self.parked.witness(now, track, witness);
            } else if is_missed() && (track.id.is_none() || (is_settled && !track.is_held(now, witness))) {
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

    /// Carries every track on to the picture of `now` by what has moved since the picture before. To be called for each
    /// picture in order, before [`Tracker::look`] when it is looked at too; without it tracks go on at constant velocity.
    pub fn follow(&mut self, now: Mono, sketch: Sketch) {
        if let Some((before, old)) = &self.sketch {
            for track in &mut self.tracks {
                track.follow(*before, now, |place, guess| old.shift(&sketch, place, guess));
            }
        }
        self.sketch = Some((now, sketch));
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

    /// Where every track is thought to be, confirmed or not.
    pub fn expected(&self, now: Mono) -> impl Iterator<Item = BBox> {
        self.tracks.iter().map(move |t| inside(t.predicted(now))).filter(|b| b.area() > 0.0)
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
        let ([x, y], size) = (centre(&found.bbox), [found.bbox.w, found.bbox.h]);
        let side = mean_side(size);
        Self {
            id: None,
            class: found.class,
            score: found.score,
            seen: found.bbox,
            course: [Course::new(x, side), Course::new(y, side)],
            size,
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
            self.course.iter_mut().for_each(Course::rest);
        }
        held
    }

    fn last_hit(&self) -> Mono {
        self.hits.back().copied().unwrap_or(self.at)
    }

    fn predicted(&self, now: Mono) -> BBox {
        let ahead = self.ahead(now);
        let [x, y] = self.course.map(|c| c.place(ahead));
        let [w, h] = self.size;
        BBox { x: x - w / 2.0, y: y - h / 2.0, w, h }
    }

    /// Seconds from the state's time to `now`, as far as the speed is trusted.
    fn ahead(&self, now: Mono) -> f32 {
        let trusted = self.last_hit() + HORIZON;
        now.min(trusted).since(self.at).as_secs_f32()
    }

    fn follow(&mut self, before: Mono, now: Mono, shift: impl Fn(&BBox, [f32; 2]) -> Option<[f32; 2]>) {
        let ahead = self.ahead(now);
        if self.at != before || ahead <= 0.0 {
            return;
        }
        let guess = [0, 1].map(|i| self.course[i].way(ahead));
        let (shift, side) = (shift(&self.predicted(before), guess), mean_side(self.size));
        for (i, course) in self.course.iter_mut().enumerate() {
            match shift {
                Some(shift) => course.shifted(shift[i], ahead, side),
                None => course.pass(ahead, side),
            }
        }
        self.at = now;
    }

    fn hit(&mut self, now: Mono, found: &Found) {
        // Two looks in one instant carry no speed.
        let least = if self.at == self.last_hit() { 0.02 } else { 0.0 };
        let passed = now.since(self.at).as_secs_f32().max(least);
        let (seen, size) = (centre(&found.bbox), [found.bbox.w, found.bbox.h]);
        for (course, place) in self.course.iter_mut().zip(seen) {
            course.see(place, passed, mean_side(size));
        }
        for (own, seen) in self.size.iter_mut().zip(size) {
            *own += SIZE_GAIN * (seen - *own);
        }
        self.at = now.max(self.at);
        self.score += SCORE_GAIN * (found.score - self.score);
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
    let ([ax, ay], [bx, by]) = (centre(a), centre(b));
    let apart = (ax - bx).hypot(ay - by) / (a.area() * b.area()).sqrt().sqrt();
    (apart < reach).then(|| 1.0 - apart / reach)
}

fn centre(b: &BBox) -> [f32; 2] {
    [b.x + b.w / 2.0, b.y + b.h / 2.0]
}

fn mean_side([w, h]: [f32; 2]) -> f32 {
    (w * h).max(0.0).sqrt()
}

/// Which share of a box lies in a view.
fn share_in(b: &BBox, view: &BBox) -> f32 {
    let w = (b.x + b.w).min(view.x + view.w) - b.x.max(view.x);
    let h = (b.y + b.h).min(view.y + view.h) - b.y.max(view.y);
    let area = b.area();
    if area > 0.0 { w.max(0.0) * h.max(0.0) / area } else { 0.0 }
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

/// Cut at the picture's edges.
fn inside(b: BBox) -> BBox {
    let (x, y) = (b.x.clamp(0.0, 1.0), b.y.clamp(0.0, 1.0));
    BBox { x, y, w: (b.x + b.w).clamp(x, 1.0) - x, h: (b.y + b.h).clamp(y, 1.0) - y }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
