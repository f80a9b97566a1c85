//! Pulses, holds and stops → moves of one relay. Change what is wanted, then drain [`Relay::tick`] until `None`.
//!
//! A relay rests at its safe level and is *active* at the other one. It starts at rest. Invariants:
//! 1. active for at most `max_on_us` at a stretch, when `tick` comes on time;
//! 2. at rest for at least `min_off_us` between two stretches;
//! 3. requests while active make the stretch longer, never shorter;
//! 4. with no holds and no further requests it is at rest after [`Relay::next_deadline`] is `None`;
//! 5. after [`Relay::stop`] it never becomes active again.
//!
//! A request that comes during the rest time waits and then runs in full: an alarm comes late rather than never. One that
//! comes during the cool-down is refused: the relay has just done its work. A stretch cut off at `max_on_us` ends all that
//! drove it, holds and latches too; only a new request begins another.

use crate::{Micros, OutputIx, RulesError};
use serde::{Deserialize, Serialize};

/// What one relay may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// The safe level is energised; otherwise it is not energised.
    pub safe_on: bool,
    /// Longest stretch away from the safe level, microseconds; `None`: no limit.
    pub max_on_us: Option<u64>,
    /// Least time at the safe level between two stretches, microseconds.
    pub min_off_us: u64,
    /// After a stretch requests are refused for so long, microseconds.
    pub cooldown_us: u64,
}

/// Why a relay moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The rule of this number asked for it.
    Rule(u8),
    /// A person tests it.
    Test,
    /// The pulse is over.
    TimeOver,
    /// The last hold ended.
    Released,
    /// The rule of this number ended the latch.
    Unlatched(u8),
    /// A person switched it to its safe level.
    Person,
    /// It was active for as long as it may be.
    MaxOn,
    /// The recorder stops.
    Stop,
    /// The recorder has been silent for too long.
    Stalled,
    /// The recorder is gone without a word.
    Gone,
}

/// One move to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Energise, or not.
    pub on: bool,
    /// Why.
    pub cause: Cause,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The next `tick` moves the relay.
    Starts,
    /// It is active already, now for at least as long as asked.
    Extends,
    /// It must rest until then first; the request is kept.
    Waits(Micros),
    /// A test while something else drives it: nothing is changed.
    Busy,
    /// It did its work a moment ago and cools down until then: nothing is changed.
    Cools(Micros),
    /// Another relay, with which it may never be active, is or will be: nothing is changed.
    Apart(OutputIx),
    /// What was asked can only end something, and does.
    Ends,
    /// The recorder is stopping, or the pulse has no length: nothing is changed.
    Refused,
}

/// The timing of one relay.
#[derive(Debug, Clone)]
pub struct Relay {
    limits: Limits,
    state: State,
    /// No stretch begins before this.
    not_before: Micros,
    /// What keeps the present stretch going; idle while at rest.
    current: Demand,
    /// What begins the next stretch.
    next: Demand,
    safe_wanted: Option<Cause>,
    stopped: bool,
    moves: u64,
    last: Option<(Micros, Cause)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Rest { since: Option<Micros> },
    Active { since: Micros },
}

/// Who wants the relay active, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Demand {
    cause: Option<Cause>,
    /// In `next`: length of the pulse. In `current`: end of the pulse on the clock.
    pulse: Option<u64>,
    /// Bit n of the whole: rule n holds.
    holds: [u64; 4],
    latched: bool,
    /// When the last of these ended, and why.
    released: Option<(Micros, Cause)>,
}

impl Demand {
    fn is_held(&self) -> bool {
        self.latched || self.holds != [0; 4]
    }

    fn is_idle(&self) -> bool {
        self.pulse.is_none() && !self.is_held()
    }

    fn lengthen(&mut self, pulse: u64) {
        self.pulse = Some(self.pulse.unwrap_or(0).max(pulse));
    }

    fn set_hold(&mut self, rule: u8, held: bool) {
        let word = &mut self.holds[usize::from(rule >> 6)];
        let bit = 1u64 << (rule & 63);
        if held { *word |= bit } else { *word &= !bit }
    }
}

