//! What the world outside is told, and how the telling goes: problems with begin and end, the state of every alarm.

use serde::Serialize;

/// What a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A camera that gives no footage, or not all.
    Camera,
    /// A camera that is covered, moved, blurred or lost.
    Tamper,
    /// The storage.
    Storage,
    /// The card's or disk's life.
    Wear,
    /// Damaged records on the card.
    Damage,
    /// The clock.
    Clock,
    /// The detector.
    Detector,
    /// The board is hot.
    Heat,
    /// The board's supply is weak.
    Power,
    /// Cameras may not be kept apart from the network.
    Network,
    /// An output that cannot be moved.
    Output,
    /// The rules.
    Rules,
    /// An alarm that does not reach the world.
    Alarm,
}

impl ProblemKind {
    /// As in JSON and topics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Tamper => "tamper",
            Self::Storage => "storage",
            Self::Wear => "wear",
            Self::Damage => "damage",
            Self::Clock => "clock",
            Self::Detector => "detector",
            Self::Heat => "heat",
            Self::Power => "power",
            Self::Network => "network",
            Self::Output => "output",
            Self::Rules => "rules",
            Self::Alarm => "alarm",
        }
    }
}

/// Something that needs a person, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub kind: ProblemKind,
    /// Id of the camera, output or alarm; empty when there is only one.
    pub subject: String,
    /// What is wrong and what to do.
    pub words: String,
}

/// A problem that began or is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemView {
    /// What it is about.
    pub kind: ProblemKind,
    /// Id of the camera, output or alarm; empty when there is only one.
    pub subject: String,
    /// What is wrong and what to do, as said at its begin.
    pub words: String,
    /// When it began.
    pub start_ms: i64,
    /// When it was over; `None` while it lasts.
    pub end_ms: Option<i64>,
}

/// How one alarm does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmView {
    /// Its id: the kind, or that of the webhook.
    pub id: String,
    /// `mqtt`, `webhook`, `ntfy`, `email`, `push`.
    pub kind: &'static str,
    /// Where it leads, without what is secret.
    pub target: String,
    /// `idle`: nothing to tell yet; `working`; `retrying`; `broken`: it failed several times in a row and is tried rarely.
    pub state: &'static str,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages delivered since the start.
    pub delivered: u64,
    /// Messages given up since the start: refused, or too old.
    pub failed: u64,
    /// Messages pushed out of a full queue since the start.
    pub dropped: u64,
    /// Pictures' boxes pushed out of a full queue since the start.
    pub dropped_detections: u64,
    /// The newest error; `None` once it works again.
    pub error: Option<String>,
    /// What it can do without the internet, in words.
    pub offline: &'static str,
    /// What became of its newest messages, newest first.
    pub history: Vec<Told>,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its number, for another try.
    pub id: u64,
    /// What it was about.
    pub subject: String,
    /// When it came up.
    pub at_ms: i64,
    /// When that was decided.
    pub done_ms: i64,
    /// Tries so far.
    pub tries: u32,
    /// `delivered`, `refused`, `too-old`, `pushed-out`.
    pub outcome: &'static str,
    /// What the other side said last.
    pub words: String,
}
