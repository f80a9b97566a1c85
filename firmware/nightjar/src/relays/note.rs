//! Moves that the recorder could not hear → a file beside the audit → the audit of the next start.

use nightjar_api::Audit;
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

/// Puts a note of the last run into the audit and takes it away.
pub(crate) fn take(state_dir: &Path, audit: &Audit) {
    let path = path(state_dir);
    let Ok(text) = std::fs::read(&path) else { return };
    match serde_json::from_slice::<Vec<Noted>>(&text) {
        Ok(moves) => moves.iter().for_each(|moved| audit.record("relays", &moved.words())),
        Err(e) => audit.record("relays", &format!("a note of the last run cannot be read: {e}")),
    }
    remove(&path);
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
