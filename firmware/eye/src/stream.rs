//! Coded units of one stream → its decoder → its watch. One thread a stream, so a bad stream holds up no other.
//!
//! Of a quiet stream only key frames are decoded; the units since the newest one are kept, and go into the decoder at once
//! when the watch rings.

use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::decoder::{self, Decoder};
use crate::error::Error;
use crate::frame;
use crate::marks::{Marker, Marks};
use crate::outbox::Outbox;
use crate::pacing::Pacing;
use crate::pipeline::Pipeline;
use crate::watch::{Bell, Watch};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app::AppSinkCallbacks;
use nightjar_detect::Step;
use nightjar_types::eye::{FromEye, Stages, Work};
use nightjar_types::{Mono, VideoCodec};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Units between the socket and the stream's thread, about one group of pictures.
const QUEUE: usize = 64;
/// More waiting units than this, and the decoder is behind: jump to the newest key frame among them.
const BEHIND: usize = 8;
/// A unit whose picture has not come out after this many later units did not decode. H.264 reorders at most 16.
const OUTSTANDING: usize = 32;
/// A key frame after so many units without one picture: the decoder is stuck, take another or a fresh one.
const STUCK: u32 = 25;
/// So many key frames in a row of a quiet stream whose pictures have not come out when the next comes: the decoder holds
/// pictures back until it has later units (reordering, a hardware pipeline), so it gets them all.
const HELD_BACK: u32 = 3;
/// A key frame's picture may take this long; some that come in a lump after a stall say nothing of the decoder.
const DECODES: Duration = Duration::from_millis(250);
/// After a key frame that no decoder takes, wait this long before the next try.
const RETRY: Duration = Duration::from_secs(2);

/// What a stream is, from `Open`.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) stream: u32,
    pub(crate) camera: String,
    pub(crate) codec: VideoCodec,
    pub(crate) config: Bytes,
}

/// One coded picture.
pub(crate) struct Unit {
    pub(crate) mono: Mono,
    pub(crate) is_key: bool,
    pub(crate) data: Bytes,
    /// When it was read from the socket.
    pub(crate) came: Stopwatch,
}

/// What waits for a stream's thread.
pub(crate) enum Job {
    Unit(Unit),
    /// Something moves: what is kept is wanted now.
    CatchUp,
}

/// The socket's end of a stream; dropping it ends the stream's thread.
pub(crate) struct Stream {
    jobs: SyncSender<Job>,
    skipping: bool,
    counters: Arc<Counters>,
}

impl Stream {
    /// Starts the thread.
    pub(crate) fn start(
        opening: Opening,
        watch: Arc<Watch>,
        generation: u64,
        outbox: Outbox,
        counters: Arc<Counters>,
        marks: &Arc<Marks>,
    ) -> Result<Self, Error> {
        let (jobs, queue) = sync_channel(QUEUE);
        let pacing = Arc::new(Pacing::new(opening.stream, outbox.clone()));
        watch.paced(Bell { pacing: pacing.clone(), jobs: jobs.clone() });
        let decoding = Decoding {
            marker: Marker::new(marks, Work::Decoding, opening.stream),
            opening,
            watch,
            generation,
            outbox,
            counters: counters.clone(),
            pacing,
            kept: Vec::new(),
            wanted_from: Arc::default(),
            is_quiet: false,
            key: None,
            held_back: 0,
            running: None,
            passed_over: Vec::new(),
            fault: None,
            tried: None,
        };
        std::thread::Builder::new()
            .name(format!("stream {}", decoding.opening.stream))
            .spawn(move || decoding.run(&queue))?;
        Ok(Self { jobs, skipping: true, counters })
    }

    /// Never waits: what does not fit is left out up to the next key frame.
    pub(crate) fn push(&mut self, unit: Unit) {
        if self.skipping && !unit.is_key {
            self.counters.superseded.add(1);
            return;
        }
        self.skipping = match self.jobs.try_send(Job::Unit(unit)) {
            Ok(()) => false,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counters.superseded.add(1);
                true
            }
        };
    }

    /// The next unit is a key frame.
    pub(crate) fn skip(&mut self) {
        self.skipping = true;
    }
}

