//! The on-disk form of a slab's records ↔ numbers.
//!
//! A slab is `ftyp moov RECORD(slab) RECORD RECORD … free`. A record is a `uuid` box that players skip, for a fragment
//! followed by its `moof` and `mdat`. All numbers are big endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the `uuid` box: 64, and the payload's length when the payload is inside |
//! | 4..8 | `uuid` |
//! | 8..24 | [`RECORD_UUID`] |
//! | 24 | version, 1 |
//! | 25 | kind |
//! | 26..28 | flags: 1 = starts with a key frame |
//! | 28..36 | slab generation |
//! | 36..40 | sequence in the slab, from 0 |
//! | 40..44 | length of the whole record with what follows |
//! | 44..52 | wall clock of its first moment, µs since 1970 |
//! | 52..56 | duration, µs |
//! | 56..60 | CRC-32C of bytes 8..56 and of all that follows byte 64 |
//! | 60..64 | zero |
//!
//! The first eight bytes are written last: until then they are the head of the `free` box that spans the rest.

use nightjar_types::{CameraId, StreamKind, StreamParams, Wall};
use serde::{Deserialize, Serialize};

/// Marks our records. A random UUID.
pub const RECORD_UUID: [u8; 16] =
    [0x6e, 0x69, 0x67, 0x68, 0x74, 0x6a, 0x4a, 0x72, 0x9c, 0x1e, 0x51, 0xab, 0x0d, 0xe3, 0x77, 0x42];
/// Bytes of a record's head.
pub const HEAD_LEN: usize = 64;
/// Version of this layout.
pub const VERSION: u8 = 1;
/// Bytes of the `free` box head that ends every slab.
pub const FREE_LEN: u32 = 8;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`SlabHead`] inside the box.
    Slab,
    /// `moof` + `mdat` behind the box.
    Fragment,
    /// A postcard event and its picture inside the box.
    Event,
}

/// A record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// What it holds.
    pub kind: Kind,
    /// Starts with a key frame.
    pub is_key: bool,
    /// The slab's generation: a record of another generation is a leftover.
    pub generation: u64,
    /// Place in the slab.
    pub sequence: u32,
    /// Bytes with all that follows.
    pub len: u32,
    /// First moment.
    pub wall: Wall,
    /// Microseconds.
    pub duration_us: u32,
    /// CRC-32C.
    pub crc: u32,
}

/// What a slab says about itself: enough to rebuild the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlabHead {
    /// Whose footage.
    pub camera: CameraId,
    /// Which stream.
    pub stream: StreamKind,
    /// Codec parameters.
    pub params: StreamParams,
    /// Absolute 90 kHz tick of decode time zero in this file.
    pub origin_ticks: i64,
}

impl RecordHead {
    /// Moment after the last.
    pub fn end(&self) -> Wall {
        self.wall.plus_micros(i64::from(self.duration_us))
    }

    /// The head with its CRC over `rest`: all that follows the head.
    pub fn encode<'a>(mut self, rest: impl Iterator<Item = &'a [u8]>) -> [u8; HEAD_LEN] {
        let mut out = self.put();
        self.crc = rest.fold(crc32c::crc32c(&out[8..56]), crc32c::crc32c_append);
        out[56..60].copy_from_slice(&self.crc.to_be_bytes());
        out
    }

    fn put(&self) -> [u8; HEAD_LEN] {
        let mut out = [0; HEAD_LEN];
        let inside = if self.kind == Kind::Fragment { HEAD_LEN as u32 } else { self.len };
        out[0..4].copy_from_slice(&inside.to_be_bytes());
        out[4..8].copy_from_slice(b"uuid");
        out[8..24].copy_from_slice(&RECORD_UUID);
        out[24] = VERSION;
        out[25] = match self.kind {
            Kind::Slab => 1,
            Kind::Fragment => 2,
            Kind::Event => 3,
        };
        out[26..28].copy_from_slice(&u16::from(self.is_key).to_be_bytes());
        out[28..36].copy_from_slice(&self.generation.to_be_bytes());
        out[36..40].copy_from_slice(&self.sequence.to_be_bytes());
        out[40..44].copy_from_slice(&self.len.to_be_bytes());
        out[44..52].copy_from_slice(&self.wall.0.to_be_bytes());
        out[52..56].copy_from_slice(&self.duration_us.to_be_bytes());
        out
    }

    /// Reads a head. `None` when these bytes are not one.
    pub fn decode(b: &[u8; HEAD_LEN]) -> Option<Self> {
        fn part<const N: usize>(b: &[u8; HEAD_LEN], at: usize) -> [u8; N] {
            b[at..at + N].try_into().expect("inside the head")
        }
        let kind = match b[25] {
            1 => Kind::Slab,
            2 => Kind::Fragment,
            3 => Kind::Event,
            _ => return None,
        };
        let head = Self {
            kind,
            is_key: b[27] & 1 != 0,
            generation: u64::from_be_bytes(part(b, 28)),
            sequence: u32::from_be_bytes(part(b, 36)),
            len: u32::from_be_bytes(part(b, 40)),
            wall: Wall(i64::from_be_bytes(part(b, 44))),
            duration_us: u32::from_be_bytes(part(b, 52)),
            crc: u32::from_be_bytes(part(b, 56)),
        };
        let same = head.put()[..56] == b[..56];
        (same && head.len as usize >= HEAD_LEN).then_some(head)
    }

    /// The CRC of these bytes is the head's: `record` is the whole record.
    pub fn fits(&self, record: &[u8]) -> bool {
        record.len() == self.len as usize
            && crc32c::crc32c_append(crc32c::crc32c(&record[8..56]), &record[HEAD_LEN..]) == self.crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_survives(generation: u64, sequence: u32, wall: i64, duration_us: u32, is_key: bool, rest in proptest::collection::vec(any::<u8>(), 0..99)) {
            let head = RecordHead { kind: Kind::Event, is_key, generation, sequence, len: (HEAD_LEN + rest.len()) as u32, wall: Wall(wall), duration_us, crc: 0 };
            let bytes = head.encode([&rest[..]].into_iter());
            let back = RecordHead::decode(&bytes).unwrap();
            prop_assert_eq!(RecordHead { crc: 0, ..back }, head);
            let mut record = bytes.to_vec();
            record.extend(&rest);
            prop_assert!(back.fits(&record));
            for at in [8, 30, 45] { let mut torn = record.clone(); torn[at] ^= 1; prop_assert!(!back.fits(&torn)); }
        }

        #[test]
        fn any_bytes_are_refused_or_read(b in proptest::array::uniform32(any::<u8>())) {
            let mut all = [0; HEAD_LEN];
            all[..32].copy_from_slice(&b);
            let _ = RecordHead::decode(&all);
        }
    }
}
