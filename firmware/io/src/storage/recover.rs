//! The volume as it was left → a catalog, with every slab playable and named by its time. Reads only the slabs that are
//! open or that the index does not know.

use super::disk::Disk;
use super::error::{StorageError, io_at};
use super::index::{EventEntry, EventRow, Index, read_row};
use super::slab_file::SlabFile;
use super::volume::{SLABS, Volume};
use nightjar_media::boxes::free_head;
use nightjar_record::catalog::{JOIN_US, StreamId};
use nightjar_record::layout::{Flags, HEAD_LEN, Hash, Wear};
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Catalog, Kind, ReadAt, RecordHead, Scanned, Sign, SlabRow, SlabWriter, name, retired};
use nightjar_types::{Event, Gap, GapCause, Wall};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

/// A hole from this length on is told, µs.
const HOLE_US: i64 = 1_000_000;
/// More than can have been given out and not have reached the card.
const LOST_GENERATIONS: u64 = 1_000;

/// A slab that a stream goes on with.
pub(super) struct Resume {
    pub(super) stream: StreamId,
    pub(super) writer: SlabWriter,
    pub(super) file: SlabFile,
}

/// What was found.
pub(super) struct Recovered {
    pub(super) catalog: Catalog,
    pub(super) resume: Vec<Resume>,
    /// The number of the next waiting slab.
    pub(super) next_number: u64,
    /// The newest chain of every stream.
    pub(super) chains: HashMap<StreamId, Hash>,
    /// The card's life so far.
    pub(super) wear: Wear,
    /// Rows for the index, when what was mended is on the card.
    pub(super) looked_at: Vec<SlabRow>,
}

struct Recovery<'a> {
    volume: &'a Volume,
    index: &'a Index,
    key: &'a dyn Sign,
    catalog: Catalog,
    next_number: u64,
    open: HashMap<StreamId, (SlabRow, Scanned)>,
    replaced: HashSet<u64>,
    looked_at: Vec<SlabRow>,
    /// Events in the slabs that were looked at.
    events: Vec<Event>,
    /// Generations of the slabs that were looked at.
    found: HashSet<u64>,
    wear: Wear,
}

pub(super) fn recover(
    volume: &Volume,
    index: &Index,
    streams: &[StreamId],
    key: &dyn Sign,
) -> Result<Recovered, StorageError> {
    let mut r = Recovery {
        volume,
        index,
        key,
        catalog: Catalog::default(),
        next_number: 0,
        open: HashMap::new(),
        replaced: HashSet::new(),
        looked_at: Vec::new(),
        events: Vec::new(),
        found: HashSet::new(),
        wear: Wear::default(),
    };
    for (number, len) in volume.pool()? {
        r.catalog.insert_free(number, len);
        r.next_number = r.next_number.max(number + 1);
    }
    let mut known: HashMap<String, SlabRow> =
        index.slabs().into_iter().map(|row| (row.path.clone(), row)).collect();
    for path in slab_paths(&*volume.disk, &volume.root)? {
        match known.remove(&path) {
            Some(row) if row.is_sealed => r.catalog.insert(row),
            row => {
                let len = row.as_ref().map(|row| row.len);
                // once more: a fault of the moment is not to cost a slab
                if let Err(e) = r.slab(&path, len).or_else(|_| r.slab(&path, len)) {
                    tracing::error!(slab = path, error = %e, "cannot be read; left alone, its footage is missing");
                    if let Some(row) = row {
                        r.lost(&row)?;
                    }
                }
            }
        }
    }
    for (path, row) in known {
        if r.found.contains(&row.generation) {
            continue; // it has another name now
        }
        tracing::warn!(slab = path, "is in the index but not on the card; its footage is gone");
        r.lost(&row)?;
    }
    r.drop_replaced()?;
    let resume = r.resume(streams)?;
    clip_overlaps(&mut r.catalog);
    r.drop_homeless()?;
    r.mark_events();
    let chains = r.chains(streams, &resume);
    // a slab that was begun just before a power cut left nothing but perhaps some records
    let fresh = r.catalog.fresh_generation();
    r.catalog.raise_generation(fresh + LOST_GENERATIONS);
    let Recovery { catalog, next_number, wear, looked_at, .. } = r;
    Ok(Recovered { catalog, resume, next_number, chains, wear, looked_at })
}

