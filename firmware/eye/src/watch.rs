//! Decoded pictures of one stream → what the recorder hears: frames in order, snapshots, lost tracks.
//!
//! The motion gate decides which picture becomes the candidate for the model; the newest candidate wins. Pictures that
//! are not looked at wait only while one before them is in the model, so that frames go out in order.

use crate::counters::Counters;
use crate::inference::Rota;
use crate::looker::{Look, UNSURE_SHARE};
use crate::outbox::Outbox;
use crate::{error::Error, jpeg};
use nightjar_detect::{Attention, BestShot, Lost, MotionGate, Picture, Tracked, Tracker, TrackerConfig};
use nightjar_detect::{SceneGuard, Trust, Witness};
use nightjar_types::eye::FromEye;
use nightjar_types::scene::TAMPER_TRACK;
use nightjar_types::{Detection, Mono, SceneState};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    min_score: f32,
    trust: Trust,
}

impl Candidate {
    /// The pixels.
    pub(crate) fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Down to which score things are worth knowing.
    pub(crate) fn min_score(&self) -> f32 {
        self.min_score * UNSURE_SHARE
    }
}

/// What every watch shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) outbox: Outbox,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rota: Arc<Rota>,
    pub(crate) labels: Arc<[String]>,
    /// Least time between two looks at one stream.
    pub(crate) spacing: Duration,
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
    tracker: Tracker,
    best: HashMap<u32, BestShot>,
    waiting: VecDeque<(Mono, f32)>,
    candidate: Option<Candidate>,
    in_model: bool,
}

impl Watch {
    /// For the recorder's stream number; nothing is watched before [`Watch::open`].
    pub(crate) fn new(stream: u32, around: Surroundings) -> Self {
        let state = State {
            generation: 0,
            min_score: 1.0,
            gate: MotionGate::new(),
            scene: SceneGuard::new(),
            attention: Attention::new(around.spacing),
            tracker: Tracker::new(TrackerConfig::new(1.0)),
            best: HashMap::new(),
            waiting: VecDeque::new(),
            candidate: None,
            in_model: false,
        };
        Self { stream, around, state: Mutex::new(state) }
    }

    /// Begins anew; gives the generation that pictures of this opening carry.
    pub(crate) fn open(&self, min_score: f32) -> u64 {
        self.close();
        let mut state = self.lock();
        state.min_score = min_score;
        state.tracker.configure(TrackerConfig::new(min_score));
        state.gate = MotionGate::new();
        state.scene.reopened();
        state.attention = Attention::new(self.around.spacing);
        state.generation
    }

    /// Ends every track and forgets what waits.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.candidate = None;
        state.waiting.clear();
        state.best.clear();
        let lost = state.tracker.end();
        self.send_lost(lost);
    }

    /// A picture came out of the decoder.
    pub(crate) fn picture(&self, generation: u64, mono: Mono, picture: Picture) {
        let counters = &self.around.counters;
        counters.decoded.add(1);
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        let State { gate, scene, .. } = &mut *state;
        let motion = gate.see(picture.luma());
        let scene = scene.see(mono, &picture, gate);
        if let Some(changed) = scene.changed {
            self.send_scene(mono, changed, scene.is_tampered.then_some(&picture));
        }
        let (confirmed, unsure) = (state.tracker.has_confirmed(), state.tracker.has_unsure());
        let wanted = state.attention.wants(mono, motion.moved, confirmed, unsure);
        if !motion.moved {
            counters.quiet.add(1);
        }
        if !wanted {
            state.waiting.push_back((mono, motion.share));
        } else {
            let min_score = state.min_score;
            let next =
                Candidate { generation, mono, motion: motion.share, picture, min_score, trust: scene.trust };
            if let Some(older) = state.candidate.replace(next) {
                counters.superseded.add(1);
                state.waiting.push_back((older.mono, older.motion));
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
        let candidate = state.candidate.take()?;
        state.in_model = true;
        state.attention.looked(candidate.mono);
        Some(candidate)
    }

    /// The model has looked at a candidate that [`Watch::take`] gave.
    pub(crate) fn looked(&self, candidate: Candidate, look: Result<Look, Error>) {
        let mut state = self.lock();
        state.in_model = false;
        if state.generation != candidate.generation {
            return;
        }
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                tracing::error!(stream = self.stream, %error, "the model failed on a picture");
                state.waiting.push_front((candidate.mono, candidate.motion));
                self.send_waiting(&mut state);
                return;
            }
        };
        self.around.counters.inferred(look.ms);
        let mono = candidate.mono;
        let State { tracker, scene, gate, .. } = &mut *state;
        let moved_in = |bbox: &_| scene.moved_in(gate, bbox);
        let is_place = |bbox: &_| gate.is_place_in(bbox);
        let witness = Witness { trust: candidate.trust, moved_in: &moved_in, is_place: &is_place };
        let lost = tracker.look_with(mono, &look.found, witness);
        state.scene.looked();
        let tracked = state.tracker.at(mono);
        self.around.outbox.send_if_room(FromEye::Frame {
            stream: self.stream,
            mono,
            inferred: true,
            inference_ms: look.ms,
            motion: candidate.motion,
            detections: self.detections(&tracked, state.min_score),
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
        while let Some(&(mono, motion)) = state.waiting.front() {
            let before_candidate = state.candidate.as_ref().is_none_or(|c| mono < c.mono);
            let free = !state.in_model && before_candidate;
            if !free && state.waiting.len() <= WAITING {
                return;
            }
            state.waiting.pop_front();
            self.around.outbox.send_if_room(FromEye::Frame {
                stream: self.stream,
                mono,
                inferred: false,
                inference_ms: 0.0,
                motion,
                detections: self.detections(&state.tracker.at(mono), state.min_score),
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
