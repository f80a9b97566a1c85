//! A desk that knows what a test says.

use super::NOW;
use axum::body::Bytes;
use nightjar_api::desk::BoxFuture;
use nightjar_api::*;
use nightjar_types::config::Sight;
use nightjar_types::eye::ModelInfo;
use nightjar_types::gate::{GateCamera, GateReport};
use nightjar_types::status::*;
use nightjar_types::world::{AlarmView, Told};
use nightjar_types::{BBox, EventId, StreamKind, Wall};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, mpsc};

/// What a test says the daemon knows.
pub struct MemoryDesk {
    pub updates: broadcast::Sender<Update>,
    /// The senders of live feeds that were opened, with what was asked.
    pub feeds: mpsc::UnboundedSender<(String, StreamKind, mpsc::Sender<LiveMessage>)>,
    pub tested: Mutex<Vec<(String, u32, String)>>,
    pub armed: Mutex<bool>,
    pub rules: Mutex<Option<String>>,
    /// Of the camera "front".
    pub sight: Mutex<Option<Sight>>,
    pub footage: Vec<u8>,
    pub events: Vec<EventView>,
    pub held: Mutex<Vec<HoldView>>,
    pub jobs: Mutex<Vec<JobView>>,
    pub clock_is_sure: bool,
}

impl MemoryDesk {
    fn fits(draft: &Draft) -> Result<(), DeskError> {
        match draft {
            Draft::Rules(Some(text)) if text == "nonsense" => {
                Err(DeskError::Refused("rules: line 1: expected `=`".into()))
            }
            Draft::Sight { camera, .. } if camera != "front" => Err(DeskError::UnknownCamera(camera.clone())),
            _ => Ok(()),
        }
    }

    fn camera(id: &str, kinds: &[&'static str]) -> CameraStatus {
        let stream = |kind: &&'static str| StreamStatus {
            kind,
            state: CameraState::Recording,
            codecs: "avc1.64001f".into(),
            width: 640,
            height: 360,
            fps: 25.0,
            bitrate: 500_000,
            gop_s: 1.0,
            dropped_units: 0,
            sessions: 1,
            error: None,
        };
        CameraStatus {
            id: id.into(),
            name: id.to_uppercase(),
            state: CameraState::Recording,
            mend: String::new(),
            detect: true,
            streams: kinds.iter().map(stream).collect(),
            zones: vec![],
        }
    }

    pub fn alarm() -> AlarmView {
        let told = Told {
            id: 7,
            subject: "notice".into(),
            at_ms: 1,
            done_ms: 2,
            tries: 1,
            outcome: "refused",
            words: "answers 400".into(),
        };
        AlarmView {
            id: "barn".into(),
            kind: "webhook",
            target: "https://example.org".into(),
            state: "retrying",
            waiting: 2,
            delivered: 1,
            failed: 1,
            dropped: 0,
            dropped_detections: 0,
            error: Some("answers 400".into()),
            offline: "Needs the internet.",
            history: vec![told],
        }
    }

    pub fn event(n: i64) -> EventView {
        EventView {
            id: EventId { start: Wall(NOW + n), serial: 0 }.to_string(),
            camera: "front".into(),
            label: "person".into(),
            score: 0.9,
            bbox: BBox::default(),
            track: 1,
            start_ms: Wall(NOW + n).as_ms(),
            end_ms: None,
            rules: vec![],
            snapshot: true,
            model: "00".into(),
            found_ms: None,
        }
    }
}

