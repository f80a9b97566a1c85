//! Things of one picture → orders. Dwell is counted for each (rule, camera, track), cool-down for each (rule, camera, class).
//!
//! A presence (`watch.rs`) fires at most once: at the first sight where its dwell is over and the cool-down is over too. A
//! rule with a line fires at each crossing instead, unless it cools down. It fires only when a thing is seen, so an
//! order always has a picture behind it. A hold lasts as long as any presence of its rule with a finished dwell, and
//! ends by itself when the eye falls silent.
//!
//! Invariants: those of `watch.rs` and `still.rs`; only `Hold` actions are held.

use crate::watch::{Cooldowns, MISS_US, Watches};
use crate::{
    Action, CameraIx, ClassId, Micros, Motion, Order, Rule, RuleIx, RulesError, Stillness, Thing, What,
};
use heapless::Vec;

/// Up to `RULES` rules (at most 256) and `WATCHES` presences, things and cool-downs at a time.
#[derive(Debug)]
pub struct RuleBook<const RULES: usize, const WATCHES: usize> {
    rules: Vec<Entry, RULES>,
    watches: Watches<WATCHES>,
    cooldowns: Cooldowns<WATCHES>,
    still: Stillness<WATCHES>,
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

impl<const RULES: usize, const WATCHES: usize> Default for RuleBook<RULES, WATCHES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const RULES: usize, const WATCHES: usize> RuleBook<RULES, WATCHES> {
    /// An empty book.
    pub const fn new() -> Self {
        const { assert!(RULES <= 256, "a RuleIx is one byte") };
        Self {
            rules: Vec::new(),
            watches: Watches::new(),
            cooldowns: Cooldowns::new(),
            still: Stillness::new(),
        }
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
        let asks_for_motion = self.rules.iter().any(|e| e.rule.moving.is_some());
        for index in 0..self.rules.len() {
            for thing in things {
                // asked again by the next rule, a thing in the same picture does the same
                let motion =
                    if asks_for_motion { self.still.see(camera, now, thing) } else { Motion::Unknown };
                if self.rules[index].rule.matches(camera, thing, motion) {
                    self.see(index, camera, now, thing, out);
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
        let rules = &self.rules;
        self.watches.tick(now, |n| rules.get(usize::from(n)).map(|e| &e.rule));
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

    /// Presences, cool-downs and things that were forgotten because a table was full; they began anew.
    pub fn evicted(&self) -> u64 {
        self.watches.evicted + self.cooldowns.evicted + self.still.evicted()
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        self.watches.check_invariants();
        self.cooldowns.check_invariants();
        self.still.check_invariants();
        assert!(self.watches.rules().all(|n| usize::from(n) < self.rules.len()), "a watch belongs to a rule");
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
    fn see(
        &mut self,
        index: usize,
        camera: CameraIx,
        now: Micros,
        thing: &Thing,
        out: &mut dyn FnMut(Order),
    ) {
        let (number, entry) = (index as u8, &mut self.rules[index]);
        let subject = Subject { camera, track: thing.track, class: thing.class, at: now };
        let (watch, crossed) = self.watches.see(number, &entry.rule, camera, now, thing);
        let is_due = match entry.rule.crossing {
            Some(wanted) => crossed.is_some_and(|way| wanted.direction.is_none_or(|w| w == way)),
            None => watch.spent >= entry.rule.dwell_us,
        };
        if !is_due {
            return;
        }
        if entry.held != 0 {
            entry.satisfied = subject;
        }
        let has_fired = watch.fired && entry.rule.crossing.is_none();
        if has_fired || self.cooldowns.is_cooling(number, camera, thing.class, now) {
            return;
        }
        watch.fired = true;
        entry.fired += 1;
        entry.fired_at = Some(now);
        entry.satisfied = subject;
        let until = now.plus(entry.rule.cooldown_us);
        self.cooldowns.begin(number, camera, thing.class, now, until);
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
