//! Luma plane → how much of the picture moves, against a slowly learning background.
//!
//! Integers only. The picture is averaged into cells; a cell moves when it differs from its background by more than its
//! own noise. A change that all cells share (a cloud, the camera's exposure) is subtracted first. What stays becomes
//! background after some seconds of pictures.

use crate::picture::Plane;
use crate::regions::Cells;

/// Columns of cells that are aimed at: a person 1/20 of the picture wide covers several.
const COLUMNS: usize = 96;
/// Smallest side of a cell in pixels: averaging is what beats the sensor's noise.
const MIN_CELL: usize = 4;
/// Fraction bits of levels: noise is far below one luma step.
const BITS: u32 = 6;
/// A cell differs when it is this many luma steps off its background, however quiet it was.
const LEAST_STEP: i32 = 6 << BITS;
/// And this many times its usual deviation.
const NOISE_FACTOR: i32 = 4;
/// Noise above this is not believed (luma steps): a waving tree must not make a cell blind for good.
const MOST_NOISE: i32 = 8 << BITS;
/// Learning rates as right shifts: a still cell follows its background quickly, a moving one slowly.
const LEARN_STILL: u32 = 4;
const LEARN_MOVING: u32 = 7;
/// The picture moves from this many connected cells on.
const LEAST_CELLS: u32 = 3;
/// More than this share of cells off (in 1/8) after light is subtracted: another scene, learn it anew.
const NEW_SCENE_EIGHTHS: usize = 5;

/// What the gate says about one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Share of the picture's cells that move, 0..1.
    pub share: f32,
    /// Enough of it moves to look closer.
    pub moved: bool,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    background: i32,
    noise: i32,
}

/// Motion of one stream; learns its background from the pictures it is shown.
#[derive(Debug, Clone, Default)]
pub struct MotionGate {
    size: (usize, usize),
    cells: Vec<Cell>,
    levels: Vec<i32>,
    scratch: Vec<i32>,
    off: Vec<bool>,
}

impl MotionGate {
    /// A gate that has seen nothing: the first picture moves, as every part of it is new.
    pub fn new() -> Self {
        Self::default()
    }

    /// What moves in this picture. Another size than before starts the background anew.
    pub fn see(&mut self, luma: Plane<'_>) -> Motion {
        let side = (luma.width / COLUMNS).max(MIN_CELL);
        let grid = (luma.width.div_ceil(side), luma.height.div_ceil(side));
        average(luma, side, grid, &mut self.levels);
        if self.size != (luma.width, luma.height) {
            self.size = (luma.width, luma.height);
            self.learn_anew();
            return Motion { share: 1.0, moved: true };
        }
        let light = self.shared_change();
        let mut many = 0;
        self.off.clear();
        for (cell, &level) in self.cells.iter().zip(&self.levels) {
            let off = (level - cell.background - light).abs() > LEAST_STEP.max(NOISE_FACTOR * cell.noise);
            many += usize::from(off);
            self.off.push(off);
        }
        if many * 8 > self.cells.len() * NEW_SCENE_EIGHTHS {
            self.learn_anew();
            return Motion { share: 1.0, moved: true };
        }
        let moving = connected(&self.off, grid);
        self.learn(light);
        Motion { share: moving as f32 / self.cells.len() as f32, moved: moving >= LEAST_CELLS }
    }

    /// The cells that were off in the picture seen last; none when that one was all new.
    pub fn cells(&self) -> Cells<'_> {
        let side = (self.size.0 / COLUMNS).max(MIN_CELL);
        Cells { off: &self.off, columns: self.size.0.div_ceil(side), side, picture: self.size }
    }

    /// The median difference from the background: things move in less than half of a picture, light changes in all.
    fn shared_change(&mut self) -> i32 {
        self.scratch.clear();
        self.scratch.extend(self.cells.iter().zip(&self.levels).map(|(c, l)| l - c.background));
        let middle = self.scratch.len() / 2;
        *self.scratch.select_nth_unstable(middle).1
    }

    fn learn(&mut self, light: i32) {
        for ((cell, &level), &off) in self.cells.iter_mut().zip(&self.levels).zip(&self.off) {
            let rest = level - cell.background - light;
            cell.background += step(level - cell.background, if off { LEARN_MOVING } else { LEARN_STILL });
            if !off {
                cell.noise += step(rest.abs() - cell.noise, LEARN_STILL + 1);
                cell.noise = cell.noise.min(MOST_NOISE);
            }
        }
    }

    fn learn_anew(&mut self) {
        self.off.clear();
        self.cells.clear();
        self.cells.extend(self.levels.iter().map(|&background| Cell { background, noise: 0 }));
    }
}

/// A part of a difference, never nothing while there is one: so learning always arrives.
fn step(difference: i32, shift: u32) -> i32 {
    let part = difference >> shift;
    if part == 0 { difference.signum() } else { part }
}

