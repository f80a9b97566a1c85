//! Moments with words → a chapter list in `udta` (`chpl`, as Nero wrote it): FFmpeg, VLC, mpv and mp4chaps read it.

use crate::boxes::BoxWriter;

/// Most chapters that one list can hold: its counter is a byte.
pub const MAX_CHAPTERS: usize = 255;
/// Longest title, bytes: its length is a byte.
const MAX_TITLE: usize = 255;

/// One chapter. It lasts until the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Microseconds since the start of the file.
    pub at_us: u64,
    /// What a player shows.
    pub title: String,
}

/// `udta` with the list. Nothing when there are no chapters; those over [`MAX_CHAPTERS`] are left out.
pub(crate) fn write(w: &mut BoxWriter, chapters: &[Chapter]) {
    let chapters = &chapters[..chapters.len().min(MAX_CHAPTERS)];
    if chapters.is_empty() {
        return;
    }
    w.boxed(b"udta", |w| {
        w.full(b"chpl", 1, 0, |w| {
            w.u32(0);
            w.u8(chapters.len() as u8);
            for chapter in chapters {
                w.u64(chapter.at_us.saturating_mul(10)); // units of 100 ns
                let title = cut(&chapter.title);
                w.u8(title.len() as u8);
                w.bytes(title.as_bytes());
            }
        });
    });
}

/// As much of the text as fits, whole characters.
fn cut(title: &str) -> &str {
    let end = (0..=title.len().min(MAX_TITLE)).rev().find(|at| title.is_char_boundary(*at));
    &title[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(chapters: &[Chapter]) -> Vec<u8> {
        let mut w = BoxWriter::default();
        write(&mut w, chapters);
        w.into_bytes()
    }

    #[test]
    fn counts_and_lengths_fit_their_bytes() {
        assert!(written(&[]).is_empty());
        let many = vec![Chapter { at_us: 2_000_000, title: "€".repeat(100) }; 300];
        let bytes = written(&many);
        let one = 9 + 255; // 85 whole characters of three bytes
        assert_eq!(bytes.len(), 8 + 12 + 4 + 1 + 255 * one);
        assert_eq!(bytes[8 + 12 + 4], 255);
        assert_eq!(bytes[25..33], 20_000_000u64.to_be_bytes());
        assert_eq!(bytes[33], 255);
    }
}
