//! This machine → BENCHMARKS.md: what the recorder costs against ffmpeg on the same cameras, both taking turns.

mod cameras;
mod measure;
mod recorder;
mod report;
mod tree;

use crate::options::Options;
use crate::place::{Place, write};
use crate::{demo, run, setup, web};
use anyhow::{Context, Result, bail};
use cameras::Cameras;
use measure::{Row, measure};
use recorder::Kind;
use report::Report;
use std::process::Command;

/// Pictures whose inference is timed.
const INFERENCES: &str = "200";

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let seconds: u64 = options.number("seconds", 60)?;
    let rounds: u32 = options.number("rounds", 3)?;
    let counts = counts(options.text("n").unwrap_or("1,8"))?;
    if seconds < 5 || rounds == 0 {
        bail!("--seconds must be at least 5 and --rounds at least 1");
    }
    setup::for_verb(place, "bench")?;
    web::build(place)?;
    run::say("release build");
    demo::release_build(place)?;

    let mut rows: Vec<Row> = Vec::new();
    for &cameras in &counts {
        let server = Cameras::start(place, cameras)?;
        for round in 1..=rounds {
            run::say(&format!("{cameras} cameras, round {round} of {rounds}, {seconds} s each"));
            // Who goes first changes every round, so that a neighbour's slow drift hits both.
            let mut kinds = vec![Kind::Nightjar, Kind::Ffmpeg];
            if round % 2 == 0 {
                kinds.reverse();
            }
            if cameras == 1 {
                kinds.push(Kind::NightjarDetecting);
            }
            for kind in kinds {
                let row = measure(place, &server, kind, seconds)?;
                println!("   {}", report::line(&row));
                rows.push(row);
            }
        }
    }
    run::say("inference");
    let inference = inference(place);
    if let Err(error) = &inference {
        println!("   not measured: {error:#}");
    }
    let report = Report {
        machine: machine(),
        date: run::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
        seconds,
        rounds,
        rows,
        sizes: sizes(place),
        page: web::gzipped(place)?,
        inference: inference.ok(),
    };
    let path = place.at("BENCHMARKS.md");
    write(&path, &report.markdown())?;
    run::done("written", &place.short(&path));
    Ok(())
}

fn counts(text: &str) -> Result<Vec<u32>> {
    let numbers =
        text.split(',').map(|word| word.trim().parse::<u32>().ok().filter(|n| (1..=64).contains(n)));
    numbers
        .collect::<Option<Vec<u32>>>()
        .with_context(|| format!("`--n {text}`: numbers from 1 to 64, as in 1,8"))
}

/// Processor, cores, memory and system in one line.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model =
        field("model name").or_else(|| field("Model")).unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes: f64 = memory.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or("Linux")
        .trim_matches('"');
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let ffmpeg = run::capture(Command::new("ffmpeg").arg("-version")).unwrap_or_default();
    let ffmpeg = ffmpeg.split_whitespace().nth(2).unwrap_or("?").to_owned();
    format!(
        "{model}, {cores} cores, {:.0} GB, {}, {system}, kernel {}, ffmpeg {ffmpeg}",
        kilobytes / 1e6,
        std::env::consts::ARCH,
        kernel.trim()
    )
}

/// Bytes of the programs that are there, native and cross-built.
fn sizes(place: &Place) -> Vec<(String, u64)> {
    let mut sizes = Vec::new();
    for program in ["nightjar", "nightjar-eye"] {
        let native = place.target(&format!("release/{program}"));
        for (path, arch) in
            [(native, std::env::consts::ARCH), (crate::cross::built(place, program), "aarch64, cross")]
        {
            if let Ok(data) = path.metadata() {
                sizes.push((format!("{program} ({arch})"), data.len()));
            }
        }
    }
    sizes
}

/// Median and 90th percentile of the milliseconds that the eye takes to look at a picture of the clip.
fn inference(place: &Place) -> Result<(f64, f64)> {
    let mut eye = Command::new(place.target("release/nightjar-eye"));
    eye.args(["bench", "--json", "--runs", INFERENCES, "--models"]).arg(place.target("models"));
    let text = run::capture(eye.arg("--input").arg(place.target("clips/vtest.mp4")))?;
    let said: serde_json::Value =
        serde_json::from_str(&text).context("nightjar-eye bench printed no JSON")?;
    let number = |key: &str| said[key].as_f64().with_context(|| format!("nightjar-eye bench told no {key}"));
    Ok((number("median_ms")?, number("p90_ms")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camera_counts_are_numbers_in_range() {
        assert_eq!(counts("1, 8").expect("two numbers"), [1, 8]);
        assert!(counts("0").is_err() && counts("1,x").is_err() && counts("").is_err());
    }
}
