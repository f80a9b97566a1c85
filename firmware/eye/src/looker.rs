//! Picture, and which parts of it → found things: preparation, model, thresholds, and how long it took.

use crate::clock::Stopwatch;
use crate::detector::{self, Detector};
use crate::error::Error;
use crate::model::Model;
use nightjar_detect::{Candidates, Found, Inputs, Picture, Preparation, Rect, View, boxes};

/// Preparations for this many picture sizes are kept: cameras come in few sizes, and each holds two tables.
const SIZES: usize = 8;
/// Things below the least reported score, down to this share of it, still keep tracks alive.
pub(crate) const UNSURE_SHARE: f32 = 0.6;

/// A model ready to look at pictures.
pub(crate) struct Looker {
    detector: Box<dyn Detector>,
    /// For whole pictures; crops come in every size, and the weights for one are soon made.
    preparations: Vec<Preparation>,
    inputs: Inputs,
    classes: usize,
    nms_iou: f32,
}

/// What one look found.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Best first.
    pub(crate) found: Vec<Found>,
    /// Preparation, model and thresholds together, all runs.
    pub(crate) ms: f32,
    /// Preparation among it.
    pub(crate) prepare_ms: f32,
}

/// The sizes of a model's inputs.
pub(crate) fn inputs(model: &Model) -> Inputs {
    Inputs { usual: model.card.input_size(), small: model.card.small_input_size() }
}

impl Looker {
    /// Opens the runtime; takes a moment while it optimises the graph.
    pub(crate) fn open(runtime: &str, model: &Model) -> Result<Self, Error> {
        Ok(Self {
            detector: detector::open(runtime, model)?,
            preparations: Vec::new(),
            inputs: inputs(model),
            classes: model.card.labels.len(),
            nms_iou: model.card.postprocess.nms_iou,
        })
    }

    /// Things of at least `min_score` in the whole picture.
    pub(crate) fn look(&mut self, picture: &Picture, min_score: f32) -> Result<Look, Error> {
        self.look_in(picture, min_score, &[View { rect: Rect::whole(picture.size()), small: false }])
    }

    /// Things of at least `min_score` in these views of the picture; the model runs once a view.
    pub(crate) fn look_in(
        &mut self,
        picture: &Picture,
        min_score: f32,
        views: &[View],
    ) -> Result<Look, Error> {
        let watch = Stopwatch::start();
        let (mut found, mut prepare_ms) = (Vec::new(), 0.0);
        for view in views {
            found.extend(self.see(picture, min_score, *view, &mut prepare_ms)?);
        }
        if views.len() > 1 {
            found = boxes::merge(found, self.nms_iou);
        }
        Ok(Look { found, ms: watch.ms(), prepare_ms })
    }

    fn see(
        &mut self,
        picture: &Picture,
        min_score: f32,
        view: View,
        prepare_ms: &mut f32,
    ) -> Result<Vec<Found>, Error> {
        let watch = Stopwatch::start();
        let (size, rect) = (picture.size(), view.rect);
        let input = self.inputs.small.filter(|_| view.small).unwrap_or(self.inputs.usual);
        let is_whole = rect == Rect::whole(size) && !view.small;
        let mut for_crop = None;
        let preparation = if is_whole {
            self.for_whole(size)
        } else {
            for_crop.insert(Preparation::new((rect.w, rect.h), input))
        };
        let letterbox = preparation.letterbox();
        let prepared = preparation.run_part(picture, rect);
        *prepare_ms += watch.ms();
        let output = self.detector.run(&prepared, view.small)?;
        let rule = Candidates { min_score, nms_iou: self.nms_iou };
        let found = rule.read(&output.boxes, &output.scores, self.classes, &letterbox)?;
        Ok(boxes::from_crop(&found, rect, size))
    }

    fn for_whole(&mut self, size: (usize, usize)) -> &mut Preparation {
        let at = self.preparations.iter().position(|p| p.fits(size)).unwrap_or_else(|| {
            if self.preparations.len() == SIZES {
                self.preparations.remove(0);
            }
            self.preparations.push(Preparation::new(size, self.inputs.usual));
            self.preparations.len() - 1
        });
        &mut self.preparations[at]
    }
}
