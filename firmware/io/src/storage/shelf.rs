//! What is shared between the writer, the write-outs and those who read footage: catalog, index, open gaps, state, counters.

use super::error::StorageError;
use super::index::Index;
use super::options::Options;
use super::queue::Queue;
use super::slab_file::SlabFile;
use super::volume::Volume;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::Wear;
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Catalog, RecordHead, SlabRow};
use nightjar_types::{Gap, GapCause, Wall};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// What the storage counted since its start.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) payload: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) slowest_us: AtomicU32,
    pub(super) faults: AtomicU64,
    pub(super) damaged: AtomicU64,
}

impl Stats {
    pub(super) fn wrote(&self, bytes: u64, payload: u64, took: Duration) {
        self.written.fetch_add(bytes, Relaxed);
        self.payload.fetch_add(payload, Relaxed);
        self.slowest_us.fetch_max(took.as_micros().min(u128::from(u32::MAX)) as u32, Relaxed);
    }
}

/// A volume with its index, as long as its disk is there.
pub(super) struct Mounted {
    pub(super) volume: Volume,
    pub(super) index: Index,
    /// Number of the next waiting slab.
    pub(super) next_number: AtomicU64,
}

impl Mounted {
    pub(super) fn fresh_number(&self) -> u64 {
        self.next_number.fetch_add(1, Relaxed)
    }
}

/// Footage that was deleted: of one stream, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Whose.
    pub stream: StreamId,
    /// First moment.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
    /// Why, in words.
    pub why: String,
}

/// Deletions that may wait to be told; older ones of the same stream and reason are joined anyway.
const MAX_DELETIONS: usize = 256;
/// Damaged records that are told of; more are a card to be thrown away.
const MAX_DAMAGED: usize = 4_096;

pub(super) struct Shelf {
    pub(super) options: Options,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Stats,
    /// Bytes that are to be reserved for footage, as configured.
    pub(super) wanted: AtomicU64,
    /// … and as far as the disk has room.
    pub(super) quota: AtomicU64,
    /// Id of the volume that was mounted first.
    pub(super) volume: OnceLock<String>,
    /// Beats that were written and are not written out yet.
    pub(super) ahead: AtomicU32,
    /// Rises after each write-out of footage, whether the index was due or not.
    pub(super) synced: AtomicU64,
    /// Rises after each write-out of footage and index.
    pub(super) epoch: AtomicU64,
    /// The index holds something that is not written out.
    pub(super) is_index_dirty: AtomicBool,
    /// … and that must not wait.
    pub(super) is_index_urgent: AtomicBool,
    /// When the index may be written out next, µs since boot.
    pub(super) flush_at: AtomicU64,
    /// A write-out failed: the disk is not to be trusted.
    pub(super) is_doubtful: AtomicBool,
    /// Slabs that downloads keep from being recycled, counted once for each.
    pub(super) pinned: AtomicU32,
    /// Who holds it changes the holds: one at a time.
    pub(super) holding: Mutex<()>,
    wear: Mutex<Wear>,
    mounted: RwLock<Option<Arc<Mounted>>>,
    catalog: RwLock<Catalog>,
    open_gaps: Mutex<Vec<Option<Gap>>>,
    error: Mutex<Option<(&'static str, String)>>,
    /// Why the pool cannot be as large as the quota, for as long as that lasts.
    short: Mutex<Option<String>>,
    deletions: Mutex<Vec<Deletion>>,
    /// Damaged records that were met: generation and offset.
    damaged: Mutex<BTreeSet<(u64, u64)>>,
    has_error: AtomicBool,
}

impl Shelf {
    pub(super) fn new(options: Options) -> Self {
        Self {
            queue: Arc::new(Queue::new(options.memory)),
            stats: Stats::default(),
            wanted: AtomicU64::new(options.quota),
            quota: AtomicU64::new(options.quota),
            volume: OnceLock::new(),
            ahead: AtomicU32::new(0),
            synced: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            is_index_dirty: AtomicBool::new(false),
            is_index_urgent: AtomicBool::new(false),
            flush_at: AtomicU64::new(0),
            is_doubtful: AtomicBool::new(false),
            pinned: AtomicU32::new(0),
            holding: Mutex::new(()),
            wear: Mutex::default(),
            mounted: RwLock::new(None),
            catalog: RwLock::default(),
            open_gaps: Mutex::new(vec![None; options.streams.len()]),
            error: Mutex::new(None),
            short: Mutex::new(None),
            deletions: Mutex::default(),
            damaged: Mutex::default(),
            has_error: AtomicBool::new(false),
            options,
        }
    }

