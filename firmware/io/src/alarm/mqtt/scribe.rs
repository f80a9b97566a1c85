//! Updates → topics and JSON. What is now is retained; what happened is not.
//!
//! ```text
//! nightjar/{device}/status                     online, offline             retained, last will
//! nightjar/{device}/health                     {ok, problems}              retained
//! nightjar/{device}/heartbeat                  {at, uptime_s, version, slot, ok}   retained, once a minute
//! nightjar/{device}/{camera}/state             {state, mend}               retained
//! nightjar/{device}/{camera}/recorded          {day, recorded_s, gaps, unexplained_s}   retained, once a UTC day
//! nightjar/{device}/{camera}/seen/{class}      ON, OFF                     retained; class "any": whatever it is
//! nightjar/{device}/output/{output}/state      ON, OFF                     retained
//! nightjar/{device}/output/{output}/about      {safe, cause, since_ms, until_ms, error}   retained
//! nightjar/{device}/input/{input}/state        ON, OFF                     retained
//! nightjar/{device}/arm                        {armed, since_ms, by}       retained
//! nightjar/{device}/{camera}/events            begin, update, end
//! nightjar/{device}/outputs                    every move, also one that failed
//! nightjar/{device}/inputs                     every edge
//! nightjar/{device}/arming                     armed, disarmed
//! nightjar/{device}/rules                      every firing, of a dry run too
//! nightjar/{device}/{camera}/detections        boxes of one picture
//! nightjar/{device}/notices                    what rules say
//! nightjar/{device}/problems                   begin, end
//! ```
//!
//! Nothing is listened to: a broker moves no output and arms nothing.

use super::super::{Class, Letter, Opening, Scribe, slug};
use super::discovery;
use crate::clock;
use bytes::Bytes;
use nightjar_types::Wall;
use nightjar_types::config::{self, Config};
use nightjar_types::day::DayView;
use nightjar_types::gate::booted_slot;
use nightjar_types::scene::TAMPER_CLASS;
use nightjar_types::status::{
    ArmView, CameraState, Detections, EventView, Health, InputStatus, OutputStatus, Update,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Version of every JSON message; another one means that a field changed its meaning or went away.
const SCHEMA: u32 = 1;
const ONLINE: &str = "online";
/// Between two heartbeats, seconds.
const BEAT_S: u64 = 60;
pub(super) const OFFLINE: &str = "offline";
/// The class that means any.
pub(super) const ANY: &str = "any";

/// Where things are told.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    base: String,
}

impl Topics {
    pub(super) fn new(prefix: &str, device: &str) -> Self {
        Self { base: format!("{prefix}/{device}") }
    }

    pub(super) fn status(&self) -> String {
        format!("{}/status", self.base)
    }

    pub(super) fn health(&self) -> String {
        format!("{}/health", self.base)
    }

    pub(super) fn heartbeat(&self) -> String {
        format!("{}/heartbeat", self.base)
    }

    pub(super) fn notices(&self) -> String {
        format!("{}/notices", self.base)
    }

    pub(super) fn arm(&self) -> String {
        format!("{}/arm", self.base)
    }

    pub(super) fn camera(&self, camera: &str, what: &str) -> String {
        format!("{}/{camera}/{what}", self.base)
    }

    pub(super) fn seen(&self, camera: &str, class: &str) -> String {
        format!("{}/{camera}/seen/{}", self.base, slug(class))
    }

    pub(super) fn output(&self, output: &str, what: &str) -> String {
        format!("{}/output/{output}/{what}", self.base)
    }

    pub(super) fn input(&self, input: &str) -> String {
        format!("{}/input/{input}/state", self.base)
    }
}

