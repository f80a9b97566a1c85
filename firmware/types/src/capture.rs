//! What `nightjar` and `nightjar-eye capture` say to each other about one local camera: frames as in [`crate::eye`].
//!
//! The recorder starts the program with one end of a Unix socket pair as its standard input. Both sides send `Hello`
//! first and hang up when the protocol differs. Then the recorder says once what it wants, and the program sends it
//! until one of them ends.

mod address;

pub use address::{Form, Kind, LocalCamera, Settings};

use crate::{GapCause, Mono};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Raised whenever a message changes its shape.
pub const PROTOCOL: u16 = 1;
/// Streams of one device: what is recorded, and a small one for the detector.
pub const MAX_STREAMS: usize = 2;

/// Recorder → capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCapture {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
    },
    /// Second and last message.
    Start {
        /// What drives the camera.
        kind: Kind,
        /// Which one, as in its address.
        device: String,
        /// What is wanted of it, 1 to [`MAX_STREAMS`]. A stream's place here is its number.
        streams: Vec<Settings>,
    },
}

/// Capture → recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromCapture {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
    },
    /// The camera is open and pictures will come.
    Ready {
        /// For the log: what was chosen.
        words: String,
    },
    /// How to decode what follows; comes before a stream's first unit and again when it changes.
    Params {
        /// Which stream.
        stream: u8,
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15).
        config: Bytes,
    },
    /// One coded picture, H.264 with no reordering.
    Unit {
        /// Which stream.
        stream: u8,
        /// When the camera took it.
        captured: Mono,
        /// NAL units with four-byte length prefixes.
        data: Bytes,
    },
    /// The recorder reads too slowly: pictures up to the next key frame were left out.
    Left {
        /// Which stream.
        stream: u8,
        /// How many.
        units: u32,
    },
    /// Nothing more will come.
    Ended {
        /// For the gap record.
        cause: GapCause,
        /// For a person: what happened and what to do.
        words: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eye::{decode, encode};

    #[test]
    fn messages_survive_the_wire_and_garbage_is_refused() {
        let start = ToCapture::Start {
            kind: Kind::V4l2,
            device: "by-id/usb-cam".into(),
            streams: vec![Settings { size: Some((640, 360)), ..Settings::default() }],
        };
        assert_eq!(decode::<ToCapture>(&encode(&start).unwrap()[4..]).unwrap(), start);
        let unit =
            FromCapture::Unit { stream: 1, captured: Mono(7), data: Bytes::from_static(b"\0\0\0\x01\x65") };
        assert_eq!(decode::<FromCapture>(&encode(&unit).unwrap()[4..]).unwrap(), unit);
        assert!(decode::<FromCapture>(&[0xff; 40]).is_err() && decode::<ToCapture>(&[9]).is_err());
    }
}
