//! Coded pictures in, ISO base media files out, and back: bytes in, bytes out.
//!
//! Fragmented MP4 after ISO/IEC 14496-12; sample entries after 14496-14 (AAC) and 14496-15 (H.264, H.265).
#![forbid(unsafe_code)]

pub mod boxes;
pub mod chapters;
mod error;
pub mod fragment;
pub mod hls;
pub mod init;
pub mod nal;
pub mod samples;
pub mod sidx;
pub mod walk;

pub use error::MediaError;
pub use fragment::{FragmentWriter, Sample};

/// Timescale of every video track, ticks a second (RTP's clock for video, RFC 6184 section 8.2.1).
pub const VIDEO_TIMESCALE: u32 = 90_000;
/// Track id of the picture.
pub const VIDEO_TRACK: u32 = 1;
/// Track id of the sound.
pub const AUDIO_TRACK: u32 = 2;
