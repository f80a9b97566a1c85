//! Decoded pictures of one stream → what the recorder hears: frames in order, snapshots, lost tracks.
//!
//! The motion gate decides which picture becomes the candidate for the model; the newest candidate wins. Pictures that
//! are not looked at wait only while one before them is in the model, so that frames go out in order, and the tracker
//! follows in that order what moves from one to the next.

use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::governor::Governor;
use crate::inference::Rota;
use crate::looker::{Look, UNSURE_SHARE};
use crate::outbox::Outbox;
use crate::pacing::Pacing;
use crate::stream::Job;
use crate::{error::Error, jpeg};
use nightjar_detect::regions;
use nightjar_detect::{
    Attention, BestShot, Inputs, Lost, MotionGate, Picture, Planner, SceneGuard, Sketch, Tracked, Tracker,
    TrackerConfig, Tracks, Trust, Veil, View, Witness,
};
use nightjar_types::eye::{ARCHIVE, FromEye, Stages};
use nightjar_types::scene::TAMPER_TRACK;
use nightjar_types::{BBox, Detection, Mono, SceneState};
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pictures that may wait for one in the model; the oldest go out with what was known before.
const WAITING: usize = 64;
/// A track that this many looks in a row have missed is no longer shown, though not yet lost.
const SHOWN_MISSES: u32 = 2;

/// A picture for the model.
pub(crate) struct Candidate {
    generation: u64,
    mono: Mono,
    motion: f32,
    picture: Picture,
    /// The same without rain and snow.
    lifted: Option<Picture>,
    min_score: f32,
    sketch: Option<Sketch>,
    /// Where it moves.
    regions: Vec<BBox>,
    /// What the model looks at; chosen when it is taken.
    views: Vec<View>,
    stages: Stages,
    /// Since it waits for the model.
    since: Stopwatch,
    trust: Trust,
}

impl Candidate {
    /// The pixels to look at.
    pub(crate) fn picture(&self) -> &Picture {
        self.lifted.as_ref().unwrap_or(&self.picture)
    }

    /// Which parts of it to look at.
    pub(crate) fn views(&self) -> &[View] {
        &self.views
    }

    /// Down to which score things are worth knowing.
    pub(crate) fn min_score(&self) -> f32 {
        self.min_score * UNSURE_SHARE
    }

    /// The unit's time.
    pub(crate) fn mono(&self) -> Mono {
        self.mono
    }
}

/// What every watch shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) outbox: Outbox,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rota: Arc<Rota>,
    pub(crate) labels: Arc<[String]>,
    /// The model's input sizes.
    pub(crate) inputs: Inputs,
    /// Mean time between two runs of the model for one stream, at least.
    pub(crate) governor: Arc<Governor>,
}

/// What a watch says to its stream's thread, through the queue of its units.
pub(crate) struct Bell {
    /// When something moves or lives.
    pub(crate) pacing: Arc<Pacing>,
    /// How that thread hears that it must catch up.
    pub(crate) jobs: SyncSender<Job>,
}

impl Bell {
    fn ring(&self, has_woken: bool) {
        if has_woken {
            // A full queue holds units, and any unit makes the thread catch up too.
            let _ = self.jobs.try_send(Job::CatchUp);
        }
    }
}

/// One stream, over all its openings: track numbers go on when it is opened again.
pub(crate) struct Watch {
    stream: u32,
    around: Surroundings,
    state: Mutex<State>,
}

struct State {
    /// Counts openings; pictures of an earlier one are late and ignored.
    generation: u64,
    min_score: f32,
    gate: MotionGate,
    scene: SceneGuard,
    attention: Attention,
    planner: Planner,
    veil: Veil,
    tracker: Tracker,
    best: HashMap<u32, BestShot>,
    waiting: VecDeque<Waiting>,
    candidate: Option<Candidate>,
    in_model: bool,
    /// Of the present opening.
    bell: Option<Bell>,
}

/// A picture that is not looked at, until its frame may be sent.
struct Waiting {
    mono: Mono,
    motion: f32,
    /// None when there was nothing to follow.
    sketch: Option<Sketch>,
}

impl Watch {
    /// For the recorder's stream number; nothing is watched before [`Watch::open`].
    pub(crate) fn new(stream: u32, around: Surroundings) -> Self {
        let state = State {
            generation: 0,
            min_score: 1.0,
            gate: MotionGate::new(),
            scene: SceneGuard::new(),
            attention: Attention::new(around.governor.spacing()),
            planner: Planner::default(),
            veil: Veil::default(),
            tracker: Tracker::new(TrackerConfig::new(1.0)),
            best: HashMap::new(),
            waiting: VecDeque::new(),
            candidate: None,
            in_model: false,
            bell: None,
        };
        Self { stream, around, state: Mutex::new(state) }
    }

    /// The recorder's number.
    pub(crate) fn stream(&self) -> u32 {
        self.stream
    }

    /// It is no live stream.
    pub(crate) fn is_archive(&self) -> bool {
        self.stream >= ARCHIVE
    }

