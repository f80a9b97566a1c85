//! Every part's state → what a program of this board asks before and after an update. Nothing is done while nobody asks.

use crate::health::Gauges;
use nightjar_io::clock;
use nightjar_io::storage::{ReadBack, StreamId};
use nightjar_types::config::Mode;
use nightjar_types::gate::{GateCamera, GateEye, GateRelay, GateReport, GateSlab};
use nightjar_types::status::{CameraState, OutputStatus};
use nightjar_types::{StreamKind, Wall};
use std::sync::PoisonError;

/// Footage of this age has been written out to the disk, µs: some times `[storage] sync`.
const SETTLED_US: i64 = 3_000_000;
/// How far the newest stretch of footage is followed back, µs.
const LOOK_BACK_US: i64 = 3_600_000_000;
/// A rule that fired so short a while ago is an alarm that is on, ms.
const FIRED_MS: i64 = 30_000;

impl Gauges {
    /// How all is. With `since`, also how much footage is missing from then on. Blocks on the disk.
    pub(crate) fn gate(&self, since: Option<Wall>) -> GateReport {
        let now = clock::wall();
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        GateReport {
            version: env!("CARGO_PKG_VERSION").into(),
            now_ms: now.as_ms(),
            clock_sure: clock::is_sure(),
            cameras: self.gate_cameras(now, since),
            slab: self.gate_slab(now),
            relays: outputs.iter().map(relay).collect(),
            eye: self.gate_eye(),
            page: String::new(), // known to the web
            alarm: self.alarm(now, &outputs),
        }
    }

    fn main_of(&self, camera: usize) -> Option<&StreamId> {
        let is_main = |s: &&crate::names::StreamName| s.camera == camera && s.id.1 == StreamKind::Main;
        self.streams.iter().find(is_main).map(|s| &s.id)
    }

    fn gate_cameras(&self, now: Wall, since: Option<Wall>) -> Vec<GateCamera> {
        let camera = |(n, status): (usize, nightjar_types::status::CameraStatus)| {
            let from = now.plus_micros(-LOOK_BACK_US).min(since.unwrap_or(now));
            let spans = self.main_of(n).map(|id| self.library.coverage(id, from, Wall(i64::MAX)));
            let spans = spans.unwrap_or_default();
            let newest = spans.last();
            GateCamera {
                id: status.id,
                recording: status.state == CameraState::Recording,
                continuous: self.config.cameras[n].record.main == Mode::Continuous,
                why: status.mend,
                since_ms: newest.map(|span| span.0.as_ms()),
                last_age_ms: newest.map(|span| now.micros_since(span.1).max(0) as u64 / 1_000),
                missing_ms: since.and_then(|since| missing_ms(&spans, since)),
            }
        };
        self.cameras().into_iter().enumerate().map(camera).collect()
    }

    /// The stream whose newest footage is the newest of all.
    fn gate_slab(&self, now: Wall) -> GateSlab {
        let started = now.plus_micros(-(clock::mono().since(self.started).as_micros() as i64));
        let newest =
            |id: &StreamId| self.library.coverage(id, started, Wall(i64::MAX)).last().map(|span| span.1);
        let mains = (0..self.config.cameras.len()).filter_map(|n| self.main_of(n));
        let Some((end, id)) = mains.filter_map(|id| Some((newest(id)?, id))).max_by_key(|(end, _)| *end)
        else {
            let why = "nothing was written since the recorder started".into();
            return GateSlab { why, ..GateSlab::default() };
        };
        let read = self.library.read_back(id, started, end.min(now).plus_micros(-SETTLED_US));
        let (read_back, at, why) = match read {
            Ok(ReadBack::Whole(at)) => (true, Some(at), String::new()),
            Ok(ReadBack::Damaged(at)) => {
                (false, Some(at), format!("a fragment of {}/{} has another checksum", id.0, id.1))
            }
            Ok(ReadBack::Nothing) => (false, None, "what was written is not on the disk yet".into()),
            Err(error) => (false, None, error.to_string()),
        };
        GateSlab { written: true, read_back, at_ms: at.map(Wall::as_ms), why }
    }

    fn gate_eye(&self) -> GateEye {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = stage.looked.iter().flatten().max();
        GateEye {
            wanted: !self.detected.is_empty(),
            running: self.eye.state().is_running,
            answered_age_ms: answered.map(|at| clock::mono().since(*at).as_millis() as u64),
        }
    }

    /// What an update would cut off.
    fn alarm(&self, now: Wall, outputs: &[OutputStatus]) -> Option<String> {
        let on = outputs.iter().find(|o| o.on != o.safe_on);
        if let Some(output) = on {
            let why = output.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
            return Some(format!("output \"{}\" is not at its safe level{why}", output.id));
        }
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: &i64| (0..FIRED_MS).contains(&(now.as_ms() - at));
        let fired = stage.rules.iter().find(|r| r.fired_ms.as_ref().is_some_and(is_fresh))?;
        Some(format!("rule \"{}\" fired just now", fired.id))
    }
}

/// Footage that is not there between a moment and the newest that is, ms.
fn missing_ms(spans: &[(Wall, Wall)], since: Wall) -> Option<u64> {
    let end = spans.last()?.1;
    let there: i64 = spans.iter().map(|(a, b)| b.micros_since((*a).max(since)).max(0)).sum();
    let all = end.micros_since(since);
    (all > 0).then(|| (all - there).max(0) as u64 / 1_000)
}

fn relay(output: &OutputStatus) -> GateRelay {
    let is_ruled = output.on == output.safe_on || output.cause.is_some();
    let why = match &output.error {
        Some(error) => error.clone(),
        None if is_ruled => String::new(),
        None => "it is away from its safe level, and nothing put it there".into(),
    };
    GateRelay { id: output.id.clone(), ok: why.is_empty(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_counted_from_the_moment_asked_about_to_the_newest_footage() {
        let s = |n: i64| Wall(n * 1_000_000);
        let spans = [(s(0), s(100)), (s(130), s(150)), (s(160), s(200))];
        assert_eq!(missing_ms(&spans, s(90)), Some(40_000));
        assert_eq!(missing_ms(&spans, s(120)), Some(20_000));
        assert_eq!(missing_ms(&spans, s(170)), Some(0));
        assert_eq!(missing_ms(&spans, s(300)), None, "nothing was recorded since");
        assert_eq!(missing_ms(&[], s(0)), None);
    }

    #[test]
    fn a_relay_is_well_at_its_safe_level_or_where_it_was_put() {
        let output = |on, cause: Option<&str>, error: Option<&str>| OutputStatus {
            id: "siren".into(),
            line: "GPIO17".into(),
            driver: "sim".into(),
            on,
            safe_on: false,
            until_ms: None,
            cause: cause.map(Into::into),
            moved_ms: None,
            moves: 0,
            error: error.map(Into::into),
        };
        assert!(relay(&output(false, None, None)).ok);
        assert!(relay(&output(true, Some("rule person-siren"), None)).ok);
        assert!(!relay(&output(true, None, None)).ok);
        assert_eq!(relay(&output(false, None, Some("line is gone"))).why, "line is gone");
    }
}
