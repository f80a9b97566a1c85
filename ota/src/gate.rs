//! What worked before an update and what the recorder says now → whether the new system is kept. Pure.
//!
//! What did not work before is no fault of the update: it does not count. Nothing here asks for the network.

use nightjar_types::gate::{GateCamera, GateReport};
use serde::{Deserialize, Serialize};

/// A camera's footage that is older than this is not of now, ms.
const FRESH_MS: u64 = 10_000;
/// The detector must have answered within this long, ms. It looks at key frames of quiet cameras.
const ANSWERED_MS: u64 = 60_000;

/// What worked before the update. Part of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// The recorder answered.
    pub recorder: bool,
    /// Ids of cameras that recorded.
    pub cameras: Vec<String>,
    /// What was written could be read back.
    pub slab: bool,
    /// The page answered.
    pub page: bool,
    /// Ids of outputs that were where they should be.
    pub relays: Vec<String>,
    /// The detector answered.
    pub detector: bool,
}

/// Which criteria count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criteria {
    /// Every camera that recorded before records again.
    pub cameras: bool,
    /// What is written can be read back from the disk.
    pub slab: bool,
    /// The page answers on this board's own address.
    pub page: bool,
    /// Relays are at their safe level, or where a rule or a person put them.
    pub relays: bool,
    /// The detector answered.
    pub detector: bool,
    /// The system that runs says the bundle's version of itself.
    pub version: bool,
}

impl Default for Criteria {
    fn default() -> Self {
        Self { cameras: true, slab: true, page: true, relays: true, detector: true, version: true }
    }
}

/// One look at the board.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What the recorder says; `None`: it does not answer.
    pub report: Option<GateReport>,
    /// Why the page does not answer; `None`: it does.
    pub page: Option<String>,
    /// Version that the running system says of itself, where it says one.
    pub version: Option<String>,
}

impl Baseline {
    /// What works at this look.
    pub fn of(look: &Look) -> Self {
        let Some(report) = &look.report else { return Self::default() };
        let recording = report.cameras.iter().filter(|c| is_recording(c));
        Self {
            recorder: true,
            cameras: recording.map(|c| c.id.clone()).collect(),
            slab: report.slab.written && report.slab.read_back,
            page: look.page.is_none(),
            relays: report.relays.iter().filter(|r| r.ok).map(|r| r.id.clone()).collect(),
            detector: has_answered(report),
        }
    }

