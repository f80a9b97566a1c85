//! The plug is pulled at seeded moments of an update: while it is copied, while the new system boots, while it is judged.
//! Whatever the moment, the board records again, and the update is kept or undone, never half there.

use super::setting::{PATIENCE, fresh, recording, slot, version};
use crate::agent;
use crate::clock;
use crate::qemu::awake;
use crate::suite::Lab;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// Longest time from the wish to the cut, s: on this bed the gate has judged by then.
const SPREAD: u64 = 150;

pub(super) fn all(lab: &mut Lab) -> Result<String> {
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    let mut random = Random(lab.seed);
    fresh(lab)?;
    for cut in 1..=lab.cuts {
        // Each cut finds what the one before it left; a new card when the update is over and kept.
        if version(lab.bed.as_ref())? != super::update_from() {
            fresh(lab)?;
        }
        let seconds = random.below(SPREAD * 1000) as f64 / 1e3;
        let before = agent::newest(lab.bed.as_ref())?;
        agent::begin(lab.bed.as_ref(), &lab.shelf.url(lab.bed.as_ref(), "good.raucb"))?;
        clock::pass(Duration::from_secs_f64(seconds));
        lab.bed.power_cut()?;
        lab.bed.power_on()?;
        awake(lab.bed.as_ref(), PATIENCE)
            .with_context(|| format!("cut {cut} at {seconds:.1} s (seed {})", lab.seed))?;
        recording(lab).with_context(|| format!("cut {cut} at {seconds:.1} s (seed {})", lab.seed))?;
        let entry = agent::over(lab.bed.as_ref(), before.as_ref(), 3 * PATIENCE)
            .with_context(|| format!("cut {cut} at {seconds:.1} s (seed {})", lab.seed))?;
        recording(lab)?;
        let (slot, version) = (slot(lab.bed.as_ref())?, version(lab.bed.as_ref())?);
        let is_new = version != super::update_from();
        if (entry.result == "kept") != is_new {
            bail!("cut {cut} at {seconds:.1} s: entered as {}, and {version} runs in {slot}", entry.result);
        }
        println!(
            "   cut {cut} after {seconds:.1} s: {} ({}), {version} in {slot} records",
            entry.result, entry.reason
        );
        *ends.entry(entry.result).or_default() += 1;
    }
    let ends = ends.iter().map(|(end, count)| format!("{count} {end}")).collect::<Vec<_>>();
    Ok(format!("{} cuts (seed {}), recording after each: {}", lab.cuts, lab.seed, ends.join(", ")))
}

/// xorshift64*: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        let mut x = self.0.max(1);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_are_those_of_the_seed() {
        let moments = |seed| {
            let mut random = Random(seed);
            (0..20).map(|_| random.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(moments(7), moments(7));
        assert_ne!(moments(7), moments(8));
        assert!(moments(0).iter().all(|moment| *moment < 1000));
    }
}
