//! Things of one picture → orders. Dwell is counted for each (rule, camera, track), cool-down for each rule.
//!
//! A *presence* is one thing matching one rule, seen again in less than [`MISS_US`] each time. A presence fires at most once:
//! at the first sight where its dwell is over and the rule's cool-down is over too. It fires only when it is seen, so an
//! order always has a picture behind it. A hold lasts as long as any presence of its rule with a finished dwell, and
//! ends by itself when the eye falls silent.
//!
//! Invariants: one watch for each (rule, camera, track); `since ≤ seen`; only `Hold` actions are held.

use crate::{Action, CameraIx, ClassId, Micros, Order, Rule, RuleIx, RulesError, Thing, What};
use heapless::Vec;

/// A thing unseen for this long, microseconds, is gone; missed for less, it still counts as present.
pub const MISS_US: u64 = 1_000_000;

/// Up to `RULES` rules (at most 256) and `WATCHES` presences at a time.
#[derive(Debug)]
pub struct RuleBook<const RULES: usize, const WATCHES: usize> {
    rules: Vec<Entry, RULES>,
    watches: Vec<Watch, WATCHES>,
    evicted: u64,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    fired: u64,
    fired_at: Option<Micros>,
    /// Bit i: the hold of action i is out.
    held: u8,
    /// The newest sight that satisfied the rule. Meaningful while `held` is not 0.
    satisfied: Subject,
}

/// Who an order is about.
#[derive(Debug, Clone, Copy)]
struct Subject {
    camera: CameraIx,
    track: u32,
    class: ClassId,
    at: Micros,
}

#[derive(Debug)]
struct Watch {
    rule: u8,
    camera: CameraIx,
    track: u32,
    since: Micros,
    seen: Micros,
    fired: bool,
}

impl<const RULES: usize, const WATCHES: usize> Default for RuleBook<RULES, WATCHES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const RULES: usize, const WATCHES: usize> RuleBook<RULES, WATCHES> {
    /// An empty book.
    pub const fn new() -> Self {
        const { assert!(RULES <= 256 && WATCHES > 0, "a RuleIx is one byte; one presence must fit") };
        Self { rules: Vec::new(), watches: Vec::new(), evicted: 0 }
    }

    /// Adds a rule; its number is how many came before it.
    pub fn add(&mut self, rule: Rule) -> Result<RuleIx, RulesError> {
        rule.check()?;
        let ix = RuleIx(u8::try_from(self.rules.len()).map_err(|_| RulesError::TooManyRules(RULES))?);
        let nobody = Subject { camera: CameraIx(0), track: 0, class: ClassId(0), at: Micros(0) };
        let entry = Entry { rule, fired: 0, fired_at: None, held: 0, satisfied: nobody };
        self.rules.push(entry).map_err(|_| RulesError::TooManyRules(RULES))?;
        Ok(ix)
    }

    /// One looked-at picture of `camera`. `now` never goes back.
    pub fn observe(&mut self, camera: CameraIx, now: Micros, things: &[Thing], out: &mut dyn FnMut(Order)) {
        for index in 0..self.rules.len() {
            for thing in things {
                if self.rules[index].rule.matches(camera, thing) {
                    let subject = Subject { camera, track: thing.track, class: thing.class, at: now };
                    self.see(index, subject, out);
                }
            }
        }
        self.tick(now, out);
    }

    /// Ends holds whose time is over. Call it at [`Self::next_deadline`] or more often.
    pub fn tick(&mut self, now: Micros, out: &mut dyn FnMut(Order)) {
        for (index, entry) in self.rules.iter_mut().enumerate() {
            for (bit, action) in entry.rule.actions.iter().enumerate() {
                let Action::Hold { output, linger_us } = *action else { continue };
                if entry.held & (1 << bit) != 0 && now >= release_at(entry.satisfied.at, linger_us) {
                    entry.held &= !(1 << bit);
                    out(order(index, entry.satisfied, now, What::Release { output }));
                }
            }
        }
        self.watches.retain(|w| now.since(w.seen) < MISS_US);
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    /// When `tick` has something to do, if nothing is seen until then.
    pub fn next_deadline(&self) -> Option<Micros> {
        let holds = |e: &Entry| {
            let (held, at) = (e.held, e.satisfied.at);
            e.rule
                .actions
                .iter()
                .enumerate()
                .filter_map(move |(bit, action)| match action {
                    Action::Hold { linger_us, .. } if held & (1 << bit) != 0 => {
                        Some(release_at(at, *linger_us))
                    }
                    _ => None,
                })
                .min()
        };
        self.rules.iter().filter_map(holds).min()
    }

    /// The rules, in order of their numbers.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|e| &e.rule)
    }

