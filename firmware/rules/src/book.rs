//! Things of one picture, levels of inputs → orders. Dwell is counted for each (rule, camera, track), cool-down for each (rule, camera, class).
//!
//! A presence (`watch.rs`) fires at most once: at the first sight where its dwell is over and the cool-down is over too. A
//! rule with a line fires at each crossing instead, unless it cools down. It fires only when a thing is seen, so an
//! order always has a picture behind it. A hold lasts as long as any presence of its rule with a finished dwell, and
//! ends by itself when the eye falls silent.
//!
//! A rule on an input fires when an edge brought it to the wanted level and it has stayed there for the dwell, once for each
//! such stay. A level that nobody saw come about, as at the start, fires nothing. A hold ends with the stay.
//!
//! Arming and time are looked at in the moment of firing; where they no longer are as a rule wants them its holds end at once.
//!
//! Invariants: those of `watch.rs` and `still.rs`; only `Hold` actions are held.

use crate::watch::{Cooldowns, MISS_US, Watches};
use crate::{
    Action, CameraIx, ClassId, InputIx, Micros, Motion, Order, Present, Rule, RuleIx, RulesError, Stillness,
    Thing, What,
};
use heapless::Vec;

/// Up to `RULES` rules (at most 256) and `WATCHES` presences, things and cool-downs at a time.
#[derive(Debug)]
pub struct RuleBook<const RULES: usize, const WATCHES: usize> {
    rules: Vec<Entry, RULES>,
    watches: Watches<WATCHES>,
    cooldowns: Cooldowns<WATCHES>,
    still: Stillness<WATCHES>,
    present: Present,
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
    /// Of a rule on an input.
    stay: Stay,
}

/// What an input does, as one rule sees it.
#[derive(Debug, Clone, Copy)]
enum Stay {
    /// It is not at the wanted level, since then.
    Away(Micros),
    /// An edge brought it there.
    Here(Micros),
    /// It is there, and that has fired or must not fire.
    Spent,
}

