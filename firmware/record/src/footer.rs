//! The last bytes of a slab: where its seal is, and whether its footage was deleted.

use crate::scan::{ReadAt, read_start};
use nightjar_media::walk;

/// Bytes of a footer.
pub const FOOTER_LEN: usize = 16;
/// Begins the footer of a slab that holds footage.
const FULL: [u8; 4] = *b"njsl";
/// Begins the footer of a slab whose footage was deleted: it waits to be written over.
const RETIRED: [u8; 4] = *b"njsr";

/// What stands at the very end of a full slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// The footage was deleted: the slab waits, still under its name.
    pub is_retired: bool,
    /// Where the seal's record begins.
    pub seal_at: u32,
    /// Of the slab that was sealed. Another one than the start's: the slab has been begun anew since.
    pub generation: u64,
}

impl Footer {
    /// As it is written.
    pub fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        bytes[..4].copy_from_slice(if self.is_retired { &RETIRED } else { &FULL });
        bytes[4..8].copy_from_slice(&self.seal_at.to_be_bytes());
        bytes[8..].copy_from_slice(&self.generation.to_be_bytes());
        bytes
    }

    /// The footer of a slab of `len` bytes. `None` when there is none, as in one that was never full.
    pub fn read<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Option<Self>, R::Error> {
        let mut bytes = [0; FOOTER_LEN];
        let Some(at) = len.checked_sub(FOOTER_LEN as u64) else { return Ok(None) };
        if file.read_at(at, &mut bytes)? < FOOTER_LEN {
            return Ok(None);
        }
        let is_retired = bytes.starts_with(&RETIRED);
        let there = (is_retired || bytes.starts_with(&FULL))
            .then(|| Some((walk::u32_at(&bytes, 4)?, walk::u64_at(&bytes, 8)?)))
            .flatten();
        Ok(there.map(|(seal_at, generation)| Self { is_retired, seal_at, generation }))
    }
}

/// The generation of a slab of `len` bytes whose footage was deleted, if it was not begun anew since.
pub fn retired<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Option<u64>, R::Error> {
    let Some(footer) = Footer::read(file, len)?.filter(|f| f.is_retired) else { return Ok(None) };
    Ok(read_start(file)?.map(|start| start.generation).filter(|generation| *generation == footer.generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_read_as_it_was_written() {
        let full = Footer { is_retired: false, seal_at: 77, generation: 1 << 40 };
        let mut slab = [0; 100];
        assert_eq!(Footer::read(&slab[..], 100), Ok(None));
        for footer in [full, Footer { is_retired: true, ..full }] {
            slab[84..].copy_from_slice(&footer.encode());
            assert_eq!(Footer::read(&slab[..], 100), Ok(Some(footer)));
            assert_eq!(Footer::read(&slab[..], 99), Ok(None));
            assert_eq!(Footer::read(&slab[..90], 100), Ok(None), "cut short");
        }
    }
}
