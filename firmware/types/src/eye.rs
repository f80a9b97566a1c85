//! What `nightjar` and `nightjar-eye` say to each other: `u32` little-endian length, then one postcard message.
//!
//! The recorder starts the eye with one end of a Unix socket pair as its standard input. Both sides send `Hello`
//! first and hang up when the protocol differs. Then the recorder sends streams and the eye sends what it sees.

use crate::{Detection, Mono, SceneState, VideoCodec};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Raised whenever a message changes its shape.
pub const PROTOCOL: u16 = 2;
/// Streams from this number on are pictures of before: the model looks at them only when no live picture waits, and their
/// `mono` is wall-clock time, microseconds since 1970.
pub const ARCHIVE: u32 = 1 << 31;
/// Largest message either side accepts, in bytes. A 4K key frame fits.
pub const MAX_MESSAGE: usize = 8 << 20;

/// Recorder → eye.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToEye {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
    },
    /// A stream begins, or begins again with other parameters.
    Open {
        /// The recorder's number for the stream.
        stream: u32,
        /// The camera's id, for logs.
        camera: String,
        /// The codec.
        codec: VideoCodec,
        /// avcC or hvcC record.
        config: Bytes,
        /// Least confidence that is reported, 0..1.
        min_score: f32,
    },
    /// One coded picture. The first after `Open` or `Skip` is a key frame.
    Unit {
        /// Which stream.
        stream: u32,
        /// When it reached the recorder.
        mono: Mono,
        /// Starts a group of pictures.
        is_key: bool,
        /// NAL units with four-byte length prefixes.
        data: Bytes,
    },
    /// Pictures were left out: the next unit is a key frame.
    Skip {
        /// Which stream.
        stream: u32,
    },
    /// The stream ended.
    Close {
        /// Which stream.
        stream: u32,
    },
    /// Decode this one key frame into a JPEG.
    Still {
        /// Comes back in the answer.
        request: u32,
        /// The codec.
        codec: VideoCodec,
        /// avcC or hvcC record.
        config: Bytes,
        /// The key frame.
        data: Bytes,
    },
    /// Are you alive?
    Ping {
        /// Comes back.
        nonce: u64,
    },
    /// Do less, or as much as usual again: the board is hot or short of power. Holds for all streams until said again.
    Ease {
        /// How much is left.
        level: Ease,
    },
}

/// How much the eye may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ease {
    /// All of its share of the processor.
    #[default]
    Normal,
    /// Half of it, and a look a second and stream at most.
    Reduced,
    /// Only what somebody asks for: stills. No stream is decoded.
    Stills,
}

impl Ease {
    /// As in the API and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduced => "reduced",
            Self::Stills => "stills",
        }
    }
}

/// Where a picture's time in the eye went, microseconds. What the recorder sees beyond their sum is the way there and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stages {
    /// Its unit waited for the decoder.
    pub queue_us: u32,
    /// In the decoder.
    pub decode_us: u32,
    /// Copied and compared with the background.
    pub motion_us: u32,
    /// Waited for the model, which looks at other streams too.
    pub wait_us: u32,
    /// Cropped and scaled to the model's input.
    pub prepare_us: u32,
    /// In the model and what reads its answer.
    pub model_us: u32,
}

