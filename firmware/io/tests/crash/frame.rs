//! Stream and number → an access unit's bytes, and back: whatever is found on the card says itself whose it is and whether
//! every byte is right.

use bytes::{BufMut, Bytes, BytesMut};
use std::sync::OnceLock;

const MAGIC: [u8; 8] = *b"NJframe\xb7";
/// Bytes in front of a frame's own.
pub const HEAD: usize = 20;
const NOISE: usize = 1 << 16;
/// Largest unit, bytes.
const LARGEST: usize = 128 << 10;

/// Which unit of which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub stream: u8,
    pub is_audio: bool,
    pub n: u32,
}

fn noise() -> &'static [u8] {
    static ALL: OnceLock<Vec<u8>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut rng = super::rng::Rng::new(7);
        (0..NOISE + LARGEST).map(|_| rng.next() as u8).collect()
    })
}

fn body(id: Id, len: usize) -> &'static [u8] {
    let at =
        (id.n as usize).wrapping_mul(7_919) + usize::from(id.stream) * 31 + usize::from(id.is_audio) * 57;
    &noise()[at % NOISE..][..len]
}

/// The bytes of a unit: `len` of them.
pub fn bytes(id: Id, len: usize) -> Bytes {
    let len = len.max(HEAD);
    let mut out = BytesMut::with_capacity(len);
    out.put_slice(&MAGIC);
    out.put_u8(id.stream);
    out.put_u8(u8::from(id.is_audio));
    out.put_u16(0);
    out.put_u32(id.n);
    out.put_u32(len as u32);
    out.put_slice(body(id, len - HEAD));
    out.freeze()
}

/// What a unit's first bytes say: which it is and how long.
pub fn parse(data: &[u8]) -> Option<(Id, usize)> {
    let head = data.get(..HEAD)?;
    if head[..8] != MAGIC || head[8] > 31 || head[9] > 1 {
        return None;
    }
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = word(16) as usize;
    (len >= HEAD).then_some((Id { stream: head[8], is_audio: head[9] == 1, n: word(12) }, len))
}

/// All units that stand in `data`, one behind the other; an error says where it is not so.
pub fn parse_all(mut data: &[u8]) -> Result<Vec<(Id, usize)>, String> {
    let (mut all, mut at) = (Vec::new(), 0);
    while !data.is_empty() {
        let Some((id, len)) = parse(data) else {
            return Err(format!("no frame at {at} of a fragment's data"));
        };
        let Some(own) = data.get(HEAD..len) else { return Err(format!("{id:?} is cut at {at}")) };
        if own != body(id, len - HEAD) {
            return Err(format!("{id:?} is not what was fed"));
        }
        all.push((id, at));
        (data, at) = (&data[len..], at + len);
    }
    Ok(all)
}
