//! Footage in, the card out, and back: opens a volume, writes all streams from one thread, answers what there is.

mod archive;
mod card;
pub mod check;
mod clips;
pub mod disk;
mod error;
mod index;
mod keeping;
mod life;
mod mount;
mod options;
mod queue;
mod read;
mod recover;
mod restamp;
mod ring;
mod shelf;
mod slab_file;
mod slabs;
mod smart;
mod stream;
mod thin;
mod volume;
mod waiting;

pub use archive::{Archive, Coded, Group, Part};
pub use clips::{Clip, Extras, Film};
pub use error::StorageError;
pub use keeping::{CardLife, Held, HoldFault};
pub use life::Registers;
pub use nightjar_record::catalog::StreamId;
pub use nightjar_record::timelapse::Pace;
pub use nightjar_record::{Hold, Trigger};
pub use options::{Now, Options, StreamPlan};
pub use queue::{CardSender, EventSender};
pub use read::{KeyPicture, Library, ReadBack};
pub use shelf::Deletion;

use crate::beat::Beat;
use shelf::Shelf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The index is written out this often at most: every time costs pages of the card whatever is in it.
const INDEX_EVERY: Duration = Duration::from_secs(5);

/// A running storage.
pub struct Storage {
    shelf: Arc<Shelf>,
    writer: Option<JoinHandle<()>>,
    syncer: Option<JoinHandle<()>>,
}

impl Storage {
    /// Opens or makes the volume and starts to write. Where its disk is missing, another or read-only, that is a state and
    /// an alarm, and recording begins when the right one comes; what only a person can mend is an error.
    pub fn open(options: Options) -> Result<Self, StorageError> {
        let path = options.place.path().to_path_buf();
        let Stepped { shelf, card, rings } = Stepped::open(options)?;
        let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(run);
            error::io_at("start the thread for", &path, thread)
        };
        let writer = start("card", Box::new(move || card.run()))?;
        let of_syncer = shelf.clone();
        let syncer = start("card-sync", Box::new(move || run_sync(&of_syncer, &rings)))?;
        Ok(Self { shelf, writer: Some(writer), syncer: Some(syncer) })
    }

    /// The way to the card for stream `n` of those in the options.
    pub fn sender(&self, n: usize) -> CardSender {
        CardSender::new(self.shelf.queue.clone(), n as u16)
    }

    /// The beat in which cameras are to be read, so that what has arrived is here when the card writes.
    pub fn reading(&self) -> Arc<Beat> {
        self.shelf.queue.reading.clone()
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
        for thread in [self.writer.take(), self.syncer.take()].into_iter().flatten() {
            let _ = thread.join(); // a panic there is already printed; what reached the card is found at the next start
        }
        self.shelf.mounted()?.index.set_clean()
    }
}

/// A storage without its threads: who holds it says when a beat is and when a write-out. [`Storage`] is this with threads;
/// simulations drive it by hand.
pub struct Stepped {
    shelf: Arc<Shelf>,
    card: card::Card,
    rings: Receiver<()>,
}

impl Stepped {
    /// As [`Storage::open`].
    pub fn open(options: Options) -> Result<Self, StorageError> {
        let shelf = Arc::new(Shelf::new(options));
        let (bell, rings) = sync_channel(1);
        let mut card = card::Card::new(shelf.clone(), bell);
        if let Err(e) = card.mount() {
            if !e.is_passing() {
                return Err(e);
            }
            let now = (shelf.options.clock)();
            card.unmount(&e, &now);
        }
        Ok(Self { shelf, card, rings })
    }

    /// As [`Storage::sender`].
    pub fn sender(&self, n: usize) -> CardSender {
        CardSender::new(self.shelf.queue.clone(), n as u16)
    }

    /// As [`Storage::library`].
    pub fn library(&self) -> Library {
        Library::new(self.shelf.clone())
    }

    /// As [`Storage::events`].
    pub fn events(&self) -> EventSender {
        EventSender::new(self.shelf.queue.clone())
    }

    /// Writes what has come in.
    pub fn beat(&mut self) {
        self.card.beat(false);
    }

    /// Makes it durable, if there is something.
    pub fn write_out(&mut self) {
        if self.rings.try_recv().is_ok() {
            write_out(&self.shelf, false);
        }
    }

    /// Panics when the catalog contradicts itself.
    pub fn check_invariants(&self) {
        self.shelf.catalog().check_invariants();
    }

    /// As [`Storage::stop`].
    pub fn stop(mut self) -> Result<(), StorageError> {
        self.card.beat(true);
        write_out(&self.shelf, true);
        self.shelf.mounted()?.index.set_clean()
    }
}

/// One write-out for all streams of the volume each time the bell rings, and a last one when its rope is gone.
fn run_sync(shelf: &Shelf, rings: &Receiver<()>) {
    loop {
        let is_last = rings.recv().is_err();
        write_out(shelf, is_last);
        if is_last {
            return;
        }
    }
}

/// Footage first, then the index: so a row never speaks of footage that is not there.
fn write_out(shelf: &Shelf, is_last: bool) {
    let Ok(mounted) = shelf.mounted() else { return };
    let beats = shelf.ahead.load(Relaxed);
    let now = (shelf.options.clock)().mono;
    let is_due =
        is_last || now.0 >= shelf.flush_at.load(Relaxed) || shelf.is_index_urgent.swap(false, Relaxed);
    let was_dirty = shelf.is_index_dirty.swap(false, Relaxed);
    let is_dirty = was_dirty && is_due;
    let synced = error::io_at("write out", &mounted.volume.root, mounted.volume.disk.sync());
    if synced.is_ok() {
        shelf.synced.fetch_add(1, Relaxed);
    }
    let done = synced.and_then(|()| if is_dirty { mounted.index.flush() } else { Ok(()) });
    match done {
        Ok(()) if was_dirty && !is_due => shelf.is_index_dirty.store(true, Relaxed), // later, with more
        Ok(()) => {
            if is_dirty {
                shelf.flush_at.store((now + INDEX_EVERY).0, Relaxed);
            }
            shelf.epoch.fetch_add(1, Relaxed);
        }
        Err(e) => {
            shelf.failed(&e);
            shelf.is_index_dirty.store(true, Relaxed);
            shelf.is_doubtful.store(matches!(e, StorageError::Io { .. }), Relaxed);
        }
    }
    let _ = shelf.ahead.fetch_update(Relaxed, Relaxed, |ahead| Some(ahead.saturating_sub(beats)));
}
