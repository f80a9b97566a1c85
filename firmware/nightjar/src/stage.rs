//! What the eye sees in, events and orders out: the stage between detection and the world. Never waits for anything on its right.

mod hearing;

use crate::arming::Arming;
use crate::compile::{Compiled, RULES, WATCHES, compile};
use crate::journal::{self, Journal};
use crate::latency::Latency;
use crate::names::Names;
use crate::outputs::{Asker, Outputs, ask_of};
use crate::pace::Pace;
use crate::sight::{self, Sight};
use crate::tampering::{self, Tampered, Tampering};
use crate::updates::Updates;
use bytes::Bytes;
use nightjar_api::Audit;
use nightjar_io::clock;
use nightjar_io::storage::{EventSender, Trigger};
use nightjar_rules::{Ask, CameraIx, LEASE_US, Micros, RuleBook, Score};
use nightjar_rules::{Change, EventBook, EventWhat as Step, Order, What};
use nightjar_types::config::{Config, RuleAction};
use nightjar_types::eye::FromEye;
use nightjar_types::scene::TAMPER_TRACK;
use nightjar_types::status::{
    ArmView, Detections, EventView, Firing, InputStatus, Look, Notice, RuleView, Update,
};
use nightjar_types::{Detection, Event, EventId, Mono, SceneState, Wall};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Events that may be going on at a time.
const LIVE: usize = 128;
/// A track not seen for this long is over even if the eye never says so: it may have died.
const UNSEEN_US: u64 = 5_000_000;
/// A better picture is told when its score rose by this, thousandths.
const BETTER: u16 = 50;
/// The stage shows at least this often that it is alive.
const IDLE: Duration = Duration::from_secs(1);

/// A picture or an edge of an input that comes later than this moves nothing: whoever was stopped or swapped out for so long
/// wakes up with the past in its queues, and the relays have been told to be safe meanwhile.
const STALE: Duration = Duration::from_micros(LEASE_US);

/// What a person may ask of the stage.
pub(crate) enum Command {
    /// Move an output.
    Move { ask: Ask, who: String, answer: Asker },
    /// Arm or disarm the device.
    Arm { armed: bool, who: String, answer: oneshot::Sender<ArmView> },
}

/// A detected stream: by the eye's number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) camera: CameraIx,
    /// Number of the camera's main stream, into whose slab its events are written.
    pub(crate) main: usize,
}

struct Live {
    event: Event,
    jpeg: Option<Bytes>,
    is_written: bool,
}

/// The stage's shared numbers.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) rules: Vec<RuleView>,
    pub(crate) alive: Mono,
    pub(crate) evicted: u64,
    /// Pictures and edges that came too late to move anything.
    pub(crate) stale: u64,
    /// Records that the journal could not take.
    pub(crate) journal_lost: u64,
    pub(crate) inputs: Vec<InputStatus>,
    pub(crate) arm: Option<ArmView>,
    /// From pictures to the rules.
    pub(crate) latency: Latency,
    pub(crate) tampered: Vec<Tampered>,
    /// Classes that are asked for and that the model does not name, in words.
    pub(crate) unknown: Vec<String>,
    /// When something last moved or was seen before any camera.
    pub(crate) stirred: Option<Mono>,
    /// When the eye gave a picture last, by its stream numbers.
    pub(crate) looked: Vec<Option<Mono>>,
    /// The newest pictures of events: they are on their way to the card.
    pictures: VecDeque<(EventId, Bytes)>,
}

/// Share of the picture that must move to count as motion.
const MOVES: f32 = 0.002;

/// Pictures of events that are kept until they are surely on the card.
const KEPT_PICTURES: usize = 32;

impl Shown {
    /// An event's newest picture, if it came in a moment ago.
    pub(crate) fn picture(&self, id: EventId) -> Option<Bytes> {
        self.pictures.iter().rev().find(|(of, _)| *of == id).map(|(_, jpeg)| jpeg.clone())
    }
}

