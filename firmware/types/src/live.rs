//! What a viewer of a live stream is sent.

use crate::Wall;
use bytes::Bytes;

/// In order; `Init` comes first, and again when a new session of the camera begins or its parameters change.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveMessage {
    /// How to decode what follows.
    Init {
        /// `video/mp4; codecs="…"`.
        mime: String,
        /// Pixels.
        width: u16,
        /// Pixels.
        height: u16,
        /// Wall clock of media time zero.
        origin: Wall,
        /// `ftyp` + `moov`.
        bytes: Bytes,
    },
    /// `moof` + `mdat`. The first after `Init` and `Skipped` begins with a key frame.
    Fragment(Bytes),
    /// The viewer was too slow: this many units were left out.
    Skipped {
        /// Units.
        units: u64,
    },
    /// Nothing more comes.
    Ended {
        /// Why, in words.
        error: String,
    },
}
