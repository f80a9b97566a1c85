//! What is on the card, in memory: every slab's place and time. Says which slab is written next and which footage covers a range.

use crate::scan::extend;
use nightjar_types::{CameraId, StreamKind, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Footage closer than this is one span: a jitter of the camera's clock is no hole, µs.
pub const JOIN_US: i64 = 500_000;

/// One stream of one camera.
pub type StreamId = (CameraId, StreamKind);

/// One slab that holds footage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlabRow {
    /// Rises with every reuse; unique.
    pub generation: u64,
    /// Whose footage.
    pub stream: StreamId,
    /// Path below the storage folder.
    pub path: String,
    /// Recorded spans, in order.
    pub spans: Vec<(Wall, Wall)>,
    /// Bytes in use.
    pub used: u32,
    /// Nothing more is written into it.
    pub is_sealed: bool,
}

impl SlabRow {
    /// First moment.
    pub fn start(&self) -> Option<Wall> {
        self.spans.first().map(|s| s.0)
    }

    /// Moment after the last.
    pub fn end(&self) -> Option<Wall> {
        self.spans.last().map(|s| s.1)
    }
}

/// Where the next slab comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// A waiting slab of the pool.
    Free(u64),
    /// The oldest footage of all. Its row is out of the catalog now.
    Recycle(SlabRow),
}

/// All slabs.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    rows: BTreeMap<u64, SlabRow>,
    free: Vec<u64>,
    next_generation: u64,
}

impl Catalog {
    /// Adds a slab found on the card.
    pub fn insert(&mut self, row: SlabRow) {
        self.next_generation = self.next_generation.max(row.generation + 1);
        self.rows.insert(row.generation, row);
    }

    /// Adds a waiting slab.
    pub fn insert_free(&mut self, number: u64) {
        self.free.push(number);
    }

    /// No slab is given a generation below this.
    pub fn raise_generation(&mut self, at_least: u64) {
        self.next_generation = self.next_generation.max(at_least);
    }

    /// A generation never used before.
    pub fn fresh_generation(&mut self) -> u64 {
        let fresh = self.next_generation.max(1);
        self.next_generation = fresh + 1;
        fresh
    }

    /// Takes a slab for writing: a waiting one, else the one whose footage ends first. `None` when every slab is open.
    pub fn take(&mut self) -> Option<Take> {
        if let Some(number) = self.free.pop() {
            return Some(Take::Free(number));
        }
        let oldest =
            self.rows.values().filter(|r| r.is_sealed).min_by_key(|r| (r.end(), r.generation))?.generation;
        self.rows.remove(&oldest).map(Take::Recycle)
    }

    /// Footage was appended to an open slab.
    pub fn appended(&mut self, generation: u64, from: Wall, to: Wall, used: u32) {
        if let Some(row) = self.rows.get_mut(&generation) {
            extend(&mut row.spans, from, to, JOIN_US);
            row.used = used;
        }
    }

    /// Bytes were appended that are no footage.
    pub fn used(&mut self, generation: u64, used: u32) {
        if let Some(row) = self.rows.get_mut(&generation) {
            row.used = used;
        }
    }

    /// Nothing more is written into this slab.
    pub fn seal(&mut self, generation: u64) -> Option<&SlabRow> {
        let row = self.rows.get_mut(&generation)?;
        row.is_sealed = true;
        Some(row)
    }

    /// A slab is gone from the card.
    pub fn remove(&mut self, generation: u64) -> Option<SlabRow> {
        self.rows.remove(&generation)
    }

    /// A slab by its generation.
    pub fn get(&self, generation: u64) -> Option<&SlabRow> {
        self.rows.get(&generation)
    }

    /// Every slab, oldest generation first.
    pub fn rows(&self) -> impl Iterator<Item = &SlabRow> {
        self.rows.values()
    }

