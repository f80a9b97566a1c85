//! Deaths of the eye and what was in work then → whose bytes it was, and which streams it is spared. Knows no clock.
//!
//! Blame needs evidence: a death of its own doing, and one suspect. With several suspects each is tried alone, the others
//! withheld, until one dies alone or has lived. After [`BLAMES`] deaths a suspect is in quarantine, each time for longer.

use nightjar_types::Mono;
use nightjar_types::eye::Work;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Deaths until the quarantine.
const BLAMES: usize = 3;
/// Deaths further apart than this have nothing to do with each other.
const WINDOW: Duration = Duration::from_secs(3600);
/// A suspect that is tried alone and lives this long is cleared of that death.
const TRIAL: Duration = Duration::from_secs(20);
/// Quarantines: doubling from the first to the last.
const QUARANTINES: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(86_400));
/// Suspects that are remembered; stills of more codecs and sizes than this are never about at once.
const MOST: usize = 128;

/// Whose bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suspect {
    /// A stream, by number.
    Stream(u32),
    /// Stills of one codec configuration, by its hash.
    Still(u64),
}

/// A stream that the eye is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// When it is tried again.
    pub until: Mono,
    /// What the eye was at the last time.
    pub work: Work,
    /// It hung, instead of ending.
    pub hung: bool,
}

/// Evidence of one death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Whose bytes were in work, and at what.
    pub(super) marks: Vec<(Suspect, Work)>,
    /// It hung.
    pub(super) hung: bool,
}

#[derive(Debug, Default)]
struct Record {
    deaths: Vec<Mono>,
    quarantine: Option<Quarantine>,
    /// Quarantines so far.
    times: u32,
}

/// What is known of every suspect.
#[derive(Debug, Default)]
pub(super) struct Culprits {
    records: BTreeMap<Suspect, Record>,
    /// Suspects of one death, the first of which is on trial; none or at least two when it began.
    line: Vec<Suspect>,
    /// When the one on trial was last let in.
    trial: Option<Mono>,
}

impl Culprits {
    /// The eye died of its own doing. Gives who is in quarantine by it.
    pub(super) fn died(&mut self, evidence: &Evidence, now: Mono) -> Option<Suspect> {
        let marked: BTreeSet<Suspect> = evidence.marks.iter().map(|(suspect, _)| *suspect).collect();
        let on_trial = self.line.first().copied().filter(|first| marked.contains(first));
        let sole = marked.first().copied().filter(|_| marked.len() == 1);
        let Some(culprit) = on_trial.or(sole) else {
            // Several, and none of them tried: one after the other from now on. None at all: nothing is known.
            if !marked.is_empty() {
                (self.line, self.trial) = (marked.into_iter().collect(), None);
            }
            return None;
        };
        // The death that began the trial was its doing, too.
        let deaths = if on_trial.is_some() { 2 } else { 1 };
        (self.line, self.trial) = (Vec::new(), None);
        let work = evidence.marks.iter().find(|(suspect, _)| *suspect == culprit)?.1;
        self.make_room(culprit);
        let record = self.records.entry(culprit).or_default();
        record.deaths.retain(|at| now.since(*at) < WINDOW);
        record.deaths.extend(std::iter::repeat_n(now, deaths));
        if record.deaths.len() < BLAMES {
            return None;
        }
        let length = (QUARANTINES.0 * 2u32.saturating_pow(record.times.min(16))).min(QUARANTINES.1);
        record.times += 1;
        record.quarantine = Some(Quarantine { until: now + length, work, hung: evidence.hung });
        Some(culprit)
    }

    /// Whether its bytes are kept from the eye.
    pub(super) fn is_withheld(&self, suspect: Suspect) -> bool {
        self.line.iter().skip(1).any(|waiting| *waiting == suspect)
            || self.records.get(&suspect).is_some_and(|r| r.quarantine.is_some())
    }

