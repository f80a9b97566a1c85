//! Two successive pictures and a box in the first → how far what moves in it has gone in the second.
//!
//! Block matching on shrunk luma, of the pixels alone that changed: what stands still behind a walker holds nothing back.

use crate::picture::Plane;
use nightjar_types::BBox;

/// Columns that are aimed at: a person of 1/20 of the picture's width has 13. On the pedestrian clip at three looks a second
/// 200, 256 and 320 of them are equally good.
const COLUMNS: usize = 256;
/// What is left out at each side of a box, as a share of it: corners show what is behind.
const RIM: f32 = 0.1;
/// Luma steps from which on a pixel has changed.
const CHANGED: i32 = 8;
/// Fewer changed pixels than this share of the box (in 1/32): it stands still.
const STILL_SHARE: usize = 32;
/// Most changed pixels that are compared.
const MOST_PIXELS: usize = 600;
/// How far from the guess is searched, as a share of the box's mean side, and in shrunk pixels at least and most.
const SEARCH: f32 = 0.15;
const LEAST_SEARCH: i32 = 2;
const MOST_SEARCH: i32 = 6;
/// The best place must match this much better than the mean of all places.
const CLEARLY: f32 = 0.8;

/// A picture's luma, shrunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

impl Sketch {
    /// Means of square blocks; what is left over at the right and lower edge is left out.
    pub fn of(luma: Plane<'_>) -> Self {
        let side = (luma.width / COLUMNS).max(1);
        let (width, height) = (luma.width / side, luma.height / side);
        let mut out = Vec::with_capacity(width * height);
        let mut sums = vec![0u32; width];
        for y in 0..height {
            sums.fill(0);
            for row in 0..side {
                let row = luma.row(y * side + row);
                for (sum, block) in sums.iter_mut().zip(row.chunks_exact(side)) {
                    *sum += block.iter().map(|&b| u32::from(b)).sum::<u32>();
                }
            }
            out.extend(sums.iter().map(|&s| (s / (side * side) as u32) as u8));
        }
        Self { width, height, luma: out }
    }

    /// How far what was in `place` has moved until `next`, in fractions of the picture, near a guess; `None` when the
    /// pictures do not tell.
    pub fn shift(&self, next: &Sketch, place: &BBox, guess: [f32; 2]) -> Option<[f32; 2]> {
        if (self.width, self.height) != (next.width, next.height) {
            return None;
        }
        let (across, down) = (self.width as f32, self.height as f32);
        let within = |x: f32, side: usize| if x > 0.0 { (x as usize).min(side) } else { 0 };
        let columns = within((place.x + RIM * place.w) * across, self.width)
            ..within((place.x + (1.0 - RIM) * place.w) * across, self.width);
        let rows = within((place.y + RIM * place.h) * down, self.height)
            ..within((place.y + (1.0 - RIM) * place.h) * down, self.height);
        let area = columns.len() * rows.len();
        let mut changed: Vec<(usize, usize)> = rows
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .filter(|&(x, y)| {
                let at = y * self.width + x;
                (i32::from(self.luma[at]) - i32::from(next.luma[at])).abs() >= CHANGED
            })
            .collect();
        if area == 0 {
            return None;
        }
        if changed.len() * STILL_SHARE < area {
            return Some([0.0; 2]);
        }
        let step = changed.len().div_ceil(MOST_PIXELS);
        changed = changed.into_iter().step_by(step).collect();
        let side = (place.w * across * place.h * down).max(0.0).sqrt();
        let reach = ((SEARCH * side) as i32).clamp(LEAST_SEARCH, MOST_SEARCH);
        let middle = [guess[0] * across, guess[1] * down].map(|g| g.round().clamp(-64.0, 64.0) as i32);
        let search = Search { from: self, to: next, changed: &changed };
        let wide = 2 * reach + 1;
        let costs: Vec<f32> = (0..wide * wide)
            .map(|i| search.cost(middle[0] + i % wide - reach, middle[1] + i / wide - reach))
            .collect();
        let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b]))?;
        let mean = costs.iter().sum::<f32>() / costs.len() as f32;
        if costs[best] > CLEARLY * mean {
            return None;
        }
        let (x, y) = (best as i32 % wide, best as i32 / wide);
        let at = |x: i32, y: i32| {
            ((0..wide).contains(&x) && (0..wide).contains(&y)).then(|| costs[(y * wide + x) as usize])
        };
        let fine = |before: Option<f32>, after: Option<f32>| match (before, after) {
            (Some(b), Some(a)) if a + b > 2.0 * costs[best] => (b - a) / (2.0 * (a + b - 2.0 * costs[best])),
            _ => 0.0,
        };
        let dx = (middle[0] + x - reach) as f32 + fine(at(x - 1, y), at(x + 1, y));
        let dy = (middle[1] + y - reach) as f32 + fine(at(x, y - 1), at(x, y + 1));
        Some([dx / across, dy / down])
    }
}

