//! A camera's life on a fake clock: what must alarm, and what must not.

use super::*;
use crate::{Colour, Picture};

const W: usize = 320;
const H: usize = 240;

/// A small generator (xorshift).
struct Random(u32);

impl Random {
    fn next(&mut self, below: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % below
    }
}

/// A place: rectangles of many sizes, as houses, paths and windows are, with the sensor's noise.
fn place(seed: u32) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(2_654_435_761).max(1));
    let mut luma = vec![110; W * H];
    for i in 0..220 {
        let (w, h) = if i < 20 { (80, 60) } else { (24, 20) };
        let (w, h) = (4 + random.next(w) as usize, 4 + random.next(h) as usize);
        let (x, y) = (random.next((W - w) as u32) as usize, random.next((H - h) as u32) as usize);
        let level = 40 + random.next(170) as u8;
        for row in y..y + h {
            luma[row * W + x..][..w].fill(level);
        }
    }
    luma
}

/// A camera at a place.
struct Camera {
    guard: TamperGuard,
    random: Random,
    second: u64,
    colour: u8,
    noise: u32,
    place: Vec<u8>,
}

impl Camera {
    /// One that has looked at its place for two minutes.
    fn used(seed: u32) -> Self {
        let mut camera = Self {
            guard: TamperGuard::default(),
            random: Random(seed + 77),
            second: 0,
            colour: 140,
            noise: 3,
            place: place(seed),
        };
        camera.watch(120, |luma, _| luma.to_vec());
        assert!(camera.guard.is_known());
        camera
    }

    /// Looks for some seconds at what `change` makes of the place; gives the second in which each kind was told.
    fn watch(&mut self, seconds: u64, change: impl Fn(&[u8], u64) -> Vec<u8>) -> Vec<(Tamper, u64)> {
        let mut told = Vec::new();
        for second in 0..seconds {
            let mut luma = change(&self.place, second);
            if self.noise > 0 {
                for s in &mut luma {
                    let shake = self.random.next(2 * self.noise + 1) as i32 - self.noise as i32;
                    *s = (i32::from(*s) + shake).clamp(0, 255) as u8;
                }
            }
            if let Some(tamper) = self.show(&luma)
                && told.last().is_none_or(|(kind, _)| *kind != tamper.0)
            {
                told.push((tamper.0, second));
            }
        }
        told
    }

    fn show(&mut self, luma: &[u8]) -> Option<(Tamper, Mono)> {
        let chroma = vec![self.colour; W * H / 4];
        let planes = ((&chroma[..], W / 2), (&chroma[..], W / 2));
        let picture = Picture::from_i420((W, H), (luma, W), planes.0, planes.1, Colour::default()).unwrap();
        self.second += 1;
        self.guard.see(Mono(self.second * 1_000_000), &View::of(&picture))
    }

    fn quiet(&mut self, seconds: u64, change: impl Fn(&[u8], u64) -> Vec<u8>) {
        let told = self.watch(seconds, change);
        assert_eq!(told, [], "told without a reason");
    }
}

fn same(luma: &[u8], _: u64) -> Vec<u8> {
    luma.to_vec()
}

fn lit(luma: &[u8], share: f32) -> Vec<u8> {
    luma.iter().map(|&s| (16.0 + (f32::from(s) - 16.0) * share).clamp(0.0, 255.0) as u8).collect()
}

fn shifted(luma: &[u8], by: usize) -> Vec<u8> {
    let mut out = luma.to_vec();
    out.rotate_right(by * W + by);
    out
}

/// Each sample becomes the mean of those around it, twice.
fn blurred(luma: &[u8], reach: usize) -> Vec<u8> {
    let pass = |from: &[u8], step: usize| -> Vec<u8> {
        (0..from.len())
            .map(|i| {
                let around =
                    (0..=2 * reach).map(|k| (i + k * step).saturating_sub(reach * step).min(from.len() - 1));
                (around.map(|j| u32::from(from[j])).sum::<u32>() / (2 * reach as u32 + 1)) as u8
            })
            .collect()
    };
    pass(&pass(luma, 1), W)
}

