//! A [`Clip`] of the library → an [`Export`] of the web, read off the async threads.

use nightjar_api::desk::BoxFuture;
use nightjar_api::{DeskError, Export};
use nightjar_io::storage::Clip;
use bytes::Bytes;
use std::sync::Arc;

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
