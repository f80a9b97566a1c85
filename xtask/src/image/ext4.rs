//! An ext4 file system without checksums of its metadata → the same with one time in every inode and in the superblock.
//! mkfs.ext4 takes over when a file's inode changed, which nothing can set, and notes when it ran itself.
//! Layout: the kernel's Documentation/filesystems/ext4.

use super::EPOCH;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xEF53;
/// `feature_incompat`: descriptors may be longer than 32 bytes.
const INCOMPAT_64BIT: u32 = 0x80;
/// `feature_ro_compat`: inodes carry checksums, which this would break.
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

/// Sets every time in `file` to [`EPOCH`].
pub(crate) fn set_times(path: &Path) -> Result<()> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| format!("can't open {}", path.display()))?;
    let mut superblock = vec![0; 1024];
    file.read_exact_at(&mut superblock, SUPERBLOCK).context("it has no superblock")?;
    let layout = Layout::read(&superblock)
        .with_context(|| format!("{} is not as mkfs.ext4 was told", path.display()))?;
    for at in [0x2C, 0x30, 0x40, 0x108] {
        // mounted, written, checked, made
        put(&mut superblock, at, EPOCH as u32);
    }
    file.write_all_at(&superblock, SUPERBLOCK).context("can't write the superblock")?;
    for group in 0..layout.groups {
        let mut descriptor = vec![0; layout.descriptor as usize];
        file.read_exact_at(&mut descriptor, layout.descriptor_at(group))
            .context("a group has no descriptor")?;
        let mut table = vec![0; layout.inodes as usize * layout.inode as usize];
        let at = layout.table_at(&descriptor);
        file.read_exact_at(&mut table, at).context("a group has no inodes")?;
        for inode in table.chunks_mut(layout.inode as usize) {
            set_inode(inode);
        }
        file.write_all_at(&table, at).context("can't write inodes")?;
    }
    Ok(())
}

/// Where things are.
#[derive(Debug)]
struct Layout {
    block: u64,
    groups: u64,
    /// Inodes of a group.
    inodes: u64,
    /// Bytes of an inode and of a group's descriptor.
    inode: u64,
    descriptor: u64,
}

impl Layout {
    fn read(superblock: &[u8]) -> Result<Self> {
        if short(superblock, 0x38) != MAGIC {
            bail!("it is no ext4");
        }
        if long(superblock, 0x64) & RO_COMPAT_METADATA_CSUM != 0 {
            bail!("its inodes carry checksums");
        }
        let is_64bit = long(superblock, 0x60) & INCOMPAT_64BIT != 0;
        let inodes = u64::from(long(superblock, 0x28));
        if inodes == 0 {
            bail!("its groups have no inodes");
        }
        Ok(Self {
            block: 1024 << long(superblock, 0x18).min(6),
            groups: u64::from(long(superblock, 0)).div_ceil(inodes),
            inodes,
            inode: u64::from(short(superblock, 0x58)),
            descriptor: if is_64bit { u64::from(short(superblock, 0xFE)) } else { 32 },
        })
    }

    fn descriptor_at(&self, group: u64) -> u64 {
        // Behind the block that holds the superblock.
        (SUPERBLOCK / self.block + 1) * self.block + group * self.descriptor
    }

    fn table_at(&self, descriptor: &[u8]) -> u64 {
        let high = if self.descriptor >= 64 { u64::from(long(descriptor, 0x28)) } else { 0 };
        (high << 32 | u64::from(long(descriptor, 8))) * self.block
    }
}

/// Inodes in use have a time; the others are all zeros and stay so.
fn set_inode(inode: &mut [u8]) {
    if inode.iter().all(|byte| *byte == 0) {
        return;
    }
    for at in [0x08, 0x0C, 0x10] {
        put(inode, at, EPOCH as u32);
    }
    put(inode, 0x14, 0); // deleted
    if inode.len() >= 0x98 {
        for at in [0x84, 0x88, 0x8C, 0x94] {
            put(inode, at, 0); // parts of a second
        }
        put(inode, 0x90, EPOCH as u32); // created
    }
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        put(&mut bytes, 0, 2048); // inodes
        put(&mut bytes, 0x18, 2); // 4 KiB blocks
        put(&mut bytes, 0x28, 512);
        bytes[0x38..0x3A].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x58..0x5A].copy_from_slice(&256u16.to_le_bytes());
        put(&mut bytes, 0x60, INCOMPAT_64BIT);
        bytes[0xFE..0x100].copy_from_slice(&64u16.to_le_bytes());
        bytes
    }

    #[test]
    fn groups_and_their_inodes_are_found() {
        let layout = Layout::read(&superblock()).expect("it is good");
        assert_eq!(
            (layout.groups, layout.descriptor_at(0), layout.descriptor_at(3)),
            (4, 4096, 4096 + 3 * 64)
        );
        let mut descriptor = vec![0; 64];
        put(&mut descriptor, 8, 7);
        put(&mut descriptor, 0x28, 1);
        assert_eq!(layout.table_at(&descriptor), ((1 << 32) + 7) * 4096);
    }

    #[test]
    fn checksums_and_other_file_systems_are_refused() {
        let mut bytes = superblock();
        put(&mut bytes, 0x64, RO_COMPAT_METADATA_CSUM);
        assert!(Layout::read(&bytes).is_err() && Layout::read(&[0; 1024]).is_err());
    }

    #[test]
    fn an_inode_in_use_gets_the_time_and_an_empty_one_stays_empty() {
        let mut inode = [0; 256];
        set_inode(&mut inode);
        assert!(inode.iter().all(|byte| *byte == 0));
        inode[0] = 1;
        put(&mut inode, 0x84, 77);
        set_inode(&mut inode);
        assert_eq!(
            [long(&inode, 0x0C), long(&inode, 0x90), long(&inode, 0x84)],
            [EPOCH as u32, EPOCH as u32, 0]
        );
    }
}