/// Where it is written down what happens.
pub(crate) struct Books {
    pub(crate) audit: Audit,
    /// `None`: there is nothing to tell of.
    pub(crate) journal: Option<Journal>,
    pub(crate) card: EventSender,
}

/// The stage.
pub(crate) struct Stage {
    names: Names,
    book: Box<RuleBook<RULES, WATCHES>>,
    events: EventBook<LIVE>,
    live: HashMap<(u8, u32), Live>,
    seen: Vec<Seen>,
    notices: Vec<String>,
    outputs: Outputs,
    arming: Arming,
    books: Books,
    updates: Updates,
    paces: Vec<Pace>,
    shown: Arc<Mutex<Shown>>,
    model: String,
    serial: u16,
    had_boxes: Vec<bool>,
    tampering: Tampering,
    /// What counts, by camera.
    sights: Vec<Sight>,
    config: Arc<Config>,
    /// Arrival of the picture that the rules are looking at.
    picture: Option<Mono>,
    /// Why each rule fired last, in words.
    why: Vec<String>,
}

impl Stage {
    pub(crate) fn new(
        config: &Arc<Config>,
        seen: Vec<Seen>,
        outputs: Outputs,
        arming: Arming,
        books: Books,
        updates: Updates,
    ) -> anyhow::Result<Self> {
        let Compiled { mut names, book, sights } = compile(config)?;
        let rules = config.rules.iter().map(|r| crate::story::view(config, r)).collect();
        let notice = |r: &nightjar_types::config::Rule| {
            let text = r.actions.iter().find_map(|a| match a {
                RuleAction::Notify { text } => Some(text.clone()),
                _ => None,
            });
            text.unwrap_or_default()
        };
        Ok(Self {
            notices: config.rules.iter().map(notice).collect(),
            why: config.rules.iter().map(|r| format!("rule {}", r.id)).collect(),
            had_boxes: vec![false; seen.len()],
            paces: vec![Pace::default(); seen.len()],
            tampering: Tampering::new(config, &seen, &mut names),
            config: config.clone(),
            picture: None,
            sights,
            shown: Arc::new(Mutex::new(Shown {
                rules,
                alive: clock::mono(),
                looked: vec![None; seen.len()],
                inputs: config.inputs.iter().map(input_status).collect(),
                arm: Some(arming.view()),
                ..Shown::default()
            })),
            names,
            book,
            events: EventBook::new(UNSEEN_US, Score::from_thousandths(BETTER)),
            live: HashMap::new(),
            seen,
            outputs,
            arming,
            books,
            updates,
            model: String::new(),
            serial: 0,
        })
    }

    pub(crate) fn shown(&self) -> Arc<Mutex<Shown>> {
        self.shown.clone()
    }