    /// Begins anew; gives the generation that pictures of this opening carry.
    pub(crate) fn open(&self, min_score: f32) -> u64 {
        self.close();
        let mut state = self.lock();
        state.min_score = min_score;
        state.tracker.configure(TrackerConfig::new(min_score));
        state.gate = MotionGate::new();
        state.attention = Attention::new(self.around.governor.spacing());
        state.planner = Planner::default();
        state.veil = Veil::default();
        state.scene.reopened();
        state.generation
    }

    /// The thread of the present opening.
    pub(crate) fn paced(&self, bell: Bell) {
        self.lock().bell = Some(bell);
    }

    /// Ends every track and forgets what waits.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.bell = None; // its queue's end is what ends the thread
        drop(state);
        self.rest();
    }

    /// Ends every track and forgets what waits; the opening goes on.
    pub(crate) fn rest(&self) {
        let mut state = self.lock();
        state.candidate = None;
        state.waiting.clear();
        state.best.clear();
        let lost = state.tracker.end();
        self.send_lost(lost);
    }

    /// A unit of a quiet stream is not decoded: what lives is told of nevertheless, as rules count how long.
    pub(crate) fn undecoded(&self, generation: u64, mono: Mono) {
        let mut state = self.lock();
        if state.generation == generation && state.tracker.has_confirmed() {
            state.waiting.push_back(Waiting { mono, motion: 0.0, sketch: None });
            self.send_waiting(&mut state);
        }
    }

    /// A picture came out of the decoder at `out`, which was in there and before as `stages` says.
    pub(crate) fn picture(
        &self,
        generation: u64,
        mono: Mono,
        picture: Picture,
        mut stages: Stages,
        out: Stopwatch,
    ) {
        let counters = &self.around.counters;
        counters.decoded.add(1);
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        let State { gate, scene, .. } = &mut *state;
        let motion = gate.see(picture.luma());
        let scene = scene.see(mono, &picture, gate);
        let since = Stopwatch::start();
        stages.motion_us = out.us_until(since);
        if let Some(changed) = scene.changed {
            self.send_scene(mono, changed, scene.is_tampered.then_some(&picture));
        }
        state.attention.space(self.around.governor.spacing());
        if let Some(bell) = &state.bell {
            bell.ring(bell.pacing.saw(motion.moved));
        }
        let (confirmed, unsure) = (state.tracker.has_confirmed(), state.tracker.has_unsure());
        let wanted = state.attention.wants(mono, motion.moved, confirmed, unsure);
        if !motion.moved {
            counters.quiet.add(1);
        }
        // A picture without tracks that is not looked at is nobody's before; one that is looked at may be.
        let follows = wanted || confirmed || unsure || state.candidate.is_some() || state.in_model;
        let sketch = follows.then(|| Sketch::of(picture.luma()));
        let is_weather = state.gate.is_weather();
        let lifted = state.veil.pass(mono, &picture, is_weather, wanted);
        if !wanted {
            state.waiting.push_back(Waiting { mono, motion: motion.share, sketch });
        } else {
            let min_score = state.min_score;
            let (regions, views) = (regions(state.gate.cells()), Vec::new());
            let next = Candidate {
                generation,
                mono,
                motion: motion.share,
                picture,
                lifted,
                min_score,
                sketch,
                regions,
                views,
                stages,
                since,
                trust: scene.trust,
            };
            if let Some(older) = state.candidate.replace(next) {
                counters.superseded.add(1);
                state.waiting.push_back(Waiting::from(older));
            }
        }
        self.send_waiting(&mut state);
        drop(state);
        if wanted {
            self.around.rota.ring();
        }
    }

    /// The picture the model should look at now, if there is one and no other of this stream is in the model.
    pub(crate) fn take(&self) -> Option<Candidate> {
        let mut state = self.lock();
        if state.in_model {
            return None;
        }
        let mut candidate = state.candidate.take()?;
        let (mono, size) = (candidate.mono, candidate.picture.size());
        let mut places = std::mem::take(&mut candidate.regions);
        places.extend(state.tracker.expected(mono));
        candidate.views = state.planner.views(mono, size, self.around.inputs, &places);
        state.planner.looked(mono, size, &candidate.views);
        state.attention.looked(mono, candidate.views.len());
        candidate.stages.wait_us = candidate.since.us_until(Stopwatch::start());
        state.in_model = true;
        Some(candidate)
    }

    /// The model has looked at a candidate that [`Watch::take`] gave.
    pub(crate) fn looked(&self, mut candidate: Candidate, look: Result<Look, Error>) {
        let mut state = self.lock();
        state.in_model = false;
        if state.generation != candidate.generation {
            return;
        }
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                tracing::error!(stream = self.stream, %error, "the model failed on a picture");
                state.waiting.push_front(Waiting::from(candidate));
                self.send_waiting(&mut state);
                return;
            }
        };
        self.around.counters.inferred(look.ms);
        let mono = candidate.mono;
        if let Some(sketch) = candidate.sketch.take() {
            state.tracker.follow(mono, sketch);
        }
        let State { tracker, scene, gate, .. } = &mut *state;
        let moved_in = |bbox: &_| scene.moved_in(gate, bbox);
        let is_place = |bbox: &_| gate.is_place_in(bbox);
        let witness = Witness { trust: candidate.trust, moved_in: &moved_in, is_place: &is_place };
        let views = in_picture(&candidate.views, &candidate.picture);
        let lost = tracker.look_with(mono, &look.found, &views, witness);
        state.scene.looked();
        if let Some(bell) = &state.bell {
            let tracks = Tracks::of(state.tracker.has_confirmed(), state.tracker.has_unsure());
            bell.ring(bell.pacing.tracks(tracks));
        }
        let tracked = state.tracker.at(mono);
        self.around.outbox.send_if_room(FromEye::Frame {
            stream: self.stream,
            mono,
            inferred: true,
            inference_ms: look.ms,
            motion: candidate.motion,
            detections: self.detections(&tracked, state.min_score),
            stages: Stages {
                prepare_us: (look.prepare_ms * 1000.0) as u32,
                model_us: ((look.ms - look.prepare_ms) * 1000.0) as u32,
                ..candidate.stages
            },
        });
        for lost in &lost {
            state.best.remove(&lost.id);
        }
        let shots: Vec<Tracked> = tracked
            .into_iter()
            .filter(|t| t.misses == 0)
            .filter(|t| t.id.is_some_and(|id| state.best.entry(id).or_default().take(mono, t.score, &t.bbox)))
            .collect();
        // Still locked: a snapshot must not come after its track's end, which another thread may send.
        self.send_snapshots(&candidate, &shots);
        self.send_lost(lost);
        self.send_waiting(&mut state);
    }

    fn send_lost(&self, lost: Vec<Lost>) {
        for Lost { id, seen } in lost {
            self.around.outbox.send(FromEye::Lost { stream: self.stream, track: id, mono: seen });
        }
    }

    /// With a picture of what a camera sees that has just been tampered with.
    fn send_scene(&self, mono: Mono, state: SceneState, tampered: Option<&Picture>) {
        tracing::info!(stream = self.stream, ?state, "the scene");
        self.around.outbox.send(FromEye::Scene { stream: self.stream, mono, state });
        let Some(picture) = tampered else { return };
        match jpeg::encode(picture) {
            Ok(jpeg) => self.around.outbox.send(FromEye::Snapshot {
                stream: self.stream,
                track: TAMPER_TRACK,
                mono,
                score: 1.0,
                jpeg,
            }),
            Err(error) => tracing::error!(stream = self.stream, %error, "no snapshot"),
        }
    }

    fn send_snapshots(&self, candidate: &Candidate, shots: &[Tracked]) {
        if shots.is_empty() {
            return;
        }
        let jpeg = match jpeg::encode(&candidate.picture) {
            Ok(jpeg) => jpeg,
            Err(error) => {
                tracing::error!(stream = self.stream, %error, "no snapshot");
                return;
            }
        };
        for shot in shots {
            let Some(track) = shot.id else { continue };
            self.around.outbox.send(FromEye::Snapshot {
                stream: self.stream,
                track,
                mono: candidate.mono,
                score: shot.score,
                jpeg: jpeg.clone(),
            });
        }
    }

    /// Sends what no longer has to wait: nothing is in the model, and the candidate is newer.
    fn send_waiting(&self, state: &mut State) {
        while let Some(first) = state.waiting.front() {
            let before_candidate = state.candidate.as_ref().is_none_or(|c| first.mono < c.mono);
            let free = !state.in_model && before_candidate;
            if !free && state.waiting.len() <= WAITING {
                return;
            }
            let Some(Waiting { mono, motion, sketch }) = state.waiting.pop_front() else { return };
            if let Some(sketch) = sketch {
                state.tracker.follow(mono, sketch);
            }
            self.around.outbox.send_if_room(FromEye::Frame {
                stream: self.stream,
                mono,
                inferred: false,
                inference_ms: 0.0,
                motion,
                detections: self.detections(&state.tracker.at(mono), state.min_score),
                stages: Stages::default(),
            });
        }
    }

    fn detections(&self, tracked: &[Tracked], min_score: f32) -> Vec<Detection> {
        detections(tracked, min_score, &self.around.labels)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Candidate> for Waiting {
    fn from(passed_over: Candidate) -> Self {
        let Candidate { mono, motion, sketch, .. } = passed_over;
        Self { mono, motion, sketch }
    }
}

/// Which parts of the picture were looked at, as the tracker wants it.
pub(crate) fn in_picture(views: &[View], picture: &Picture) -> Vec<BBox> {
    views.iter().map(|v| v.rect.in_picture(picture.size())).collect()
}

/// Tracks as the recorder is told of them: sure enough, or confirmed before; not when they have been missed for a while.
pub(crate) fn detections(tracked: &[Tracked], min_score: f32, labels: &[String]) -> Vec<Detection> {
    tracked
        .iter()
        .filter(|t| t.misses <= SHOWN_MISSES && (t.id.is_some() || t.score >= min_score))
        .filter_map(|t| {
            let label = labels.get(usize::from(t.class))?.clone();
            Some(Detection { label, score: t.score, bbox: t.bbox, track: t.id })
        })
        .collect()
}
