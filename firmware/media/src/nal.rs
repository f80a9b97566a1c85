//! Access unit bytes ↔ NAL units. Length-prefixed (ISO/IEC 14496-15) inside, Annex B at the edges.

use crate::MediaError;
use nightjar_types::VideoCodec;

/// NAL units of an access unit with four-byte length prefixes.
pub fn units(data: &[u8]) -> impl Iterator<Item = Result<&[u8], MediaError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = data.get(at..).filter(|r| !r.is_empty())?;
        let Some(head) = rest.first_chunk::<4>() else {
            let here = at;
            at = data.len();
            return Some(Err(MediaError::Short { at: here }));
        };
        let len = u32::from_be_bytes(*head) as usize;
        let Some(unit) = rest.get(4..).and_then(|r| r.get(..len)) else {
            let here = at;
            at = data.len();
            return Some(Err(MediaError::Overrun { at: here, says: len as u64, left: rest.len() - 4 }));
        };
        at += 4 + len;
        Some(Ok(unit))
    })
}

/// A decoder can start at this NAL unit: IDR (H.264), IRAP (H.265).
pub fn is_key(codec: VideoCodec, unit: &[u8]) -> bool {
    let Some(&first) = unit.first() else { return false };
    match codec {
        VideoCodec::H264 => first & 0x1f == 5,
        VideoCodec::H265 => (16..=21).contains(&(first >> 1 & 0x3f)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_by_length() {
        let data = b"\0\0\0\x02\x65\x01\0\0\0\x01\x41";
        let all: Result<Vec<_>, _> = units(data).collect();
        assert_eq!(all.unwrap(), [&b"\x65\x01"[..], b"\x41"]);
        assert!(is_key(VideoCodec::H264, b"\x65"));
        assert!(is_key(VideoCodec::H265, &[19 << 1, 1]) && !is_key(VideoCodec::H265, &[1 << 1, 1]));
    }

    proptest! {
        #[test]
        fn ends_on_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(units(&data).count() <= data.len() / 4 + 1);
        }
    }
}
