//! `bench eye`: cameras that show nothing, and people → what detection costs, and how long a detection takes.

use super::admin::Admin;
use super::farm::Farm;
use super::footage::{Clip, Stream};
use super::recorder::{Kind, Recorder, Setup, Source};
use super::stage::Stage;
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use super::tree::{Tree, eyes_of, idle_and_total};
use crate::clock::Stopwatch;
use crate::place::copy;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

pub(super) const TITLE: &str = "The eye: cost and latency";
/// On a machine that is busy with other things.
const LOADED_WITHIN: Duration = Duration::from_secs(180);
/// Streams begin, and what is new becomes background.
const WARM_UP: Duration = Duration::from_secs(20);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(500);
const QUOTA_MIB: u64 = 4 << 10;
/// The beat at which sockets are read while something moves: what a picture may have waited in its socket (beat.rs).
const BEAT_MS: f64 = 20.0;

const DECODER: &str = "ffmpeg, decoding";
const QUIET_1: &str = "1 quiet camera";
const QUIET_4: &str = "4 quiet cameras";
const PEOPLE: &str = "4 cameras with people";
const RECORDING: &str = "8 quiet cameras, main + sub: the recorder alone";

const COLUMNS: &[Column] = &[
    column("cpu", "CPU, % of a core a camera", 2, ""),
    column("rss", "peak RSS MB", 1, ""),
    column("pss", "peak PSS MB", 1, ""),
    column("decoded", "pictures decoded a camera-second", 2, ""),
    column("looks", "looks a camera-second", 2, ""),
    column("p50", "latency p50 ms", 0, ""),
    column("p99", "p99 ms", 0, ""),
    column("relay50", "to the relay p50 ms", 0, ""),
    column("relay99", "p99 ms", 0, ""),
    column("moves", "relay moves", 0, ""),
    column("idle", "machine idle", 0, " %"),
];

/// In the order of a picture's way; names of the recorder's own.
const STAGES: [&str; 9] =
    ["queue", "decode", "motion", "wait", "prepare", "model", "handover", "total", "relay"];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    stage.check_recorder()?;
    measure_board(stage)?;
    let mut section = Section {
        title: TITLE,
        notes: notes(stage),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    let mut split = Vec::new();
    for (name, stream, cameras) in
        [(QUIET_1, Stream::Still, 1), (QUIET_4, Stream::Still, 4), (PEOPLE, Stream::People, 4)]
    {
        for round in 1..=stage.rounds {
            crate::run::say(&format!("eye, {name}, round {round} of {}", stage.rounds));
            let (figures, stages) = eye(stage, stream, cameras)?;
            add(&mut section, name, OURS, figures);
            if stream == Stream::People {
                split.push(stages);
            }
            add(&mut section, name, DECODER, decoding(stage, stream, cameras)?);
        }
    }
    for round in 1..=stage.rounds {
        crate::run::say(&format!("eye, {RECORDING}, round {round} of {}", stage.rounds));
        for (who, kind) in [("nightjar, detection off", Kind::Nightjar), (OURS, Kind::NightjarDetecting)] {
            add(&mut section, RECORDING, who, recording(stage, kind)?);
        }
    }
    section.notes += &split_table(&split);
    section.targets = targets(&section);
    Ok(section)
}

fn notes(stage: &Stage<'_>) -> String {
    format!(
        "Sub-streams over RTSP/TCP on loopback from a server of our own: H.264, 10 pictures a second, a key frame every 2 s, 400 kbit/s.\n\
         Quiet: 640×360, a test picture that stands still under a sensor's noise. People: the pedestrian clip, 640×480. Medians of {}\n\
         rounds of {} s after {} s. CPU and memory are those of `nightjar-eye` alone, with one look of the model at each stream every 5 s\n\
         while nothing moves; `{DECODER}` is one `ffmpeg -f null` a camera that decodes every picture of the same streams and does\n\
         nothing with them. The last lines are the recorder's own process, eye not counted, with detection and without. Latency: from a\n\
         picture's last byte read from its socket to its detections at the rules, over the newest 1,024 looks of the model; the socket\n\
         itself is read every {BEAT_MS:.0} ms while something moves, which the targets add in full.\n\
         Each camera with people has a rule that moves a relay for 0.1 s for every person; to the relay: from that last byte until the\n\
         recorder hears that the process that keeps the relays has moved it.\n",
        stage.rounds,
        stage.seconds,
        WARM_UP.as_secs()
    )
}