impl Relay {
    /// A relay at its safe level. The shell has put the real one there.
    pub fn new(limits: Limits) -> Result<Self, RulesError> {
        if limits.max_on_us == Some(0) {
            return Err(RulesError::NoTimeOn);
        }
        Ok(Self {
            limits,
            state: State::Rest { since: None },
            not_before: Micros(0),
            current: Demand::default(),
            next: Demand::default(),
            safe_wanted: None,
            stopped: false,
            moves: 0,
            last: None,
        })
    }

    /// A rule wants it active for `us` microseconds from now.
    pub fn pulse(&mut self, rule: u8, us: u64, now: Micros) -> Answer {
        if us == 0 {
            return Answer::Refused;
        }
        self.demand(now, Cause::Rule(rule), |d, stretch| {
            d.lengthen(if stretch { now.plus(us).0 } else { us });
        })
    }

    /// A rule wants it active until [`Self::release`] by the same rule.
    pub fn hold(&mut self, rule: u8, now: Micros) -> Answer {
        self.demand(now, Cause::Rule(rule), |d, _| d.set_hold(rule, true))
    }

    /// A rule no longer holds it.
    pub fn release(&mut self, rule: u8, now: Micros) {
        self.let_go(now, Cause::Released, |d| d.set_hold(rule, false));
    }

    /// A rule wants it active until [`Self::unlatch`] by any rule, or [`Self::force_safe`] by a person.
    pub fn latch(&mut self, rule: u8, now: Micros) -> Answer {
        self.demand(now, Cause::Rule(rule), |d, _| d.latched = true)
    }

    /// A rule ends the latch, whoever began it; holds and pulses go on.
    pub fn unlatch(&mut self, rule: u8, now: Micros) {
        self.let_go(now, Cause::Unlatched(rule), |d| d.latched = false);
    }

    /// A person wants to see it work for `us` microseconds. Refused with [`Answer::Busy`] while anything else drives it.
    pub fn test(&mut self, us: u64, now: Micros) -> Answer {
        if us == 0 || self.stopped {
            return Answer::Refused;
        }
        if self.is_wanted() {
            return Answer::Busy;
        }
        self.demand(now, Cause::Test, |d, _| d.lengthen(us))
    }

    /// To the safe level at once; all that was asked before is forgotten.
    pub fn force_safe(&mut self, why: Cause) {
        self.next = Demand::default();
        self.safe_wanted = Some(why);
    }

    /// To the safe level at once, and for good.
    pub fn stop(&mut self, why: Cause) {
        self.force_safe(why);
        self.stopped = true;
    }

    /// No stretch begins before `at`: what is asked until then waits.
    pub fn rest_until(&mut self, at: Micros) {
        self.not_before = self.not_before.max(at);
    }

    /// The next move, if one is due. Call again until `None`.
    pub fn tick(&mut self, now: Micros) -> Option<Move> {
        let cause = match self.state {
            State::Active { since } => self.end_of_stretch(since, now)?,
            State::Rest { .. } => {
                self.safe_wanted = None;
                self.begin_of_stretch(now)?
            }
        };
        self.last = Some((now, cause));
        #[cfg(debug_assertions)]
        self.check_invariants();
        Some(Move { on: self.level(), cause })
    }

    /// When `tick` has something to do, if nothing is asked until then.
    pub fn next_deadline(&self) -> Option<Micros> {
        match self.state {
            State::Active { since } if self.safe_wanted.is_some() => Some(since),
            State::Active { since } => {
                let cut = self.limits.max_on_us.map(|us| since.plus(us));
                let over = (!self.current.is_held()).then(|| self.over_at(since));
                [cut, over].into_iter().flatten().min()
            }
            State::Rest { .. } if self.next.is_idle() => None,
            State::Rest { since } => Some(self.rested(since)),
        }
    }

    /// Energised now.
    pub fn level(&self) -> bool {
        self.is_active() != self.limits.safe_on
    }

