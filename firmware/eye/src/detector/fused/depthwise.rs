//! Each channel convolved with a kernel of its own, sixteen channels at a time; bias, scale and cut in the same pass.
//!
//! Input rows are widened once into a ring of padded rows, so the inner loop meets no edge. Integer taps go two by two.

use super::dense::{halves, in_order, panelled, store};
use super::geometry::{Geometry, Ring};
use super::lanes::{Halves, Job, Lanes, ORDER, PANEL};

/// Integer kernels of a depthwise convolution.
#[derive(Debug, PartialEq)]
pub(super) struct IntKernels {
    /// Panel by panel, pair of taps by pair of taps; an odd last tap is paired with zeros.
    pub(super) taps: Vec<[[i16; 16]; 2]>,
    /// A panel's starts, in [`ORDER`].
    pub(super) bias: Vec<Halves<i32>>,
    /// A panel's scales, in [`ORDER`].
    pub(super) scale: Vec<Halves<f32>>,
    /// Subtracted from every input.
    pub(super) zero_in: u8,
    /// Added to every output.
    pub(super) zero_out: u8,
}

/// f32 kernels.
#[derive(Debug, PartialEq)]
pub(super) struct FloatKernels {
    /// Panel by panel, tap by tap.
    pub(super) taps: Vec<Halves<f32>>,
    /// A panel's starts.
    pub(super) bias: Vec<Halves<f32>>,
}

/// `weights[channel][tap]` → panels.
pub(super) fn pack_int(
    weights: &[i8],
    taps: usize,
    bias: &[i32],
    scale: &[f32],
    zeros: (u8, u8),
) -> IntKernels {
    let channels = bias.len();
    let at = |c: usize, t: usize| if c < channels && t < taps { i16::from(weights[c * taps + t]) } else { 0 };
    let mut packed = Vec::new();
    for panel in 0..channels.div_ceil(PANEL) {
        for pair in 0..taps.div_ceil(2) {
            packed.push(std::array::from_fn(|half| {
                std::array::from_fn(|j| at(panel * PANEL + ORDER[half * 8 + j / 2], pair * 2 + j % 2))
            }));
        }
    }
    let (zero_in, zero_out) = zeros;
    IntKernels { taps: packed, bias: in_order(bias), scale: in_order(scale), zero_in, zero_out }
}

/// `weights[channel][tap]` → panels.
pub(super) fn pack_float(weights: &[f32], taps: usize, bias: &[f32]) -> FloatKernels {
    let channels = bias.len();
    let panels = channels.div_ceil(PANEL);
    let at = |c: usize, t: usize| if c < channels { weights[c * taps + t] } else { 0.0 };
    let packed = (0..panels)
        .flat_map(|p| (0..taps).map(move |t| (p, t)))
        .map(|(p, t)| halves(|j| at(p * PANEL + j, t)))
        .collect();
    FloatKernels { taps: packed, bias: panelled(bias) }
}

/// A depthwise convolution in integers.
pub(super) struct IntDepthwise<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) kernels: &'a IntKernels,
    pub(super) input: &'a [u8],
    pub(super) output: &'a mut [u8],
}

impl Job for IntDepthwise<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.geometry.kernel {
            [3, 3] => self.sized::<L, 9, 5>(lanes),
            [5, 5] => self.sized::<L, 25, 13>(lanes),
            _ => self.sized::<L, 0, 0>(lanes),
        }
    }
}

