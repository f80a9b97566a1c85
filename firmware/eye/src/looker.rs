//! Picture → found things: preparation, model, thresholds, and how long it took.

use crate::clock::Stopwatch;
use crate::detector::{self, Detector};
use crate::error::Error;
use crate::model::Model;
use nightjar_detect::{Candidates, Found, Picture, Preparation};

/// Preparations for this many picture sizes are kept: cameras come in few sizes, and each holds two tables.
const SIZES: usize = 8;
/// Things below the least reported score, down to this share of it, still keep tracks alive.
pub(crate) const UNSURE_SHARE: f32 = 0.6;

/// A model ready to look at pictures.
pub(crate) struct Looker {
    detector: Box<dyn Detector>,
    preparations: Vec<Preparation>,
    input: (usize, usize),
    classes: usize,
    nms_iou: f32,
}

/// What one look found.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Best first.
    pub(crate) found: Vec<Found>,
    /// Preparation, model and thresholds together.
    pub(crate) ms: f32,
    /// Preparation among it.
    pub(crate) prepare_ms: f32,
}

impl Looker {
    /// Opens the runtime; takes a moment while it optimises the graph.
    pub(crate) fn open(runtime: &str, model: &Model) -> Result<Self, Error> {
        Ok(Self {
            detector: detector::open(runtime, model)?,
            preparations: Vec::new(),
            input: model.card.input_size(),
            classes: model.card.labels.len(),
            nms_iou: model.card.postprocess.nms_iou,
        })
    }

    /// Things of at least `min_score`.
    pub(crate) fn look(&mut self, picture: &Picture, min_score: f32) -> Result<Look, Error> {
        let watch = Stopwatch::start();
        let size = picture.size();
        let at = self.preparations.iter().position(|p| p.fits(size)).unwrap_or_else(|| {
            if self.preparations.len() == SIZES {
                self.preparations.remove(0);
            }
            self.preparations.push(Preparation::new(size, self.input));
            self.preparations.len() - 1
        });
        let preparation = &mut self.preparations[at];
        let input = preparation.run(picture);
        let prepare_ms = watch.ms();
        let output = self.detector.run(&input)?;
        let rule = Candidates { min_score, nms_iou: self.nms_iou };
        let found = rule.read(&output.boxes, &output.scores, self.classes, &preparation.letterbox())?;
        Ok(Look { found, ms: watch.ms(), prepare_ms })
    }
}
