//! A root slot → the disk that is flashed: partition table, boot script, the slot, and room for what the board makes itself.

use super::firmware;
use super::slot::{self, SLOT_MIB};
use super::{EPOCH, index, sha256};
use crate::place::{Place, make_dir, read, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;

/// One partition.
struct Partition {
    label: &'static str,
    mib: u64,
    /// sgdisk's code of its type.
    code: &'static str,
}

/// In the order on the disk. The last one is grown to the end of the card by the board (nightjar-disk).
const PARTITIONS: &[Partition] = &[
    Partition { label: "boot", mib: 16, code: "0700" },
    Partition { label: "uboot-env", mib: 1, code: "8301" },
    Partition { label: "rootfs-a", mib: SLOT_MIB, code: "8305" },
    Partition { label: "rootfs-b", mib: SLOT_MIB, code: "8305" },
    // Settings are small; a bundle that is sent from a phone must fit beside them.
    Partition { label: "state", mib: 512, code: "8300" },
    Partition { label: "data", mib: 8, code: "8300" },
];

/// First byte of partition `index`: the first mebibyte is the table's.
fn offset(index: usize) -> u64 {
    PARTITIONS[..index].iter().fold(MIB, |sum, partition| sum + partition.mib * MIB)
}

/// Bytes of the disk: the last mebibyte holds the table's second copy.
fn size() -> u64 {
    offset(PARTITIONS.len()) + MIB
}

/// What sgdisk is told: places, names and numbers are fixed, so the table is the same each time.
fn table() -> Vec<String> {
    let mut words = vec![format!("--disk-guid={}", slot::uuid("disk"))];
    for (index, partition) in PARTITIONS.iter().enumerate() {
        let number = index + 1;
        let (first, last) = (offset(index) / SECTOR, (offset(index) + partition.mib * MIB) / SECTOR - 1);
        words.push(format!("--new={number}:{first}:{last}"));
        words.push(format!("--change-name={number}:{}", partition.label));
        words.push(format!("--typecode={number}:{}", partition.code));
        words.push(format!("--partition-guid={number}:{}", slot::uuid(partition.label)));
    }
    // U-Boot looks for its script on partitions with this mark.
    words.push("--attributes=1:set:2".to_owned());
    words
}

pub(super) fn make(place: &Place, root_slot: &Path, image: &Path) -> Result<()> {
    make_with(place, root_slot, None, "", image)
}

/// As [`make`], with a folder whose content the partition "state" begins with, and words that come first in the boot script.
pub(crate) fn make_with(
    place: &Place,
    root_slot: &Path,
    settings: Option<&Path>,
    first_words: &str,
    image: &Path,
) -> Result<()> {
    let dir = image.parent().context("an image lies in a folder")?;
    make_dir(dir)?;
    let boot = boot(place, first_words, dir)?;
    let state = state(root_slot, settings, dir)?;

    let mut disk = File::create(image).with_context(|| format!("can't write {}", image.display()))?;
    disk.set_len(size()).context("can't set the disk's size")?;
    run::capture(Command::new("sgdisk").args(table()).arg(image))?;
    for (index, part) in [(0, boot.as_path()), (2, root_slot), (4, state.as_path())] {
        place_part(&mut disk, offset(index), PARTITIONS[index].mib * MIB, part)?;
    }
    for part in [&boot, &state] {
        std::fs::remove_file(part).with_context(|| format!("can't remove {}", part.display()))?;
    }
    run::done("disk", &format!("{} MB, of which {} hold something", size() / 1_000_000, held(image)?));
    Ok(())
}

/// The partition "state": settings that are brought along, and what RAUC need not find out about the slots.
fn state(root_slot: &Path, settings: Option<&Path>, dir: &Path) -> Result<PathBuf> {
    let (folder, state) = (dir.join("state"), dir.join("state.ext4"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("can't clear {}", folder.display()))?;
    }
    make_dir(&folder)?;
    if let Some(settings) = settings {
        run::capture(Command::new("cp").arg("-a").arg(settings.join(".")).arg(&folder))?;
    }
    index::write_notes(root_slot, &sha256(root_slot)?, &folder.join("rauc"))?;
    slot::file_system(
        &folder,
        ("state", &slot::uuid("state")),
        PARTITIONS[4].mib,
        "has_journal",
        &[],
        &state,
    )?;
    std::fs::remove_dir_all(&folder).context("the folder of \"state\" stays")?;
    Ok(state)
}

/// The FAT partition with U-Boot's script.
fn boot(place: &Place, first_words: &str, dir: &Path) -> Result<PathBuf> {
    let (text, script, fat) = (dir.join("boot.cmd"), dir.join("boot.scr"), dir.join("boot.vfat"));
    write(&text, &format!("{first_words}{}", read(&firmware::file(place, "uboot-ab.cmd"))?))?;
    let epoch = EPOCH.to_string();
    let mut mkimage = Command::new("mkimage");
    mkimage
        .env("SOURCE_DATE_EPOCH", &epoch)
        .args(["-A", "arm64", "-T", "script", "-C", "none", "-n", "nightjar", "-d"]);
    run::capture(mkimage.arg(&text).arg(&script))?;
    let file = File::create(&fat).with_context(|| format!("can't write {}", fat.display()))?;
    file.set_len(PARTITIONS[0].mib * MIB).context("can't set its size")?;
    let mut mkfs = Command::new("mkfs.vfat");
    mkfs.env("SOURCE_DATE_EPOCH", &epoch).args(["--invariant", "-n", "NIGHTJAR"]).arg(&fat);
    run::capture(&mut mkfs)?;
    run::capture(Command::new("touch").arg(format!("--date=@{epoch}")).arg(&script))?;
    let mut mcopy = Command::new("mcopy");
    mcopy
        .env("SOURCE_DATE_EPOCH", &epoch)
        .env("TZ", "UTC")
        .args(["-m", "-i"])
        .arg(&fat)
        .arg(&script)
        .arg("::boot.scr");
    run::capture(&mut mcopy)?;
    for file in [&text, &script] {
        std::fs::remove_file(file).with_context(|| format!("can't remove {}", file.display()))?;
    }
    Ok(fat)
}

/// Copies a partition's content to its place; zeros stay holes.
fn place_part(disk: &mut File, at: u64, room: u64, part: &Path) -> Result<()> {
    let mut from = File::open(part).with_context(|| format!("can't open {}", part.display()))?;
    let length = from.metadata().context("it has no size")?.len();
    if length > room {
        bail!("{} is {length} bytes, its partition {room}", part.display());
    }
    let mut block = vec![0; MIB as usize];
    let mut done = 0;
    loop {
        let read = from.read(&mut block).with_context(|| format!("can't read {}", part.display()))?;
        if read == 0 {
            return Ok(());
        }
        if block[..read].iter().any(|byte| *byte != 0) {
            disk.seek(SeekFrom::Start(at + done)).context("can't go there on the disk")?;
            disk.write_all(&block[..read]).context("can't write to the disk")?;
        }
        done += read as u64;
    }
}

fn held(image: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    Ok((image.metadata().with_context(|| format!("no {}", image.display()))?.blocks() * SECTOR / 1_000_000)
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_each_other_on_whole_mebibytes() {
        for (index, partition) in PARTITIONS.iter().enumerate() {
            assert_eq!(offset(index) % MIB, 0);
            assert_eq!(offset(index) + partition.mib * MIB, offset(index + 1), "{}", partition.label);
        }
        assert_eq!(size(), offset(PARTITIONS.len()) + MIB);
    }

    #[test]
    fn the_table_is_the_same_each_time_and_both_slots_are_as_large() {
        assert_eq!(table(), table());
        let slots = PARTITIONS.iter().filter(|partition| partition.label.starts_with("rootfs"));
        assert!(slots.map(|slot| slot.mib).eq([SLOT_MIB, SLOT_MIB]));
    }

    #[test]
    fn fstab_names_partitions_that_there_are() {
        let place = Place::find().expect("xtask lies in the work tree");
        let text = std::fs::read_to_string(firmware::file(&place, "fstab")).expect("fstab is there");
        for label in
            text.lines().filter_map(|line| line.strip_prefix("PARTLABEL=")?.split_whitespace().next())
        {
            assert!(PARTITIONS.iter().any(|partition| partition.label == label), "{label}");
        }
    }
}
