//! What each thread of the eye is at ↔ a few bytes in a file that outlives it. After its death the recorder reads which
//! stream's bytes were in work.
//!
//! The recorder gives the eye an anonymous file as standard output. Slot `n` begins at byte `16 n`: kind of work (0 none,
//! 1 decoding, 2 looking, 3 still), three zeros, `u32` stream or request, `u64` the unit's time; little-endian.

use crate::Mono;
use crate::eye::Work;

/// Bytes of a slot.
pub const SLOT: usize = 16;
/// Slots; a thread that finds none free is not written down.
pub const SLOTS: usize = 256;
/// Bytes of the whole file.
pub const SIZE: usize = SLOT * SLOTS;

/// One thread's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// At what.
    pub work: Work,
    /// Stream number; of a still, the request.
    pub on: u32,
    /// The unit's time.
    pub mono: Mono,
}

/// A slot's bytes; nothing is in work when there is no mark.
pub fn encode(mark: Option<Mark>) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    if let Some(Mark { work, on, mono }) = mark {
        slot[0] = match work {
            Work::Decoding => 1,
            Work::Looking => 2,
            Work::Still => 3,
        };
        slot[4..8].copy_from_slice(&on.to_le_bytes());
        slot[8..].copy_from_slice(&mono.0.to_le_bytes());
    }
    slot
}

/// Everything that was in work. Bytes that mean nothing are nothing in work: the eye may write what it likes.
pub fn decode(file: &[u8]) -> Vec<Mark> {
    let slots = file.as_chunks::<SLOT>().0.iter().take(SLOTS);
    slots
        .filter_map(|slot| {
            let work = match slot[0] {
                1 => Work::Decoding,
                2 => Work::Looking,
                3 => Work::Still,
                _ => return None,
            };
            let on = u32::from_le_bytes(*slot[4..].first_chunk()?);
            let mono = Mono(u64::from_le_bytes(*slot[8..].first_chunk()?));
            Some(Mark { work, on, mono })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_file_and_garbage_is_none() {
        let mark = |work, on| Mark { work, on, mono: Mono(1 << 40) };
        let marks = [mark(Work::Decoding, 3), mark(Work::Looking, 0), mark(Work::Still, u32::MAX)];
        let mut file: Vec<u8> = marks.iter().flat_map(|m| encode(Some(*m))).collect();
        file.splice(SLOT..SLOT, encode(None));
        assert_eq!(decode(&file), marks);
        assert!(decode(&[0xff; SIZE + 7]).is_empty());
        assert!(decode(&[1; SLOT - 1]).is_empty());
        assert_eq!(decode(&[2; 3 * SIZE]).len(), SLOTS);
    }
}
