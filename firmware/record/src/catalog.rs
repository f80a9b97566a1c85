//! What is on the card, in memory: every slab's place, time and marks. Says which slab is written next, which are to be
//! deleted and which footage covers a range.

use crate::hold::{Hold, Holds};
use crate::layout::Flags;
use crate::retention::{self, ThinJob, Tier, Why};
use crate::scan::extend;
use nightjar_types::config::Keep;
use nightjar_types::{CameraId, StreamKind, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod line;
mod size;
mod take;
#[cfg(test)]
pub(crate) mod tests;

pub use size::{LARGEST_SLAB, SMALLEST_SLAB, default_rate, least_slabs, slab_len};
pub use take::{Exchange, Take};

use line::Line;

/// Times are written in 90 kHz ticks and in µs: two that are the same may differ by so much, µs.
pub const ROUNDING_US: i64 = 50;
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
    /// Bytes of the file.
    pub len: u32,
    /// What is in it: the marks of all its fragments, [`Flags::MOTION`] and [`Flags::EVENT`].
    pub flags: Flags,
    /// Nothing more is written into it.
    pub is_sealed: bool,
    /// It holds thinned footage: key frames of slabs that are gone.
    pub is_thin: bool,
    /// When it was begun, restamped.
    pub begun: crate::layout::Begun,
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

    /// Which of `[keep]`'s limits is its own.
    pub fn tier(&self) -> Tier {
        match self.stream.1 {
            StreamKind::Sub => Tier::Sub,
            StreamKind::Main if self.flags.has(Flags::EVENT) => Tier::Event,
            StreamKind::Main if self.flags.has(Flags::MOTION) => Tier::Motion,
            StreamKind::Main => Tier::Continuous,
        }
    }

    /// It has footage inside `from..to`.
    pub fn overlaps(&self, from: Wall, to: Wall) -> bool {
        self.start().is_some_and(|s| s < to)
            && self.end().is_some_and(|e| e > from)
            && self.spans.iter().any(|s| s.0 < to && s.1 > from)
    }
}

/// A row and what forbids to give it up.
#[derive(Debug, Clone)]
struct Entry {
    row: SlabRow,
    is_held: bool,
    /// Open downloads that need it.
    pins: u32,
}

impl Entry {
    fn may_go(&self) -> bool {
        self.row.is_sealed && !self.is_held && self.pins == 0
    }
}

/// All slabs.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    rows: BTreeMap<u64, Entry>,
    /// The rows that may go, by their place in line.
    line: Line,
    /// Number and length of the slabs that wait.
    free: Vec<(u64, u32)>,
    holds: Holds,
    next_generation: u64,
}

impl Catalog {
    /// Adds a slab found on the card.
    pub fn insert(&mut self, row: SlabRow) {
        self.remove(row.generation);
        self.next_generation = self.next_generation.max(row.generation + 1);
        let entry = Entry { is_held: self.holds.covers(&row), row, pins: 0 };
        if entry.may_go() {
            self.line.insert(&entry.row);
        }
        self.rows.insert(entry.row.generation, entry);
    }