    /// How often a rule fired.
    pub fn fired(&self, rule: RuleIx) -> u64 {
        self.rules.get(usize::from(rule.0)).map_or(0, |e| e.fired)
    }

    /// When a rule fired last.
    pub fn fired_at(&self, rule: RuleIx) -> Option<Micros> {
        self.rules.get(usize::from(rule.0)).and_then(|e| e.fired_at)
    }

    /// Presences that were forgotten because the table was full; their dwell began anew.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        for (i, w) in self.watches.iter().enumerate() {
            assert!(usize::from(w.rule) < self.rules.len(), "a watch belongs to a rule");
            assert!(w.since <= w.seen, "a presence begins before it is last seen");
            let twin = |o: &Watch| (o.rule, o.camera, o.track) == (w.rule, w.camera, w.track);
            assert!(!self.watches[i + 1..].iter().any(twin), "one watch for each rule, camera and track");
        }
        for entry in &self.rules {
            assert!(entry.held >> entry.rule.actions.len() == 0, "no hold without an action");
            for (bit, action) in entry.rule.actions.iter().enumerate() {
                let held = entry.held & (1 << bit) != 0;
                assert!(!held || matches!(action, Action::Hold { .. }), "only holds are held");
            }
            assert!(entry.held == 0 || entry.fired > 0, "a hold begins with a firing");
            assert_eq!(entry.fired == 0, entry.fired_at.is_none(), "a firing has a time");
        }
    }

    /// One thing that matches one rule.
    fn see(&mut self, index: usize, subject: Subject, out: &mut dyn FnMut(Order)) {
        let now = subject.at;
        let place = self.watch(index as u8, subject);
        let (entry, watch) = (&mut self.rules[index], &mut self.watches[place]);
        if now.since(watch.since) < entry.rule.dwell_us {
            return;
        }
        if entry.held != 0 {
            entry.satisfied = subject;
        }
        let cooling = entry.fired_at.is_some_and(|at| now.since(at) < entry.rule.cooldown_us);
        if watch.fired || cooling {
            return;
        }
        watch.fired = true;
        entry.fired += 1;
        entry.fired_at = Some(now);
        entry.satisfied = subject;
        out(order(index, subject, now, What::Fired));
        for (bit, action) in entry.rule.actions.iter().enumerate() {
            let what = match *action {
                Action::Pulse { output, us } => What::Pulse { output, us },
                Action::Notify => What::Notify,
                Action::Hold { .. } if entry.held & (1 << bit) != 0 => continue,
                Action::Hold { output, .. } => {
                    entry.held |= 1 << bit;
                    What::Hold { output }
                }
            };
            out(order(index, subject, now, what));
        }
    }

    /// Place of the presence of `subject`, seen now: continued, begun, or begun anew after too long a break.
    fn watch(&mut self, rule: u8, subject: Subject) -> usize {
        let Subject { camera, track, at: now, .. } = subject;
        let known = self.watches.iter().position(|w| (w.rule, w.camera, w.track) == (rule, camera, track));
        let fresh = Watch { rule, camera, track, since: now, seen: now, fired: false };
        match known {
            Some(place) => {
                let watch = &mut self.watches[place];
                if now.since(watch.seen) >= MISS_US {
                    *watch = fresh;
                }
                watch.seen = watch.seen.max(now);
                place
            }
            None if self.watches.is_full() => {
                self.evicted += 1;
                let ages = self.watches.iter().enumerate().min_by_key(|(_, w)| w.seen);
                let place = ages.map(|(place, _)| place).expect("a full table is not empty: WATCHES > 0");
                self.watches[place] = fresh;
                place
            }
            None => {
                let pushed = self.watches.push(fresh);
                debug_assert!(pushed.is_ok(), "the table is not full");
                self.watches.len() - 1
            }
        }
    }
}

/// When a hold ends whose condition was last seen to hold at `satisfied`.
fn release_at(satisfied: Micros, linger_us: u64) -> Micros {
    satisfied.plus(MISS_US).plus(linger_us)
}

fn order(index: usize, subject: Subject, at: Micros, what: What) -> Order {
    let Subject { camera, track, class, .. } = subject;
    Order { rule: RuleIx(index as u8), camera, track, class, at, what }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
