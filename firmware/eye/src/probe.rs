//! Every decoder in the table + a golden clip → whether its pictures are right, and what one costs the processor.
//!
//! Decoding H.264 and H.265 is exact by their standards: a right decoder's pictures have the golden checksums. The clips
//! (`goldens/make.py`) are pictures of [`PROBE_SIZE`]; a decoder that hangs is passed over after a deadline.

use crate::clock::{self, Stopwatch};
use crate::decoder::{DECODERS, Decoder};
use crate::error::Error;
use crate::frame;
use crate::marks::Marker;
use crate::pipeline::Pipeline;
use bytes::Bytes;
use gstreamer as gst;
use nightjar_detect::{Picture, Plane};
use nightjar_types::eye::{DecoderRun, PROBE_SIZE, Work};
use nightjar_types::{Mono, VideoCodec};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

const H264: &[u8] = include_bytes!("../goldens/h264.units");
const H265: &[u8] = include_bytes!("../goldens/h265.units");
/// Time for one decoder, its start included. One that takes longer hangs, or is of no use for live pictures.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait for a picture before the next unit goes in: some decoders hold one back.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// Waits for a picture at the end.
const LAST_STEPS: u32 = 40;
/// Pictures that may wait to be looked at.
const WAITING: u32 = 32;

/// Tries every decoder.
pub(crate) fn run() -> Vec<DecoderRun> {
    DECODERS.iter().map(|decoder| judged(*decoder, clip(decoder.codec))).collect()
}

fn clip(codec: VideoCodec) -> &'static [u8] {
    match codec {
        VideoCodec::H264 => H264,
        VideoCodec::H265 => H265,
    }
}

/// One decoder, on a thread that is left behind when it hangs.
fn judged(decoder: Decoder, clip: &'static [u8]) -> DecoderRun {
    let (send, answer) = channel();
    let result = if gst::ElementFactory::find(decoder.element).is_none() {
        Err("not there".to_owned())
    } else {
        let begun = std::thread::Builder::new().name("probe".into()).spawn(move || {
            // Nobody listens any more when it took too long.
            let _ = send.send(measure(decoder, clip).map_err(|e| e.to_string()));
        });
        match begun.map(|_| answer.recv_timeout(DEADLINE)) {
            Ok(Ok(measured)) => measured,
            Ok(Err(_)) => Err(format!("hangs: no end after {} s", DEADLINE.as_secs())),
            Err(e) => Err(e.to_string()),
        }
    };
    let element = decoder.element.to_owned();
    DecoderRun { codec: decoder.codec, element, cpu_ms: result.as_ref().ok().copied(), fault: result.err() }
}

/// Right pictures first, then the cost of one.
fn measure(decoder: Decoder, clip: &[u8]) -> Result<f32, Error> {
    let clip = Clip::read(clip).ok_or_else(|| Error::Decode("the golden clip is cut short".into()))?;
    let mut sums = Vec::new();
    decode(decoder, &clip, |picture| sums.push(checksum(picture)))?;
    if sums != clip.sums {
        let right = sums.iter().zip(&clip.sums).filter(|(a, b)| a == b).count();
        return Err(Error::Decode(format!("{right} of {} pictures are right", clip.sums.len())));
    }
    let mut first = None;
    let mut count = 0_u32;
    let mut last = Duration::ZERO;
    decode(decoder, &clip, |_| {
        let now = clock::of_process();
        first.get_or_insert(now);
        last = now;
        count += 1;
    })?;
    let spent = last.saturating_sub(first.unwrap_or(last));
    Ok(spent.as_secs_f32() * 1000.0 / count.saturating_sub(1).max(1) as f32)
}