    /// Adds a waiting slab of `len` bytes.
    pub fn insert_free(&mut self, number: u64, len: u32) {
        self.free.push((number, len));
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

    /// Changes a row and puts it in line anew. `None` when there is no such slab.
    fn change<T>(&mut self, generation: u64, edit: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.rows.get_mut(&generation)?;
        if entry.may_go() {
            self.line.remove(&entry.row);
        }
        let done = edit(entry);
        entry.is_held = self.holds.covers(&entry.row);
        if entry.may_go() {
            self.line.insert(&entry.row);
        }
        Some(done)
    }

    /// Footage was appended to an open slab.
    pub fn appended(&mut self, generation: u64, from: Wall, to: Wall, used: u32, flags: Flags) {
        self.change(generation, |entry| {
            extend(&mut entry.row.spans, from, to, JOIN_US);
            entry.row.used = used;
            entry.row.flags = entry.row.flags.with(of_slab(flags));
        });
    }

    /// The footage in `from..to` of this slab turned out to be damaged: it covers that time no more.
    pub fn lost(&mut self, generation: u64, from: Wall, to: Wall) -> Option<&SlabRow> {
        self.change(generation, |entry| {
            let spans = std::mem::take(&mut entry.row.spans).into_iter();
            let parts = spans.flat_map(|(a, b)| [(a, b.min(from)), (a.max(to), b)]);
            entry.row.spans = parts.filter(|s| s.0 < s.1).collect();
        })?;
        self.get(generation)
    }

    /// Bytes were appended that are no footage.
    pub fn used(&mut self, generation: u64, used: u32) {
        self.change(generation, |entry| entry.row.used = used);
    }

    /// Nothing more is written into this slab.
    pub fn seal(&mut self, generation: u64) -> Option<&SlabRow> {
        self.change(generation, |entry| entry.row.is_sealed = true)?;
        self.get(generation)
    }

    /// A slab is gone from the card.
    pub fn remove(&mut self, generation: u64) -> Option<SlabRow> {
        let entry = self.rows.remove(&generation)?;
        if entry.may_go() {
            self.line.remove(&entry.row);
        }
        Some(entry.row)
    }

    /// An event reached back into footage of `camera` that is written already: its slabs in `from..to` get the marks, of
    /// both streams. Returns the generations of the rows that changed.
    pub fn mark(&mut self, camera: &CameraId, from: Wall, to: Wall, flags: Flags) -> Vec<u64> {
        let flags = of_slab(flags);
        let of_camera = self.rows.values().map(|e| &e.row).filter(|r| r.stream.0 == *camera);
        let changed: Vec<u64> =
            of_camera.filter(|r| !r.flags.has(flags) && r.overlaps(from, to)).map(|r| r.generation).collect();
        for generation in &changed {
            self.change(*generation, |entry| entry.row.flags = entry.row.flags.with(flags));
        }
        changed
    }

    /// An open download needs the slab: it is neither taken nor deleted until as many [`unpin`](Self::unpin). `false` when
    /// the slab is gone.
    pub fn pin(&mut self, generation: u64) -> bool {
        self.change(generation, |entry| entry.pins += 1).is_some()
    }

    /// A download that needed the slab is over.
    pub fn unpin(&mut self, generation: u64) {
        self.change(generation, |entry| entry.pins = entry.pins.saturating_sub(1));
    }

    /// The held ranges from now on.
    pub fn set_holds(&mut self, holds: Vec<Hold>) {
        self.holds.set(holds);
        let changed = self.rows.values().filter(|e| e.is_held != self.holds.covers(&e.row));
        let changed: Vec<u64> = changed.map(|e| e.row.generation).collect();
        for generation in changed {
            self.change(generation, |_| ());
        }
    }

    /// The held ranges.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// The clock was wrong when the slab was written: all its times move by `shift_us`, and its name follows.
    pub fn restamped(&mut self, generation: u64, new_path: String, shift_us: i64) {
        self.change(generation, |entry| {
            entry.row.path = new_path;
            entry.row.begun.wall = entry.row.begun.wall.plus_micros(shift_us);
            for span in &mut entry.row.spans {
                *span = (span.0.plus_micros(shift_us), span.1.plus_micros(shift_us));
            }
        });
    }

    /// `thin` holds the footage of `sources` in thinned form: it is in the catalog, they are not. Gives the rows that are
    /// out now. `None`, and nothing changed, when a source is gone, was held or is being downloaded since the plan was made.
    pub fn replace(&mut self, sources: &[u64], thin: SlabRow) -> Option<Vec<SlabRow>> {
        if !sources.iter().all(|s| self.rows.get(s).is_some_and(Entry::may_go)) {
            return None;
        }
        let out = sources.iter().filter_map(|s| self.remove(*s)).collect();
        self.insert(thin);
        Some(out)
    }

    /// What is to be deleted now, oldest footage first, by the limits of its stream and tier: what is older than the age,
    /// and the oldest of what is more than the bytes. Held footage neither goes nor counts; open and pinned slabs count but
    /// stay. Nothing is changed here: the shell removes the file or makes it a waiting one, and tells.
    ///
    /// An age is only as true as `now`: to be asked when the clock is sure.
    pub fn expired(&self, now: Wall, keep: &dyn Fn(&StreamId) -> Keep) -> Vec<(u64, Why)> {
        let others = self.rows.values().filter(|e| !e.is_held && !e.may_go()).map(|e| &e.row);
        retention::expired(&self.line, others, now, keep)
    }

    /// What is to be thinned now, oldest first; see [`retention::thinnable`].
    pub fn thinnable(&self, now: Wall, keep: &dyn Fn(&StreamId) -> Keep) -> Vec<ThinJob> {
        let rows = self.rows.values().map(|e| (&e.row, e.may_go()));
        retention::thinnable(rows, now, keep, &|stream, from, to| self.coverage(stream, from, to))
    }

    /// A slab by its generation.
    pub fn get(&self, generation: u64) -> Option<&SlabRow> {
        self.rows.get(&generation).map(|e| &e.row)
    }

    /// Every slab with footage or open for it, oldest generation first.
    pub fn rows(&self) -> impl Iterator<Item = &SlabRow> {
        self.rows.values().map(|e| &e.row)
    }

    /// Count of waiting slabs.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Number and length of the waiting slabs.
    pub fn free_slabs(&self) -> &[(u64, u32)] {
        &self.free
    }

    /// Bytes of all slab files, waiting ones included.
    pub fn bytes(&self) -> u64 {
        let rows: u64 = self.rows().map(|r| u64::from(r.len)).sum();
        rows + self.free.iter().map(|f| u64::from(f.1)).sum::<u64>()
    }

    /// Slabs of a stream that hold footage inside `from..to`, in time order.
    pub fn overlapping(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<&SlabRow> {
        let mut hits: Vec<&SlabRow> =
            self.rows().filter(|r| r.stream == *stream && r.overlaps(from, to)).collect();
        hits.sort_by_key(|r| r.start());
        hits
    }

    /// The newest slab of a stream that has footage at or before `at`.
    pub fn newest_before(&self, stream: &StreamId, at: Wall) -> Option<&SlabRow> {
        let of_stream = self.rows().filter(|r| r.stream == *stream);
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
        self.rows().filter(|r| r.stream == *stream).filter_map(SlabRow::end).max()
    }

    /// First recorded moment: of one stream, or of all.
    pub fn oldest(&self, stream: Option<&StreamId>) -> Option<Wall> {
        self.rows().filter(|r| stream.is_none_or(|s| r.stream == *s)).filter_map(SlabRow::start).min()
    }

    /// Panics when the catalog contradicts itself: spans in order inside a slab, no two slabs of a stream over the same
    /// time, no generation at or above the next one, no more bytes in use than the file has, no waiting slab twice, and in
    /// line for reuse exactly what is sealed, not held and not pinned.
    pub fn check_invariants(&self) {
        let mut by_stream: BTreeMap<&StreamId, Vec<&SlabRow>> = BTreeMap::new();
        let mut line = Line::default();
        for (generation, entry) in &self.rows {
            let row = &entry.row;
            assert!(*generation == row.generation, "{} is filed under generation {generation}", row.path);
            assert!(*generation < self.next_generation, "generation {generation} was never given out");
            assert!(row.used <= row.len, "{} uses more than its {} bytes", row.path, row.len);
            assert!(row.spans.iter().all(|s| s.0 <= s.1), "a span of {} ends before it begins", row.path);
            assert!(row.spans.windows(2).all(|p| p[0].1 <= p[1].0), "spans of {} overlap", row.path);
            assert!(entry.is_held == self.holds.covers(row), "{}: held or not?", row.path);
            if entry.may_go() {
                line.insert(row);
            }
            by_stream.entry(&row.stream).or_default().push(row);
        }
        assert!(line == self.line, "the line is not what may go");
        let numbers: BTreeSet<u64> = self.free.iter().map(|f| f.0).collect();
        assert!(numbers.len() == self.free.len(), "a waiting slab is listed twice: {:?}", self.free);
        for rows in by_stream.values_mut() {
            rows.retain(|r| r.start().is_some());
            rows.sort_by_key(|r| r.start());
            for pair in rows.windows(2) {
                assert!(
                    pair[0].end() <= pair[1].start().map(|start| start.plus_micros(ROUNDING_US)),
                    "{} to {:?} and {} from {:?} overlap",
                    pair[0].path,
                    pair[0].end(),
                    pair[1].path,
                    pair[1].start()
                );
            }
        }
    }
}

/// The marks that a slab bears: a key frame is in all of them.
fn of_slab(flags: Flags) -> Flags {
    Flags(flags.0 & (Flags::MOTION.0 | Flags::EVENT.0))
}
