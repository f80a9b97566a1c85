//! `bench restart`, `rebuild` and `memory`: the storage by itself, in a program of its own (`firmware/io/examples/ring_bench.rs`,
//! release profile) → how fast it starts on a terabyte, how fast its index is made again, that its memory does not grow.

use super::image::{self, Image};
use super::stage::Stage;
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use crate::place::Place;
use crate::run;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const RESTART: &str = "Storage: restart";
pub(super) const REBUILD: &str = "Storage: rebuilding the index";
pub(super) const MEMORY: &str = "Storage: memory of an hour";
/// 1 TiB of slabs of 64 MiB.
const SLABS: u64 = 16_384;
/// Slabs whose last records are as large as a camera's of 4 Mbit/s.
const REBUILT: u64 = 1_024;
/// Bytes of a beat's pictures.
const BEAT: u64 = 375_000;
/// Bytes of the file system that holds sparse slabs.
const IMAGE: u64 = 4 << 30;
const CAMERAS: u64 = 24;
const MINUTES: u64 = 60;
/// Ring that is gone round in 43 s.
const RING_MIB: u64 = 512;
/// Where the ring's footage is neither on a disk nor in the program's own memory.
const TMPFS: &str = "/dev/shm";

fn program(stage: &Stage<'_>) -> PathBuf {
    stage.place.target("release/examples/ring_bench")
}

/// Builds what the three modes run.
pub(super) fn build(place: &Place) -> Result<()> {
    let mut cargo = run::cargo(place);
    cargo.args(["build", "--release", "-p", "nightjar-io", "--example", "ring_bench"]);
    run::loud("ring_bench, release", &mut cargo, "the compiler's message above names the file and the line")
}

fn call(stage: &Stage<'_>, words: &[&str], dir: &Path) -> Result<Value> {
    let mut command = Command::new(program(stage));
    let (first, rest) = words.split_first().context("a call has a first word")?;
    command.arg(first).arg(dir).args(rest);
    let said = run::capture(&mut command)?;
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("ring_bench {first} said `{line}`"))
}

fn number(value: &Value, key: &str) -> Result<f64> {
    value[key].as_f64().with_context(|| format!("ring_bench told no {key}"))
}

fn section(title: &'static str, notes: String, of: &'static str, columns: &'static [Column]) -> Section {
    Section { title, notes, of, columns, rows: Vec::new(), targets: Vec::new() }
}

fn add(section: &mut Section, set: &str, figures: Figures) {
    let row = Row { set: set.to_owned(), who: OURS, figures };
    println!("   {}", section.line(&row));
    section.rows.push(row);
}

pub(super) fn restart(stage: &Stage<'_>) -> Result<Section> {
    const COLUMNS: &[Column] = &[
        column("slabs", "slabs", 0, ""),
        column("seconds", "from `Storage::open` to ready", 2, " s"),
        column("rss", "peak RSS MB", 1, ""),
    ];
    let mut section = section(
        RESTART,
        format!(
            "{SLABS} full slabs of 64 MiB of {CAMERAS} cameras (sparse files) in the index. First start: index, folders and file system just\n\
             mounted, nothing in memory (only as root; else it is left out). Then as after a restart of the program alone. Medians of {}.",
            stage.rounds
        ),
        "start",
        COLUMNS,
    );
    let folder = stage.empty("store")?;
    let disk = if image::missing().is_none() { Some(Image::make(&folder, IMAGE)?) } else { None };
    let dir =
        disk.as_ref().map_or_else(|| folder.clone(), |disk| disk.mounted().to_path_buf()).join("volume");
    let slabs = SLABS.to_string();
    run::say(&format!("restart: making {SLABS} slabs"));
    call(stage, &["make", &slabs, "64"], &dir)?;
    let rebuilt = call(stage, &["rebuild"], &dir)?;
    if number(&rebuilt, "slabs")? as u64 != SLABS {
        bail!("the index knows {} of {SLABS} slabs", rebuilt["slabs"]);
    }
    call(stage, &["open", &slabs], &dir)?; // what only a first start does
    for _ in 0..stage.rounds {
        for start in ["cold", "warm"] {
            match (&disk, start) {
                (Some(disk), "cold") => disk.mount_cold()?,
                (None, "cold") => continue,
                _ => {}
            }
            let said = call(stage, &["open", &slabs], &dir)?;
            let figures = Figures::from([
                ("slabs", SLABS as f64),
                ("seconds", number(&said, "seconds")?),
                ("rss", number(&said, "rss_bytes")? / 1e6),
            ]);
            add(&mut section, start, figures);
        }
    }
    let start = if disk.is_some() { "cold" } else { "warm" };
    section.targets = vec![Target {
        what: format!("seconds to a {start} start with 1 TB"),
        limit: 2.0,
        found: section.median(start, OURS, "seconds"),
        digits: 2,
    }];
    Ok(section)
}

