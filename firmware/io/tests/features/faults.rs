//! A folder that counts what is done to it and fails as it is told: a disk that is pulled out, read-only, full or slow.

use nightjar_io::storage::disk::{Disk, DiskFile, Entry, Folder, Place};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

/// What the disk is told and what it counts.
#[derive(Default)]
pub(crate) struct Faults {
    /// Every call fails with this number; 0: none.
    pub(crate) all: AtomicI32,
    /// Every call that changes something fails with this number.
    pub(crate) writes: AtomicI32,
    /// Making a file fails with this number.
    pub(crate) creates: AtomicI32,
    /// Bytes that the disk has left for files; 0: as many as there really are.
    pub(crate) room: AtomicU64,
    /// The folder is not there.
    pub(crate) is_away: AtomicI32,
    /// Changes that succeed; the next one fails and so does everything then. Negative: without end.
    pub(crate) budget: AtomicI32,
    pub(crate) created: AtomicU64,
    pub(crate) removed: AtomicU64,
    pub(crate) resized: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    /// A write-out waits here while true.
    pub(crate) hangs: Mutex<bool>,
    pub(crate) wake: Condvar,
}

impl Faults {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { budget: AtomicI32::new(-1), ..Self::default() })
    }

    fn pass(&self, which: &AtomicI32) -> io::Result<()> {
        for fault in [&self.all, which] {
            match fault.load(SeqCst) {
                0 => {}
                n => return Err(io::Error::from_raw_os_error(n)),
            }
        }
        Ok(())
    }

    fn reads(&self) -> io::Result<()> {
        self.pass(&self.all)
    }

    fn changes(&self) -> io::Result<()> {
        self.pass(&self.writes)?;
        match self.budget.load(SeqCst) {
            0 => {
                self.all.store(libc::EIO, SeqCst);
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            n if n > 0 => drop(self.budget.fetch_sub(1, SeqCst)),
            _ => {}
        }
        self.changes.fetch_add(1, SeqCst);
        Ok(())
    }

    /// Files that were made, removed, grown or cut.
    pub(crate) fn file_changes(&self) -> u64 {
        self.created.load(SeqCst) + self.removed.load(SeqCst) + self.resized.load(SeqCst)
    }
}

/// A folder with faults.
pub(crate) struct FaultyPlace {
    pub(crate) folder: Folder,
    pub(crate) faults: Arc<Faults>,
}

impl Place for FaultyPlace {
    fn prepare(&self) -> io::Result<()> {
        self.faults.changes()?;
        self.folder.prepare()
    }
    fn mount(&self) -> io::Result<Arc<dyn Disk>> {
        if self.faults.is_away.load(SeqCst) != 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inner = self.folder.mount()?;
        Ok(Arc::new(FaultyDisk { inner, faults: self.faults.clone() }))
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    fn file(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { inner, faults: self.faults.clone() })
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.faults.reads()?;
        Ok(self.file(self.inner.open(path)?))
    }
    fn create(&self, path: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
        self.faults.pass(&self.faults.creates)?;
        self.faults.changes()?;
        match self.faults.room.load(SeqCst) {
            0 => {}
            room if room < len => return Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            _ => drop(self.faults.room.fetch_sub(len, SeqCst)),
        }
        self.faults.created.fetch_add(1, SeqCst);
        Ok(self.file(self.inner.create(path, len)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.faults.changes()?;
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.faults.changes()?;
        self.faults.removed.fetch_add(1, SeqCst);
        let freed = self.inner.open(path)?.len()?;
        self.inner.remove(path)?;
        if self.faults.room.load(SeqCst) > 0 {
            self.faults.room.fetch_add(freed, SeqCst);
        }
        Ok(())
    }
    fn make_dirs(&self, path: &str) -> io::Result<()> {
        self.faults.changes()?;
        self.inner.make_dirs(path)
    }
    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.faults.changes()?;
        self.inner.remove_dir(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.faults.reads()?;
        self.inner.list(path)
    }
    fn exists(&self, path: &str) -> bool {
        self.inner.exists(path)
    }
    fn read_small(&self, path: &str) -> io::Result<Vec<u8>> {
        self.faults.reads()?;
        self.inner.read_small(path)
    }
    fn write_small(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.faults.changes()?;
        self.inner.write_small(path, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.faults.reads()?;
        self.faults.syncs.fetch_add(1, SeqCst);
        let mut hangs = self.faults.hangs.lock().unwrap();
        while *hangs {
            hangs = self.faults.wake.wait(hangs).unwrap();
        }
        Ok(()) // what a power cut takes is the crash tests' concern
    }
    fn room(&self) -> io::Result<u64> {
        self.faults.reads()?;
        match self.faults.room.load(SeqCst) {
            0 => self.inner.room(),
            room => Ok(room),
        }
    }
    fn lock(&self, path: &str) -> io::Result<()> {
        self.inner.lock(path)
    }
    fn real_path(&self, path: &str) -> PathBuf {
        self.inner.real_path(path)
    }
}

struct FaultyFile {
    inner: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.faults.reads()?;
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.changes()?;
        self.faults.resized.fetch_add(1, SeqCst);
        self.inner.set_len(len)
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.faults.reads()?;
        self.inner.read_at(offset, buf)
    }
    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.faults.changes()?;
        self.inner.write_at(parts, offset)
    }
}
