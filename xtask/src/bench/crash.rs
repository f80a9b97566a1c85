//! `bench kill` and `bench cut`: a recorder that ends in the middle of it → what is lost, what cannot be read, and when it
//! records again.

use super::farm::Farm;
use super::frames::{unreadable, verdict};
use super::image::Image;
use super::recorder::{Kind, Recorder};
use super::stage::{Clips, Set, Stage};
use super::table::{Column, Figures, OURS, Row, Section, Target, column};
use anyhow::{Result, bail};
use std::time::Duration;

pub(super) const KILL: &str = "Recording: kill -9";
pub(super) const CUT: &str = "Recording: power cut";
const SET: Set = Set::main(8);
/// How long it runs after the restart.
const AGAIN: Duration = Duration::from_secs(12);
/// Bytes of the file system that loses its power: sparse, so only what is written counts.
const IMAGE: u64 = 6 << 30;
/// Space that ours is given on it.
const QUOTA_MIB: u64 = 1 << 10;

const COLUMNS: &[Column] = &[
    column("unreadable", "unreadable files", 0, ""),
    column("lost", "seconds lost a stream", 2, ""),
    column("worst", "at worst", 2, ""),
    column("again", "asks all cameras again after", 2, " s"),
    column("silent", "streams not recorded again", 0, ""),
    column("later", "unreadable in the end", 0, ""),
    column("inside", "pictures missing in between", 0, ""),
];

/// How it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Kill,
    Cut,
}

pub(super) fn measure(stage: &Stage<'_>, end: End) -> Result<Section> {
    stage.check_recorder()?;
    let how = match end {
        End::Kill => format!("SIGKILL to every process after {} s", stage.seconds),
        End::Cut => format!(
            "Footage lies on ext4 in a file behind a loop device. After {} s the file system is shut down without writing anything more\n\
             (`EXT4_IOC_SHUTDOWN`), so that only what reached the device is left; then it is mounted again. A disk's own volatile\n\
             cache is not modelled",
            stage.seconds
        ),
    };
    let (title, limit, name) = match end {
        End::Kill => (KILL, 1.0, "kill"),
        End::Cut => (CUT, 1.2, "cut"),
    };
    let mut section = Section {
        title,
        notes: format!(
            "Eight cameras as above. {how}. Files are looked at as they are, then the recorder is started on the same folder. Lost is\n\
             what was due before the end and is in no file afterwards. Medians of {} rounds.",
            stage.rounds
        ),
        of: "cameras",
        columns: COLUMNS,
        rows: Vec::new(),
        targets: Vec::new(),
    };
    let clips = Clips::load(stage.place, SET.streams())?;
    stage.turns(&format!("{name}, 8 cameras"), &[Kind::Nightjar, Kind::Ffmpeg], |kind| {
        let row = Row { set: SET.name(), who: kind.name(), figures: one(stage, &clips, kind, end)? };
        println!("   {}", section.line(&row));
        section.rows.push(row);
        Ok(())
    })?;
    let worst = |key: &str| section.worst(&SET.name(), OURS, key);
    let target = |what: &str, limit: f64, found: Option<f64>, digits: usize| Target {
        what: what.to_owned(),
        limit,
        found,
        digits,
    };
    section.targets = vec![
        target("unreadable files in the worst round", 0.0, worst("unreadable"), 0),
        target("unreadable files after the restart in the worst round", 0.0, worst("later"), 0),
        target("streams not recorded again in the worst round", 0.0, worst("silent"), 0),
        target(
            "seconds lost by the worst stream, median",
            limit,
            section.median(&SET.name(), OURS, "worst"),
            2,
        ),
        target(
            "seconds until all cameras are asked again",
            2.0,
            section.median(&SET.name(), OURS, "again"),
            2,
        ),
    ];
    Ok(section)
}

fn one(stage: &Stage<'_>, clips: &Clips, kind: Kind, end: End) -> Result<Figures> {
    let logs = stage.empty("run")?;
    let image = match end {
        End::Kill => None,
        End::Cut => Some(Image::make(&logs, IMAGE)?),
    };
    let work = image.as_ref().map_or_else(|| logs.join("work"), |image| image.mounted().to_path_buf());
    let farm = Farm::start(&clips.clips, SET.cameras)?;
    let mut setup = stage.setup(&farm, &SET, work);
    (setup.logs, setup.quota_mib) = (logs.clone(), QUOTA_MIB);
    let mut recorder = Recorder::start(stage.place, kind, setup)?;
    std::thread::sleep(Duration::from_secs(stage.seconds));
    if !recorder.is_alive() {
        bail!("{} ended by itself; its log is in {}", kind.name(), stage.place.short(&logs));
    }
    let (before, cut_at) = (farm.sessions().len(), farm.now());
    match &image {
        None => recorder.kill()?,
        Some(image) => {
            image.cut()?;
            recorder.kill()?;
            image.mount_again()?;
        }
    }
    let bad = unreadable(&recorder);
    let started = farm.now();
    recorder.start_again(stage.place)?;
    std::thread::sleep(AGAIN);
    if !recorder.is_alive() {
        bail!("{} does not start again; its log is in {}", kind.name(), stage.place.short(&logs));
    }
    recorder.stop(|| {})?;
    let found = verdict(&farm, &recorder, &clips.books, &farm.sessions(), image.is_some().then_some(cut_at));
    let asked = farm.sessions().iter().skip(before).map(|session| session.asked_at).fold(started, f64::max);
    if found.lost_inside > 0 || found.foreign > 0 || found.repeats > 0 {
        println!("   {found:?}");
    }
    Ok(Figures::from([
        ("unreadable", bad as f64),
        ("lost", found.first_lost_s),
        ("worst", found.first_lost_s_max),
        ("again", asked - started),
        ("silent", found.streams.saturating_sub(found.streams_again) as f64),
        ("later", found.unreadable as f64),
        // what is missing before the end is told above
        ("inside", found.lost_inside.saturating_sub(found.first_lost) as f64),
    ]))
}
