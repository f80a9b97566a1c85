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
    assert!(out[0].is_key && out.iter().all(|f| f.duration <= 93_600));
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

#[test]
fn a_beat_gives_all_but_the_newest_picture_and_loses_nothing() {
    let mut s = Segmenter::new(None);
    s.params(params(160));
    let mut out = Vec::new();
    for n in 0..100i64 {
        out.extend(s.unit(unit(n * 3_600, n % 50 == 0, n * 40_000)));
        if n % 7 == 0 {
            out.extend(s.beat());
        }
    }
    out.extend(s.end_session());
    assert_eq!(out.iter().map(|f| f.video.len()).sum::<usize>(), 100);
    for pair in out.windows(2) {
        assert_eq!(pair[0].ticks + i64::from(pair[0].duration), pair[1].ticks);
    }
    assert_eq!(out.iter().filter(|f| f.is_key).count(), 2);
}

#[test]
fn key_frames_only_are_not_cut_at_each() {
    let mut s = Segmenter::new(None);
    s.params(params(160));
    let cut: Vec<_> = (0..100i64).filter_map(|n| s.unit(unit(n * 3_600, true, n * 40_000))).collect();
    assert!(cut.len() <= 20 && cut.iter().all(|f| f.is_key), "{}", cut.len());
}

#[test]
fn a_set_clock_counts_from_the_next_key_frame_on() {
    const HOUR: i64 = 3_600_000_000;
    let mut s = Segmenter::new(None);
    s.params(params(160));
    s.unit(unit(0, true, 5 * HOUR));
    s.unit(unit(3_600, false, 5 * HOUR + 40_000));
    s.clock_set(-2 * HOUR); // the clock was two hours ahead
    s.unit(unit(7_200, false, 3 * HOUR + 80_000));
    let old = s.unit(unit(10_800, true, 3 * HOUR + 120_000)).unwrap();
    let new = s.end_session().unwrap();
    assert_eq!((old.video.len(), old.wall(), old.begins_clock), (3, Wall(5 * HOUR), false));
    assert!(
        new.begins_clock && new.wall() >= Wall(3 * HOUR + 120_000) && new.wall() < Wall(3 * HOUR + 121_000)
    );
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