/// Writes for a broker.
pub(super) struct Mqtt {
    topics: Topics,
    detections: bool,
    first: Vec<Letter>,
    /// Events that go on: camera and class.
    live: HashMap<String, (String, String)>,
    /// Size of the picture that is detected on, by camera.
    sizes: BTreeMap<String, (u16, u16)>,
    model: (String, String),
    /// When each output, each input and the arming changed last, by topic: what changes after that is news.
    changed: HashMap<String, Option<i64>>,
    /// The slot that the system was started from, where there are two.
    slot: Option<String>,
    /// Uptime at the newest heartbeat, seconds.
    beat: Option<u64>,
}

impl Mqtt {
    pub(super) fn new(opening: &Opening<'_>, mqtt: &config::Mqtt, topics: Topics) -> Self {
        let config = opening.config;
        let mut first = vec![state(topics.status(), ONLINE)];
        for camera in opening.cameras() {
            for class in classes(config, camera.as_str()) {
                first.push(state(topics.seen(camera.as_str(), &class), "OFF"));
            }
        }
        let mut changed = HashMap::new();
        for output in &config.outputs {
            // every output is at its safe level until it moves
            first.push(state(topics.output(output.id.as_str(), "state"), on(output.is_safe_on)));
            first.push(about(&topics, output.id.as_str(), &About { safe: true, ..About::default() }));
            changed.insert(topics.output(output.id.as_str(), "state"), None);
        }
        changed.extend(config.inputs.iter().map(|i| (topics.input(i.id.as_str()), None)));
        if let Some(prefix) = &mqtt.home_assistant {
            let things = discovery::things(config, &opening.device(), &topics);
            first.extend(
                things.into_iter().map(|(topic, thing)| state_json(format!("{prefix}/{topic}"), &thing)),
            );
        }
        Self {
            topics,
            detections: mqtt.detections,
            first,
            live: HashMap::new(),
            sizes: BTreeMap::new(),
            model: Default::default(),
            changed,
            slot: booted_slot(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
                .map(str::to_owned),
            beat: None,
        }
    }

    fn health(&mut self, health: &Health) -> Vec<Letter> {
        self.model = (health.eye.model.card.clone(), health.eye.model.sha256.clone());
        let now = json!({ "ok": health.ok, "problems": health.problems });
        let mut letters = vec![state_json(self.topics.health(), &now)];
        if self.beat.is_none_or(|beat| health.uptime_s >= beat + BEAT_S) {
            self.beat = Some(health.uptime_s);
            let beat = json!({
                "schema": SCHEMA, "at": clock::wall().to_string(), "uptime_s": health.uptime_s,
                "version": health.version, "slot": self.slot, "ok": health.ok,
            });
            letters.push(state_json(self.topics.heartbeat(), &beat));
        }
        letters
    }

    fn day(&self, day: &DayView) -> Vec<Letter> {
        let proof = json!({
            "schema": SCHEMA, "day": day.day, "recorded_s": day.recorded_s, "gaps": day.gaps,
            "unexplained_s": day.unexplained_s,
        });
        vec![state_json(self.topics.camera(&day.camera, "recorded"), &proof)]
    }

    /// `thing`, which is told at `topic` how it is now, changed at `at_ms`: news for `list`, if it did not know that yet.
    fn news(&mut self, topic: String, at_ms: Option<i64>, list: &str, thing: Value) -> Option<Letter> {
        let before = self.changed.insert(topic, at_ms);
        let is_news = before.is_some_and(|before| before != at_ms);
        is_news.then(|| letter(format!("{}/{list}", self.topics.base), &thing, Class::News))
    }

    fn output(&mut self, output: &OutputStatus) -> Vec<Letter> {
        let topic = self.topics.output(&output.id, "state");
        let now = About {
            safe: output.on == output.safe_on,
            cause: output.cause.as_deref(),
            since_ms: output.moved_ms,
            until_ms: output.until_ms,
            error: output.error.as_deref(),
        };
        let mut letters = vec![state(topic.clone(), on(output.on)), about(&self.topics, &output.id, &now)];
        let step = if output.error.is_some() { "failed" } else { "moved" };
        let news = json!({ "schema": SCHEMA, "type": step, "output": output });
        letters.extend(self.news(topic, output.moved_ms, "outputs", news));
        letters
    }

    fn input(&mut self, input: &InputStatus) -> Vec<Letter> {
        let topic = self.topics.input(&input.id);
        let mut letters = vec![state(topic.clone(), on(input.active))];
        let news = json!({ "schema": SCHEMA, "type": on(input.active), "input": input });
        letters.extend(self.news(topic, input.changed_ms, "inputs", news));
        letters
    }

    fn arm(&mut self, arm: &ArmView) -> Vec<Letter> {
        let topic = self.topics.arm();
        let mut letters = vec![state_json(topic.clone(), arm)];
        let step = if arm.armed { "armed" } else { "disarmed" };
        let news = json!({ "schema": SCHEMA, "type": step, "arm": arm });
        letters.extend(self.news(topic, Some(arm.since_ms), "arming", news));
        letters
    }

    fn event(&mut self, event: &EventView) -> Vec<Letter> {
        if event.found_ms.is_some() {
            return Vec::new(); // of the past: nobody is there any more
        }
        let place = (event.camera.clone(), class_of(&event.label).to_string());
        let before = match event.end_ms {
            None => self.live.insert(event.id.clone(), place.clone()),
            Some(_) => self.live.remove(&event.id),
        };
        let step = match (&before, event.end_ms) {
            (_, Some(_)) => "end",
            (None, None) => "begin",
            (Some(_), None) => "update",
        };
        let topic = self.topics.camera(&event.camera, "events");
        let body = json!({ "schema": SCHEMA, "type": step, "event": event });
        let mut letters = vec![letter(topic, &body, Class::News)];
        let changed: BTreeSet<(String, String)> = before.into_iter().chain([place]).collect();
        for (camera, class) in &changed {
            let is_seen = self.live.values().any(|(c, l)| (c, l) == (camera, class));
            letters.push(state(self.topics.seen(camera, class), on(is_seen)));
        }
        let is_any = self.live.values().any(|(c, l)| *c == event.camera && l != TAMPER_CLASS);
        letters.push(state(self.topics.seen(&event.camera, ANY), on(is_any)));
        letters
    }

    fn detections(&self, seen: &Detections) -> Vec<Letter> {
        if !self.detections || !seen.inferred {
            return Vec::new();
        }
        let size = self.sizes.get(&seen.camera).copied();
        let boxes = seen.boxes.iter().map(|d| Thing {
            class_name: &d.label,
            confidence: d.score,
            bbox: size.map(|(w, h)| {
                let (w, h) = (f32::from(w), f32::from(h));
                Pixels { x: d.bbox.x * w, y: d.bbox.y * h, width: d.bbox.w * w, height: d.bbox.h * h }
            }),
            tracker_id: d.track,
        });
        let message = Message {
            schema: SCHEMA,
            source_id: &seen.camera,
            frame_id: seen.look.frame,
            timestamp: Wall::from_ms(seen.at_ms).to_string(),
            clock: if clock::is_sure() { "sure" } else { "unsure" },
            model_id: &self.model.0,
            model_sha256: &self.model.1,
            inference_time_ms: seen.look.inference_ms,
            detections: boxes.collect(),
            fps: seen.look.fps,
            latency_ms: seen.look.latency_ms,
        };
        vec![letter(self.topics.camera(&seen.camera, "detections"), &message, Class::Sight)]
    }
}

impl Scribe for Mqtt {
    fn first(&mut self) -> Vec<Letter> {
        std::mem::take(&mut self.first)
    }

