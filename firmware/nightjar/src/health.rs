//! Every part's numbers → what the page and an alarm need: states, problems in words with the mend, typed counters.

use crate::forecast::{self, Seen};
use crate::isolation::{self, Reports};
use crate::names::StreamName;
use crate::stage::Shown;
use crate::{heat, keeping, power, tampering};
use nightjar_io::alarm::World;
use nightjar_io::clock;
use nightjar_io::eye_link::{Eye, Quarantine};
use nightjar_io::sessions::Vitals;
use nightjar_io::storage::{CardLife, Library};
use nightjar_types::config::Config;
use nightjar_types::eye::{Sandbox, Work};
use nightjar_types::status::*;
use nightjar_types::world::{Problem, ProblemKind};
use nightjar_types::{Mono, StreamKind};
use std::sync::{Arc, Mutex, PoisonError};

/// The stage must have gone round within this long, seconds.
const STAGE_ALIVE_S: u64 = 10;

/// Reads every gauge.
pub(crate) struct Gauges {
    pub(crate) config: Arc<Config>,
    pub(crate) board: String,
    pub(crate) streams: Vec<StreamName>,
    pub(crate) vitals: Vec<Arc<Vitals>>,
    pub(crate) detected: Vec<String>,
    pub(crate) library: Library,
    pub(crate) eye: Eye,
    pub(crate) eased: heat::Shown,
    pub(crate) mains: power::Shown,
    pub(crate) outputs: Arc<Mutex<Vec<OutputStatus>>>,
    pub(crate) stage: Arc<Mutex<Shown>>,
    pub(crate) world: World,
    pub(crate) started: Mono,
    /// How the card lives, as last looked at: asking may wait for the disk.
    pub(crate) card: Mutex<Option<CardLife>>,
    /// How cameras are kept apart, looked at with the card.
    pub(crate) isolation: Mutex<Reports>,
}

impl Gauges {
    /// Every camera.
    pub(crate) fn cameras(&self) -> Vec<CameraStatus> {
        let blocked = !matches!(self.library.status().state, "ok" | "slow");
        let now = clock::mono();
        let of = |n: usize| {
            self.streams
                .iter()
                .zip(&self.vitals)
                .filter(move |(s, _)| s.camera == n)
                .map(move |(_, v)| v.status(now))
        };
        let camera = |(n, c): (usize, &nightjar_types::config::Camera)| {
            let streams: Vec<StreamStatus> = of(n).collect();
            let state = overall(&streams, blocked);
            let zone = |z: &nightjar_types::config::Zone| ZoneView {
                id: z.id.to_string(),
                points: z.points.clone(),
            };
            CameraStatus {
                id: c.id.to_string(),
                name: c.name.clone(),
                state,
                mend: mend(state, &streams),
                detect: c.detect,
                streams,
                zones: c.zones.iter().map(zone).collect(),
            }
        };
        self.config.cameras.iter().enumerate().map(camera).collect()
    }

    /// The whole device.
    pub(crate) fn health(&self) -> Health {
        self.health_with(self.problems(&self.cameras()))
    }

    /// The whole device, with the problems as just looked for.
    pub(crate) fn health_with(&self, problems: Vec<Problem>) -> Health {
        let (storage, eye) = (self.library.status(), self.eye());
        let isolation = self.isolation.lock().unwrap_or_else(PoisonError::into_inner).shown().cloned();
        let problems: Vec<String> = problems.into_iter().map(|p| p.words).collect();
        let damaged = self.library.damaged();
        let (dropped, faults) = self.library.counters();
        let (alarms_dropped, alarms_failed) = self.world.lost();
        let (evicted, stale, unwritten) = {
            let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            (stage.evicted, stage.stale, stage.journal_lost)
        };
        let counters = vec![
            ("card_dropped_units", dropped),
            ("card_faults", faults),
            ("card_damaged_records", damaged),
            ("lost_packets", self.vitals.iter().map(|v| v.lost_packets()).sum()),
            ("eye_skipped_gops", eye.skipped_gops),
            ("eye_restarts", eye.restarts),
            ("rules_evicted", evicted),
            ("rules_stale", stale),
            ("journal_lost", unwritten),
            ("alarms_dropped", alarms_dropped),
            ("alarms_failed", alarms_failed),
            ("network_refused", isolation.as_ref().map_or(0, |shown| shown.refused)),
        ];
        Health {
            ok: problems.is_empty(),
            problems,
            version: env!("CARGO_PKG_VERSION").into(),
            board: self.board.clone(),
            uptime_s: clock::mono().since(self.started).as_secs(),
            rss_bytes: resident_bytes(),
            storage,
            eye,
            isolation,
            counters,
        }
    }