impl Recovery<'_> {
    /// Takes in one slab that the index does not vouch for; of an open one it knows the length.
    fn slab(&mut self, path: &str, known_len: Option<u32>) -> Result<(), StorageError> {
        let file = SlabFile::open(&*self.volume.disk, path)?;
        let len = file.len()?;
        if retired(&file, len)?.is_some_and(|generation| self.index.slab(generation).is_none()) {
            return self.give_back(path, &file, len);
        }
        let Some(found) = scan::scan(&file, len, Depth::Tail)? else {
            tracing::warn!(slab = path, "holds no footage that can be read; goes back to the pool");
            return self.give_back(path, &file, len);
        };
        self.catalog.raise_generation(found.generation + 1);
        if self.is_being_recycled(path, &file, len, &found)? {
            tracing::info!(
                slab = path,
                "was being written over when the recorder ended; goes back to the pool"
            );
            return self.give_back(path, &file, len);
        }
        self.found.insert(found.generation);
        let belongs =
            name::parse(path).is_some_and(|(c, s)| c == found.slab.camera && s == found.slab.stream);
        let is_half_thinned = !found.slab.replaces.is_empty() && found.seal.is_none();
        if !belongs || is_half_thinned || found.records.is_empty() {
            tracing::info!(slab = path, "was being made when the recorder ended; goes back to the pool");
            return self.give_back(path, &file, len);
        }
        let whole = known_len.map_or_else(|| whole_len(len), u64::from).max(len.min(*SLABS.end()));
        if whole != len {
            let records = found.records.len();
            tracing::warn!(slab = path, records, "was cut short; what is left plays, the rest is lost");
        }
        heal(&file, path, &found, whole)?;
        if found.slab.wear.written > self.wear.written {
            self.wear = found.slab.wear;
        }
        self.replaced.extend(&found.slab.replaces);
        let stream = (found.slab.camera.clone(), found.slab.stream);
        let path = self.named_by_time(path, &stream, &found)?;
        let row = row_of(path, &found, whole as u32);
        self.events.extend(index_events(self.index, &file, &found, 0)?);
        if found.seal.is_some() {
            return self.settle(row);
        }
        // of two open slabs of a stream only the newer goes on
        match self.open.remove(&stream) {
            Some(other) if other.0.end() > row.end() => {
                self.open.insert(stream, other);
                self.close(row, &found)
            }
            other => {
                self.open.insert(stream, (row, found));
                other.map_or(Ok(()), |(row, found)| self.close(row, &found))
            }
        }
    }

    /// A deleted slab under its next name, partly written over: its start did not reach the card, what follows it did. The
    /// table and the last records do not show that.
    fn is_being_recycled(
        &self,
        path: &str,
        file: &SlabFile,
        len: u64,
        found: &Scanned,
    ) -> Result<bool, StorageError> {
        // what the index knows was not deleted: its times were being moved
        if named_as(path, found).is_none() || self.index.slab(found.generation).is_some() {
            return Ok(false);
        }
        let whole = scan::scan(file, len, Depth::Full)?;
        Ok(whole.is_none_or(|whole| whole.records.len() < found.records.len()))
    }

    /// Gives a slab the name that fits its times: they were moved, or it is what a recycled file held before the power went.
    fn named_by_time(&self, path: &str, stream: &StreamId, found: &Scanned) -> Result<String, StorageError> {
        let Some(start) = named_as(path, found) else { return Ok(path.to_string()) };
        // an index that is older than its deletion vouches for what was there under that very name
        self.index.remove_slab(found.generation)?;
        let right = self.volume.free_path(stream, start);
        self.volume.rename(path, &right)?;
        Ok(right)
    }

    /// Seals a slab that nobody goes on with.
    fn close(&mut self, row: SlabRow, found: &Scanned) -> Result<(), StorageError> {
        let file = SlabFile::open(&*self.volume.disk, &row.path)?;
        let (write, footer) = SlabWriter::resume(found, row.len).seal(self.key);
        let used = (write.offset as usize + write.len()).saturating_sub(8) as u32;
        if used + footer.len() as u32 + 8 <= row.len {
            file.record(&write)?;
            file.write_at(&footer, u64::from(row.len) - footer.len() as u64)?;
        }
        self.settle(SlabRow { used, ..row })
    }

    fn settle(&mut self, mut row: SlabRow) -> Result<(), StorageError> {
        row.is_sealed = true;
        self.looked_at.push(row.clone());
        self.catalog.insert(row);
        Ok(())
    }

    /// A slab of the index that is not on the card any more.
    fn lost(&mut self, row: &SlabRow) -> Result<(), StorageError> {
        self.index.remove_slab(row.generation)?;
        for (from, to) in &row.spans {
            let (camera, stream) = row.stream.clone();
            self.index.put_gap(&Gap { camera, stream, from: *from, to: Some(*to), cause: GapCause::Lost })?;
        }
        Ok(())
    }

    /// An event that was found later outlives its footage in a younger slab: then nothing is left to tell of.
    fn drop_homeless(&mut self) -> Result<(), StorageError> {
        let catalog = &self.catalog;
        let oldest = |event: &Event| {
            let of_camera = catalog.rows().filter(|r| r.stream.0 == event.camera);
            of_camera.filter_map(SlabRow::start).min()
        };
        let is_homeless = |e: &Event| e.found.is_some() && oldest(e).is_none_or(|oldest| e.id.start < oldest);
        for event in self.events.iter().filter(|e| is_homeless(e)) {
            self.index.remove_event(event.id)?;
        }
        Ok(())
    }

    /// What an event is worth is known from the slabs alone.
    fn mark_events(&mut self) {
        for event in std::mem::take(&mut self.events) {
            let (from, to) = (event.id.start, event.end.unwrap_or(event.id.start));
            for generation in self.catalog.mark(&event.camera, from, to, Flags::EVENT) {
                let Some(row) = self.catalog.get(generation).cloned() else { continue };
                match self.looked_at.iter_mut().find(|r| r.generation == generation) {
                    Some(known) => known.flags = row.flags,
                    None => self.looked_at.push(row),
                }
            }
        }
    }

    fn give_back(&mut self, path: &str, file: &SlabFile, len: u64) -> Result<(), StorageError> {
        let whole = whole_len(len);
        if whole != len {
            file.set_len(whole)?;
        }
        self.volume.rename(path, &name::pool_path(self.next_number))?;
        self.catalog.insert_free(self.next_number, whole as u32);
        self.next_number += 1;
        Ok(())
    }

    /// Of footage that is there twice, as it was and thinned, the thinned stays.
    fn drop_replaced(&mut self) -> Result<(), StorageError> {
        for generation in std::mem::take(&mut self.replaced) {
            let Some(row) = self.catalog.remove(generation) else { continue };
            self.index.remove_slab(generation)?;
            let file = SlabFile::open(&*self.volume.disk, &row.path)?;
            self.give_back(&row.path, &file, u64::from(row.len))?;
        }
        Ok(())
    }

    fn resume(&mut self, streams: &[StreamId]) -> Result<Vec<Resume>, StorageError> {
        let mut resume = Vec::new();
        for (stream, (row, found)) in std::mem::take(&mut self.open) {
            if !streams.contains(&stream) {
                self.close(row, &found)?;
                continue;
            }
            let file = SlabFile::open(&*self.volume.disk, &row.path)?;
            let writer = SlabWriter::resume(&found, row.len);
            self.looked_at.push(row.clone());
            self.catalog.insert(row);
            resume.push(Resume { stream, writer, file });
        }
        Ok(resume)
    }

    /// The chain that the next slab of every stream goes on with, and the wear of the newest slab.
    fn chains(&mut self, streams: &[StreamId], resume: &[Resume]) -> HashMap<StreamId, Hash> {
        let mut chains: HashMap<StreamId, Hash> = HashMap::new();
        for stream in streams.iter().filter(|s| resume.iter().all(|r| r.stream != **s)) {
            let newest = self.catalog.rows().filter(|r| r.stream == *stream && !r.is_thin);
            let Some(row) = newest.max_by_key(|r| r.generation) else { continue };
            let found = SlabFile::open(&*self.volume.disk, &row.path)
                .and_then(|file| scan::scan(&file, u64::from(row.len), Depth::Heads));
            if let Ok(Some(found)) = found {
                chains.insert(stream.clone(), found.chain.0);
                if found.slab.wear.written > self.wear.written {
                    self.wear = found.slab.wear;
                }
            }
        }
        chains
    }
}

