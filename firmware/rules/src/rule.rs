//! What a rule is, and what it orders. Plain data.

use crate::{
    CameraIx, Circumstances, ClassId, Crossing, InputIx, Micros, Motion, OutputIx, RuleIx, RulesError, Score,
    Sieve, Thing, Zone,
};
use heapless::Vec;

/// Most actions of one rule.
pub const MAX_ACTIONS: usize = 4;

/// What a rule does when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Switch an output on for a while.
    Pulse {
        /// Which.
        output: OutputIx,
        /// How long, microseconds, more than 0.
        us: u64,
    },
    /// Keep an output on while the condition holds.
    Hold {
        /// Which.
        output: OutputIx,
        /// How much longer it stays on once the condition no longer holds, microseconds.
        linger_us: u64,
    },
    /// Switch an output on until another rule's `Unlatch`, or a person, ends it.
    Latch {
        /// Which.
        output: OutputIx,
    },
    /// End the latch of an output.
    Unlatch {
        /// Which.
        output: OutputIx,
    },
    /// Tell people.
    Notify,
}

/// When these things are seen, do those actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Only this class; `None`: any.
    pub class: Option<ClassId>,
    /// Only this camera; `None`: any.
    pub camera: Option<CameraIx>,
    /// Only things that stand here; `None`: anywhere. Needs `camera`.
    pub zone: Option<Zone>,
    /// What its zone asks of things.
    pub sieve: Sieve,
    /// Fires when a thing crosses this, each time. Needs `camera`; neither zone nor dwell.
    pub crossing: Option<Crossing>,
    /// Only things on the move, or only such that stand; `None`: either.
    pub moving: Option<bool>,
    /// What must be so besides.
    pub circumstances: Circumstances,
    /// Least confidence.
    pub min_score: Score,
    /// How long a thing must have been there, microseconds. 0: fires on first sight.
    pub dwell_us: u64,
    /// Absences up to this, microseconds, do not end a thing's presence; they are not counted as being there either.
    pub away_us: u64,
    /// Least time between two firings of this rule on things of one class on one camera, microseconds.
    pub cooldown_us: u64,
    /// What to do, in order.
    pub actions: Vec<Action, MAX_ACTIONS>,
}

impl Rule {
    /// `actions` as a rule stores them.
    pub fn actions(list: &[Action]) -> Result<Vec<Action, MAX_ACTIONS>, RulesError> {
        Vec::from_slice(list).map_err(|_| RulesError::TooManyActions(list.len()))
    }

    /// Can it work at all?
    pub fn check(&self) -> Result<(), RulesError> {
        if self.zone.is_some() && self.camera.is_none() {
            return Err(RulesError::ZoneWithoutCamera);
        }
        if self.crossing.is_some() {
            if self.camera.is_none() {
                return Err(RulesError::LineWithoutCamera);
            }
            if self.zone.is_some() || self.dwell_us > 0 {
                return Err(RulesError::LineAndMore);
            }
        }
        let looks = self.class.is_some() || self.camera.is_some() || self.moving.is_some();
        if self.circumstances.input.is_some() && (looks || self.circumstances.count > 1) {
            return Err(RulesError::InputAndMore);
        }
        if self.actions.is_empty() {
            return Err(RulesError::NoAction);
        }
        if self.actions.iter().any(|a| matches!(a, Action::Pulse { us: 0, .. })) {
            return Err(RulesError::EmptyPulse);
        }
        Ok(())
    }

    /// This thing on this camera, doing this, is what the rule is about, dwell and crossing aside.
    pub fn matches(&self, camera: CameraIx, thing: &Thing, motion: Motion) -> bool {
        let does = if self.moving == Some(true) { Motion::Moving } else { Motion::Still };
        self.circumstances.input.is_none()
            && self.camera.is_none_or(|c| c == camera)
            && self.class.is_none_or(|c| c == thing.class)
            && thing.score >= self.min_score.max(self.sieve.min_score(thing.class))
            && self.sieve.admits(thing.class, thing.bbox)
            && self.moving.is_none_or(|_| motion == does)
            && self.zone.as_ref().is_none_or(|z| z.contains(thing.foot))
    }
}

/// What the shell is asked to carry out, and because of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The rule that says so.
    pub rule: RuleIx,
    /// The input it fired on; then the next three mean nothing.
    pub input: Option<InputIx>,
    /// The camera of the thing it fired on.
    pub camera: CameraIx,
    /// The thing it fired on.
    pub track: u32,
    /// Its class.
    pub class: ClassId,
    /// When.
    pub at: Micros,
    /// What.
    pub what: What,
}

/// The content of an [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The rule fired; exactly one for each firing, before its actions.
    Fired,
    /// Switch the output on for `us` microseconds.
    Pulse {
        /// Which.
        output: OutputIx,
        /// How long.
        us: u64,
    },
    /// Switch the output on until this rule's `Release`.
    Hold {
        /// Which.
        output: OutputIx,
    },
    /// This rule no longer holds the output.
    Release {
        /// Which.
        output: OutputIx,
    },
    /// Switch the output on until it is unlatched.
    Latch {
        /// Which.
        output: OutputIx,
    },
    /// End the output's latch.
    Unlatch {
        /// Which.
        output: OutputIx,
    },
    /// Tell people.
    Notify,
}
