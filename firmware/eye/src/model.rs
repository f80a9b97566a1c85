//! Card id and folders → the card and its file's verified bytes.

use crate::choice;
use crate::cli::ModelChoice;
use crate::detector::json::{self, Foreign};
use crate::error::Error;
use nightjar_models::Card;
use nightjar_types::eye::{Measured, ModelInfo};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A card with its file, hash checked.
pub(crate) struct Model {
    pub(crate) card: Card,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// The running program in its place, until a detector takes it over.
    pub(crate) foreign: Mutex<Option<Foreign>>,
    /// Name in `DETECTORS`.
    pub(crate) runtime: String,
    /// What was measured on this board.
    pub(crate) measured: Option<Measured>,
}

impl Model {
    /// Finds the file in `--models`, or else in the first usual place that has it.
    pub(crate) fn load(choice: &ModelChoice) -> Result<Self, Error> {
        let measured = choice.choice.as_deref().and_then(choice::read);
        if let Some(program) = choice.runtime.strip_prefix("json:") {
            return Ok(Self { measured, ..json::model(program)? });
        }
        let chosen = choice::choose(choice, measured.as_ref());
        let card = Card::find(&chosen.card)?;
        let path = find(&card, choice.models.as_deref())?;
        Ok(Self { measured, ..Self::open(card, path, &chosen.runtime)? })
    }

    /// Reads and checks a card's file.
    pub(crate) fn open(card: Card, path: PathBuf, runtime: &str) -> Result<Self, Error> {
        let bytes = std::fs::read(&path)
            .map_err(|e| Error::BadModel { path: path.clone(), why: format!("cannot be read: {e}") })?;
        card.verify(&bytes)?;
        Ok(Self { card, path, bytes, foreign: Mutex::default(), runtime: runtime.to_owned(), measured: None })
    }

    /// What the recorder is told.
    pub(crate) fn info(&self) -> ModelInfo {
        ModelInfo {
            card: self.card.id.clone(),
            sha256: self.card.sha256.clone(),
            labels: self.card.labels.clone(),
        }
    }
}

/// The card's file, not yet looked into.
pub(crate) fn find(card: &Card, models: Option<&Path>) -> Result<PathBuf, Error> {
    let places = match models {
        Some(folder) => vec![folder.to_owned()],
        None => usual_places(std::env::current_exe().ok().as_deref()),
    };
    let found = places.iter().map(|p| p.join(&card.file)).find(|p| p.is_file());
    found.ok_or_else(|| Error::NoModel { file: card.file.clone(), expected: card.sha256.clone(), places })
}

/// Where model files are, best first: an unpacked release, an installed one, a checkout.
fn usual_places(program: Option<&Path>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(above) = program.and_then(Path::parent).and_then(Path::parent) {
        places.push(above.join("share/nightjar/models"));
        places.push(above.join("models"));
    }
    places.push(PathBuf::from("/usr/share/nightjar/models"));
    places.push(PathBuf::from("target/models"));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_and_an_installed_program_find_their_models() {
        let built = usual_places(Some(Path::new("/src/target/debug/nightjar-eye")));
        assert!(built.contains(&PathBuf::from("/src/target/models")));
        let installed = usual_places(Some(Path::new("/usr/bin/nightjar-eye")));
        assert_eq!(installed[0], PathBuf::from("/usr/share/nightjar/models"));
    }
}
