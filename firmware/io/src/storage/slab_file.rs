//! One slab on the disk: positioned reads and writes.

use super::error::{StorageError, io_at};
use bytes::Bytes;
use nightjar_record::{ReadAt, Write};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Buffers that one call of the kernel takes (IOV_MAX on Linux).
const MAX_SLICES: usize = 1_024;

/// An open slab.
#[derive(Debug)]
pub(super) struct SlabFile {
    file: File,
    path: PathBuf,
}

impl SlabFile {
    pub(super) fn open(path: &Path, writable: bool) -> Result<Self, StorageError> {
        let file = io_at("open", path, OpenOptions::new().read(true).write(writable).open(path))?;
        Ok(Self { file, path: path.into() })
    }

    /// A new file of `len` bytes, all reserved on the disk.
    pub(super) fn create(path: &Path, len: u64) -> Result<Self, StorageError> {
        let file = io_at(
            "create",
            path,
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path),
        )?;
        let slab = Self { file, path: path.into() };
        slab.extend(len)?;
        Ok(slab)
    }

    /// Reserves the file up to `len` bytes. What is there stays.
    pub(super) fn extend(&self, len: u64) -> Result<(), StorageError> {
        let have = self.len()?;
        let reserved = match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP) => fill(&self.file, have, len), // e.g. exFAT, NFS
            other => other.map_err(io::Error::from),
        };
        io_at("reserve", &self.path, reserved)
    }

    pub(super) fn len(&self) -> Result<u64, StorageError> {
        io_at("stat", &self.path, self.file.metadata().map(|m| m.len()))
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        io_at("write", &self.path, self.file.write_all_at(bytes, offset))
    }

    /// The body first, then the eight bytes that make it count.
    pub(super) fn record(&self, write: &Write) -> Result<(), StorageError> {
        let written = self.write_vectored(&write.body, write.offset + 8);
        io_at("write", &self.path, written.and_then(|()| self.file.write_all_at(&write.commit, write.offset)))
    }

    fn write_vectored(&self, parts: &[Bytes], mut offset: u64) -> io::Result<()> {
        for run in parts.chunks(MAX_SLICES) {
            let mut slices: Vec<IoSlice<'_>> = run.iter().map(|b| IoSlice::new(b)).collect();
            let mut rest = &mut slices[..];
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => {
                        offset += n as u64;
                        IoSlice::advance_slices(&mut rest, n);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(())
    }
}

impl ReadAt for SlabFile {
    type Error = StorageError;
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.file.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return io_at("read", &self.path, Err(e)),
            }
        }
        Ok(filled)
    }
}

/// Reserves by writing zeros, where the file system has no other way.
fn fill(file: &File, mut at: u64, len: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    while at < len {
        let n = zeros.len().min((len - at) as usize);
        file.write_all_at(&zeros[..n], at)?;
        at += n as u64;
    }
    Ok(())
}
