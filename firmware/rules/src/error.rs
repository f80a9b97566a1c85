//! Why a rule, a zone or a relay cannot be built. Each is a mistake in the config; the shell adds the name.

use crate::{rule::MAX_ACTIONS, zone::MAX_CORNERS};
use core::fmt;

/// A rule, zone or relay that cannot work. Written by hand: `core` only, so the crate stays free of `std`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// A polygon with fewer than three corners.
    TooFewCorners(usize),
    /// A polygon with more than [`MAX_CORNERS`] corners.
    TooManyCorners(usize),
    /// All corners on one line: nothing can be inside.
    FlatZone,
    /// A zone lies on one camera's picture, so its rule must name that camera.
    ZoneWithoutCamera,
    /// A line lies on one camera's picture, so its rule must name that camera.
    LineWithoutCamera,
    /// A rule with a line that asks for a zone or a dwell as well.
    LineAndMore,
    /// A line whose two points are one.
    NoLength,
    /// More than this many masks on one camera.
    TooManyMasks(usize),
    /// More than this many classes named by one camera or zone.
    TooManyClasses(usize),
    /// Limits whose least size is above their largest.
    NothingFits,
    /// A rule that asks for nothing.
    NoAction,
    /// A rule with more than [`MAX_ACTIONS`] actions.
    TooManyActions(usize),
    /// A pulse of no length.
    EmptyPulse,
    /// The rule book has room for this many rules.
    TooManyRules(usize),
    /// A schedule of more than [`crate::MAX_SPANS`] spans.
    TooManySpans(usize),
    /// A rule on an input that asks for something that is seen as well.
    InputAndMore,
    /// The bank has room for this many relays.
    TooManyRelays(usize),
    /// A relay that may never be switched on.
    NoTimeOn,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewCorners(n) => write!(f, "the zone has {n} corners; draw at least 3"),
            Self::TooManyCorners(n) => write!(f, "the zone has {n} corners; at most {MAX_CORNERS} are kept"),
            Self::FlatZone => f.write_str("the zone's corners lie on one line; draw an area"),
            Self::ZoneWithoutCamera => {
                f.write_str("the rule has a zone but no camera; name the camera of the zone")
            }
            Self::LineWithoutCamera => {
                f.write_str("the rule has a line but no camera; name the camera of the line")
            }
            Self::LineAndMore => f.write_str(
                "a line is crossed in a moment: leave zone and dwell out, or make two rules of it",
            ),
            Self::NoLength => {
                f.write_str("the line's two points are the same; draw it from one place to another")
            }
            Self::TooManyMasks(n) => write!(f, "a camera has at most {n} masks; join some"),
            Self::TooManyClasses(n) => write!(f, "at most {n} classes can be named here; leave the rest out"),
            Self::NothingFits => {
                f.write_str("the least size is above the largest, so nothing fits; swap them")
            }
            Self::NoAction => f.write_str("the rule does nothing; give it a pulse, a hold or a notice"),
            Self::TooManyActions(n) => {
                write!(f, "the rule has {n} actions; at most {MAX_ACTIONS}, so split it in two")
            }
            Self::EmptyPulse => f.write_str("the pulse has no length; give it at least 1 ms"),
            Self::TooManyRules(n) => write!(f, "there are more than {n} rules; remove some"),
            Self::TooManySpans(n) => {
                write!(f, "the schedule has {n} spans; at most {} are kept", crate::MAX_SPANS)
            }
            Self::InputAndMore => {
                f.write_str("a rule is about an input or about what is seen; make two rules of it")
            }
            Self::TooManyRelays(n) => write!(f, "there are more than {n} outputs; remove some"),
            Self::NoTimeOn => {
                f.write_str("the longest time on is zero; leave it out or give it at least 1 ms")
            }
        }
    }
}

impl core::error::Error for RulesError {}
