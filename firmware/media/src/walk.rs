//! Bytes → boxes, without copying. Never panics, whatever the bytes.

use crate::MediaError;

/// One box inside a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Box<'a> {
    /// Four-character code.
    pub kind: [u8; 4],
    /// Where the box begins in the walked slice.
    pub at: usize,
    /// Length of its head: 8, or 16 with a long length.
    pub head: usize,
    /// What is in it.
    pub body: &'a [u8],
}

/// Walks the boxes of a slice, one after the other.
#[derive(Debug, Clone)]
pub struct Boxes<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Boxes<'a> {
    /// Walks `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Box<'a>, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.data.get(at..)?;
        if rest.is_empty() {
            return None;
        }
        self.at = self.data.len(); // a fault ends the walk
        let Some(&[a, b, c, d, k0, k1, k2, k3]) = rest.first_chunk::<8>() else {
            return Some(Err(MediaError::Short { at }));
        };
        let (mut len, mut head) = (u64::from(u32::from_be_bytes([a, b, c, d])), 8);
        if len == 1 {
            let Some(long) = rest.get(8..16) else { return Some(Err(MediaError::Short { at })) };
            len = u64::from_be_bytes(long.try_into().expect("a slice of eight"));
            head = 16;
        } else if len == 0 {
            len = rest.len() as u64;
        }
        if len < head as u64 {
            return Some(Err(MediaError::Short { at }));
        }
        if len > rest.len() as u64 {
            return Some(Err(MediaError::Overrun { at, says: len, left: rest.len() }));
        }
        self.at = at + len as usize;
        Some(Ok(Box { kind: [k0, k1, k2, k3], at, head, body: &rest[head..len as usize] }))
    }
}

/// The first box of a kind, with the offset of its body in `data`.
pub fn find<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<(usize, &'a [u8])> {
    Boxes::new(data).map_while(Result::ok).find(|b| b.kind == *kind).map(|b| (b.at + b.head, b.body))
}

/// Four bytes at `at`, big endian.
pub fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Eight bytes at `at`, big endian.
pub fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn walks_and_stops_at_a_lie() {
        let data = b"\0\0\0\x0afreeAB\0\0\0\x08skip\0\0\0\xffmdat";
        let all: Vec<_> = Boxes::new(data).collect();
        assert_eq!(all[0].as_ref().unwrap().body, b"AB");
        assert_eq!(&all[1].as_ref().unwrap().kind, b"skip");
        assert!(matches!(all[2], Err(MediaError::Overrun { at: 18, says: 255, left: 8 })));
        assert_eq!(all.len(), 3);
    }

    proptest! {
        #[test]
        fn ends_on_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(Boxes::new(&data).count() <= data.len() / 8 + 1);
        }
    }
}
