//! Coded units of one stream → its decoder → its watch. One thread a stream, so a bad stream holds up no other.

use crate::counters::Counters;
use crate::decoder::{self, Decoder};
use crate::error::Error;
use crate::frame;
use crate::marks::{Marker, Marks};
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::watch::Watch;
use bytes::Bytes;
use gstreamer as gst;
use gstreamer_app::AppSinkCallbacks;
use nightjar_types::eye::{FromEye, Work};
use nightjar_types::{Mono, VideoCodec};
use std::collections::VecDeque;
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
}

/// The socket's end of a stream; dropping it ends the stream's thread.
pub(crate) struct Stream {
    units: SyncSender<Unit>,
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
        let (units, queue) = sync_channel(QUEUE);
        let decoding = Decoding {
            marker: Marker::new(marks, Work::Decoding, opening.stream),
            opening,
            watch,
            generation,
            outbox,
            counters: counters.clone(),
            running: None,
            passed_over: Vec::new(),
            fault: None,
            tried: None,
        };
        std::thread::Builder::new()
            .name(format!("stream {}", decoding.opening.stream))
            .spawn(move || decoding.run(&queue))?;
        Ok(Self { units, skipping: true, counters })
    }

    /// Never waits: what does not fit is left out up to the next key frame.
    pub(crate) fn push(&mut self, unit: Unit) {
        if self.skipping && !unit.is_key {
            self.counters.superseded.add(1);
            return;
        }
        self.skipping = match self.units.try_send(unit) {
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
    fn run(mut self, queue: &Receiver<Unit>) {
        let span = tracing::info_span!("stream", camera = %self.opening.camera, number = self.opening.stream);
        let _entered = span.enter();
        let mut waiting = VecDeque::new();
        while let Some(unit) = waiting.pop_front().or_else(|| queue.recv().ok()) {
            waiting.push_front(unit);
            waiting.extend(queue.try_iter().take(QUEUE.saturating_sub(waiting.len())));
            let skipped = jump(&mut waiting);
            self.counters.superseded.add(skipped);
            if let Some(unit) = waiting.pop_front() {
                let _in_work = self.marker.begin(unit.mono);
                self.take(unit);
            }
        }
        tracing::debug!("ended");
    }

    fn take(&mut self, unit: Unit) {
        if !is_framed(&unit.data) {
            self.counters.undecodable.add(1);
            return;
        }
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
        self.counters.undecodable.add(running.outstanding.went_in(unit.mono));
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
        let came_out = outstanding.clone();
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mono = Mono(sample.buffer().and_then(|b| b.pts()).map_or(0, |t| t.useconds()));
                came_out.came_out(mono);
                match frame::picture(&sample) {
                    Ok(picture) => watch.picture(generation, mono, picture),
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

/// Units that went in and whose pictures have not come out.
#[derive(Debug, Default)]
struct Outstanding(Mutex<(VecDeque<Mono>, u32)>);

impl Outstanding {
    /// A unit goes in; gives how many earlier ones are now known not to decode (0 or 1).
    fn went_in(&self, mono: Mono) -> u64 {
        let mut state = self.lock();
        state.0.push_back(mono);
        state.1 += 1;
        if state.0.len() > OUTSTANDING {
            state.0.pop_front();
            return 1;
        }
        0
    }

    fn came_out(&self, mono: Mono) {
        let mut state = self.lock();
        state.1 = 0;
        if let Some(at) = state.0.iter().position(|&m| m == mono) {
            state.0.remove(at);
        }
    }

    /// Units since the last picture.
    fn silent_for(&self) -> u32 {
        self.lock().1
    }

    fn len(&self) -> u64 {
        self.lock().0.len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<Mono>, u32)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_is_behind_jumps_to_the_newest_key_frame() {
        let units = |n: u64| (0..n).map(|i| Unit { mono: Mono(i), is_key: i % 5 == 0, data: Bytes::new() });
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
            undecodable += o.went_in(Mono(i));
            if i != 10 {
                o.came_out(Mono(i));
            }
        }
        assert_eq!((undecodable, o.len(), o.silent_for()), (0, 1, 0));
        for i in 100..200 {
            undecodable += o.went_in(Mono(i));
        }
        assert_eq!((undecodable, o.silent_for()), (1 + 100 - OUTSTANDING as u64, 100));
    }
}
