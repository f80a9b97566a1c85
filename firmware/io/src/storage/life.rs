//! A folder → what its block device says of its own wear: eMMC life registers, SMART ([`super::smart`]) and the
//! kernel's count of written sectors. SD cards keep no such register.

use super::smart;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of a sector in /sys, whatever the device's own are.
const SECTOR: u64 = 512;

/// What a device tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registers {
    /// Kernel name, e.g. `mmcblk0`.
    pub device: Option<String>,
    /// Bytes.
    pub size_bytes: Option<u64>,
    /// Bytes written to the whole device since boot, by everybody.
    pub written_since_boot: Option<u64>,
    /// Life used up, per cent: the worse of an eMMC's two kinds of memory, in steps of ten, or what a disk's SMART says.
    pub life_used: Option<u8>,
    /// The eMMC's reserve of blocks is at 80 % or 90 %, or the disk says that it will fail.
    pub is_near_end: bool,
}

impl Registers {
    /// Of the device that holds `folder`. What cannot be found out is absent.
    pub(super) fn read(folder: &Path) -> Self {
        let Ok(dev) = fs::metadata(folder).map(|m| m.dev()) else { return Self::default() };
        let link = format!("/sys/dev/block/{}:{}", rustix::fs::major(dev), rustix::fs::minor(dev));
        fs::canonicalize(link).map_or_else(|_| Self::default(), |device| Self::of(&device))
    }

    /// Of a device, or a partition of it, in sysfs.
    fn of(at: &Path) -> Self {
        let disk: PathBuf = match at.parent() {
            Some(parent) if at.join("partition").exists() => parent.to_path_buf(),
            _ => at.to_path_buf(),
        };
        let text = |below: &str| fs::read_to_string(disk.join(below)).ok();
        let number = |text: Option<String>| text.and_then(|t| t.trim().parse::<u64>().ok());
        // Documentation/block/stat.rst: the seventh number is sectors written
        let written = text("stat").and_then(|t| t.split_whitespace().nth(6)?.parse::<u64>().ok());
        // JESD84-B51, EXT_CSD 268 and 269: 0x01 is 0 to 10 % used, 0x0b is beyond the end
        let used = text("device/life_time").and_then(|t| {
            let steps =
                t.split_whitespace().filter_map(|s| u8::from_str_radix(s.trim_start_matches("0x"), 16).ok());
            steps.max().filter(|s| *s > 0).map(|s| s.saturating_mul(10).min(110))
        });
        let near = text("device/pre_eol_info")
            .and_then(|t| u8::from_str_radix(t.trim().trim_start_matches("0x"), 16).ok());
        let device = disk.file_name().map(|n| n.to_string_lossy().into_owned());
        let smart = device.as_deref().and_then(smart::read);
        Self {
            size_bytes: number(text("size")).map(|s| s * SECTOR),
            written_since_boot: written.map(|s| s * SECTOR),
            life_used: used.or(smart.and_then(|s| s.life_used)),
            is_near_end: near.is_some_and(|n| n >= 2) || smart.is_some_and(|s| s.is_near_end),
            device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_emmc_through_its_partition() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("mmcblk0");
        let put = |below: &str, text: &str| {
            let path = disk.join(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("size", "62333952\n");
        put("stat", "  1 2 3 4 5 6 2048 8 9 10 11\n");
        put("device/life_time", "0x02 0x03\n");
        put("device/pre_eol_info", "0x01\n");
        put("mmcblk0p3/partition", "3\n");
        let found = Registers::of(&disk.join("mmcblk0p3"));
        assert_eq!(found.device.as_deref(), Some("mmcblk0"));
        assert_eq!((found.size_bytes, found.written_since_boot), (Some(62_333_952 * 512), Some(1 << 20)));
        assert_eq!((found.life_used, found.is_near_end), (Some(30), false));
    }
}
