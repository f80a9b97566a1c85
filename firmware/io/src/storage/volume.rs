//! The storage folder: who it is, how it is divided, and its pool of waiting slabs. All space is reserved here, at start.

use super::error::{StorageError, io_at};
use super::slab_file::SlabFile;
use nightjar_record::name;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Slabs are a power of two of this size …
const MIN_SLAB: u64 = 4 << 20;
/// … up to this.
const MAX_SLAB: u64 = 64 << 20;
/// A ring has about this many slabs, so that recycling one forgets less than a hundredth.
const SLABS_WANTED: u64 = 128;

/// An opened and locked volume.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) root: PathBuf,
    /// Sixteen random hexadecimal digits, made with the volume.
    pub(super) id: String,
    pub(super) slab_len: u64,
    pub(super) dir: File,
    _lock: File,
}

impl Volume {
    /// Opens the volume at `root`, making it when there is none.
    pub(super) fn open(root: &Path, quota: u64) -> Result<Self, StorageError> {
        let not_writable = |source| StorageError::NotWritable { path: root.into(), source };
        fs::create_dir_all(root.join(name::POOL_DIR)).map_err(not_writable)?;
        let probe = root.join(name::PRIVATE_DIR).join("probe");
        fs::write(&probe, b"nightjar").and_then(|()| fs::remove_file(&probe)).map_err(not_writable)?;
        let lock_path = root.join(name::PRIVATE_DIR).join("lock");
        let lock = io_at("create", &lock_path, File::create(&lock_path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StorageError::InUse(root.into()))?;
        let marker = root.join(name::PRIVATE_DIR).join("volume");
        let (id, slab_len) = match fs::read_to_string(&marker) {
            Ok(text) => parse(&text).map_err(|reason| StorageError::BadVolume { path: marker, reason })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let slab_len = slab_len_for(quota);
                let id = random_id();
                let text = format!("nightjar volume 1\nid {id}\nslab {slab_len}\n");
                io_at("write", &marker, write_durably(&marker, text.as_bytes()))?;
                (id, slab_len)
            }
            Err(e) => return io_at("read", &marker, Err(e)),
        };
        let dir = io_at("open", root, File::open(root))?;
        Ok(Self { root: root.into(), id, slab_len, dir, _lock: lock })
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Slabs that a quota buys.
    pub(super) fn slabs_for(&self, quota: u64) -> u64 {
        (quota / self.slab_len).max(1)
    }

    /// Fails when `more` further slabs do not fit on the disk.
    pub(super) fn has_room_for(&self, more: u64, have: u64) -> Result<(), StorageError> {
        let stat = rustix::fs::fstatvfs(&self.dir).map_err(io::Error::from);
        let stat = io_at("stat", &self.root, stat)?;
        let there = stat.f_bavail.saturating_mul(stat.f_frsize);
        if more * self.slab_len <= there {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        let wanted = mib((have + more) * self.slab_len);
        Err(StorageError::TooLarge {
            path: self.root.clone(),
            wanted,
            there: mib(there + have * self.slab_len),
        })
    }

    /// Numbers of the waiting slabs that are whole. What is not whole is removed.
    pub(super) fn waiting(&self) -> Result<Vec<u64>, StorageError> {
        let pool = self.path(name::POOL_DIR);
        let mut numbers: Vec<u64> = Vec::new();
        for entry in io_at("list", &pool, fs::read_dir(&pool))? {
            let entry = io_at("list", &pool, entry)?;
            let path = entry.path();
            let number = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            let is_whole = entry.metadata().is_ok_and(|m| m.len() == self.slab_len);
            match number {
                Some(number) if is_whole => numbers.push(number),
                _ => io_at("remove", &path, fs::remove_file(&path))?,
            }
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// Reserves one more waiting slab.
    pub(super) fn reserve(&self, number: u64) -> Result<(), StorageError> {
        let path = self.path(&name::pool_path(number));
        SlabFile::create(&path, self.slab_len).map(drop).inspect_err(|_| {
            let _ = fs::remove_file(&path); // half a slab is of no use; the error already says why
        })
    }
}

fn slab_len_for(quota: u64) -> u64 {
    let wanted = (quota / SLABS_WANTED).clamp(MIN_SLAB, MAX_SLAB);
    1 << wanted.ilog2()
}

fn random_id() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn parse(text: &str) -> Result<(String, u64), String> {
    let mut lines = text.lines();
    if lines.next() != Some("nightjar volume 1") {
        return Err("the first line is not \"nightjar volume 1\"".into());
    }
    let mut value = |key: &str| {
        let line = lines.next().unwrap_or_default();
        line.strip_prefix(key).map(|v| v.trim().to_string()).ok_or(format!("the line \"{key} …\" is missing"))
    };
    let id = value("id")?;
    let slab: u64 = value("slab")?.parse().map_err(|_| "the slab length is no number".to_string())?;
    if !(MIN_SLAB..=MAX_SLAB).contains(&slab) || !slab.is_power_of_two() {
        return Err(format!("a slab length of {slab} is not possible"));
    }
    Ok((id, slab))
}

/// Writes a small file so that it is there as a whole or not at all.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slab_length_follows_the_quota() {
        assert_eq!(slab_len_for(200 << 20), 4 << 20);
        assert_eq!(slab_len_for(4 << 30), 32 << 20);
        assert_eq!(slab_len_for(1 << 40), 64 << 20);
    }

    #[test]
    fn a_second_recorder_is_refused_and_a_foreign_marker_named() {
        let dir = tempfile::tempdir().unwrap();
        let volume = Volume::open(dir.path(), 1 << 30).unwrap();
        assert!(matches!(Volume::open(dir.path(), 1 << 30), Err(StorageError::InUse(_))));
        let (id, slab) = (volume.id.clone(), volume.slab_len);
        drop(volume);
        let again = Volume::open(dir.path(), 9 << 30).unwrap();
        assert_eq!((again.id.as_str(), again.slab_len), (id.as_str(), slab));
        drop(again);
        fs::write(dir.path().join(".nightjar/volume"), "something else").unwrap();
        assert!(matches!(Volume::open(dir.path(), 1 << 30), Err(StorageError::BadVolume { .. })));
    }
}
