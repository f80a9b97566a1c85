//! A folder → an ext4 file system, the same bytes each time.

use super::{EPOCH, ext4};
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Size of the partition of a root slot: the most that any version of a board may have.
pub(crate) const SLOT_MIB: u64 = 448;
const INODE: u64 = 256;
const BLOCK: u64 = 4096;

/// A root slot of `version`, as large as what is in it: an update writes all of it, zeros too.
pub(super) fn make(root: &Path, version: &str, out: &Path) -> Result<()> {
    let content = Content::of(root)?;
    let mib = content.mib();
    if mib > SLOT_MIB {
        bail!("the system takes {mib} MiB and its slot has {SLOT_MIB}: leave something out of it");
    }
    // No journal: it is written once, by an updater that checks every block.
    let inodes = content.inodes().to_string();
    file_system(root, ("rootfs", &uuid(version)), mib, "^has_journal", &["-N", &inodes], out)
}

/// What a file system is to hold.
#[derive(Debug, Default, PartialEq)]
struct Content {
    /// Of the blocks that files and folders take.
    bytes: u64,
    /// Files, folders and links; one with more than one name counts as often.
    entries: u64,
}

impl Content {
    fn of(folder: &Path) -> Result<Self> {
        let mut all = Self { bytes: BLOCK, entries: 1 };
        for entry in std::fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))? {
            let path = entry?.path();
            let about =
                path.symlink_metadata().with_context(|| format!("can't look at {}", path.display()))?;
            let kind = about.file_type();
            let Self { bytes, entries } = if kind.is_dir() {
                Self::of(&path)?
            } else {
                // Where a link leads to is in its inode.
                let bytes = if kind.is_file() { about.len().next_multiple_of(BLOCK) } else { 0 };
                Self { bytes, entries: 1 }
            };
            all.bytes += bytes;
            all.entries += entries;
        }
        Ok(all)
    }

    /// Some for the file system itself.
    fn inodes(&self) -> u64 {
        self.entries + 64
    }

    /// Size of its file system: with its inodes, and a hundredth and two MiB for maps, tables and what is in many pieces.
    fn mib(&self) -> u64 {
        let whole = self.bytes + self.inodes() * INODE;
        (whole + whole / 100).div_ceil(1 << 20) + 2
    }
}

/// With `name` and UUID. Without checksums, which would cover the times that are set afterwards.
pub(super) fn file_system(
    root: &Path,
    id: (&str, &str),
    mib: u64,
    journal: &str,
    more: &[&str],
    out: &Path,
) -> Result<()> {
    let (label, uuid) = id;
    let file = File::create(out).with_context(|| format!("can't write {}", out.display()))?;
    file.set_len(mib << 20).context("can't set its size")?;
    let mut command = Command::new("mkfs.ext4");
    command.env("E2FSPROGS_FAKE_TIME", EPOCH.to_string()).args([
        "-q",
        "-F",
        "-b",
        &BLOCK.to_string(),
        "-I",
        &INODE.to_string(),
        "-m",
        "0",
        "-L",
        label,
        "-U",
        uuid,
    ]);
    command.args([
        "-O",
        &format!("{journal},^metadata_csum,^orphan_file"),
        "-E",
        &format!("hash_seed={uuid},root_owner=0:0"),
    ]);
    command.args(more).arg("-d").arg(root).arg(out);
    run::capture(&mut command)
        .with_context(|| format!("{} MiB are too small, or mkfs.ext4 is missing", mib))?;
    ext4::set_times(out)
}

/// A UUID that `text` alone decides.
pub(super) fn uuid(text: &str) -> String {
    // FNV-1a, twice with different beginnings: any spread will do.
    let hash = |start: u64| {
        text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x6c62_272e_07bb_0142));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_counted_in_blocks_and_for_folders_too() {
        let root = std::env::temp_dir().join(format!("nightjar-room-{}", std::process::id()));
        std::fs::create_dir_all(root.join("usr")).unwrap();
        std::fs::write(root.join("usr/one"), [1; 5000]).unwrap();
        let content = Content::of(&root);
        std::fs::remove_dir_all(&root).unwrap();
        let content = content.unwrap();
        assert_eq!((&content, content.mib()), (&Content { bytes: 4 * BLOCK, entries: 3 }, 3));
    }

    #[test]
    fn a_uuid_is_one_and_differs_by_text() {
        let one = uuid("0.1.0");
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_ne!(one, uuid("0.1.1"));
        assert_eq!(one, uuid("0.1.0"));
    }
}
