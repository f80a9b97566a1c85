//! What a camera gives: parameters once, then access units.

use crate::time::{Mono, Wall};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How the picture is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// ISO/IEC 14496-10.
    H264,
    /// ISO/IEC 23008-2.
    H265,
}

/// All that is needed to open a decoder and to write a sample entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoParams {
    /// The codec.
    pub codec: VideoCodec,
    /// Picture width in pixels.
    pub width: u16,
    /// Picture height in pixels.
    pub height: u16,
    /// RFC 6381 name, e.g. `avc1.64001f`.
    pub rfc6381: String,
    /// AVCDecoderConfigurationRecord or HEVCDecoderConfigurationRecord (ISO/IEC 14496-15), without a box header.
    pub config: Bytes,
}

/// All that is needed to write an `mp4a` sample entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioParams {
    /// Samples a second; also the track's timescale.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// RFC 6381 name, e.g. `mp4a.40.2`.
    pub rfc6381: String,
    /// AudioSpecificConfig (ISO/IEC 14496-3).
    pub config: Bytes,
}

/// What a stream consists of. A change of these starts a new slab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamParams {
    /// The picture. Timescale 90 kHz.
    pub video: VideoParams,
    /// The sound, when the camera sends AAC. Timescale: the sample rate.
    pub audio: Option<AudioParams>,
}

/// Which track an access unit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Media {
    /// Picture: NAL units with four-byte length prefixes.
    Video,
    /// Sound: one raw AAC frame.
    Audio,
}

/// One coded picture or one audio frame, as it came from the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Which track.
    pub media: Media,
    /// A decoder can start here. Always true for audio.
    pub is_key: bool,
    /// Decode time in the track's timescale, counted from the session's first video unit. Never decreases in a session.
    pub dts: i64,
    /// Presentation minus decode time in the track's timescale.
    pub cts: i32,
    /// When its last byte reached us.
    pub arrived: Mono,
    /// The wall clock at that moment.
    pub wall: Wall,
    /// The coded bytes.
    pub data: Bytes,
}
