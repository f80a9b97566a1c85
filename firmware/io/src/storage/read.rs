//! Questions about footage → answers from catalog, index and slabs. Every call may block on the disk: ask from a blocking task.

use super::error::StorageError;
use super::index::EventRow;
use super::recover::{read_event, read_record};
use super::shelf::Shelf;
use super::slab_file::SlabFile;
use bytes::Bytes;
use nightjar_record::catalog::StreamId;
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Kind, Plan, Scanned, export};
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

    /// Recorded spans of a stream in a range.
    pub fn coverage(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<(Wall, Wall)> {
        self.shelf.catalog().coverage(stream, from, to)
    }

    /// Gaps of a stream that touch a range, lasting ones included.
    pub fn gaps(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<Gap> {
        // asked before the index: a gap that ends just now is in one of the two
        let lasting = self.shelf.lasting_gaps().into_iter();
        let mut gaps = self.shelf.index.gaps(stream, from, to);
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
        let all = self.shelf.index.events(from, to, before).filter(|e| wanted(&e.event));
        all.take(limit).map(|e| (e.event, e.record.is_some())).collect()
    }

    /// One event and whether it has a picture.
    pub fn event(&self, id: EventId) -> Option<(Event, bool)> {
        self.shelf.index.event(id).map(|e| (e.event, e.record.is_some()))
    }

    /// An event's picture. `None` when there is none, or its slab was recycled.
    pub fn event_picture(&self, id: EventId) -> Result<Option<Bytes>, StorageError> {
        let Some((generation, offset)) = self.shelf.index.event(id).and_then(|e| e.record) else {
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
        let mut keys = found.records.iter().filter(|r| r.head.kind == Kind::Fragment && r.head.is_key);
        let Some(key) = keys.clone().rev().find(|r| r.head.wall <= at).or(keys.next()) else {
            return Ok(None);
        };
        let Some(record) = read_record(&file, key.offset, generation)? else { return Ok(None) };
        let picture = export::first_picture(&record).map(Bytes::copy_from_slice);
        Ok(picture.map(|data| KeyPicture { params: found.slab.params, at: key.head.wall, data }))
    }

    /// A virtual MP4 over a range. `None` when there is no footage.
    pub fn clip(&self, stream: &StreamId, from: Wall, to: Wall) -> Result<Option<Clip>, StorageError> {
        // one more slab before `from`: the key frame that shows it may stand at its end
        let generations: Vec<u64> =
            self.shelf.catalog().overlapping(stream, from, to).iter().map(|r| r.generation).collect();
        let (mut files, mut scans) = (Vec::new(), Vec::new());
        for generation in generations {
            if let Some((file, found)) = self.scan(generation)? {
                files.push((file, generation));
                scans.push(found);
            }
        }
        Ok(Plan::new(&scans, from, to).map(|plan| Clip { plan, files }))
    }

    fn open(&self, generation: u64) -> Result<Option<SlabFile>, StorageError> {
        let path = self.shelf.catalog().get(generation).map(|r| r.path.clone());
        path.map(|path| SlabFile::open(&self.shelf.volume.path(&path), false)).transpose()
    }

    fn scan(&self, generation: u64) -> Result<Option<(SlabFile, Scanned)>, StorageError> {
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
        StorageStatus {
            state: if error.is_some() {
                "failed"
            } else if slowest > SLOW {
                "slow"
            } else {
                "ok"
            },
            path: shelf.volume.root.display().to_string(),
            quota_bytes: shelf.quota,
            used_bytes: catalog.rows().map(|r| u64::from(r.used)).sum(),
            slabs: rows + free,
            free_slabs: free,
            payload_bytes: shelf.stats.payload.load(Relaxed),
            written_bytes: shelf.stats.written.load(Relaxed),
            slowest_write_ms: slowest.as_millis() as u32,
            oldest_ms: catalog.oldest(None).map(Wall::as_ms),
            error,
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
        self.push(n as u16, EventRow { event, jpeg: jpeg.unwrap_or_default() });
    }
}

/// A virtual MP4 whose slabs are held open.
pub struct Clip {
    plan: Plan,
    files: Vec<(SlabFile, u64)>,
}

impl Clip {
    /// Bytes.
    pub fn len(&self) -> u64 {
        self.plan.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
    }

    /// First and last moment.
    pub fn span(&self) -> (Wall, Wall) {
        (self.plan.start, self.plan.end)
    }

    /// At most `max` bytes from `at` on; fewer at the end of a fragment. `None` when the footage was recycled meanwhile.
    pub fn read(&self, at: u64, max: usize) -> Result<Option<Bytes>, StorageError> {
        let cut = |bytes: &[u8], from: u64| {
            let from = (from as usize).min(bytes.len());
            Bytes::copy_from_slice(&bytes[from..(from + max).min(bytes.len())])
        };
        if at < self.plan.head.len() as u64 {
            return Ok(Some(cut(&self.plan.head, at)));
        }
        let Some(part) = self.plan.part_at(at) else { return Ok(Some(Bytes::new())) };
        let Some((file, generation)) = self.files.get(part.slab as usize) else { return Ok(None) };
        let record = read_record(file, part.offset, *generation)?;
        let bytes = record.and_then(|record| self.plan.rewrite(part, record));
        Ok(bytes.map(|bytes| cut(&bytes, at - part.at)))
    }
}