fn decode(decoder: Decoder, clip: &Clip<'_>, mut seen: impl FnMut(&Picture)) -> Result<(), Error> {
    let nobody = Marker::new(&Arc::default(), Work::Decoding, 0); // the deadline watches
    let pipeline = Pipeline::new(decoder, clip.record, &nobody)?;
    pipeline.sink().set_drop(false);
    pipeline.sink().set_max_buffers(WAITING);
    pipeline.start()?;
    let watch = Stopwatch::start();
    let mut take = |wait: gst::ClockTime| -> Result<bool, Error> {
        let Some(sample) = pipeline.sink().try_pull_sample(wait) else { return Ok(false) };
        seen(&frame::picture(&sample)?);
        Ok(true)
    };
    for (i, unit) in clip.units.iter().enumerate() {
        pipeline.push(Mono(i as u64 * 100_000), Bytes::copy_from_slice(unit))?;
        take(STEP)?;
    }
    pipeline.finish();
    for _ in 0..LAST_STEPS {
        while take(STEP)? {}
        if let Some(fault) = pipeline.fault() {
            return Err(Error::Decode(fault));
        }
        if pipeline.sink().is_eos() || watch.passed() > DEADLINE {
            break;
        }
    }
    Ok(())
}

/// A `.units` file, taken apart.
struct Clip<'a> {
    record: &'a [u8],
    units: Vec<&'a [u8]>,
    sums: Vec<u32>,
}

impl<'a> Clip<'a> {
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut chunks = Vec::new();
        while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
            let (chunk, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            chunks.push(chunk);
            bytes = rest;
        }
        let sums = chunks.pop()?.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let record = *chunks.first()?;
        Some(Self { record, units: chunks.split_off(1), sums })
    }
}

/// CRC-32 (IEEE 802.3) of a picture's planes, as `make.py` takes it.
fn checksum(picture: &Picture) -> u32 {
    let (width, height) = picture.size();
    let [u, v] = picture.chroma();
    let mut crc = !0;
    let mut add = |plane: Plane<'_>, width: usize, height: usize| {
        for y in 0..height {
            crc = plane.row(y)[..width]
                .iter()
                .fold(crc, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
        }
    };
    add(picture.luma(), width, height);
    add(u, width.div_ceil(2), height.div_ceil(2));
    add(v, width.div_ceil(2), height.div_ceil(2));
    !crc
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// One decoder's result for people, e.g. `avdec_h264: 1.9 ms a picture at 640×360`.
pub(crate) fn words(run: &DecoderRun) -> String {
    let (width, height) = PROBE_SIZE;
    match (run.cpu_ms, &run.fault) {
        (Some(ms), None) => format!("{}: {ms:.1} ms a picture at {width}×{height}", run.element),
        (_, Some(fault)) => format!("{}: {fault}", run.element),
        (None, None) => format!("{}: not measured", run.element),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::still;

    #[test]
    fn a_software_decoder_is_right_and_a_missing_one_is_not_there() {
        gst::init().unwrap();
        let runs = run();
        assert_eq!(runs.len(), DECODERS.len());
        for (codec, element) in [(VideoCodec::H264, "avdec_h264"), (VideoCodec::H265, "avdec_h265")] {
            let run = runs.iter().find(|r| r.codec == codec && r.element == element).unwrap();
            assert!(run.fault.is_none() && run.cpu_ms.is_some(), "{}", words(run));
        }
        assert!(runs.iter().all(|r| r.cpu_ms.is_some() != r.fault.is_some()));
    }

    #[test]
    fn a_decoder_whose_pictures_are_others_is_told_so() {
        gst::init().unwrap();
        let mut other = H264.to_vec();
        *other.last_mut().unwrap() ^= 1;
        let decoder = Decoder { codec: VideoCodec::H264, element: "avdec_h264", hardware: false };
        let run = judged(decoder, other.leak());
        assert_eq!(run.fault.as_deref(), Some("11 of 12 pictures are right"));
    }

    #[test]
    fn every_software_decoder_turns_a_lone_key_frame_into_its_picture() {
        gst::init().unwrap();
        let nobody = Marker::new(&Arc::default(), Work::Still, 0);
        for decoder in
            DECODERS.iter().filter(|d| !d.hardware && gst::ElementFactory::find(d.element).is_some())
        {
            let clip = Clip::read(clip(decoder.codec)).unwrap();
            let picture = still::decode(*decoder, clip.record, clip.units[0], DEADLINE, &nobody);
            let picture = picture.unwrap_or_else(|e| panic!("{}: {e}", decoder.element));
            assert_eq!(checksum(&picture), clip.sums[0], "{}", decoder.element);
        }
    }

    #[test]
    fn a_cut_clip_is_none() {
        assert!(Clip::read(&H264[..H264.len() - 1]).is_none());
        assert!(Clip::read(&[]).is_none());
    }
}
