//! The one who works at night: a job → groups of pictures → the eye → events in the slab that is written now.

use super::Night;
use super::found::CAMERA;
use super::idle::Gauge;
use super::watch::LiveWatch;
use crate::names::{Names, StreamName};
use crate::sight::Sight;
use crate::stage::Shown;
use crate::updates::Updates;
use bytes::Bytes;
use nightjar_io::clock;
use nightjar_io::eye_link::{ArchiveFeed, Eye};
use nightjar_io::storage::{Archive, Coded, EventSender, Group, Library, Part, StreamId};
use nightjar_record::night::{Bounds, Gaze, Job, Look, may_work};
use nightjar_rules::{EventBook, Micros, Score};
use nightjar_types::config::Config;
use nightjar_types::eye::FromEye;
use nightjar_types::{Mono, StreamKind, VideoParams, Wall};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How often conditions and cameras are looked at while nothing else happens.
const TICK: Duration = Duration::from_secs(1);
/// … and while a job is interrupted by something that moves.
const PAUSE: Duration = Duration::from_millis(250);
/// How long one picture may take in the eye before the next one is sent: some decoders want more before they give any.
const PICTURE: Duration = Duration::from_millis(1_500);
/// The same of the first one of a stream: a decoder is looked for, and each that is tried may take two seconds.
const FIRST: Duration = Duration::from_secs(15);
/// How often a group is shown to an eye that says nothing to it; then it is taken for one that does not decode.
const TRIES: u32 = 3;
/// Pictures that may be out; more and the eye would leave some out.
const OUT: usize = 6;
/// A thing unseen for this long, of recorded time, is gone.
const UNSEEN_US: u64 = 5_000_000;
/// Things that may be in the picture at a time.
const LIVE: usize = 64;
/// After this an event that was sent to the card is on it: several beats and write-outs.
const WRITTEN: Duration = Duration::from_secs(5);
/// Deaths of the eye on one group before it is passed over.
const DEATHS: u32 = 2;

/// What the worker needs of the others.
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) streams: Vec<StreamName>,
    /// The cameras that are looked at live, by the eye's stream numbers.
    pub(crate) watched: Vec<StreamName>,
    pub(crate) names: Names,
    pub(crate) sights: Vec<Sight>,
    pub(crate) library: Library,
    pub(crate) card: EventSender,
    pub(crate) eye: Eye,
    pub(crate) stage: Arc<Mutex<Shown>>,
    pub(crate) updates: Updates,
}

/// Works the queue off.
pub(crate) struct Worker {
    pub(super) night: Arc<Night>,
    pub(super) parts: Parts,
    gauge: Gauge,
    bounds: Bounds,
    feed: ArchiveFeed,
    answers: mpsc::Receiver<FromEye>,
    live: LiveWatch,
    /// SHA-256 of the model that answers.
    pub(super) model: String,
    /// When the live cameras were looked at last.
    ticked: Mono,
    /// Where the eye died last, and how often.
    died: (Wall, u32),
}

/// Why a piece of work ended early.
enum Stop {
    /// The eye is another one: what it knew is lost.
    NewEye,
    /// Nobody wants the job any more.
    Dropped,
    /// The card does not give what is on it.
    Card,
}

/// One job while it is worked at.
pub(super) struct Shift {
    pub(super) job: Job,
    /// Its place in the configuration.
    pub(super) camera: usize,
    /// Number of its main stream, into whose slab events are written.
    pub(super) main: usize,
    archive: Option<Archive>,
    gaze: Gaze,
    /// Where the group ends that is looked at.
    end: Wall,
    pub(super) events: EventBook<LIVE>,
    /// The newest picture of each track.
    pub(super) pictures: HashMap<u32, Bytes>,
    /// When this work at the job began.
    pub(super) began: Wall,
    /// What the eye was told of the stream.
    params: Option<VideoParams>,
    /// Something moved or was found in the group that is looked at.
    pub(super) stirs: bool,
    /// The eye has answered a picture since the stream was opened.
    is_begun: bool,
    /// The decoder gives nothing for a key frame alone.
    needs_whole: bool,
    /// Pictures of this group that were answered, and how often it was shown before.
    heard: u32,
    silent: u32,
    /// Pictures that the eye has not answered.
    out: Vec<Wall>,
    /// The newest picture was not answered in time.
    holds_back: bool,
    /// Events that may not be on the card yet: when they were sent there, and when they began.
    pub(super) fresh: Vec<(Mono, Wall)>,
    /// Events since progress was told last.
    pub(super) found: u32,
}