fn add(section: &mut Section, set: &str, who: &'static str, figures: Figures) {
    let row = Row { set: set.into(), who, figures };
    println!("   {}", section.line(&row));
    section.rows.push(row);
}

/// What this board was found to do best. Measured once, before all else: a recorder that has it does not stop its eye for that in
/// the middle of a round.
fn choice(stage: &Stage<'_>) -> PathBuf {
    stage.place.target("bench/eye-choice.json")
}

fn measure_board(stage: &Stage<'_>) -> Result<()> {
    crate::run::say("what this board does best");
    let mut eye = Command::new(stage.place.target("release/nightjar-eye"));
    eye.args(["bench", "--models"]).arg(stage.place.target("models")).arg("--remember").arg(choice(stage));
    let mend = "read the log: the model or decoder that fails is named";
    crate::run::quiet(stage.place, "nightjar-eye bench", &mut eye, mend)
}

fn start(stage: &Stage<'_>, farm: &Farm, streams: &[Stream], kind: Kind) -> Result<Recorder> {
    let work = stage.empty("eye")?;
    copy(&choice(stage), &work.join("state/eye-choice.json"), 0o600)?;
    let source = |camera: u32, stream: Stream| Source { camera, stream, url: farm.url(camera, stream) };
    let of = |camera| streams.iter().map(move |stream| source(camera, *stream));
    let sources = (1..=farm.cameras).flat_map(of).collect();
    let setup = Setup { sources, quota_mib: QUOTA_MIB, logs: work.clone(), work, under: Vec::new() };
    Recorder::start(stage.place, kind, setup)
}

fn farm(stage: &Stage<'_>, streams: &[Stream], cameras: u32) -> Result<Farm> {
    let clips: Result<Vec<Arc<Clip>>> =
        streams.iter().map(|stream| Ok(Arc::new(Clip::load(stage.place, *stream)?))).collect();
    Farm::start(&clips?, cameras)
}