/// When a slab begins whose name says otherwise.
fn named_as(path: &str, found: &Scanned) -> Option<Wall> {
    let first = found.records.iter().find(|r| r.head.kind == Kind::Fragment);
    let start = first.map_or(found.slab.begun.wall, |r| r.head.wall);
    let right = name::slab_path(&found.slab.camera, found.slab.stream, start, 0);
    let stem = |p: &str| p.trim_end_matches(".mp4").split('_').next().map(str::to_string);
    (stem(path) != stem(&right)).then_some(start)
}

/// The length that a slab file of `len` bytes must have had.
fn whole_len(len: u64) -> u64 {
    len.next_power_of_two().clamp(*SLABS.start(), *SLABS.end())
}

/// Two slabs may hold the same moments when a write failed and was repeated elsewhere: the later slab has them.
fn clip_overlaps(catalog: &mut Catalog) {
    let mut rows: Vec<SlabRow> = catalog.rows().cloned().collect();
    rows.sort_by(|a, b| (&a.stream, a.start()).cmp(&(&b.stream, b.start())));
    for pair in rows.windows(2) {
        let (row, next) = (&pair[0], &pair[1]);
        let Some(limit) = next.start().filter(|s| row.stream == next.stream && row.end() > Some(*s)) else {
            continue;
        };
        tracing::warn!(slab = row.path, "overlaps the next; the next one's footage counts");
        let mut clipped = row.clone();
        clipped.spans.retain(|s| s.0 < limit);
        if let Some(last) = clipped.spans.last_mut() {
            last.1 = last.1.min(limit);
        }
        catalog.insert(clipped);
    }
}

