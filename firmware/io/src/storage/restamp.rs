//! The clock was set: this boot's footage, gaps and events are moved to where they belong, and names follow. Each slab is
//! moved by one small record behind its seal, so a power cut leaves it either there or here.

use super::card::Card;
use super::error::{StorageError, io_at};
use super::index::Index;
use super::mount::HOLDS;
use super::options::Now;
use super::recover::{explain_holes, index_events};
use super::ring::{COOLING, settle};
use super::slab_file::SlabFile;
use super::stream::Open;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::Begun;
use nightjar_record::scan::{self, Depth};
use nightjar_record::writer;
use nightjar_record::{Catalog, Scanned, Sign, SlabRow, SlabWriter};
use nightjar_types::{AccessUnit, Event, Gap, Mono, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The clock is set when it jumps by more than this against the time since boot, µs. Slewing is slower.
pub(super) const STEP_US: i64 = 1_000_000;
/// Times that the clock was set that are remembered for units which came in before.
const MAX_OFFSETS: usize = 4;
/// A stream that gave nothing for so long is not waited for.
const SILENT: Duration = Duration::from_secs(5);
/// Two moments that are the same but for rounding, µs.
const NEAR_US: i64 = 1_000;
/// Slabs moved in one beat.
const A_BEAT: usize = 8;

/// What is known of the clocks, as JSON.
pub(super) const CLOCKS: &str = ".nightjar/clocks.json";
/// Boots whose clocks are remembered: what they left to be moved is moved when the card is found again.
const MAX_CLOCKS: usize = 8;

/// A boot whose clock was wrong and is known now. It is on the card before footage on the right clock is, so that after a
/// power cut in between all of it can be laid on one time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ToldClock {
    pub(super) boot: [u8; 16],
    /// Wall clock minus boot clock, µs.
    pub(super) offset: i64,
}

/// A slab to be moved: not before the index has ceased to vouch for it, on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    epoch: u64,
    generation: u64,
    shift_us: i64,
}

impl Card {
    /// How far a slab must be moved that was begun at `begun`. Nothing is known before the clock was set.
    pub(super) fn shift_of(&self, begun: &Begun) -> i64 {
        let is_ours = begun.boot == self.shelf.options.boot;
        let told = match is_ours {
            true => self.is_told.then_some(self.offset),
            false => self.clocks.iter().find(|c| c.boot == begun.boot).map(|c| c.offset),
        };
        let shift = told.map_or(0, |offset| offset + begun.mono.0 as i64 - begun.wall.0);
        if !begun.is_sure && shift.abs() >= STEP_US { shift } else { 0 }
    }

