//! One picture, many looks → how long they take.

use crate::cli;
use crate::detect::File;
use crate::error::Error;
use crate::looker::Looker;
use crate::model::Model;
use nightjar_detect::Picture;
use std::io::Write;

/// Looks that are not counted: caches and the processor's clock settle.
const WARM_UP: u32 = 5;
/// Width and height of the made-up picture, those of a usual sub-stream.
const MADE_UP: (usize, usize) = (640, 360);

/// Prints median and 90th percentile.
pub(crate) fn run(args: &cli::Bench) -> Result<(), Error> {
    let model = Model::load(&args.model)?;
    let (picture, what) = match &args.input {
        Some(path) => {
            let first = File::open(path)?.next()?;
            let none = || Error::Input { path: path.clone(), why: "has no video frame".into() };
            (first.ok_or_else(none)?.1, path.display().to_string())
        }
        None => (made_up()?, "a made-up picture".to_owned()),
    };
    let mut looker = Looker::open(&args.model.runtime, &model)?;
    let min_score = model.card.postprocess.min_score;
    let mut times = Vec::with_capacity(args.runs as usize);
    for run in 0..WARM_UP + args.runs {
        let look = looker.look(&picture, min_score)?;
        if run >= WARM_UP {
            times.push(look.ms);
        }
    }
    times.sort_by(f32::total_cmp);
    let part = |share: usize| times[(times.len() - 1) * share / 100];
    let (width, height) = picture.size();
    let (p50, p90, least) = (part(50), part(90), times[0]);
    let mut out = std::io::stdout().lock();
    if args.json {
        let line = serde_json::json!({
            "card": model.card.id, "runtime": args.model.runtime, "runs": args.runs, "width": width, "height": height,
            "median_ms": p50, "p90_ms": p90, "least_ms": least,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(
            out,
            "{} by {} on {what} ({width}×{height}), {} runs",
            model.card.id, args.model.runtime, args.runs
        )?;
        writeln!(
            out,
            "median {p50:.1} ms, 90 % within {p90:.1} ms, least {least:.1} ms, preparation included"
        )?;
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
