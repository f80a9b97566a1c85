//! Footage in, the card out, and back: opens a volume, writes all streams from one thread, answers what there is.

mod card;
mod error;
mod index;
mod queue;
mod read;
mod recover;
mod shelf;
mod slab_file;
mod volume;

pub use error::StorageError;
pub use nightjar_record::catalog::StreamId;
pub use queue::{CardSender, EventSender};
pub use read::{Clip, KeyPicture, Library};

use nightjar_record::name;
use shelf::Shelf;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running volume.
pub struct Storage {
    shelf: Arc<Shelf>,
    writer: Option<JoinHandle<()>>,
    syncer: Option<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
}

impl Storage {
    /// Opens or makes the volume at `path`, brings its pool to `quota` bytes and starts to write `streams`. `sync` is the
    /// longest time between two write-outs to the card.
    pub fn open(
        path: &Path,
        quota: u64,
        sync: Duration,
        streams: Vec<StreamId>,
    ) -> Result<Self, StorageError> {
        let volume = volume::Volume::open(path, quota)?;
        let index = index::Index::open(&volume.path(name::PRIVATE_DIR).join("index"), &volume.id)?;
        let recovered = recover::recover(&volume, &index, quota, &streams)?;
        let was_clean = index.take_clean();
        if cfg!(debug_assertions) {
            recovered.catalog.check_invariants();
        }
        let shelf = Arc::new(Shelf::new(volume, index, recovered.catalog, streams.len(), quota));
        let card = card::Card::new(shelf.clone(), streams, recovered.resume, was_clean);
        let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(run);
            error::io_at("start the thread for", path, thread)
        };
        let is_stopping = Arc::new(AtomicBool::new(false));
        let writer = start("card", Box::new(move || card.run()))?;
        let (of_syncer, stop) = (shelf.clone(), is_stopping.clone());
        let syncer = start("card-sync", Box::new(move || run_sync(&of_syncer, &stop, sync)))?;
        Ok(Self { shelf, writer: Some(writer), syncer: Some(syncer), is_stopping })
    }

    /// The way to the card for stream `n` of those given to [`open`](Self::open).
    pub fn sender(&self, n: usize) -> CardSender {
        CardSender::new(self.shelf.queue.clone(), n as u16)
    }

    /// Reads footage, gaps and events.
    pub fn library(&self) -> Library {
        Library::new(self.shelf.clone())
    }

    /// The way of events to the card.
    pub fn events(&self) -> EventSender {
        EventSender::new(self.shelf.queue.clone())
    }

    /// Writes out all that came in and closes the volume.
    pub fn stop(mut self) -> Result<(), StorageError> {
        self.shelf.queue.stop();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // a panic there is already printed; what reached the card is found at the next start
        }
        self.is_stopping.store(true, Relaxed);
        if let Some(syncer) = self.syncer.take() {
            syncer.thread().unpark();
            let _ = syncer.join(); // see above
        }
        self.shelf.index.set_clean()
    }
}

/// One write-out for all streams of the volume, once a beat, and a last one.
fn run_sync(shelf: &Shelf, is_stopping: &AtomicBool, beat: Duration) {
    loop {
        let is_last = is_stopping.load(Relaxed);
        if shelf.is_dirty.swap(false, Relaxed) {
            let written = rustix::fs::syncfs(&shelf.volume.dir).map_err(std::io::Error::from);
            if let Err(e) = error::io_at("write out", &shelf.volume.root, written) {
                shelf.failed(&e);
            }
        }
        if is_last {
            return;
        }
        std::thread::park_timeout(beat);
    }
}
