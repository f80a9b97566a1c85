//! Names of fuzz targets → each run under libFuzzer for a while, its figures, and the input of every crash.
//!
//! No nightly compiler and no cargo-fuzz: the flags below are what they would set, and libFuzzer comes as a crate.

use crate::options::Options;
use crate::place::{Place, make_dir};
use crate::run;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Counters and compared values at every edge, for libFuzzer to steer by (LLVM's SanitizerCoverage). An address sanitizer
/// is left out: our crates forbid unsafe code.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg",
    "fuzzing",
];
/// More memory than this is a crash, MiB.
const MEMORY: u32 = 512;
/// One input that takes longer is a crash, seconds.
const SLOWEST: u32 = 5;

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let seconds: u64 = options.number("seconds", 60)?;
    let corpus = options.text("corpus").map_or_else(|| place.target("fuzz/corpus"), |dir| place.at(dir));
    let program = build(place)?;
    let known = targets(&program)?;
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let asked: Vec<&str> = options.words().collect();
    if let Some(other) = asked.iter().find(|name| !names.contains(name)) {
        bail!("there is no fuzz target `{other}`; known: {}", names.join(", "));
    }
    let chosen = known.iter().filter(|(name, _)| asked.is_empty() || asked.contains(&name.as_str()));
    run::say(&format!("{seconds} s a target"));
    let mut failed = Vec::new();
    for (name, max_len) in chosen {
        if let Err(error) = target(place, &program, name, *max_len, seconds, &corpus.join(name)) {
            eprintln!("{error:#}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("crashes in: {}", failed.join(", "))
}

/// The program with all targets, in a folder of its own: its flags would make cargo build everything else again.
fn build(place: &Place) -> Result<PathBuf> {
    run::say("build (some minutes the first time)");
    let version = run::capture(Command::new("rustc").arg("-vV")).context("rustc does not tell its host")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let folder = place.target("fuzz");
    let mut cargo = run::cargo(place);
    // Named although it is the host's: so build scripts and macros go without the flags.
    cargo.args([
        "build",
        "--package",
        "nightjar-fuzz",
        "--features",
        "libfuzzer",
        "--profile",
        "fuzz",
        "--target",
        host,
    ]);
    cargo.env("CARGO_TARGET_DIR", &folder).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    run::loud(
        "fuzz targets",
        &mut cargo,
        "libFuzzer is C++: it needs g++; else the message above names file and line",
    )?;
    Ok(folder.join(host).join("fuzz/nightjar-fuzz"))
}

/// Name and longest input of every target, as the program tells them.
fn targets(program: &Path) -> Result<Vec<(String, u32)>> {
    let list = run::capture(Command::new(program).env("NIGHTJAR_FUZZ", "list"))?;
    let row = |line: &str| {
        let (name, max_len) = line.split_once(' ')?;
        Some((name.to_owned(), max_len.parse().ok()?))
    };
    list.lines().map(|line| row(line).with_context(|| format!("no target and length: `{line}`"))).collect()
}

fn target(
    place: &Place,
    program: &Path,
    name: &str,
    max_len: u32,
    seconds: u64,
    corpus: &Path,
) -> Result<()> {
    let seeds = place.target(&format!("fuzz/seeds/{name}"));
    let crashes = place.target(&format!("fuzz/crashes/{name}/"));
    [corpus, &seeds, &crashes].into_iter().try_for_each(make_dir)?;
    let mut command = Command::new(program);
    command.env("NIGHTJAR_FUZZ", name).env("NIGHTJAR_FUZZ_SEEDS", &seeds);
    // libFuzzer writes what is new into the first folder. What once failed is tried first of all.
    command
        .arg(corpus)
        .arg(&seeds)
        .args(Some(place.at(&format!("tests/fuzz/found/{name}"))).filter(|dir| dir.is_dir()));
    command.arg(format!("-dict={}", seeds.with_extension("dict").display()));
    command.arg(format!("-artifact_prefix={}/", crashes.display()));
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={max_len}"),
        format!("-timeout={SLOWEST}"),
    ]);
    command.args([
        format!("-rss_limit_mb={MEMORY}"),
        "-print_final_stats=1".into(),
        "-use_value_profile=1".into(),
    ]);
    let what = format!("fuzz {name}");
    let ran = run::quiet(place, &what, &mut command, "mend the parser, or the property that was wrong");
    let log = std::fs::read(place.target(&format!("xtask/fuzz-{}.log", name.replace('_', "-"))))
        .unwrap_or_default();
    let figures = Figures::read(&String::from_utf8_lossy(&log));
    run::done("", &figures.words());
    ran.map_err(|error| match figures.crash {
        Some(input) => anyhow!(
            "{name}: {}\n  input: {}\n  again: NIGHTJAR_FUZZ={name} {} {}\n  mended: put the input into tests/fuzz/found/{name}/, where `cargo test` finds it",
            figures.reason.unwrap_or_else(|| "it crashed".into()),
            place.short(Path::new(&input)),
            place.short(program),
            place.short(Path::new(&input)),
        ),
        None => error,
    })
}

