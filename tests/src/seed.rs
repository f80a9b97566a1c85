//! A seed → the same "random" numbers on every machine, so that a failed run can be run again.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Seed(u64);

impl Seed {
    /// From `NIGHTJAR_SEED` if that is a number, else from `fallback`; prints what it took.
    pub fn from_env(fallback: u64) -> Self {
        let seed = std::env::var("NIGHTJAR_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(fallback);
        println!("NIGHTJAR_SEED={seed}");
        Self(seed)
    }

    /// A known start.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` up to but without `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low)
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b) = (Seed::new(7), Seed::new(7));
        assert_eq!(a.bytes(32), b.bytes(32));
        assert!((0..1000).all(|_| (5..9).contains(&a.between(5, 9))));
    }
}
