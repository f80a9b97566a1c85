//! Moves that the recorder could not hear → a file beside the audit → the audit of the next start.

use crate::journal::{Record, What};
use nightjar_api::Audit;
use nightjar_io::clock;
use nightjar_types::Wall;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    pub(super) at_ms: i64,
    pub(super) output: String,
    pub(super) on: bool,
    pub(super) cause: String,
    pub(super) error: Option<String>,
}

/// The note's place.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("relays.json")
}

/// Writes it in place of an older one. False: it could not be; the relays are no less safe for that.
pub(super) fn leave(path: &Path, moves: &[Noted]) -> bool {
    let text = serde_json::to_vec_pretty(moves).unwrap_or_default();
    let new = path.with_extension("new");
    let done = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    if let Err(e) = &done {
        tracing::error!(error = %e, file = %path.display(), "what the relays did could not be noted");
    }
    done.is_ok()
}

/// The recorder heard it all.
pub(super) fn remove(path: &Path) {
    if let Err(e) = std::fs::remove_file(path) {
        tracing::warn!(error = %e, file = %path.display(), "an old note stays");
    }
}

/// Puts a note of the last run into the audit and takes it away; what it says is for the journal too.
pub(crate) fn take(state_dir: &Path, audit: &Audit) -> Vec<Record> {
    let path = path(state_dir);
    let Ok(text) = std::fs::read(&path) else { return Vec::new() };
    let moves = serde_json::from_slice::<Vec<Noted>>(&text).unwrap_or_else(|e| {
        audit.record("relays", &format!("a note of the last run cannot be read: {e}"));
        Vec::new()
    });
    moves.iter().for_each(|moved| audit.record("relays", &moved.words()));
    remove(&path);
    let record = |moved: Noted| {
        let Noted { at_ms, output, on, cause, .. } = moved;
        Record { mono: clock::mono(), wall: Wall::from_ms(at_ms), what: What::Moved { output, on, cause } }
    };
    moves.into_iter().filter(|moved| moved.error.is_none()).map(record).collect()
}

impl Noted {
    fn words(&self) -> String {
        let (level, at) = (if self.on { "on" } else { "off" }, Wall::from_ms(self.at_ms));
        let Self { output, cause, .. } = self;
        match &self.error {
            None => format!("output {output} {level} at {at}: {cause}"),
            Some(error) => format!("output {output} NOT {level} at {at}: {error} ({cause})"),
        }
    }
}
