//! The on-disk form of a slab's records ↔ numbers. DESIGN.md tells the whole format and why it is so.
//!
//! A slab is `ftyp moov RECORD(slab) RECORD … free`. A record is a `uuid` box that players skip, for a fragment
//! followed by its `moof` and `mdat`. All numbers are big endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the `uuid` box: 96, and the payload's length when the payload is inside |
//! | 4..8 | `uuid` |
//! | 8..24 | [`RECORD_UUID`] |
//! | 24 | version, 2 |
//! | 25 | kind |
//! | 26..28 | flags: 1 = starts with a key frame, 2 = something moved, 4 = an event was going on |
//! | 28..36 | slab generation |
//! | 36..40 | sequence in the slab, from 0 |
//! | 40..44 | length of the whole record with what follows |
//! | 44..52 | wall clock of its first moment, µs since 1970 |
//! | 52..56 | duration, µs |
//! | 56..60 | CRC-32C of bytes 8..56 and 60..96 |
//! | 60..64 | zero |
//! | 64..96 | BLAKE3 of all that follows byte 96 |
//!
//! The first eight bytes are written last: until then they are the head of the `free` box that spans the rest.

use nightjar_types::{CameraId, Mono, StreamKind, StreamParams, Wall};
use serde::{Deserialize, Serialize};

/// Marks our records. A random UUID.
pub const RECORD_UUID: [u8; 16] =
    [0x6e, 0x69, 0x67, 0x68, 0x74, 0x6a, 0x4a, 0x72, 0x9c, 0x1e, 0x51, 0xab, 0x0d, 0xe3, 0x77, 0x42];
/// Bytes of a record's head.
pub const HEAD_LEN: usize = 96;
/// Version of this layout.
pub const VERSION: u8 = 2;
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
    /// [`Seal`] inside the box: the last record that is footage's.
    Seal,
    /// [`Restamp`] inside the box, behind the seal.
    Restamp,
}

/// Marks of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u16);

impl Flags {
    /// It starts with a key frame.
    pub const KEY: Self = Self(1);
    /// Something moved while it was recorded.
    pub const MOTION: Self = Self(2);
    /// An event was going on.
    pub const EVENT: Self = Self(4);

    /// All of `other`'s marks are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Marks of both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// A record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHead {
    /// What it holds.
    pub kind: Kind,
    /// Its marks.
    pub flags: Flags,
    /// The slab's generation: a record of another generation is a leftover.
    pub generation: u64,
    /// Place in the slab.
    pub sequence: u32,
    /// Bytes with all that follows.
    pub len: u32,
    /// First moment, as the clock then told it.
    pub wall: Wall,
    /// Microseconds.
    pub duration_us: u32,
    /// Of all that follows the head.
    pub hash: Hash,
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
    /// When it was begun.
    pub begun: Begun,
    /// Chain of the slab that the stream wrote before this one; zeros for its first.
    pub previous: Hash,
    /// Bytes written to and video recorded on this volume since it was made, up to this slab.
    pub wear: Wear,
    /// Generations whose footage this slab holds in thinned form. It counts only when sealed, and then they do not.
    pub replaces: Vec<u64>,
}

/// A moment on both time lines, and whether the wall clock could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Begun {
    /// The kernel's random id of the boot.
    pub boot: [u8; 16],
    /// Time since boot.
    pub mono: Mono,
    /// The wall clock at that moment, as stamped.
    pub wall: Wall,
    /// The clock was set by something that knows the time (NTP, GPS, a person).
    pub is_sure: bool,
}

/// Counters of a card's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wear {
    /// Bytes that the recorder wrote.
    pub written: u64,
    /// Bytes of video and audio among them.
    pub payload: u64,
}

/// What stands at the end of a full slab: a table of its records, and the proof that they are these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Every record from sequence 1 to the seal, without holes.
    pub entries: Vec<SealEntry>,
    /// [`Chain`] over all heads of these records.
    pub chain: Hash,
    /// The device's Ed25519 public key; zeros when it has none.
    pub device: [u8; 32],
    /// Ed25519 over [`Seal::message`]; empty when the device has no key.
    pub signature: Vec<u8>,
}

impl Seal {
    /// The signature is that of the key that it names.
    pub fn is_signed(&self, generation: u64) -> bool {
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &self.device);
        key.verify(&Self::message(generation, &self.chain), &self.signature).is_ok()
    }

    /// What is signed.
    pub fn message(generation: u64, chain: &Hash) -> Vec<u8> {
        [b"nightjar slab 2", &generation.to_be_bytes()[..], chain].concat()
    }
}

/// One record in a seal's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealEntry {
    /// It is an event, not a fragment.
    pub is_event: bool,
    /// Its marks.
    pub flags: Flags,
    /// Bytes of the record.
    pub len: u32,
    /// Microseconds from the slab's begin, [`Begun::wall`], to the record's.
    pub after_us: i64,
    /// Microseconds.
    pub duration_us: u32,
}

/// The clock was wrong when the slab was written: all its times are moved by this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restamp {
    /// Microseconds to add to every time in the slab. It replaces an earlier one.
    pub shift_us: i64,
    /// Ed25519 over `"nightjar restamp 1"`, the chain and the shift (big endian); empty when the device has no key.
    pub signature: Vec<u8>,
}

impl Restamp {
    /// What is signed.
    pub fn message(chain: &Hash, shift_us: i64) -> Vec<u8> {
        [b"nightjar restamp 1", &chain[..], &shift_us.to_be_bytes()].concat()
    }
}