/// The model is loaded while streams already run; nothing is measured before it has looked at them.
fn until_it_looks(admin: &Admin, cameras: u32) -> Result<()> {
    let watch = Stopwatch::start();
    while admin.health()?["eye"]["inferred"].as_u64().unwrap_or(0) < u64::from(cameras) {
        if watch.elapsed() > LOADED_WITHIN {
            bail!("the eye looked at no picture within {} s", LOADED_WITHIN.as_secs());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

type Split = Vec<(String, f64, f64)>;

/// The eye of a recorder with so many cameras.
fn eye(stage: &Stage<'_>, stream: Stream, cameras: u32) -> Result<(Figures, Split)> {
    let farm = farm(stage, &[stream], cameras)?;
    let kind = if stream == Stream::People { Kind::NightjarSwitching } else { Kind::NightjarDetecting };
    let mut recorder = start(stage, &farm, &[stream], kind)?;
    let admin = Admin::of(&recorder)?;
    until_it_looks(&admin, cameras)?;
    std::thread::sleep(WARM_UP);
    let eyes: Vec<u32> = recorder.roots().into_iter().flat_map(eyes_of).collect();
    if eyes.len() != 1 {
        bail!("the recorder has {} eyes instead of one; see {}", eyes.len(), recorder.log().display());
    }
    let before = admin.health()?;
    let mut figures = watch(&mut Tree::of(eyes), cameras, stage.seconds);
    let after = admin.health()?;
    let grown = |key: &str| {
        let of = |health: &serde_json::Value| health["eye"][key].as_f64();
        let (before, after) = (of(&before), of(&after));
        let grown = after.zip(before).map(|(after, before)| after - before);
        grown.with_context(|| format!("health tells no eye.{key}"))
    };
    if after["eye"]["restarts"] != 0 {
        bail!("the eye was started again while it was measured");
    }
    let seconds = f64::from(cameras) * stage.seconds as f64;
    figures.insert("decoded", grown("decoded")? / seconds);
    figures.insert("looks", grown("inferred")? / seconds);
    let split = split(&after);
    if stream == Stream::People {
        for (name, p50, p99) in [("total", "p50", "p99"), ("relay", "relay50", "relay99")] {
            let stage = split.iter().find(|stage| stage.0 == name);
            let stage = stage.with_context(|| format!("health tells no latency of \"{name}\""))?;
            figures.extend([(p50, stage.1), (p99, stage.2)]);
        }
        figures.insert("moves", moves(&admin)?);
    }
    recorder.stop(|| ())?;
    Ok((figures, split))
}

/// Times that the relays went on since the recorder was started.
fn moves(admin: &Admin) -> Result<f64> {
    let outputs = admin.get("/api/v1/outputs")?.as_array().cloned().context("outputs are no list")?;
    Ok(outputs.iter().filter_map(|output| output["moves"].as_f64()).sum())
}

/// Stages with their median and 99th percentile.
fn split(health: &serde_json::Value) -> Split {
    let of = |name: &str| {
        let all = health["eye"]["latency"].as_array()?;
        let stage = all.iter().find(|stage| stage["stage"] == name)?;
        Some((name.to_owned(), stage["p50_ms"].as_f64()?, stage["p99_ms"].as_f64()?))
    };
    STAGES.iter().filter_map(|name| of(name)).collect()
}

/// Processor and memory of processes over a window.
fn watch(tree: &mut Tree, cameras: u32, seconds: u64) -> Figures {
    let ((idle, total), cpu, clock) = (idle_and_total(), tree.cpu(), Stopwatch::start());
    while clock.elapsed() < Duration::from_secs(seconds) {
        tree.sample(true);
        std::thread::sleep(LOOK);
    }
    let window = clock.elapsed().as_secs_f64();
    let (idle_after, total_after) = idle_and_total();
    Figures::from([
        ("cpu", 100.0 * (tree.cpu() - cpu) / window / f64::from(cameras)),
        ("rss", tree.peak_rss as f64 / 1e6),
        ("pss", tree.peak_pss as f64 / 1e6),
        ("idle", 100.0 * (idle_after - idle) as f64 / (total_after - total).max(1) as f64),
    ])
}

/// Decoders that end when this is dropped.
struct Decoders(Vec<Child>);

impl Drop for Decoders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// ffmpeg that decodes every picture of the same streams.
fn decoding(stage: &Stage<'_>, stream: Stream, cameras: u32) -> Result<Figures> {
    let farm = farm(stage, &[stream], cameras)?;
    let mut decoders = Decoders(Vec::new());
    for camera in 1..=cameras {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-loglevel", "quiet", "-rtsp_transport", "tcp", "-threads", "1", "-i"]);
        ffmpeg.arg(farm.url(camera, stream)).args(["-f", "null", "-"]).stdin(Stdio::null());
        decoders.0.push(ffmpeg.spawn().context("can't start ffmpeg")?);
    }
    std::thread::sleep(WARM_UP);
    let mut tree = Tree::of(decoders.0.iter().map(Child::id).collect());
    let mut figures = watch(&mut tree, cameras, stage.seconds);
    if decoders.0.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None))) {
        bail!("ffmpeg ended while it was measured");
    }
    figures.insert("decoded", f64::from(stream.fps()));
    Ok(figures)
}

