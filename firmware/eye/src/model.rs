//! Card id and folders → the card and its file's verified bytes.

use crate::cli::ModelChoice;
use crate::detector::json::{self, Foreign};
use crate::error::Error;
use nightjar_models::Card;
use nightjar_types::eye::ModelInfo;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A card with its file, hash checked.
pub(crate) struct Model {
    pub(crate) card: Card,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// The running program in its place, until a detector takes it over.
    pub(crate) foreign: Mutex<Option<Foreign>>,
}

impl Model {
    /// Finds the file in `--models`, or else in the first usual place that has it.
    pub(crate) fn load(choice: &ModelChoice) -> Result<Self, Error> {
        if let Some(program) = choice.runtime.strip_prefix("json:") {
            return json::model(program);
        }
        let card = Card::find(&choice.card)?;
        let places = match &choice.models {
            Some(folder) => vec![folder.clone()],
            None => usual_places(std::env::current_exe().ok().as_deref()),
        };
        let Some(path) = places.iter().map(|p| p.join(&card.file)).find(|p| p.is_file()) else {
            return Err(Error::NoModel { file: card.file, expected: card.sha256, places });
        };
        let bytes = std::fs::read(&path)
            .map_err(|e| Error::BadModel { path: path.clone(), why: format!("cannot be read: {e}") })?;
        card.verify(&bytes)?;
        Ok(Self { card, path, bytes, foreign: Mutex::default() })
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
