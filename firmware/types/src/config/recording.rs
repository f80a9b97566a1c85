//! What is recorded of a camera, and how long it is kept: `[record]` and `[keep]`, for all and overruled by a camera.

use super::typed;
use std::time::Duration;

/// When a stream is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Always.
    #[default]
    Continuous,
    /// While something moves, with pre- and post-roll.
    Motion,
    /// While an event goes on, with pre- and post-roll.
    Event,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The main stream.
    pub main: Mode,
    /// The sub stream.
    pub sub: Mode,
    /// Footage from before the trigger; it begins with a key frame, so it may be longer.
    pub pre_roll: Duration,
    /// Footage after the trigger's end.
    pub post_roll: Duration,
}

/// How much of something is kept at most. Absent means: as long as there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// Deleted when older.
    pub age: Option<Duration>,
    /// The oldest is deleted when there is more, bytes on the card.
    pub bytes: Option<u64>,
}

/// How long a camera's footage is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Footage of the main stream in which nothing happened.
    pub continuous: Limit,
    /// Footage of the main stream in which something moved.
    pub motion: Limit,
    /// Footage of the main stream with an event.
    pub event: Limit,
    /// The sub stream, whatever is in it.
    pub sub: Limit,
    /// Thinning of the main stream.
    pub thin: Option<Thin>,
}

/// Old footage made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thin {
    /// From this age on.
    pub after: Duration,
    /// What is left of it.
    pub to: ThinTo,
}

/// What thinning leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinTo {
    /// The key frames of the main stream.
    KeyFrames,
    /// The sub stream, where it covers the main stream.
    Sub,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            main: Mode::Continuous,
            sub: Mode::Continuous,
            pre_roll: Duration::from_secs(5),
            post_roll: Duration::from_secs(10),
        }
    }
}

/// Longest pre-roll: it is kept in memory.
const MAX_PRE_ROLL: Duration = Duration::from_secs(60);
const MAX_POST_ROLL: Duration = Duration::from_secs(3_600);

/// `typed` over `base`. Faults are told to `fault`.
pub(super) fn record(
    what: &str,
    base: &Record,
    typed: typed::Record,
    fault: &mut dyn FnMut(String),
) -> Record {
    let mut mode = |key: &str, text: Option<String>, or: Mode| match text.as_deref() {
        None => or,
        Some("continuous") => Mode::Continuous,
        Some("motion") => Mode::Motion,
        Some("event") => Mode::Event,
        Some(other) => {
            fault(format!("{what} {key}: \"{other}\" is none of \"continuous\", \"motion\", \"event\""));
            or
        }
    };
    let (main, sub) = (mode("main", typed.main, base.main), mode("sub", typed.sub, base.sub));
    let mut roll = |key: &str, span: Option<super::value::Span>, or: Duration, most: Duration| {
        let roll = span.map_or(or, |s| s.0);
        if roll > most {
            fault(format!("{what} {key}: at most {} s", most.as_secs()));
        }
        roll.min(most)
    };
    Record {
        main,
        sub,
        pre_roll: roll("pre_roll", typed.pre_roll, base.pre_roll, MAX_PRE_ROLL),
        post_roll: roll("post_roll", typed.post_roll, base.post_roll, MAX_POST_ROLL),
    }
}

/// `typed` over `base`. Faults are told to `fault`.
pub(super) fn keep(what: &str, base: &Keep, typed: typed::Keep, fault: &mut dyn FnMut(String)) -> Keep {
    let mut limit = |key: &str, typed: Option<typed::Limit>, or: Limit| {
        let Some(typed) = typed else { return or };
        let limit = Limit { age: typed.age.map(|a| a.0), bytes: typed.bytes.map(|b| b.0) };
        if limit.age.is_some_and(|age| age < Duration::from_secs(60)) {
            fault(format!("{what} {key}: an age below one minute would delete what is being recorded"));
        }
        if limit == Limit::default() {
            fault(format!("{what} {key}: give an age, bytes or both, e.g. {{ age = \"14d\" }}"));
        }
        limit
    };
    let continuous = limit("continuous", typed.continuous, base.continuous);
    let motion = limit("motion", typed.motion, base.motion);
    let event = limit("event", typed.event, base.event);
    let sub = limit("sub", typed.sub, base.sub);
    let thin = typed.thin.map_or(base.thin, |thin| {
        let to = match thin.to.as_str() {
            "key-frames" => ThinTo::KeyFrames,
            "sub" => ThinTo::Sub,
            other => {
                fault(format!("{what} thin: to = \"{other}\" is neither \"key-frames\" nor \"sub\""));
                ThinTo::KeyFrames
            }
        };
        if thin.after.0 < Duration::from_secs(3_600) {
            fault(format!("{what} thin: after must be at least 1h"));
        }
        Some(Thin { after: thin.after.0, to })
    });
    Keep { continuous, motion, event, sub, thin }
}
