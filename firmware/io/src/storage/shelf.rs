//! What is shared between the writer and those who read footage: catalog, index, open gaps, counters.

use super::error::StorageError;
use super::index::Index;
use super::queue::Queue;
use super::volume::Volume;
use nightjar_record::{Catalog, SlabRow};
use nightjar_types::Gap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// What the storage counted since its start.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) payload: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) slowest_us: AtomicU32,
    pub(super) faults: AtomicU64,
}

impl Stats {
    pub(super) fn wrote(&self, bytes: u64, payload: u64, took: Duration) {
        self.written.fetch_add(bytes, Relaxed);
        self.payload.fetch_add(payload, Relaxed);
        self.slowest_us.fetch_max(took.as_micros().min(u128::from(u32::MAX)) as u32, Relaxed);
    }
}

pub(super) struct Shelf {
    pub(super) volume: Volume,
    pub(super) index: Index,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Stats,
    pub(super) is_dirty: AtomicBool,
    pub(super) quota: u64,
    catalog: RwLock<Catalog>,
    open_gaps: Mutex<Vec<Option<Gap>>>,
    error: Mutex<Option<String>>,
    has_error: AtomicBool,
}

impl Shelf {
    pub(super) fn new(volume: Volume, index: Index, catalog: Catalog, streams: usize, quota: u64) -> Self {
        Self {
            volume,
            index,
            queue: Arc::default(),
            stats: Stats::default(),
            is_dirty: AtomicBool::new(false),
            quota,
            catalog: RwLock::new(catalog),
            open_gaps: Mutex::new(vec![None; streams]),
            error: Mutex::new(None),
            has_error: AtomicBool::new(false),
        }
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn gaps(&self) -> std::sync::MutexGuard<'_, Vec<Option<Gap>>> {
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

    pub(super) fn has_open_gap(&self, stream: usize) -> bool {
        self.gaps().get(stream).is_some_and(Option::is_some)
    }

    /// Gaps that last.
    pub(super) fn lasting_gaps(&self) -> Vec<Gap> {
        self.gaps().iter().flatten().cloned().collect()
    }

    /// The newest write error, until a write succeeds again.
    pub(super) fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn failed(&self, e: &StorageError) {
        self.stats.faults.fetch_add(1, Relaxed);
        if !self.has_error.swap(true, Relaxed) {
            tracing::error!(error = %e, "the storage failed");
        }
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(e.to_string());
    }

    pub(super) fn recovered(&self) {
        if self.has_error.swap(false, Relaxed) {
            tracing::info!("the storage takes footage again");
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Puts a row into the index. The index is a cache: a failure costs a scan at the next start.
    pub(super) fn keep(&self, row: &SlabRow) {
        if let Err(e) = self.index.put_slab(row) {
            self.failed(&e);
        }
    }

    pub(super) fn seal(&self, generation: u64) {
        let row = self.catalog_mut().seal(generation).cloned();
        if let Some(row) = row {
            tracing::info!(slab = row.path, used = row.used, "sealed");
            self.keep(&row);
        }
    }

    /// A slab's footage is gone: its row, and events and gaps that lie before the oldest footage of its stream.
    pub(super) fn forget(&self, row: &SlabRow) {
        let oldest = self.catalog().oldest(Some(&row.stream)).or(row.end()).unwrap_or_default();
        let forgotten = self
            .index
            .remove_slab(row.generation)
            .and_then(|()| self.index.forget_before(&row.stream, oldest));
        if let Err(e) = forgotten {
            self.failed(&e);
        }
        tracing::info!(slab = row.path, "recycled: the oldest footage makes room");
    }
}
