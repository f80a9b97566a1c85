use super::*;
use nightjar_types::{Mono, VideoCodec, VideoParams};
use proptest::prelude::*;

pub(crate) fn params(width: u16) -> StreamParams {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let video =
        VideoParams { codec: VideoCodec::H264, width, height: 90, rfc6381: "avc1.64001f".into(), config };
    StreamParams { video, audio: None }
}

fn unit(dts: i64, is_key: bool, wall_us: i64) -> AccessUnit {
    let data = Bytes::from(vec![is_key as u8; 10]);
    AccessUnit { media: Media::Video, is_key, dts, cts: 0, arrived: Mono(0), wall: Wall(wall_us), data }
}

#[test]
fn keeps_nothing_before_the_first_key_frame_and_all_after() {
    let mut s = Segmenter::new(None);
    s.params(params(160));
    let mut out = Vec::new();
    for n in 0..100i64 {
        out.extend(s.unit(unit(n * 3_600, n % 50 == 7, n * 40_000)));
    }
    out.extend(s.end_session());
    let frames: usize = out.iter().map(|f| f.video.len()).sum();
    assert_eq!(frames, 93);
    assert!(out[0].is_key && out.iter().all(|f| f.duration <= 48_600));
    assert!(out.iter().all(|f| f.video.iter().skip(1).all(|v| !v.is_key)));
    for pair in out.windows(2) {
        assert_eq!(pair[0].ticks + i64::from(pair[0].duration), pair[1].ticks);
    }
}

#[test]
fn a_session_never_begins_before_the_footage_that_is_there() {
    let floor = Wall(5_000_000);
    let mut s = Segmenter::new(Some(floor));
    s.params(params(160));
    s.unit(unit(0, true, 1_000_000));
    assert!(s.end_session().unwrap().wall() >= floor);
}

#[test]
fn follows_the_wall_clock_when_the_camera_drifts() {
    let mut s = Segmenter::new(None);
    s.params(params(160));
    s.unit(unit(0, true, 0));
    s.unit(unit(90_000, true, 5_000_000));
    assert_eq!(s.end_session().unwrap().wall(), Wall(5_000_000));
}

proptest! {
    #[test]
    fn time_never_runs_backwards(steps in proptest::collection::vec((0i64..200_000, any::<bool>(), -3_000_000i64..9_000_000), 1..200)) {
        let mut s = Segmenter::new(None);
        s.params(params(160));
        let (mut dts, mut wall, mut end) = (0, 1_000_000_000, i64::MIN);
        for (step, is_key, jump) in steps {
            dts += step + 1;
            wall += jump;
            if let Some(f) = s.unit(unit(dts, is_key, wall)) {
                prop_assert!(f.ticks >= end, "{} < {end}", f.ticks);
                end = f.ticks + i64::from(f.duration);
                prop_assert_eq!(f.data.len(), f.video.len());
            }
        }
    }
}
