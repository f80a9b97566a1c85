//! Picture → [`View`]: how bright, how flat, how sharp it is, and the edges by which a scene is known again.
//!
//! Taken about once a second, so a few hundred microseconds are well spent. Edges are differences between neighbouring
//! means: light that adds or multiplies keeps their pattern, noise averages out.

use crate::guard;
use crate::picture::{Picture, Plane};

/// Means across and down; 12 pixels a side in a picture of 768×576.
const COLUMNS: usize = 64;
const ROWS: usize = 48;
/// Blocks across and down in which scenes are compared.
const BLOCKS: (usize, usize) = (4, 3);
/// Samples of a mean have this many fraction bits.
const FINE: u32 = 4;
/// A block with less edge energy than this (mean square of differences, luma 1/16) has nothing to know it by: 1.5 luma.
const TEXTURE: i64 = 24 * 24;
/// Of a scene's energy less than this share (1/n) is left in a block that is blind.
const BLIND_PART: i64 = 16;
/// Luma and colour of a flat picture stay within this many steps.
const FLAT: u8 = 2;
/// Up to this luma a flat picture is black. Studio black is 16.
const BLACK: u8 = 20;
/// Colour of a flat picture this far from grey is a colour, like the green of a decoder that got nothing.
const COLOURED: u8 = 24;
/// An edge worth measuring rises this much over [`EDGE_PIXELS`], in luma.
const EDGE: i32 = 24;
const EDGE_PIXELS: usize = 8;
/// Sharpness is told from so many edges on.
const LEAST_EDGES: u32 = 200;
/// Every so many pixel rows a band of [`BAND`] rows is measured.
const BANDS: usize = 16;
const BAND: usize = 4;

/// A picture of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flat {
    /// No light, no noise.
    Black,
    /// Green, blue: what decoders and cameras show that have nothing.
    Colour,
    /// Grey or white.
    Grey,
}

/// What there is to know of one picture as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Mean luma.
    pub level: u8,
    /// It has no colour.
    pub is_grey: bool,
    /// It is one value all over.
    pub flat: Option<Flat>,
    /// Changes with any sample looked at.
    pub print: u64,
    /// How much of an edge's rise its steepest pixel has, thousandths; `None` without enough edges.
    pub sharpness: Option<u16>,
    /// Differences to the right and the lower neighbour, two a mean.
    edges: Vec<i16>,
}

impl View {
    /// Looks at a picture.
    pub fn of(picture: &Picture) -> Self {
        let luma = picture.luma();
        let means = means(luma);
        let mut edges = Vec::with_capacity(means.len() * 2);
        for (i, &mean) in means.iter().enumerate() {
            let right = if i % COLUMNS + 1 < COLUMNS { means[i + 1] } else { mean };
            let below = means.get(i + COLUMNS).copied().unwrap_or(mean);
            edges.extend([(right - mean) as i16, (below - mean) as i16]);
        }
        let level = (means.iter().sum::<i32>() / means.len() as i32) >> FINE;
        Self {
            level: level.clamp(0, 255) as u8,
            is_grey: guard::has_no_colour(picture),
            flat: flat(picture),
            print: print(luma),
            sharpness: sharpness(luma),
            edges,
        }
    }
}

/// A scene as it is remembered: edges, averaged over views.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// With 8 more fraction bits than a view's.
    edges: Vec<i32>,
}

/// How a remembered scene is found again, in blocks of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Match {
    /// Blocks that have something to be known by.
    pub(crate) judged: u32,
    /// Of these, the scene is there.
    pub(crate) same: u32,
    /// Of these, nothing is there.
    pub(crate) blind: u32,
}

