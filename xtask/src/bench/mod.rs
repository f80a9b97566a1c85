//! This machine → BENCHMARKS.md: what the recorder costs and loses, against ffmpeg on the same cameras, both taking turns.
//! Each mode measures one chapter, can be run alone and leaves the other chapters as they are.

mod admin;
mod cameras;
mod cost;
mod crash;
mod document;
mod eye;
mod farm;
mod footage;
mod frames;
mod image;
mod recorder;
mod relays;
mod rtsp;
mod sizes;
mod sound;
mod stage;
mod steady;
mod store;
mod strace;
mod sync;
mod table;
mod tree;
mod wrap;

use crate::options::Options;
use crate::place::{Place, read, write};
use crate::{demo, run, setup, web};
use anyhow::{Result, bail};
use crash::End;
use stage::Stage;
use std::process::Command;
use table::Section;

/// One chapter.
struct Mode {
    name: &'static str,
    title: &'static str,
    needs: &'static [Needs],
    /// Why it can't be measured here, and the mend.
    missing: fn() -> Option<String>,
    /// Measured seconds when none are given.
    seconds: u64,
    measure: fn(&Stage<'_>) -> Result<Section>,
}

/// What is built first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Programs,
    RingBench,
}

const NOTHING: fn() -> Option<String> = || None;

#[rustfmt::skip]
const MODES: &[Mode] = &[
    Mode { name: "run", title: steady::TITLE, needs: &[Needs::Programs], missing: NOTHING, seconds: 60, measure: steady::measure },
    Mode { name: "wrap", title: wrap::TITLE, needs: &[Needs::Programs], missing: strace::missing, seconds: 60, measure: wrap::measure },
    Mode { name: "kill", title: crash::KILL, needs: &[Needs::Programs], missing: NOTHING, seconds: 60, measure: |stage| crash::measure(stage, End::Kill) },
    Mode { name: "cut", title: crash::CUT, needs: &[Needs::Programs], missing: image::missing, seconds: 60, measure: |stage| crash::measure(stage, End::Cut) },
    Mode { name: "sync", title: sync::TITLE, needs: &[Needs::Programs], missing: strace::missing, seconds: 60, measure: sync::measure },
    Mode { name: "restart", title: store::RESTART, needs: &[Needs::RingBench], missing: NOTHING, seconds: 0, measure: store::restart },
    Mode { name: "rebuild", title: store::REBUILD, needs: &[Needs::RingBench], missing: NOTHING, seconds: 0, measure: store::rebuild },
    Mode { name: "memory", title: store::MEMORY, needs: &[Needs::RingBench], missing: store::no_tmpfs, seconds: 0, measure: store::memory },
    Mode { name: "sound", title: sound::TITLE, needs: &[Needs::Programs], missing: NOTHING, seconds: 60, measure: sound::measure },
    Mode { name: "sizes", title: sizes::SIZES, needs: &[Needs::Programs], missing: NOTHING, seconds: 0, measure: sizes::sizes },
    Mode { name: "relays", title: relays::TITLE, needs: &[Needs::Programs], missing: NOTHING, seconds: 0, measure: relays::measure },
    Mode { name: "eye", title: eye::TITLE, needs: &[Needs::Programs], missing: NOTHING, seconds: 60, measure: eye::measure },
    Mode { name: "detector", title: sizes::DETECTOR, needs: &[Needs::Programs], missing: NOTHING, seconds: 0, measure: sizes::detector },
];

/// The modes that say what the ring is worth.
const RING: &[&str] = &["run", "wrap", "kill", "cut", "sync", "restart", "rebuild", "memory"];

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let rounds: u32 = options.number("rounds", 3)?;
    let seconds: Option<u64> = options.text("seconds").map(|_| options.number("seconds", 0)).transpose()?;
    if seconds.is_some_and(|seconds| seconds < 5) || rounds == 0 {
        bail!("--seconds must be at least 5 and --rounds at least 1");
    }
    let sets = options.text("n").map(stage::sets).transpose()?;
    let ring_mib: Option<u64> = options.text("ring").map(|_| options.number("ring", 0)).transpose()?;
    if ring_mib.is_some_and(|mib| mib < 64) {
        bail!("--ring must be at least 64 MiB: eight slabs for each of eight cameras");
    }
    let modes = modes(&options.words().collect::<Vec<_>>())?;
    if !options.has("as-built") {
        build(place, &modes)?;
    }

    let mut missed = Vec::new();
    for mode in &modes {
        if let Some(why) = (mode.missing)() {
            println!("\nSKIP {}: {why}", mode.name);
            continue;
        }
        let stage =
            Stage { place, seconds: seconds.unwrap_or(mode.seconds), rounds, sets: sets.clone(), ring_mib };
        let section =
            (mode.measure)(&stage).map_err(|error| error.context(format!("bench {}", mode.name)))?;
        println!();
        for target in &section.targets {
            println!("   {}", target.line());
            if !target.is_met() {
                missed.push(format!("{}: {}", mode.name, target.line()));
            }
        }
        note(place, &section)?;
    }
    if !missed.is_empty() {
        println!("\nmissed:\n  {}", missed.join("\n  "));
    }
    if options.has("check") && !missed.is_empty() {
        bail!("{} targets are missed", missed.len());
    }
    Ok(())
}

fn modes(words: &[&str]) -> Result<Vec<&'static Mode>> {
    let names: Vec<&str> = match words {
        [] => MODES.iter().map(|mode| mode.name).collect(),
        ["ring"] => RING.to_vec(),
        words => words.to_vec(),
    };
    if let Some(unknown) = names.iter().find(|name| MODES.iter().all(|mode| mode.name != **name)) {
        let known: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
        bail!("there is no mode `{unknown}`; known: ring, {}", known.join(", "));
    }
    Ok(MODES.iter().filter(|mode| names.contains(&mode.name)).collect())
}

fn build(place: &Place, modes: &[&Mode]) -> Result<()> {
    let need = |what| modes.iter().any(|mode| mode.needs.contains(&what));
    setup::for_verb(place, "bench")?;
    if need(Needs::Programs) {
        web::build(place)?; // it is inside the program
        run::say("release build");
        demo::release_build(place)?;
    }
    if need(Needs::RingBench) {
        store::build(place)?;
    }
    Ok(())
}

/// Puts a chapter into BENCHMARKS.md.
fn note(place: &Place, section: &Section) -> Result<()> {
    let path = place.at("BENCHMARKS.md");
    let text = if path.exists() { read(&path)? } else { String::new() };
    let date = run::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let titles: Vec<&str> = MODES.iter().map(|mode| mode.title).collect();
    let chapter = section.markdown(&format!("{date}; {}.", machine()));
    write(&path, &document::with_chapter(&text, &titles, section.title, &chapter))?;
    run::done("written", &format!("{}, {}", place.short(&path), section.title));
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_taken_by_name_in_their_own_order() {
        let names =
            |words: &[&str]| modes(words).map(|all| all.iter().map(|mode| mode.name).collect::<Vec<_>>());
        assert_eq!(names(&["sync", "run"]).expect("both are known"), ["run", "sync"]);
        assert_eq!(names(&["ring"]).expect("a group"), RING);
        assert_eq!(names(&[]).expect("all").len(), MODES.len());
        assert!(names(&["rnu"]).expect_err("a typo").to_string().contains("rnu"));
    }
}
