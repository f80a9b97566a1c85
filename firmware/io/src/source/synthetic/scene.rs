//! Picture number → what each macroblock shows: colour bars, a block that moves, a counter of seconds. Pure.

/// A colour of ITU-R BT.601, limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) cb: u8,
    pub(super) cr: u8,
}

/// What one macroblock of 16×16 pixels shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tile {
    /// One colour.
    Flat(Colour),
    /// A decimal digit, white on black.
    Digit(u8),
}

const fn colour(y: u8, cb: u8, cr: u8) -> Colour {
    Colour { y, cb, cr }
}

const BLACK: Colour = colour(16, 128, 128);
const WHITE: Colour = colour(235, 128, 128);

/// The bars of 75 % that every test picture has: white, yellow, cyan, green, magenta, red, blue (SMPTE EG 1).
const BARS: [Colour; 7] = [
    colour(180, 128, 128),
    colour(162, 44, 142),
    colour(131, 156, 44),
    colour(112, 72, 58),
    colour(84, 184, 198),
    colour(65, 100, 212),
    colour(35, 212, 114),
];

/// Digits of the counter.
const DIGITS: u32 = 6;
/// The counter stands in this row and begins in this column.
const COUNTER: (u32, u32) = (1, 1);
/// Edge of the moving block in macroblocks, at most.
const BLOCK: u32 = 3;

/// A picture in macroblocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// Columns, at least 2.
    pub(super) columns: u32,
    /// Rows, at least 2.
    pub(super) rows: u32,
    /// Pictures a second.
    pub(super) fps: u32,
}

impl Scene {
    /// What the macroblock at `column`, `row` shows in picture `number`.
    pub(super) fn tile(&self, column: u32, row: u32, number: u64) -> Tile {
        let (top, left) = COUNTER;
        if row == top && (left..left + DIGITS).contains(&column) {
            let seconds = number / u64::from(self.fps);
            let place = left + DIGITS - 1 - column;
            return Tile::Digit((seconds / 10u64.pow(place) % 10) as u8);
        }
        let edge = BLOCK.min(self.rows / 2);
        let at = (number % u64::from(self.columns)) as u32;
        let bottom = self.rows.saturating_sub(1);
        if (bottom - edge..bottom).contains(&row) && (column + self.columns - at) % self.columns < edge {
            return Tile::Flat(if self.fps > 1 && number / u64::from(self.fps) % 2 == 1 {
                BLACK
            } else {
                WHITE
            });
        }
        Tile::Flat(BARS[(column as usize * BARS.len() / self.columns as usize).min(BARS.len() - 1)])
    }
}

impl Tile {
    /// The 256 luma, 64 Cb and 64 Cr samples, in that order (clause 7.3.5: pcm_sample_luma, pcm_sample_chroma).
    pub(super) fn samples(self) -> [u8; 384] {
        let mut samples = [0; 384];
        let (luma, chroma) = samples.split_at_mut(256);
        let ground = match self {
            Tile::Flat(colour) => colour,
            Tile::Digit(digit) => {
                for (at, sample) in luma.iter_mut().enumerate() {
                    *sample = if is_inked(digit, at % 16, at / 16) { WHITE.y } else { BLACK.y };
                }
                chroma.fill(128);
                return samples;
            }
        };
        luma.fill(ground.y);
        chroma[..64].fill(ground.cb);
        chroma[64..].fill(ground.cr);
        samples
    }
}

/// Seven segments a digit, bits: top, upper right, lower right, bottom, lower left, upper left, middle.
const SEGMENTS: [u8; 10] = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f];

/// Whether pixel `x`, `y` of the macroblock belongs to the digit.
fn is_inked(digit: u8, x: usize, y: usize) -> bool {
    let across = (4..12).contains(&x);
    let (left, right) = ((3..5).contains(&x), (11..13).contains(&x));
    let (upper, lower) = ((1..8).contains(&y), (8..15).contains(&y));
    let segments = [
        across && (1..3).contains(&y),
        right && upper,
        right && lower,
        across && (13..15).contains(&y),
        left && lower,
        left && upper,
        across && (7..9).contains(&y),
    ];
    let lit = SEGMENTS[usize::from(digit % 10)];
    segments.iter().enumerate().any(|(bit, inside)| *inside && lit >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: Scene = Scene { columns: 20, rows: 12, fps: 5 };

    fn seconds(number: u64) -> String {
        let digits = (0..DIGITS).map(|place| match SCENE.tile(COUNTER.1 + place, COUNTER.0, number) {
            Tile::Digit(digit) => char::from(b'0' + digit),
            Tile::Flat(_) => ' ',
        });
        digits.collect()
    }

    #[test]
    fn counts_seconds() {
        assert_eq!(seconds(0), "000000");
        assert_eq!(seconds(4), "000000");
        assert_eq!(seconds(5 * 61), "000061");
    }

    #[test]
    fn every_picture_differs_from_the_one_before_but_only_a_little() {
        for number in 1..200 {
            let all = (0..SCENE.rows).flat_map(|row| (0..SCENE.columns).map(move |column| (column, row)));
            let changed =
                all.filter(|&(c, r)| SCENE.tile(c, r, number) != SCENE.tile(c, r, number - 1)).count();
            assert!((1..=30).contains(&changed), "picture {number}: {changed}");
        }
    }

    #[test]
    fn fits_the_smallest_picture() {
        let small = Scene { columns: 2, rows: 2, fps: 1 };
        for number in 0..10 {
            for at in 0..4 {
                small.tile(at % 2, at / 2, number).samples();
            }
        }
    }
}
