//! `[[input]]`, `[arm]` and `[power]`: contacts that are listened to, and what two kinds of them mean to the device → checked.

use super::schedule::{Schedule, schedule};
use super::value::{OneOrMany, Span};
use crate::{Name, OutputId};
use serde::Deserialize;
use std::time::Duration;

/// One line that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its id.
    pub id: Name,
    /// Line name as the board knows it.
    pub line: String,
    /// What is connected: how it is spoken of, and whether it arms.
    pub kind: InputKind,
    /// The electrical level "low" means active: pressed, open, seen, turned.
    pub is_active_low: bool,
    /// The board's resistor on it.
    pub pull: Pull,
    /// A level counts once it has stayed for so long.
    pub debounce: Duration,
}

/// What is connected to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// Some contact.
    #[default]
    Contact,
    /// A motion detector: active while it sees something.
    Pir,
    /// A door or window contact: active while it is open.
    Door,
    /// A panic button: active while it is pressed.
    Panic,
    /// A key-switch: the device is armed from when it becomes active until it no longer is.
    KeySwitch,
    /// An uninterruptible supply's signal: active while the mains is gone.
    AcFail,
}

impl InputKind {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Pir => "pir",
            Self::Door => "door",
            Self::Panic => "panic",
            Self::KeySwitch => "key-switch",
            Self::AcFail => "ac-fail",
        }
    }
}

/// What holds a line at a level while nothing is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Nothing on the board.
    #[default]
    None,
    /// A resistor to the supply.
    Up,
    /// A resistor to ground.
    Down,
}

/// When the device is armed, besides what key-switches and people say. The last word counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arm {
    /// Armed when it begins, disarmed when it ends.
    pub schedule: Option<Schedule>,
}

/// What the device does while the mains is gone, as an input of the kind "ac-fail" says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// After so long without mains all that was recorded is closed and the board is shut down.
    pub shutdown_after: Duration,
}

/// One or more texts.
pub(super) type Texts = OneOrMany<String>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedInput {
    id: String,
    line: String,
    #[serde(default)]
    kind: InputKind,
    #[serde(default = "high")]
    active: String,
    #[serde(default)]
    pull: Pull,
    #[serde(default = "settle")]
    debounce: Span,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedArm {
    schedule: Option<Texts>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedPower {
    shutdown_after: Span,
}

impl Default for TypedPower {
    fn default() -> Self {
        Self { shutdown_after: Span::millis(60_000) }
    }
}

fn high() -> String {
    "high".into()
}

/// Contacts bounce for some milliseconds, and a spike on a long wire is over sooner.
fn settle() -> Span {
    Span::millis(50)
}

pub(super) fn arm(typed: TypedArm, fault: &mut dyn FnMut(String)) -> Arm {
    Arm { schedule: typed.schedule.and_then(|texts| schedule("[arm] schedule", texts.0, fault)) }
}

pub(super) fn power(typed: &TypedPower, fault: &mut dyn FnMut(String)) -> Power {
    let shutdown_after = typed.shutdown_after.0;
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&shutdown_after) {
        fault("[power] shutdown_after: must be between 1s and 24h".into());
    }
    Power { shutdown_after }
}

pub(super) fn input(typed: TypedInput, fault: &mut dyn FnMut(String)) -> Option<Input> {
    let what = format!("input \"{}\"", typed.id);
    if typed.active != "low" && typed.active != "high" {
        fault(format!("{what}: active: \"{}\" is neither \"low\" nor \"high\"", typed.active));
    }
    if typed.debounce.0 > Duration::from_secs(60) {
        fault(format!("{what}: debounce: at most 60s"));
    }
    let id = Name::new(typed.id).map_err(|e| fault(format!("input id: {e}"))).ok()?;
    Some(Input {
        id,
        line: typed.line,
        kind: typed.kind,
        is_active_low: typed.active == "low",
        pull: typed.pull,
        debounce: typed.debounce.0,
    })
}

/// Outputs that another is never on with: they must be there, and be others.
pub(super) fn never_with(outputs: &[super::Output], fault: &mut dyn FnMut(String)) {
    for output in outputs {
        let what = format!("output \"{}\": never_with", output.id);
        for other in &output.never_with {
            let found = outputs.iter().find(|o| o.id == *other);
            match found {
                None => fault(format!("{what}: there is no output \"{other}\"")),
                Some(_) if *other == output.id => fault(format!("{what}: it is that output itself")),
                Some(other) if other.is_safe_on || output.is_safe_on => fault(format!(
                    "{what}: at their safe levels \"{}\" and \"{}\" are not both off; only outputs with safe = \"off\" can be \
                     kept apart",
                    output.id, other.id
                )),
                Some(_) => {}
            }
        }
    }
}

/// Names as they were typed; what is no name is told.
pub(super) fn names(what: &str, texts: Option<Texts>, fault: &mut dyn FnMut(String)) -> Vec<OutputId> {
    let texts = texts.map(|texts| texts.0).unwrap_or_default();
    texts.into_iter().filter_map(|t| Name::new(t).map_err(|e| fault(format!("{what}: {e}"))).ok()).collect()
}

/// What a rule says of inputs, arming and time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// It is about this input becoming active, or no longer active.
    pub input: Option<(Name, bool)>,
    /// Only while the device is armed, or only while it is not.
    pub armed: Option<bool>,
    /// Only then.
    pub during: Option<Schedule>,
    /// At least so many such things in the picture at once.
    pub count: u8,
}

pub(super) fn circumstances(
    what: &str,
    when: &super::typed::When,
    inputs: &[Input],
    fault: &mut dyn FnMut(String),
) -> Circumstances {
    let becomes = match when.becomes.as_deref() {
        None | Some("on") => true,
        Some("off") => false,
        Some(other) => {
            fault(format!("{what}: becomes: \"{other}\" is neither \"on\" nor \"off\""));
            true
        }
    };
    if when.becomes.is_some() && when.input.is_none() {
        fault(format!("{what}: becomes is said of an input; add input = \"…\""));
    }
    let input = when.input.as_ref().and_then(|id| {
        let found = inputs.iter().find(|i| i.id.as_str() == id);
        if found.is_none() {
            fault(format!("{what}: there is no input \"{id}\""));
        }
        found.map(|i| (i.id.clone(), becomes))
    });
    let looks = [
        ("class", when.class.is_some()),
        ("camera", when.camera.is_some()),
        ("zone", when.zone.is_some()),
        ("line", when.line.is_some()),
        ("moving", when.moving.is_some()),
        ("count", when.count.is_some()),
        ("away", !when.away.0.is_zero()),
    ];
    if let Some((key, _)) = looks.iter().find(|(_, is_there)| *is_there && when.input.is_some()) {
        fault(format!("{what}: {key} is said of what a camera sees, not of an input; make two rules of it"));
    }
    let count = when.count.unwrap_or(1);
    if count == 0 || (count > 1 && when.line.is_some()) {
        fault(format!("{what}: count: at least 1, and a line is crossed by one thing at a time"));
    }
    let during = when.during.clone().and_then(|texts| schedule(&format!("{what}: during"), texts.0, fault));
    Circumstances { input, armed: when.armed, during, count }
}