struct Search<'a> {
    from: &'a Sketch,
    to: &'a Sketch,
    changed: &'a [(usize, usize)],
}

impl Search<'_> {
    /// Mean difference of the pixels when they have gone so far; what would lie outside differs by half the range.
    fn cost(&self, dx: i32, dy: i32) -> f32 {
        let (width, height) = (self.to.width as i32, self.to.height as i32);
        let mut sum = 0;
        for &(x, y) in self.changed {
            let (to_x, to_y) = (x as i32 + dx, y as i32 + dy);
            sum += if (0..width).contains(&to_x) && (0..height).contains(&to_y) {
                let was = self.from.luma[y * self.from.width + x];
                u32::from(was.abs_diff(self.to.luma[(to_y * width + to_x) as usize]))
            } else {
                128
            };
        }
        sum as f32 / self.changed.len().max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const W: usize = 320;
    const H: usize = 180;

    fn texture(x: usize, y: usize, seed: usize) -> u8 {
        let mut v = (x / 2 * 7919 + y / 2 * 104_729 + seed * 31) as u32;
        v ^= v << 13;
        v ^= v >> 17;
        v ^= v << 5;
        (v % 200 + 20) as u8
    }

    /// A textured block before a textured background that stands still.
    fn scene(at: (usize, usize), size: (usize, usize)) -> Sketch {
        let mut data: Vec<u8> = (0..W * H).map(|i| texture(i % W, i / W, 1)).collect();
        for y in 0..size.1 {
            for x in 0..size.0 {
                data[(at.1 + y) * W + at.0 + x] = texture(x, y, 2);
            }
        }
        Sketch::of(Plane { data: &data, width: W, height: H, stride: W })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_block_is_followed_before_a_busy_background(
            x in 30usize..250, y in 30usize..100, w in 16usize..30, h in 24usize..50, dx in -4i32..5, dy in -4i32..5,
        ) {
            let (from, to) = ((x, y), ((x as i32 + dx) as usize, (y as i32 + dy) as usize));
            let place = BBox {
                x: x as f32 / W as f32,
                y: y as f32 / H as f32,
                w: w as f32 / W as f32,
                h: h as f32 / H as f32,
            };
            let guess = [(dx - dx.signum()) as f32 / W as f32, (dy - dy.signum()) as f32 / H as f32];
            let shift = scene(from, (w, h)).shift(&scene(to, (w, h)), &place, guess);
            let [sx, sy] = shift.expect("a clear match");
            let off = ((sx * W as f32 - dx as f32).abs(), (sy * H as f32 - dy as f32).abs());
            prop_assert!(off.0 < 0.6 && off.1 < 0.6, "{off:?}");
        }

        #[test]
        fn any_box_and_guess_are_survived(v in prop::collection::vec(any::<f32>(), 6)) {
            let (a, b) = (scene((40, 40), (20, 40)), scene((44, 40), (20, 40)));
            let shift = a.shift(&b, &BBox { x: v[0], y: v[1], w: v[2], h: v[3] }, [v[4], v[5]]);
            prop_assert!(shift.is_none_or(|s| s.iter().all(|x| x.is_finite())), "{shift:?}");
        }
    }

    #[test]
    fn what_stands_still_has_not_moved_and_other_sizes_tell_nothing() {
        let a = scene((40, 40), (20, 40));
        let place = BBox { x: 0.125, y: 0.22, w: 0.06, h: 0.22 };
        assert_eq!(a.shift(&a.clone(), &place, [0.01, 0.0]), Some([0.0, 0.0]));
        let other = Sketch::of(Plane { data: &[0; 64], width: 8, height: 8, stride: 8 });
        assert_eq!(a.shift(&other, &place, [0.0; 2]), None);
    }
}
