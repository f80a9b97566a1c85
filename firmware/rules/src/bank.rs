//! Requests and signs of life → moves of all relays, those that may never be active together kept apart.
//!
//! The recorder *lives* as long as it is heard of at least every [`LEASE_US`]. Invariants, besides those of each relay:
//! 1. nothing is active [`LEASE_US`] after the recorder was heard of last, when `tick` comes on time;
//! 2. two relays that are kept apart are never active together, and [`APART_US`] lie between them;
//! 3. a request that cannot be met now is refused in the open: no relay moves later than its own rest asks for;
//! 4. before the recorder is heard of for the first time, and after its end, nothing moves away from the safe level.

use crate::{Answer, Cause, Limits, Micros, Move, OutputIx, Relay, RulesError};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Silence of the recorder after which everything goes to its safe level. It says that it lives every second; a card that
/// hangs or a board that swaps can hold it up for some, and whoever was promised 10 s gets them with room to spare.
pub const LEASE_US: u64 = 6_000_000;
/// Least time between two relays that are kept apart: a contactor lets go in 50 ms or less.
pub const APART_US: u64 = 100_000;
/// Relays of one bank at most: one bit each.
pub const MAX_RELAYS: usize = 64;

/// What is asked of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Active for `us` microseconds, by a rule.
    Pulse {
        /// Which.
        output: OutputIx,
        /// By this rule.
        rule: u8,
        /// How long.
        us: u64,
    },
    /// Active until the same rule releases it.
    Hold {
        /// Which.
        output: OutputIx,
        /// By this rule.
        rule: u8,
    },
    /// This rule no longer holds it.
    Release {
        /// Which.
        output: OutputIx,
        /// This rule.
        rule: u8,
    },
    /// Active until any rule or a person ends it.
    Latch {
        /// Which.
        output: OutputIx,
        /// By this rule.
        rule: u8,
    },
    /// Ends the latch.
    Unlatch {
        /// Which.
        output: OutputIx,
        /// By this rule.
        rule: u8,
    },
    /// A person wants to see it work for `us` microseconds.
    Test {
        /// Which.
        output: OutputIx,
        /// How long.
        us: u64,
    },
    /// A person wants it at its safe level.
    Off {
        /// Which.
        output: OutputIx,
    },
}

impl Ask {
    /// Of which relay.
    pub const fn output(self) -> OutputIx {
        match self {
            Self::Pulse { output, .. }
            | Self::Hold { output, .. }
            | Self::Release { output, .. }
            | Self::Latch { output, .. }
            | Self::Unlatch { output, .. }
            | Self::Test { output, .. }
            | Self::Off { output } => output,
        }
    }

    /// It can only end something.
    const fn is_end(self) -> bool {
        matches!(self, Self::Release { .. } | Self::Unlatch { .. } | Self::Off { .. })
    }
}

/// All relays of a board, `N` of them at most.
#[derive(Debug, Clone)]
pub struct Bank<const N: usize> {
    relays: Vec<Relay, N>,
    /// Bit j of the i-th: i and j are kept apart.
    apart: Vec<u64, N>,
    /// When the recorder was heard of last; `None`: it is not known to live.
    heard: Option<Micros>,
}

impl<const N: usize> Default for Bank<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Bank<N> {
    /// No relays yet.
    pub const fn new() -> Self {
        const { assert!(N <= MAX_RELAYS, "a relay is one bit") };
        Self { relays: Vec::new(), apart: Vec::new(), heard: None }
    }

    /// Adds a relay that is at its safe level.
    pub fn add(&mut self, limits: Limits) -> Result<OutputIx, RulesError> {
        let full = |_| RulesError::TooManyRelays(N);
        let ix = OutputIx(self.relays.len() as u8);
        self.relays.push(Relay::new(limits)?).map_err(full)?;
        self.apart.push(0).map_err(|_| RulesError::TooManyRelays(N))?;
        Ok(ix)
    }