    /// With what works at another look: a camera that just connects anew, or a recorder that is slow to answer, worked all the same.
    pub fn and(mut self, look: &Look) -> Self {
        let more = Self::of(look);
        for (ids, more) in [(&mut self.cameras, more.cameras), (&mut self.relays, more.relays)] {
            for id in more {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        self.recorder |= more.recorder;
        self.slab |= more.slab;
        self.page |= more.page;
        self.detector |= more.detector;
        self
    }

    /// Whether everything works that the look names: another one would add nothing.
    pub fn is_all_of(&self, look: &Look) -> bool {
        look.report.as_ref().is_some_and(|report| {
            report.cameras.iter().all(|camera| self.cameras.contains(&camera.id))
                && report.relays.iter().all(|relay| self.relays.contains(&relay.id))
                && (self.slab || report.cameras.is_empty())
                && self.page
                && (self.detector || !report.eye.wanted)
        })
    }
}

fn is_recording(camera: &GateCamera) -> bool {
    let is_fresh = camera.last_age_ms.is_some_and(|age| age <= FRESH_MS);
    camera.recording && (is_fresh || !camera.continuous)
}

fn has_answered(report: &GateReport) -> bool {
    report.eye.wanted
        && report.eye.running
        && report.eye.answered_age_ms.is_some_and(|age| age <= ANSWERED_MS)
}

/// What worked before and does not now, each in words; nothing when all is well.
fn lacks(before: &Baseline, criteria: &Criteria, target: &str, look: &Look) -> Vec<String> {
    let mut lacks = Vec::new();
    if let Some(runs) = look.version.as_ref().filter(|runs| criteria.version && *runs != target) {
        lacks.push(format!("version {runs} runs where {target} was installed"));
    }
    let Some(report) = &look.report else {
        if before.recorder {
            lacks.push("the recorder does not answer".into());
        }
        return lacks;
    };
    if criteria.cameras {
        for id in &before.cameras {
            let camera = report.cameras.iter().find(|c| c.id == *id);
            match camera {
                Some(camera) if is_recording(camera) => {}
                Some(camera) if camera.why.is_empty() => {
                    lacks.push(format!("camera \"{id}\" does not record again"))
                }
                Some(camera) => {
                    lacks.push(format!("camera \"{id}\" does not record again: {}", plain(&camera.why)));
                }
                None => lacks.push(format!("camera \"{id}\" is not configured any more")),
            }
        }
    }
    if criteria.slab && before.slab && !report.slab.written {
        lacks.push("nothing is written to the disk".into());
    } else if criteria.slab && before.slab && !report.slab.read_back {
        lacks.push(format!("what is written cannot be read back: {}", plain(&report.slab.why)));
    }
    if let Some(why) = look.page.as_ref().filter(|_| criteria.page && before.page) {
        lacks.push(format!("the page does not answer: {}", plain(why)));
    }
    if criteria.relays {
        for relay in report.relays.iter().filter(|r| !r.ok && before.relays.contains(&r.id)) {
            lacks.push(format!("output \"{}\" is not where it should be: {}", relay.id, plain(&relay.why)));
        }
    }
    if criteria.detector && before.detector && !has_answered(report) {
        lacks.push("the detector has not answered".into());
    }
    lacks
}

/// Without the full stop at its end: it becomes part of a sentence.
fn plain(words: &str) -> &str {
    words.trim().trim_end_matches('.')
}

/// Judges looks until all is well for long enough, or the time is over.
#[derive(Debug)]
pub struct Judge {
    before: Baseline,
    criteria: Criteria,
    target: String,
    /// Time since boot at which it must be decided, ms.
    deadline_ms: u64,
    hold_ms: u64,
    well_since_ms: Option<u64>,
    lacks: Vec<String>,
}

impl Judge {
    /// Of a new system that should be `target`.
    pub fn new(before: Baseline, criteria: Criteria, target: &str, deadline_ms: u64, hold_ms: u64) -> Self {
        let target = target.into();
        Self { before, criteria, target, deadline_ms, hold_ms, well_since_ms: None, lacks: Vec::new() }
    }

    /// One look more, at a time since boot. `Some`: it is decided; the words say why not.
    pub fn look(&mut self, look: &Look, at_ms: u64) -> Option<Result<(), String>> {
        self.lacks = lacks(&self.before, &self.criteria, &self.target, look);
        let is_over = at_ms >= self.deadline_ms;
        if !self.lacks.is_empty() {
            self.well_since_ms = None;
            return is_over.then(|| Err(self.lacks.join("; ")));
        }
        let since = *self.well_since_ms.get_or_insert(at_ms);
        (is_over || at_ms.saturating_sub(since) >= self.hold_ms).then_some(Ok(()))
    }

    /// What was lacking at the last look, each in words.
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::gate::{GateEye, GateRelay, GateSlab};

    fn camera(id: &str, recording: bool) -> GateCamera {
        let why = if recording { "" } else { "It cannot be reached: check its power." };
        GateCamera {
            id: id.into(),
            recording,
            continuous: true,
            why: why.into(),
            last_age_ms: Some(900),
            ..Default::default()
        }
    }

    fn well() -> Look {
        let report = GateReport {
            cameras: vec![camera("front", true), camera("yard", true), camera("dead", false)],
            slab: GateSlab { written: true, read_back: true, ..Default::default() },
            relays: vec![GateRelay { id: "siren".into(), ok: true, why: String::new() }],
            eye: GateEye { wanted: true, running: true, answered_age_ms: Some(2_000) },
            ..Default::default()
        };
        Look { report: Some(report), page: None, version: Some("2.0".into()) }
    }

    /// What is lacking when all that worked before but this still works.
    fn lacking(spoil: impl FnOnce(&mut Look, &mut GateReport)) -> Vec<String> {
        let mut look = well();
        let mut report = look.report.take().unwrap();
        spoil(&mut look, &mut report);
        look.report = Some(report);
        lacks(&Baseline::of(&well()), &Criteria::default(), "2.0", &look)
    }

    #[test]
    fn each_criterion_says_what_is_wrong() {
        assert!(lacking(|_, _| {}).is_empty(), "a camera that was dead before does not count");
        let one = |spoil: fn(&mut Look, &mut GateReport)| lacking(spoil).join(" | ");
        assert_eq!(
            one(|_, r| r.cameras[0] = camera("front", false)),
            "camera \"front\" does not record again: It cannot be reached: check its power"
        );
        assert_eq!(
            one(|_, r| r.cameras[1].last_age_ms = Some(60_000)),
            "camera \"yard\" does not record again"
        );
        assert_eq!(one(|_, r| drop(r.cameras.remove(1))), "camera \"yard\" is not configured any more");
        assert_eq!(one(|_, r| r.slab.written = false), "nothing is written to the disk");
        let quiet = one(|_, r| (r.cameras[1].last_age_ms, r.cameras[1].continuous) = (None, false));
        assert_eq!(quiet, "", "a camera that is recorded only when something happens has nothing to show");
        assert!(one(|_, r| r.slab.read_back = false).starts_with("what is written cannot be read back"));
        assert_eq!(one(|l, _| l.page = Some("refused".into())), "the page does not answer: refused");
        assert!(one(|_, r| r.relays[0].ok = false).starts_with("output \"siren\" is not where"));
        assert_eq!(one(|_, r| r.eye.answered_age_ms = None), "the detector has not answered");
        assert_eq!(one(|l, _| l.version = Some("1.0".into())), "version 1.0 runs where 2.0 was installed");
    }

    #[test]
    fn what_did_not_work_before_or_is_switched_off_does_not_count() {
        let dead = Look::default();
        assert!(lacks(&Baseline::of(&dead), &Criteria::default(), "2.0", &dead).is_empty());
        let off = Criteria {
            cameras: false,
            slab: false,
            page: false,
            relays: false,
            detector: false,
            version: false,
        };
        let mut look = well();
        let report = look.report.as_mut().unwrap();
        report.cameras.clear();
        (report.slab, report.eye) = Default::default();
        (look.page, look.version) = (Some("no".into()), Some("0".into()));
        assert!(lacks(&Baseline::of(&well()), &off, "2.0", &look).is_empty());
        let gone = lacks(&Baseline::of(&well()), &off, "2.0", &dead);
        assert_eq!(gone, ["the recorder does not answer"], "a recorder that is gone always counts");
    }

    #[test]
    fn what_works_at_one_of_several_looks_worked_before() {
        let (dead, mut half) = (Look::default(), well());
        let report = half.report.as_mut().unwrap();
        report.cameras[1].recording = false;
        report.slab.read_back = false;
        let baseline = Baseline::of(&dead).and(&half);
        assert!(!baseline.is_all_of(&half));
        let before = baseline.and(&well());
        assert_eq!(before, Baseline::of(&well()));
        assert_eq!(lacks(&before, &Criteria::default(), "2.0", &half).len(), 2, "yard and the disk count");
        assert!(!Baseline::of(&dead).is_all_of(&dead), "a recorder that does not answer may do so later");
    }

    #[test]
    fn it_must_be_well_for_a_while_and_before_the_deadline() {
        let judge = || Judge::new(Baseline::of(&well()), Criteria::default(), "2.0", 60_000, 10_000);
        let mut j = judge();
        assert_eq!(j.look(&Look::default(), 5_000), None);
        assert_eq!(j.look(&well(), 20_000), None);
        let mut flaps = well();
        flaps.page = Some("refused".into());
        assert_eq!(j.look(&flaps, 25_000), None, "it begins anew");
        assert_eq!(j.look(&well(), 31_000), None);
        assert_eq!(j.look(&well(), 41_000), Some(Ok(())));
        let mut j = judge();
        assert_eq!(j.look(&Look::default(), 60_000), Some(Err("the recorder does not answer".into())));
        let mut late = judge();
        assert_eq!(late.look(&well(), 90_000), Some(Ok(())), "an agent that came late looks once");
    }
}
