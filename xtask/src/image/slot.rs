//! A folder → an ext4 file system of a fixed size, the same bytes each time.

use super::{EPOCH, ext4};
use crate::run;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Size of a root slot. A bundle carries a whole file system, so all versions of a board keep to it.
pub(crate) const SLOT_MIB: u64 = 448;

/// A root slot of `version`.
pub(super) fn make(root: &Path, version: &str, out: &Path) -> Result<()> {
    // No journal: it is written once, by an updater that checks every block.
    file_system(root, ("rootfs", &uuid(version)), SLOT_MIB, "^has_journal", out)
}

/// With `name` and UUID. Without checksums, which would cover the times that are set afterwards.
pub(super) fn file_system(root: &Path, id: (&str, &str), mib: u64, journal: &str, out: &Path) -> Result<()> {
    let (label, uuid) = id;
    let file = File::create(out).with_context(|| format!("can't write {}", out.display()))?;
    file.set_len(mib << 20).context("can't set its size")?;
    let mut command = Command::new("mkfs.ext4");
    command
        .env("E2FSPROGS_FAKE_TIME", EPOCH.to_string())
        .args(["-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-L", label, "-U", uuid]);
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
    fn a_uuid_is_one_and_differs_by_text() {
        let one = uuid("0.1.0");
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_ne!(one, uuid("0.1.1"));
        assert_eq!(one, uuid("0.1.0"));
    }
}
