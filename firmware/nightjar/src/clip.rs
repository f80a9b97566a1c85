//! A [`Clip`] of the library → an [`Export`] of the web, read off the async threads.

use bytes::Bytes;
use nightjar_api::desk::BoxFuture;
use nightjar_api::{DeskError, Export};
use nightjar_io::storage::{Clip, StreamId};
use nightjar_types::{Mono, Wall};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Clips kept at a time.
const MAX_KEPT: usize = 8;
/// How long after its last use.
const KEEP: Duration = Duration::from_secs(30);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) stream: StreamId,
    pub(crate) from: Wall,
    pub(crate) to: Wall,
}

/// Clips in use. A player asks for one file in many ranges: they must come from one plan, although footage is added to
/// the end of its time range meanwhile.
#[derive(Default)]
pub(crate) struct Clips {
    kept: Mutex<Vec<(Asked, Mono, Arc<ClipExport>)>>,
}

impl Clips {
    pub(crate) fn find(&self, asked: &Asked, now: Mono) -> Option<Arc<ClipExport>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, used, _)| now.since(*used) < KEEP);
        let (_, used, clip) = kept.iter_mut().find(|(a, ..)| a == asked)?;
        *used = now;
        Some(clip.clone())
    }

    pub(crate) fn keep(&self, asked: Asked, now: Mono, clip: Arc<ClipExport>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            let oldest = kept.iter().enumerate().min_by_key(|(_, (_, used, _))| *used).map(|(n, _)| n);
            oldest.map(|n| kept.swap_remove(n));
        }
        kept.push((asked, now, clip));
    }
}

/// One clip on its way out.
pub(crate) struct ClipExport {
    clip: Arc<Clip>,
    name: String,
}

impl ClipExport {
    pub(crate) fn new(clip: Clip, camera: &str) -> Self {
        let start = clip.span().0.to_string().replace(':', "-");
        Self { clip: Arc::new(clip), name: format!("{camera}-{start}.mp4") }
    }
}

impl Export for ClipExport {
    fn len(&self) -> u64 {
        self.clip.len()
    }

    fn start(&self) -> Wall {
        self.clip.span().0
    }

    fn etag(&self) -> String {
        let (from, to) = self.clip.span();
        format!("{:x}-{:x}-{:x}", from.0, to.0, self.clip.len())
    }

    fn file_name(&self) -> String {
        self.name.clone()
    }

    fn read(&self, offset: u64, max: usize) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let clip = self.clip.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || clip.read(offset, max)).await {
                Ok(Ok(Some(bytes))) => Ok(bytes),
                Ok(Ok(None)) => Err(DeskError::Storage("the footage was recycled while it was read".into())),
                Ok(Err(e)) => Err(DeskError::Storage(e.to_string())),
                Err(e) => Err(DeskError::Storage(e.to_string())),
            }
        })
    }
}
