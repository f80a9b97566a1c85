//! Command line → typed arguments.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Looks at video for Nightjar: decodes it, watches for motion, finds and follows people, animals and vehicles.
#[derive(Debug, Parser)]
#[command(name = "nightjar-eye", version, propagate_version = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Examples:
  nightjar-eye detect --input clip.mp4
  nightjar-eye detect --input clip.mp4 --json > boxes.jsonl
  nightjar-eye detect --input clip.mp4 --rate 3
  nightjar-eye bench
  nightjar-eye bench --card ssdlite-mnv2-coco12-int8 --runtime fused
  nightjar-eye cameras
  nightjar-eye capture 'v4l2:by-id/usb-…?size=1280x720' --seconds 20

Environment:
  NIGHTJAR_MODELS  folder of model files (as --models)
  RUST_LOG         log filter, e.g. debug or nightjar_eye=trace (default info); logs go to standard error

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 no model file or another than the card says, 4 the recorder speaks another protocol, 5 somebody else's detector failed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a video or picture file and print what is seen, one line a frame.
    Detect(Detect),
    /// Serve the recorder; standard input is one end of a Unix socket pair. `nightjar` starts this.
    Serve(Serve),
    /// Measure every installed model, runtime and decoder on this board and check their answers; or one --card.
    Bench(Bench),
    /// List the cameras that are plugged in, with the names that the recorder's configuration takes.
    Cameras(Cameras),
    /// Try a local camera, or serve its pictures to the recorder. `nightjar` starts the latter.
    Capture(Capture),
}

/// Which model, and where its file is.
#[derive(Debug, Args)]
pub(crate) struct ModelChoice {
    /// Model card; `auto` is the fastest that was measured to be right on this board.
    #[arg(long, default_value = "auto")]
    pub(crate) card: String,
    /// Folder of model files [default: models or share/nightjar/models beside the program's folder, /usr/share/nightjar/models, target/models].
    #[arg(long, value_name = "DIR", env = "NIGHTJAR_MODELS")]
    pub(crate) models: Option<PathBuf>,
    /// Detector runtime: auto, fused, tract, or json:PROGRAM for a detector of somebody else's (PROTOCOL.md).
    #[arg(long, default_value = "auto")]
    pub(crate) runtime: String,
    /// File that `bench --remember` wrote; what it chose is taken for `auto`.
    #[arg(long, value_name = "FILE")]
    pub(crate) choice: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Detect {
    #[command(flatten)]
    pub(crate) model: ModelChoice,
    /// Any file that GStreamer decodes.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// One JSON object a frame: {"frame","pts_ms","inference_ms","inferred","runs","boxes":[{"label","score","x","y","w","h","track"}]}, boxes as fractions of the picture.
    #[arg(long)]
    pub(crate) json: bool,
    /// Run the model on every Nth frame; the tracker fills in the others.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// At most N model runs a second of the file, crops counted each; the tracker fills in between [default: every frame].
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f32>,
    /// Look at whole pictures only, never at crops around what moves.
    #[arg(long)]
    pub(crate) whole: bool,
    /// Run the model only when the recorder would: motion, or a while without a look.
    #[arg(long)]
    pub(crate) gate: bool,
    /// With --gate: add {"watched":{"moved","settled","begin":[TRACK],"scene"}} to each JSON line: motion, steady light,
    /// the events that begin, and the scene when it changes.
    #[arg(long, requires = "gate")]
    pub(crate) events: bool,
    /// Least score that begins an event, 0 to 1.
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = fraction)]
    pub(crate) event_score: f32,
    /// Least score, 0 to 1 [default: the card's].
    #[arg(long, value_name = "S", value_parser = fraction)]
    pub(crate) min_score: Option<f32>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) model: ModelChoice,
    /// Threads that run the model.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) threads: u8,
    /// Most model runs a second and stream, crops counted each.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rate: u16,
    /// Memory that it may use; wanting more ends it [default: as much as there is].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(32..=1 << 20))]
    pub(crate) memory: Option<u64>,
    /// Share of a core that the eye may use, more than 1 for several; looks come further apart to stay within it.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub(crate) cpu: f32,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) model: ModelChoice,
    /// Use the first frame of this file [default: a made-up picture].
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// How many counted looks [default: 100 for one card, 21 for each of all].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) runs: Option<u32>,
    /// Without --card: keep what was measured in this file; nothing is measured when it is there already for this board and version.
    #[arg(long, value_name = "FILE")]
    pub(crate) remember: Option<PathBuf>,
    /// Measure although the file is there.
    #[arg(long, requires = "remember")]
    pub(crate) anew: bool,
    /// Begin no further model after so many seconds.
    #[arg(long, value_name = "S", default_value_t = 120)]
    pub(crate) deadline_s: u16,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cameras {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Capture {
    /// The camera as `main` and `sub` of the configuration have it, e.g. test:?size=1280x720 [default: serve the recorder].
    #[arg(value_name = "ADDRESS", num_args = 0..=2)]
    pub(crate) addresses: Vec<String>,
    /// How long to look, from the first picture on.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

fn rate(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(r) if (0.01..=1000.0).contains(&r) => Ok(r),
        _ => Err("write a number from 0.01 to 1000".into()),
    }
}

fn fraction(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(f) if (0.0..=1.0).contains(&f) => Ok(f),
        _ => Err("write a number from 0 to 1".into()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(f) if (0.05..=64.0).contains(&f) => Ok(f),
        _ => Err("write a number from 0.05 to 64".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