/// Eye → recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromEye {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
        /// What the eye runs.
        model: ModelInfo,
        /// What holds it in.
        sandbox: Sandbox,
    },
    /// One looked-at picture. Every decoded picture gives one, inferred or predicted or quiet, but those that were decoded
    /// late only for the sake of newer ones. So does every unit that was not decoded while tracks live.
    Frame {
        /// Which stream.
        stream: u32,
        /// From the unit.
        mono: Mono,
        /// The model ran on this picture; otherwise boxes are the tracker's prediction.
        inferred: bool,
        /// Time in the model, milliseconds; 0 when not inferred.
        inference_ms: f32,
        /// Share of the picture that moved, 0..1.
        motion: f32,
        /// Confirmed and unconfirmed things.
        detections: Vec<Detection>,
        /// Where the time went.
        #[serde(default)]
        stages: Stages,
    },
    /// The best picture of a track so far.
    Snapshot {
        /// Which stream.
        stream: u32,
        /// Which track.
        track: u32,
        /// From the unit.
        mono: Mono,
        /// The track's confidence in it.
        score: f32,
        /// JFIF bytes.
        jpeg: Bytes,
    },
    /// A confirmed track has left the picture.
    Lost {
        /// Which stream.
        stream: u32,
        /// Which track.
        track: u32,
        /// When it was last seen.
        mono: Mono,
    },
    /// Answer to [`ToEye::Still`].
    Still {
        /// From the question.
        request: u32,
        /// JFIF bytes, or what went wrong.
        jpeg: Result<Bytes, String>,
    },
    /// A stream's decoder: at start and when it changes.
    Decoder {
        /// Which stream.
        stream: u32,
        /// GStreamer element, e.g. `avdec_h264`, or what went wrong.
        element: Result<String, String>,
    },
    /// Answer to [`ToEye::Ping`].
    Pong {
        /// From the question.
        nonce: u64,
        /// What the eye counted since its start.
        counters: EyeCounters,
        /// What its threads are at, each with how long already; idle threads are left out.
        busy: Vec<Busy>,
    },
    /// A stream's pace: after each `Open` and when it changes.
    Pace {
        /// Which stream.
        stream: u32,
        /// Nothing moves and nothing lives: pictures between key frames can wait a little.
        is_quiet: bool,
    },
    /// A stream's scene has changed: tampering began or ended, day or night mode. The first comes when the scene is known.
    Scene {
        /// Which stream.
        stream: u32,
        /// From the unit.
        mono: Mono,
        /// What it is now.
        state: SceneState,
    },
    /// What was measured on this board; after `Hello`, when there is a measurement.
    Measured(Measured),
}

/// What a thread of the eye is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Work {
    /// Decoding a stream's unit, motion included.
    Decoding,
    /// The model looks at a stream's picture.
    Looking,
    /// Making a still.
    Still,
}

/// A thread that works. The recorder takes it for hanging when it is at one thing for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// At what.
    pub work: Work,
    /// Stream number; of [`Work::Still`], the request.
    pub on: u32,
    /// The unit's time; 0 of a still.
    pub mono: Mono,
    /// For how long, milliseconds.
    pub ms: u32,
}

/// What the kernel holds the eye to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sandbox {
    /// In force, for people: `seccomp`, `landlock 7`, `memory 256 MiB`.
    pub in_force: Vec<String>,
    /// What this kernel does not have, with why.
    pub missing: Vec<String>,
}

/// Which model answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Card id.
    pub card: String,
    /// SHA-256 of the model file, hexadecimal.
    pub sha256: String,
    /// Classes it can name.
    pub labels: Vec<String>,
}

/// What this board does how fast: `nightjar-eye bench` measures it, the eye and the Health page go by it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Version of the eye that measured; another measures anew.
    pub version: String,
    /// Processor and its number of cores; another board measures anew.
    pub board: String,
    /// Processor cores.
    pub cores: u32,
    /// Every card by every runtime.
    pub models: Vec<ModelRun>,
    /// Every decoder.
    pub decoders: Vec<DecoderRun>,
}

/// One card by one runtime.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelRun {
    /// Card id.
    pub card: String,
    /// Detector runtime.
    pub runtime: String,
    /// Whether `auto` may take it: it is a variant of the default detector.
    pub is_candidate: bool,
    /// Median processor time of one look, milliseconds, preparation included.
    pub look_ms: Option<f32>,
    /// Why it is not to be used.
    pub fault: Option<String>,
}

/// One decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecoderRun {
    /// The codec.
    pub codec: VideoCodec,
    /// GStreamer element.
    pub element: String,
    /// Processor time for one picture of [`PROBE_SIZE`], milliseconds.
    pub cpu_ms: Option<f32>,
    /// Why it is not to be used.
    pub fault: Option<String>,
}

/// Width and height of the pictures that decoders are measured with.
pub const PROBE_SIZE: (u32, u32) = (640, 360);

impl Measured {
    /// The fastest that gives right answers: of a card, or of the variants that `auto` may take.
    pub fn best_model(&self, card: Option<&str>) -> Option<&ModelRun> {
        let asked = |m: &&ModelRun| card.map_or(m.is_candidate, |card| m.card == card);
        let good = self.models.iter().filter(asked).filter(|m| m.fault.is_none());
        good.filter(|m| m.look_ms.is_some()).min_by(|a, b| f32::total_cmp(&ms(a.look_ms), &ms(b.look_ms)))
    }