    /// From now on `a` and `b` are never active together. Numbers that are not there are passed over.
    pub fn keep_apart(&mut self, a: OutputIx, b: OutputIx) {
        let (a, b) = (usize::from(a.0), usize::from(b.0));
        if a != b && a.max(b) < self.relays.len() {
            self.apart[a] |= 1 << b;
            self.apart[b] |= 1 << a;
        }
    }

    /// The recorder lives.
    pub fn hear(&mut self, now: Micros) {
        self.heard = Some(now);
    }

    /// The recorder is known to live.
    pub fn is_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// A request of the recorder, which thereby lives.
    pub fn ask(&mut self, ask: Ask, now: Micros) -> Answer {
        self.hear(now);
        let place = usize::from(ask.output().0);
        let Some(relay) = self.relays.get(place) else { return Answer::Refused };
        if !ask.is_end()
            && let Some(other) = self.in_the_way(place).filter(|_| !relay.is_active())
        {
            return Answer::Apart(other);
        }
        let relay = &mut self.relays[place];
        match ask {
            Ask::Pulse { rule, us, .. } => relay.pulse(rule, us, now),
            Ask::Hold { rule, .. } => relay.hold(rule, now),
            Ask::Latch { rule, .. } => relay.latch(rule, now),
            Ask::Test { us, .. } => relay.test(us, now),
            Ask::Release { rule, .. } => {
                relay.release(rule, now);
                Answer::Ends
            }
            Ask::Unlatch { rule, .. } => {
                relay.unlatch(rule, now);
                Answer::Ends
            }
            Ask::Off { .. } => {
                relay.force_safe(Cause::Person);
                Answer::Ends
            }
        }
    }

    /// Everything to its safe level, for good.
    pub fn stop(&mut self, why: Cause) {
        self.relays.iter_mut().for_each(|relay| relay.stop(why));
    }

    /// The next move, if one is due. Call again until `None`.
    pub fn tick(&mut self, now: Micros) -> Option<(OutputIx, Move)> {
        if self.heard.is_some_and(|at| now.since(at) >= LEASE_US) {
            self.heard = None;
            self.relays.iter_mut().for_each(|relay| relay.force_safe(Cause::Stalled));
        }
        for place in 0..self.relays.len() {
            let Some(step) = self.relays[place].tick(now) else { continue };
            if !self.relays[place].is_active() {
                for other in ones(self.apart[place]) {
                    self.relays[other].rest_until(now.plus(APART_US));
                }
            }
            #[cfg(debug_assertions)]
            self.check_invariants();
            return Some((OutputIx(place as u8), step));
        }
        None
    }

    /// When `tick` has something to do, if nothing is asked until then.
    pub fn next_deadline(&self) -> Option<Micros> {
        let silent = self.heard.filter(|_| self.relays.iter().any(Relay::is_wanted));
        let relays = self.relays.iter().filter_map(Relay::next_deadline);
        relays.chain(silent.map(|at| at.plus(LEASE_US))).min()
    }

    /// The relays, in order of their numbers.
    pub fn relays(&self) -> &[Relay] {
        &self.relays
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        for (place, relay) in self.relays.iter().enumerate() {
            relay.check_invariants();
            let both =
                ones(self.apart[place]).find(|other| relay.is_active() && self.relays[*other].is_active());
            assert!(both.is_none(), "{place} and {both:?} are kept apart");
        }
    }

    /// A relay that keeps this one from becoming active.
    fn in_the_way(&self, place: usize) -> Option<OutputIx> {
        ones(self.apart[place])
            .find(|other| self.relays[*other].is_wanted())
            .map(|other| OutputIx(other as u8))
    }
}

/// Places of the bits that are set.
fn ones(bits: u64) -> impl Iterator<Item = usize> {
    (0..MAX_RELAYS).filter(move |place| bits & (1 << place) != 0)
}

#[cfg(test)]
#[path = "bank_tests.rs"]
mod tests;
