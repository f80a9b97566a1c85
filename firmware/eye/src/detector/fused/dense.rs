//! Pixels × packed weights → pixels, for convolutions in which every output channel sees every input channel.
//!
//! Sixteen channels of a few pixels are summed at once, so that sums, weights and one pixel fill the vector registers. A
//! block of pixels stays in the cache while all weights pass over it. Kernels larger than 1×1 read a ring of padded rows
//! in place: no patches are copied out.

use super::geometry::{Geometry, Ring};
use super::lanes::{Halves, Job, Lanes, ORDER, PANEL};

/// Pixels of one integer tile: ten sums, two weights, a pixel and a product are fourteen of AVX2's sixteen registers.
/// With six pixels one sum lived in memory, and the kernel took half as long again.
const INT_TILE: usize = 5;
/// Pixels of one f32 tile: a multiply-add needs no register for the product.
const FLOAT_TILE: usize = 6;
/// Numbers of one block of pixels: 64 KiB of i16, 128 KiB of f32.
const BLOCK: usize = 32 << 10;

/// Weights of sixteen channels for two neighbouring inputs.
pub(super) type Pair = [[i16; 16]; 2];

/// Integer weights and where the sums start.
#[derive(Debug, PartialEq)]
pub(super) struct IntWeights {
    /// Panel by panel, kernel row by kernel row, pair by pair.
    pairs: Vec<Pair>,
    /// A panel's starts, in [`ORDER`].
    bias: Vec<Halves<i32>>,
    /// Subtracted from every input.
    zero: u8,
}

/// f32 weights and where the sums start.
#[derive(Debug, PartialEq)]
pub(super) struct FloatWeights {
    /// Panel by panel, input by input.
    rows: Vec<Halves<f32>>,
    /// A panel's starts.
    bias: Vec<Halves<f32>>,
}

/// `weights[out][row][line]` → panels.
pub(super) fn pack_int(geometry: &Geometry, weights: &[i8], bias: &[i32], zero: u8) -> IntWeights {
    let (outs, rows, line) = (bias.len(), geometry.kernel[0], geometry.line());
    let at = |out: usize, row: usize, k: usize| {
        if out < outs && k < line { i16::from(weights[(out * rows + row) * line + k]) } else { 0 }
    };
    let mut pairs = Vec::new();
    for panel in 0..outs.div_ceil(PANEL) {
        for row in 0..rows {
            for pair in 0..line.div_ceil(2) {
                let of = |lane: usize, k: usize| at(panel * PANEL + ORDER[lane], row, pair * 2 + k);
                pairs.push(std::array::from_fn(|half| std::array::from_fn(|j| of(half * 8 + j / 2, j % 2))));
            }
        }
    }
    IntWeights { pairs, bias: in_order(bias), zero }
}

/// `weights[out][row][line]` → panels.
pub(super) fn pack_float(geometry: &Geometry, weights: &[f32], bias: &[f32]) -> FloatWeights {
    let (outs, depth) = (bias.len(), geometry.kernel[0] * geometry.line());
    let at = |out: usize, k: usize| if out < outs { weights[out * depth + k] } else { 0.0 };
    let rows = (0..outs.div_ceil(PANEL))
        .flat_map(|panel| (0..depth).map(move |k| (panel, k)))
        .map(|(panel, k)| halves(|j| at(panel * PANEL + j, k)))
        .collect();
    FloatWeights { rows, bias: panelled(bias) }
}

/// Sixteen numbers as two vectors.
pub(super) fn halves<T>(at: impl Fn(usize) -> T) -> Halves<T> {
    std::array::from_fn(|half| std::array::from_fn(|j| at(half * 8 + j)))
}

/// Channels → panels in their own order, filled up with zeros.
pub(super) fn panelled(channels: &[f32]) -> Vec<Halves<f32>> {
    let at = |c: usize| channels.get(c).copied().unwrap_or_default();
    (0..channels.len().div_ceil(PANEL)).map(|p| halves(|j| at(p * PANEL + j))).collect()
}

/// Channels → panels in [`ORDER`], filled up with zeros.
pub(super) fn in_order<T: Copy + Default>(channels: &[T]) -> Vec<Halves<T>> {
    let at = |c: usize| channels.get(c).copied().unwrap_or_default();
    (0..channels.len().div_ceil(PANEL)).map(|p| halves(|j| at(p * PANEL + ORDER[j]))).collect()
}

/// What becomes of integer sums.
pub(super) enum IntOut<'a> {
    /// They are the answer.
    Sums(&'a mut [i32]),
    /// Bytes by one scale a channel (in [`ORDER`]), with a zero point.
    Bytes { to: &'a mut [u8], scale: &'a [Halves<f32>], zero: u8 },
}

