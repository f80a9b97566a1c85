//! The plug is pulled at seeded moments of an update: while it is copied, while the new system boots, while it is judged.
//! Whatever the moment, the board records again, and the update is kept or undone, never half there.

use super::setting::{PATIENCE, fresh, recording, slot, version};
use crate::agent;
use crate::clock::{self, Stopwatch};
use crate::suite::Lab;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// Length of an update, s, where no good one was measured before.
const USUAL: f64 = 240.0;
/// One cut in so many is followed until the agent has made up its mind, which takes the rest of an update; the others until the
/// board records.
const FOLLOWED: usize = 10;

/// One update of one board gives all moments: the card as the plug would have left it. Each is booted then.
pub(super) fn all(lab: &mut Lab) -> Result<String> {
    fresh(lab)?;
    let mut random = Random(lab.seed);
    let length = lab.update.unwrap_or(USUAL);
    agent::begin(lab.bed.as_ref(), &lab.shelf.url(lab.bed.as_ref(), "good.raucb"))?;
    let watch = Stopwatch::start();
    let mut moments = Vec::new();
    for cut in 1..=lab.cuts {
        let at = random.moment(cut, lab.cuts, length);
        clock::pass(Duration::from_secs_f64((at - watch.seconds()).max(0.0)));
        moments.push((at, lab.bed.snapshot()?));
    }
    lab.bed.power_cut()?;

    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for (n, (at, card)) in moments.iter().enumerate() {
        lab.bed.insert(card)?;
        lab.bed.power_on()?;
        let is_followed = n % FOLLOWED == FOLLOWED - 1;
        let (end, slot, version) = settled(lab, is_followed)
            .with_context(|| format!("cut {} at {at:.1} s (seed {})", n + 1, lab.seed))?;
        println!("   cut {} after {at:.1} s: {version} in {slot} records, the update is {end}", n + 1);
        *ends.entry(end).or_default() += 1;
        lab.bed.power_cut()?;
    }
    let ends = ends.iter().map(|(end, count)| format!("{count} {end}")).collect::<Vec<_>>();
    Ok(format!(
        "{} cuts in {length:.0} s (seed {}), recording after each; the update was then {}",
        lab.cuts,
        lab.seed,
        ends.join(", ")
    ))
}

/// Waits until the board records, and to the end of the update if `is_followed`; gives what became of that, the slot and the version.
fn settled(lab: &Lab, is_followed: bool) -> Result<(String, String, String)> {
    let bed = lab.bed.as_ref();
    recording(lab)?;
    if is_followed {
        agent::idle(bed, 3 * PATIENCE)?;
        recording(lab)?;
    }
    let (entry, slot, version) = (agent::newest(bed)?, slot(bed)?, version(bed)?);
    let is_old = version == super::update_from();
    match entry {
        Some(entry) if (entry.result == "kept") == is_old => {
            bail!("it is entered as {}, and {version} runs in {slot}", entry.result)
        }
        Some(entry) => Ok((entry.result, slot, version)),
        // A wish that the cut came before is nobody's any more.
        None if is_followed && is_old => Ok(("never begun".to_owned(), slot, version)),
        None if is_followed => bail!("{version} runs in {slot}, and no update is entered"),
        None => Ok((format!("open, with {version} running"), slot, version)),
    }
}

/// xorshift64*: the same moments for the same seed.
struct Random(u64);

impl Random {
    /// A moment, s, in part `cut` of `cuts` equal parts of `length` seconds, so that few cuts meet all of an update.
    fn moment(&mut self, cut: u32, cuts: u32, length: f64) -> f64 {
        let part = length / f64::from(cuts);
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
        let moments: Vec<f64> = (1..=4).map(|cut| Random(3).moment(cut, 4, 80.0)).collect();
        assert!(moments.is_sorted() && moments[0] < 20.0 && moments[3] >= 60.0);
    }
}
