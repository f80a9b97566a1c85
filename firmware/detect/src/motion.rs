//! Luma plane → how much of the picture moves, against a slowly learning background.
//!
//! Integers only. The picture is averaged into cells; a cell moves when it differs from its background by more than its
//! own noise, once the light is taken out ([`crate::light`]). In rain and snow, when cells flash all over the picture, it
//! must do so in three pictures running. What stays becomes background after some seconds of pictures; what is off in
//! large parts of a picture that stands still (a bump, a lamp) at once.

use crate::light::Light;
use crate::picture::Plane;
use crate::regions::Cells;
use nightjar_types::BBox;

/// Columns of cells that are aimed at: a person 1/20 of the picture wide covers several.
const COLUMNS: usize = 96;
/// Smallest side of a cell in pixels: averaging is what beats the sensor's noise.
const MIN_CELL: usize = 4;
/// Fraction bits of levels: noise is far below one luma step.
pub(crate) const BITS: u32 = 6;
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
/// More than this share of cells off (in 1/8) after light is taken out: another scene, learn it anew.
const NEW_SCENE_EIGHTHS: usize = 5;
/// The same when this share is off, or in this share of the picture's parts something is, and the picture stands still.
const STALE_EIGHTHS: usize = 2;
const STALE_PARTS_EIGHTHS: usize = 4;
/// Something is off in so many of the parts (1/8): no lorry, however near, but light, or the camera itself.
const ALL_OVER_EIGHTHS: usize = 5;
/// A picture stands still when at most this share of its cells (1/n) differs from the picture before.
const STILL_PART: usize = 32;
/// … for so many pictures.
const STALE_PICTURES: u32 = 2;
/// Parts of the picture, across and down, for what is spread all over it.
const PARTS: (usize, usize) = (8, 6);
/// A part is touched when this share of its cells (1/n) is off.
const TOUCHED_PART: usize = 8;
/// It rains or snows while cells flash up in more than this share of the parts (in 1/256), averaged over pictures.
const WEATHER: i32 = 128;
const WEATHER_SHIFT: u32 = 2;
/// In rain and snow a cell moves when it is off for so many pictures: at most a fifth of the cells is at a time.
const WEATHER_PICTURES: u8 = 3;
/// A background that was one picture follows the next ones quickly, for so many: there may be rain in it.
const YOUNG: u32 = 8;
const LEARN_YOUNG: u32 = 2;
/// What a cell's noise is taken for until it is known.
const FIRST_NOISE: i32 = 2 << BITS;
/// Light that changes more than this (1/n) from one picture to the next was switched.
const SWITCHED_PART: i32 = 8;
/// Neighbouring cells of a place that has a pattern differ by this at least (root mean square), and the pattern is the same
/// when its correlation, squared, is above this (in 1/100).
const PATTERN: i64 = 3 << BITS;
const ALIKE_HUNDREDTHS: i64 = 56;
/// A cell that has not moved for so many pictures has not moved.
const NEVER: u16 = u16::MAX;

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
    /// Pictures for which it has been off.
    off_for: u8,
    /// Pictures since it moved.
    moved: u16,
}

impl Cell {
    fn threshold(&self) -> i32 {
        LEAST_STEP.max(NOISE_FACTOR * self.noise)
    }
}

