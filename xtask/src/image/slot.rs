//! A folder → an ext4 file system of a fixed size, the same bytes each time.

use super::{EPOCH, ext4};
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Size of the partition of a root slot: the most that any version of a board may have.
pub(crate) const SLOT_MIB: u64 = 448;
/// As long as mkfs.ext4 is told nothing else, bytes for each inode that it makes, and the size of one.
const BYTES_AN_INODE: u64 = 16_384;
const INODE: u64 = 256;
const BLOCK: u64 = 4096;

/// A root slot of `version`, as large as what is in it: an update writes all of it, zeros too.
pub(super) fn make(root: &Path, version: &str, out: &Path) -> Result<()> {
    let mib = room_for(root)?;
    if mib > SLOT_MIB {
        bail!("the system takes {mib} MiB and its slot has {SLOT_MIB}: leave something out of it");
    }
    // No journal: it is written once, by an updater that checks every block.
    file_system(root, ("rootfs", &uuid(version)), mib, "^has_journal", out)
}

/// MiB of a file system for what is in a folder.
fn room_for(root: &Path) -> Result<u64> {
    let content = bytes_in(root)?;
    // Inodes, and a hundredth and two MiB for maps, groups' tables and files in many pieces.
    let whole = content + content / (BYTES_AN_INODE / INODE) + content / 100;
    Ok(whole.div_ceil(1 << 20) + 2)
}

/// Bytes of the blocks that files and folders take, at any depth. A file with more than one name counts as often.
fn bytes_in(folder: &Path) -> Result<u64> {
    let mut bytes = BLOCK;
    for entry in std::fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))? {
        let path = entry?.path();
        let about = path.symlink_metadata().with_context(|| format!("can't look at {}", path.display()))?;
        bytes += if about.is_dir() { bytes_in(&path)? } else { about.len().next_multiple_of(BLOCK) };
    }
    Ok(bytes)
}

/// With `name` and UUID. Without checksums, which would cover the times that are set afterwards.
pub(super) fn file_system(root: &Path, id: (&str, &str), mib: u64, journal: &str, out: &Path) -> Result<()> {
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
    command.arg("-d").arg(root).arg(out);
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
        let (bytes, room) = (bytes_in(&root), room_for(&root));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!((bytes.unwrap(), room.unwrap()), (4 * BLOCK, 3));
    }

    #[test]
    fn a_uuid_is_one_and_differs_by_text() {
        let one = uuid("0.1.0");
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_ne!(one, uuid("0.1.1"));
        assert_eq!(one, uuid("0.1.0"));
    }
}
