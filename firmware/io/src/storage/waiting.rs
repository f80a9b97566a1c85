//! A waiting slab's number ↔ where its file lies. A retired slab stays in the folder of its footage: a rename from one
//! folder into another writes both of them, and the next slab of that stream is begun in the same one.

use super::disk::Disk;
use super::error::{StorageError, io_at};
use super::recover::files;
use super::slab_file::SlabFile;
use super::volume::{SLABS, Volume};
use nightjar_record::name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Folders of the waiting slabs that are not in the pool.
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<BTreeMap<u64, String>>);

impl Folders {
    fn with<T>(&self, what: impl FnOnce(&mut BTreeMap<u64, String>) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Volume {
    /// The waiting slabs as they were left: number and length, all of them in the pool now, no number twice. What is no
    /// whole slab is removed.
    pub(super) fn gather_waiting(&self) -> Result<Vec<(u64, u32)>, StorageError> {
        let mut found: Vec<(u64, u32)> = Vec::new();
        for entry in io_at("list", name::POOL_DIR, self.disk.list(name::POOL_DIR))? {
            let path = format!("{}/{}", name::POOL_DIR, entry.name);
            match (name::waiting_number(&entry.name), self.whole_len(&path)?) {
                (Some(number), Some(len)) => found.push((number, len)),
                _ => self.remove(&path)?,
            }
        }
        let elsewhere = waiting_elsewhere(&*self.disk, &self.root)?;
        let mut numbers: BTreeSet<u64> = found.iter().map(|f| f.0).collect();
        let last = numbers.iter().copied().chain(elsewhere.iter().map(|f| f.1)).max();
        let mut next = last.map_or(0, |last| last + 1);
        for (path, mut number) in elsewhere {
            let Some(len) = self.whole_len(&path)? else {
                self.remove(&path)?;
                continue;
            };
            if !numbers.insert(number) {
                (number, next) = (next, next + 1);
            }
            self.rename(&path, &name::pool_path(number))?;
            found.push((number, len));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// The length of a waiting slab; `None` when it is not one that a slab has.
    fn whole_len(&self, path: &str) -> Result<Option<u32>, StorageError> {
        let len = SlabFile::open(&*self.disk, path).and_then(|f| f.len())?;
        Ok((SLABS.contains(&len) && len.is_power_of_two()).then_some(len as u32))
    }

    /// Reserves one more waiting slab.
    pub(super) fn reserve(&self, number: u64, len: u32) -> Result<(), StorageError> {
        let path = name::pool_path(number);
        SlabFile::create(&*self.disk, &path, u64::from(len)).map(drop).inspect_err(|_| {
            let _ = self.disk.remove(&path); // half a slab is of no use; the error already says why
        })
    }

    /// The slab at `path` waits from now on, in its folder.
    pub(super) fn retire(&self, path: &str, number: u64) -> Result<(), StorageError> {
        let folder = name::folder_of(path);
        self.rename(path, &name::waiting_path(folder, number))?;
        self.elsewhere.with(|all| all.insert(number, folder.into()));
        Ok(())
    }

    /// Where a waiting slab lies.
    pub(super) fn folder_of(&self, number: u64) -> String {
        self.elsewhere.with(|all| all.get(&number).cloned()).unwrap_or_else(|| name::POOL_DIR.into())
    }

    /// The path of a waiting slab, which stays one.
    pub(super) fn path_of(&self, number: u64) -> String {
        name::waiting_path(&self.folder_of(number), number)
    }

    /// The path of a waiting slab that is to be renamed or removed now.
    pub(super) fn give_out(&self, number: u64) -> String {
        let folder = self.elsewhere.with(|all| all.remove(&number));
        name::waiting_path(folder.as_deref().unwrap_or(name::POOL_DIR), number)
    }
}

/// Path and number of the slabs that wait where their footage was.
pub(super) fn waiting_elsewhere(
    disk: &dyn Disk,
    root: &std::path::Path,
) -> Result<Vec<(String, u64)>, StorageError> {
    let all = files(disk, root)?.into_iter();
    Ok(all.filter_map(|path| name::parse_waiting(&path).map(|number| (path, number))).collect())
}
