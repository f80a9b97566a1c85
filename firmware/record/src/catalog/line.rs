//! Slabs that may be given up → who goes first. Kept in order at every change, so that asking costs little.

use super::{SlabRow, StreamId};
use crate::retention::{Tier, age_us};
use nightjar_types::Wall;
use nightjar_types::config::Keep;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Footage may end this much later than now, µs: a clock that was set back a little. More, and one of the two is wrong.
const AHEAD_US: i64 = 3_600_000_000;

/// What shares a limit and a size. Inside a class the one that ends first goes first, whatever the limit.
pub(crate) type Class = (StreamId, Tier, u32);
/// When a slab's footage ends, and its generation. Without footage it is in front.
pub(crate) type Key = (Option<Wall>, u64);

/// Slabs that are sealed, not held and not pinned.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Line {
    classes: BTreeMap<Class, BTreeSet<Key>>,
}

fn class(row: &SlabRow) -> Class {
    (row.stream.clone(), row.tier(), row.len)
}

impl Line {
    pub(super) fn insert(&mut self, row: &SlabRow) {
        self.classes.entry(class(row)).or_default().insert((row.end(), row.generation));
    }

    pub(super) fn remove(&mut self, row: &SlabRow) {
        if let Entry::Occupied(mut class) = self.classes.entry(class(row)) {
            class.get_mut().remove(&(row.end(), row.generation));
            if class.get().is_empty() {
                class.remove();
            }
        }
    }

    /// All classes; those of a stream and tier are neighbours.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&Class, &BTreeSet<Key>)> {
        self.classes.iter()
    }

    /// Some footage is from the future: the clock is wrong or was.
    pub(super) fn is_ahead_of(&self, now: Wall) -> bool {
        let last = self.classes.values().filter_map(|set| set.last()?.0).max();
        last.is_some_and(|last| last - now > AHEAD_US)
    }

    /// The same slabs, with their generations for times.
    pub(super) fn by_generation(&self) -> Self {
        let counted =
            |set: &BTreeSet<Key>| set.iter().map(|k| (k.0.map(|_| Wall(k.1 as i64)), k.1)).collect();
        Self { classes: self.classes.iter().map(|(class, set)| (class.clone(), counted(set))).collect() }
    }

    /// The classes, each with its measure. With `now` absent the times are generations, and those alone count.
    pub(super) fn lanes(&self, now: Option<Wall>, keep: &dyn Fn(&StreamId) -> Keep) -> Vec<Lane<'_>> {
        let mut of: Option<(&StreamId, Keep)> = None;
        let mut lanes = Vec::with_capacity(self.classes.len());
        for ((stream, tier, len), set) in &self.classes {
            if of.as_ref().is_none_or(|of| of.0 != stream) {
                of = Some((stream, keep(stream)));
            }
            let keep = &of.as_ref().expect("was set above").1;
            let age_us = age_us(*tier, keep);
            lanes.push(Lane { len: *len, now, age_us, set });
        }
        lanes
    }
}

/// A class that is asked who goes first.
pub(super) struct Lane<'a> {
    pub(super) len: u32,
    now: Option<Wall>,
    age_us: i64,
    set: &'a BTreeSet<Key>,
}

/// A slab's place in line: what is less goes earlier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// How much of its allowed age is used up; infinite without footage.
    pub(super) share: f64,
    end: Option<Wall>,
    pub(super) generation: u64,
    pub(super) len: u32,
}

impl Lane<'_> {
    fn place(&self, (end, generation): Key) -> Place {
        let share = match (end, self.now) {
            (None, _) => f64::INFINITY,
            (Some(end), Some(now)) => (now - end) as f64 / self.age_us as f64,
            (Some(end), None) => -(end.0 as f64),
        };
        Place { share, end, generation, len: self.len }
    }

    /// The one that goes first.
    pub(super) fn first(&self) -> Option<Place> {
        self.set.first().map(|key| self.place(*key))
    }

    /// How much of the allowed age `us` microseconds are.
    pub(super) fn share_of(&self, us: i64) -> f64 {
        us as f64 / self.age_us as f64
    }

    /// The share of the one that goes last.
    pub(super) fn last_share(&self) -> Option<f64> {
        self.set.last().map(|key| self.place(*key).share)
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_share = other.share.total_cmp(&self.share);
        by_share.then(self.end.cmp(&other.end)).then(self.generation.cmp(&other.generation))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

/// The slabs of several lanes, in the order in which they go.
pub(super) fn going<'a>(lanes: impl Iterator<Item = &'a Lane<'a>>) -> impl Iterator<Item = Place> {
    let mut lanes: Vec<_> = lanes.map(|lane| (lane, lane.set.iter())).collect();
    let mut heads: BinaryHeap<Reverse<(Place, usize)>> = lanes
        .iter_mut()
        .enumerate()
        .filter_map(|(n, (lane, keys))| keys.next().map(|key| Reverse((lane.place(*key), n))))
        .collect();
    std::iter::from_fn(move || {
        let Reverse((place, n)) = heads.pop()?;
        let (lane, keys) = &mut lanes[n];
        if let Some(key) = keys.next() {
            heads.push(Reverse((lane.place(*key), n)));
        }
        Some(place)
    })
}
