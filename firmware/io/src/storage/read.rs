//! Questions about footage → answers from catalog, index and slabs. Every call may block on the disk: ask from a blocking task.

use super::error::StorageError;
use super::index::{EventRow, Later};
use super::recover::{Found, read_event, read_record};
use super::shelf::Shelf;
use super::slab_file::SlabFile;
use bytes::Bytes;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::Kind;
use nightjar_record::scan::{self, Depth, Record};
use nightjar_record::{Scanned, SlabRow, export};
use nightjar_types::status::StorageStatus;
use nightjar_types::{Event, EventId, Gap, StreamParams, Wall};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A write slower than this is told as "slow".
const SLOW: Duration = Duration::from_secs(2);

/// Reads a volume.
#[derive(Clone)]
pub struct Library {
    shelf: Arc<Shelf>,
}

/// What came of reading a fragment back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// There is none.
    Nothing,
    /// It is as it was written; when it was recorded.
    Whole(Wall),
    /// It is not as it was written.
    Damaged(Wall),
}

/// A key frame from the card.
#[derive(Debug, Clone)]
pub struct KeyPicture {
    /// How to decode it.
    pub params: StreamParams,
    /// When it was.
    pub at: Wall,
    /// The access unit.
    pub data: Bytes,
}

impl Library {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    pub(super) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Recorded spans of a stream in a range.
    pub fn coverage(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<(Wall, Wall)> {
        self.shelf.catalog().coverage(stream, from, to)
    }

    /// What is on the card of a stream: its slabs in the order in which they were begun.
    pub fn slabs_of(&self, stream: &StreamId) -> Vec<SlabRow> {
        self.shelf.catalog().rows().filter(|r| r.stream == *stream).cloned().collect()
    }

    /// Gaps of a stream that touch a range, lasting ones included.
    pub fn gaps(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<Gap> {
        // asked before the index: a gap that ends just now is in one of the two
        let lasting = self.shelf.lasting_gaps().into_iter();
        let mut gaps = self.shelf.mounted().map(|m| m.index.gaps(stream, from, to)).unwrap_or_default();
        for gap in lasting.filter(|g| g.camera == stream.0 && g.stream == stream.1 && g.from < to) {
            if gaps.iter().all(|known| known.from != gap.from) {
                gaps.push(gap);
            }
        }
        gaps
    }

    /// Events that began in a range, newest first, that `wanted` takes, at most `limit`.
    pub fn events(
        &self,
        from: Wall,
        to: Wall,
        before: Option<EventId>,
        limit: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Vec<(Event, bool)> {
        let Ok(mounted) = self.shelf.mounted() else { return Vec::new() };
        let all = mounted.index.events(from, to, before).filter(|e| wanted(&e.event));
        all.take(limit).map(|e| (e.event, e.record.is_some())).collect()
    }

    /// One event and whether it has a picture.
    pub fn event(&self, id: EventId) -> Option<(Event, bool)> {
        let entry = self.shelf.mounted().ok()?.index.event(id)?;
        Some((entry.event, entry.record.is_some()))
    }

    /// An event's picture. `None` when there is none, or its slab was recycled.
    pub fn event_picture(&self, id: EventId) -> Result<Option<Bytes>, StorageError> {
        let entry = self.shelf.mounted()?.index.event(id);
        let Some((generation, offset)) = entry.and_then(|e| e.record) else {
            return Ok(None);
        };
        let Some(file) = self.open(generation)? else { return Ok(None) };
        Ok(read_event(&file, offset, generation)?.map(|row| row.jpeg).filter(|jpeg| !jpeg.is_empty()))
    }

    /// The key frame at or before `at`.
    pub fn key_picture(&self, stream: &StreamId, at: Wall) -> Result<Option<KeyPicture>, StorageError> {
        let Some(generation) = self.shelf.catalog().newest_before(stream, at).map(|r| r.generation) else {
            return Ok(None);
        };
        let Some((file, found)) = self.scan(generation)? else { return Ok(None) };
        let mut keys = found.records.iter().filter(|r| r.head.is_key());
        let Some(key) = keys.clone().rev().find(|r| r.head.wall <= at).or(keys.next()) else {
            return Ok(None);
        };
        let record = match read_record(&file, key.offset, generation)? {
            Found::Whole(record) => record,
            Found::Damaged => {
                self.shelf.found_damaged(&file, generation, key.offset);
                return Ok(None);
            }
            Found::Gone => return Ok(None),
        };
        let picture = export::first_picture(&record).map(Bytes::copy_from_slice);
        Ok(picture.map(|data| KeyPicture { params: found.slab.params, at: key.head.wall, data }))
    }

    /// Reads the newest fragment that begins at or after `since` and ended before `settled`, by when it has been written out: from
    /// the disk, past the kernel's cache, and holds it against its checksum.
    pub fn read_back(&self, stream: &StreamId, since: Wall, settled: Wall) -> Result<ReadBack, StorageError> {
        let mut rows: Vec<SlabRow> =
            self.shelf.catalog().overlapping(stream, since, settled).into_iter().cloned().collect();
        rows.sort_by_key(SlabRow::start);
        for row in rows.iter().rev() {
            let Some((file, found)) = self.scan(row.generation)? else { continue };
            let is_wanted = |r: &&Record| {
                r.head.kind == Kind::Fragment && r.head.wall >= since && r.head.end() <= settled
            };
            let Some(record) = found.records.iter().rev().find(is_wanted) else { continue };
            file.forget_cached();
            return Ok(match read_record(&file, record.offset, row.generation)? {
                Found::Whole(_) => ReadBack::Whole(record.head.wall),
                Found::Damaged => ReadBack::Damaged(record.head.wall),
                Found::Gone => continue,
            });
        }
        Ok(ReadBack::Nothing)
    }

    fn open(&self, generation: u64) -> Result<Option<SlabFile>, StorageError> {
        let mounted = self.shelf.mounted()?;
        let path = self.shelf.catalog().get(generation).map(|r| r.path.clone());
        path.map(|path| SlabFile::open(&*mounted.volume.disk, &path)).transpose()
    }

    pub(super) fn scan(&self, generation: u64) -> Result<Option<(SlabFile, Scanned)>, StorageError> {
        let Some(file) = self.open(generation)? else { return Ok(None) };
        let found = scan::scan(&file, file.len()?, Depth::Heads)?.filter(|s| s.generation == generation);
        Ok(found.map(|found| (file, found)))
    }

    /// Numbers for the health page.
    pub fn status(&self) -> StorageStatus {
        let (shelf, catalog) = (&self.shelf, self.shelf.catalog());
        let (rows, free) = (catalog.rows().count() as u32, catalog.free() as u32);
        let slowest = Duration::from_micros(u64::from(shelf.stats.slowest_us.load(Relaxed)));
        let error = shelf.error();
        let quota = shelf.quota.load(Relaxed);
        StorageStatus {
            state: if let Some((state, _)) = &error {
                state
            } else if slowest > SLOW {
                "slow"
            } else {
                "ok"
            },
            path: shelf.options.place.path().display().to_string(),
            quota_bytes: quota,
            used_bytes: catalog.rows().map(|r| u64::from(r.used)).sum(),
            slabs: rows + free,
            free_slabs: free,
            payload_bytes: shelf.stats.payload.load(Relaxed),
            written_bytes: shelf.stats.written.load(Relaxed),
            slowest_write_ms: slowest.as_millis() as u32,
            oldest_ms: catalog.oldest(None).map(Wall::as_ms),
            error: error.map(|(_, words)| words),
        }
    }

    /// Begins a new minute for the slowest write.
    pub fn forget_slowest(&self) {
        self.shelf.stats.slowest_us.store(0, Relaxed);
    }

    /// Units left out because the card was too slow, and failed operations.
    pub fn counters(&self) -> (u64, u64) {
        (self.shelf.queue.dropped_units.load(Relaxed), self.shelf.stats.faults.load(Relaxed))
    }
}

impl super::EventSender {
    /// Writes an event, with its picture if it has one (JFIF bytes), into the slab of stream `n`.
    pub fn event(&self, n: usize, event: Event, jpeg: Option<Bytes>) {
        self.push(n as u16, EventRow { event, jpeg: jpeg.unwrap_or_default(), later: None });
    }

    /// Writes an event that was found at `found` in footage of before: into the slab that stream `n` writes now.
    pub fn found_later(&self, n: usize, event: Event, jpeg: Option<Bytes>, found: Wall) {
        let later = Some(Later { found, moves: false });
        self.push(n as u16, EventRow { event, jpeg: jpeg.unwrap_or_default(), later });
    }
}
