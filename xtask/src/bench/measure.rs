//! One recorder on running cameras → one row of figures.

use super::cameras::Cameras;
use super::recorder::{Kind, Recorder};
use super::tree::{Tree, idle_and_total};
use crate::clock::Stopwatch;
use crate::place::{Place, make_dir};
use crate::run;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Time a recorder gets to connect and settle before it is measured.
const WARM_UP: Duration = Duration::from_secs(6);
/// A recorder that has left no file after this time is broken.
const FIRST_FILE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(250);

/// What one run cost and left.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) cameras: u32,
    /// Processor seconds for one camera and one minute.
    pub(super) cpu: f64,
    /// Highest sums over the process tree, in bytes.
    pub(super) rss: u64,
    pub(super) pss: u64,
    /// Bytes handed to the disk for each byte of recorded media.
    pub(super) write_ratio: f64,
    /// Recorded seconds of pictures, of one camera on average, and the seconds from the recorder's start to its stop.
    pub(super) recorded_s: f64,
    pub(super) ran_s: f64,
    /// From the start of the process to the first recording on disk.
    pub(super) first_file_s: f64,
    /// Share of the machine that was idle in the measured time.
    pub(super) idle: f64,
}

pub(super) fn measure(place: &Place, cameras: &Cameras, kind: Kind, seconds: u64) -> Result<Row> {
    let work = place.target("bench/run");
    if work.exists() {
        std::fs::remove_dir_all(&work).context("can't clear target/bench/run")?;
    }
    make_dir(&work)?;
    let start = Stopwatch::start();
    let mut recorder = Recorder::start(place, cameras, kind, &work)?;
    while recorder.files().is_empty() {
        if !recorder.is_alive() || start.elapsed() > FIRST_FILE {
            bail!("{} recorded nothing; its log is in {}", kind.name(), place.short(&work));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let first_file_s = start.elapsed().as_secs_f64();
    std::thread::sleep(WARM_UP);

    let mut tree = Tree::of(recorder.roots());
    let (idle, total) = idle_and_total();
    let (cpu, watch) = (tree.cpu(), Stopwatch::start());
    let mut looks = 0u32;
    while watch.elapsed() < Duration::from_secs(seconds) {
        tree.sample(looks.is_multiple_of(8));
        looks += 1;
        std::thread::sleep(LOOK);
    }
    let (window, cpu) = (watch.elapsed().as_secs_f64(), tree.cpu() - cpu);
    let (idle_after, total_after) = idle_and_total();
    if !recorder.is_alive() {
        bail!("{} ended while it was measured; its log is in {}", kind.name(), place.short(&work));
    }
    let ran_s = start.elapsed().as_secs_f64();
    tree.sample(true);
    recorder.stop(|| tree.sample(false))?;

    let (mut frames, mut bytes) = (0, 0);
    for file in recorder.files() {
        let main = !file.components().any(|part| part.as_os_str() == "sub");
        let (count, size) = media(&file)?;
        frames += if main { count } else { 0 };
        bytes += size;
    }
    Ok(Row {
        kind,
        cameras: cameras.count,
        cpu: cpu * 60.0 / window / f64::from(cameras.count),
        rss: tree.peak_rss,
        pss: tree.peak_pss,
        write_ratio: tree.written as f64 / bytes.max(1) as f64,
        recorded_s: frames as f64 / PICTURES_A_SECOND / f64::from(cameras.count),
        ran_s,
        first_file_s,
        idle: (idle_after - idle) as f64 / (total_after - total).max(1) as f64,
    })
}

/// Rate of the clips.
const PICTURES_A_SECOND: f64 = 10.0;

/// Pictures, and bytes of pictures and sound, in one recording.
fn media(file: &Path) -> Result<(u64, u64)> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_entries", "packet=codec_type,size", "-of", "csv=p=0"]).arg(file);
    let text = run::capture(&mut command)?;
    let (mut pictures, mut bytes) = (0, 0);
    for line in text.lines() {
        let Some((kind, size)) = line.split_once(',') else { continue };
        pictures += u64::from(kind == "video");
        bytes += size.trim_end_matches(',').parse::<u64>().unwrap_or(0);
    }
    Ok((pictures, bytes))
}