/// Mean luma of each cell with [`BITS`] fraction bits, row by row.
///
/// Samples are added up column by column first, in sixteen bits and over all of a row: that is what the compiler turns into
/// vector instructions. Cells are then sums of a few columns.
fn average(luma: Plane<'_>, side: usize, grid: (usize, usize), out: &mut Vec<i32>) {
    /// Rows whose sums fit sixteen bits.
    const ROWS: usize = 256;
    out.clear();
    out.resize(grid.0 * grid.1, 0);
    let mut columns = vec![0u16; luma.width];
    for (row, cells) in out.chunks_exact_mut(grid.0).enumerate() {
        let rows = row * side..((row + 1) * side).min(luma.height);
        let height = rows.len();
        for first in rows.clone().step_by(ROWS) {
            columns.fill(0);
            for y in first..(first + ROWS).min(rows.end) {
                for (sum, &sample) in columns.iter_mut().zip(luma.row(y)) {
                    *sum += u16::from(sample);
                }
            }
            for (cell, sums) in cells.iter_mut().zip(columns.chunks(side)) {
                *cell += sums.iter().map(|&sum| i32::from(sum)).sum::<i32>();
            }
        }
        for (column, cell) in cells.iter_mut().enumerate() {
            let width = side.min(luma.width - column * side);
            *cell = (*cell << BITS) / (width * height) as i32;
        }
    }
}

/// Cells that are off and have at least two of their eight neighbours off too: single cells are noise.
fn connected(off: &[bool], (columns, rows): (usize, usize)) -> u32 {
    let mut count = 0;
    for y in 0..rows {
        for x in 0..columns {
            if !off[y * columns + x] {
                continue;
            }
            let mut near = 0;
            for ny in y.saturating_sub(1)..(y + 2).min(rows) {
                for nx in x.saturating_sub(1)..(x + 2).min(columns) {
                    near += u32::from(off[ny * columns + nx]);
                }
            }
            count += u32::from(near >= 3); // itself and two more
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const W: usize = 320;
    const H: usize = 180;

    /// A textured scene with noise of ± `noise` from a small generator, `light` added.
    fn scene(seed: u32, noise: i32, light: i32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2_654_435_761).max(1);
        (0..W * H)
            .map(|i| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let base = 60 + (i % W / 20 * 7 % 90) as i32 + (i / W / 15 * 5 % 40) as i32;
                let shake = if noise == 0 { 0 } else { (state % (2 * noise as u32 + 1)) as i32 - noise };
                (base + shake + light).clamp(0, 255) as u8
            })
            .collect()
    }

    fn see(gate: &mut MotionGate, data: &[u8]) -> Motion {
        gate.see(Plane { data, width: W, height: H, stride: W })
    }

    fn block(data: &mut [u8], at: (usize, usize), size: (usize, usize), level: u8) {
        for y in at.1..(at.1 + size.1).min(H) {
            data[y * W + at.0.min(W)..][..size.0.min(W - at.0.min(W))].fill(level);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn quiet_on_noise(seed in 1u32..10_000, noise in 0i32..12) {
            let mut gate = MotionGate::new();
            see(&mut gate, &scene(seed, noise, 0));
            for i in 1..30 {
                let m = see(&mut gate, &scene(seed + i, noise, 0));
                prop_assert!(!m.moved, "picture {i}: {m:?}");
            }
        }

        #[test]
        fn awake_on_a_moving_block(seed in 1u32..10_000, noise in 0i32..8, speed in 3usize..12, level in 0u8..30) {
            let mut gate = MotionGate::new();
            for i in 0..20 {
                see(&mut gate, &scene(seed + i, noise, 0));
            }
            for i in 0..20 {
                let mut data = scene(seed + 20 + i, noise, 0);
                block(&mut data, (20 + i as usize * speed, 80), (16, 40), level);
                let m = see(&mut gate, &data);
                prop_assert!(m.moved && m.share < 0.2, "picture {i}: {m:?}");
            }
        }

        #[test]
        fn never_panics_on_any_size(w in 1usize..200, h in 1usize..200, level: u8) {
            let data = vec![level; w * h];
            let mut gate = MotionGate::new();
            let plane = Plane { data: &data, width: w, height: h, stride: w };
            prop_assert!(gate.see(plane).moved, "all of a first picture is new");
            prop_assert_eq!(gate.see(plane), Motion { share: 0.0, moved: false });
        }
    }

    #[test]
    fn a_cloud_is_not_motion() {
        let mut gate = MotionGate::new();
        for i in 0..20 {
            see(&mut gate, &scene(i + 1, 4, 0));
        }
        for (i, light) in [3, 8, 15, 25, 40, 40, 30, 10, -20].into_iter().enumerate() {
            let m = see(&mut gate, &scene(100 + i as u32, 4, light));
            assert!(!m.moved, "light {light}: {m:?}");
        }
    }

    #[test]
    fn what_stays_becomes_background() {
        let mut gate = MotionGate::new();
        see(&mut gate, &scene(1, 2, 0));
        let parked = |i| {
            let mut data = scene(i, 2, 0);
            block(&mut data, (100, 60), (60, 40), 200);
            data
        };
        assert!(see(&mut gate, &parked(2)).moved);
        let quiet = (3..600).position(|i| !see(&mut gate, &parked(i)).moved);
        assert!(quiet.is_some_and(|n| n > 50), "learnt after {quiet:?} pictures");
    }

    #[test]
    fn another_scene_is_learnt_at_once() {
        let mut gate = MotionGate::new();
        see(&mut gate, &scene(1, 2, 0));
        let other: Vec<u8> = (0..W * H).map(|i| ((i % W) * 13 / 16 % 256) as u8).collect();
        assert_eq!(see(&mut gate, &other), Motion { share: 1.0, moved: true });
        assert!(!see(&mut gate, &other).moved);
    }
}