/// Makes the gap records fit the footage: none lies over it, and a hole that they do not tell of was a power cut, whose
/// record did not reach the card.
pub(super) fn explain_holes(
    catalog: &Catalog,
    index: &Index,
    streams: &[StreamId],
) -> Result<(), StorageError> {
    for stream in streams {
        let spans = catalog.coverage(stream, Wall(0), Wall(i64::MAX));
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { continue };
        for gap in index.gaps(stream, first.0, last.1) {
            let to = gap.to.unwrap_or(last.1);
            // from the end of the footage that it begins in, to the begin of the next
            let from = spans.iter().find(|s| s.0 <= gap.from && s.1 > gap.from).map_or(gap.from, |s| s.1);
            let next = spans.iter().find(|s| s.0 > from).map_or(to, |s| s.0.min(to));
            if (from, next) != (gap.from, to) {
                index.remove_gap(&gap)?;
                if from < next && index.gap_at(stream, from).is_none() {
                    index.put_gap(&Gap { from, to: Some(next), ..gap })?;
                }
            }
        }
        for pair in spans.windows(2) {
            let (mut from, to) = (pair[0].1, pair[1].0);
            for gap in index.gaps(stream, from, to) {
                if gap.from - from >= HOLE_US {
                    break;
                }
                from = from.max(gap.to.unwrap_or(to));
            }
            if to - from >= HOLE_US || (from == pair[0].1 && to > from) {
                let (camera, kind) = stream.clone();
                index.put_gap(&Gap {
                    camera,
                    stream: kind,
                    from,
                    to: Some(to),
                    cause: GapCause::PowerCut,
                })?;
            }
        }
    }
    Ok(())
}

