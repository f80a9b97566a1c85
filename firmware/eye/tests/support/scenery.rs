//! Frames of a fixed camera → the same in another light, weather or mood; seeded, so that every run sees the same.
//!
//! Light multiplies luma above black, sensors add noise that grows with gain, infrared takes the colour and makes leaves
//! bright. What darkens here darkens in seconds, where evening takes half an hour.

#![allow(dead_code, unreachable_pub)] // As its neighbour.

use std::f32::consts::TAU;

pub const W: usize = 768;
pub const H: usize = 576;
/// How far the bumped camera is moved for good, in pixels.
pub const BUMP: (usize, usize) = (9, 6);
/// Gain in the dark; people are still found at this, on this clip. At an eighth the model itself sees nobody.
const DARKEST: f32 = 0.3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenery {
    Untouched,
    Dusk,
    Dawn,
    InfraredOn,
    InfraredOff,
    Clouds,
    Rain,
    Snow,
    Bump,
    LightSwitch,
    Headlights,
}

pub const ALL: [Scenery; 10] = [
    Scenery::Dusk,
    Scenery::Dawn,
    Scenery::InfraredOn,
    Scenery::InfraredOff,
    Scenery::Clouds,
    Scenery::Rain,
    Scenery::Snow,
    Scenery::Bump,
    Scenery::LightSwitch,
    Scenery::Headlights,
];

/// One 4:2:0 frame of [`W`] × [`H`].
#[derive(Clone)]
pub struct Frame {
    pub y: Vec<u8>,
    pub u: Vec<u8>,
    pub v: Vec<u8>,
}

impl Frame {
    pub const BYTES: usize = W * H * 3 / 2;

    pub fn read(bytes: &[u8]) -> Self {
        let (y, chroma) = bytes.split_at(W * H);
        let (u, v) = chroma.split_at(W * H / 4);
        Self { y: y.to_vec(), u: u.to_vec(), v: v.to_vec() }
    }

    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        [&self.y[..], &self.u, &self.v].into_iter()
    }
}

/// A small generator (xorshift).
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761).max(1))
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// 0..1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 8) as f32 / (1 << 24) as f32
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f32) as usize
    }
}

/// Makes one scenery of frames, in order.
pub struct Painter {
    scenery: Scenery,
    random: Random,
    /// Noise of deviation 1, in 1/16.
    noise: Vec<i16>,
    gain: Vec<f32>,
    flakes: Vec<[f32; 4]>,
}

impl Painter {
    pub fn new(scenery: Scenery, seed: u32) -> Self {
        let mut random = Random::new(seed * 31 + scenery as u32);
        // Four uniform values are near enough to normal.
        let noise = (0..1 << 16)
            .map(|_| ((0..4).map(|_| random.unit() - 0.5).sum::<f32>() * 1.732 * 16.0) as i16)
            .collect();
        let flakes = (0..260)
            .map(|i| {
                let near = if i < 6 { 5.0 } else { 1.0 + 1.5 * random.unit() };
                [random.unit() * W as f32, random.unit() * H as f32, near, random.unit() * TAU]
            })
            .collect();
        Self { scenery, random, noise, gain: vec![1.0; W / 4 * H / 4], flakes }
    }

    /// The frame at `second` of `seconds`, `fps` frames a second.
    pub fn paint(&mut self, frame: &Frame, second: f32, seconds: f32, fps: f32) -> Frame {
        let mut out = frame.clone();
        let at = second / seconds;
        let night = |share: f32| DARKEST.powf(share);
        match self.scenery {
            Scenery::Untouched => self.lit(&mut out, 1.0, 1.5),
            Scenery::Dusk => self.lit(&mut out, night(at), 2.0 + 5.0 * at),
            Scenery::Dawn => self.lit(&mut out, night(1.0 - at), 7.0 - 5.0 * at),
            Scenery::InfraredOn => self.infrared(&mut out, second - 0.4 * seconds),
            Scenery::InfraredOff => self.infrared(&mut out, 0.6 * seconds - second),
            Scenery::Clouds => {
                let edge = |n: f32| 1.0 / (1.0 + (-n / 40.0).exp());
                let drift = second * 170.0;
                self.field(|x, y| {
                    let along = x + y * 0.4 - drift + 500.0;
                    let shade =
                        edge(along) * edge(430.0 - along) + edge(along + 900.0) * edge(-along - 500.0);
                    1.05 - 0.5 * shade.min(1.0)
                });
                self.lit_by_field(&mut out, 2.0);
            }
            Scenery::Rain => {
                self.lit(&mut out, 0.8, 3.0);
                self.rain(&mut out);
            }
            Scenery::Snow => {
                grey(&mut out);
                self.lit(&mut out, 0.6, 5.0);
                self.snow(&mut out, 25.0 / fps);
            }
            Scenery::Bump => {
                let since = (second - 0.4 * seconds) * fps;
                let (x, y) = match since {
                    s if s < 0.0 => (0, 0),
                    s if s < 3.0 => (self.random.below(2 * BUMP.0), self.random.below(2 * BUMP.1)),
                    _ => BUMP,
                };
                shift(&mut out, x, y);
                self.lit(&mut out, 1.0, 1.5);
            }
            Scenery::LightSwitch => {
                let is_off = (0.3..0.65).contains(&at);
                // The lamp lights the right half most; what is left comes from the street.
                self.field(|x, y| {
                    let far = ((x - 520.0).powi(2) + (y - 200.0).powi(2)).sqrt();
                    if is_off { DARKEST + 0.1 } else { 0.55 + 0.6 * (-far / 350.0).exp() }
                });
                self.lit_by_field(&mut out, if is_off { 5.0 } else { 2.0 });
            }
            Scenery::Headlights => {
                let sweep = (second * 0.45).fract();
                let (x0, y0) = (-250.0 + sweep * 1300.0, 380.0 - sweep * 120.0);
                self.field(|x, y| {
                    let beam = ((x - x0) / 150.0).powi(2) + ((y - y0) / 80.0).powi(2);
                    DARKEST + 0.1 + 1.2 * (-beam.powi(2)).exp()
                });
                self.lit_by_field(&mut out, 5.0);
            }
        }
        out
    }

