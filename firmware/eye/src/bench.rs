//! One picture, many looks → how long one card takes, or what every card, runtime and decoder of this board takes.

use crate::cli;
use crate::detect::File;
use crate::error::Error;
use crate::looker::Looker;
use crate::model::Model;
use crate::{choice, measure, probe};
use nightjar_detect::Picture;
use nightjar_types::VideoCodec;
use nightjar_types::eye::Measured;
use std::io::Write;
use std::time::Duration;

/// Looks of one card that are not counted: caches and the processor's clock settle.
const WARM_UP: u32 = 5;
/// Counted looks of each variant when all are measured.
const RUNS_OF_ALL: u32 = 21;
/// Width and height of the made-up picture, those of a usual sub-stream.
const MADE_UP: (usize, usize) = (640, 360);

/// One card when it or its runtime is named, else everything.
pub(crate) fn run(args: &cli::Bench) -> Result<(), Error> {
    if args.model.card != choice::AUTO || args.model.runtime != choice::AUTO {
        return one(args);
    }
    if let Some(path) = &args.remember
        && let Some(measured) = choice::read(path)
        && !args.anew
    {
        return print(&measured, args.json);
    }
    let (picture, _) = picture(args)?;
    let runs = args.runs.unwrap_or(RUNS_OF_ALL);
    let deadline = Duration::from_secs(args.deadline_s.into());
    let measured = measure::everything(args.model.models.as_deref(), &picture, runs, deadline)?;
    if let Some(path) = &args.remember {
        choice::write(path, &measured)?;
    }
    print(&measured, args.json)
}

/// The picture to look at, and what it is.
fn picture(args: &cli::Bench) -> Result<(Picture, String), Error> {
    let Some(path) = &args.input else { return Ok((made_up()?, "a made-up picture".to_owned())) };
    let first = File::open(path)?.next()?;
    let none = || Error::Input { path: path.clone(), why: "has no video frame".into() };
    Ok((first.ok_or_else(none)?.1, path.display().to_string()))
}

/// Prints median and 90th percentile of one card.
fn one(args: &cli::Bench) -> Result<(), Error> {
    let model = Model::load(&args.model)?;
    let (picture, what) = picture(args)?;
    let mut looker = Looker::open(&model.runtime, &model)?;
    let runs = args.runs.unwrap_or(100);
    let times = measure::times(&mut looker, &picture, model.card.postprocess.min_score, WARM_UP, runs)?;
    let part = |share: usize| times[(times.len() - 1) * share / 100];
    let (width, height) = picture.size();
    let (p50, p90, least) = (part(50), part(90), times[0]);
    let mut out = std::io::stdout().lock();
    if args.json {
        let line = serde_json::json!({
            "card": model.card.id, "runtime": model.runtime, "runs": runs, "width": width, "height": height,
            "median_ms": p50, "p90_ms": p90, "least_ms": least,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{} by {} on {what} ({width}×{height}), {runs} runs", model.card.id, model.runtime)?;
        writeln!(
            out,
            "median {p50:.1} ms, 90 % within {p90:.1} ms, least {least:.1} ms of processor time, preparation included"
        )?;
    }
    Ok(())
}

/// The table, or the JSON object.
fn print(measured: &Measured, json: bool) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, measured).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{}", measured.board)?;
    let best = measured.best_model(None);
    for run in &measured.models {
        let ms = run.look_ms.map_or("–".to_owned(), |ms| format!("{ms:.1} ms"));
        let mark = if best == Some(run) { "chosen" } else { "" };
        let said = run.fault.as_deref().unwrap_or(mark);
        writeln!(out, "{:<28} {:<6} {ms:>9}  {said}", run.card, run.runtime)?;
    }
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let best = measured.good_decoders(codec).first().map(|d| d.element.clone());
        for run in measured.decoders.iter().filter(|d| d.codec == codec) {
            let mark = if best.as_ref() == Some(&run.element) { "  chosen" } else { "" };
            writeln!(out, "{}  {}{mark}", crate::decoder::codec_name(codec), probe::words(run))?;
        }
    }
    Ok(())
}

/// Stripes and steps; what the picture shows does not change how long a convolution takes.
fn made_up() -> Result<Picture, Error> {
    let mut picture = Picture::flat(MADE_UP, [128, 110, 140])?;
    for (i, sample) in picture.luma_mut().iter_mut().enumerate() {
        *sample = (16 + (i % MADE_UP.0 / 3 * 7 + i / MADE_UP.0 / 5 * 11) % 219) as u8;
    }
    Ok(picture)
}
