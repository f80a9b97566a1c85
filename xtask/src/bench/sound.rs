//! `bench sound`: the pedestrian clip with sound from GStreamer's RTSP server → what recording and detection cost on cameras
//! that are not ours.

use super::cameras::Cameras;
use super::cost;
use super::footage::Stream;
use super::recorder::{Kind, Recorder, Setup, Source};
use super::stage::Stage;
use super::table::{Column, Figures, Row, Section, column};
use super::tree::Tree;
use crate::clock::Stopwatch;
use crate::run;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) const TITLE: &str = "Recording: with sound and detection";
/// Time a recorder gets to connect and settle before it is measured.
const WARM_UP: Duration = Duration::from_secs(6);
/// A recorder that has left no file after this time is broken.
const FIRST_FILE: Duration = Duration::from_secs(30);
/// Rate of the clips.
const PICTURES_A_SECOND: f64 = 10.0;

const COLUMNS: &[Column] = &[
    Column { key: "cpu", head: "CPU-s a camera-minute", digits: 3, unit: "", has_ratio: true },
    column("pss", "PSS MB", 1, ""),
    column("rss", "RSS MB", 1, ""),
    column("ratio", "bytes written a media byte", 3, ""),
    column("share", "recorded of the time from start to stop", 1, " %"),
    column("first", "first file after", 2, " s"),
    column("idle", "machine idle", 0, " %"),
];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    stage.check_recorder()?;
    let mut section = Section {
        title: TITLE,
        notes: format!(
            "Cameras of 1152×864 H.264, 10 pictures a second, 2 Mbit/s, with AAC sound, over RTSP/TCP on loopback, from GStreamer's\n\
             RTSP server, whose cost is not counted. Medians of {} rounds of {} s, in which the recorders took turns. Detection looks at\n\
             the sub stream, which is recorded too.",
            stage.rounds, stage.seconds
        ),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    for count in [1, 8] {
        let cameras = Cameras::start(stage.place, count)?;
        let mut kinds = vec![Kind::Nightjar, Kind::Ffmpeg];
        if count == 1 {
            kinds.push(Kind::NightjarDetecting);
        }
        stage.turns(&format!("sound, {count} cameras"), &kinds, |kind| {
            let figures = one(stage, &cameras, kind)?;
            let row = Row { set: count.to_string(), who: kind.name(), figures };
            println!("   {}", section.line(&row));
            section.rows.push(row);
            Ok(())
        })?;
    }
    Ok(section)
}

fn one(stage: &Stage<'_>, cameras: &Cameras, kind: Kind) -> Result<Figures> {
    let work = stage.empty("run")?;
    let mut sources = Vec::new();
    for camera in 1..=cameras.count {
        sources.push(Source { camera, stream: Stream::Main, url: cameras.url(camera, "main") });
        if kind == Kind::NightjarDetecting {
            sources.push(Source { camera, stream: Stream::Sub, url: cameras.url(camera, "sub") });
        }
    }
    let logs = work.clone();
    let start = Stopwatch::start();
    let setup = Setup { sources, quota_mib: 2 << 10, work, logs: logs.clone(), under: Vec::new() };
    let mut recorder = Recorder::start(stage.place, kind, setup)?;
    while recorder.files().is_empty() {
        if !recorder.is_alive() || start.elapsed() > FIRST_FILE {
            bail!("{} recorded nothing; its log is in {}", kind.name(), stage.place.short(&logs));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let first = start.elapsed().as_secs_f64();
    std::thread::sleep(WARM_UP);
    let mut tree = Tree::of(recorder.roots());
    let mut figures = cost::watch(&mut recorder, &mut tree, cameras.count, stage.seconds)?;
    let ran = start.elapsed().as_secs_f64();
    recorder.stop(|| tree.sample(false))?;
    let (mut pictures, mut bytes) = (0, 0);
    for camera in 1..=cameras.count {
        for stream in [Stream::Main, Stream::Sub] {
            for file in recorder.files_of(camera, stream) {
                let (count, size) = media(&file)?;
                pictures += if stream == Stream::Main { count } else { 0 };
                bytes += size;
            }
        }
    }
    let recorded = pictures as f64 / PICTURES_A_SECOND / f64::from(cameras.count);
    figures.extend([
        ("ratio", tree.written as f64 / bytes.max(1) as f64),
        ("share", 100.0 * recorded / ran),
        ("first", first),
    ]);
    Ok(figures)
}

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