    /// Decoders of a codec that give right pictures, cheapest first.
    pub fn good_decoders(&self, codec: VideoCodec) -> Vec<&DecoderRun> {
        let good = |d: &&DecoderRun| d.codec == codec && d.fault.is_none() && d.cpu_ms.is_some();
        let mut decoders: Vec<&DecoderRun> = self.decoders.iter().filter(good).collect();
        decoders.sort_by(|a, b| f32::total_cmp(&ms(a.cpu_ms), &ms(b.cpu_ms)));
        decoders
    }
}

/// What was not measured is slowest.
fn ms(measured: Option<f32>) -> f32 {
    measured.unwrap_or(f32::INFINITY)
}

/// Running totals over all streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EyeCounters {
    /// Pictures decoded.
    pub decoded: u64,
    /// Among them key frames of quiet streams, of which nothing else was decoded.
    pub key_only: u64,
    /// Units of quiet streams that were never decoded.
    pub left_out: u64,
    /// Pictures the model ran on.
    pub inferred: u64,
    /// Pictures replaced by a newer one before the model was free.
    pub superseded: u64,
    /// Pictures in which nothing moved.
    pub quiet: u64,
    /// Units that did not decode.
    pub undecodable: u64,
    /// Median time in the model over the last inferences, microseconds.
    pub inference_p50_us: u32,
    /// Processor time of the newest seconds, thousandths of a core.
    pub cpu_permille: u32,
    /// Least time between two looks at a stream now, milliseconds.
    pub spacing_ms: u32,
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The length says more than [`MAX_MESSAGE`].
    #[error("a message of {0} bytes is larger than {MAX_MESSAGE}")]
    TooLong(usize),
    /// The bytes do not decode.
    #[error("not a message of this protocol: {0}")]
    Malformed(#[from] postcard::Error),
}

/// A message with its length prefix, ready to write.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, WireError> {
    let mut out = postcard::to_extend(message, vec![0; 4])?;
    let len = out.len() - 4;
    if len > MAX_MESSAGE {
        return Err(WireError::TooLong(len));
    }
    out[..4].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(out)
}

/// The body's length from its four-byte prefix.
pub fn body_len(prefix: [u8; 4]) -> Result<usize, WireError> {
    let len = u32::from_le_bytes(prefix) as usize;
    if len > MAX_MESSAGE { Err(WireError::TooLong(len)) } else { Ok(len) }
}

/// A message from its body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    Ok(postcard::from_bytes(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire() {
        let said = FromEye::Still { request: 7, jpeg: Ok(Bytes::from_static(b"\xff\xd8")) };
        let sent = encode(&said).unwrap();
        let len = body_len(sent[..4].try_into().unwrap()).unwrap();
        assert_eq!(len, sent.len() - 4);
        assert_eq!(decode::<FromEye>(&sent[4..]).unwrap(), said);
    }

    #[test]
    fn what_is_wrong_is_never_chosen_however_fast() {
        let model = |card: &str, look_ms, fault: Option<&str>, is_candidate| ModelRun {
            card: card.into(),
            runtime: "fused".into(),
            is_candidate,
            look_ms,
            fault: fault.map(Into::into),
        };
        let decoder = |element: &str, cpu_ms, fault: Option<&str>| DecoderRun {
            codec: VideoCodec::H264,
            element: element.into(),
            cpu_ms,
            fault: fault.map(Into::into),
        };
        let measured = Measured {
            models: vec![
                model("wrong", Some(1.0), Some("misses the cat"), true),
                model("other", Some(2.0), None, false),
                model("f32", Some(9.0), None, true),
                model("int8", Some(8.0), None, true),
                model("unmeasured", None, None, true),
            ],
            decoders: vec![
                decoder("green", Some(0.1), Some("other pictures")),
                decoder("soft", Some(2.0), None),
                decoder("hard", Some(0.5), None),
            ],
            ..Measured::default()
        };
        assert_eq!(measured.best_model(None).unwrap().card, "int8");
        let order: Vec<&str> =
            measured.good_decoders(VideoCodec::H264).iter().map(|d| d.element.as_str()).collect();
        assert_eq!(order, ["hard", "soft"]);
        assert!(measured.good_decoders(VideoCodec::H265).is_empty());
    }

    #[test]
    fn refuses_a_giant_and_garbage() {
        assert!(matches!(body_len(u32::MAX.to_le_bytes()), Err(WireError::TooLong(_))));
        assert!(decode::<ToEye>(&[0xff; 40]).is_err());
    }
}
