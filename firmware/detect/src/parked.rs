//! Hits of one track → did its thing move, does it stand. Standing things that were lost → is this one of them again?
//!
//! A thing may become an event when it was seen to move: its pixels changed, or its box went elsewhere. What was told, stood
//! and is found again at its place must go elsewhere first. So a shadow that looks like a person in a new light, and a car
//! that the model loses and finds, begin nothing.

use nightjar_types::{BBox, Mono};
use std::time::Duration;

/// A thing that stays in its place for this long stands.
pub const STANDS: Duration = Duration::from_secs(5);
/// A standing thing whose pixels do not change has not left, however long the model misses it, up to this long.
pub const HELD: Duration = Duration::from_secs(60);
/// How long the place of a standing thing is remembered after its last sight.
pub const REMEMBERED: Duration = Duration::from_secs(300);
/// A box is elsewhere when its middle went this far, in mean sides: boxes of still things shake by a tenth.
const ELSEWHERE: f32 = 0.75;
/// It has left its place, and stands no longer, from here on.
const LEFT: f32 = 0.3;
/// Overlap of a standing thing with the remembered one.
const SAME: f32 = 0.5;
/// Places that are remembered; the oldest goes.
const PLACES: usize = 32;

/// Where one track began and where it stays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    born: BBox,
    stays: BBox,
    since: Mono,
    has_moved: bool,
}

impl Place {
    /// A track begins.
    pub(crate) fn new(now: Mono, bbox: BBox) -> Self {
        Self { born: bbox, stays: bbox, since: now, has_moved: false }
    }

    /// The thing is at `bbox`. `changed`: its pixels did, and that counts.
    pub(crate) fn hit(&mut self, now: Mono, bbox: &BBox, changed: bool) {
        if distance(&self.stays, bbox) > LEFT {
            (self.stays, self.since) = (*bbox, now);
        }
        self.has_moved |= changed || distance(&self.born, bbox) > ELSEWHERE;
    }

    /// It was seen to move.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// It stands.
    pub(crate) fn stands(&self, now: Mono) -> bool {
        now.since(self.since) >= STANDS
    }
}

/// Places of things that stood when they were lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parked(Vec<(u16, BBox, Mono)>);

impl Parked {
    /// A thing that stood was seen here last.
    pub(crate) fn remember(&mut self, class: u16, bbox: BBox, seen: Mono) {
        if self.0.len() == PLACES {
            self.0.remove(0);
        }
        self.0.push((class, bbox, seen));
    }

    /// The same thing was told before; it is remembered on.
    pub(crate) fn knows(&mut self, now: Mono, class: u16, bbox: &BBox) -> bool {
        self.0.retain(|(.., seen)| now.since(*seen) < REMEMBERED);
        let found = self.0.iter_mut().find(|(of, at, _)| *of == class && at.iou(bbox) >= SAME);
        found.map(|(.., seen)| *seen = now.max(*seen)).is_some()
    }
}

/// How far apart two boxes' middles are, in mean sides of the first.
fn distance(a: &BBox, b: &BBox) -> f32 {
    let (x, y) = (b.x + b.w / 2.0 - a.x - a.w / 2.0, b.y + b.h / 2.0 - a.y - a.h / 2.0);
    x.hypot(y) / a.area().sqrt().max(1e-3)
}