struct Decoding {
    marker: Marker,
    opening: Opening,
    watch: Arc<Watch>,
    generation: u64,
    outbox: Outbox,
    counters: Arc<Counters>,
    pacing: Arc<Pacing>,
    /// Units of a quiet stream since its newest key frame.
    kept: Vec<Unit>,
    /// Pictures from before are decoded for the sake of later ones only.
    wanted_from: Arc<AtomicU64>,
    /// As of the last unit.
    is_quiet: bool,
    /// The newest key frame of a quiet stream.
    key: Option<(Mono, Stopwatch)>,
    /// Key frames in a row of which [`HELD_BACK`] speaks.
    held_back: u32,
    running: Option<Running>,
    passed_over: Vec<&'static str>,
    /// The fault that the recorder was told last.
    fault: Option<String>,
    /// When a decoder was last looked for in vain.
    tried: Option<Mono>,
}

struct Running {
    decoder: Decoder,
    pipeline: Pipeline,
    outstanding: Arc<Outstanding>,
}

impl Decoding {
    fn run(mut self, queue: &Receiver<Job>) {
        let span = tracing::info_span!("stream", camera = %self.opening.camera, number = self.opening.stream);
        let _entered = span.enter();
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                let Ok(job) = queue.recv() else { break };
                self.line_up(job, &mut waiting);
            }
            for job in queue.try_iter().take(QUEUE.saturating_sub(waiting.len())) {
                self.line_up(job, &mut waiting);
            }
            // keeping costs nothing: a quiet stream is never behind
            let skipped = if self.is_quiet { 0 } else { jump(&mut waiting) };
            self.counters.superseded.add(skipped);
            if let Some(unit) = waiting.pop_front() {
                let _in_work = self.marker.begin(unit.mono);
                self.take(unit);
            }
        }
        tracing::debug!("ended");
    }

    /// What is kept is older than all that waits.
    fn line_up(&mut self, job: Job, waiting: &mut VecDeque<Unit>) {
        match job {
            Job::Unit(unit) => waiting.push_back(unit),
            Job::CatchUp => {
                if let Some(newest) = self.kept.last() {
                    self.wanted_from.store(newest.mono.0, Relaxed);
                }
                self.catch_up();
            }
        }
    }

    fn take(&mut self, unit: Unit) {
        if !is_framed(&unit.data) {
            self.counters.undecodable.add(1);
            return;
        }
        let (step, is_quiet) = self.pacing.unit(unit.mono, unit.is_key, unit.data.len());
        self.is_quiet = is_quiet;
        if step == Step::Keep {
            self.watch.undecoded(self.generation, unit.mono);
            self.kept.push(unit);
            return;
        }
        if unit.is_key {
            self.counters.left_out.add(self.kept.len() as u64);
            self.kept.clear();
            if is_quiet {
                self.counters.key_only.add(1);
                self.notice_held_back();
            }
            self.key = is_quiet.then(|| (unit.mono, Stopwatch::start()));
        } else if !self.kept.is_empty() {
            self.wanted_from.store(unit.mono.0, Relaxed);
            self.catch_up();
        }
        self.decode(unit);
    }

    fn catch_up(&mut self) {
        tracing::debug!(units = self.kept.len(), "catches up");
        for unit in std::mem::take(&mut self.kept) {
            self.decode(unit);
        }
    }

    /// A key frame is about to go in: has the one before it come out?
    fn notice_held_back(&mut self) {
        let Some((last, _)) = self.key.filter(|(_, since)| since.passed() >= DECODES) else { return };
        let holds = self.running.as_ref().is_some_and(|r| r.outstanding.holds(last));
        self.held_back = if holds { self.held_back + 1 } else { 0 };
        if self.held_back == HELD_BACK {
            tracing::info!("the decoder holds pictures back: every unit is decoded");
            self.pacing.held_back();
        }
    }

    fn decode(&mut self, unit: Unit) {
        let stuck = self.running.as_ref().filter(|r| unit.is_key && r.outstanding.silent_for() >= STUCK);
        if let Some(element) = stuck.map(|r| r.decoder.element) {
            self.pass_over_hardware();
            self.give_up(&format!("{element} gave no picture for {STUCK} units"));
        }
        if self.running.is_none() && (!unit.is_key || !self.begin(&unit)) {
            self.counters.undecodable.add(1);
            return;
        }
        let Some(running) = &self.running else { return };
        self.counters.undecodable.add(running.outstanding.went_in(unit.mono, unit.came));
        if let Err(error) = running.pipeline.push(unit.mono, unit.data) {
            self.pass_over_hardware();
            return self.give_up(&error.to_string());
        }
        if let Some(fault) = running.pipeline.fault() {
            self.give_up(&fault);
        }
    }

    /// Software that gives nothing is fed nothing decodable; hardware may hang, so it is not tried on this stream again.
    fn pass_over_hardware(&mut self) {
        self.passed_over
            .extend(self.running.iter().map(|r| r.decoder).filter(|d| d.hardware).map(|d| d.element));
    }

    /// Finds a decoder for this key frame and starts it.
    fn begin(&mut self, key: &Unit) -> bool {
        if self.tried.is_some_and(|tried| key.mono.since(tried) < RETRY && key.mono >= tried) {
            return false;
        }
        let Opening { codec, config, .. } = &self.opening;
        let begun = decoder::choose(*codec, config, &key.data, &self.passed_over, &self.marker)
            .and_then(|decoder| Ok((decoder, self.start(decoder)?)));
        match begun {
            Ok((decoder, running)) => {
                tracing::info!(decoder = decoder.element, "decodes");
                self.running = Some(running);
                (self.fault, self.tried) = (None, None);
                self.tell(Ok(decoder.element.to_owned()));
                true
            }
            Err(error) => {
                self.tried = Some(key.mono);
                self.give_up(&error.to_string());
                false
            }
        }
    }

    fn start(&self, decoder: Decoder) -> Result<Running, Error> {
        let pipeline = Pipeline::new(decoder, &self.opening.config, &self.marker)?;
        let outstanding = Arc::new(Outstanding::default());
        let (watch, counters, generation) = (self.watch.clone(), self.counters.clone(), self.generation);
        let (came_out, wanted_from) = (outstanding.clone(), self.wanted_from.clone());
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mono = Mono(sample.buffer().and_then(|b| b.pts()).map_or(0, |t| t.useconds()));
                let out = Stopwatch::start();
                let (came, pushed) = came_out.came_out(mono).unwrap_or((out, out));
                if mono.0 < wanted_from.load(Relaxed) {
                    counters.decoded.add(1);
                    return Ok(gst::FlowSuccess::Ok);
                }
                let stages = Stages {
                    queue_us: came.us_until(pushed),
                    decode_us: pushed.us_until(out),
                    ..Stages::default()
                };
                match frame::picture(&sample) {
                    Ok(picture) => watch.picture(generation, mono, picture, stages, out),
                    Err(error) => {
                        counters.undecodable.add(1);
                        tracing::debug!(%error, "a picture cannot be used");
                    }
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        pipeline.sink().set_callbacks(callbacks);
        pipeline.start()?;
        Ok(Running { decoder, pipeline, outstanding })
    }

    /// Stops the pipeline; the next key frame begins another. The recorder is told once of one fault.
    fn give_up(&mut self, why: &str) {
        if let Some(running) = self.running.take() {
            self.counters.undecodable.add(running.outstanding.len());
        }
        if self.fault.as_deref() != Some(why) {
            tracing::warn!(why, "does not decode");
            self.fault = Some(why.to_owned());
            self.tell(Err(why.to_owned()));
        }
    }

    fn tell(&self, element: Result<String, String>) {
        self.outbox.send(FromEye::Decoder { stream: self.opening.stream, element });
    }
}

