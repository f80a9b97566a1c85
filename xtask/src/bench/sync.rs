//! `bench sync`: more and more cameras → how often a minute a recorder waits for the disk.

use super::farm::Farm;
use super::recorder::{Kind, Recorder};
use super::stage::{Clips, Set, Stage};
use super::strace::{self, Traces};
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use crate::clock::Stopwatch;
use anyhow::{Result, bail};
use std::time::Duration;

pub(super) const TITLE: &str = "Recording: write-outs";
const SETS: &[Set] = &[Set::main(2), Set::main(8), Set::main(24)];
const WARM_UP: Duration = Duration::from_secs(8);
/// More calls a minute than at the fewest cameras, as a share, that are chance: a slab that was full, a row of the index.
const CHANCE: f64 = 0.1;

const COLUMNS: &[Column] =
    &[column("syncs", "fsync, fdatasync, sync, syncfs, sync_file_range, msync a minute", 1, "")];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Section> {
    stage.check_recorder()?;
    let mut section = Section {
        title: TITLE,
        notes: format!(
            "Calls that wait for the disk, counted by strace in {} s after {} s of warm-up. Medians of {} rounds. Of what\n\
             nobody waits for, a power cut leaves what the kernel happened to write.",
            stage.seconds,
            WARM_UP.as_secs(),
            stage.rounds
        ),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    for set in stage.sets_or(SETS) {
        let clips = Clips::load(stage.place, set.streams())?;
        stage.turns(&format!("sync, {} cameras", set.name()), &[Kind::Nightjar, Kind::Ffmpeg], |kind| {
            let row = Row { set: set.name(), who: kind.name(), figures: one(stage, &clips, &set, kind)? };
            println!("   {}", section.line(&row));
            section.rows.push(row);
            Ok(())
        })?;
    }
    let sets = section.sets();
    let median = |set: Option<&String>| section.median(set?, OURS, "syncs");
    if let (Some(fewest), Some(most)) = (sets.first(), sets.last().filter(|_| sets.len() > 1)) {
        section.targets = vec![Target {
            what: format!("calls a minute at {most} cameras (at {fewest}: one tenth less)"),
            limit: median(sets.first()).unwrap_or_default() * (1.0 + CHANCE),
            found: median(sets.last()),
            digits: 1,
        }];
    }
    Ok(section)
}

fn one(stage: &Stage<'_>, clips: &Clips, set: &Set, kind: Kind) -> Result<Figures> {
    let work = stage.empty("run")?;
    let farm = Farm::start(&clips.clips, set.cameras)?;
    let traces = Traces::new(&work);
    let mut setup = stage.setup(&farm, set, work);
    setup.under = traces.command(strace::SYNCS);
    let mut recorder = Recorder::start(stage.place, kind, setup)?;
    std::thread::sleep(WARM_UP);
    let (from, window) = (traces.mark(), Stopwatch::start());
    std::thread::sleep(Duration::from_secs(stage.seconds));
    let (to, minutes) = (traces.mark(), window.elapsed().as_secs_f64() / 60.0);
    if !recorder.is_alive() {
        bail!("{} ended while it was measured", kind.name());
    }
    recorder.stop(|| {})?;
    let calls = traces.between(&from, &to)?.iter().filter(|line| strace::is_call(line)).count();
    Ok(Figures::from([("syncs", calls as f64 / minutes)]))
}