    /// All of it, `gain` times as bright, with noise of this deviation.
    fn lit(&mut self, frame: &mut Frame, gain: f32, noise: f32) {
        self.gain.fill(gain);
        self.lit_by_field(frame, noise);
    }

    /// Gain by place, in pixels.
    fn field(&mut self, gain: impl Fn(f32, f32) -> f32) {
        for (i, g) in self.gain.iter_mut().enumerate() {
            *g = gain((i % (W / 4) * 4 + 2) as f32, (i / (W / 4) * 4 + 2) as f32);
        }
    }

    fn lit_by_field(&mut self, frame: &mut Frame, noise: f32) {
        let noise = (noise * 16.0) as i32;
        let mut at = self.random.next() as usize;
        for (y, row) in frame.y.chunks_exact_mut(W).enumerate() {
            at = at.wrapping_add(self.random.next() as usize);
            let gains = &self.gain[y / 4 * (W / 4)..][..W / 4];
            for (block, gain) in row.chunks_exact_mut(4).zip(gains) {
                let gain = (gain * 256.0) as i32;
                for s in block {
                    at = at.wrapping_add(1);
                    let shake = (i32::from(self.noise[at & 0xffff]) * noise) >> 8;
                    *s = (16 + (((i32::from(*s) - 16) * gain) >> 8) + shake).clamp(0, 255) as u8;
                }
            }
        }
        // Colour fades with the light.
        for plane in [&mut frame.u, &mut frame.v] {
            for (y, row) in plane.chunks_exact_mut(W / 2).enumerate() {
                let gains = &self.gain[y / 2 * (W / 4)..][..W / 4];
                for (pair, gain) in row.chunks_exact_mut(2).zip(gains) {
                    let gain = (gain.min(1.0) * 256.0) as i32;
                    for s in pair {
                        *s = (128 + (((i32::from(*s) - 128) * gain) >> 8)).clamp(0, 255) as u8;
                    }
                }
            }
        }
    }

    /// Evening light, and `since` the switch infrared: first two dark frames while the filter moves.
    fn infrared(&mut self, frame: &mut Frame, since: f32) {
        if since < 0.0 {
            return self.lit(frame, 0.55, 4.0);
        }
        for (i, s) in frame.y.iter_mut().enumerate() {
            let c = i / W / 2 * (W / 2) + i % W / 2;
            // Green has little blue and little red: leaves reflect infrared.
            let green = (256 - i32::from(frame.u[c]) - i32::from(frame.v[c])).max(0);
            *s = (i32::from(*s) + 3 * green).min(235) as u8;
        }
        grey(frame);
        self.lit(frame, if since < 0.4 { 0.25 } else { 0.9 }, 7.0);
    }

    fn rain(&mut self, frame: &mut Frame) {
        for _ in 0..320 {
            let (x, y) = (self.random.below(W - 16), self.random.below(H - 60));
            let (length, wide, bright) =
                (18 + self.random.below(40), 1 + self.random.below(2), 25 + self.random.below(50) as u8);
            for i in 0..length {
                for s in &mut frame.y[(y + i) * W + x + i / 6..][..wide] {
                    *s = s.saturating_add(bright);
                }
            }
        }
    }

    /// Flakes that fall and, larger, insects that fly about.
    fn snow(&mut self, frame: &mut Frame, step: f32) {
        for i in 0..self.flakes.len() {
            let [x, y, size, turn] = self.flakes[i];
            let is_insect = i < 6;
            let turn = turn + (self.random.unit() - 0.5) * if is_insect { 2.5 } else { 0.6 };
            let (dx, dy) = if is_insect {
                (14.0 * turn.cos(), 14.0 * turn.sin())
            } else {
                (2.0 * turn.sin(), 5.0 * size)
            };
            let (x, y) = ((x + dx * step).rem_euclid(W as f32), (y + dy * step).rem_euclid(H as f32));
            self.flakes[i] = [x, y, size, turn];
            let reach = size.ceil() as i32;
            for oy in -reach..=reach {
                for ox in -reach..=reach {
                    let (px, py) = (x as i32 + ox, y as i32 + oy);
                    let far = ((ox * ox + oy * oy) as f32).sqrt();
                    if far <= size && (0..W as i32).contains(&px) && (0..H as i32).contains(&py) {
                        let s = &mut frame.y[py as usize * W + px as usize];
                        *s = s.saturating_add((110.0 * (1.2 - far / (size + 0.5))) as u8);
                    }
                }
            }
        }
    }
}

fn grey(frame: &mut Frame) {
    frame.u.fill(128);
    frame.v.fill(128);
}

/// Moves all of it right and down; the edge is repeated.
fn shift(frame: &mut Frame, x: usize, y: usize) {
    let move_plane = |plane: &mut Vec<u8>, w: usize, x: usize, y: usize| {
        let from = plane.clone();
        for (i, s) in plane.iter_mut().enumerate() {
            *s = from[(i / w).saturating_sub(y) * w + (i % w).saturating_sub(x)];
        }
    };
    move_plane(&mut frame.y, W, x, y);
    move_plane(&mut frame.u, W / 2, x / 2, y / 2);
    move_plane(&mut frame.v, W / 2, x / 2, y / 2);
}