/// Whether the bytes are NAL units, each with its length in four bytes before it, and nothing else. What is not never
/// reaches a decoder: libav takes an empty packet for the end of the stream and then refuses everything.
pub(crate) fn is_framed(mut data: &[u8]) -> bool {
    if data.is_empty() {
        return false;
    }
    while let Some((prefix, rest)) = data.split_first_chunk::<4>() {
        let len = u32::from_be_bytes(*prefix) as usize;
        if len == 0 || len > rest.len() {
            return false;
        }
        data = &rest[len..];
    }
    data.is_empty()
}

/// When many units wait, drops those before the newest key frame; gives how many.
fn jump(waiting: &mut VecDeque<Unit>) -> u64 {
    if waiting.len() <= BEHIND {
        return 0;
    }
    let newest = waiting.iter().rposition(|u| u.is_key).unwrap_or(0);
    waiting.drain(..newest).count() as u64
}

/// Units that went in and whose pictures have not come out: each with when it was read and when it went in.
#[derive(Debug, Default)]
struct Outstanding(Mutex<Inside>);

/// What is inside a decoder, oldest first, and units since the last picture.
type Inside = (VecDeque<(Mono, Stopwatch, Stopwatch)>, u32);

impl Outstanding {
    /// A unit goes in; gives how many earlier ones are now known not to decode (0 or 1).
    fn went_in(&self, mono: Mono, came: Stopwatch) -> u64 {
        let mut state = self.lock();
        state.0.push_back((mono, came, Stopwatch::start()));
        state.1 += 1;
        if state.0.len() > OUTSTANDING {
            state.0.pop_front();
            return 1;
        }
        0
    }

