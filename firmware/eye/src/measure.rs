//! Installed cards × runtimes, and decoders → [`Measured`]: how fast, and whether the answers are right.

use crate::clock::Stopwatch;
use crate::detector::DETECTORS;
use crate::error::Error;
use crate::looker::Looker;
use crate::model::{self, Model};
use crate::{choice, clock, golden, probe};
use nightjar_detect::Picture;
use nightjar_models::{AUTO, CARDS, Card};
use nightjar_types::eye::{Measured, ModelRun};
use std::path::Path;
use std::time::Duration;

/// Looks that are not counted: caches and the processor's clock settle.
const WARM_UP: u32 = 3;

/// Measures everything that there is time for; what comes after the deadline says so.
pub(crate) fn everything(
    models: Option<&Path>,
    picture: &Picture,
    runs: u32,
    deadline: Duration,
) -> Result<Measured, Error> {
    gstreamer::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
    let watch = Stopwatch::start();
    let decoders = probe::run();
    let mut measured = Measured {
        version: choice::version(),
        board: choice::board(),
        cores: choice::cores(),
        models: Vec::new(),
        decoders,
    };
    for (id, _) in CARDS {
        let card = Card::find(id)?;
        let Ok(path) = model::find(&card, models) else { continue };
        for (runtime, _) in DETECTORS {
            let mut run = ModelRun {
                card: card.id.clone(),
                runtime: (*runtime).to_owned(),
                is_candidate: AUTO.contains(&card.id.as_str()),
                ..ModelRun::default()
            };
            if watch.passed() > deadline {
                run.fault = Some("no time was left to measure it".into());
            } else {
                match Model::open(card.clone(), path.clone(), runtime)
                    .and_then(|m| variant(&m, picture, runs))
                {
                    Ok((look_ms, fault)) => (run.look_ms, run.fault) = (Some(look_ms), fault),
                    Err(error) => run.fault = Some(error.to_string()),
                }
            }
            measured.models.push(run);
        }
    }
    Ok(measured)
}

/// Median time of a look in milliseconds, and what is wrong with the answers.
fn variant(model: &Model, picture: &Picture, runs: u32) -> Result<(f32, Option<String>), Error> {
    let mut looker = Looker::open(&model.runtime, model)?;
    let fault = golden::check(&mut looker, &model.card)?;
    let times = times(&mut looker, picture, model.card.postprocess.min_score, WARM_UP, runs)?;
    Ok((times[times.len() / 2], fault))
}

/// Processor times of looks in milliseconds, least first: a board is measured while its cameras record.
pub(crate) fn times(
    looker: &mut Looker,
    picture: &Picture,
    min_score: f32,
    warm_up: u32,
    runs: u32,
) -> Result<Vec<f32>, Error> {
    let mut times = Vec::with_capacity(runs as usize);
    for run in 0..warm_up + runs.max(1) {
        let before = clock::thread_time();
        looker.look(picture, min_score)?;
        if run >= warm_up {
            times.push(clock::thread_time().saturating_sub(before).as_secs_f32() * 1000.0);
        }
    }
    times.sort_by(f32::total_cmp);
    Ok(times)
}