/// Paths of all slabs, below the storage folder.
pub(super) fn slab_paths(disk: &dyn Disk, root: &Path) -> Result<Vec<String>, StorageError> {
    let mut folders = vec![(String::new(), 0)];
    let mut found = Vec::new();
    while let Some((here, depth)) = folders.pop() {
        let entries = match disk.list(&here) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && depth > 0 => continue, // its last file went meanwhile
            entries => io_at("list", root.join(&here), entries)?,
        };
        for entry in entries {
            let below = if here.is_empty() { entry.name } else { format!("{here}/{}", entry.name) };
            if entry.is_dir && depth < 3 && below != name::PRIVATE_DIR {
                folders.push((below, depth + 1));
            } else if name::parse(&below).is_some() {
                found.push(below);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A row for a slab as it was scanned.
pub(super) fn row_of(path: String, found: &Scanned, len: u32) -> SlabRow {
    let fragments = found.records.iter().filter(|r| r.head.kind == Kind::Fragment);
    SlabRow {
        generation: found.generation,
        stream: (found.slab.camera.clone(), found.slab.stream),
        path,
        spans: found.spans(JOIN_US),
        used: found.end as u32,
        len,
        flags: fragments.fold(Flags::default(), |all, r| all.with(r.head.flags)),
        is_sealed: found.seal.is_some(),
        is_thin: !found.slab.replaces.is_empty(),
        begun: found.slab.begun,
    }
}

/// Makes the slab end with a `free` box again.
fn heal(file: &SlabFile, path: &str, found: &Scanned, len: u64) -> Result<(), StorageError> {
    if file.len()? != len {
        file.set_len(len)?;
    } else if found.is_framed {
        return Ok(());
    }
    tracing::info!(slab = path, "closed behind its last whole record");
    file.write_at(&free_head(len.saturating_sub(found.end) as u32), found.end)
}

/// Puts the events of a slab into the index, and gives them. They were told as moved by `was_us` before.
pub(super) fn index_events(
    index: &Index,
    file: &SlabFile,
    found: &Scanned,
    was_us: i64,
) -> Result<Vec<Event>, StorageError> {
    let mut events = Vec::new();
    for record in found.records.iter().filter(|r| r.head.kind == Kind::Event) {
        let Some(row) = read_event(file, record.offset, found.generation)? else { continue };
        let here = Some((found.generation, record.offset));
        // one that was found later is on the time line of its footage
        let shift_us = if row.later.is_none_or(|later| later.moves) { found.shift_us } else { 0 };
        for old in [0, was_us].into_iter().filter(|old| *old != shift_us) {
            index.remove_event_at(row.event.clone().moved(old).id, here)?;
        }
        let event = row.event.moved(shift_us);
        let have = index.event(event.id);
        let record = if row.jpeg.is_empty() { have.as_ref().and_then(|h| h.record) } else { here };
        let event = match have {
            Some(have) if have.event.end.is_some() && event.end.is_none() => have.event,
            _ => event,
        };
        events.push(event.clone());
        index.put_event(&EventEntry { event, record, later: row.later, slab: Some(found.generation) })?;
    }
    Ok(events)
}

/// The event at `offset` of a slab, as written, if it is there and of this generation.
pub(super) fn read_event(
    file: &SlabFile,
    offset: u64,
    generation: u64,
) -> Result<Option<EventRow>, StorageError> {
    let Found::Whole(record) = read_record(file, offset, generation)? else { return Ok(None) };
    Ok(read_row(&record[HEAD_LEN..]))
}

/// What stands where a record was.
pub(super) enum Found {
    /// The record.
    Whole(Vec<u8>),
    /// Its head, and behind it not what was written there.
    Damaged,
    /// Something else: the slab was recycled.
    Gone,
}

/// A whole record of this generation.
pub(super) fn read_record(file: &SlabFile, offset: u64, generation: u64) -> Result<Found, StorageError> {
    let mut head = [0; HEAD_LEN];
    file.read_at(offset, &mut head)?;
    let Some(head) = RecordHead::decode(&head).filter(|h| h.generation == generation) else {
        return Ok(Found::Gone);
    };
    if u64::from(head.len) > file.len()? {
        return Ok(Found::Gone);
    }
    let mut record = vec![0; head.len as usize];
    let n = file.read_at(offset, &mut record)?;
    if n == record.len() && head.fits(&record) {
        return Ok(Found::Whole(record));
    }
    Ok(if record[..HEAD_LEN] == head.encode() { Found::Damaged } else { Found::Gone })
}
