//! Kernels on both kinds of lanes against sums written out, over the shapes that detectors have and some that they do not.

use super::dense::{self, FloatDense, IntDense, IntOut, in_order};
use super::depthwise::{self, FloatDepthwise, IntDepthwise};
use super::geometry::Geometry;
use super::lanes::{Job, plain, widest};

/// Deterministic bytes.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next()).collect()
    }

    fn steps(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| (self.next() as i8).max(-127)).collect()
    }
}

/// `rows × columns × channels → channels`, kernel, stride, padding before and after.
type Case = ([usize; 3], usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2]);

const DENSE: &[Case] = &[
    ([5, 7, 24], 16, [1, 1], [1, 1], [0, 0], [0, 0]),
    ([10, 10, 31], 40, [1, 1], [1, 1], [0, 0], [0, 0]),
    ([9, 11, 3], 32, [3, 3], [2, 2], [0, 0], [1, 1]),
    ([9, 11, 3], 24, [3, 3], [2, 2], [1, 1], [1, 1]),
    ([4, 4, 8], 5, [5, 5], [1, 1], [2, 2], [2, 2]),
    ([1, 1, 960], 17, [1, 1], [1, 1], [0, 0], [0, 0]),
    ([3, 3, 16], 16, [1, 1], [2, 2], [0, 0], [0, 0]),
    ([2, 2, 4], 3, [7, 7], [1, 1], [3, 3], [3, 3]),
];

const DEPTHWISE: &[Case] = &[
    ([6, 9, 32], 32, [3, 3], [1, 1], [1, 1], [1, 1]),
    ([6, 9, 24], 24, [3, 3], [2, 2], [0, 0], [1, 1]),
    ([7, 7, 48], 48, [5, 5], [1, 1], [2, 2], [2, 2]),
    ([8, 7, 5], 5, [5, 5], [2, 2], [1, 2], [2, 2]),
    ([1, 1, 16], 16, [3, 3], [1, 1], [1, 1], [1, 1]),
    ([5, 5, 20], 20, [2, 4], [1, 3], [0, 1], [1, 2]),
];

fn geometry((input, outs, kernel, stride, before, after): Case, depthwise: bool) -> Geometry {
    let out = |axis: usize| (input[axis] + before[axis] + after[axis] - kernel[axis]) / stride[axis] + 1;
    Geometry { input, output: [out(0), out(1), outs], kernel, stride, before, depthwise }
}

/// The sums as the definition says: weights `[out][ky][kx][in]`, in f64, exact for integers.
fn sums(g: &Geometry, input: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let [rows, columns, channels] = g.input;
    let ins = if g.depthwise { 1 } else { channels };
    let mut all = Vec::new();
    for row in 0..g.output[0] {
        for column in 0..g.output[1] {
            for out in 0..g.output[2] {
                let mut sum = bias[out];
                for ky in 0..g.kernel[0] {
                    for kx in 0..g.kernel[1] {
                        let y = (row * g.stride[0] + ky) as isize - g.before[0] as isize;
                        let x = (column * g.stride[1] + kx) as isize - g.before[1] as isize;
                        if y < 0 || x < 0 || y >= rows as isize || x >= columns as isize {
                            continue;
                        }
                        let at = (y as usize * columns + x as usize) * channels;
                        for i in 0..ins {
                            let channel = if g.depthwise { out } else { i };
                            let w = weights[((out * g.kernel[0] + ky) * g.kernel[1] + kx) * ins + i];
                            sum += input[at + channel] * w;
                        }
                    }
                }
                all.push(sum);
            }
        }
    }
    all
}

fn f64s<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| (*v).into()).collect()
}

/// Both kinds of lanes.
fn both<T: Clone, F: Fn(&mut T, bool)>(blank: T, run: F) -> [T; 2] {
    [false, true].map(|wide| {
        let mut out = blank.clone();
        run(&mut out, wide);
        out
    })
}

fn on<J: Job>(wide: bool, job: J) {
    if wide { widest(job) } else { plain(job) }
}