    fn write(&mut self, update: &Update) -> Vec<Letter> {
        match update {
            Update::Camera(camera) => {
                let size =
                    camera.streams.last().map(|s| (s.width, s.height)).filter(|(w, h)| *w > 0 && *h > 0);
                self.sizes.extend(size.map(|size| (camera.id.clone(), size)));
                let mend = if camera.state == CameraState::Connecting { "" } else { &camera.mend };
                let now = json!({ "state": camera.state, "mend": mend });
                vec![state_json(self.topics.camera(&camera.id, "state"), &now)]
            }
            Update::Output(output) => self.output(output),
            Update::Input(input) => self.input(input),
            Update::Arm(arm) => self.arm(arm),
            Update::Event(event) => self.event(event),
            Update::Detections(seen) => self.detections(seen),
            Update::Health(health) => self.health(health),
            Update::Day(day) => self.day(day),
            Update::Fired(firing) => {
                let body = json!({ "schema": SCHEMA, "type": "fired", "firing": firing });
                vec![letter(format!("{}/rules", self.topics.base), &body, Class::News)]
            }
            Update::Notice(notice) => {
                let body = json!({ "schema": SCHEMA, "event_type": "notice", "notice": notice });
                vec![letter(self.topics.notices(), &body, Class::News)]
            }
            Update::Problem(problem) => {
                let step = if problem.end_ms.is_some() { "end" } else { "begin" };
                let body = json!({ "schema": SCHEMA, "type": step, "problem": problem });
                vec![letter(format!("{}/problems", self.topics.base), &body, Class::News)]
            }
        }
    }
}

/// Boxes of one picture, as consumers of other recorders know them. `schema`, `clock` and `model_sha256` are ours.
#[derive(Serialize)]
struct Message<'a> {
    schema: u32,
    source_id: &'a str,
    frame_id: u64,
    timestamp: String,
    /// `sure`: something that knows the time keeps the clock.
    clock: &'static str,
    model_id: &'a str,
    model_sha256: &'a str,
    inference_time_ms: f32,
    detections: Vec<Thing<'a>>,
    fps: f32,
    latency_ms: f32,
}