impl Desk for MemoryDesk {
    fn cameras(&self) -> Vec<CameraStatus> {
        vec![Self::camera("front", &["main", "sub"]), Self::camera("yard", &["main"])]
    }
    fn outputs(&self) -> Vec<OutputStatus> {
        let output = |id: &str, on| OutputStatus {
            id: id.into(),
            line: "SIM0".into(),
            driver: "sim".into(),
            on,
            safe_on: false,
            until_ms: None,
            cause: None,
            moved_ms: None,
            moves: 3,
            error: None,
        };
        vec![output("siren", false), output("gate", true)]
    }
    fn inputs(&self) -> Vec<InputStatus> {
        let (id, line) = ("door".into(), "sim:4".into());
        vec![InputStatus { id, line, kind: "door", active: false, changed_ms: None }]
    }
    fn arm(&self) -> ArmView {
        ArmView { armed: *self.armed.lock().unwrap(), since_ms: 5, by: "user ada".into() }
    }
    fn set_armed(&self, armed: bool, _who: &str) -> BoxFuture<'_, Result<ArmView, DeskError>> {
        *self.armed.lock().unwrap() = armed;
        let arm = self.arm();
        Box::pin(async { Ok(arm) })
    }
    fn rules(&self) -> Vec<RuleView> {
        vec![RuleView {
            id: "person-siren".into(),
            sentence: "person → siren".into(),
            fired: 0,
            fired_ms: None,
        }]
    }
    fn gate(&self, since: Option<Wall>) -> BoxFuture<'_, Result<GateReport, DeskError>> {
        let missing_ms = since.map(|since| since.as_ms() as u64);
        let camera = GateCamera { id: "front".into(), recording: true, missing_ms, ..GateCamera::default() };
        Box::pin(async move { Ok(GateReport { cameras: vec![camera], ..GateReport::default() }) })
    }
    fn health(&self) -> Health {
        Health {
            ok: true,
            problems: vec![],
            version: "9.9.9".into(),
            board: "sim".into(),
            uptime_s: 5,
            rss_bytes: 1,
            storage: StorageStatus {
                state: "ok",
                path: "/s".into(),
                quota_bytes: 10,
                used_bytes: 1,
                slabs: 1,
                free_slabs: 0,
                payload_bytes: 1,
                written_bytes: 1,
                slowest_write_ms: 250,
                oldest_ms: None,
                error: None,
            },
            eye: EyeStatus {
                state: "running",
                pid: None,
                restarts: 0,
                model: ModelInfo::default(),
                decoders: vec![],
                inference_p50_ms: 38.0,
                decoded: 1,
                key_only: 1,
                left_out: 2,
                cpu: 0.25,
                spacing_ms: 200,
                ease: "reduced",
                eased_by: Some("83 °C".into()),
                latency: vec![StageLatency { stage: "total", p50_ms: 90.0, p99_ms: 220.0 }],
                inferred: 1,
                skipped_gops: 0,
                sandbox: "seccomp".into(),
                quarantine: vec![],
                measured: None,
                room: Some(4),
                error: None,
            },
            isolation: Some(Isolation {
                in_force: true,
                words: "Cameras are kept apart from the network.".into(),
                refused: 41,
                attempts: vec![Attempt {
                    from: "10.9.0.12".into(),
                    to: "8.8.8.8".into(),
                    times: 41,
                    words: "10.9.0.12 tried 8.8.8.8: blocked 41 times".into(),
                }],
            }),
            counters: vec![("dropped_gops", 4)],
        }
    }
    fn rules_text(&self) -> BoxFuture<'_, Result<RulesText, DeskError>> {
        let saved = self.rules.lock().unwrap().clone();
        let text = saved.clone().unwrap_or_else(|| "[[rule]]".into());
        Box::pin(async move { Ok(RulesText { text, is_own: saved.is_some() }) })
    }
    fn sight(&self, camera: &str) -> BoxFuture<'_, Result<SightView, DeskError>> {
        let view = if camera == "front" {
            let saved = self.sight.lock().unwrap().clone();
            Ok(SightView { is_own: saved.is_some(), sight: saved.unwrap_or_default() })
        } else {
            Err(DeskError::UnknownCamera(camera.into()))
        };
        Box::pin(async { view })
    }
    fn rehearse(&self, draft: Draft, hours: u32) -> BoxFuture<'_, Result<Rehearsal, DeskError>> {
        let fits = Self::fits(&draft);
        Box::pin(async move {
            fits?;
            let at_ms = Wall(NOW).as_ms() - i64::from(hours);
            let (output, cause) = ("siren".into(), "rule night: person".into());
            let moves = vec![MoveView { at_ms, output, on: true, fate: "new", cause }];
            Ok(Rehearsal { rules: vec![], moves, since_ms: None, left_out: 0 })
        })
    }
    fn save(&self, draft: Draft) -> BoxFuture<'_, Result<(), DeskError>> {
        let fits = Self::fits(&draft);
        match draft {
            _ if fits.is_err() => {}
            Draft::Rules(rules) => *self.rules.lock().unwrap() = rules,
            Draft::Sight { sight, .. } => *self.sight.lock().unwrap() = sight,
        }
        Box::pin(async move { fits })
    }
    fn updates(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }
    fn live(&self, camera: &str, stream: StreamKind) -> Result<LiveFeed, DeskError> {
        let (sender, messages) = mpsc::channel(2);
        self.feeds.send((camera.into(), stream, sender)).map_err(|_| DeskError::Busy("no test".into()))?;
        Ok(LiveFeed { messages })
    }
    fn coverage(
        &self,
        camera: &str,
        _: StreamKind,
        from: Wall,
        to: Wall,
    ) -> BoxFuture<'_, Result<Coverage, DeskError>> {
        let known = camera == "front";
        let camera = camera.to_owned();
        Box::pin(async move {
            if !known {
                return Err(DeskError::UnknownCamera(camera));
            }
            Ok(Coverage { spans: vec![Span { from_ms: from.as_ms(), to_ms: to.as_ms() }], gaps: vec![] })
        })
    }
    fn events(&self, query: EventQuery) -> BoxFuture<'_, Result<Vec<EventView>, DeskError>> {
        Box::pin(async move {
            let older = |e: &&EventView| query.before.is_none_or(|id| e.id < id.to_string());
            let of = |e: &&EventView| query.camera.as_ref().is_none_or(|camera| *camera == e.camera);
            Ok(self.events.iter().filter(older).filter(of).take(query.limit).cloned().collect())
        })
    }
    fn event(&self, id: EventId) -> BoxFuture<'_, Result<EventView, DeskError>> {
        let id = id.to_string();
        let found = self.events.iter().find(|event| event.id == id).cloned();
        Box::pin(async move { found.ok_or(DeskError::UnknownEvent(id)) })
    }
    fn event_snapshot(&self, id: EventId) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let found = self.event(id);
        Box::pin(async move { found.await.map(|_| Bytes::from_static(b"\xff\xd8event")) })
    }
    fn still(
        &self,
        camera: &str,
        stream: StreamKind,
        at: Option<Wall>,
    ) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let text = format!("{camera} {stream} {at:?}");
        Box::pin(async move { Ok(Bytes::from(text)) })
    }
    fn export(&self, query: ExportQuery) -> BoxFuture<'_, Result<Arc<dyn Export>, DeskError>> {
        let footage = self.footage.clone();
        let ExportQuery { camera, stream, .. } = query;
        Box::pin(async move {
            if camera != "front" {
                return Err(DeskError::NoFootage { camera, stream, words: "the camera went silent".into() });
            }
            Ok(Arc::new(MemoryExport(footage)) as Arc<dyn Export>)
        })
    }
    fn device_key(&self) -> Option<DeviceKeyView> {
        Some(DeviceKeyView { public_key: "ab".repeat(32), fingerprint: "abab-abab".into() })
    }
    fn storage(&self) -> BoxFuture<'_, Result<StorageView, DeskError>> {
        let forecast = ForecastView {
            words: "12 days; shrinking since yard's bitrate doubled 3 h ago".into(),
            covers_s: 1_036_800,
            trend: "shrinking",
            so_far_s: None,
            change: Some(ChangeView {
                camera: "yard".into(),
                stream: "main",
                times: Some(2.0),
                ago_s: 10_800,
            }),
        };
        let stream = StreamForecast { camera: "yard".into(), stream: "main", forecast: forecast.clone() };
        let held = self.held.lock().unwrap();
        let view = StorageView {
            state: "missing",
            words: "gone".into(),
            mend: "plug it in".into(),
            quota_bytes: 10,
            used_bytes: 1,
            forecast,
            streams: vec![stream],
            wear: WearView { written_bytes: 102, video_bytes: 100, ratio: Some(1.02) },
            life: LifeView { words: "about 9 months".into(), left_s: Some(23_328_000) },
            device: CardView {
                name: Some("mmcblk0".into()),
                size_bytes: Some(64 << 30),
                written_since_boot_bytes: Some(5),
                life_used_percent: Some(30),
                is_near_end: false,
            },
            holds: BudgetView { count: held.len() as u32, used_bytes: 7, budget_bytes: 70 },
            clock: ClockView { now_ms: Wall(NOW).as_ms(), is_sure: self.clock_is_sure, hint: String::new() },
            damaged_records: 2,
        };
        Box::pin(async move { Ok(view) })
    }
    fn holds(&self) -> BoxFuture<'_, Result<HoldsView, DeskError>> {
        let holds = self.held.lock().unwrap().clone();
        Box::pin(async move { Ok(HoldsView { holds, used_bytes: 7, budget_bytes: 70 }) })
    }
    fn hold(&self, form: HoldForm, who: &str) -> BoxFuture<'_, Result<HoldView, DeskError>> {
        let mut held = self.held.lock().unwrap();
        let answer = if form.from_ms >= form.to_ms {
            Err(DeskError::Refused("give a begin before the end".into()))
        } else if held.len() == 2 {
            Err(DeskError::Conflict("let another go".into()))
        } else {
            let id = held.len() as u32 + 1;
            held.push(HoldView {
                id,
                cameras: form.cameras,
                from_ms: form.from_ms,
                to_ms: form.to_ms,
                note: form.note,
                by: who.into(),
                made_ms: 0,
                bytes: 7,
            });
            Ok(held.last().unwrap().clone())
        };
        Box::pin(async move { answer })
    }
    fn release(&self, id: u32) -> BoxFuture<'_, Result<HoldView, DeskError>> {
        let mut held = self.held.lock().unwrap();
        let at = held.iter().position(|hold| hold.id == id);
        let answer = at.map(|at| held.remove(at)).ok_or(DeskError::UnknownHold(id));
        Box::pin(async move { answer })
    }
    fn night(&self) -> NightView {
        let jobs = self.jobs.lock().unwrap().clone();
        NightView { state: "working", words: "It looks at recordings.".into(), left_s: Some(5), jobs }
    }
    fn look_again(&self, form: NightForm, who: &str) -> BoxFuture<'_, Result<JobView, DeskError>> {
        let NightForm { camera, from_ms, to_ms, label } = form;
        let (reason, by) = ("asked", who.to_string());
        let job = JobView { id: 1, camera, from_ms, to_ms, done_ms: from_ms, label, reason, by, found: 0 };
        let answer = if from_ms < to_ms {
            self.jobs.lock().unwrap().push(job.clone());
            Ok(job)
        } else {
            Err(DeskError::Refused("from is not before to".into()))
        };
        Box::pin(async move { answer })
    }
    fn drop_job(&self, id: u32) -> BoxFuture<'_, Result<JobView, DeskError>> {
        let mut jobs = self.jobs.lock().unwrap();
        let at = jobs.iter().position(|job| job.id == id);
        let answer = at.map(|at| jobs.remove(at)).ok_or(DeskError::UnknownJob(id));
        Box::pin(async move { answer })
    }
    fn set_clock(&self, now: Wall) -> BoxFuture<'_, Result<ClockView, DeskError>> {
        let answer = if self.clock_is_sure {
            Err(DeskError::Conflict("the clock is right already".into()))
        } else if now.as_ms() % 2 == 1 {
            Err(DeskError::NotPermitted("give it CAP_SYS_TIME".into()))
        } else {
            Ok(ClockView { now_ms: now.as_ms(), is_sure: true, hint: String::new() })
        };
        Box::pin(async move { answer })
    }
    fn alarms(&self) -> Vec<AlarmView> {
        vec![Self::alarm()]
    }
    fn test_alarm(&self, alarm: &str, _who: &str) -> Result<AlarmView, DeskError> {
        self.alarms().into_iter().find(|a| a.id == alarm).ok_or(DeskError::UnknownAlarm(alarm.into()))
    }
    fn tell_again(&self, alarm: &str, message: u64) -> Result<Told, DeskError> {
        let found = self.test_alarm(alarm, "")?.history.into_iter().find(|told| told.id == message);
        found.ok_or(DeskError::Conflict(format!("message {message} is not among the newest 32 any more")))
    }
    fn push(&self) -> Option<PushView> {
        Some(PushView { public_key: "BAAA".into(), browsers: 0 })
    }
    fn subscribe(&self, form: PushForm, _who: &str) -> BoxFuture<'_, Result<(), DeskError>> {
        let words = "this is no subscription of a browser: keys.auth are not 16 bytes";
        let refused = (form.keys.auth == "!").then(|| DeskError::Refused(words.into()));
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }
    fn unsubscribe(&self, _endpoint: String) -> BoxFuture<'_, Result<(), DeskError>> {
        Box::pin(async { Ok(()) })
    }
    fn release_camera(&self, camera: &str) -> Result<(), DeskError> {
        match camera {
            "front" => Ok(()),
            "yard" => Err(DeskError::Conflict("camera \"yard\" is in no quarantine".into())),
            other => Err(DeskError::UnknownCamera(other.into())),
        }
    }
    fn test_output(
        &self,
        output: &str,
        ms: u32,
        who: &str,
    ) -> BoxFuture<'_, Result<OutputStatus, DeskError>> {
        self.tested.lock().unwrap().push((output.into(), ms, who.into()));
        let found = self.outputs().into_iter().find(|o| o.id == output).unwrap();
        Box::pin(async move {
            if found.on { Err(DeskError::Busy("gate is driven by rule night".into())) } else { Ok(found) }
        })
    }
    fn switch_off(&self, output: &str, _who: &str) -> BoxFuture<'_, Result<OutputStatus, DeskError>> {
        let found = self.outputs().into_iter().find(|o| o.id == output);
        let name = output.to_string();
        Box::pin(async move {
            let status = found.ok_or(DeskError::UnknownOutput(name))?;
            Ok(OutputStatus { on: status.safe_on, ..status })
        })
    }
}

/// Gives at most 1000 bytes a read, so that every answer takes several.
pub struct MemoryExport(Vec<u8>);

impl Export for MemoryExport {
    fn start(&self) -> Wall {
        Wall(1_000)
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn end(&self) -> Wall {
        Wall(NOW + 60_000_000)
    }
    fn playlist(&self, uri: &str) -> Option<String> {
        Some(format!("#EXTM3U\n{uri}\n"))
    }
    fn etag(&self) -> String {
        "tag-1".into()
    }
    fn file_name(&self) -> String {
        "front 10:00.mp4".into()
    }
    fn read(&self, offset: u64, max: usize) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let from = offset as usize;
        let to = (from + max.min(1_000)).min(self.0.len());
        let bytes = Bytes::copy_from_slice(&self.0[from..to]);
        Box::pin(async move { Ok(bytes) })
    }
}