    /// What needs a person, with these cameras.
    pub(crate) fn problems(&self, cameras: &[CameraStatus]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut tell = |kind, subject: &str, words| {
            problems.push(Problem { kind, subject: subject.into(), words });
        };
        {
            let card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, damaged) = (self.library.status(), self.library.damaged());
            let all = keeping::problems(&status, card.as_ref(), damaged, &keeping::clock_view());
            all.into_iter().for_each(|(kind, words)| tell(kind, "", words));
        }
        let is_lost =
            |c: &&CameraStatus| !matches!(c.state, CameraState::Recording | CameraState::Connecting);
        for c in cameras.iter().filter(is_lost) {
            tell(ProblemKind::Camera, &c.id, format!("{}: {}", c.name, c.mend));
        }
        for tampered in &self.stage.lock().unwrap_or_else(PoisonError::into_inner).tampered {
            let camera = &self.config.cameras[usize::from(tampered.camera.0)];
            let words = tampering::problem(&camera.name, tampered, clock::wall());
            tell(ProblemKind::Tamper, camera.id.as_str(), words);
        }
        let eye = self.eye.state();
        if let Some(error) = eye.error.as_ref().filter(|_| !eye.is_running && !self.detected.is_empty()) {
            tell(ProblemKind::Detector, "", format!("The detector does not run: {error}"));
        }
        for (stream, quarantine) in &eye.quarantine {
            let view = self.quarantine(*stream, quarantine);
            tell(ProblemKind::Detector, &view.camera, view.words);
        }
        if let Some(words) = self.eased().problem().filter(|_| !self.detected.is_empty()) {
            let kind = if self.eased().is_hot() { ProblemKind::Heat } else { ProblemKind::Power };
            tell(kind, "", words);
        }
        if let Some(gone) = *self.mains.lock().unwrap_or_else(PoisonError::into_inner) {
            tell(ProblemKind::Power, "mains", gone.problem());
        }
        let open = self
            .isolation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .shown()
            .and_then(isolation::problem);
        if let Some(words) = open {
            tell(ProblemKind::Network, "", words);
        }
        for o in self.outputs.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(e) = &o.error {
                tell(ProblemKind::Output, &o.id, format!("Output {} cannot be moved: {e}", o.id));
            }
        }
        for words in &self.stage.lock().unwrap_or_else(PoisonError::into_inner).unknown {
            tell(ProblemKind::Rules, words, words.clone());
        }
        if !self.is_stage_alive() {
            tell(ProblemKind::Rules, "", "The rules do not answer; the recorder restarts itself.".into());
        }
        problems.extend(self.world.problems());
        problems
    }

    /// Looks how the card lives and what the firewall said. Blocks on the disk.
    pub(crate) fn look_around(&self) {
        self.isolation.lock().unwrap_or_else(PoisonError::into_inner).look(&self.config, clock::mono());
        let life = self.library.card_life(clock::mono().since(self.started).as_secs());
        *self.card.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
    }

    /// The rules go round.
    pub(crate) fn is_stage_alive(&self) -> bool {
        let alive = self.stage.lock().unwrap_or_else(PoisonError::into_inner).alive;
        clock::mono().since(alive).as_secs() < STAGE_ALIVE_S
    }

    fn eased(&self) -> heat::Eased {
        self.eased.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn eye(&self) -> EyeStatus {
        let (s, eased) = (self.eye.state(), self.eased());
        let latency = self.stage.lock().unwrap_or_else(PoisonError::into_inner).latency.read();
        let decoder = |(n, element): (&u32, &Result<String, String>)| {
            let camera = self.detected.get(*n as usize).cloned().unwrap_or_default();
            (camera, element.clone().unwrap_or_else(|why| format!("none: {why}")))
        };
        EyeStatus {
            state: match (s.is_running, s.restarts) {
                (true, _) => "running",
                (false, _) if self.detected.is_empty() => "off",
                (false, 0) => "starting",
                (false, _) => "restarting",
            },
            pid: s.pid,
            restarts: s.restarts,
            model: s.model,
            decoders: s.decoders.iter().map(decoder).collect(),
            inference_p50_ms: s.counters.inference_p50_us as f32 / 1_000.0,
            decoded: s.counters.decoded,
            key_only: s.counters.key_only,
            left_out: s.counters.left_out,
            cpu: s.counters.cpu_permille as f32 / 1_000.0,
            spacing_ms: s.counters.spacing_ms,
            ease: eased.level.as_str(),
            eased_by: eased.by,
            latency,
            inferred: s.counters.inferred,
            skipped_gops: s.skipped_gops,
            sandbox: held_in(&s.sandbox),
            quarantine: s.quarantine.iter().map(|(n, q)| self.quarantine(*n, q)).collect(),
            room: s.measured.as_ref().and_then(|m| {
                let since = s.since?;
                forecast::room(&Seen {
                    cameras: self.detected.len() as u32,
                    over: clock::mono().since(since),
                    decoded: s.counters.decoded,
                    inferred: s.counters.inferred,
                    decode_ms: forecast::decode_ms(m)?,
                    look_ms: s.counters.inference_p50_us as f32 / 1_000.0,
                    cores: m.cores,
                    threads: self.config.eye.threads.into(),
                })
            }),
            measured: s.measured,
            error: s.error,
        }
    }

    fn quarantine(&self, stream: u32, q: &Quarantine) -> QuarantineView {
        let camera = self.detected.get(stream as usize).cloned().unwrap_or_default();
        let name = self.config.cameras.iter().find(|c| c.id.as_str() == camera).map_or(&camera, |c| &c.name);
        let until = clock::wall().plus_micros(q.until.0 as i64 - clock::mono().0 as i64);
        let (_, _, _, hour, minute, _) = until.civil();
        let did = if q.hung { "made the detector hang" } else { "ended the detector" };
        let at = match q.work {
            Work::Decoding => "its decoder",
            Work::Looking => "its model",
            Work::Still => "a single picture",
        };
        let words = format!(
            "{name}: its pictures {did} three times (last in {at}); detection is off for this camera until \
             {hour:02}:{minute:02} UTC. It is recorded all the same. A change of its settings or the button on the \
             Health page ends this sooner."
        );
        QuarantineView { camera, words, until_ms: until.as_ms() }
    }
}