/// What libFuzzer said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    a_second: u64,
    /// Edges that were reached.
    coverage: u64,
    /// Inputs that each reach something else.
    corpus: u64,
    memory_mb: u64,
    /// The input that crashed.
    crash: Option<String>,
    /// The panic's words, or libFuzzer's.
    reason: Option<String>,
}

impl Figures {
    fn read(log: &str) -> Self {
        let mut figures = Self::default();
        let number =
            |text: &str| text.trim().split(['/', ' ']).next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let mut lines = log.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some((stat, value)) = line.strip_prefix("stat::").and_then(|stat| stat.split_once(':')) {
                match stat {
                    "number_of_executed_units" => figures.executions = number(value),
                    "average_exec_per_sec" => figures.a_second = number(value),
                    "peak_rss_mb" => figures.memory_mb = number(value),
                    _ => {}
                }
            } else if line.starts_with('#') {
                for (key, place) in [("cov: ", &mut figures.coverage), ("corp: ", &mut figures.corpus)] {
                    if let Some((_, rest)) = line.split_once(key) {
                        *place = number(rest);
                    }
                }
            } else if let Some((_, input)) = line.split_once("Test unit written to ") {
                figures.crash = Some(input.trim().to_owned());
            } else if figures.reason.is_none()
                && let Some((_, at)) =
                    line.split_once("' panicked at ").or_else(|| line.split_once(") panicked at "))
            {
                let said = lines.peek().copied().unwrap_or_default();
                figures.reason = Some(format!("panicked at {at} {said}"));
            } else if figures.reason.is_none()
                && let Some((_, said)) = line.split_once("ERROR: libFuzzer: ")
            {
                figures.reason = Some(said.to_owned());
            }
        }
        figures
    }

    fn words(&self) -> String {
        let Self { executions, a_second, coverage, corpus, memory_mb, .. } = self;
        format!(
            "{executions} executions, {a_second}/s, {coverage} edges, {corpus} inputs kept, {memory_mb} MB"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libfuzzer_says() {
        let log = "#2\tINITED cov: 7 ft: 8 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                   #4096\tpulse  cov: 31 ft: 60 corp: 9/90b lim: 4 exec/s: 2048 rss: 31Mb\n\
                   #9000\tDONE   cov: 40 ft: 70 corp: 12/3Kb lim: 8 exec/s: 3000 rss: 33Mb\n\
                   stat::number_of_executed_units: 9000\nstat::average_exec_per_sec:     3000\nstat::peak_rss_mb:  33\n";
        let figures = Figures::read(log);
        assert_eq!(figures.words(), "9000 executions, 3000/s, 40 edges, 12 inputs kept, 33 MB");
        assert_eq!((figures.crash, figures.reason), (None, None));
    }

    #[test]
    fn names_the_panic_and_the_input() {
        let log = "thread '<unnamed>' (77) panicked at firmware/media/src/x.rs:5:9:\nno such box\n\
                   ==77== ERROR: libFuzzer: deadly signal\n\
                   artifact_prefix='t/'; Test unit written to t/crash-0a1b\n";
        let figures = Figures::read(log);
        assert_eq!(figures.crash.as_deref(), Some("t/crash-0a1b"));
        assert_eq!(figures.reason.as_deref(), Some("panicked at firmware/media/src/x.rs:5:9: no such box"));
    }
}