    /// Away from the safe level now.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    /// Active, or about to be.
    pub fn is_wanted(&self) -> bool {
        self.is_active() || !self.next.is_idle()
    }

    /// Why it moved last, and when.
    pub fn last(&self) -> Option<(Micros, Cause)> {
        self.last
    }

    /// How often it left the safe level.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        assert!(self.is_active() || self.current.is_idle(), "at rest nothing drives it");
        assert!(!self.stopped || self.next.is_idle(), "after a stop nothing is kept");
        assert!(self.is_active() || self.level() == self.limits.safe_on, "rest is the safe level");
        assert!(!self.is_active() || self.moves > 0, "a stretch was counted");
    }

    /// Puts a request where it belongs. `add` learns whether it goes to the present stretch.
    fn demand(&mut self, now: Micros, cause: Cause, add: impl FnOnce(&mut Demand, bool)) -> Answer {
        if self.stopped {
            return Answer::Refused;
        }
        if let State::Active { since } = self.state {
            let overdue = self.limits.max_on_us.is_some_and(|us| now.since(since) >= us);
            if self.safe_wanted.is_none() && !overdue {
                add(&mut self.current, true);
                return Answer::Extends;
            }
        }
        if let Some(until) = self.cools_until(now).filter(|until| *until > now) {
            return Answer::Cools(until);
        }
        add(&mut self.next, false);
        self.next.cause.get_or_insert(cause);
        match self.state {
            State::Active { .. } => Answer::Waits(now.plus(self.limits.min_off_us)),
            State::Rest { since } if self.rested(since) > now => Answer::Waits(self.rested(since)),
            State::Rest { .. } => Answer::Starts,
        }
    }

    /// Ends something that keeps it active or waits to.
    fn let_go(&mut self, now: Micros, why: Cause, take: impl Fn(&mut Demand)) {
        let was_held = self.current.is_held();
        take(&mut self.current);
        take(&mut self.next);
        if self.next.is_idle() {
            self.next = Demand::default();
        }
        if was_held && !self.current.is_held() {
            self.current.released = Some((now, why));
        }
    }

    fn end_of_stretch(&mut self, since: Micros, now: Micros) -> Option<Cause> {
        let cause = if let Some(cause) = self.safe_wanted.take() {
            cause
        } else if self.limits.max_on_us.is_some_and(|us| now.since(since) >= us) {
            Cause::MaxOn
        } else if self.current.is_held() || now < self.over_at(since) {
            return None;
        } else {
            let later =
                |(at, why): (Micros, Cause)| self.current.pulse.is_none_or(|end| end <= at.0).then_some(why);
            self.current.released.and_then(later).unwrap_or(Cause::TimeOver)
        };
        self.state = State::Rest { since: Some(now) };
        self.current = Demand::default();
        Some(cause)
    }

    fn begin_of_stretch(&mut self, now: Micros) -> Option<Cause> {
        let State::Rest { since } = self.state else { return None };
        if self.next.is_idle() {
            self.next = Demand::default();
            return None;
        }
        if now < self.rested(since) {
            return None;
        }
        let next = core::mem::take(&mut self.next);
        let cause = next.cause.expect("a demand that is not idle was asked for");
        self.current = Demand { pulse: next.pulse.map(|us| now.plus(us).0), ..next };
        self.state = State::Active { since: now };
        self.moves += 1;
        Some(cause)
    }

    /// End of the pulse; without one, the moment the last hold was released.
    fn over_at(&self, since: Micros) -> Micros {
        self.current.pulse.map_or(self.current.released.map_or(since, |(at, _)| at), Micros)
    }

    /// First moment of the next stretch.
    fn rested(&self, since: Option<Micros>) -> Micros {
        since.map_or(Micros(0), |at| at.plus(self.limits.min_off_us)).max(self.not_before)
    }

    /// End of the cool-down; of a stretch that is about to end it begins now.
    fn cools_until(&self, now: Micros) -> Option<Micros> {
        let since = match self.state {
            State::Active { .. } => Some(now),
            State::Rest { since } => since,
        };
        since.map(|at| at.plus(self.limits.cooldown_us))
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