impl Worker {
    pub(crate) fn new(night: Arc<Night>, parts: Parts) -> Self {
        let (feed, answers) = parts.eye.archive();
        let n = parts.config.night;
        let cameras = parts.watched.iter().map(|s| s.id.0.clone()).collect();
        Self {
            gauge: Gauge::new(parts.eye.clone(), parts.library.clone(), parts.stage.clone()),
            bounds: Bounds { quiet: n.quiet, load: n.load, temperature: n.temperature },
            live: LiveWatch::new(&night, cameras, clock::wall(), clock::mono()),
            feed,
            answers,
            model: String::new(),
            ticked: clock::mono(),
            died: (Wall(0), 0),
            night,
            parts,
        }
    }

    /// Runs until `stop` says true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let night = self.night.clone();
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(TICK) => {}
                () = night.bell.notified() => {}
            }
            self.tick_live();
            self.forget_answers();
            while let Some(job) = self.night.next() {
                if self.has_no_footage(&job) {
                    self.night.note(true, |queue| queue.advance(job.id, job.to, 0));
                    continue;
                }
                self.feed.want(true);
                if !self.may_work() {
                    break;
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = self.work(job) => {}
                }
            }
            if self.night.next().is_none() {
                self.feed.want(false);
            }
        }
    }

    /// What the live cameras do.
    fn tick_live(&mut self) {
        let now = clock::mono();
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            let looked = self.parts.stage.lock().unwrap_or_else(PoisonError::into_inner).looked.clone();
            self.live.tick(&self.night, &looked, clock::wall(), now);
        }
    }

    /// What the eye still says to a job that is over.
    fn forget_answers(&mut self) {
        while let Ok(message) = self.answers.try_recv() {
            if let FromEye::Hello { model, .. } = message {
                self.model = model.sha256;
            }
        }
    }

    fn may_work(&mut self) -> bool {
        let may = may_work(&self.gauge.look(), &self.bounds);
        self.night.lock().wait = may.err();
        may.is_ok()
    }

    fn has_no_footage(&self, job: &Job) -> bool {
        let has =
            |kind| !self.parts.library.coverage(&(job.camera.clone(), kind), job.done, job.to).is_empty();
        !has(StreamKind::Sub) && !has(StreamKind::Main)
    }

    /// Works at a job until it is done, dropped, or the eye is another one.
    async fn work(&mut self, job: Job) {
        self.forget_answers();
        let Some(mut shift) = self.begin(job).await else { return sleep(TICK).await };
        tracing::info!(camera = %shift.job.camera, from = %shift.job.done, to = %shift.job.to, "looks again");
        let stopped = self.groups(&mut shift).await;
        self.feed.close();
        match stopped {
            Ok(()) => {
                shift.events.close(&mut |_| {}); // each was ended before the last group was told as done
                self.died.1 = 0;
            }
            Err(Stop::Dropped) => {}
            Err(Stop::NewEye) => self.eye_died(&shift),
            Err(Stop::Card) => sleep(TICK).await,
        }
    }

    async fn begin(&mut self, job: Job) -> Option<Shift> {
        let at = |kind| self.parts.streams.iter().position(|s| s.id == (job.camera.clone(), kind));
        let (main, sub) = (at(StreamKind::Main), at(StreamKind::Sub));
        let Some(main) = main else {
            tracing::warn!(camera = %job.camera, "is to be looked at again and is no camera any more");
            self.night.note(true, |queue| drop(queue.remove(job.id)));
            return None;
        };
        // the small picture where there is one, as live
        let covers =
            |n: &usize| !self.parts.library.coverage(&self.parts.streams[*n].id, job.done, job.to).is_empty();
        let read = sub.filter(covers).unwrap_or(main);
        let stream: StreamId = self.parts.streams[read].id.clone();
        let (mut archive, at) = (self.parts.library.archive(&stream), job.done);
        let asked = tokio::task::spawn_blocking(move || {
            let first = archive.begin(at);
            (archive, first)
        });
        let (archive, first) = asked.await.ok()?;
        // the group that shows the first moment begins before it
        let first = first.ok().flatten().unwrap_or(at);
        Some(Shift {
            camera: self.parts.streams[main].camera,
            main,
            archive: Some(archive),
            gaze: Gaze::new(first),
            end: first,
            events: EventBook::new(UNSEEN_US, Score::from_thousandths(1)),
            pictures: HashMap::new(),
            params: None,
            began: clock::wall(),
            stirs: false,
            is_begun: false,
            needs_whole: false,
            heard: 0,
            silent: 0,
            out: Vec::new(),
            holds_back: false,
            fresh: Vec::new(),
            found: 0,
            job,
        })
    }

    async fn groups(&mut self, shift: &mut Shift) -> Result<(), Stop> {
        loop {
            self.until_calm(shift).await?;
            let began = clock::mono();
            let step = shift.gaze.step();
            let part = if step.look == Look::Key && !shift.needs_whole { Part::Key } else { Part::Whole };
            let Some(group) = read(shift, step.from, part).await? else {
                self.end_events(shift, None);
                if !shift.fresh.is_empty() {
                    sleep(WRITTEN).await;
                }
                self.advance(shift, shift.job.to);
                return Ok(());
            };
            if step.is_fresh || shift.params.as_ref() != Some(&group.params) {
                self.end_events(shift, None);
                let camera = &self.parts.config.cameras[shift.camera];
                let min_score = camera.scores.min_score.unwrap_or(self.parts.config.eye.min_score);
                self.feed.open(camera.id.as_str(), &group.params, min_score);
                shift.params = Some(group.params.clone());
                shift.is_begun = false;
            }
            (shift.stirs, shift.end, shift.heard) = (false, group.to, 0);
            let is_whole = !group.pictures.is_empty();
            for picture in group.pictures {
                self.show(shift, picture).await?;
                if !shift.is_begun && shift.out.len() + 1 >= OUT {
                    break; // nothing will come
                }
            }
            self.collect(shift).await?;
            if is_whole && shift.heard == 0 && shift.silent + 1 < TRIES {
                shift.silent += 1;
                // from the start: another decoder, the same with more time, or all of the group for one that reorders
                (shift.params, shift.needs_whole) = (None, true);
                sleep(TICK).await;
                continue;
            }
            if is_whole && shift.heard == 0 {
                let (from, to) = (group.from, group.to);
                tracing::warn!(camera = %shift.job.camera, %from, %to, "does not decode; passed over");
            }
            shift.silent = 0;
            let before = shift.gaze.settled();
            shift.gaze.done(group.from, group.to, shift.stirs);
            self.end_events(shift, Some(group.to));
            let begun = shift.events.first();
            let settled =
                begun.map_or(shift.gaze.settled(), |at| Wall(at.0 as i64).min(shift.gaze.settled()));
            self.advance(shift, settled.min(shift.job.to.plus_micros(-1)));
            self.measure(shift.gaze.settled() - before, began);
        }
    }

    /// Waits while live pictures, the processor, heat or the card go first.
    async fn until_calm(&mut self, shift: &mut Shift) -> Result<(), Stop> {
        loop {
            self.tick_live();
            self.take_answers(shift)?;
            if !self.night.is_wanted(shift.job.id) {
                return Err(Stop::Dropped);
            }
            if self.may_work() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    /// One picture to the eye, once there is room.
    async fn show(&mut self, shift: &mut Shift, picture: Coded) -> Result<(), Stop> {
        self.until_calm(shift).await?;
        shift.out.push(picture.at);
        self.feed.picture(picture.at, picture.is_key, picture.data);
        // one at a time, so that the model looks at each; a decoder that holds pictures back gets more
        let within = match (shift.is_begun, shift.holds_back && shift.out.len() < OUT) {
            (false, _) if shift.out.len() == 1 => FIRST,
            (false, _) => PICTURE,
            (true, false) => PICTURE,
            (true, true) => PICTURE / 10,
        };
        self.hear(shift, within).await?;
        shift.holds_back = !shift.out.is_empty();
        if shift.out.len() >= OUT {
            shift.out.remove(0); // it did not decode
        }
        Ok(())
    }

    /// Waits for what is still out.
    async fn collect(&mut self, shift: &mut Shift) -> Result<(), Stop> {
        self.hear(shift, PICTURE).await?;
        self.take_answers(shift)?;
        shift.out.clear();
        Ok(())
    }

    /// Takes answers until nothing is out, as long as each comes within a time.
    async fn hear(&mut self, shift: &mut Shift, within: Duration) -> Result<(), Stop> {
        while !shift.out.is_empty() {
            let Ok(Some(message)) = timeout(within, self.answers.recv()).await else { return Ok(()) };
            self.message(shift, message)?;
        }
        Ok(())
    }

    /// Takes what has been said: snapshots and ends of tracks follow the picture that they belong to.
    fn take_answers(&mut self, shift: &mut Shift) -> Result<(), Stop> {
        while let Ok(message) = self.answers.try_recv() {
            self.message(shift, message)?;
        }
        Ok(())
    }

    fn message(&mut self, shift: &mut Shift, message: FromEye) -> Result<(), Stop> {
        match message {
            FromEye::Hello { model, .. } => {
                self.model = model.sha256;
                return Err(Stop::NewEye);
            }
            FromEye::Frame { mono, motion, detections, .. } => {
                let at = Wall(mono.0 as i64);
                shift.out.retain(|out| *out > at);
                shift.heard += 1;
                shift.is_begun = true;
                self.frame(shift, Micros(mono.0), motion, detections);
            }
            FromEye::Snapshot { track, jpeg, .. } => {
                if shift.pictures.len() < LIVE || shift.pictures.contains_key(&track) {
                    shift.pictures.insert(track, jpeg);
                }
            }
            FromEye::Lost { track, .. } => {
                let mut ended = Vec::new();
                shift.events.lost(CAMERA, track, &mut |c| ended.push(c));
                self.write(shift, ended);
                shift.pictures.remove(&track);
            }
            FromEye::Decoder { element: Err(why), .. } => {
                tracing::warn!(camera = %shift.job.camera, why, "recorded pictures do not decode");
                shift.out.clear(); // no answer will come
            }
            FromEye::Decoder { .. }
            | FromEye::Still { .. }
            | FromEye::Pong { .. }
            | FromEye::Pace { .. }
            | FromEye::Scene { .. }
            | FromEye::Measured(_) => {}
        }
        Ok(())
    }

    /// The job has come so far. An event must be on the card before the place where it began counts as done.
    fn advance(&mut self, shift: &mut Shift, done: Wall) {
        let (id, found, now) = (shift.job.id, std::mem::take(&mut shift.found), clock::mono());
        shift.fresh.retain(|(written, _)| now.since(*written) < WRITTEN);
        let first = shift.fresh.iter().map(|(_, start)| *start).min();
        let done = first.map_or(done, |first| done.min(first));
        self.night.note(done >= shift.job.to, |queue| queue.advance(id, done, found));
    }

    /// The pace, smoothed over some groups.
    fn measure(&self, footage_us: i64, began: Mono) {
        let took = clock::mono().since(began).as_secs_f64().max(1e-3);
        let now = footage_us.max(0) as f64 / 1e6 / took;
        let mut inner = self.night.lock();
        inner.pace = if inner.pace == 0.0 { now } else { inner.pace * 0.9 + now * 0.1 };
    }

    /// Another eye is there. A group that killed it more than once is passed over.
    fn eye_died(&mut self, shift: &Shift) {
        let at = shift.gaze.step().from;
        self.died = if self.died.0 == at { (at, self.died.1 + 1) } else { (at, 1) };
        if self.died.1 >= DEATHS {
            tracing::warn!(camera = %shift.job.camera, %at, "the detector ends on this footage; passed over");
            self.night.note(true, |queue| queue.advance(shift.job.id, shift.end, 0));
        }
    }
}

/// The next group, off the async threads.
async fn read(shift: &mut Shift, from: Wall, part: Part) -> Result<Option<Group>, Stop> {
    let (mut archive, until) = (shift.archive.take().ok_or(Stop::Card)?, shift.job.to);
    let read = tokio::task::spawn_blocking(move || {
        let group = archive.group(from, until, part);
        (archive, group)
    });
    let (archive, group) = read.await.map_err(|_| Stop::Card)?;
    shift.archive = Some(archive);
    group.map_err(|e| {
        tracing::warn!(camera = %shift.job.camera, error = %e, "recordings cannot be read");
        Stop::Card
    })
}