impl IntDepthwise<'_> {
    /// `TAPS` and `PAIRS` of a usual kernel let the compiler unroll; 0 is any kernel.
    #[inline(always)]
    fn sized<L: Lanes, const TAPS: usize, const PAIRS: usize>(self, lanes: L) {
        let Self { geometry, kernels, input, output } = self;
        let [rows, columns, channels] = geometry.output;
        let [kernel, across] = geometry.kernel;
        let taps = if TAPS == 0 { kernel * across } else { TAPS };
        let pairs = if TAPS == 0 { taps.div_ceil(2) } else { PAIRS };
        let line = channels.div_ceil(PANEL) * PANEL;
        let widen = |byte: u8| i16::from(byte) - i16::from(kernels.zero_in);
        let mut ring = Ring::<i16>::new(geometry, line);
        let mut places = vec![(0, 0); pairs * 2];
        for row in 0..rows {
            let top = row * geometry.stride[0];
            ring.fill(geometry, line, top, input, widen);
            for (tap, place) in places.iter_mut().enumerate() {
                // The odd one's partner has zero weights; it reads the same place.
                let tap = tap.min(taps - 1);
                *place = (ring.place(top + tap / across), tap % across * line);
            }
            let line_out = &mut output[row * columns * channels..][..columns * channels];
            for panel in 0..line / PANEL {
                let weights = &kernels.taps[panel * pairs..][..pairs];
                let (bias, scale) = (&kernels.bias[panel], &kernels.scale[panel]);
                let first = panel * PANEL;
                let used = PANEL.min(channels - first);
                for (column, to) in line_out.chunks_exact_mut(channels).enumerate() {
                    let at = column * geometry.stride[1] * line + first;
                    let mut sums = [lanes.sums(&bias[0]), lanes.sums(&bias[1])];
                    for (w, place) in weights.iter().zip(places.as_chunks::<2>().0) {
                        let [(row_a, tap_a), (row_b, tap_b)] = *place;
                        let a = sixteen(ring.all(), row_a + tap_a + at);
                        let b = sixteen(ring.all(), row_b + tap_b + at);
                        sums = lanes.add_taps(sums, a, b, w);
                    }
                    let bytes = lanes.requantise(sums, scale, i16::from(kernels.zero_out));
                    store(&mut to[first..first + used], &bytes);
                }
            }
        }
    }
}

#[inline(always)]
fn sixteen<T>(row: &[T], at: usize) -> &[T; PANEL] {
    row[at..].first_chunk().expect("a padded row holds every tap of every panel")
}

/// A depthwise convolution in f32, cut to a range.
pub(super) struct FloatDepthwise<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) kernels: &'a FloatKernels,
    pub(super) range: [f32; 2],
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Job for FloatDepthwise<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { geometry, kernels, range, input, output } = self;
        let range = [lanes.splat(range[0]), lanes.splat(range[1])];
        let [rows, columns, channels] = geometry.output;
        let [kernel, across] = geometry.kernel;
        let line = channels.div_ceil(PANEL) * PANEL;
        let taps = kernel * across;
        let mut ring = Ring::<f32>::new(geometry, line);
        for row in 0..rows {
            let top = row * geometry.stride[0];
            ring.fill(geometry, line, top, input, |v| v);
            let line_out = &mut output[row * columns * channels..][..columns * channels];
            for panel in 0..line / PANEL {
                let weights = &kernels.taps[panel * taps..][..taps];
                let first = panel * PANEL;
                let used = PANEL.min(channels - first);
                for (column, to) in line_out.chunks_exact_mut(channels).enumerate() {
                    let at = column * geometry.stride[1] * line + first;
                    let bias = &kernels.bias[panel];
                    let mut sums = [lanes.floats(&bias[0]), lanes.floats(&bias[1])];
                    for (ky, weights) in weights.chunks_exact(across).enumerate() {
                        let ring_row = ring.get(top + ky);
                        for (kx, weights) in weights.iter().enumerate() {
                            let x = sixteen(ring_row, at + kx * line);
                            let (low, high) = x.split_at(8);
                            for (sum, (x, w)) in sums.iter_mut().zip([low, high].into_iter().zip(weights)) {
                                let x = x.first_chunk().expect("half a panel is eight");
                                *sum = lanes.mul_add(lanes.floats(x), lanes.floats(w), *sum);
                            }
                        }
                    }
                    let cut = [lanes.cut(sums[0], range), lanes.cut(sums[1], range)];
                    store(&mut to[first..first + used], cut.as_flattened());
                }
            }
        }
    }
}
