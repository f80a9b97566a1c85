//! A video file → its coded pictures as H.264 NAL units (through FFmpeg, as Annex B).

use bytes::Bytes;
use md5::{Digest, Md5};
use std::path::Path;
use std::process::{Command, Stdio};

/// One coded picture.
#[derive(Debug, Clone)]
pub struct Frame {
    /// A decoder can start here.
    pub is_key: bool,
    /// NAL units without start codes: for a key frame the parameter sets first.
    pub nals: Vec<Bytes>,
    /// As [`crate::probe::Unit::hash`]: MD5 of the slices in Annex B.
    pub hash: String,
}

/// A clip to play in a loop.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Sequence parameter set.
    pub sps: Bytes,
    /// Picture parameter set.
    pub pps: Bytes,
    /// The pictures; the first is a key frame.
    pub frames: Vec<Frame>,
    /// Pictures a second.
    pub fps: u32,
}

impl Clip {
    /// Reads an H.264 file with `fps` pictures a second and no B-frames.
    pub fn read(file: &Path, fps: u32) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-i"]).arg(file).args(["-map", "0:v:0", "-c", "copy"]);
        command.args(["-bsf:v", "h264_mp4toannexb", "-f", "h264", "-"]).stderr(Stdio::inherit());
        let out = command.output().expect("ffmpeg is installed: run \"cargo xtask test\"");
        assert!(out.status.success(), "{}: ffmpeg gives no H.264 from it", file.display());
        Self::from_annex_b(&Bytes::from(out.stdout), fps)
    }

    fn from_annex_b(stream: &Bytes, fps: u32) -> Self {
        let (mut sps, mut pps) = (Bytes::new(), Bytes::new());
        let mut pictures: Vec<Vec<Bytes>> = Vec::new();
        for nal in nals(stream) {
            match nal[0] & 31 {
                // Slices (table 7-1 of ITU-T H.264); first_mb_in_slice = 0, one bit "1" as ue(v), begins a picture.
                1..=5 if nal.get(1).is_some_and(|byte| byte & 0x80 != 0) => pictures.push(vec![nal]),
                1..=5 => pictures.last_mut().expect("a picture begins with its first slice").push(nal),
                7 => sps = nal,
                8 => pps = nal,
                _ => {}
            }
        }
        assert!(
            !sps.is_empty() && !pps.is_empty() && !pictures.is_empty(),
            "the clip holds no whole H.264 stream"
        );
        let frames = pictures.into_iter().map(|slices| Frame::new(slices, &sps, &pps)).collect();
        Self { sps, pps, frames, fps }
    }
}

impl Frame {
    fn new(slices: Vec<Bytes>, sps: &Bytes, pps: &Bytes) -> Self {
        let mut hash = Md5::new();
        // As FFmpeg's filter writes them: Annex B with a four-byte start code only before the first.
        hash.update([0]);
        for slice in &slices {
            hash.update([0, 0, 1]);
            hash.update(slice);
        }
        let is_key = slices[0][0] & 31 == 5;
        let parameters = if is_key { vec![sps.clone(), pps.clone()] } else { Vec::new() };
        Self { is_key, nals: [parameters, slices].concat(), hash: hex(&hash.finalize()) }
    }
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The NAL units of an Annex B stream (ITU-T H.264, B.1.1): start codes and trailing zeros cut off.
fn nals(stream: &Bytes) -> Vec<Bytes> {
    let codes = stream.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at);
    let starts: Vec<usize> = codes.collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let cut = |(start, end): (usize, usize)| {
        let body = &stream[start + 3..end];
        let length = body.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        stream.slice(start + 3..start + 3 + length)
    };
    starts.iter().copied().zip(ends).map(cut).filter(|nal| !nal.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parts, probe};

    #[test]
    fn hashes_as_ffmpeg_does() {
        let file = parts::clip("sub.mp4");
        let clip = Clip::read(&file, 10);
        let units = probe::units(&file, probe::Track::Video);
        let ours: Vec<&str> = clip.frames.iter().map(|frame| frame.hash.as_str()).collect();
        assert_eq!(ours.len(), units.len());
        assert!(ours == probe::hashes(&units), "the first is {}, by FFmpeg {}", ours[0], units[0].hash);
        assert!(clip.frames[0].is_key && clip.frames[20].is_key && !clip.frames[1].is_key);
    }

    #[test]
    fn splits_at_both_start_codes() {
        let stream = Bytes::from_static(&[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0x88]);
        let found = nals(&stream);
        assert_eq!(found, [&[0x67, 1][..], &[0x68, 2], &[0x65, 0x88]]);
    }
}
