//! What the storage asks of a disk, and the real one. Paths are relative to the volume's folder and never lead out of it:
//! the folder is held open, so that nothing reaches the disk below when this one is pulled out.

use rustix::fs::{Advice, FallocateFlags, FlockOperation, fadvise, fallocate, flock, fstatvfs, syncfs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Buffers that one call of the kernel takes (IOV_MAX on Linux).
const MAX_SLICES: usize = 1_024;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// It is a folder.
    pub is_dir: bool,
}

/// A disk that holds a volume. Every call may fail, hang or lie about what is durable until [`sync`](Self::sync) returns.
pub trait Disk: Send + Sync {
    /// An existing file, for reading and writing.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// A new or emptied file of `len` reserved bytes.
    fn create(&self, path: &str, len: u64) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file, over whatever is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes a folder and those above it.
    fn make_dirs(&self, path: &str) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &str) -> io::Result<()>;
    /// What is in a folder; `""` is the volume's.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;
    /// There is a file.
    fn exists(&self, path: &str) -> bool;
    /// A small file.
    fn read_small(&self, path: &str) -> io::Result<Vec<u8>>;
    /// A small file that is there as a whole or not at all, durably.
    fn write_small(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything durable that was written before.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that can still be reserved.
    fn room(&self) -> io::Result<u64>;
    /// Keeps every other recorder away for as long as the disk lives. `WouldBlock` when one is there.
    fn lock(&self, path: &str) -> io::Result<()>;
    /// Where a folder is for those who bring their own file access (the index).
    fn real_path(&self, path: &str) -> PathBuf;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "a question to the disk, which may fail")]
pub trait DiskFile: Send + Sync {
    /// Bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reserves up to `len`, or cuts at it. What is there stays.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Fills as much of `buf` as there is from `offset` on.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes all of it.
    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// What is in it will not be read again.
    fn forget_cached(&self) {}
}

/// Finds the disk, each time that the volume is opened.
pub trait Place: Send + Sync {
    /// Makes the folder at the very first start, when no volume is expected.
    fn prepare(&self) -> io::Result<()>;
    /// The disk that is there now.
    fn mount(&self) -> io::Result<Arc<dyn Disk>>;
    /// As a person knows it.
    fn path(&self) -> &Path;
}

/// Mode of a file that anybody on the board may read.
pub const READABLE: u32 = 0o644;
/// Mode of a file that is the recorder's alone.
pub const PRIVATE: u32 = 0o600;

/// Puts a file in place of another: at every moment, also after a power cut, the one or the other is there, whole.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_folder(path)
}

/// Makes it durable which file stands under a path, or that none does.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// A folder of this machine.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Place for Folder {
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)
    }

    fn mount(&self) -> io::Result<Arc<dyn Disk>> {
        let dir = File::open(&self.0)?;
        let base = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        Ok(Arc::new(RealDisk { base, dir, lock: std::sync::Mutex::new(None) }))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

#[derive(Debug)]
struct RealDisk {
    /// Leads to `dir` itself, whatever is mounted over its old path meanwhile.
    base: PathBuf,
    dir: File,
    lock: std::sync::Mutex<Option<File>>,
}

impl Disk for RealDisk {
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.base.join(path))?))
    }

    fn create(&self, path: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
        let file = options.open(self.base.join(path))?;
        DiskFile::set_len(&file, len)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.base.join(from), self.base.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.base.join(path))
    }

    fn make_dirs(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.base.join(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.base.join(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let entry = |e: io::Result<fs::DirEntry>| {
            let e = e?;
            let name = e.file_name().to_string_lossy().into_owned();
            Ok(Entry { name, is_dir: e.file_type()?.is_dir() })
        };
        fs::read_dir(self.base.join(path))?.map(entry).collect()
    }

    fn exists(&self, path: &str) -> bool {
        self.base.join(path).exists()
    }

    fn read_small(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.base.join(path))
    }

    fn write_small(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.base.join(path), bytes, READABLE)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(syncfs(&self.dir)?)
    }

    fn room(&self) -> io::Result<u64> {
        let stat = fstatvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &str) -> io::Result<()> {
        let file = File::create(self.base.join(path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        *self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn real_path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let have = DiskFile::len(self)?;
        if len < have {
            return File::set_len(self, len);
        }
        match fallocate(self, FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP) => fill(self, have, len), // e.g. exFAT, NFS
            other => Ok(other?),
        }
    }

    fn forget_cached(&self) {
        let _ = fadvise(self, 0, None, Advice::DontNeed); // a hint
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match FileExt::read_at(self, &mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        for run in parts.chunks_mut(MAX_SLICES) {
            let mut rest = run;
            while !rest.is_empty() {
                match rustix::io::pwritev(self, rest, offset) {
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