/// What a hand before the lens leaves: a dim light from one side.
fn hand(_: &[u8], _: u64) -> Vec<u8> {
    (0..W * H).map(|i| 38 + (i % W / 32) as u8).collect()
}

#[test]
fn a_covered_lens_is_told_with_its_time_and_is_over_when_it_sees_again() {
    for seed in 1..4 {
        let mut camera = Camera::used(seed);
        let began = camera.second;
        let told = camera.watch(60, hand);
        assert!(matches!(told[..], [(Tamper::Covered, 7..=14)]), "{told:?}");
        let (_, since) = camera.guard.tamper.unwrap();
        assert!((1..=10).contains(&(since.0 / 1_000_000 - began)), "since {since:?}, began {began} s");
        camera.watch(20, same);
        assert_eq!(camera.guard.tamper, None);
    }
}

#[test]
fn a_hand_that_wipes_the_lens_is_not_told() {
    let mut camera = Camera::used(4);
    camera.quiet(5, hand);
    camera.quiet(60, same);
}

#[test]
fn a_covered_lens_is_told_at_night_too() {
    let mut camera = Camera::used(5);
    (camera.colour, camera.noise) = (128, 6);
    camera.quiet(90, |luma, _| lit(luma, 0.5));
    let told = camera.watch(60, hand);
    assert!(matches!(told[..], [(Tamper::Covered, _)]), "{told:?}");
}

#[test]
fn a_covered_lens_in_daylight_that_makes_the_camera_switch_to_night_is_told() {
    let mut camera = Camera::used(6);
    (camera.colour, camera.noise) = (128, 8);
    let told = camera.watch(60, hand);
    assert!(matches!(told[..], [(Tamper::Covered, _)]), "{told:?}");
}

#[test]
fn a_turned_camera_is_told_and_its_new_scene_accepted_in_the_end() {
    for seed in 1..4 {
        let mut camera = Camera::used(seed);
        let other = place(seed + 100);
        let told = camera.watch(300, |_, _| other.clone());
        assert!(matches!(told[..], [(Tamper::Moved, 14..=25)]), "{told:?}");
        camera.watch(420, |_, _| other.clone());
        assert_eq!(camera.guard.tamper, None, "accepted");
        camera.quiet(60, |_, _| other.clone());
    }
}

#[test]
fn a_scene_shifted_for_good_is_told_and_turning_it_back_ends_it() {
    let mut camera = Camera::used(7);
    let told = camera.watch(60, |luma, _| shifted(luma, 24));
    assert!(matches!(told[..], [(Tamper::Moved, _)]), "{told:?}");
    camera.watch(20, same);
    assert_eq!(camera.guard.tamper, None);
}

#[test]
fn a_blurred_picture_is_told() {
    for seed in 1..4 {
        let mut camera = Camera::used(seed);
        let told = camera.watch(90, |luma, _| blurred(luma, 3));
        assert!(matches!(told[..], [(Tamper::Blurred, 30..=40)]), "{told:?}");
        camera.watch(20, same);
        assert_eq!(camera.guard.tamper, None);
    }
}

#[test]
fn a_lost_picture_is_told_black_green_and_frozen() {
    let mut camera = Camera::used(8);
    camera.noise = 0;
    let told = camera.watch(30, |luma, _| vec![16; luma.len()]);
    assert!(matches!(told[..], [(Tamper::Lost, 8..=10)]), "{told:?}");
    camera.noise = 3;
    camera.watch(30, same);
    assert_eq!(camera.guard.tamper, None);

    (camera.noise, camera.colour) = (0, 0);
    let told = camera.watch(30, |luma, _| vec![0; luma.len()]);
    assert!(matches!(told[..], [(Tamper::Lost, _)]), "{told:?}");
    (camera.noise, camera.colour) = (3, 140);
    camera.watch(60, same);
    assert_eq!(camera.guard.tamper, None);

    camera.noise = 0;
    let told = camera.watch(90, same);
    assert!(matches!(told[..], [(Tamper::Lost, 59..=62)]), "{told:?}");
}

