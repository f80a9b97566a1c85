//! The plug is pulled at seeded moments of an update: while it is copied, while the new system boots, while it is judged.
//! Whatever the moment, the board records again, and the update is kept or undone, never half there.

use super::setting::{PATIENCE, recording};
use crate::agent::{self, Status};
use crate::bed::Need;
use crate::clock::{self, Stopwatch};
use crate::page::Page;
use crate::suite::{Lab, locked};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const NEEDS: &[Need] = &[Need::Flash, Need::Slots, Need::Power, Need::Console];
/// Shortest and longest time between two moments, s: more of them than are cut, and few enough layers of the card for its reads.
const STEP: (f64, f64) = (1.0, 4.0);
/// What U-Boot says first.
const RESTART: &str = "U-Boot 20";
/// What it says of the slot that it starts.
const SLOTS: &[&str] = &["nightjar: slot A", "nightjar: slot B"];
/// One cut in so many is followed until the agent has made up its mind, which takes the rest of an update; the others until the
/// board records.
const FOLLOWED: usize = 10;

/// The card as the plug would have left it at a moment, s after the update began.
type Card = (f64, PathBuf);

/// Cards at seeded moments of one update of one board.
#[derive(Debug)]
pub(crate) struct Cards {
    /// While it was copied.
    copied: Vec<Card>,
    /// While the new system booted and was judged.
    tried: Vec<Card>,
    /// What the page takes with any of them.
    token: String,
}

pub(super) fn while_copied(lab: &mut Lab) -> Result<String> {
    let cards = cards(lab)?;
    each(lab, &cards.copied, lab.common.cuts / 2)
}

pub(super) fn while_tried(lab: &mut Lab) -> Result<String> {
    let cards = cards(lab)?;
    each(lab, &cards.tried, lab.common.cuts - lab.common.cuts / 2)
}

/// Those that the test of a good update took; the page is asked with what it takes with them.
fn cards(lab: &mut Lab) -> Result<Arc<Cards>> {
    let cards = |lab: &Lab| locked(&lab.common.cards).clone();
    if cards(lab).is_none() {
        super::update::good(lab).context("the update whose cards are taken")?;
    }
    let cards = cards(lab).context("no cards")?;
    lab.token.replace(cards.token.clone());
    Ok(cards)
}

/// Takes what is on the card at seeded moments until an update that has begun is over.
pub(super) fn take(lab: &mut Lab, since: Stopwatch) -> Result<Cards> {
    let mut random = Random(lab.common.seed);
    let mut cards = Cards { copied: Vec::new(), tried: Vec::new(), token: lab.token.borrow().clone() };
    let has_said = |lab: &Lab, word| lab.bed.console().is_some_and(|console| console.has_said(word));
    while !has_said(lab, agent::OVER) {
        if since.seconds() > PATIENCE as f64 {
            bail!("the update is not over after {PATIENCE} s");
        }
        clock::pass(Duration::from_secs_f64(STEP.0 + (STEP.1 - STEP.0) * random.part()));
        let is_tried = has_said(lab, RESTART);
        let card = (since.seconds(), lab.bed.snapshot()?);
        if is_tried { cards.tried.push(card) } else { cards.copied.push(card) }
    }
    Ok(cards)
}

/// Boots so many of the cards, one of each part of their time.
fn each(lab: &mut Lab, cards: &[Card], cuts: usize) -> Result<String> {
    let seed = lab.common.seed;
    if cards.len() < cuts {
        bail!("{cuts} cuts want as many moments, and this part of the update had {}: --cuts", cards.len());
    }
    let cards: Vec<&Card> = (0..cuts).filter_map(|n| cards.get(n * cards.len() / cuts)).collect();
    let (Some((first, _)), Some((last, _))) = (cards.first(), cards.last()) else { bail!("no cut was made") };
    let (mut ends, mut starts) = (BTreeMap::<String, u32>::new(), Vec::new());
    for (n, (at, card)) in cards.iter().enumerate() {
        lab.bed.insert(card)?;
        let watch = Stopwatch::start();
        lab.bed.power_on()?;
        let what = || format!("cut {} at {at:.1} s (seed {seed})", n + 1);
        let page = recording(lab).with_context(what)?;
        starts.push(watch.seconds());
        let console = lab.console()?;
        let slot = console.said_last(SLOTS).with_context(|| format!("{}: no slot was named", what()))?;
        let slot = slot.trim_start_matches("nightjar: ");
        let end = match n % FOLLOWED == FOLLOWED - 1 {
            true => followed(lab, &page).with_context(what)?,
            false => "not followed".to_owned(),
        };
        lab.say(&format!("cut {} after {at:.1} s, {slot}: records, the update is {end}", n + 1));
        *ends.entry(format!("{end} ({slot} first)")).or_default() += 1;
    }
    let ends = ends.iter().map(|(end, count)| format!("{count} {end}")).collect::<Vec<_>>();
    starts.sort_by(f64::total_cmp);
    Ok(format!(
        "{} cuts from {first:.0} to {last:.0} s of an update (seed {seed}), recording after each, {:.0} to {:.0} s after power on; the \
         update was then {}",
        cards.len(),
        starts.first().unwrap_or(&0.0),
        starts.last().unwrap_or(&0.0),
        ends.join(", ")
    ))
}

/// Waits until the agent has made up its mind, and gives what became of the update.
fn followed(lab: &Lab, page: &Page) -> Result<String> {
    let Status { version, slot, last, .. } = agent::idle(page, 3 * PATIENCE)?;
    recording(lab)?;
    let is_old = version == super::update_from();
    match last {
        Some(entry) if (entry.result == "kept") == is_old => {
            bail!("it is entered as {}, and {version} runs in {slot}", entry.result)
        }
        Some(entry) => Ok(entry.result),
        // A wish that the cut came before is nobody's any more.
        None if is_old => Ok("never begun".to_owned()),
        None => bail!("{version} runs in {slot}, and no update is entered"),
    }
}

/// xorshift64*: the same moments for the same seed.
struct Random(u64);

impl Random {
    /// From 0 to less than 1.
    fn part(&mut self) -> f64 {
        let mut x = self.0.max(1);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) % 1000) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_are_those_of_the_seed() {
        let parts = |seed| {
            let mut random = Random(seed);
            std::iter::repeat_with(|| random.part()).take(20).collect::<Vec<_>>()
        };
        assert_eq!(parts(7), parts(7));
        assert_ne!(parts(7), parts(8));
        assert!(parts(0).iter().all(|part| (0.0..1.0).contains(part)));
    }
}