    /// Who waits for another to be tried.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u32> {
        self.line.iter().skip(1).filter_map(|suspect| match suspect {
            Suspect::Stream(n) => Some(*n),
            Suspect::Still(_) => None,
        })
    }

    /// Every stream in quarantine.
    pub(super) fn quarantined(&self) -> BTreeMap<u32, Quarantine> {
        let of = |(suspect, record): (&Suspect, &Record)| match suspect {
            Suspect::Stream(n) => Some((*n, record.quarantine?)),
            Suspect::Still(_) => None,
        };
        self.records.iter().filter_map(of).collect()
    }

    /// Time passes while an eye runs: quarantines end, whoever is on trial and lives is cleared.
    pub(super) fn tick(&mut self, now: Mono) {
        for record in self.records.values_mut() {
            if record.quarantine.is_some_and(|q| q.until <= now) {
                record.quarantine = None;
                // One death more is enough now.
                record.deaths = vec![now; BLAMES - 1];
            }
        }
        if self.line.is_empty() {
            return;
        }
        let begun = *self.trial.get_or_insert(now);
        if now.since(begun) >= TRIAL {
            self.line.remove(0);
            self.trial = None;
        }
    }

    /// A new eye: whoever is on trial begins anew.
    pub(super) fn began(&mut self) {
        self.trial = None;
    }

    /// Nothing is held against it any more: its parameters changed, or a person says so. False when nothing was.
    pub(super) fn forgive(&mut self, suspect: Suspect) -> bool {
        self.line.retain(|waiting| *waiting != suspect);
        self.records.remove(&suspect).is_some_and(|record| record.quarantine.is_some())
    }

    fn make_room(&mut self, newcomer: Suspect) {
        if self.records.len() >= MOST && !self.records.contains_key(&newcomer) {
            let oldest = self.records.iter().min_by_key(|(_, r)| r.deaths.last().copied()).map(|(s, _)| *s);
            oldest.and_then(|suspect| self.records.remove(&suspect));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Suspect = Suspect::Stream(0);
    const B: Suspect = Suspect::Stream(1);
    const C: Suspect = Suspect::Stream(2);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    fn evidence(marked: &[Suspect]) -> Evidence {
        Evidence { marks: marked.iter().map(|s| (*s, Work::Decoding)).collect(), hung: false }
    }

    #[test]
    fn three_deaths_with_one_suspect_are_a_quarantine_and_the_next_comes_sooner_and_is_longer() {
        let mut c = Culprits::default();
        assert_eq!(c.died(&evidence(&[A]), at(0)), None);
        assert_eq!(c.died(&evidence(&[A]), at(10)), None);
        assert!(!c.is_withheld(A));
        assert_eq!(c.died(&evidence(&[A]), at(20)), Some(A));
        assert!(c.is_withheld(A) && !c.is_withheld(B));
        assert_eq!(c.quarantined()[&0].until, at(620));
        c.tick(at(619));
        assert!(c.is_withheld(A));
        c.tick(at(620));
        assert!(!c.is_withheld(A));
        assert_eq!(c.died(&evidence(&[A]), at(630)), Some(A));
        assert_eq!(c.quarantined()[&0].until, at(630 + 1200));
        assert!(c.forgive(A) && !c.is_withheld(A) && !c.forgive(A));
    }

    #[test]
    fn no_evidence_blames_nobody() {
        let mut c = Culprits::default();
        for n in 0..50 {
            assert_eq!(c.died(&evidence(&[]), at(n)), None);
        }
        assert!(!c.is_withheld(A) && c.quarantined().is_empty());
    }

    #[test]
    fn deaths_hours_apart_are_no_habit() {
        let mut c = Culprits::default();
        for n in 0..10 {
            assert_eq!(c.died(&evidence(&[A]), at(n * 3600)), None);
        }
    }

    /// Whoever of `streams` is let in is in work; the eye dies when `killer` is.
    fn live(c: &mut Culprits, killer: Suspect, streams: &[Suspect], from: u64) -> (u32, Option<Suspect>) {
        let (mut deaths, mut now) = (0, from);
        for _ in 0..1000 {
            let open: Vec<Suspect> = streams.iter().copied().filter(|s| !c.is_withheld(*s)).collect();
            if open.contains(&killer) {
                deaths += 1;
                let caught = c.died(&evidence(&open), at(now));
                c.began();
                if caught.is_some() {
                    return (deaths, caught);
                }
            }
            now += 1;
            c.tick(at(now));
        }
        (deaths, None)
    }

    #[test]
    fn the_culprit_among_streams_that_are_always_busy_is_found_by_trials() {
        for killer in [A, B, C] {
            let mut c = Culprits::default();
            let (deaths, caught) = live(&mut c, killer, &[A, B, C], 0);
            assert_eq!(caught, Some(killer), "after {deaths} deaths");
            assert!(deaths <= 4, "{killer:?}: {deaths} deaths");
            for other in [A, B, C].into_iter().filter(|s| *s != killer) {
                assert!(!c.is_withheld(other));
            }
        }
    }

    #[test]
    fn a_trial_that_is_interrupted_by_kills_from_outside_goes_on() {
        let mut c = Culprits::default();
        c.died(&evidence(&[A, B]), at(0));
        assert!(!c.is_withheld(A) && c.is_withheld(B));
        assert_eq!(c.waiting().collect::<Vec<_>>(), [1]);
        for n in 0..100 {
            c.began();
            c.tick(at(n));
        }
        assert!(c.is_withheld(B), "A never lived long enough");
        c.tick(at(200));
        assert!(!c.is_withheld(B));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut c = Culprits::default();
        for n in 0..1000 {
            c.died(&evidence(&[Suspect::Still(n)]), at(n));
        }
        assert!(c.records.len() <= MOST);
    }
}
