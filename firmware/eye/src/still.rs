//! One key frame → one picture, by a pipeline that lives for this one only; and the thread that answers `Still`.

use crate::clock::Stopwatch;
use crate::decoder::{self, Decoder};
use crate::error::Error;
use crate::marks::{Marker, Marks};
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::stream::is_framed;
use crate::{frame, jpeg};
use bytes::Bytes;
use gstreamer as gst;
use nightjar_detect::Picture;
use nightjar_types::eye::{FromEye, Work};
use nightjar_types::{Mono, VideoCodec};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Whole time for one still.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often a waiting pull looks whether the pipeline has failed meanwhile.
const STEP: Duration = Duration::from_millis(20);
/// Stills that may wait; more are refused.
const QUEUE: usize = 8;

/// Decodes one key frame within a deadline.
pub(crate) fn decode(
    decoder: Decoder,
    config: &[u8],
    key: &[u8],
    deadline: Duration,
    marker: &Marker,
) -> Result<Picture, Error> {
    let watch = Stopwatch::start();
    if !is_framed(key) {
        return Err(Error::Decode("the key frame is not made of NAL units with their lengths".into()));
    }
    let pipeline = Pipeline::new(decoder, config, marker)?;
    pipeline.start()?;
    pipeline.push(Mono(0), Bytes::copy_from_slice(key))?;
    if decoder.keeps_a_lone_one() {
        pipeline.push(Mono(1), Bytes::copy_from_slice(key))?;
    }
    pipeline.finish();
    let step = gst::ClockTime::try_from(STEP).unwrap_or(gst::ClockTime::from_mseconds(20));
    loop {
        if let Some(sample) = pipeline.sink().try_pull_sample(step) {
            return frame::picture(&sample);
        }
        if let Some(fault) = pipeline.fault() {
            return Err(Error::Decode(fault));
        }
        if pipeline.sink().is_eos() {
            return Err(Error::Decode("the key frame does not decode".into()));
        }
        if watch.passed() >= deadline {
            return Err(Error::Decode(format!("no picture after {} ms", deadline.as_millis())));
        }
    }
}

/// One question.
pub(crate) struct Question {
    pub(crate) request: u32,
    pub(crate) codec: VideoCodec,
    pub(crate) config: Bytes,
    pub(crate) data: Bytes,
}

/// The thread that answers questions one after the other; dropping it ends the thread.
pub(crate) struct Stills {
    questions: SyncSender<Question>,
    outbox: Outbox,
}

impl Stills {
    /// Starts the thread.
    pub(crate) fn start(outbox: Outbox, marks: Arc<Marks>) -> Result<Self, Error> {
        let (questions, queue) = sync_channel::<Question>(QUEUE);
        let answers = outbox.clone();
        std::thread::Builder::new().name("still".into()).spawn(move || {
            while let Ok(question) = queue.recv() {
                let marker = Marker::new(&marks, Work::Still, question.request);
                let in_work = marker.begin(Mono(0));
                let jpeg = answer(&question, &marker).map_err(|e| e.to_string());
                drop(in_work);
                answers.send(FromEye::Still { request: question.request, jpeg });
            }
        })?;
        Ok(Self { questions, outbox })
    }

    /// Hands in a question; a full queue answers it at once.
    pub(crate) fn ask(&self, question: Question) {
        let request = question.request;
        if self.questions.try_send(question).is_err() {
            let why = format!("{QUEUE} stills are waiting already: ask again later");
            self.outbox.send(FromEye::Still { request, jpeg: Err(why) });
        }
    }
}

/// Software first: for a single picture it is ready sooner, and leaves the hardware to the streams.
fn answer(question: &Question, marker: &Marker) -> Result<Bytes, Error> {
    let watch = Stopwatch::start();
    let mut decoders = decoder::installed(question.codec)?;
    decoders.sort_by_key(|d| d.hardware);
    let mut first_fault = None;
    for decoder in decoders {
        let left = DEADLINE.saturating_sub(watch.passed());
        if left.is_zero() {
            break;
        }
        match decode(decoder, &question.config, &question.data, left, marker) {
            Ok(picture) => return jpeg::encode(&picture),
            Err(error) => first_fault = first_fault.or(Some(error)),
        }
    }
    Err(first_fault.unwrap_or_else(|| Error::Decode("no time left to decode".into())))
}
