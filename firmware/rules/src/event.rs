//! Confirmed tracks of one picture → events that begin, get better and end. One event is one track on one camera.
//!
//! Invariants: one live event for each (camera, track); `first ≤ last`; what was announced is never better than the best.

use crate::{BBox, CameraIx, ClassId, Micros, Score, Thing};
use heapless::Vec;

/// Up to `LIVE` events that have begun and not ended.
#[derive(Debug)]
pub struct EventBook<const LIVE: usize> {
    live: Vec<Live, LIVE>,
    unseen_us: u64,
    step: Score,
    evicted: u64,
}

#[derive(Debug)]
struct Live {
    best: Sighting,
    announced: Score,
}

/// All that is known about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub camera: CameraIx,
    /// The tracker's number.
    pub track: u32,
    /// Its class in the best sight.
    pub class: ClassId,
    /// The best score so far.
    pub score: Score,
    /// The box at the best score.
    pub bbox: BBox,
    /// First sight.
    pub first: Micros,
    /// Last sight.
    pub last: Micros,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// First sight.
    Begin,
    /// A sight better than the one told before.
    Better,
    /// It is over; nothing more comes.
    End,
}

/// One step of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which step.
    pub what: What,
    /// The event after it.
    pub event: Sighting,
}

impl<const LIVE: usize> EventBook<LIVE> {
    /// An empty book. An event ends after `unseen_us` microseconds without a sight; a sight is told as better when its
    /// score is at least `step` above the score told before (0: every better one).
    pub const fn new(unseen_us: u64, step: Score) -> Self {
        const { assert!(LIVE > 0, "one event must fit") };
        Self { live: Vec::new(), unseen_us, step, evicted: 0 }
    }

    /// One looked-at picture of `camera`. `now` never goes back.
    pub fn observe(&mut self, camera: CameraIx, now: Micros, things: &[Thing], out: &mut dyn FnMut(Change)) {
        self.tick(now, out);
        for thing in things {
            match self.find(camera, thing.track) {
                Some(place) => self.improve(place, now, thing, out),
                None => self.begin(camera, now, thing, out),
            }
        }
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// The tracker gave a track up. Unknown tracks are nothing new and nothing happens.
    pub fn lost(&mut self, camera: CameraIx, track: u32, out: &mut dyn FnMut(Change)) {
        if let Some(place) = self.find(camera, track) {
            self.end(place, out);
        }
    }

    /// Ends what has not been seen for too long. Call it at [`Self::next_deadline`] or more often.
    pub fn tick(&mut self, now: Micros, out: &mut dyn FnMut(Change)) {
        let unseen_us = self.unseen_us;
        while let Some(place) = self.live.iter().position(|l| now.since(l.best.last) > unseen_us) {
            self.end(place, out);
        }
    }

    /// Ends everything: the recorder stops.
    pub fn close(&mut self, out: &mut dyn FnMut(Change)) {
        while !self.live.is_empty() {
            self.end(0, out);
        }
    }

    /// When `tick` has something to do, if nothing is seen until then.
    pub fn next_deadline(&self) -> Option<Micros> {
        self.live.iter().map(|l| l.best.last.plus(self.unseen_us).plus(1)).min()
    }

    /// The live event of a track.
    pub fn live(&self, camera: CameraIx, track: u32) -> Option<&Sighting> {
        self.find(camera, track).map(|place| &self.live[place].best)
    }

    /// When the oldest live event began.
    pub fn first(&self) -> Option<Micros> {
        self.live.iter().map(|l| l.best.first).min()
    }

    /// How many events are live.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// No event is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Events that were ended early because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        for (i, l) in self.live.iter().enumerate() {
            let twin = |o: &Live| (o.best.camera, o.best.track) == (l.best.camera, l.best.track);
            assert!(!self.live[i + 1..].iter().any(twin), "one live event for each camera and track");
            assert!(l.best.first <= l.best.last, "an event begins before it is last seen");
            assert!(l.announced <= l.best.score, "what was told is never better than the best");
        }
    }

    fn find(&self, camera: CameraIx, track: u32) -> Option<usize> {
        self.live.iter().position(|l| (l.best.camera, l.best.track) == (camera, track))
    }

    fn begin(&mut self, camera: CameraIx, now: Micros, thing: &Thing, out: &mut dyn FnMut(Change)) {
        if self.live.is_full() {
            self.evicted += 1;
            let ages = self.live.iter().enumerate().min_by_key(|(_, l)| (l.best.last, l.best.first));
            let place = ages.map(|(place, _)| place).expect("a full table is not empty: LIVE > 0");
            self.end(place, out);
        }
        let Thing { track, class, score, bbox, .. } = *thing;
        let best = Sighting { camera, track, class, score, bbox, first: now, last: now };
        let pushed = self.live.push(Live { best, announced: score });
        debug_assert!(pushed.is_ok(), "there is room for one more");
        out(Change { what: What::Begin, event: best });
    }

    fn improve(&mut self, place: usize, now: Micros, thing: &Thing, out: &mut dyn FnMut(Change)) {
        let live = &mut self.live[place];
        live.best.last = live.best.last.max(now);
        if thing.score <= live.best.score {
            return;
        }
        (live.best.class, live.best.score, live.best.bbox) = (thing.class, thing.score, thing.bbox);
        if thing.score.thousandths() - live.announced.thousandths() >= self.step.thousandths() {
            live.announced = thing.score;
            out(Change { what: What::Better, event: live.best });
        }
    }

    fn end(&mut self, place: usize, out: &mut dyn FnMut(Change)) {
        let event = self.live.swap_remove(place).best;
        out(Change { what: What::End, event });
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
