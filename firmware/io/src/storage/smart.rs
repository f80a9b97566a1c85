//! What `smartctl -j -A -H` printed of a disk → its wear. Asking a disk needs rights that the recorder does not have, so
//! `nightjar-smart.timer` asks, and leaves the answer in a file.

use serde::Deserialize;
use std::path::Path;

/// Where the timer leaves answers, one `DEVICE.json` a disk.
const FOLDER: &str = "/run/nightjar-smart";
/// An answer is not longer, bytes.
const MOST: u64 = 256 << 10;
/// Attributes whose normalised value falls from 100 to 0 as the memory is used up (smartmontools' drive database): average or
/// worst erase counts, life left, the same under Micron's, SandForce's, Samsung's and Intel's numbers.
const WEAR: [u8; 6] = [169, 173, 177, 202, 231, 233];

/// Wear of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Smart {
    /// Life used up, per cent; an NVMe disk that outlives its maker's figure says more than 100.
    pub(super) life_used: Option<u8>,
    /// The disk expects to fail, or its spare blocks run out.
    pub(super) is_near_end: bool,
}

#[derive(Deserialize)]
struct Answer {
    smart_status: Option<Status>,
    nvme_smart_health_information_log: Option<Nvme>,
    ata_smart_attributes: Option<Ata>,
}

#[derive(Deserialize)]
struct Status {
    passed: bool,
}

#[derive(Deserialize)]
struct Nvme {
    percentage_used: Option<u64>,
    available_spare: Option<u64>,
    available_spare_threshold: Option<u64>,
}

#[derive(Deserialize)]
struct Ata {
    #[serde(default)]
    table: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    id: u8,
    value: u8,
}

/// The newest answer of a disk by its kernel name. `None` when nobody asked it, or it has no SMART.
pub(super) fn read(device: &str) -> Option<Smart> {
    of_file(&Path::new(FOLDER).join(format!("{device}.json")))
}

fn of_file(path: &Path) -> Option<Smart> {
    let is_small = std::fs::metadata(path).is_ok_and(|m| m.len() <= MOST);
    parse(&std::fs::read(path).ok().filter(|_| is_small)?)
}

fn parse(json: &[u8]) -> Option<Smart> {
    let answer: Answer = serde_json::from_slice(json).ok()?;
    let nvme = answer.nvme_smart_health_information_log.as_ref();
    let of_nvme = nvme.and_then(|n| n.percentage_used).map(|used| u8::try_from(used).unwrap_or(u8::MAX));
    let table = answer.ata_smart_attributes.iter().flat_map(|ata| &ata.table);
    let left = table.filter(|a| WEAR.contains(&a.id) && (1..=100).contains(&a.value)).map(|a| a.value).min();
    let life_used = of_nvme.or(left.map(|left| 100 - left));
    let spare = nvme.and_then(|n| n.available_spare.zip(n.available_spare_threshold));
    let has_failed = answer.smart_status.as_ref().is_some_and(|status| !status.passed);
    let is_near_end = has_failed || spare.is_some_and(|(spare, least)| spare <= least);
    (answer.smart_status.is_some() || life_used.is_some()).then_some(Smart { life_used, is_near_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_both_kinds_tell_their_wear() {
        let nvme = br#"{"smart_status": {"passed": true, "nvme": {"value": 0}}, "nvme_smart_health_information_log":
            {"critical_warning": 0, "available_spare": 100, "available_spare_threshold": 10, "percentage_used": 7}}"#;
        assert_eq!(parse(nvme), Some(Smart { life_used: Some(7), is_near_end: false }));
        let spent = String::from_utf8_lossy(nvme).replace("100,", "9,").replace("7}", "255}");
        assert_eq!(parse(spent.as_bytes()), Some(Smart { life_used: Some(255), is_near_end: true }));

        let ata = br#"{"smart_status": {"passed": true}, "ata_smart_attributes": {"revision": 1, "table": [
            {"id": 9, "name": "Power_On_Hours", "value": 99, "worst": 99, "raw": {"value": 1}},
            {"id": 177, "name": "Wear_Leveling_Count", "value": 88, "worst": 88, "raw": {"value": 120}}]}}"#;
        assert_eq!(parse(ata), Some(Smart { life_used: Some(12), is_near_end: false }));
        let failing = br#"{"smart_status": {"passed": false}}"#;
        assert_eq!(parse(failing), Some(Smart { life_used: None, is_near_end: true }));
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        // as smartctl 7.3 says of a virtual disk
        let none = br#"{"smartctl": {"version": [7, 3], "messages": [{"string": "/dev/vda: Unable to detect device type",
            "severity": "error"}], "exit_status": 1}}"#;
        for text in [&none[..], b"", b"{", b"[]", br#"{"ata_smart_attributes": {"table": [{"id": 177}]}}"#] {
            assert_eq!(parse(text), None);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sda.json");
        assert_eq!(of_file(&path), None);
        let long = format!(r#"{{"smart_status": {{"passed": false}}}}{}"#, " ".repeat(MOST as usize));
        std::fs::write(&path, long).unwrap();
        assert_eq!(of_file(&path), None, "no file of ours");
    }
}
