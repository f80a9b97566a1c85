//! `bench wrap`: a ring that has gone round → what a byte of media costs the card, and that no file is made or removed.

use super::farm::Farm;
use super::frames::unreadable;
use super::recorder::{Kind, Recorder};
use super::stage::{Clips, Set, Stage};
use super::strace::{self, Traces};
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use super::tree::Tree;
use crate::clock::Stopwatch;
use anyhow::{Result, bail};
use std::time::Duration;

pub(super) const TITLE: &str = "Recording: a full ring";
const SET: Set = Set::main(8);
/// Room for about a minute of eight cameras.
const QUOTA_MIB: u64 = 256;
/// MiB a second that eight cameras send, about.
const RATE: u64 = 4;
/// Files a camera that ffmpeg goes round over.
const FILES: u32 = 4;
/// How often the ring is filled before the turn that is measured.
const ROUNDS: u64 = 2;
/// When it takes so many times longer than it should to fill the ring, something is wrong.
const PATIENCE: u64 = 3;

const COLUMNS: &[Column] = &[
    column("rounds", "times written over", 1, ""),
    column("ratio", "bytes written a media byte", 4, ""),
    column("files", "files made, removed, grown or cut a minute", 1, ""),
    column("index", "of those by the index", 1, ""),
    column("unreadable", "unreadable files", 0, ""),
];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    stage.check_recorder()?;
    let quota = stage.ring_mib.unwrap_or(QUOTA_MIB);
    let seconds = u32::try_from(quota / RATE / u64::from(FILES))?.max(1);
    let rival = Kind::FfmpegRing { files: FILES, seconds };
    let mut section = Section {
        title: TITLE,
        notes: format!(
            "Eight cameras as above into {quota} MiB (ffmpeg: `-segment_wrap`, {FILES} files of {seconds} s a camera). Bytes written, and\n\
             calls as strace counts them, are those of one more turn after the ring was written over {ROUNDS} times. What a turn hands to\n\
             the disk is set against what the calls wrote in it, and that against the media of the whole run: so bytes that are on their\n\
             way when the turn begins and ends do not count. Medians of {} rounds.",
            stage.rounds
        ),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    let clips = Clips::load(stage.place, SET.streams())?;
    stage.turns("wrap, 8 cameras", &[Kind::Nightjar, rival], |kind| {
        let figures = one(stage, &clips, kind, quota)?;
        let row = Row { set: SET.name(), who: kind.name(), figures };
        println!("   {}", section.line(&row));
        section.rows.push(row);
        Ok(())
    })?;
    let worst = |key: &str| section.worst(&SET.name(), OURS, key);
    section.targets = vec![
        Target {
            what: "bytes written a media byte".into(),
            limit: 1.02,
            found: section.median(&SET.name(), OURS, "ratio"),
            digits: 3,
        },
        Target {
            what: "footage files made, removed, grown or cut a minute in the worst round".into(),
            limit: 0.0,
            found: worst("files").zip(worst("index")).map(|(all, index)| all - index),
            digits: 1,
        },
    ];
    Ok(section)
}

fn one(stage: &Stage<'_>, clips: &Clips, kind: Kind, quota: u64) -> Result<Figures> {
    let work = stage.empty("run")?;
    let farm = Farm::start(&clips.clips, SET.cameras)?;
    let mut setup = stage.setup(&farm, &SET, work.clone());
    setup.quota_mib = quota;
    let traces = Traces::new(&work);
    let has_strace = strace::missing().is_none();
    if has_strace {
        setup.under = traces.command(strace::FILES);
    }
    let mut recorder = Recorder::start(stage.place, kind, setup)?;
    let clock = Stopwatch::start();
    let fill = |recorder: &mut Recorder, turns: f64| -> Result<()> {
        let patience = Duration::from_secs(PATIENCE * (ROUNDS + 2) * quota / RATE);
        while (farm.bytes() as f64) < turns * (quota << 20) as f64 {
            if !recorder.is_alive() || clock.elapsed() > patience {
                bail!("{} does not fill its ring; its log is in {}", kind.name(), stage.place.short(&work));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    };
    fill(&mut recorder, ROUNDS as f64 + 0.25)?;
    let (mut own, from, window) = (Tree::of(recorder.roots()), traces.mark(), Stopwatch::start());
    own.sample(false);
    let before = own.clone();
    fill(&mut recorder, ROUNDS as f64 + 1.25)?;
    own.sample(false);
    let (to, minutes) = (traces.mark(), window.elapsed().as_secs_f64() / 60.0);
    let mut tree = Tree::of(recorder.tops());
    recorder.stop(|| tree.sample(false))?;
    // strace's own writes are among those of the whole tree.
    let asked = tree.asked - traces.mark().bytes() as u64;
    let turn = (own.written - before.written) as f64 / (own.asked - before.asked).max(1) as f64;
    let mut figures = Figures::from([
        ("rounds", farm.bytes() as f64 / (quota << 20) as f64),
        ("ratio", turn * asked as f64 / farm.bytes().max(1) as f64),
        ("unreadable", unreadable(&recorder) as f64),
    ]);
    if has_strace {
        let lines = traces.between(&from, &to)?;
        let changes: Vec<&String> = lines.iter().filter(|line| strace::changes_a_file(line)).collect();
        let of_index = changes.iter().filter(|line| line.contains(".nightjar/index")).count();
        figures.extend([("files", changes.len() as f64 / minutes), ("index", of_index as f64 / minutes)]);
        for line in changes.iter().take(if kind.is_ours() { 5 } else { 0 }) {
            println!("   {line}");
        }
    }
    Ok(figures)
}