pub(super) fn rebuild(stage: &Stage<'_>) -> Result<Section> {
    const COLUMNS: &[Column] = &[
        column("seconds", "seconds", 2, ""),
        column("rate", "slabs a second", 0, ""),
        column("mb", "MB of slabs a second", 0, ""),
        column("read", "MB read a slab", 2, ""),
    ];
    let mut section = section(
        REBUILD,
        format!(
            "`nightjar check --rebuild` on {REBUILT} full slabs of 64 MiB: their seals are read, and the last beats of each are checked by\n\
             hash. Pictures are zeros in sparse files, so the disk's own time is not in it: on a disk that reads slower than\n\
             what is read here, its speed counts. Medians of {}.",
            stage.rounds
        ),
        "slabs",
        COLUMNS,
    );
    let dir = stage.empty("store")?.join("volume");
    call(stage, &["make", &REBUILT.to_string(), &BEAT.to_string()], &dir)?;
    for _ in 0..stage.rounds {
        let said = call(stage, &["rebuild"], &dir)?;
        let (slabs, seconds) = (number(&said, "slabs")?, number(&said, "seconds")?);
        if slabs as u64 != REBUILT {
            bail!("the index knows {slabs} of {REBUILT} slabs");
        }
        let figures = Figures::from([
            ("seconds", seconds),
            ("rate", slabs / seconds),
            ("mb", number(&said, "bytes")? / 1e6 / seconds),
            ("read", number(&said, "read_bytes")? / 1e6 / slabs),
        ]);
        add(&mut section, &REBUILT.to_string(), figures);
    }
    Ok(section)
}

/// Why memory is not measured, and the mend.
pub(super) fn no_tmpfs() -> Option<String> {
    let is_there = Path::new(TMPFS).is_dir();
    (!is_there).then(|| format!("{TMPFS} is missing; mount a tmpfs of {} MiB there", RING_MIB + 128))
}

pub(super) fn memory(stage: &Stage<'_>) -> Result<Section> {
    const COLUMNS: &[Column] = &[
        column("first", "highest RSS MB in minutes 6 to 20", 2, ""),
        column("middle", "21 to 40", 2, ""),
        column("last", "41 to 60", 2, ""),
        column("peak", "peak", 2, ""),
        column("rounds", "times written over", 0, ""),
        column("index", "index MB", 1, ""),
        column("refused", "pictures refused", 0, ""),
    ];
    let mut section = section(
        MEMORY,
        format!(
            "The storage alone, {CAMERAS} cameras of 4 Mbit/s into a ring of {RING_MIB} MiB on a tmpfs, driven through {MINUTES} minutes by a virtual\n\
             clock. One run."
        ),
        "cameras",
        COLUMNS,
    );
    let dir = Path::new(TMPFS).join(format!("nightjar-bench-{}", std::process::id()));
    let words = [CAMERAS, MINUTES, RING_MIB].map(|n| n.to_string());
    run::say(&format!("memory: {MINUTES} minutes of {CAMERAS} cameras"));
    let said = call(stage, &["memory", &words[0], &words[1], &words[2]], &dir);
    std::fs::remove_dir_all(&dir).ok(); // it is only memory; the machine's next start clears it too
    let said = said?;
    // the index is compacted every few minutes, so one moment says little: the highest of each part is compared
    let all: Vec<f64> =
        said["rss_bytes"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let highest = |minutes: std::ops::RangeInclusive<usize>| {
        let part = all
            .get(minutes.start() - 1..*minutes.end())
            .context("ring_bench ended before its last minute")?;
        anyhow::Ok(part.iter().copied().fold(0.0, f64::max) / 1e6)
    };
    let (first, middle, last) = (highest(6..=20)?, highest(21..=40)?, highest(41..=60)?);
    let figures = Figures::from([
        ("first", first),
        ("middle", middle),
        ("last", last),
        ("peak", number(&said, "peak_bytes")? / 1e6),
        ("rounds", number(&said, "rounds")?),
        ("index", number(&said, "index_bytes")? / 1e6),
        ("refused", number(&said, "refused")?),
    ]);
    add(&mut section, &CAMERAS.to_string(), figures);
    let grown = 100.0 * (middle.max(last) - first) / first;
    println!("   each minute, MB: {:?}", all.iter().map(|b| (b / 1e5).round() / 10.0).collect::<Vec<_>>());
    section.targets = vec![
        Target {
            what: "growth of memory since minutes 6 to 20, %".into(),
            limit: 5.0,
            found: Some(grown),
            digits: 1,
        },
        Target {
            what: "pictures refused".into(),
            limit: 0.0,
            found: section.median(&CAMERAS.to_string(), OURS, "refused"),
            digits: 0,
        },
    ];
    Ok(section)
}