    /// Runs until `stop` says true; then every output is at its safe level and every event closed.
    pub(crate) async fn run(
        mut self,
        mut from_eye: mpsc::Receiver<FromEye>,
        mut commands: mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
    ) {
        let arm = self.arming.view();
        self.note(journal::What::Began { armed: arm.armed });
        self.updates.send(Update::Arm(arm));
        loop {
            let now = now();
            self.due(now);
            let idle = if self.tampering.tampered().is_empty() { IDLE } else { tampering::TOLD };
            let wait = self
                .next_deadline()
                .map_or(idle, |at| Duration::from_micros(at.0.saturating_sub(now.0)).min(idle));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(command) = commands.recv() => self.command(command),
                Some(message) = from_eye.recv() => self.message(message),
                heard = self.outputs.next() => self.heard(heard),
                () = tokio::time::sleep(wait) => {}
            }
        }
        for heard in self.outputs.stop().await {
            self.heard(heard);
        }
        self.note(journal::What::Ended);
        self.change_events(|events, out| events.close(&mut |x| out.push(x)));
    }

    fn next_deadline(&self) -> Option<Micros> {
        [self.book.next_deadline(), self.events.next_deadline()].into_iter().flatten().min()
    }

    fn due(&mut self, now: Micros) {
        self.outputs.beat(now);
        if self.arming.tick(clock::wall()) {
            self.armed();
        }
        self.book.set_present(self.arming.present(clock::wall()));
        self.tell_tampering(now);
        self.order(|book, out| book.tick(now, &mut |x| out.push(x)));
        self.change_events(|events, out| events.tick(now, &mut |x| out.push(x)));
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.alive = clock::mono();
        shown.journal_lost = self.books.journal.as_ref().map_or(0, Journal::lost);
        shown.evicted = self.book.evicted() + self.events.evicted();
    }

    fn message(&mut self, message: FromEye) {
        match message {
            FromEye::Frame { stream, mono, inferred, inference_ms, motion, detections, stages } => {
                if inferred {
                    let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                    shown.latency.add(mono, clock::mono(), stages);
                }
                self.frame(stream, mono, inferred.then_some(inference_ms), detections);
                self.trigger(stream as usize, mono, motion > MOVES);
            }
            FromEye::Snapshot { stream, track, jpeg, .. } => self.snapshot(stream, track, jpeg),
            FromEye::Lost { stream, track, .. } => {
                if let Some(camera) = self.seen.get(stream as usize).map(|s| s.camera) {
                    self.change_events(|events, out| events.lost(camera, track, &mut |x| out.push(x)));
                }
            }
            FromEye::Hello { model, .. } => {
                // a new eye counts its tracks from 1 again
                self.model = model.sha256;
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).unknown =
                    sight::unknown_classes(&self.config, &model.labels);
                self.change_events(|events, out| events.close(&mut |x| out.push(x)));
            }
            FromEye::Scene { stream, state, .. } => self.scene(stream, &state),
            // the link answers these itself
            FromEye::Still { .. }
            | FromEye::Decoder { .. }
            | FromEye::Pong { .. }
            | FromEye::Pace { .. }
            | FromEye::Measured(_) => {}
        }
    }

    /// `inferred` is how long the model took, milliseconds.
    fn frame(&mut self, stream: u32, mono: Mono, inferred: Option<f32>, detections: Vec<Detection>) {
        let n = stream as usize;
        let Some(camera) = self.seen.get(n).map(|s| s.camera) else { return };
        let (now, mut detections) = (now(), detections);
        if inferred.is_some() {
            self.paces[n].add(mono);
        }
        let (sight, events) = (&self.sights[usize::from(camera.0)], &self.events);
        let is_live = |track| events.live(camera, track).is_some();
        let things = sight.filter(&mut self.names, &mut detections, is_live);
        let news = sight.news(&things, is_live);
        self.change_events(|events, out| events.observe(camera, now, &news, &mut |x| out.push(x)));
        if self.is_fresh(mono) {
            self.picture = Some(mono);
            self.look(camera, now, &things);
            self.picture = None;
        }
        if !detections.is_empty() || self.had_boxes[n] {
            self.had_boxes[n] = !detections.is_empty();
            let camera = self.names.cameras[usize::from(camera.0)].to_string();
            let at_ms = wall_of(mono).as_ms();
            let look = Look {
                frame: self.paces[n].looks,
                inference_ms: inferred.unwrap_or_default(),
                latency_ms: clock::mono().since(mono).as_secs_f32() * 1_000.0,
                fps: self.paces[n].fps(),
            };
            self.updates.send(Update::Detections(Detections {
                camera,
                at_ms,
                inferred: inferred.is_some(),
                boxes: detections,
                look,
            }));
        }
    }

    fn scene(&mut self, stream: u32, state: &SceneState) {
        if let Some(camera) = self.tampering.take(stream, state, wall_of) {
            self.change_events(|events, out| events.lost(camera, TAMPER_TRACK, &mut |x| out.push(x)));
        }
        self.tell_tampering(now());
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.tampered = self.tampering.tampered().to_vec();
    }

    /// A camera that is tampered with shows a thing of that class, whatever its pictures show.
    fn tell_tampering(&mut self, now: Micros) {
        for (camera, thing) in self.tampering.things() {
            self.change_events(|events, out| events.observe(camera, now, &[thing], &mut |x| out.push(x)));
            self.look(camera, now, &[thing]);
        }
    }

    /// Tells the card that something happens on a camera: it may be recorded only then, and is marked.
    fn trigger(&mut self, n: usize, at: Mono, moves: bool) {
        let Some(Seen { camera, main }) = self.seen.get(n).copied() else { return };
        let has_event = self.live.keys().any(|(of, _)| *of == camera.0);
        if has_event {
            self.books.card.trigger(main, Trigger::Event, at);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.looked[n] = Some(at);
        if moves || has_event {
            shown.stirred = Some(at);
        }
        drop(shown);
        if moves {
            self.books.card.trigger(main, Trigger::Motion, at);
        }
    }

    fn order(&mut self, ask: impl FnOnce(&mut RuleBook<RULES, WATCHES>, &mut Vec<Order>)) {
        let mut orders = Vec::new();
        ask(&mut self.book, &mut orders);
        for order in orders {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        let n = usize::from(order.rule.0);
        match order.what {
            What::Fired => self.fired(order),
            What::Notify => {
                let text = self.notices.get(n).cloned().unwrap_or_default();
                let event = self.live.get(&subject(&order)).map(|l| l.event.id.to_string());
                tracing::info!(rule = self.names.rules[n], text, "notice");
                let (at_ms, rule) = (clock::wall().as_ms(), Some(self.names.rules[n].clone()));
                let (camera, input) = self.names.place(&self.config, &order);
                self.updates.send(Update::Notice(Notice { at_ms, text, event, camera, input, rule }));
            }
            _ => {
                let Some(ask) = ask_of(&order) else { return };
                if self.config.rules[n].is_dry_run {
                    tracing::info!(rule = self.names.rules[n], ?ask, "dry run: nothing is moved");
                } else {
                    self.outputs.ask(ask, self.picture);
                }
            }
        }
    }

    fn fired(&mut self, order: Order) {
        let n = usize::from(order.rule.0);
        let id = self.names.rules[n].clone();
        let live = self.live.get_mut(&subject(&order));
        let event = live.as_ref().map_or(String::new(), |l| format!(" (event {})", l.event.id));
        let why = self.names.why(&self.config, &order, &event);
        tracing::info!(rule = id, why, "fired");
        let (camera, input) = self.names.place(&self.config, &order);
        self.updates.send(Update::Fired(Firing {
            at_ms: clock::wall().as_ms(),
            rule: id.clone(),
            why: why.clone(),
            camera,
            input,
            event: live.as_ref().map(|l| l.event.id.to_string()),
            dry_run: self.config.rules[n].is_dry_run,
        }));
        self.why[n] = why;
        if let Some(live) = live.filter(|l| !l.event.rules.contains(&id)) {
            live.event.rules.push(id);
            let view = view(&live.event, live.jpeg.is_some());
            self.updates.send(Update::Event(view));
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = shown.rules.get_mut(n) {
            rule.fired += 1;
            rule.fired_ms = Some(clock::wall().as_ms());
        }
    }

    fn change_events(&mut self, ask: impl FnOnce(&mut EventBook<LIVE>, &mut Vec<Change>)) {
        let mut changes = Vec::new();
        ask(&mut self.events, &mut changes);
        for change in changes {
            self.change(change);
        }
    }

    fn change(&mut self, Change { what, event: sight }: Change) {
        let key = (sight.camera.0, sight.track);
        let [x, y, w, h] = sight.bbox.as_unit();
        let bbox = nightjar_types::BBox { x, y, w, h };
        let score = sight.score.as_unit();
        let label = self
            .tampering
            .label(sight.camera, sight.track)
            .map_or_else(|| self.names.class_name(sight.class).to_string(), str::to_string);
        if what == Step::Begin {
            self.serial = self.serial.wrapping_add(1);
            let event = Event {
                id: EventId { start: wall_of(Mono(sight.first.0)), serial: self.serial },
                camera: self.names.cameras[usize::from(sight.camera.0)].clone(),
                label: label.clone(),
                score,
                bbox,
                track: sight.track,
                end: None,
                rules: Vec::new(),
                model: self.model.clone(),
                found: None,
            };
            self.live.insert(key, Live { event, jpeg: None, is_written: false });
        }
        let Some(live) = self.live.get_mut(&key) else { return };
        (live.event.score, live.event.bbox) = (score, bbox);
        if sight.track != TAMPER_TRACK {
            live.event.label = label;
        }
        let is_over = what == Step::End;
        if is_over {
            live.event.end = Some(wall_of(Mono(sight.last.0)));
        }
        if what != Step::Better {
            let jpeg = live.jpeg.clone().filter(|_| !live.is_written);
            live.is_written = live.jpeg.is_some();
            send(&self.books.card, &self.seen, sight.camera, &live.event, jpeg);
        }
        self.updates.send(Update::Event(view(&live.event, live.jpeg.is_some())));
        if is_over {
            self.live.remove(&key);
        }
    }

    fn snapshot(&mut self, stream: u32, track: u32, jpeg: Bytes) {
        let Some(camera) = self.seen.get(stream as usize).map(|s| s.camera) else { return };
        let Some(live) = self.live.get_mut(&(camera.0, track)) else { return };
        {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.pictures.retain(|(id, _)| *id != live.event.id);
            if shown.pictures.len() == KEPT_PICTURES {
                shown.pictures.pop_front();
            }
            shown.pictures.push_back((live.event.id, jpeg.clone()));
        }
        let is_first = live.jpeg.is_none();
        live.jpeg = Some(jpeg.clone());
        live.is_written = is_first;
        if is_first {
            send(&self.books.card, &self.seen, camera, &live.event, Some(jpeg));
            self.updates.send(Update::Event(view(&live.event, true)));
        }
    }
}

/// The key of the event that an order is about; nobody's when it is about an input.
fn subject(order: &Order) -> (u8, u32) {
    match order.input {
        Some(_) => (u8::MAX, TAMPER_TRACK),
        None => (order.camera.0, order.track),
    }
}

fn input_status(input: &nightjar_types::config::Input) -> InputStatus {
    InputStatus {
        id: input.id.to_string(),
        line: input.line.clone(),
        kind: input.kind.as_str(),
        active: false,
        changed_ms: None,
    }
}

fn send(card: &EventSender, seen: &[Seen], camera: CameraIx, event: &Event, jpeg: Option<Bytes>) {
    if let Some(stream) = seen.iter().find(|s| s.camera == camera) {
        card.event(stream.main, event.clone(), jpeg);
    }
}

/// An event as the page sees it.
pub(crate) fn view(event: &Event, has_picture: bool) -> EventView {
    EventView {
        id: event.id.to_string(),
        camera: event.camera.to_string(),
        label: event.label.clone(),
        score: event.score,
        bbox: event.bbox,
        track: event.track,
        start_ms: event.id.start.as_ms(),
        end_ms: event.end.map(Wall::as_ms),
        rules: event.rules.clone(),
        snapshot: has_picture,
        model: event.model.clone(),
        found_ms: event.found.map(Wall::as_ms),
    }
}

fn now() -> Micros {
    Micros(clock::mono().0)
}

/// The wall clock at a moment of this boot.
fn wall_of(mono: Mono) -> Wall {
    clock::wall().plus_micros(mono.0 as i64 - clock::mono().0 as i64)
}
