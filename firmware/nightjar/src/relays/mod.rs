//! The process that owns the lines of a board, `nightjar relays`, and the recorder's end of it. Why there is one: README.md.
//!
//! Length-prefixed postcard over a Unix socket, which is the process's standard input. The recorder says [`ToKeeper::Open`]
//! once, then asks, and at least once a second says that it lives. Its silence puts every relay to its safe level.

mod keeper;
mod link;
mod note;
mod serve;

pub(crate) use link::{Heard, Link};
pub(crate) use note::{path as note_path, take as take_note};
pub(crate) use serve::run;

use nightjar_board::Pull;
use nightjar_rules::{Answer, Ask, Cause, Limits, OutputIx};
use nightjar_types::{Mono, Wall};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All that the keeper must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Id of the board.
    pub(crate) board: String,
    pub(crate) outputs: Vec<OutputPlan>,
    /// Pairs that may never be on together.
    pub(crate) apart: Vec<(OutputIx, OutputIx)>,
    pub(crate) inputs: Vec<InputPlan>,
    /// Ids of the rules, for the note.
    pub(crate) rules: Vec<String>,
    /// Where it leaves what the recorder could not hear any more.
    pub(crate) note: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutputPlan {
    pub(crate) id: String,
    pub(crate) line: String,
    pub(crate) active_low: bool,
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InputPlan {
    pub(crate) id: String,
    pub(crate) line: String,
    pub(crate) active_low: bool,
    pub(crate) pull: Pull,
    pub(crate) settle_us: u64,
}

/// Recorder → keeper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum ToKeeper {
    /// First message.
    Open(Plan),
    /// The rules go round.
    Beat,
    /// A request; answered in the order of the requests.
    Ask(Ask),
    /// All moves up to this one are in the audit.
    Heard(u64),
    /// Everything to its safe level, for good.
    Stop,
}

/// Keeper → recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromKeeper {
    /// Every line is open and at its safe level, or why not.
    Opened(Result<(), String>),
    /// To each `Beat`.
    Alive,
    /// To each `Ask`, after the moves that it made at once.
    Answered(Ask, Answer),
    /// A relay moved, or did not.
    Moved(Moved),
    /// An input is at this level: told at the start, after a silence, and when it changes.
    Input(InputEdge),
    /// To `Stop`, after the moves that it made.
    Stopped,
}

/// One move of a relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// Counted from 1.
    pub(crate) n: u64,
    pub(crate) output: OutputIx,
    pub(crate) on: bool,
    pub(crate) cause: Cause,
    pub(crate) at: Wall,
    /// When it moves back if nothing more is asked.
    pub(crate) until: Option<Wall>,
    /// Why the line did not take it; it is tried again every second.
    pub(crate) error: Option<String>,
}

/// One level of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputEdge {
    /// Place in the configuration's list of inputs.
    pub(crate) input: u8,
    pub(crate) active: bool,
    /// When it settled there.
    pub(crate) at: Mono,
    /// It changed just now; otherwise this only says how it is.
    pub(crate) is_edge: bool,
}

/// A cause as the audit says it. `why` puts a rule's number into words.
pub(crate) fn words(cause: Cause, why: impl Fn(u8) -> String) -> String {
    match cause {
        Cause::Rule(n) => why(n),
        Cause::Unlatched(n) => format!("the latch was ended by {}", why(n)),
        Cause::Test => "test by a person".into(),
        Cause::Person => "switched by a person".into(),
        Cause::TimeOver => "the pulse is over".into(),
        Cause::Released => "the condition no longer holds".into(),
        Cause::MaxOn => "on for as long as it may be".into(),
        Cause::Stop => "the recorder stops".into(),
        Cause::Stalled => {
            format!("the recorder did not answer for {} s", nightjar_rules::LEASE_US / 1_000_000)
        }
        Cause::Gone => "the recorder ended without a word".into(),
    }
}
