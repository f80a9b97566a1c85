//! A camera's access unit and codec parameters → NAL units and an initialisation segment.

use crate::draw::Draw;
use bytes::Bytes;
use nightjar_media::walk::Boxes;
use nightjar_media::{MediaError, init, nal};
use nightjar_types::{AudioParams, StreamParams, VideoCodec, VideoParams, Wall};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let unit = b"\0\0\0\x05\x67\x64\0\x1f\xac\0\0\0\x02\x68\xee\0\0\0\x04\x65\x88\x84\0";
    let mut h264 = vec![0, 64, 1, 56, 0, 8];
    h264.extend(b"\x01\x64\0\x1f\xff\xe1\0\0");
    h264.extend([0; 9]);
    h264.extend(unit);
    let mut h265 = vec![1, 64, 1, 56, 0, 0];
    h265.extend([1, 0x80, 0xbb, 0, 0, 2, 0, 2, 0x11]);
    h265.extend([0; 8]);
    h265.extend(b"\0\0\0\x03\x40\x01\x0c\0\0\0\x03\x26\x01\xaf");
    vec![h264, h265]
}

/// Parameters first, then the access unit.
pub(crate) fn nal(data: &[u8]) {
    let mut draw = Draw::new(data);
    let params = params(&mut draw);
    segment(&params, Wall(draw.i64()));
    units(params.video.codec, draw.rest());
}

/// Codec parameters as a camera may give them.
pub(crate) fn params(draw: &mut Draw<'_>) -> StreamParams {
    let codec = if draw.flag() { VideoCodec::H265 } else { VideoCodec::H264 };
    let (width, height) = (draw.u16(), draw.u16());
    let len = usize::from(draw.u8());
    let config = Bytes::copy_from_slice(draw.take(len));
    let video = VideoParams { codec, width, height, rfc6381: "avc1.64001f".into(), config };
    let audio = draw.flag().then(|| AudioParams {
        sample_rate: draw.u32().max(1),
        channels: draw.u16(),
        rfc6381: "mp4a.40.2".into(),
        config: Bytes::copy_from_slice(draw.take(2)),
    });
    StreamParams { video, audio }
}

/// Every box of a segment can be walked to its end.
fn segment(params: &StreamParams, created: Wall) {
    let bytes = init::segment(&[params], created, Some(90_000));
    let kinds: Result<Vec<_>, _> = Boxes::new(&bytes).map(|found| Ok::<_, MediaError>(found?.kind)).collect();
    assert_eq!(kinds.expect("our own boxes have true lengths"), [*b"ftyp", *b"moov"]);
    let codecs = init::codecs(params);
    assert_eq!(codecs.contains(','), params.audio.is_some());
}

/// Units and their four-byte lengths make up the whole, or the last is a fault.
fn units(codec: VideoCodec, data: &[u8]) {
    let (mut len, mut is_whole) = (0, true);
    for unit in nal::units(data) {
        assert!(is_whole, "nothing comes after a fault");
        match unit {
            Ok(unit) => {
                let _ = nal::is_key(codec, unit);
                len += 4 + unit.len();
            }
            Err(MediaError::Short { at } | MediaError::Overrun { at, .. }) => {
                assert_eq!(at, len, "the fault is where the good units end");
                is_whole = false;
            }
            #[allow(unreachable_patterns, reason = "new kinds of faults have no place in the bytes")]
            Err(_) => is_whole = false,
        }
    }
    assert!(!is_whole || len == data.len(), "{len} of {} bytes were walked", data.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_hold_units() {
        for seed in seeds() {
            let mut draw = Draw::new(&seed);
            let params = params(&mut draw);
            draw.i64();
            let units: Result<Vec<_>, _> = nal::units(draw.rest()).collect();
            let units = units.expect("seeds are whole");
            assert!(units.iter().any(|unit| nal::is_key(params.video.codec, unit)), "{params:?} {units:?}");
        }
    }
}
