//! The clock was set: this boot's footage, gaps and events are moved to where they belong, and names follow. Each slab is
//! moved by one small record behind its seal, so a power cut leaves it either there or here.

use super::card::Card;
use super::error::StorageError;
use super::options::Now;
use super::slab_file::SlabFile;
use nightjar_record::layout::Begun;
use nightjar_record::scan::{self, Depth};
use nightjar_record::writer;
use nightjar_types::{CameraId, Event, Wall};

/// The clock is set when it jumps by more than this against the time since boot, µs. Slewing is slower.
const STEP_US: i64 = 1_000_000;
/// Moves that are remembered for events that end later.
const MAX_MOVES: usize = 256;
/// Slabs moved in one beat.
const A_BEAT: usize = 8;

/// Footage of a camera that was moved.
pub(super) struct Move {
    camera: CameraId,
    from: Wall,
    to: Wall,
    shift_us: i64,
}

impl Card {
    /// How far a slab must be moved that was begun at `begun`. Nothing is known before the clock was set.
    fn shift_of(&self, begun: &Begun) -> i64 {
        let is_ours = self.is_told && begun.boot == self.shelf.options.boot && !begun.is_sure;
        let shift = self.offset + begun.mono.0 as i64 - begun.wall.0;
        if is_ours && shift.abs() >= STEP_US { shift } else { 0 }
    }

    /// Notices that the clock was set.
    pub(super) fn watch_clock(&mut self, now: &Now) {
        let offset = now.wall.0 - now.mono.0 as i64;
        let step = offset - self.offset;
        self.offset = offset;
        let was_told = self.is_told;
        self.is_told |= now.is_sure || step.abs() >= STEP_US;
        if self.is_told && !was_told {
            self.find_restamps();
        }
        if step.abs() < STEP_US {
            return;
        }
        tracing::warn!(step_s = step / 1_000_000, "the clock was set; this boot's footage is moved to where it belongs");
        for n in 0..self.streams.len() {
            let shift = match &self.streams[n].slab {
                Some(open) => self.shift_of(&open.begun),
                None => step,
            };
            self.streams[n].cutter.clock_set(shift);
        }
        self.find_restamps();
    }

    /// Looks for slabs of this boot that stand where the clock was wrong.
    pub(super) fn find_restamps(&mut self) {
        let catalog = self.shelf.catalog();
        let mut wrong: Vec<_> = catalog
            .rows()
            .filter(|r| r.is_sealed && self.shift_of(&r.begun) != 0)
            .map(|r| (r.begun.mono, r.generation))
            .collect();
        drop(catalog);
        wrong.sort_unstable();
        self.restamps = wrong.into_iter().map(|(_, generation)| generation).collect();
    }

    /// A slab was sealed that may stand where the clock was wrong.
    pub(super) fn sealed_for_restamp(&mut self, generation: u64, begun: &Begun) {
        if self.shift_of(begun) != 0 {
            self.restamps.push_back(generation);
        }
    }

    /// Moves some of the slabs that wait for it.
    pub(super) fn restamp_some(&mut self) -> Result<(), StorageError> {
        for _ in 0..A_BEAT.min(self.restamps.len()) {
            if let Some(generation) = self.restamps.pop_front() {
                self.restamp(generation)?;
            }
        }
        Ok(())
    }

    fn restamp(&mut self, generation: u64) -> Result<(), StorageError> {
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        let Some(row) = self.shelf.catalog().get(generation).cloned() else { return Ok(()) };
        let Some(shift) = self.allowed_shift(&row) else { return Ok(()) };
        let disk = &*mounted.volume.disk;
        let file = SlabFile::open(disk, &row.path)?;
        let Some(found) = scan::scan(&file, u64::from(row.len), Depth::Heads)? else { return Ok(()) };
        let whole = found.shift_us.saturating_add(shift);
        match writer::restamp(&found, row.len, whole, &*self.shelf.options.key) {
            Some(write) => file.record(&write)?,
            None => tracing::warn!(slab = row.path, "has no room for one more restamp: only the index is right"),
        }
        let (from, to) = (row.start().unwrap_or_default(), row.end().unwrap_or_default());
        let path = mounted.volume.free_path(&row.stream, from.plus_micros(shift));
        mounted.volume.rename(&row.path, &path)?;
        self.shelf.catalog_mut().restamped(generation, path.clone(), shift);
        let now = self.shelf.catalog().get(generation).cloned();
        self.shelf.index(|index| {
            index.restamp(&row.stream, from, to, shift)?;
            now.map_or(Ok(()), |row| index.put_slab(&row))
        });
        if self.moves.len() == MAX_MOVES {
            self.moves.pop_front();
        }
        self.moves.push_back(Move { camera: row.stream.0.clone(), from, to, shift_us: shift });
        tracing::info!(slab = row.path, to = path, "moved");
        Ok(())
    }

    /// By how much a slab may be moved: as far as the clock says, but never over other footage of its stream.
    fn allowed_shift(&self, row: &nightjar_record::SlabRow) -> Option<i64> {
        let mut shift = self.shift_of(&row.begun);
        let (start, end) = (row.start()?, row.end()?);
        let catalog = self.shelf.catalog();
        let is_other = |r: &&nightjar_record::SlabRow| r.stream == row.stream && r.generation != row.generation;
        let others: Vec<_> = catalog.rows().filter(is_other).collect();
        // the slab just before it in time since boot, when it is of this boot and moved already, sets the pace
        let before = others
            .iter()
            .filter(|r| r.begun.boot == row.begun.boot && r.begun.mono < row.begun.mono)
            .max_by_key(|r| r.begun.mono);
        if let Some(end) = before.and_then(|b| b.end()) {
            shift += (end - start.plus_micros(shift)).max(0);
        }
        let moved = |w: Wall| w.plus_micros(shift);
        let overlaps = others
            .iter()
            .filter(|r| r.begun.boot != row.begun.boot)
            .filter(|r| r.start() < Some(moved(end)) && r.end() > Some(moved(start)))
            .filter_map(|r| r.end())
            .max();
        if let Some(end) = overlaps {
            shift = end - start; // order is kept: it begins where the other boot's footage ends
        }
        (shift != 0).then_some(shift)
    }

    /// An event that began before the clock was set and is told after it: as it is called now.
    pub(super) fn restamped_event(&self, event: Event) -> Event {
        let moved = |w: Wall| {
            let hit = self.moves.iter().find(|m| m.camera == event.camera && (m.from..=m.to).contains(&w));
            hit.map_or(0, |m| m.shift_us)
        };
        let (start, end) = (moved(event.id.start), event.end.map(moved));
        let mut event = event;
        event.id.start = event.id.start.plus_micros(start);
        event.end = event.end.zip(end).map(|(at, shift)| at.plus_micros(shift));
        event
    }
}
