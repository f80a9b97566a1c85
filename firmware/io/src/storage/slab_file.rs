//! One slab on a disk: reads and writes of records, with errors that name the file.

use super::disk::{Disk, DiskFile};
use super::error::{StorageError, io_at};
use nightjar_record::{ReadAt, Write};
use std::io::IoSlice;
use std::path::PathBuf;

/// An open slab.
pub(super) struct SlabFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
}

impl SlabFile {
    pub(super) fn open(disk: &dyn Disk, path: &str) -> Result<Self, StorageError> {
        Ok(Self { file: io_at("open", path, disk.open(path))?, path: path.into() })
    }

    /// A new file of `len` bytes, all reserved on the disk.
    pub(super) fn create(disk: &dyn Disk, path: &str, len: u64) -> Result<Self, StorageError> {
        Ok(Self { file: io_at("reserve", path, disk.create(path, len))?, path: path.into() })
    }

    /// Reserves the file up to `len` bytes, or cuts it there.
    pub(super) fn set_len(&self, len: u64) -> Result<(), StorageError> {
        io_at("reserve", &self.path, self.file.set_len(len))
    }

    /// Drops cached pages of old footage. They are large folios: a few bytes written into one would be counted, and on some
    /// file systems written, as all of it.
    pub(super) fn forget_cached(&self) {
        self.file.forget_cached();
    }

    pub(super) fn len(&self) -> Result<u64, StorageError> {
        io_at("stat", &self.path, self.file.len())
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        io_at("write", &self.path, self.file.write_at(&mut [IoSlice::new(bytes)], offset))
    }

    /// The body first, then the eight bytes that make it count.
    pub(super) fn record(&self, write: &Write) -> Result<(), StorageError> {
        let mut parts: Vec<IoSlice<'_>> = write.body.iter().map(|b| IoSlice::new(b)).collect();
        io_at("write", &self.path, self.file.write_at(&mut parts, write.offset + 8))?;
        self.write_at(&write.commit, write.offset)
    }
}

impl ReadAt for SlabFile {
    type Error = StorageError;
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        io_at("read", &self.path, self.file.read_at(offset, buf))
    }
}