#[test]
fn integer_convolutions_give_exactly_the_sums() {
    let mut noise = Noise(1);
    for &case in DENSE {
        let g = geometry(case, false);
        let zero = noise.next();
        let input = noise.bytes(g.input.iter().product());
        let weights = noise.steps(g.output[2] * g.kernel[0] * g.line());
        let bias: Vec<i32> = (0..g.output[2]).map(|_| i32::from(noise.next()) * 100 - 12_800).collect();
        let packed = dense::pack_int(&g, &weights, &bias, zero);
        let centred: Vec<f64> = input.iter().map(|b| f64::from(*b) - f64::from(zero)).collect();
        let expected = sums(&g, &centred, &f64s(&weights), &f64s(&bias));
        for got in both(vec![0; expected.len()], |to, wide| {
            on(wide, IntDense { geometry: &g, weights: &packed, input: &input, output: IntOut::Sums(to) });
        }) {
            assert_eq!(f64s(&got), expected, "{case:?}");
        }
        let scale: Vec<f32> = (0..g.output[2]).map(|_| f32::from(noise.next()) * 3e-5).collect();
        let bytes: Vec<u8> = expected
            .iter()
            .enumerate()
            .map(|(i, sum)| {
                let scaled = (*sum as f32 * scale[i % scale.len()]).round_ties_even();
                (scaled as i32 + 100).clamp(0, 255) as u8
            })
            .collect();
        let scale = in_order(&scale);
        for got in both(vec![0; bytes.len()], |to, wide| {
            let output = IntOut::Bytes { to, scale: &scale, zero: 100 };
            on(wide, IntDense { geometry: &g, weights: &packed, input: &input, output });
        }) {
            assert_eq!(got, bytes, "{case:?}");
        }
    }
}

#[test]
fn integer_depthwise_convolutions_give_exactly_the_bytes() {
    let mut noise = Noise(2);
    for &case in DEPTHWISE {
        let g = geometry(case, true);
        let taps = g.kernel[0] * g.kernel[1];
        let (zero, channels) = (noise.next(), g.output[2]);
        let input = noise.bytes(g.input.iter().product());
        let weights = noise.steps(channels * taps);
        let bias: Vec<i32> = (0..channels).map(|_| i32::from(noise.next()) * 100 - 12_800).collect();
        let scale: Vec<f32> = (0..channels).map(|_| f32::from(noise.next()) * 5e-5).collect();
        let packed = depthwise::pack_int(&weights, taps, &bias, &scale, (zero, 7));
        let centred: Vec<f64> = input.iter().map(|b| f64::from(*b) - f64::from(zero)).collect();
        let expected: Vec<u8> = sums(&g, &centred, &f64s(&weights), &f64s(&bias))
            .iter()
            .enumerate()
            .map(|(i, sum)| {
                ((*sum as f32 * scale[i % channels]).round_ties_even() as i32 + 7).clamp(0, 255) as u8
            })
            .collect();
        for got in both(vec![0; expected.len()], |to, wide| {
            on(wide, IntDepthwise { geometry: &g, kernels: &packed, input: &input, output: to });
        }) {
            assert_eq!(got, expected, "{case:?}");
        }
    }
}

#[test]
fn float_convolutions_give_the_sums_cut_to_the_range() {
    let mut noise = Noise(3);
    for (cases, is_depthwise) in [(DENSE, false), (DEPTHWISE, true)] {
        for &case in cases {
            let g = geometry(case, is_depthwise);
            let depth = if is_depthwise { g.kernel[0] * g.kernel[1] } else { g.kernel[0] * g.line() };
            let mut floats = |len: usize| -> Vec<f32> {
                (0..len).map(|_| f32::from(noise.next()) / 128.0 - 1.0).collect()
            };
            let input = floats(g.input.iter().product());
            let weights = floats(g.output[2] * depth);
            let bias = floats(g.output[2]);
            let range = [0.0, 3.0];
            let expected = sums(&g, &f64s(&input), &f64s(&weights), &f64s(&bias));
            let results = if is_depthwise {
                let kernels = depthwise::pack_float(&weights, depth, &bias);
                both(vec![0.0; expected.len()], |output: &mut Vec<f32>, wide| {
                    on(
                        wide,
                        FloatDepthwise { geometry: &g, kernels: &kernels, range, input: &input, output },
                    );
                })
            } else {
                let packed = dense::pack_float(&g, &weights, &bias);
                both(vec![0.0; expected.len()], |output: &mut Vec<f32>, wide| {
                    on(wide, FloatDense { geometry: &g, weights: &packed, range, input: &input, output });
                })
            };
            for got in results {
                for (got, sum) in got.iter().zip(&expected) {
                    let least_error = (f64::from(*got) - sum.clamp(0.0, 3.0)).abs();
                    assert!(least_error < 1e-4, "{case:?}: {got} instead of {sum}");
                }
            }
        }
    }
}
