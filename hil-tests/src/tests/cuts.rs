//! The plug is pulled at seeded moments of an update: while it is copied, while the new system boots, while it is judged.
//! Whatever the moment, the board records again, and the update is kept or undone, never half there.

use super::setting::{PATIENCE, fresh, recording, slot, version};
use crate::agent::{self, Entry};
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
        let seconds = random.moment(cut, lab.cuts);
        let before = agent::newest(lab.bed.as_ref())?;
        agent::begin(lab.bed.as_ref(), &lab.shelf.url(lab.bed.as_ref(), "good.raucb"))?;
        clock::pass(Duration::from_secs_f64(seconds));
        lab.bed.power_cut()?;
        lab.bed.power_on()?;
        let (entry, slot, version) = settled(lab, before.as_ref())
            .with_context(|| format!("cut {cut} at {seconds:.1} s (seed {})", lab.seed))?;
        println!("   cut {cut} after {seconds:.1} s: {entry}, {version} in {slot} records");
        *ends.entry(entry).or_default() += 1;
    }
    let ends = ends.iter().map(|(end, count)| format!("{count} {end}")).collect::<Vec<_>>();
    Ok(format!("{} cuts (seed {}), recording after each: {}", lab.cuts, lab.seed, ends.join(", ")))
}

/// Waits until the board records and its agent has made up its mind; gives what became of the update, the slot and the version.
fn settled(lab: &Lab, before: Option<&Entry>) -> Result<(String, String, String)> {
    let bed = lab.bed.as_ref();
    awake(bed, PATIENCE)?;
    recording(lab)?;
    agent::idle(bed, 3 * PATIENCE)?;
    recording(lab)?;
    let entry = agent::newest(bed)?.filter(|entry| before.is_none_or(|before| before.action != entry.action));
    // A wish that the cut came before is nobody's any more.
    let result = entry.map_or("never begun".to_owned(), |entry| entry.result);
    let (slot, version) = (slot(bed)?, version(bed)?);
    if (result == "kept") != (version != super::update_from()) {
        bail!("it is entered as {result}, and {version} runs in {slot}");
    }
    Ok((result, slot, version))
}

/// xorshift64*: the same moments for the same seed.
struct Random(u64);

impl Random {
    /// A moment in part `cut` of `cuts` equal parts of the update, so that few cuts meet all of it.
    fn moment(&mut self, cut: u32, cuts: u32) -> f64 {
        let part = SPREAD as f64 / f64::from(cuts);
        part * (f64::from(cut - 1) + self.below(1000) as f64 / 1e3)
    }

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
        let moments: Vec<f64> = (1..=4).map(|cut| Random(3).moment(cut, 4)).collect();
        assert!(
            moments.is_sorted() && moments[0] < SPREAD as f64 / 4.0 && moments[3] >= SPREAD as f64 * 0.75
        );
    }
}
