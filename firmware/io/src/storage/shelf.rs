//! What is shared between the writer, the write-outs and those who read footage: catalog, index, open gaps, state, counters.

use super::error::StorageError;
use super::index::Index;
use super::options::Options;
use super::queue::Queue;
use super::volume::Volume;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::Wear;
use nightjar_record::{Catalog, SlabRow};
use nightjar_types::{Gap, Wall};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
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

pub(super) struct Shelf {
    pub(super) options: Options,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Stats,
    pub(super) quota: AtomicU64,
    /// Beats that were written and are not written out yet.
    pub(super) ahead: AtomicU32,
    /// Rises after each write-out of footage and index.
    pub(super) epoch: AtomicU64,
    /// The index holds something that is not written out.
    pub(super) is_index_dirty: AtomicBool,
    /// A write-out failed: the disk is not to be trusted.
    pub(super) is_doubtful: AtomicBool,
    /// Slabs that downloads keep from being recycled, counted once for each.
    pub(super) pinned: AtomicU32,
    wear: Mutex<Wear>,
    mounted: RwLock<Option<Arc<Mounted>>>,
    catalog: RwLock<Catalog>,
    open_gaps: Mutex<Vec<Option<Gap>>>,
    error: Mutex<Option<(&'static str, String)>>,
    deletions: Mutex<Vec<Deletion>>,
    has_error: AtomicBool,
}

impl Shelf {
    pub(super) fn new(options: Options) -> Self {
        Self {
            queue: Arc::new(Queue::new(options.memory)),
            stats: Stats::default(),
            quota: AtomicU64::new(options.quota),
            ahead: AtomicU32::new(0),
            epoch: AtomicU64::new(0),
            is_index_dirty: AtomicBool::new(false),
            is_doubtful: AtomicBool::new(false),
            pinned: AtomicU32::new(0),
            wear: Mutex::default(),
            mounted: RwLock::new(None),
            catalog: RwLock::default(),
            open_gaps: Mutex::new(vec![None; options.streams.len()]),
            error: Mutex::new(None),
            deletions: Mutex::default(),
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

    /// Gaps that last.
    pub(super) fn lasting_gaps(&self) -> Vec<Gap> {
        self.gaps().iter().flatten().cloned().collect()
    }

    /// State and newest error, until a write succeeds again.
    pub(super) fn error(&self) -> Option<(&'static str, String)> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        self.index(|index| {
            index.remove_slab(row.generation)?;
            index.forget_before(&row.stream, oldest)
        });
        self.tell_deletion(row, why);
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