    /// Writes down what is known of the clock, before anything is recorded by it.
    pub(super) fn keep_clock(&mut self) -> Result<(), StorageError> {
        if !self.is_clock_new {
            return Ok(());
        }
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        let boot = self.shelf.options.boot;
        self.clocks.retain(|c| c.boot != boot);
        self.clocks.push(ToldClock { boot, offset: self.offset });
        let surplus = self.clocks.len().saturating_sub(MAX_CLOCKS);
        self.clocks.drain(..surplus);
        let bytes = serde_json::to_vec(&self.clocks).expect("clocks are plain data");
        match mounted.volume.disk.write_small(CLOCKS, &bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!(error = %e, "what is known of the clock cannot be kept");
            }
            other => io_at("write", CLOCKS, other)?,
        }
        self.is_clock_new = false;
        Ok(())
    }

    /// Notices that the clock was set.
    pub(super) fn watch_clock(&mut self, now: &Now) {
        let offset = now.wall.0 - now.mono.0 as i64;
        let step = offset - self.offset;
        self.offset = offset;
        let was_told = self.is_told;
        self.is_told |= now.is_sure || step.abs() >= STEP_US;
        if self.is_told && (!was_told || step.abs() >= STEP_US) {
            self.is_clock_new = true;
        }
        if self.is_told && !was_told {
            self.find_restamps();
        }
        if step.abs() < STEP_US {
            return;
        }
        tracing::warn!(
            step_s = step / 1_000_000,
            "the clock was set; this boot's footage is moved to where it belongs"
        );
        if self.old_offsets.len() == MAX_OFFSETS {
            self.old_offsets.remove(0);
        }
        self.old_offsets.push(offset - step);
        for n in 0..self.streams.len() {
            // footage that is gone from the card by now: this boot's stood where the clock was, other's ahead of it stays
            let gone = if self.streams[n].end > now.wall.plus_micros(-step) { 0 } else { step };
            let shift = self.shift_of_newest(n).unwrap_or(gone);
            self.streams[n].cutter.clock_set(shift);
            self.streams[n].roll.clock_set(step);
            self.clock_set(n, shift);
        }
        if let Err(e) = self.move_holds(step, now.wall.plus_micros(-step)) {
            self.shelf.failed(&e);
        }
        self.find_restamps();
    }

    /// A unit that was stamped before the clock was set and is looked at after it: as it would be stamped now.
    pub(super) fn on_clock(&self, mut unit: AccessUnit) -> AccessUnit {
        let was = unit.wall.0.saturating_sub(unit.arrived.0 as i64);
        let is_near = |offset: &&i64| (was - **offset).abs() < STEP_US / 2;
        if self.old_offsets.iter().rev().any(|o| is_near(&o)) && !is_near(&&self.offset) {
            unit.wall = unit.wall.plus_micros(self.offset - was);
        }
        unit
    }

    /// Looks for slabs that stand where the clock was wrong. A stream whose open slab does has to wait for its end.
    pub(super) fn find_restamps(&mut self) {
        let mut wrong = Vec::new();
        for s in &self.streams {
            if s.slab.as_ref().is_some_and(|open| self.shift_of(&open.begun) != 0) {
                continue;
            }
            let catalog = self.shelf.catalog();
            for (generation, shift_us) in self.planned(&s.id) {
                let Some(row) = catalog.get(generation).filter(|r| r.is_sealed) else { continue };
                // never onto one that is still to be moved: forward from the newest on, back from the oldest on
                let order = row.begun.mono.0 as i64;
                wrong.push((if shift_us > 0 { -order } else { order }, generation, shift_us));
            }
        }
        wrong.sort_unstable();
        self.restamps.clear();
        let epoch = self.shelf.epoch.load(Relaxed) + COOLING;
        for (_, generation, shift_us) in wrong {
            self.ring.unseal(&self.shelf, generation);
            self.restamps.push_back(Waiting { epoch, generation, shift_us });
        }
    }

    /// A slab was sealed that may stand where the clock was wrong.
    pub(super) fn sealed_for_restamp(&mut self, begun: &Begun) {
        if self.shift_of(begun) != 0 {
            self.find_restamps();
        }
    }

    /// Moves some of the slabs that wait for it. True while some wait.
    pub(super) fn restamp_some(&mut self, now: &Now) -> Result<bool, StorageError> {
        for n in 0..self.streams.len() {
            let s = &self.streams[n];
            let is_wrong = s.slab.as_ref().is_some_and(|open| self.shift_of(&open.begun) != 0);
            if is_wrong && (now.mono.since(s.heard) > SILENT || !s.roll.is_open()) {
                self.seal(n); // its camera is away, or nothing happens: nothing else would end it
            }
        }
        let met: Vec<usize> = (0..self.streams.len()).filter(|n| self.is_recorded_over(*n)).collect();
        if !met.is_empty() {
            for n in met {
                if self.streams[n].slab.as_ref().is_some_and(|open| self.shift_of(&open.begun) != 0) {
                    self.seal(n); // else its stream would have to wait for it
                }
            }
            self.restamp_all()?;
            self.explain_holes();
            return Ok(true);
        }
        let had = !self.restamps.is_empty();
        let epoch = self.shelf.epoch.load(Relaxed);
        for _ in 0..A_BEAT {
            let Some(next) = self.restamps.front().copied().filter(|w| w.epoch <= epoch) else { break };
            self.restamps.pop_front();
            self.restamp(next)?;
        }
        if had && self.restamps.is_empty() {
            self.explain_holes();
        }
        Ok(had)
    }

    /// Newer footage of the stream has come to where a slab stands that waits to be moved: no more waiting then.
    fn is_recorded_over(&self, n: usize) -> bool {
        let catalog = self.shelf.catalog();
        let of_stream = |r: &&SlabRow| r.stream == self.streams[n].id && r.start().is_some();
        let waiting = self.restamps.iter().filter_map(|w| catalog.get(w.generation)).filter(of_stream);
        let waiting: HashSet<u64> = waiting.map(|r| r.generation).collect();
        if waiting.is_empty() {
            return false;
        }
        let mut rows: Vec<&SlabRow> = catalog.rows().filter(of_stream).collect();
        rows.sort_by_key(|r| r.start());
        let is_met =
            |a: &SlabRow, b: &SlabRow| waiting.contains(&a.generation) || waiting.contains(&b.generation);
        rows.windows(2).any(|p| p[0].end() > p[1].start() && is_met(p[0], p[1]))
    }

    /// Behind what the stream's next footage is to be laid, on a card whose footage ends at `end`. While the clock is being
    /// set, and when a disk comes back, that is only this boot's: what another boot recorded on a clock that was ahead must
    /// not draw it there.
    pub(super) fn floor_of(&self, n: usize, end: Wall) -> Wall {
        let s = &self.streams[n];
        if s.shift_us == 0 && !self.has_mounted {
            return end;
        }
        let catalog = self.shelf.catalog();
        let ours = catalog.rows().filter(|r| r.stream == s.id && r.begun.boot == self.shelf.options.boot);
        ours.filter_map(SlabRow::end).max().unwrap_or(end)
    }

    /// Moves all that stand where the clock was wrong, before anything else is done with a card that was just found.
    pub(super) fn restamp_all(&mut self) -> Result<(), StorageError> {
        self.find_restamps();
        if self.restamps.is_empty() {
            return Ok(());
        }
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        settle(&mounted)?;
        while let Some(next) = self.restamps.pop_front() {
            self.restamp(next)?;
        }
        Ok(())
    }

    pub(super) fn explain_holes(&self) {
        let streams: Vec<_> = self.streams.iter().map(|s| s.id.clone()).collect();
        let catalog = self.shelf.catalog();
        self.shelf.index(|index| explain_holes(&catalog, index, &streams));
    }

    fn restamp(&mut self, Waiting { generation, shift_us: shift, .. }: Waiting) -> Result<(), StorageError> {
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        let Some(row) = self.shelf.catalog().get(generation).cloned() else { return Ok(()) };
        let disk = &*mounted.volume.disk;
        let file = SlabFile::open(disk, &row.path)?;
        let Some(mut found) = sealed(&file, row.len, &*self.shelf.options.key)? else { return Ok(()) };
        // where it shall begin, from where it was begun as written
        let whole = row.begun.wall.plus_micros(shift) - found.slab.begun.wall.plus_micros(-found.shift_us);
        match writer::restamp(&found, row.len, whole, &*self.shelf.options.key) {
            Some(write) => file.record(&write)?,
            None => {
                tracing::warn!(slab = row.path, "has no room for one more restamp; stays where it is");
                return Ok(());
            }
        }
        let (from, to) = (row.start().unwrap_or_default(), row.end().unwrap_or_default());
        let path = mounted.volume.free_path(&row.stream, from.plus_micros(shift));
        mounted.volume.rename(&row.path, &path)?;
        self.shelf.catalog_mut().restamped(generation, path.clone(), shift);
        self.clip_overlaps_of(generation);
        if let Some(row) = self.shelf.catalog().get(generation).cloned() {
            self.ring.reseal(&self.shelf, row);
        }
        let was = std::mem::replace(&mut found.shift_us, whole);
        self.shelf.index(|index| {
            for gap in leading_gaps(index, &self.shelf.catalog(), &row, from) {
                index.remove_gap(&gap)?;
                let (from, to) = (gap.from.plus_micros(shift), gap.to.map(|t| t.plus_micros(shift)));
                index.put_gap(&Gap { from, to, ..gap })?;
            }
            index.restamp(&row, from, to, shift)?;
            index_events(index, &file, &found, was).map(drop)
        });
        tracing::info!(slab = row.path, to = path, "moved");
        Ok(())
    }

    /// A write that failed though it was done was repeated in another slab, and one of the two was moved apart from the other
    /// until now: the later slab has the footage, as at every start.
    fn clip_overlaps_of(&self, generation: u64) {
        let mut clipped = Vec::new();
        {
            let mut catalog = self.shelf.catalog_mut();
            let Some(row) = catalog.get(generation).cloned() else { return };
            let (Some(from), Some(to)) = (row.start(), row.end()) else { return };
            let others: Vec<SlabRow> =
                catalog.overlapping(&row.stream, from, to).into_iter().cloned().collect();
            let is_waiting = |r: &SlabRow| self.restamps.iter().any(|w| w.generation == r.generation);
            for other in others.iter().filter(|r| r.generation != generation && r.is_sealed && !is_waiting(r))
            {
                let (first, next) = if other.start() <= row.start() { (other, &row) } else { (&row, other) };
                if let (Some(limit), Some(end)) = (next.start(), first.end()) {
                    tracing::warn!(slab = first.path, "overlaps the next; the next one's footage counts");
                    clipped.extend(catalog.lost(first.generation, limit, end).cloned());
                }
            }
        }
        for row in clipped.iter().filter(|r| self.ring.is_vouched(r.generation)) {
            self.shelf.index(|index| index.put_slab(row));
        }
    }

    /// How far the newest footage of a stream is to be moved. `None` when nothing was ever recorded.
    fn shift_of_newest(&self, n: usize) -> Option<i64> {
        let id = &self.streams[n].id;
        let newest = {
            let catalog = self.shelf.catalog();
            let of_stream = catalog.rows().filter(|r| r.stream == *id && r.start().is_some());
            of_stream.max_by_key(|r| r.end()).map(|r| r.generation)?
        };
        Some(self.planned(id).get(&newest).copied().unwrap_or(0))
    }

    /// Holds that were made on the clock as it was hold the same footage on the new one.
    fn move_holds(&mut self, step: i64, until: Wall) -> Result<(), StorageError> {
        let (Some(mounted), boot) = (self.mounted.clone(), self.shelf.options.boot) else { return Ok(()) };
        let mut holds = self.shelf.catalog().holds().list().to_vec();
        let since = {
            let catalog = self.shelf.catalog();
            let unsure = catalog.rows().filter(|r| r.begun.boot == boot && !r.begun.is_sure);
            unsure.filter_map(SlabRow::start).min()
        };
        let Some(era) = since.map(|since| since..=until) else { return Ok(()) };
        let mut is_moved = false;
        for hold in holds.iter_mut().filter(|h| era.contains(&h.made)) {
            let to_new = |w: Wall| if era.contains(&w) { w.plus_micros(step) } else { w };
            (hold.from, hold.to, hold.made) = (to_new(hold.from), to_new(hold.to), to_new(hold.made));
            is_moved = true;
        }
        if is_moved {
            let bytes = serde_json::to_vec_pretty(&holds).expect("holds are plain data");
            io_at("write", HOLDS, mounted.volume.disk.write_small(HOLDS, &bytes))?;
            self.shelf.catalog_mut().set_holds(holds);
        }
        Ok(())
    }

    /// How far each slab of a stream is to be moved that stands where the clock was wrong, all together.
    fn planned(&self, stream: &StreamId) -> HashMap<u64, i64> {
        let catalog = self.shelf.catalog();
        let mut rows: Vec<&SlabRow> =
            catalog.rows().filter(|r| r.stream == *stream && r.start().is_some()).collect();
        rows.sort_by_key(|r| (r.begun.boot, r.begun.mono, r.generation));
        let mut plan = HashMap::new();
        let mut before: Option<(&SlabRow, i64)> = None;
        for row in rows.iter().copied() {
            let end = before.filter(|(b, _)| b.begun.boot == row.begun.boot);
            let end = end.and_then(|(b, shift)| Some(b.end()?.plus_micros(shift)));
            let shift = self.allowed_shift(&catalog, row, end).unwrap_or(0);
            if shift != 0 {
                plan.insert(row.generation, shift);
            }
            before = Some((row, shift));
        }
        // … nor onto footage behind it that stays
        let mut behind: Option<(&SlabRow, i64)> = None;
        for row in rows.into_iter().rev() {
            let of_boot = behind.filter(|(b, _)| b.begun.boot == row.begun.boot);
            if let (Some(shift), Some((next, by))) = (plan.get_mut(&row.generation), of_boot) {
                let room = next.start().zip(row.end()).map_or(0, |(start, end)| start.plus_micros(by) - end);
                *shift = (*shift).min(room);
            }
            behind = Some((row, plan.get(&row.generation).copied().unwrap_or(0)));
        }
        plan.retain(|_, shift| *shift != 0);
        plan
    }

    /// By how much a slab may be moved: as far as the clock says, but never over other footage of its stream. `before` is
    /// where the slab before it ends then.
    fn allowed_shift(&self, catalog: &Catalog, row: &SlabRow, before: Option<Wall>) -> Option<i64> {
        let mut shift = self.shift_of(&row.begun);
        let (start, end) = (row.start()?, row.end()?);
        if shift == 0 {
            return None;
        }
        if let Some(before) = before {
            shift += (before - start.plus_micros(shift)).max(0);
        }
        let moved = |w: Wall| w.plus_micros(shift);
        let others = catalog.rows().filter(|r| r.stream == row.stream && r.begun.boot != row.begun.boot);
        let overlaps = others
            .filter(|r| {
                r.start() < Some(moved(end)) && r.end() > Some(moved(start)) && self.shift_of(&r.begun) == 0
            })
            .filter_map(|r| r.end())
            .max();
        if let Some(end) = overlaps {
            shift = end - start; // order is kept: it begins where the other boot's footage ends
        }
        (shift != 0).then_some(shift)
    }

    /// An event that was stamped before the clock was set and is told after it: as it would be stamped now.
    pub(super) fn on_clock_of_event(&self, event: Event, now: Mono) -> Event {
        let move_of = |w: Wall| {
            let offsets = self.old_offsets.iter().rev().chain([&self.offset]);
            let ago = |offset: &&i64| now.0 as i64 - (w.0.saturating_sub(**offset));
            // stamped on the clock by which it is the newest, and not to come
            let of_it = offsets.filter(|o| ago(o) > -STEP_US).min_by_key(ago);
            of_it.map_or(0, |of_it| self.offset - of_it)
        };
        if self.old_offsets.is_empty() {
            return event;
        }
        let (start, end) = (move_of(event.id.start), event.end.map(move_of));
        let mut event = event;
        event.id.start = event.id.start.plus_micros(start);
        event.end = event.end.zip(end).map(|(at, shift)| at.plus_micros(shift));
        event
    }

    /// How far the time line of the stream's open slab is ahead of the clock, and how far it will be moved.
    pub(super) fn lag_and_shift(&self, n: usize, open: &Open) -> (i64, i64) {
        let begun = &open.begun;
        if begun.boot != self.shelf.options.boot {
            return (0, 0); // of a boot before: nothing is known of its clock
        }
        let lag = begun.wall.0 - begun.mono.0 as i64 - self.offset;
        if lag.abs() < STEP_US || begun.mono == Mono(0) {
            return (0, 0);
        }
        let is_wrong = self.shift_of(begun) != 0;
        let planned = || self.planned(&self.streams[n].id).get(&open.writer.generation()).copied();
        (lag, if is_wrong { planned().unwrap_or(0) } else { 0 })
    }
}