/// Runs over the heads of a slab's records: each link is BLAKE3 of the one before and the head, which holds the hash of
/// what follows it. Whoever changes, drops or adds a byte breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub Hash);

impl Chain {
    /// The first link: the chain of the slab before and the bytes in front of the first record (`ftyp`, `moov`).
    pub fn begin(previous: &Hash, init: &[u8]) -> Self {
        Self(
            *blake3::Hasher::new()
                .update(previous)
                .update(blake3::hash(init).as_bytes())
                .finalize()
                .as_bytes(),
        )
    }

    /// The next link.
    pub fn add(&mut self, head: &[u8; HEAD_LEN]) {
        self.0 = *blake3::Hasher::new().update(&self.0).update(head).finalize().as_bytes();
    }
}

fn head_crc(b: &[u8; HEAD_LEN]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&b[8..56]), &b[60..HEAD_LEN])
}

impl RecordHead {
    /// Moment after the last.
    pub fn end(&self) -> Wall {
        self.wall.plus_micros(i64::from(self.duration_us))
    }

    /// It is a fragment that starts with a key frame.
    pub fn is_key(&self) -> bool {
        self.kind == Kind::Fragment && self.flags.has(Flags::KEY)
    }

    /// Puts the hash of `rest`, all that follows the head, into it.
    pub fn hashed<'a>(mut self, rest: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in rest {
            hasher.update(part);
        }
        self.hash = *hasher.finalize().as_bytes();
        self
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; HEAD_LEN] {
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
            Kind::Seal => 4,
            Kind::Restamp => 5,
        };
        out[26..28].copy_from_slice(&self.flags.0.to_be_bytes());
        out[28..36].copy_from_slice(&self.generation.to_be_bytes());
        out[36..40].copy_from_slice(&self.sequence.to_be_bytes());
        out[40..44].copy_from_slice(&self.len.to_be_bytes());
        out[44..52].copy_from_slice(&self.wall.0.to_be_bytes());
        out[52..56].copy_from_slice(&self.duration_us.to_be_bytes());
        out[64..HEAD_LEN].copy_from_slice(&self.hash);
        let crc = head_crc(&out);
        out[56..60].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a head. `None` when these bytes are not a whole one.
    pub fn decode(b: &[u8; HEAD_LEN]) -> Option<Self> {
        fn part<const N: usize>(b: &[u8; HEAD_LEN], at: usize) -> [u8; N] {
            b[at..at + N].try_into().expect("inside the head")
        }
        let kind = match b[25] {
            1 => Kind::Slab,
            2 => Kind::Fragment,
            3 => Kind::Event,
            4 => Kind::Seal,
            5 => Kind::Restamp,
            _ => return None,
        };
        let head = Self {
            kind,
            flags: Flags(u16::from_be_bytes(part(b, 26))),
            generation: u64::from_be_bytes(part(b, 28)),
            sequence: u32::from_be_bytes(part(b, 36)),
            len: u32::from_be_bytes(part(b, 40)),
            wall: Wall(i64::from_be_bytes(part(b, 44))),
            duration_us: u32::from_be_bytes(part(b, 52)),
            hash: part(b, 64),
        };
        (head.encode() == *b && head.len as usize >= HEAD_LEN).then_some(head)
    }

    /// What follows the head is what its hash says: `record` is the whole record.
    pub fn fits(&self, record: &[u8]) -> bool {
        record.len() == self.len as usize && *blake3::hash(&record[HEAD_LEN..]).as_bytes() == self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_survives(generation: u64, sequence: u32, wall: i64, duration_us: u32, flags: u16, rest in proptest::collection::vec(any::<u8>(), 0..99)) {
            let head = RecordHead { kind: Kind::Event, flags: Flags(flags), generation, sequence, len: (HEAD_LEN + rest.len()) as u32, wall: Wall(wall), duration_us, hash: [0; 32] };
            let head = head.hashed([&rest[..]].into_iter());
            let bytes = head.encode();
            prop_assert_eq!(RecordHead::decode(&bytes), Some(head));
            let mut record = bytes.to_vec();
            record.extend(&rest);
            prop_assert!(head.fits(&record));
            for at in [8, 30, 45, 57, 70] { let mut torn = bytes; torn[at] ^= 1; prop_assert!(RecordHead::decode(&torn).is_none()); }
            if let Some(last) = record[HEAD_LEN..].last_mut() { *last ^= 1; prop_assert!(!head.fits(&record)); }
        }

        #[test]
        fn any_bytes_are_refused_or_read(b in proptest::array::uniform32(any::<u8>())) {
            let mut all = [0; HEAD_LEN];
            all[..32].copy_from_slice(&b);
            let _ = RecordHead::decode(&all);
        }
    }

    #[test]
    fn a_chain_tells_every_change() {
        let head = RecordHead {
            kind: Kind::Fragment,
            flags: Flags::KEY,
            generation: 1,
            sequence: 1,
            len: 96,
            wall: Wall(5),
            duration_us: 6,
            hash: [7; 32],
        };
        let chain = |previous, init: &[u8], heads: &[RecordHead]| {
            let mut chain = Chain::begin(&previous, init);
            heads.iter().for_each(|h| chain.add(&h.encode()));
            chain
        };
        let other = RecordHead { wall: Wall(6), ..head };
        let all = [
            chain([0; 32], b"i", &[head]),
            chain([1; 32], b"i", &[head]),
            chain([0; 32], b"j", &[head]),
            chain([0; 32], b"i", &[other]),
            chain([0; 32], b"i", &[head, other]),
            chain([0; 32], b"i", &[]),
        ];
        for (n, a) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|b| a != b));
        }
    }
}