#[test]
fn a_drawn_picture_that_never_moves_is_not_frozen() {
    let mut camera = Camera::used(9);
    camera.guard = TamperGuard::default();
    camera.noise = 0;
    camera.quiet(300, same);
}

#[test]
fn dusk_and_night_are_quiet() {
    for noise_at_night in [0, 9] {
        let mut camera = Camera::used(10);
        // Twenty minutes from day to nothing, then an hour of it, then dawn.
        for minute in 0..20u8 {
            camera.noise = 3 + (noise_at_night * u32::from(minute) / 20);
            let share = 0.8f32.powi(i32::from(minute));
            camera.quiet(60, |luma, s| lit(luma, share * 0.8f32.powf(s as f32 / 60.0)));
        }
        camera.noise = noise_at_night;
        camera.quiet(600, |luma, _| vec![16; luma.len()]);
        for minute in (0..20u8).rev() {
            let share = 0.8f32.powi(i32::from(minute) + 1);
            camera.noise = 3 + (noise_at_night * u32::from(minute) / 20);
            camera.quiet(60, |luma, s| lit(luma, share * 0.8f32.powf(-(s as f32) / 60.0)));
        }
        camera.quiet(120, same);
    }
}

#[test]
fn switching_to_infrared_and_back_is_quiet() {
    let mut camera = Camera::used(11);
    for _ in 0..3 {
        (camera.colour, camera.noise) = (128, 9);
        // Another light from another side: other edges here and there.
        let night = |luma: &[u8], _| -> Vec<u8> {
            let far = |i: usize| 1.3 - (i / W).abs_diff(H * 2 / 3) as f32 / H as f32;
            luma.iter().enumerate().map(|(i, &s)| (f32::from(s) * far(i)).clamp(16.0, 250.0) as u8).collect()
        };
        camera.quiet(200, night);
        (camera.colour, camera.noise) = (140, 3);
        camera.quiet(200, same);
    }
}

#[test]
fn clouds_and_a_light_that_is_switched_are_quiet() {
    let mut camera = Camera::used(12);
    camera.quiet(300, |luma, s| lit(luma, if s % 20 < 10 { 0.5 } else { 1.2 }));
    camera.quiet(120, |luma, _| lit(luma, 0.2));
    camera.quiet(120, same);
}

#[test]
fn rain_is_quiet() {
    let mut camera = Camera::used(13);
    camera.quiet(300, |luma, second| {
        let (mut out, mut random) = (luma.to_vec(), Random(second as u32 * 7919 + 1));
        for _ in 0..200 {
            let (x, y) = (random.next(W as u32) as usize, random.next(H as u32 - 20) as usize);
            for row in y..y + 20 {
                out[row * W + x] = out[row * W + x].saturating_add(60);
            }
        }
        out
    });
}

#[test]
fn a_lorry_that_fills_half_the_picture_and_stays_is_quiet() {
    let mut camera = Camera::used(14);
    let lorry = |luma: &[u8], _| -> Vec<u8> {
        luma.iter()
            .enumerate()
            .map(|(i, &s)| if i % W < W / 2 { 200 - (i / W / 60 * 9) as u8 } else { s })
            .collect()
    };
    camera.quiet(600, lorry);
    camera.quiet(120, same);
    // One that is all over the picture passes.
    let passing = |luma: &[u8], s| if s < 10 { place(500 + s as u32) } else { luma.to_vec() };
    camera.quiet(60, passing);
}

#[test]
fn it_is_survived_that_nothing_is_ever_seen() {
    let mut camera = Camera::used(15);
    camera.guard = TamperGuard::default();
    camera.quiet(200, |_, second| place(second as u32 + 1));
}