/// Who an order is about.
#[derive(Debug, Clone, Copy)]
struct Subject {
    input: Option<InputIx>,
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
            present: Present { is_armed: false, minute: 0 },
        }
    }

    /// Adds a rule; its number is how many came before it.
    pub fn add(&mut self, rule: Rule) -> Result<RuleIx, RulesError> {
        rule.check()?;
        let ix = RuleIx(u8::try_from(self.rules.len()).map_err(|_| RulesError::TooManyRules(RULES))?);
        let satisfied = nobody(rule.circumstances.input.map(|(input, _)| input), Micros(0));
        let entry = Entry { rule, fired: 0, fired_at: None, held: 0, satisfied, stay: Stay::Away(Micros(0)) };
        self.rules.push(entry).map_err(|_| RulesError::TooManyRules(RULES))?;
        Ok(ix)
    }

    /// One looked-at picture of `camera`. `now` never goes back.
    pub fn observe(&mut self, camera: CameraIx, now: Micros, things: &[Thing], out: &mut dyn FnMut(Order)) {
        let asks_for_motion = self.rules.iter().any(|e| e.rule.moving.is_some());
        for index in 0..self.rules.len() {
            let (still, rule) = (&mut self.still, &self.rules[index].rule);
            // asked again by the next rule, a thing in the same picture does the same
            let mut fits = |thing: &&Thing| {
                let motion = if asks_for_motion { still.see(camera, now, thing) } else { Motion::Unknown };
                rule.matches(camera, thing, motion)
            };
            let are_enough = things.iter().filter(&mut fits).count() >= usize::from(rule.circumstances.count);
            if !are_enough || !rule.circumstances.hold(self.present) {
                continue;
            }
            for thing in things {
                let motion =
                    if asks_for_motion { self.still.see(camera, now, thing) } else { Motion::Unknown };
                if self.rules[index].rule.matches(camera, thing, motion) {
                    self.see(index, camera, now, thing, out);
                }
            }
        }
        self.tick(now, out);
    }

    /// An input is at this level; `is_edge`: it came there just now. `now` never goes back.
    pub fn sense(
        &mut self,
        input: InputIx,
        active: bool,
        is_edge: bool,
        now: Micros,
        out: &mut dyn FnMut(Order),
    ) {
        for entry in &mut self.rules {
            let Some((_, wanted)) = entry.rule.circumstances.input.filter(|(i, _)| *i == input) else {
                continue;
            };
            entry.stay = match (active == wanted, entry.stay) {
                (true, Stay::Away(_)) if is_edge => Stay::Here(now),
                (true, Stay::Away(_)) => Stay::Spent,
                (false, Stay::Here(_) | Stay::Spent) => Stay::Away(now),
                (_, stay) => stay,
            };
        }
        self.tick(now, out);
    }

    /// How things are from now on. Call [`Self::tick`] then.
    pub fn set_present(&mut self, present: Present) {
        self.present = present;
    }

    /// Ends holds whose time is over. Call it at [`Self::next_deadline`] or more often.
    pub fn tick(&mut self, now: Micros, out: &mut dyn FnMut(Order)) {
        let present = self.present;
        for (index, entry) in self.rules.iter_mut().enumerate() {
            if let Stay::Here(since) = entry.stay
                && now >= since.plus(entry.rule.dwell_us)
            {
                entry.stay = Stay::Spent;
                let subject = nobody(entry.satisfied.input, now);
                if entry.rule.circumstances.hold(present) {
                    entry.fire(index, subject, &mut self.cooldowns, out);
                }
            }
            for (bit, action) in entry.rule.actions.iter().enumerate() {
                let Action::Hold { output, linger_us } = *action else { continue };
                if entry.held & (1 << bit) != 0
                    && entry.ends_at(linger_us, present).is_some_and(|at| now >= at)
                {
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
        let due = |e: &Entry| {
            let stay = match e.stay {
                Stay::Here(since) => Some(since.plus(e.rule.dwell_us)),
                Stay::Away(_) | Stay::Spent => None,
            };
            let ends = e.rule.actions.iter().enumerate().filter_map(|(bit, action)| match action {
                Action::Hold { linger_us, .. } if e.held & (1 << bit) != 0 => {
                    e.ends_at(*linger_us, self.present)
                }
                _ => None,
            });
            ends.chain(stay).min()
        };
        self.rules.iter().filter_map(due).min()
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
        let subject = Subject { input: None, camera, track: thing.track, class: thing.class, at: now };
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
        if !has_fired && entry.fire(index, subject, &mut self.cooldowns, out) {
            watch.fired = true;
        }
    }
}

impl Entry {
    /// Gives the orders, unless the rule cools down. False: it does.
    fn fire<const N: usize>(
        &mut self,
        index: usize,
        subject: Subject,
        cooldowns: &mut Cooldowns<N>,
        out: &mut dyn FnMut(Order),
    ) -> bool {
        let (number, Subject { camera, class, at: now, .. }) = (index as u8, subject);
        if cooldowns.is_cooling(number, camera, class, now) {
            return false;
        }
        self.fired += 1;
        self.fired_at = Some(now);
        self.satisfied = subject;
        cooldowns.begin(number, camera, class, now, now.plus(self.rule.cooldown_us));
        out(order(index, subject, now, What::Fired));
        for (bit, action) in self.rule.actions.iter().enumerate() {
            let what = match *action {
                Action::Pulse { output, us } => What::Pulse { output, us },
                Action::Latch { output } => What::Latch { output },
                Action::Unlatch { output } => What::Unlatch { output },
                Action::Notify => What::Notify,
                Action::Hold { .. } if self.held & (1 << bit) != 0 => continue,
                Action::Hold { output, .. } => {
                    self.held |= 1 << bit;
                    What::Hold { output }
                }
            };
            out(order(index, subject, now, what));
        }
        true
    }

    /// When a hold ends if nothing changes; `None`: not by itself.
    fn ends_at(&self, linger_us: u64, present: Present) -> Option<Micros> {
        if !self.rule.circumstances.hold(present) {
            return Some(Micros(0));
        }
        match (self.rule.circumstances.input, self.stay) {
            (None, _) => Some(self.satisfied.at.plus(MISS_US).plus(linger_us)),
            (Some(_), Stay::Away(since)) => Some(since.plus(linger_us)),
            (Some(_), Stay::Here(_) | Stay::Spent) => None,
        }
    }
}

/// The subject of a rule on an input.
fn nobody(input: Option<InputIx>, at: Micros) -> Subject {
    Subject { input, camera: CameraIx(0), track: 0, class: ClassId(0), at }
}

fn order(index: usize, subject: Subject, at: Micros, what: What) -> Order {
    let Subject { input, camera, track, class, .. } = subject;
    Order { rule: RuleIx(index as u8), input, camera, track, class, at, what }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
