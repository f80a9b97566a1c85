//! A disk that is there → a mounted volume and what is on it; or why not.

use super::error::{StorageError, io_at};
use super::index::Index;
use super::recover::{self, Recovered};
use super::restamp::{CLOCKS, ToldClock};
use super::shelf::{Mounted, Shelf};
use super::volume::{Volume, Wanted};
use nightjar_record::hold::Hold;
use serde::de::DeserializeOwned;
use std::io;
use std::sync::atomic::AtomicU64;

/// Held ranges, as JSON.
pub(super) const HOLDS: &str = ".nightjar/holds.json";
/// How often the volume was opened: an index that counted otherwise is not its newest.
const OPENS: &str = ".nightjar/opens";

/// What a mount gives beside the volume.
pub(super) struct Found {
    pub(super) mounted: Mounted,
    pub(super) recovered: Recovered,
    /// The last recorder stopped on purpose.
    pub(super) was_clean: bool,
    /// What was found out about the clocks of boots.
    pub(super) clocks: Vec<ToldClock>,
}

pub(super) fn mount(shelf: &Shelf) -> Result<Found, StorageError> {
    let options = &shelf.options;
    // an empty file is what a power cut leaves of a first start
    let known = options.known.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let known = known.map(|id| id.trim().to_string()).filter(|id| !id.is_empty());
    // the volume that this recorder has begun with is the one that it waits for
    let was = shelf.volume.get().cloned();
    let wanted = options.volume.clone().or(was).or(known);
    let wanted = wanted.map_or(Wanted::Any, Wanted::Only);
    if wanted == Wanted::Any {
        options.place.prepare().map_err(|source| {
            let path = options.place.path().into();
            match source.kind() {
                // what it is to be made in can't be written: the disk that holds it is not mounted there
                io::ErrorKind::ReadOnlyFilesystem => StorageError::Missing { path, source },
                _ => StorageError::NotWritable { path, source },
            }
        })?;
    }
    let volume = Volume::open(&*options.place, &wanted)?;
    if let Some(file) = options.known.as_ref().filter(|_| wanted == Wanted::Any) {
        io_at(
            "write",
            file,
            std::fs::write(file, &volume.id).and_then(|()| std::fs::File::open(file)?.sync_all()),
        )?;
    }
    let _ = shelf.volume.set(volume.id.clone()); // at a later mount it is the same
    let holds = read_holds(&volume)?;
    let clocks = read_json(&volume, CLOCKS)?.unwrap_or_default();
    let opens = read_small(&volume, OPENS)?.and_then(|b| String::from_utf8(b).ok()?.trim().parse().ok());
    let opens: u64 = opens.unwrap_or_default();
    let index = Index::open(&volume.disk.real_path(".nightjar/index"), &volume.id, opens)?;
    match volume.disk.write_small(OPENS, format!("{}\n", opens + 1).as_bytes()) {
        Err(e) if e.kind() == io::ErrorKind::StorageFull => {} // other programs': ours is reserved
        other => io_at("write", OPENS, other)?,
    }
    let streams: Vec<_> = options.streams.iter().map(|s| s.id.clone()).collect();
    let mut recovered = recover::recover(&volume, &index, &streams, &*options.key)?;
    recovered.catalog.set_holds(holds);
    if cfg!(debug_assertions) {
        recovered.catalog.check_invariants();
    }
    let was_clean = index.take_clean();
    // what was found in the page cache of a killed recorder is now where the next one may rely on it
    io_at("write out", &volume.root, volume.disk.sync())?;
    recovered.looked_at.drain(..).try_for_each(|row| index.put_slab(&row))?;
    index.flush()?;
    let next_number = AtomicU64::new(recovered.next_number);
    Ok(Found { mounted: Mounted { volume, index, next_number }, recovered, was_clean, clocks })
}

/// A small file. `None` when there is none; that it cannot be read is a fault.
fn read_small(volume: &Volume, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
    match volume.disk.read_small(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => io_at("read", path, other).map(Some),
    }
}

fn read_json<T: DeserializeOwned>(volume: &Volume, path: &str) -> Result<Option<T>, StorageError> {
    let Some(bytes) = read_small(volume, path)? else { return Ok(None) };
    let read = serde_json::from_slice(&bytes);
    Ok(read
        .inspect_err(|e| tracing::error!(error = %e, "{path} is not what it was; restore it from a copy"))
        .ok())
}

fn read_holds(volume: &Volume) -> Result<Vec<Hold>, StorageError> {
    Ok(read_json(volume, HOLDS)?.unwrap_or_default())
}