    /// Its picture came out; gives when its unit was read and when it went in.
    fn came_out(&self, mono: Mono) -> Option<(Stopwatch, Stopwatch)> {
        let mut state = self.lock();
        state.1 = 0;
        let at = state.0.iter().position(|unit| unit.0 == mono)?;
        state.0.remove(at).map(|(_, came, pushed)| (came, pushed))
    }

    /// Its picture has not come out.
    fn holds(&self, mono: Mono) -> bool {
        self.lock().0.iter().any(|unit| unit.0 == mono)
    }

    /// Units since the last picture.
    fn silent_for(&self) -> u32 {
        self.lock().1
    }

    fn len(&self) -> u64 {
        self.lock().0.len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_is_behind_jumps_to_the_newest_key_frame() {
        let came = Stopwatch::start();
        let unit = |i| Unit { mono: Mono(i), is_key: i % 5 == 0, data: Bytes::new(), came };
        let units = |n: u64| (0..n).map(unit);
        let mut few: VecDeque<Unit> = units(8).collect();
        assert_eq!((jump(&mut few), few.len()), (0, 8));
        let mut many: VecDeque<Unit> = units(18).collect();
        assert_eq!((jump(&mut many), many[0].mono), (15, Mono(15)));
        let mut no_key: VecDeque<Unit> = units(20).map(|u| Unit { is_key: false, ..u }).collect();
        assert_eq!(jump(&mut no_key), 0, "nothing to jump to");
    }

    #[test]
    fn only_whole_nal_units_are_framed() {
        assert!(is_framed(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 0x65, 1]));
        for wrong in [&[][..], &[0, 0, 0], &[0, 0, 0, 0], &[0, 0, 0, 2, 9], &[0, 0, 0, 1, 9, 0], &[0xff; 20]]
        {
            assert!(!is_framed(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_unit_without_a_picture_is_counted_once() {
        let o = Outstanding::default();
        let mut undecodable = 0;
        for i in 0..100 {
            undecodable += o.went_in(Mono(i), Stopwatch::start());
            if i != 10 {
                o.came_out(Mono(i));
            }
        }
        assert_eq!((undecodable, o.len(), o.silent_for()), (0, 1, 0));
        for i in 100..200 {
            undecodable += o.went_in(Mono(i), Stopwatch::start());
        }
        assert_eq!((undecodable, o.silent_for()), (1 + 100 - OUTSTANDING as u64, 100));
    }
}