    /// The volume, if its disk is there.
    pub(super) fn mounted(&self) -> Result<Arc<Mounted>, StorageError> {
        let mounted = self.mounted.read().unwrap_or_else(PoisonError::into_inner);
        mounted.clone().ok_or(StorageError::Offline)
    }

    /// A disk came, or went. Its catalog stays when it goes: it says what will be there again.
    pub(super) fn set_mounted(&self, mounted: Option<Arc<Mounted>>) {
        *self.mounted.write().unwrap_or_else(PoisonError::into_inner) = mounted;
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn gaps(&self) -> MutexGuard<'_, Vec<Option<Gap>>> {
        self.open_gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open_gap(&self, stream: usize, gap: Option<Gap>) {
        if let Some(slot) = self.gaps().get_mut(stream) {
            *slot = gap;
        }
    }

    /// The stream's open gap.
    pub(super) fn lasting_gap(&self, stream: usize) -> Option<Gap> {
        self.gaps().get(stream).cloned().flatten()
    }

    /// Why the stream's open gap lasts.
    pub(super) fn lasting_cause(&self, stream: usize) -> Option<GapCause> {
        self.gaps().get(stream)?.as_ref().map(|gap| gap.cause)
    }

    /// Gaps that last.
    pub(super) fn lasting_gaps(&self) -> Vec<Gap> {
        self.gaps().iter().flatten().cloned().collect()
    }

    /// State and newest error, until a write succeeds again.
    pub(super) fn error(&self) -> Option<(&'static str, String)> {
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        error.or_else(|| Some(("full", self.short.lock().unwrap_or_else(PoisonError::into_inner).clone()?)))
    }

    /// Other programs have filled the disk: recording goes on in fewer slabs. `None`: it does not lack room any more.
    pub(super) fn set_short(&self, why: Option<&StorageError>) {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        match (why, short.is_some()) {
            (Some(e), false) => {
                self.stats.faults.fetch_add(1, Relaxed);
                tracing::error!(error = %e, "the disk is full: fewer slabs than the quota allows");
            }
            (None, true) => tracing::info!("the disk has room again"),
            _ => {}
        }
        *short = why.map(StorageError::to_string);
    }

    pub(super) fn failed(&self, e: &StorageError) {
        self.stats.faults.fetch_add(1, Relaxed);
        let (state, words) = (e.state(), e.to_string());
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.as_ref().is_none_or(|(was, _)| *was != state) {
            tracing::error!(state, error = words, "the storage failed");
        }
        *error = Some((state, words));
        self.has_error.store(true, Relaxed);
    }

    pub(super) fn recovered(&self) {
        if self.has_error.swap(false, Relaxed) {
            tracing::info!("the storage takes footage again");
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// As [`index`](Self::index), written out with the next beat: what a kill must not forget.
    pub(super) fn index_soon(&self, change: impl FnOnce(&Index) -> Result<(), StorageError>) {
        self.is_index_urgent.store(true, Relaxed);
        self.index(change);
    }

    /// The index is a cache: a failure costs a scan at the next start.
    pub(super) fn index(&self, change: impl FnOnce(&Index) -> Result<(), StorageError>) {
        let Ok(mounted) = self.mounted() else { return };
        self.is_index_dirty.store(true, Relaxed);
        if let Err(e) = change(&mounted.index) {
            self.failed(&e);
        }
    }

    /// A slab's footage is gone: its row, and events and gaps that lie before the oldest footage of its stream.
    pub(super) fn forget(&self, row: &SlabRow, why: &str) {
        let oldest = self.catalog().oldest(Some(&row.stream)).or(row.end()).unwrap_or_default();
        // events are the camera's: they stay as long as any of its streams shows them
        let of_camera =
            self.catalog().rows().filter(|r| r.stream.0 == row.stream.0).filter_map(SlabRow::start).min();
        self.index(|index| {
            index.remove_slab(row.generation)?;
            // older footage of another worth or size stays: then there is a hole from now on
            let hole = row.start().zip(row.end()).filter(|(from, _)| oldest < *from);
            if let Some((from, to)) = hole {
                let (camera, stream) = row.stream.clone();
                index.put_gap(&Gap { camera, stream, from, to: Some(to), cause: GapCause::Lost })?;
            }
            index.forget_before(&row.stream, oldest, of_camera.unwrap_or(oldest))
        });
        self.tell_deletion(row, why);
    }

    /// The record at `offset` of a slab is not what was written there: counted and told once, and no footage any more.
    pub(super) fn found_damaged(&self, file: &SlabFile, generation: u64, offset: u64) {
        let is_news = {
            let mut known = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
            known.len() < MAX_DAMAGED && known.insert((generation, offset))
        };
        if !is_news {
            return;
        }
        self.stats.damaged.fetch_add(1, Relaxed);
        let found = file.len().and_then(|len| scan::scan(file, len, Depth::Heads)).ok().flatten();
        let found = found.filter(|found| found.generation == generation);
        let record = found.and_then(|found| found.records.into_iter().find(|r| r.offset == offset));
        let Some(RecordHead { wall: from, duration_us, .. }) = record.map(|r| r.head) else { return };
        let to = from.plus_micros(i64::from(duration_us));
        tracing::error!(generation, offset, %from, "a fragment is damaged: the card loses bits");
        let row = self.catalog_mut().lost(generation, from, to).cloned();
        let Some(row) = row else { return };
        let (camera, stream) = row.stream.clone();
        self.index(|index| {
            index.put_gap(&Gap { camera, stream, from, to: Some(to), cause: GapCause::Lost })?;
            // one that the index does not vouch for yet is put there when it does
            if index.slab(generation).is_some_and(|known| known.is_sealed) {
                index.put_slab(&row)
            } else {
                Ok(())
            }
        });
    }

    /// For the audit.
    pub(super) fn tell_deletion(&self, row: &SlabRow, why: &str) {
        tracing::info!(slab = row.path, why, "deleted");
        let (Some(from), Some(to)) = (row.start(), row.end()) else { return };
        let mut deletions = self.deletions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(d) = deletions.iter_mut().find(|d| d.stream == row.stream && d.why == why) {
            (d.from, d.to) = (d.from.min(from), d.to.max(to));
        } else if deletions.len() < MAX_DELETIONS {
            deletions.push(Deletion { stream: row.stream.clone(), from, to, why: why.into() });
        }
    }

    /// What was deleted since this was asked last.
    pub(super) fn take_deletions(&self) -> Vec<Deletion> {
        std::mem::take(&mut self.deletions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The card's life before this start.
    pub(super) fn set_wear(&self, wear: Wear) {
        *self.wear.lock().unwrap_or_else(PoisonError::into_inner) = wear;
    }

    /// The card's life up to now.
    pub(super) fn wear(&self) -> Wear {
        let base = *self.wear.lock().unwrap_or_else(PoisonError::into_inner);
        Wear {
            written: base.written + self.stats.written.load(Relaxed),
            payload: base.payload + self.stats.payload.load(Relaxed),
        }
    }
}
