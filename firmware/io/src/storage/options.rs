//! How a storage is to be: what the configuration says, resolved.

use super::disk::{Folder, Place};
use crate::clock;
use nightjar_record::catalog::StreamId;
use nightjar_record::{NoKey, Sign};
use nightjar_types::config::{Keep, Mode};
use nightjar_types::{Mono, Wall};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Time as the storage sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since boot.
    pub mono: Mono,
    /// As the system believes it.
    pub wall: Wall,
    /// Something that knows the time has set the wall clock.
    pub is_sure: bool,
}

/// One stream to record.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPlan {
    /// Which.
    pub id: StreamId,
    /// When.
    pub mode: Mode,
    /// Footage from before a trigger.
    pub pre_roll: Duration,
    /// Footage after it.
    pub post_roll: Duration,
    /// How long it is kept.
    pub keep: Keep,
}

impl StreamPlan {
    /// Always recorded, kept as long as there is room.
    pub fn always(id: StreamId) -> Self {
        let (pre_roll, post_roll, keep) = (Duration::ZERO, Duration::ZERO, Keep::default());
        Self { id, mode: Mode::Continuous, pre_roll, post_roll, keep }
    }
}

/// Everything that [`Storage::open`](super::Storage::open) is told.
#[derive(Clone)]
pub struct Options {
    /// Where the disk is.
    pub place: Arc<dyn Place>,
    /// Bytes reserved for footage.
    pub quota: u64,
    /// Time between two write-outs.
    pub sync: Duration,
    /// Bytes of footage that may wait for the card.
    pub memory: u64,
    /// Share of the quota that held footage may take.
    pub holds: f32,
    /// Id of the only volume that may be written.
    pub volume: Option<String>,
    /// File that remembers the volume's id from the first start on.
    pub known: Option<PathBuf>,
    /// Bytes that the card can take in its life.
    pub endurance: Option<u64>,
    /// What is recorded.
    pub streams: Vec<StreamPlan>,
    /// Signs full slabs.
    pub key: Arc<dyn Sign + Send + Sync>,
    /// The clocks.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
    /// Random id of this boot of the machine.
    pub boot: [u8; 16],
}

impl Options {
    /// A folder with a quota, everything else at its default.
    pub fn folder(path: &Path, quota: u64, streams: Vec<StreamPlan>) -> Self {
        Self {
            place: Arc::new(Folder(path.into())),
            quota,
            sync: Duration::from_millis(900),
            memory: 32 << 20,
            holds: 0.25,
            volume: None,
            known: None,
            endurance: None,
            streams,
            key: Arc::new(NoKey),
            clock: Arc::new(|| Now { mono: clock::mono(), wall: clock::wall(), is_sure: clock::is_sure() }),
            boot: clock::boot_id(),
        }
    }
}
