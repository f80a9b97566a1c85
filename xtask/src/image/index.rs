//! A root slot → what RAUC would have noted about it had it written it: which it is, and an index of its blocks. A board that has
//! this need not read both slots before its first update. RAUC checks each block that it takes by an index.

use crate::place::{make_dir, set_mode, write};
use anyhow::{Context, Result};
use ring::digest::{SHA256, digest};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

/// The slots as RAUC's settings name them: the one that is flashed, and the empty one.
const SLOTS: [&str; 2] = ["rootfs.0", "rootfs.1"];
const BLOCK: usize = 4096;

/// Writes the notes into a folder that will be RAUC's data directory. `hash` is the slot's SHA-256 in hexadecimal digits.
pub(super) fn write_notes(root_slot: &Path, hash: &str, folder: &Path) -> Result<()> {
    let [full, empty] = SLOTS;
    make_dir(folder)?;
    set_mode(folder, 0o700)?;
    // RAUC keeps the indexes of slots that it knows or that wait for something.
    let size = root_slot.metadata().with_context(|| format!("no {}", root_slot.display()))?.len();
    let status =
        format!("[slot.{full}]\nstatus=ok\nsha256={hash}\nsize={size}\n\n[slot.{empty}]\nstatus=pending\n");
    write(&folder.join("central.raucs"), &status)?;
    for (slot, hash, index) in [(full, hash, of_system(root_slot)?), (empty, "unknown", of_nothing())] {
        let folder = folder.join(format!("slot.{slot}/hash-{hash}"));
        make_dir(&folder)?;
        let file = folder.join("block-hash-index");
        std::fs::write(&file, index).with_context(|| format!("can't write {}", file.display()))?;
    }
    Ok(())
}

/// Of a slot that holds a system: the SHA-256 of each 4 KiB, 32 bytes each, one after the other.
fn of_system(slot: &Path) -> Result<Vec<u8>> {
    let file = File::open(slot).with_context(|| format!("can't open {}", slot.display()))?;
    of(BufReader::with_capacity(1 << 20, file)).with_context(|| format!("can't read {}", slot.display()))
}

/// Of a slot that holds nothing: its first block. RAUC takes one that is shorter than the slot for all there is to find.
fn of_nothing() -> Vec<u8> {
    digest(&SHA256, &[0; BLOCK]).as_ref().to_vec()
}

fn of(mut bytes: impl Read) -> std::io::Result<Vec<u8>> {
    let nothing = of_nothing();
    let (mut index, mut block) = (Vec::new(), [0; BLOCK]);
    loop {
        match bytes.read_exact(&mut block) {
            Ok(()) if block == [0; BLOCK] => index.extend_from_slice(&nothing),
            Ok(()) => index.extend_from_slice(digest(&SHA256, &block).as_ref()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(index),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of 4096 zeros: R_HASH_INDEX_ZERO_CHUNK in RAUC's hash_index.h begins and ends so.
    const ZEROS: ([u8; 4], [u8; 4]) = ([0xad, 0x7f, 0xac, 0xb2], [0x48, 0x89, 0x2c, 0xa7]);

    #[test]
    fn the_notes_are_about_the_slots_in_raucs_settings() {
        let place = crate::place::Place::find().expect("xtask lies in the work tree");
        let file = super::super::firmware::file(&place, "rauc.conf.in");
        let text = std::fs::read_to_string(file).expect("it is there");
        let slots: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("[slot.")?.strip_suffix(']')).collect();
        assert_eq!(slots, SLOTS);
        assert!(text.contains("\ndata-directory=/state/rauc\n"));
    }

    #[test]
    fn each_block_has_its_hash_in_its_place() {
        let mut bytes = vec![0; 3 * BLOCK];
        bytes[BLOCK..2 * BLOCK].fill(1);
        let index = of(bytes.as_slice()).unwrap();
        assert_eq!(index.len(), 96);
        assert_eq!(index[..32], index[64..]);
        assert_eq!(index[32..64], *digest(&SHA256, &[1; BLOCK]).as_ref());
        assert_eq!((&index[..4], &index[28..32]), (&ZEROS.0[..], &ZEROS.1[..]));
        assert_eq!(of_nothing(), index[..32]);
    }
}
