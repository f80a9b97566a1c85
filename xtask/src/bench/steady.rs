//! `bench run`: cameras → what recording costs while nothing happens, and that no picture is missing.

use super::cost;
use super::farm::Farm;
use super::frames::verdict;
use super::recorder::{Kind, Recorder};
use super::stage::{Clips, Set, Stage};
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use super::tree::Tree;
use anyhow::Result;
use std::time::Duration;

pub(super) const TITLE: &str = "Recording: cost";
/// Time a recorder gets to connect and settle before it is measured.
const WARM_UP: Duration = Duration::from_secs(8);
const SETS: &[Set] = &[Set::main(8), Set::main(24), Set { cameras: 8, has_sub: true }];

const COLUMNS: &[Column] = &[
    Column { key: "cpu", head: "CPU-s a camera-minute", digits: 3, unit: "", has_ratio: true },
    column("pss", "PSS MB", 1, ""),
    column("switches", "wake-ups a camera-second", 1, ""),
    column("ratio", "bytes written a media byte", 3, ""),
    column("sent", "pictures sent", 0, ""),
    column("lost", "lost", 0, ""),
    column("foreign", "damaged", 0, ""),
    column("idle", "machine idle", 0, " %"),
];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    stage.check_recorder()?;
    let mut section = Section {
        title: TITLE,
        notes: format!(
            "Cameras of 1080p25 H.264 with 4 Mbit/s and a key frame every 2 s (sub: 360p10, 400 kbit/s), from ffmpeg's test\n\
             sources, over RTSP/TCP on loopback, from a server of our own whose cost is not counted. Medians of {} rounds of {} s\n\
             after {} s of warm-up, in which the recorders took turns. CPU is user + system time of the whole process tree; compare\n\
             by ratio, since the machine may have other work. Every recorded picture is looked up among those sent before the recorder was\n\
             told to stop. Bytes written: `write_bytes` of `/proc/PID/io` to the very end.",
            stage.rounds,
            stage.seconds,
            WARM_UP.as_secs()
        ),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    for set in stage.sets_or(SETS) {
        let clips = Clips::load(stage.place, set.streams())?;
        stage.turns(&format!("run, {} cameras", set.name()), &[Kind::Nightjar, Kind::Ffmpeg], |kind| {
            let figures = one(stage, &clips, &set, kind)?;
            let row = Row { set: set.name(), who: kind.name(), figures };
            println!("   {}", section.line(&row));
            section.rows.push(row);
            Ok(())
        })?;
        section.targets.extend(targets(&section, &set));
    }
    Ok(section)
}

fn one(stage: &Stage<'_>, clips: &Clips, set: &Set, kind: Kind) -> Result<Figures> {
    let work = stage.empty("run")?;
    let farm = Farm::start(&clips.clips, set.cameras)?;
    let mut recorder = Recorder::start(stage.place, kind, stage.setup(&farm, set, work))?;
    std::thread::sleep(WARM_UP);
    let mut tree = Tree::of(recorder.roots());
    let mut figures = cost::watch(&mut recorder, &mut tree, set.cameras, stage.seconds)?;
    // What a camera sends after the recorder was told to stop is not the recorder's to keep.
    let sent = farm.sessions();
    recorder.stop(|| tree.sample(false))?;
    let found = verdict(&farm, &recorder, &clips.books, &sent, None);
    if found.lost > 0 && kind.is_ours() || found.dropped > 0 || found.foreign > 0 {
        println!("   {found:?}");
    }
    let late = farm.sessions().iter().map(|session| session.late).fold(0.0, f64::max);
    figures.extend([
        ("ratio", tree.written as f64 / farm.bytes().max(1) as f64),
        ("sent", found.sent as f64),
        ("lost", found.lost as f64),
        ("foreign", found.foreign as f64),
        ("late", late),
    ]);
    Ok(figures)
}

fn targets(section: &Section, set: &Set) -> Vec<Target> {
    let name = set.name();
    let streams = set.cameras as usize * set.streams().len();
    let target = |what: &str, limit: f64, found: Option<f64>, digits: usize| Target {
        what: format!("{name} cameras: {what}"),
        limit,
        found,
        digits,
    };
    let share = if set.cameras >= 24 { 0.25 } else { 0.30 };
    vec![
        target("CPU against ffmpeg's", share, section.ratio(&name, OURS, "cpu"), 2),
        target("PSS, MB", 12.0 + 0.7 * streams as f64, section.median(&name, OURS, "pss"), 1),
        target("pictures lost in the worst round", 0.0, section.worst(&name, OURS, "lost"), 0),
        target("pictures damaged in the worst round", 0.0, section.worst(&name, OURS, "foreign"), 0),
    ]
}