/// The recorder's own process while 8 cameras are quiet.
fn recording(stage: &Stage<'_>, kind: Kind) -> Result<Figures> {
    const CAMERAS: u32 = 8;
    let streams = [Stream::Main, Stream::Still];
    let farm = farm(stage, &streams, CAMERAS)?;
    let mut recorder = start(stage, &farm, &streams, kind)?;
    std::thread::sleep(WARM_UP);
    let roots = recorder.roots();
    let eye: Vec<u32> = roots.iter().copied().flat_map(eyes_of).collect();
    let (mut all, eye) = (Tree::of(roots), Tree::of(eye));
    let (cpu, of_eye, clock) = (all.cpu(), eye.cpu(), Stopwatch::start());
    let mut figures = watch(&mut all, CAMERAS, stage.seconds);
    let used = (all.cpu() - cpu) - (eye.cpu() - of_eye);
    figures.insert("cpu", 100.0 * used / clock.elapsed().as_secs_f64() / f64::from(CAMERAS));
    figures.retain(|key, _| matches!(*key, "cpu" | "idle"));
    recorder.stop(|| ())?;
    Ok(figures)
}

/// Medians of the rounds.
fn split_table(rounds: &[Split]) -> String {
    let median = |name: &str, of: fn(&(String, f64, f64)) -> f64| {
        let mut all: Vec<f64> = rounds.iter().flatten().filter(|stage| stage.0 == name).map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).map_or("-".to_owned(), |ms| format!("{ms:.1}"))
    };
    let mut text =
        String::from("\n| stage of a look, 4 cameras with people | p50 ms | p99 ms |\n|---|---|---|\n");
    for name in STAGES {
        let what = match name {
            "queue" => "waits for the decoder",
            "decode" => "decode",
            "motion" => "copy and motion",
            "wait" => "waits for the model",
            "prepare" => "crop and scale",
            "model" => "inference",
            "handover" => "to the eye and back, rules' queue",
            "total" => "in all",
            _ => "until the relay has moved, looks that moved one",
        };
        text +=
            &format!("| {what} | {} | {} |\n", median(name, |stage| stage.1), median(name, |stage| stage.2));
    }
    text
}

fn targets(section: &Section) -> Vec<Target> {
    let target = |what: &str, limit: f64, found: Option<f64>, digits: usize| Target {
        what: what.into(),
        limit,
        found,
        digits,
    };
    let median = |set: &str, key: &str| section.median(set, OURS, key);
    let with_beat = |key: &str| Some(median(PEOPLE, key)? + BEAT_MS);
    let off = section.median(RECORDING, "nightjar, detection off", "cpu");
    let ratio = median(RECORDING, "cpu").zip(off).map(|(on, off)| on / off);
    vec![
        target("eye's CPU, 1 quiet camera, % of a core", 2.0, median(QUIET_1, "cpu"), 2),
        target("eye's CPU, 4 quiet cameras, % of a core a camera", 2.0, median(QUIET_4, "cpu"), 2),
        target("eye's peak RSS, 4 cameras with people, MB", 120.0, section.worst(PEOPLE, OURS, "rss"), 1),
        target("latency p50 with the beat, ms", 140.0, with_beat("p50"), 0),
        target("latency p99 with the beat, ms", 330.0, with_beat("p99"), 0),
        target("to the relay p50 with the beat, ms", 150.0, with_beat("relay50"), 0),
        target("to the relay p99 with the beat, ms", 350.0, with_beat("relay99"), 0),
        target("recorder's CPU with detection of quiet cameras against without", 1.25, ratio, 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_read_in_the_order_of_a_pictures_way() {
        let health = serde_json::json!({"eye": {"latency": [
            {"stage": "total", "p50_ms": 80.0, "p99_ms": 190.5},
            {"stage": "decode", "p50_ms": 2.0, "p99_ms": 5.0},
        ]}});
        let split = split(&health);
        assert_eq!(split, [("decode".to_owned(), 2.0, 5.0), ("total".to_owned(), 80.0, 190.5)]);
        let table = split_table(&[split]);
        assert!(
            table.contains("| in all | 80.0 | 190.5 |") && table.contains("| inference | - | - |"),
            "{table}"
        );
    }
}