/// In words: what is in force, and what is not.
fn held_in(sandbox: &Sandbox) -> String {
    let missing = if sandbox.missing.is_empty() {
        String::new()
    } else {
        format!("; without {}", sandbox.missing.join("; "))
    };
    sandbox.in_force.join(", ") + &missing
}

/// A camera's state from its streams'.
fn overall(streams: &[StreamStatus], storage_is_blocked: bool) -> CameraState {
    let all = |state: CameraState| streams.iter().all(|s| s.state == state);
    let main = streams.first().map_or(CameraState::Connecting, |s| s.state);
    if all(CameraState::Recording) {
        if storage_is_blocked { CameraState::StorageBlocked } else { CameraState::Recording }
    } else if all(main) || main == CameraState::Connecting {
        main
    } else if streams.iter().any(|s| s.state == CameraState::Connecting) && main == CameraState::Recording {
        CameraState::Connecting
    } else {
        CameraState::Degraded
    }
}

fn mend(state: CameraState, streams: &[StreamStatus]) -> String {
    let broken = streams.iter().find(|s| s.state != CameraState::Recording);
    let said = broken.and_then(|s| s.error.clone()).unwrap_or_default();
    let what_to_do = match state {
        CameraState::Recording => return String::new(),
        CameraState::Connecting => "Connecting.",
        CameraState::AuthFailed => {
            "The camera refuses user name or password: correct them in the configuration."
        }
        CameraState::Stalled => "Connected, but no picture arrives: check the camera and its network.",
        CameraState::Garbage => "It does not send video that can be read: check the address.",
        CameraState::Offline => "It cannot be reached: check its power, its network and the address.",
        CameraState::StorageBlocked => "It sends, but the storage does not take it.",
        CameraState::Degraded => {
            let kind =
                broken.map_or("", |s| if s.kind == StreamKind::Main.as_str() { "main" } else { "sub" });
            return format!("Its {kind} stream does not arrive: {said}");
        }
    };
    if said.is_empty() { what_to_do.into() } else { format!("{what_to_do} ({said})") }
}

/// This process's resident memory, from the kernel; 0 where it does not tell.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|p| p.parse::<u64>().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: &'static str, state: CameraState) -> StreamStatus {
        let error = Some("refused".to_string());
        StreamStatus {
            kind,
            state,
            codecs: String::new(),
            width: 0,
            height: 0,
            fps: 0.0,
            bitrate: 0,
            gop_s: 0.0,
            dropped_units: 0,
            sessions: 1,
            error,
        }
    }

    #[test]
    fn a_camera_is_as_good_as_its_streams() {
        use CameraState::*;
        let state = |main, sub| overall(&[stream("main", main), stream("sub", sub)], false);
        assert_eq!(state(Recording, Recording), Recording);
        assert_eq!(state(Recording, Offline), Degraded);
        assert_eq!(state(AuthFailed, AuthFailed), AuthFailed);
        assert_eq!(overall(&[stream("main", Recording)], true), StorageBlocked);
        let words = mend(Degraded, &[stream("main", Recording), stream("sub", Offline)]);
        assert_eq!(words, "Its sub stream does not arrive: refused");
    }
}
