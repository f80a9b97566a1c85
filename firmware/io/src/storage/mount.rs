//! A disk that is there → a mounted volume and what is on it; or why not.

use super::error::{StorageError, io_at};
use super::index::Index;
use super::recover::{self, Recovered};
use super::shelf::{Mounted, Shelf};
use super::volume::{Volume, Wanted};
use nightjar_record::hold::Hold;
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
}

pub(super) fn mount(shelf: &Shelf) -> Result<Found, StorageError> {
    let options = &shelf.options;
    let known = options.known.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let wanted = options.volume.clone().or(known.map(|id| id.trim().to_string()));
    let wanted = wanted.map_or(Wanted::Any, Wanted::Only);
    if wanted == Wanted::Any {
        options.place.prepare().map_err(|source| StorageError::NotWritable {
            path: options.place.path().into(),
            source,
        })?;
    }
    let volume = Volume::open(&*options.place, &wanted)?;
    if let Some(file) = options.known.as_ref().filter(|_| wanted == Wanted::Any) {
        io_at("write", file, std::fs::write(file, &volume.id))?;
    }
    let opens = volume.disk.read_small(OPENS).ok().and_then(|b| String::from_utf8(b).ok()?.trim().parse().ok());
    let opens: u64 = opens.unwrap_or_default();
    let index = Index::open(&volume.disk.real_path(".nightjar/index"), &volume.id, opens)?;
    io_at("write", OPENS, volume.disk.write_small(OPENS, format!("{}\n", opens + 1).as_bytes()))?;
    let streams: Vec<_> = options.streams.iter().map(|s| s.id.clone()).collect();
    let mut recovered = recover::recover(&volume, &index, &streams, &*options.key)?;
    recovered.catalog.set_holds(read_holds(&volume));
    if cfg!(debug_assertions) {
        recovered.catalog.check_invariants();
    }
    let was_clean = index.take_clean();
    index.flush()?;
    let next_number = AtomicU64::new(recovered.next_number);
    Ok(Found { mounted: Mounted { volume, index, next_number }, recovered, was_clean })
}

fn read_holds(volume: &Volume) -> Vec<Hold> {
    let Ok(bytes) = volume.disk.read_small(HOLDS) else { return Vec::new() };
    serde_json::from_slice(&bytes).unwrap_or_else(|e| {
        tracing::error!(error = %e, "{HOLDS} cannot be read: nothing is held; restore the file from a copy");
        Vec::new()
    })
}