/// Motion of one stream; learns its background from the pictures it is shown.
#[derive(Debug, Clone, Default)]
pub struct MotionGate {
    size: (usize, usize),
    grid: (usize, usize),
    cells: Vec<Cell>,
    levels: Vec<i32>,
    last: Vec<i32>,
    scratch: Vec<i32>,
    off: Vec<bool>,
    parts: Vec<[u32; 3]>,
    light: Light,
    weather: i32,
    stale: u32,
    young: u32,
    has_changed: bool,
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
        std::mem::swap(&mut self.levels, &mut self.last);
        average(luma, side, grid, &mut self.levels);
        if self.size != (luma.width, luma.height) {
            (self.size, self.grid) = ((luma.width, luma.height), grid);
            (self.weather, self.stale, self.has_changed) = (0, 0, false);
            self.forget();
            self.young = 0;
            return Motion { share: 1.0, moved: true };
        }
        let was_switched = self.is_switched();
        let (many, touched, still) = self.compare();
        let parts = self.parts.len();
        let wide = many * 8 > self.cells.len() * STALE_EIGHTHS || touched * 8 >= parts * STALE_PARTS_EIGHTHS;
        self.stale = if wide && still { self.stale + 1 } else { 0 };
        let is_all_over = touched * 8 >= parts * ALL_OVER_EIGHTHS;
        self.has_changed = was_switched || (is_all_over && !self.is_weather());
        if many * 8 > self.cells.len() * NEW_SCENE_EIGHTHS || self.stale >= STALE_PICTURES {
            self.stale = 0;
            self.has_changed = true;
            self.forget();
            return Motion { share: 1.0, moved: true };
        }
        let moving = self.mark(grid);
        self.learn();
        let least = if self.is_weather() { 2 * LEAST_CELLS } else { LEAST_CELLS };
        Motion { share: moving as f32 / self.cells.len() as f32, moved: moving >= least }
    }

    /// The cells that were off in the picture seen last; none when that one was all new.
    pub fn cells(&self) -> Cells<'_> {
        let side = (self.size.0 / COLUMNS).max(MIN_CELL);
        Cells { off: &self.off, columns: self.size.0.div_ceil(side), side, picture: self.size }
    }

    /// The last picture differs from what was before all over: a light was switched, the camera changed its mode or was
    /// bumped. What the gate says about single places of it means nothing.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// The last picture is the background, all of it; nothing has moved yet.
    pub fn forget(&mut self) {
        let cell = |&background: &i32| Cell { background, noise: FIRST_NOISE, off_for: 0, moved: NEVER };
        self.off.clear();
        self.cells.clear();
        self.cells.extend(self.levels.iter().map(cell));
        self.young = YOUNG;
    }

    /// Share of a box, in fractions of the picture, that moved within the last `pictures`, 0..1.
    pub fn share_in(&self, bbox: &BBox, pictures: u16) -> f32 {
        let (mut moved, mut all) = (0, 0);
        for i in self.cells_in(bbox) {
            moved += u32::from(self.cells[i].moved < pictures);
            all += 1;
        }
        if all == 0 { 0.0 } else { moved as f32 / all as f32 }
    }

    /// The last picture has the background's own pattern in a box, in whatever light: what is there belongs to the place.
    pub fn is_place_in(&self, bbox: &BBox) -> bool {
        let (mut both, mut known, mut seen, mut all) = (0i64, 0i64, 0i64, 0i64);
        for i in self.cells_in(bbox) {
            for next in [i + 1, i + self.grid.0].into_iter().filter(|&next| next < self.cells.len()) {
                let was = i64::from(self.cells[next].background - self.cells[i].background);
                let is = i64::from(self.levels[next] - self.levels[i]);
                (both, known, seen, all) = (both + was * is, known + was * was, seen + is * is, all + 1);
            }
        }
        let is_textured = known > all * PATTERN * PATTERN;
        let is_alike = both > 0
            && 100 * i128::from(both).pow(2)
                > i128::from(ALIKE_HUNDREDTHS) * i128::from(known) * i128::from(seen);
        is_textured && is_alike
    }

    /// Numbers of the cells of a box.
    fn cells_in(&self, bbox: &BBox) -> impl Iterator<Item = usize> + use<> {
        let (columns, rows) = self.grid;
        let cell = |at: f32, cells: usize| ((at * cells as f32) as usize).min(cells.saturating_sub(1));
        let (x, y) = (cell(bbox.x, columns), cell(bbox.y, rows));
        let to_x = cell(bbox.x + bbox.w, columns).max(x) + 1;
        let to_y = cell(bbox.y + bbox.h, rows).max(y) + 1;
        let all = columns * rows;
        (y..to_y).flat_map(move |y| (x..to_x).map(move |x| y * columns + x)).filter(move |&i| i < all)
    }

    /// It rains or snows: cells flash up all over the picture.
    pub fn is_weather(&self) -> bool {
        self.weather > WEATHER
    }

    /// The light of all the picture jumped since the last one.
    fn is_switched(&mut self) -> bool {
        self.scratch.clear();
        let bright = |(&now, &before): (&i32, &i32)| (before > 24 << BITS).then(|| (now << BITS) / before);
        self.scratch.extend(self.levels.iter().zip(&self.last).filter_map(bright));
        if self.scratch.len() * 4 < self.levels.len() {
            return false;
        }
        let middle = self.scratch.len() / 2;
        let pace = *self.scratch.select_nth_unstable(middle).1;
        (pace - (1 << BITS)).abs() * SWITCHED_PART > 1 << BITS
    }

    /// Compares with background and last picture: how many cells are off, how many parts that touches, does it stand still.
    fn compare(&mut self) -> (usize, usize, bool) {
        let Self { grid: (columns, rows), cells, levels, last, light, off, parts, .. } = self;
        let expected =
            light.fit(levels, (*columns, *rows), |i| cells[i].background, |i| cells[i].threshold());
        let side = (columns.div_ceil(PARTS.0), rows.div_ceil(PARTS.1));
        let across = columns.div_ceil(side.0);
        parts.clear();
        parts.resize(across * rows.div_ceil(side.1), [0; 3]);
        off.clear();
        let (mut changed, mut flashes) = (0, 0);
        for (i, cell) in cells.iter_mut().enumerate() {
            let is_off = (levels[i] - expected[i]).abs() > cell.threshold();
            let [all, touched, flashed] = &mut parts[i / *columns / side.1 * across + i % *columns / side.0];
            *all += 1;
            *touched += u32::from(is_off);
            *flashed += u32::from(is_off && cell.off_for == 0);
            changed += usize::from((levels[i] - last[i]).abs() > LEAST_STEP);
            off.push(is_off);
        }
        let mut touched = 0;
        for [all, off, flashed] in parts.iter() {
            touched += usize::from(*off as usize * TOUCHED_PART >= *all as usize);
            flashes += i32::from(*flashed > 0);
        }
        let spread = (flashes << 8) / parts.len() as i32;
        self.weather += (spread - self.weather) >> WEATHER_SHIFT;
        let is_still = changed * STILL_PART <= self.cells.len();
        let least = if self.is_weather() { WEATHER_PICTURES } else { 1 };
        let mut many = 0;
        for (cell, off) in self.cells.iter_mut().zip(&mut self.off) {
            cell.off_for = if *off { cell.off_for.saturating_add(1) } else { 0 };
            *off = cell.off_for >= least;
            many += usize::from(*off);
        }
        (many, touched, is_still)
    }

    /// Notes which cells move, once the background is no longer young: those that are off and have at least two of their eight neighbours off too, as single cells
    /// are noise. Gives how many.
    fn mark(&mut self, (columns, rows): (usize, usize)) -> u32 {
        let (mut count, is_young) = (0, self.young > 0);
        for y in 0..rows {
            for x in 0..columns {
                let i = y * columns + x;
                let moves = self.off[i] && {
                    let mut near = 0;
                    for ny in y.saturating_sub(1)..(y + 2).min(rows) {
                        for nx in x.saturating_sub(1)..(x + 2).min(columns) {
                            near += u32::from(self.off[ny * columns + nx]);
                        }
                    }
                    near >= 3 // itself and two more
                };
                let cell = &mut self.cells[i];
                cell.moved = if moves && !is_young { 0 } else { cell.moved.saturating_add(1) };
                count += u32::from(moves);
            }
        }
        count
    }

    fn learn(&mut self) {
        let expected = self.light.expected();
        let is_young = self.young > 0;
        self.young = self.young.saturating_sub(1);
        for (i, (cell, &level)) in self.cells.iter_mut().zip(&self.levels).enumerate() {
            let shift = match cell.off_for {
                _ if is_young => LEARN_YOUNG,
                0 => LEARN_STILL,
                _ => LEARN_MOVING,
            };
            cell.background += step(level - cell.background, shift);
            if cell.off_for == 0 {
                cell.noise += step((level - expected[i]).abs() - cell.noise, LEARN_STILL + 1);
                cell.noise = cell.noise.min(MOST_NOISE);
            }
        }
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
        let other: Vec<u8> =
            (0..W * H).map(|i| (30 + i % W / 4 * 71 % 190 + i / W / 4 * 37 % 30) as u8).collect();
        assert_eq!(see(&mut gate, &other), Motion { share: 1.0, moved: true });
        assert!(!see(&mut gate, &other).moved);
    }
}