    /// Waiting slabs.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Slabs of a stream that hold footage inside `from..to`, in time order.
    pub fn overlapping(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<&SlabRow> {
        let mut hits: Vec<&SlabRow> = self
            .rows
            .values()
            .filter(|r| r.stream == *stream && r.spans.iter().any(|s| s.0 < to && s.1 > from))
            .collect();
        hits.sort_by_key(|r| r.start());
        hits
    }

    /// The newest slab of a stream that has footage at or before `at`.
    pub fn newest_before(&self, stream: &StreamId, at: Wall) -> Option<&SlabRow> {
        let of_stream = self.rows.values().filter(|r| r.stream == *stream);
        of_stream.filter(|r| r.start().is_some_and(|s| s <= at)).max_by_key(|r| r.start())
    }

    /// Recorded spans of a stream clipped to `from..to`, joined over slab borders.
    pub fn coverage(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<(Wall, Wall)> {
        let mut joined = Vec::new();
        for row in self.overlapping(stream, from, to) {
            for (a, b) in &row.spans {
                let (a, b) = ((*a).max(from), (*b).min(to));
                if a < b {
                    extend(&mut joined, a, b, JOIN_US);
                }
            }
        }
        joined
    }

    /// Last recorded moment of a stream.
    pub fn last_end(&self, stream: &StreamId) -> Option<Wall> {
        self.rows.values().filter(|r| r.stream == *stream).filter_map(SlabRow::end).max()
    }

    /// First recorded moment: of one stream, or of all.
    pub fn oldest(&self, stream: Option<&StreamId>) -> Option<Wall> {
        self.rows.values().filter(|r| stream.is_none_or(|s| r.stream == *s)).filter_map(SlabRow::start).min()
    }

    /// Panics when the catalog contradicts itself: spans in order inside a slab, no two slabs of a stream over the same
    /// time, no generation at or above the next one.
    pub fn check_invariants(&self) {
        let mut by_stream: BTreeMap<&StreamId, Vec<&SlabRow>> = BTreeMap::new();
        for row in self.rows.values() {
            assert!(
                row.generation < self.next_generation,
                "generation {} was never given out",
                row.generation
            );
            assert!(row.spans.iter().all(|s| s.0 <= s.1), "a span of {} ends before it begins", row.path);
            assert!(row.spans.windows(2).all(|p| p[0].1 <= p[1].0), "spans of {} overlap", row.path);
            by_stream.entry(&row.stream).or_default().push(row);
        }
        for rows in by_stream.values_mut() {
            rows.sort_by_key(|r| r.start());
            for pair in rows.windows(2) {
                assert!(
                    pair[0].end() <= pair[1].start() || pair[1].start().is_none(),
                    "{} and {} overlap",
                    pair[0].path,
                    pair[1].path
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::Name;

    fn stream(name: &str) -> StreamId {
        (Name::new(name).unwrap(), StreamKind::Main)
    }

    fn row(c: &mut Catalog, name: &str, from: i64, to: i64, is_sealed: bool) -> u64 {
        let generation = c.fresh_generation();
        let spans = vec![(Wall(from), Wall(to))];
        c.insert(SlabRow {
            generation,
            stream: stream(name),
            path: format!("{name}/{from}"),
            spans,
            used: 0,
            is_sealed,
        });
        generation
    }

    #[test]
    fn recycles_the_oldest_footage_of_all_and_never_an_open_slab() {
        let mut c = Catalog::default();
        c.insert_free(7);
        row(&mut c, "a", 100, 200, true);
        row(&mut c, "b", 10, 90, true);
        let open = row(&mut c, "b", 90, 95, false);
        assert_eq!(c.take(), Some(Take::Free(7)));
        assert!(matches!(c.take(), Some(Take::Recycle(r)) if r.path == "b/10"));
        assert!(matches!(c.take(), Some(Take::Recycle(r)) if r.path == "a/100"));
        assert_eq!(c.take(), None);
        c.seal(open);
        assert!(matches!(c.take(), Some(Take::Recycle(_))));
        c.check_invariants();
    }

    #[test]
    fn coverage_joins_slabs_and_clips() {
        let mut c = Catalog::default();
        row(&mut c, "a", 0, 10_000_000, true);
        row(&mut c, "a", 10_000_100, 20_000_000, true);
        row(&mut c, "a", 30_000_000, 40_000_000, false);
        let spans = c.coverage(&stream("a"), Wall(5_000_000), Wall(35_000_000));
        assert_eq!(spans, [(Wall(5_000_000), Wall(20_000_000)), (Wall(30_000_000), Wall(35_000_000))]);
        assert_eq!(c.newest_before(&stream("a"), Wall(25_000_000)).unwrap().path, "a/10000100");
        c.check_invariants();
    }
}
