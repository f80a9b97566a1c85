//! A waiting slab's number ↔ where its file lies. A slab whose footage was deleted keeps its name until it is begun anew,
//! and its footer says that it waits: that is one page of the card, a rename writes a folder's block and inode.

use super::error::{StorageError, io_at};
use super::slab_file::SlabFile;
use super::volume::{Volume, is_whole};
use nightjar_record::{FOOTER_LEN, Footer, SlabRow, name};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Paths of the waiting slabs that are not in the pool.
#[derive(Debug, Default)]
pub(super) struct Named(Mutex<BTreeMap<u64, String>>);

impl Named {
    fn with<T>(&self, what: impl FnOnce(&mut BTreeMap<u64, String>) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Volume {
    /// The slabs in the pool as they were left: number and length. What is no whole slab is removed.
    pub(super) fn pool(&self) -> Result<Vec<(u64, u32)>, StorageError> {
        let mut found = Vec::new();
        for entry in io_at("list", name::POOL_DIR, self.disk.list(name::POOL_DIR))? {
            let path = format!("{}/{}", name::POOL_DIR, entry.name);
            let len = SlabFile::open(&*self.disk, &path).and_then(|f| f.len())?;
            match name::pool_number(&entry.name).filter(|_| is_whole(len)) {
                Some(number) => found.push((number, len as u32)),
                None => self.remove(&path)?,
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Reserves one more waiting slab.
    pub(super) fn reserve(&self, number: u64, len: u32) -> Result<(), StorageError> {
        let path = name::pool_path(number);
        SlabFile::create(&*self.disk, &path, u64::from(len)).map(drop).inspect_err(|_| {
            let _ = self.disk.remove(&path); // half a slab is of no use; the error already says why
        })
    }

    /// The slab of that row waits from now on, under its name. The seal and all that it vouches for stay as they are: an
    /// index that is older than this reads them.
    pub(super) fn retire(&self, row: &SlabRow, number: u64) -> Result<(), StorageError> {
        let (file, len) = (SlabFile::open(&*self.disk, &row.path)?, u64::from(row.len));
        if file.len()? != len {
            file.set_len(len)?; // somebody cut it
        }
        let full = Footer::read(&file, len)?.filter(|f| f.generation == row.generation);
        let seal_at = full.map_or(0, |f| f.seal_at);
        let footer = Footer { is_retired: true, seal_at, generation: row.generation };
        file.forget_cached(); // reading has brought in more than the one page
        file.write_at(&footer.encode(), len - FOOTER_LEN as u64)?;
        self.named.with(|all| all.insert(number, row.path.clone()));
        Ok(())
    }

    /// The path of a waiting slab, which stays one.
    pub(super) fn path_of(&self, number: u64) -> String {
        self.named.with(|all| all.get(&number).cloned()).unwrap_or_else(|| name::pool_path(number))
    }

    /// The path of a waiting slab that is to be renamed or removed now.
    pub(super) fn give_out(&self, number: u64) -> String {
        self.named.with(|all| all.remove(&number)).unwrap_or_else(|| name::pool_path(number))
    }
}
