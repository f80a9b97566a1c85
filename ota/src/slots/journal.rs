//! What is known of the update that goes on, as it lies on the disk. Written before each step that a power cut could interrupt.
//!
//! After a fallback an older agent reads what a newer one wrote: fields may be added, names and meanings never change.

use crate::gate::Baseline;
use nightjar_types::Secret;
use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;

/// A root slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// As RAUC names it, e.g. `rootfs.0`.
    pub name: String,
    /// As the boot loader and people name it, e.g. `A`.
    pub label: String,
}

/// Who wants an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A person on the page.
    Page,
    /// A person at the console.
    Console,
    /// A stick that was plugged in.
    Usb,
    /// The fleet's server.
    Fleet,
}

/// One wish for an update, its bundle looked at and found fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Id of the fleet's action, or one of our own. No two updates share one.
    pub action: String,
    /// Who wants it.
    pub origin: Origin,
    /// Path or URL.
    pub bundle: String,
    /// Lines that the server of the URL wants to see. In the journal, which is root's alone, so that a copy that a power cut broke
    /// off can go on; in no log and no answer.
    #[serde(default, serialize_with = "revealed")]
    pub headers: Vec<Secret<String>>,
    /// Whom the server of the URL is taken for, and who it takes this board for.
    #[serde(default, skip_serializing_if = "Tls::is_usual")]
    pub tls: Tls,
    /// Version of the bundle.
    pub version: String,
    /// How the board was before.
    pub baseline: Baseline,
}

/// Files in PEM for TLS with the server of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tls {
    /// The only authorities that are believed; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// This board's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

impl Tls {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

fn revealed<S: Serializer>(headers: &[Secret<String>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(headers.iter().map(|h| h.reveal()))
}

/// The journal: one update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// What is wanted.
    pub order: Order,
    /// Where it came from: the slot that was booted when it was asked for.
    pub from: Slot,
    /// Where it goes.
    pub to: Slot,
    /// Version that ran before.
    pub from_version: String,
    /// The boot in which this was written.
    pub boot_id: String,
    /// How often the installation was begun; of what is over, how often a kept system was, which was left because its power went.
    pub tries: u32,
    /// When the board left the old system, ms since 1970 UTC.
    pub left_ms: Option<i64>,
    /// How far it is.
    pub step: Step,
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Step {
    /// RAUC writes the other slot, or is about to.
    Installing {
        /// Somebody wants it undone as soon as RAUC lets go.
        cancel: bool,
    },
    /// The other slot is written and is what boots next.
    Installed,
    /// The old slot is made what boots next again.
    Cancelling {
        /// Why, when nobody asked for it: the installation was given up.
        #[serde(default)]
        why: Option<String>,
    },
    /// The new system runs and is judged.
    Trial,
    /// It was found good and is being confirmed.
    Good {
        /// What it cost.
        gap: Gap,
    },
    /// It was found bad; the old one is to run again.
    GoingBack {
        /// Why, one sentence.
        why: String,
    },
    /// All is done; what became of it is being entered and told.
    Over {
        /// What is entered.
        entry: Entry,
    },
}

/// What an update cost in footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gap {
    /// Seconds that the worst camera lacks; `None`: it could not be found out.
    pub seconds: Option<u64>,
    /// The clock could be believed.
    pub clock_sure: Option<bool>,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new system was found good and is kept.
    Kept,
    /// The new system was tried, and the old one runs again.
    RolledBack,
    /// The new system was never tried.
    Failed,
    /// The bundle was not let near the slot.
    Refused,
    /// Somebody did not want it any more.
    Cancelled,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the update.
    pub action: String,
    /// Who wanted it.
    pub origin: Origin,
    /// The slot that it was for.
    pub slot: String,
    /// Version of the bundle.
    pub version: String,
    /// Version that ran before.
    pub from_version: String,
    /// What became of it.
    pub result: Outcome,
    /// Why, one plain sentence.
    pub reason: String,
    /// Seconds that the worst camera lacks.
    pub gap_s: Option<u64>,
    /// When it was over, ms since 1970 UTC.
    pub at_ms: i64,
    /// The clock could be believed then.
    pub clock_sure: Option<bool>,
}

/// What a fleet's server is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Feedback {
    /// It goes on.
    Proceeding {
        /// The action.
        action: String,
        /// What is done now.
        words: String,
    },
    /// It is over. Never said before the gate has judged.
    Closed {
        /// What became of it.
        entry: Entry,
    },
}