impl IntOut<'_> {
    /// Puts a panel's first channels at `at`.
    #[inline(always)]
    fn put<L: Lanes>(&mut self, lanes: L, at: usize, channels: usize, panel: usize, sums: [L::Sums; 2]) {
        match self {
            Self::Sums(to) => {
                let values = [lanes.values(sums[0]), lanes.values(sums[1])];
                for (lane, channel) in ORDER.into_iter().enumerate().filter(|(_, c)| *c < channels) {
                    to[at + channel] = values[lane / 8][lane % 8];
                }
            }
            Self::Bytes { to, scale, zero } => {
                let bytes = lanes.requantise(sums, &scale[panel], i16::from(*zero));
                store(&mut to[at..at + channels], &bytes);
            }
        }
    }
}

/// A dense convolution in integers.
pub(super) struct IntDense<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) weights: &'a IntWeights,
    pub(super) input: &'a [u8],
    pub(super) output: IntOut<'a>,
}

impl Job for IntDense<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        if self.geometry.is_pointwise() { self.pointwise(lanes) } else { self.spatial(lanes) }
    }
}

impl IntDense<'_> {
    #[inline(always)]
    fn pointwise<L: Lanes>(self, lanes: L) {
        let Self { geometry, weights, input, mut output } = self;
        let (depth, outs, pixels) = (geometry.line(), geometry.output[2], geometry.pixels());
        let pairs = depth.div_ceil(2);
        let per_block = (BLOCK / depth / INT_TILE).max(1) * INT_TILE;
        let mut widened = vec![[0i16; 2]; per_block.min(pixels) * pairs];
        let widen = |byte: u8| i16::from(byte) - i16::from(weights.zero);
        for first in (0..pixels).step_by(per_block) {
            let count = per_block.min(pixels - first);
            let from = &input[first * depth..][..count * depth];
            let flat = widened.as_flattened_mut();
            if depth % 2 == 0 {
                for (to, from) in flat.iter_mut().zip(from) {
                    *to = widen(*from);
                }
            } else {
                for (to, from) in flat.chunks_exact_mut(pairs * 2).zip(from.chunks_exact(depth)) {
                    for (to, from) in to.iter_mut().zip(from) {
                        *to = widen(*from);
                    }
                }
            }
            for (panel, w) in weights.pairs.chunks_exact(pairs).enumerate() {
                let channels = PANEL.min(outs - panel * PANEL);
                for tile in (0..count).step_by(INT_TILE) {
                    let used = INT_TILE.min(count - tile);
                    let rows = std::array::from_fn(|i| &widened[(tile + i.min(used - 1)) * pairs..][..pairs]);
                    let mut sums = begin(lanes, &weights.bias[panel]);
                    add_int(lanes, &mut sums, rows, w);
                    for (i, sums) in sums.into_iter().take(used).enumerate() {
                        let at = (first + tile + i) * outs + panel * PANEL;
                        output.put(lanes, at, channels, panel, sums);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn spatial<L: Lanes>(self, lanes: L) {
        let Self { geometry, weights, input, mut output } = self;
        let [rows, columns, outs] = geometry.output;
        let (kernel, channels_in) = (geometry.kernel[0], geometry.input[2]);
        let pairs = geometry.line().div_ceil(2);
        let step = geometry.stride[1] * channels_in;
        let widen = |byte: u8| i16::from(byte) - i16::from(weights.zero);
        let mut ring = Ring::<i16>::new(geometry, channels_in);
        for row in 0..rows {
            let top = row * geometry.stride[0];
            ring.fill(geometry, channels_in, top, input, widen);
            for (panel, w) in weights.pairs.chunks_exact(pairs * kernel).enumerate() {
                let channels = PANEL.min(outs - panel * PANEL);
                for tile in (0..columns).step_by(INT_TILE) {
                    let used = INT_TILE.min(columns - tile);
                    let mut sums = begin(lanes, &weights.bias[panel]);
                    for (ky, w) in w.chunks_exact(pairs).enumerate() {
                        let line = ring.get(top + ky);
                        let pixel = |i: usize| {
                            line[(tile + i.min(used - 1)) * step..][..pairs * 2].as_chunks::<2>().0
                        };
                        add_int(lanes, &mut sums, std::array::from_fn(pixel), w);
                    }
                    for (i, sums) in sums.into_iter().take(used).enumerate() {
                        let at = (row * columns + tile + i) * outs + panel * PANEL;
                        output.put(lanes, at, channels, panel, sums);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn begin<L: Lanes>(lanes: L, bias: &Halves<i32>) -> [[L::Sums; 2]; INT_TILE] {
    [[lanes.sums(&bias[0]), lanes.sums(&bias[1])]; INT_TILE]
}

/// Adds one line of each pixel times the line's weights.
#[inline(always)]
fn add_int<L: Lanes>(
    lanes: L,
    sums: &mut [[L::Sums; 2]; INT_TILE],
    rows: [&[[i16; 2]]; INT_TILE],
    weights: &[Pair],
) {
    let pairs = weights.len();
    let rows = rows.map(|row| &row[..pairs]);
    let mut local = *sums;
    for k in 0..pairs {
        let [low, high] = &weights[k];
        for i in 0..INT_TILE {
            let x = rows[i][k];
            local[i] = [lanes.add_pair(local[i][0], x, low), lanes.add_pair(local[i][1], x, high)];
        }
    }
    *sums = local;
}

// Not `map`: the code of a closure is not compiled for the lanes, and every vector would go through memory.
#[inline(always)]
fn begin_float<L: Lanes>(lanes: L, bias: &Halves<f32>) -> [[L::Floats; 2]; FLOAT_TILE] {
    [[lanes.floats(&bias[0]), lanes.floats(&bias[1])]; FLOAT_TILE]
}

/// A dense convolution in f32, cut to a range.
pub(super) struct FloatDense<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) weights: &'a FloatWeights,
    pub(super) range: [f32; 2],
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Job for FloatDense<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        if self.geometry.is_pointwise() { self.pointwise(lanes) } else { self.spatial(lanes) }
    }
}

impl FloatDense<'_> {
    #[inline(always)]
    fn pointwise<L: Lanes>(self, lanes: L) {
        let Self { geometry, weights, range, input, output } = self;
        let range = [lanes.splat(range[0]), lanes.splat(range[1])];
        let (depth, outs, pixels) = (geometry.line(), geometry.output[2], geometry.pixels());
        let per_block = (BLOCK / depth / FLOAT_TILE).max(1) * FLOAT_TILE;
        for first in (0..pixels).step_by(per_block) {
            let count = per_block.min(pixels - first);
            let block = &input[first * depth..][..count * depth];
            for (panel, w) in weights.rows.chunks_exact(depth).enumerate() {
                let channels = PANEL.min(outs - panel * PANEL);
                for tile in (0..count).step_by(FLOAT_TILE) {
                    let used = FLOAT_TILE.min(count - tile);
                    let rows = std::array::from_fn(|i| &block[(tile + i.min(used - 1)) * depth..][..depth]);
                    let mut sums = begin_float(lanes, &weights.bias[panel]);
                    add_float(lanes, &mut sums, rows, w);
                    for (i, sums) in sums.into_iter().take(used).enumerate() {
                        let at = (first + tile + i) * outs + panel * PANEL;
                        let cut = [lanes.cut(sums[0], range), lanes.cut(sums[1], range)];
                        store(&mut output[at..at + channels], cut.as_flattened());
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn spatial<L: Lanes>(self, lanes: L) {
        let Self { geometry, weights, range, input, output } = self;
        let range = [lanes.splat(range[0]), lanes.splat(range[1])];
        let [rows, columns, outs] = geometry.output;
        let (kernel, channels_in) = (geometry.kernel[0], geometry.input[2]);
        let (line_len, step) = (geometry.line(), geometry.stride[1] * channels_in);
        let mut ring = Ring::<f32>::new(geometry, channels_in);
        for row in 0..rows {
            let top = row * geometry.stride[0];
            ring.fill(geometry, channels_in, top, input, |v| v);
            for (panel, w) in weights.rows.chunks_exact(line_len * kernel).enumerate() {
                let channels = PANEL.min(outs - panel * PANEL);
                for tile in (0..columns).step_by(FLOAT_TILE) {
                    let used = FLOAT_TILE.min(columns - tile);
                    let mut sums = begin_float(lanes, &weights.bias[panel]);
                    for (ky, w) in w.chunks_exact(line_len).enumerate() {
                        let line = ring.get(top + ky);
                        let pixel = |i: usize| &line[(tile + i.min(used - 1)) * step..][..line_len];
                        add_float(lanes, &mut sums, std::array::from_fn(pixel), w);
                    }
                    for (i, sums) in sums.into_iter().take(used).enumerate() {
                        let at = (row * columns + tile + i) * outs + panel * PANEL;
                        let cut = [lanes.cut(sums[0], range), lanes.cut(sums[1], range)];
                        store(&mut output[at..at + channels], cut.as_flattened());
                    }
                }
            }
        }
    }
}

/// Adds one line of each pixel times the line's weights.
#[inline(always)]
fn add_float<L: Lanes>(
    lanes: L,
    sums: &mut [[L::Floats; 2]; FLOAT_TILE],
    rows: [&[f32]; FLOAT_TILE],
    weights: &[Halves<f32>],
) {
    let depth = weights.len();
    let rows = rows.map(|row| &row[..depth]);
    let mut local = *sums;
    for k in 0..depth {
        let [low, high] = [lanes.floats(&weights[k][0]), lanes.floats(&weights[k][1])];
        for i in 0..FLOAT_TILE {
            let x = lanes.splat(rows[i][k]);
            local[i] = [lanes.mul_add(x, low, local[i][0]), lanes.mul_add(x, high, local[i][1])];
        }
    }
    *sums = local;
}

/// Copies a panel's first channels; the usual whole panel is one store.
#[inline(always)]
pub(super) fn store<T: Copy>(to: &mut [T], panel: &[T]) {
    match (<&mut [T; PANEL]>::try_from(&mut *to), <&[T; PANEL]>::try_from(panel)) {
        (Ok(to), Ok(panel)) => *to = *panel,
        _ => to.copy_from_slice(&panel[..to.len()]),
    }
}
