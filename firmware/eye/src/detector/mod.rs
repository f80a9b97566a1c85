//! Model input → raw boxes and scores, by whichever runtime. Adding one is a file here and a line in [`DETECTORS`].

mod fused;
pub(crate) mod json;
mod tract;

use crate::error::Error;
use crate::model::Model;

/// What a model says of one picture, before thresholds.
pub(crate) struct Output {
    /// `N,4`: top, left, bottom, right as fractions of the input.
    pub(crate) boxes: Vec<f32>,
    /// `N,labels`: 0..1.
    pub(crate) scores: Vec<f32>,
}

/// Runs one model. Each inference thread has its own.
pub(crate) trait Detector: Send {
    /// `input` is the card's input tensor, or with `small` its smaller one: planes R, G, B.
    fn run(&mut self, input: &[u8], small: bool) -> Result<Output, Error>;
}

/// Makes a detector from a verified model.
pub(crate) type Open = fn(&Model) -> Result<Box<dyn Detector>, Error>;

/// Every runtime by its `--runtime` name; what follows a colon there is the runtime's own.
pub(crate) const DETECTORS: &[(&str, Open)] =
    &[("fused", tract::open_fused), ("tract", tract::open), (json::NAME, json::open)];

/// The detector of a runtime for a model.
pub(crate) fn open(runtime: &str, model: &Model) -> Result<Box<dyn Detector>, Error> {
    let row = runtime.split_once(':').map_or(runtime, |(name, _)| name);
    let Some((_, open)) = DETECTORS.iter().find(|(name, _)| *name == row) else {
        let known = DETECTORS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(Error::NoRuntime { name: runtime.to_owned(), known });
    };
    open(model)
}