impl Memory {
    /// Takes in a view, 1 part in 2^`shift`; the first whole.
    pub(crate) fn learn(&mut self, view: &View, shift: u32) {
        if self.edges.is_empty() {
            self.edges = view.edges.iter().map(|&e| i32::from(e) << 8).collect();
        }
        for (known, &edge) in self.edges.iter_mut().zip(&view.edges) {
            *known += ((i32::from(edge) << 8) - *known) >> shift;
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.edges.clear();
    }

    /// Takes another's place.
    pub(crate) fn become_like(&mut self, other: &Memory) {
        self.edges.clone_from(&other.edges);
    }

    /// How much of this scene `now` shows.
    pub(crate) fn compare(&self, now: &Memory) -> Match {
        let mut found = Match::default();
        if self.edges.is_empty() || now.edges.is_empty() {
            return found;
        }
        let side = (COLUMNS / BLOCKS.0, ROWS / BLOCKS.1);
        for block in 0..BLOCKS.0 * BLOCKS.1 {
            let (x, y) = (block % BLOCKS.0 * side.0, block / BLOCKS.0 * side.1);
            let (mut both, mut known, mut seen) = (0i64, 0i64, 0i64);
            for row in y..y + side.1 {
                let at = 2 * (row * COLUMNS + x)..2 * (row * COLUMNS + x + side.0);
                for (a, b) in self.edges[at.clone()].iter().zip(&now.edges[at]) {
                    let (a, b) = (i64::from(a >> 8), i64::from(b >> 8));
                    (both, known, seen) = (both + a * b, known + a * a, seen + b * b);
                }
            }
            if known < TEXTURE * (2 * side.0 * side.1) as i64 {
                continue;
            }
            found.judged += 1;
            // Correlated by more than a half: both / √(known·seen) > ½.
            let is_same = both > 0 && 4 * i128::from(both).pow(2) > i128::from(known) * i128::from(seen);
            let is_blind = seen * BLIND_PART < known;
            found.same += u32::from(is_same);
            found.blind += u32::from(is_blind && !is_same);
        }
        found
    }
}

/// Mean luma of [`COLUMNS`] × [`ROWS`] parts, from every second pixel row, with [`FINE`] fraction bits.
fn means(luma: Plane<'_>) -> Vec<i32> {
    let edge = |n: usize, parts: usize, side: usize| n * side / parts;
    let mut out = Vec::with_capacity(COLUMNS * ROWS);
    for row in 0..ROWS {
        let from = edge(row, ROWS, luma.height).min(luma.height - 1);
        let to = edge(row + 1, ROWS, luma.height).max(from + 1);
        for column in 0..COLUMNS {
            let left = edge(column, COLUMNS, luma.width).min(luma.width - 1);
            let right = edge(column + 1, COLUMNS, luma.width).max(left + 1);
            let (mut sum, mut many) = (0u32, 0u32);
            for y in (from..to).step_by(2) {
                sum += luma.row(y)[left..right].iter().map(|&s| u32::from(s)).sum::<u32>();
                many += (right - left) as u32;
            }
            out.push(((sum << FINE) / many) as i32);
        }
    }
    out
}

fn flat(picture: &Picture) -> Option<Flat> {
    let range = |plane: Plane<'_>| {
        let samples = (0..plane.height).step_by(8).flat_map(|y| plane.row(y).iter().step_by(4).copied());
        samples.fold((u8::MAX, u8::MIN), |(low, high), s| (low.min(s), high.max(s)))
    };
    let [y, u, v] = [picture.luma(), picture.chroma()[0], picture.chroma()[1]].map(range);
    if [y, u, v].iter().any(|(low, high)| high - low > FLAT) {
        return None;
    }
    let is_coloured = u.0.abs_diff(128).max(v.0.abs_diff(128)) >= COLOURED;
    Some(match (is_coloured, y.1 <= BLACK) {
        (true, _) => Flat::Colour,
        (false, true) => Flat::Black,
        (false, false) => Flat::Grey,
    })
}

/// FNV-1a of some samples.
fn print(luma: Plane<'_>) -> u64 {
    let samples = (0..luma.height).step_by(4).flat_map(|y| luma.row(y).iter().step_by(3));
    samples.fold(0xcbf2_9ce4_8422_2325, |hash, &s| (hash ^ u64::from(s)).wrapping_mul(0x0100_0000_01b3))
}

fn sharpness(luma: Plane<'_>) -> Option<u16> {
    let (mut sum, mut edges) = (0u64, 0u32);
    let mut band = vec![0i32; luma.width];
    for y in (0..luma.height.saturating_sub(BAND)).step_by(BANDS) {
        band.fill(0);
        for row in y..y + BAND {
            for (mean, &s) in band.iter_mut().zip(luma.row(row)) {
                *mean += i32::from(s);
            }
        }
        for window in band.windows(EDGE_PIXELS + 1).step_by(EDGE_PIXELS / 2) {
            let rise = (window[EDGE_PIXELS] - window[0]).abs();
            if rise >= EDGE * BAND as i32 {
                let steepest = window.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap_or(0);
                sum += u64::from((steepest * 1000 / rise).min(1000) as u32);
                edges += 1;
            }
        }
    }
    (edges >= LEAST_EDGES).then(|| (sum / u64::from(edges)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_value_is_named() {
        let flat = |yuv| View::of(&Picture::flat((320, 240), yuv).unwrap()).flat;
        assert_eq!(flat([16, 128, 128]), Some(Flat::Black));
        assert_eq!(flat([0, 0, 0]), Some(Flat::Colour), "what an empty buffer looks like");
        assert_eq!(flat([128, 128, 128]), Some(Flat::Grey));
    }

    #[test]
    fn the_print_tells_one_sample_apart() {
        let mut picture = Picture::flat((320, 240), [90, 128, 128]).unwrap();
        let before = View::of(&picture).print;
        picture.luma_mut()[320 * 8 + 9] += 1;
        assert_ne!(View::of(&picture).print, before);
    }

    proptest! {
        #[test]
        fn any_size_is_survived(w in 1usize..300, h in 1usize..200, level: u8) {
            let view = View::of(&Picture::flat((w, h), [level, 128, 128]).unwrap());
            prop_assert_eq!(view.level, level);
            prop_assert_eq!(view.sharpness, None);
        }
    }
}
