//! The machine → what page and command line show, JSON of `/v1/status`; and what they ask for.

use crate::rauc::Progress;
use crate::slots::{self, Entry, Origin, Slots, Step, Tls};
use nightjar_types::Secret;
use serde::Serialize;

/// A wish for an update.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Id of the fleet's action; `None`: one of our own.
    pub action: Option<String>,
    /// Who wants it.
    pub origin: Origin,
    /// Address, or path of a file of this board.
    pub bundle: String,
    /// Lines that the server of the address wants to see.
    pub headers: Vec<Secret<String>>,
    /// How it is reached over TLS.
    pub tls: Tls,
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Version that runs.
    pub version: String,
    /// The slot that runs.
    pub slot: String,
    /// What kind of board this is, as bundles name it.
    pub board: String,
    /// `starting`, `idle`, `checking`, `installing`, `installed`, `cancelling`, `trial`, `confirming`, `going-back`.
    pub step: &'static str,
    /// The same in words.
    pub words: String,
    /// The update that goes on.
    pub action: Option<String>,
    /// Who wants it.
    pub origin: Option<Origin>,
    /// Its version.
    pub target: Option<String>,
    /// How far RAUC is, or what a system on trial still lacks.
    pub progress: Option<Progress>,
    /// It can be undone, at once or as soon as a copy has ended.
    pub can_cancel: bool,
    /// Nothing older is installed.
    pub floor: Option<String>,
    /// What became of the last update.
    pub last: Option<Entry>,
}

impl Status {
    /// Before RAUC has answered.
    pub fn starting() -> Self {
        Self {
            version: String::new(),
            slot: String::new(),
            board: String::new(),
            step: "starting",
            words: "RAUC is asked which slot runs".into(),
            action: None,
            origin: None,
            target: None,
            progress: None,
            can_cancel: false,
            floor: None,
            last: None,
        }
    }

    /// Of a machine; `checking` is the action whose bundle is looked at.
    pub fn of(
        machine: &Slots,
        board: &str,
        checking: Option<&str>,
        progress: &Progress,
        floor: Option<String>,
        last: Option<Entry>,
    ) -> Self {
        let boot = machine.boot();
        let mut status = Self {
            version: boot.version.clone(),
            slot: boot.slot.label.clone(),
            board: board.into(),
            step: "idle",
            words: "no update goes on".into(),
            floor,
            last,
            ..Self::starting()
        };
        if let Some(journal) = machine.journal() {
            status.step = name(&journal.step);
            status.words = slots::words(&journal.step).into();
            status.action = Some(journal.order.action.clone());
            status.origin = Some(journal.order.origin);
            status.target = Some(journal.order.version.clone());
            let is_shown = matches!(journal.step, Step::Installing { .. } | Step::Trial);
            status.progress = is_shown.then(|| progress.clone());
            status.can_cancel = matches!(journal.step, Step::Installing { cancel: false } | Step::Installed);
        } else if let Some(action) = checking {
            status.step = "checking";
            status.words = "the bundle is looked at: signature, board, version".into();
            status.action = Some(action.into());
            status.can_cancel = true;
        }
        status
    }
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Installing { .. } => "installing",
        Step::Installed => "installed",
        Step::Cancelling { .. } => "cancelling",
        Step::Trial => "trial",
        Step::Good { .. } => "confirming",
        Step::GoingBack { .. } => "going-back",
        Step::Over { .. } => "idle",
    }
}
