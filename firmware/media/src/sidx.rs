//! Fragments' lengths and durations → `sidx` (ISO/IEC 14496-12 section 8.16.3), so that a player can seek in a file of fragments.

use crate::boxes::BoxWriter;
use crate::{VIDEO_TIMESCALE, VIDEO_TRACK};

/// One part of the file, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Bytes.
    pub size: u32,
    /// 90 kHz ticks.
    pub duration: u32,
    /// Starts with a key frame.
    pub is_key: bool,
}

/// Most references one box can hold.
pub const MAX_REFERENCES: usize = u16::MAX as usize;

/// Bytes of a box with `n` references.
pub fn len(n: usize) -> usize {
    40 + 12 * n
}

/// The box. The referenced parts follow it directly. At most [`MAX_REFERENCES`] are written.
pub fn write(references: &[Reference]) -> Vec<u8> {
    let references = &references[..references.len().min(MAX_REFERENCES)];
    let mut w = BoxWriter::with_capacity(len(references.len()));
    w.full(b"sidx", 1, 0, |w| {
        w.u32(VIDEO_TRACK);
        w.u32(VIDEO_TIMESCALE);
        w.u64(0);
        w.u64(0);
        w.u16(0);
        w.u16(references.len() as u16);
        for r in references {
            w.u32(r.size & 0x7fff_ffff);
            w.u32(r.duration);
            w.u32(if r.is_key { 0x9000_0000 } else { 0 });
        }
    });
    w.into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn length_is_as_told() {
        let r = super::Reference { size: 1, duration: 2, is_key: true };
        assert_eq!(super::write(&[r; 3]).len(), super::len(3));
    }
}
