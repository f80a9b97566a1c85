//! Background and levels of cells → the levels that the light of this picture lets one expect.
//!
//! Light multiplies: a cloud, an exposure or a lamp changes neighbouring cells by nearly one factor; a camera's brightness
//! control adds. The picture is cut into blocks of cells; a block whose cells are all explained by one change has that
//! change, any other (something is in it) has its neighbours', else the picture's. Between the middles of blocks the
//! change is interpolated.

use crate::motion::BITS;

/// Blocks across and down: a cloud's soft edge is wider than a block, a person's outline is not.
const BLOCKS: (usize, usize) = (8, 6);
/// Factors carry this many fraction bits.
const FINE: u32 = 8;
const ONE: i32 = 1 << FINE;
/// Luma of black in studio range; factors count from there.
const BLACK: i32 = 16 << BITS;
/// A background darker than this, above black, says nothing about a factor.
const DIMMEST: i32 = 8 << BITS;
/// From here on a sample may be cut off by the sensor or the coder.
const BRIGHTEST: i32 = 232 << BITS;
/// A factor explains a block when this share of its cells (in 1/8) comes out right.
const EXPLAINS_EIGHTHS: usize = 6;
/// … within this many times a cell's own threshold, as a soft edge crosses the block.
const LOOSE: i32 = 2;
/// No light changes more than this within what the background remembers.
const MOST: i32 = ONE * 6;
/// When more than this share of the cells (1/n) is not explained by factors, and the whole picture's is this far (1/n) from
/// one, sums are tried as well.
const UNEXPLAINED_PART: usize = 256;
const LIGHTER_PART: i32 = 32;

/// How light changes a background.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Factor,
    Sum,
}

impl Kind {
    /// Nothing changed.
    fn none(self) -> i32 {
        if self == Self::Factor { ONE } else { 0 }
    }

    /// From a background and a level; `None` where that says nothing.
    fn change(self, background: i32, level: i32) -> Option<i32> {
        let dark = background - BLACK;
        match self {
            _ if level >= BRIGHTEST => None,
            Self::Factor => (dark >= DIMMEST).then(|| (((level - BLACK).max(0) << FINE) / dark).min(MOST)),
            Self::Sum => Some(level - background),
        }
    }

    /// A background after a change; never brighter than a picture can be.
    fn lit(self, background: i32, change: i32) -> i32 {
        let lit = match self {
            Self::Factor => BLACK + (((background - BLACK) * change) >> FINE),
            Self::Sum => background + change,
        };
        lit.clamp(0, 255 << BITS)
    }
}

/// The light over one stream's pictures. Its buffers are reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Light {
    expected: Vec<i32>,
    other: Vec<i32>,
    changes: Vec<i32>,
    blocks: Vec<Option<i32>>,
    smooth: Vec<i32>,
}

impl Light {
    /// What each cell should be. `background` and `threshold` give a cell's; both are asked for cells 0..`levels.len()`.
    pub(crate) fn fit(
        &mut self,
        levels: &[i32],
        grid: (usize, usize),
        background: impl Fn(usize) -> i32,
        threshold: impl Fn(usize) -> i32,
    ) -> &[i32] {
        let off = |expected: &[i32]| {
            let pairs = expected.iter().zip(levels).enumerate();
            pairs.filter(|(i, (e, l))| (*e - *l).abs() > threshold(*i)).count()
        };
        let whole = self.fit_as(Kind::Factor, levels, grid, &background, &threshold);
        let is_lighter = (whole - ONE).abs() * LIGHTER_PART > ONE;
        let by_factor = off(&self.expected);
        if is_lighter && by_factor * UNEXPLAINED_PART > levels.len() {
            std::mem::swap(&mut self.expected, &mut self.other);
            self.fit_as(Kind::Sum, levels, grid, &background, &threshold);
            if off(&self.expected) >= by_factor {
                std::mem::swap(&mut self.expected, &mut self.other);
            }
        }
        &self.expected
    }

    /// Gives the change of the whole picture.
    fn fit_as(
        &mut self,
        kind: Kind,
        levels: &[i32],
        (columns, rows): (usize, usize),
        background: impl Fn(usize) -> i32,
        threshold: impl Fn(usize) -> i32,
    ) -> i32 {
        let change = |i: usize| kind.change(background(i), levels[i]);
        let whole = self.median((0..levels.len()).map(change)).unwrap_or(kind.none());
        let side = (columns.div_ceil(BLOCKS.0), rows.div_ceil(BLOCKS.1));
        let blocks = (columns.div_ceil(side.0), rows.div_ceil(side.1));
        let cells = |block: usize| {
            let at = (block % blocks.0 * side.0, block / blocks.0 * side.1);
            let to = ((at.0 + side.0).min(columns), (at.1 + side.1).min(rows));
            (at.1..to.1).flat_map(move |y| (at.0..to.0).map(move |x| y * columns + x))
        };
        self.blocks.clear();
        self.smooth.clear();
        for block in 0..blocks.0 * blocks.1 {
            let change = self.median(cells(block).map(change));
            self.blocks.push(change);
            self.smooth.push(change.unwrap_or(whole));
        }
        // By the block's own change, or across a soft edge by what lies between it and its neighbours'.
        for block in 0..self.blocks.len() {
            let Some(own) = self.blocks[block] else { continue };
            let explains = |change: &dyn Fn(usize) -> i32| {
                let right = |&i: &usize| {
                    (levels[i] - kind.lit(background(i), change(i))).abs() <= threshold(i) * LOOSE
                };
                cells(block).filter(right).count() * 8 >= cells(block).count() * EXPLAINS_EIGHTHS
            };
            let between = |i: usize| self.change((i % columns, i / columns), side, blocks);
            if !explains(&|_| own) && !explains(&between) {
                self.blocks[block] = None;
            }
        }
        for block in 0..self.blocks.len() {
            let own = self.blocks[block].or_else(|| self.around(block, blocks)).unwrap_or(whole);
            self.smooth[block] = own;
        }
        self.expected.clear();
        for i in 0..levels.len() {
            let change = self.change((i % columns, i / columns), side, blocks);
            self.expected.push(kind.lit(background(i), change));
        }
        whole
    }