#[derive(Serialize)]
struct Thing<'a> {
    class_name: &'a str,
    confidence: f32,
    /// `null` while the size of the picture is not known.
    bbox: Option<Pixels>,
    tracker_id: Option<u32>,
}

/// Top left corner and size.
#[derive(Serialize)]
struct Pixels {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

/// Why an output is as it is.
#[derive(Default, Serialize)]
struct About<'a> {
    /// It is at its safe level.
    safe: bool,
    cause: Option<&'a str>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    error: Option<&'a str>,
}

fn about(topics: &Topics, output: &str, about: &About<'_>) -> Letter {
    state_json(topics.output(output, "about"), about)
}

/// All kinds of tampering are one class.
fn class_of(label: &str) -> &str {
    if label.starts_with(TAMPER_CLASS) { TAMPER_CLASS } else { label }
}

/// Classes of a camera that are told from the start: those that the configuration names, and `any`.
pub(super) fn classes(config: &Config, camera: &str) -> BTreeSet<String> {
    let mut classes = BTreeSet::new();
    for c in config.cameras.iter().filter(|c| c.id.as_str() == camera && c.detect) {
        classes.insert(ANY.to_string());
        classes.extend(c.filter.classes.iter().cloned());
        classes.extend(c.tamper.then(|| TAMPER_CLASS.to_string()));
        let rules = config.rules.iter().filter(|r| r.when.camera.as_ref().is_none_or(|id| *id == c.id));
        classes.extend(rules.filter_map(|r| r.when.class.clone()));
    }
    classes
}

fn on(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

fn state(subject: String, body: &'static str) -> Letter {
    Letter { subject, body: Bytes::from_static(body.as_bytes()), class: Class::State, event: None }
}

fn state_json(subject: String, body: &impl Serialize) -> Letter {
    letter(subject, body, Class::State)
}

fn letter(subject: String, body: &impl Serialize, class: Class) -> Letter {
    let body = serde_json::to_vec(body).expect("texts and numbers are JSON");
    Letter { subject, body: body.into(), class, event: None }
}
