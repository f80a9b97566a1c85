//! The storage folder: who it is, and its slab files under their names.

use super::disk::{Disk, Place};
use super::error::{StorageError, io_at};
use super::waiting::Named;
use nightjar_record::name;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Smallest and largest slab, bytes; every slab is a power of two.
pub(super) const SLABS: std::ops::RangeInclusive<u64> = 1 << 20..=64 << 20;
/// Says which volume this is.
const MARKER: &str = ".nightjar/volume";

/// An opened and locked volume.
pub(super) struct Volume {
    pub(super) root: PathBuf,
    /// Sixteen random hexadecimal digits, made with the volume.
    pub(super) id: String,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) named: Named,
}

/// Which volume is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any; one is made where there is none.
    Any,
    /// This one and no other.
    Only(String),
}

impl Volume {
    /// Opens the volume at `place`.
    pub(super) fn open(place: &dyn Place, wanted: &Wanted) -> Result<Self, StorageError> {
        let root = place.path().to_path_buf();
        let missing = |source: io::Error| StorageError::Missing { path: root.clone(), source };
        let not_writable = |source: io::Error| match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => StorageError::ReadOnly { path: root.clone() },
            // who is in the way must be told; a disk that fails may come back
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                StorageError::NotWritable { path: root.clone(), source }
            }
            _ => StorageError::Io { what: "write", path: root.clone(), source },
        };
        let disk = place.mount().map_err(missing)?;
        let found = match disk.read_small(MARKER) {
            Ok(bytes) => Some(
                parse(&bytes)
                    .map_err(|reason| StorageError::BadVolume { path: root.join(MARKER), reason })?,
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return io_at("read", root.join(MARKER), Err(e)),
        };
        let id = match (found, wanted) {
            (Some(id), Wanted::Only(only)) if id != *only => {
                return Err(StorageError::Foreign { path: root, found: id, wanted: only.clone() });
            }
            (None, Wanted::Only(only)) => {
                return Err(StorageError::NoVolume { path: root, wanted: only.clone() });
            }
            (Some(id), _) => id,
            (None, Wanted::Any) => {
                let id = random_id();
                disk.make_dirs(name::POOL_DIR).map_err(not_writable)?;
                let text = format!("nightjar volume 2\nid {id}\n");
                disk.write_small(MARKER, text.as_bytes()).map_err(not_writable)?;
                id
            }
        };
        disk.make_dirs(name::POOL_DIR).map_err(not_writable)?;
        match disk.write_small(".nightjar/probe", b"nightjar") {
            Err(e) if e.kind() == io::ErrorKind::StorageFull => {} // other programs': ours is reserved
            other => other.map_err(not_writable)?,
        }
        disk.lock(".nightjar/lock").map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => StorageError::InUse(root.clone()),
            _ => not_writable(e),
        })?;
        Ok(Self { root, id, disk, named: Named::default() })
    }

    /// Renames a slab file. The folder of its new name is made, that of its old one goes when nothing is left in it.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let (old, new) = (name::folder_of(from), name::folder_of(to));
        if new != old {
            io_at("make", new, self.disk.make_dirs(new))?;
        }
        io_at("rename", from, self.disk.rename(from, to))?;
        if new != old {
            self.remove_folder(old);
        }
        Ok(())
    }

    /// Removes a slab file.
    pub(super) fn remove(&self, path: &str) -> Result<(), StorageError> {
        io_at("remove", path, self.disk.remove(path))?;
        self.remove_folder(name::folder_of(path));
        Ok(())
    }

    /// The folder of a day goes when it is empty; else the call fails, as it should.
    fn remove_folder(&self, folder: &str) {
        if folder != name::POOL_DIR {
            let _ = self.disk.remove_dir(folder);
        }
    }

    /// A free path for a slab that begins at `start`.
    pub(super) fn free_path(
        &self,
        stream: &nightjar_record::catalog::StreamId,
        start: nightjar_types::Wall,
    ) -> String {
        let path = |again| name::slab_path(&stream.0, stream.1, start, again);
        (0..)
            .map(path)
            .find(|p| !self.disk.exists(p))
            .expect("a folder has fewer files than there are numbers")
    }
}

fn random_id() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A slab has so many bytes.
pub(super) fn is_whole(len: u64) -> bool {
    SLABS.contains(&len) && len.is_power_of_two()
}

pub(super) fn parse(bytes: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    if lines.next() != Some("nightjar volume 2") {
        return Err("the first line is not \"nightjar volume 2\"".into());
    }
    let id = lines.next().and_then(|l| l.strip_prefix("id ")).map(str::trim).unwrap_or_default();
    if id.len() != 16 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("the line \"id …\" with 16 hexadecimal digits is missing".into());
    }
    Ok(id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::super::disk::Folder;
    use super::*;

    #[test]
    fn a_second_recorder_is_refused_and_a_foreign_marker_named() {
        let dir = tempfile::tempdir().unwrap();
        let place = Folder(dir.path().into());
        let volume = Volume::open(&place, &Wanted::Any).unwrap();
        assert!(matches!(Volume::open(&place, &Wanted::Any), Err(StorageError::InUse(_))));
        let id = volume.id.clone();
        drop(volume);
        drop(Volume::open(&place, &Wanted::Only(id.clone())).unwrap());
        let other = Wanted::Only("0123456789abcdef".into());
        assert!(
            matches!(Volume::open(&place, &other), Err(StorageError::Foreign { found, .. }) if found == id)
        );
        std::fs::write(dir.path().join(MARKER), "something else").unwrap();
        assert!(matches!(Volume::open(&place, &Wanted::Any), Err(StorageError::BadVolume { .. })));
    }

    #[test]
    fn a_wanted_volume_is_never_made_where_it_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let place = Folder(dir.path().into());
        let only = Wanted::Only("0123456789abcdef".into());
        assert!(matches!(Volume::open(&place, &only), Err(StorageError::NoVolume { .. })));
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "nothing was written below the mount point"
        );
    }
}