/// Gaps that lead up to the first footage of a stream's time line: nothing recorded is before them.
fn leading_gaps(index: &Index, catalog: &Catalog, row: &SlabRow, start: Wall) -> Vec<Gap> {
    let is_near = |a: Wall, b: Wall| (a - b).abs() < NEAR_US;
    let is_end =
        |at: Wall| catalog.rows().any(|r| r.stream == row.stream && r.spans.iter().any(|s| is_near(s.1, at)));
    let (mut all, mut at) = (Vec::new(), start);
    loop {
        let mut before = index.gaps(&row.stream, Wall(0), at.plus_micros(NEAR_US)).into_iter();
        let Some(gap) = before.rfind(|g| g.from < at && g.to.is_some_and(|to| is_near(to, at))) else {
            return all;
        };
        if is_end(gap.from) {
            return all;
        }
        at = gap.from;
        all.push(gap);
    }
}

/// What a slab holds. One that was given up without a seal gets it now.
fn sealed(file: &SlabFile, len: u32, key: &dyn Sign) -> Result<Option<Scanned>, StorageError> {
    let found = scan::scan(file, u64::from(len), Depth::Tail)?;
    let Some(found) = found.filter(|f| f.seal.is_none()) else {
        return scan::scan(file, u64::from(len), Depth::Heads);
    };
    let (write, footer) = SlabWriter::resume(&found, len).seal(key);
    if write.offset + (write.len() + footer.len()) as u64 <= u64::from(len) {
        file.record(&write)?;
        file.write_at(&footer, u64::from(len) - footer.len() as u64)?;
    }
    scan::scan(file, u64::from(len), Depth::Heads)
}