    /// What the last [`Light::fit`] gave.
    pub(crate) fn expected(&self) -> &[i32] {
        &self.expected
    }

    /// Mean change of the explained blocks beside one that is not.
    fn around(&self, block: usize, blocks: (usize, usize)) -> Option<i32> {
        let (x, y) = (block % blocks.0, block / blocks.0);
        let (mut sum, mut many) = (0, 0);
        for ny in y.saturating_sub(1)..(y + 2).min(blocks.1) {
            for nx in x.saturating_sub(1)..(x + 2).min(blocks.0) {
                if let Some(change) = self.blocks[ny * blocks.0 + nx] {
                    (sum, many) = (sum + change, many + 1);
                }
            }
        }
        (many > 0).then(|| sum / many)
    }

    /// The change at a cell, between the middles of the four nearest blocks.
    fn change(&self, (x, y): (usize, usize), side: (usize, usize), blocks: (usize, usize)) -> i32 {
        let (x0, x1, fx) = between(x, side.0, blocks.0);
        let (y0, y1, fy) = between(y, side.1, blocks.1);
        let at = |x: usize, y: usize| self.smooth[y * blocks.0 + x];
        let row = |y: usize| at(x0, y) * (ONE - fx) + at(x1, y) * fx;
        ((row(y0) >> FINE) * (ONE - fy) + (row(y1) >> FINE) * fy) >> FINE
    }

    /// The median of what cells say; `None` when hardly one of them can tell.
    fn median(&mut self, changes: impl Iterator<Item = Option<i32>>) -> Option<i32> {
        self.changes.clear();
        let mut all = 0;
        for change in changes {
            all += 1;
            self.changes.extend(change);
        }
        if self.changes.is_empty() || self.changes.len() * 4 < all {
            return None;
        }
        let middle = self.changes.len() / 2;
        Some(*self.changes.select_nth_unstable(middle).1)
    }
}

/// The blocks whose middles lie on both sides of cell `n`, and how far (in [`ONE`]) it is from the first to the second.
fn between(n: usize, side: usize, blocks: usize) -> (usize, usize, i32) {
    let (middle, doubled) = (side, 2 * n + 1);
    if doubled <= middle {
        return (0, 0, 0);
    }
    let first = (doubled - middle) / (2 * side);
    let past = (doubled - middle) % (2 * side);
    let first = first.min(blocks - 1);
    (first, (first + 1).min(blocks - 1), ((past << FINE) / (2 * side)) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: (usize, usize) = (96, 72);

    fn scene() -> Vec<i32> {
        (0..GRID.0 * GRID.1).map(|i| (50 + (i * 37 % 113) as i32) << BITS).collect()
    }

    fn worst(light: &mut Light, background: &[i32], levels: &[i32]) -> i32 {
        let expected = light.fit(levels, GRID, |i| background[i], |_| 6 << BITS);
        expected.iter().zip(levels).map(|(e, l)| (e - l).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_soft_shadow_is_expected() {
        let background = scene();
        let shadow = |i: usize| {
            let (x, y) = ((i % GRID.0) as f32, (i / GRID.0) as f32);
            1.0 - 0.4 / (1.0 + (-(x + y / 2.0 - 60.0) / 8.0).exp())
        };
        let levels: Vec<i32> = background
            .iter()
            .enumerate()
            .map(|(i, b)| BLACK + ((b - BLACK) as f32 * shadow(i)) as i32)
            .collect();
        let worst = worst(&mut Light::default(), &background, &levels);
        assert!(worst < 6 << BITS, "{worst}");
    }

    #[test]
    fn a_thing_is_not_light() {
        let background = scene();
        let mut levels = background.clone();
        let (x, y) = (30..38, 20..40);
        for i in y.flat_map(|y| x.clone().map(move |x| y * GRID.0 + x)) {
            levels[i] = 25 << BITS;
        }
        let mut light = Light::default();
        let expected = light.fit(&levels, GRID, |i| background[i], |_| 6 << BITS);
        let off = expected.iter().zip(&levels).filter(|(e, l)| (*e - *l).abs() > 6 << BITS).count();
        assert!((140..=165).contains(&off), "{off} of 160 cells");
    }

    #[test]
    fn any_grid_is_survived() {
        let mut light = Light::default();
        for grid in [(1, 1), (1, 9), (7, 2), (9, 7), (96, 1), (97, 73)] {
            for level in [0, 100 << BITS, 255 << BITS] {
                let levels = vec![level; grid.0 * grid.1];
                let expected = light.fit(&levels, grid, |_| level, |_| 384);
                assert!(expected.iter().all(|e| (e - level).abs() <= 1), "{grid:?} {level}");
            }
        }
    }
}
