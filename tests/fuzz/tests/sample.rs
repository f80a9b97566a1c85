//! Every target's seeds, inputs that once failed, and some thousand seeded mutations of both → no panic, in a few seconds.
//!
//! What libFuzzer finds in hours this does not; but what it once found stays found, and a target that rots is seen at once.

use nightjar_fuzz::{TARGETS, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations a target.
const ROUNDS: u64 = 8_000;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

/// One to four changes: a bit, a byte, a number, a piece taken out, doubled, put in or taken from another input.
fn mutate(random: &mut Random, pool: &[Vec<u8>], target: &Target) -> Vec<u8> {
    let mut data = pool[random.below(pool.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(data.len());
        let piece = at..at + random.below(data.len() - at + 1).min(64);
        match random.below(8) {
            0 if !data.is_empty() => data[at] ^= 1 << random.below(8),
            1 if !data.is_empty() => data[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 if at + 4 <= data.len() => {
                let number = [0, 1, 8, 0x7fff_ffff, 0x8000_0000, u32::MAX][random.below(6)];
                data[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
            }
            3 => drop(data.drain(piece)),
            4 => {
                let double = data[piece].to_vec();
                data.splice(at..at, double);
            }
            5 => drop(data.splice(at..at, random.bytes(16))),
            6 if !target.words.is_empty() => {
                let word = target.words[random.below(target.words.len())];
                data.splice(at..at, word.bytes());
            }
            _ => {
                let other = &pool[random.below(pool.len())];
                let from = random.below(other.len());
                data.truncate(at);
                data.extend(&other[from.min(other.len())..]);
            }
        }
    }
    data.truncate(target.max_len);
    data
}

/// Runs one input; when it fails, the input lies in a file that the message names.
fn run(target: &Target, data: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.fails", target.name));
        std::fs::write(&file, data).expect("the build's own folder can be written to");
        panic!(
            "{}: {what} fails, {} bytes, now in {}; once mended put it into tests/fuzz/found/{}/",
            target.name,
            data.len(),
            file.display(),
            target.name
        );
    }
}

/// Inputs that once made this target fail.
fn found(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(target.name);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("the folder can be listed").path()).collect();
    paths.sort();
    let read = |path: PathBuf| std::fs::read(&path).map(|bytes| (path, bytes)).expect("it can be read");
    paths.into_iter().map(read).collect()
}

fn sample(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the macro below names targets");
    let mut pool = (target.seeds)();
    for (number, seed) in pool.iter().enumerate() {
        assert!(seed.len() <= target.max_len, "{name}: seed {number} has {} bytes", seed.len());
        run(target, seed, &format!("seed {number}"));
    }
    for (path, bytes) in found(target) {
        run(target, &bytes, &path.display().to_string());
        pool.push(bytes);
    }
    for round in 0..ROUNDS {
        let mut random = Random(round);
        let data = if round % 16 == 0 { random.bytes(256) } else { mutate(&mut random, &pool, target) };
        run(target, &data, &format!("round {round}"));
    }
}

macro_rules! samples {
    ($($name:ident)*) => {
        $(#[test] fn $name() { sample(stringify!($name)); })*

        #[test]
        fn every_target_is_sampled() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

samples! { slab fmp4 clip nal eye_protocol config range }
