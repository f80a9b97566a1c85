//! What drivers say in the kernel's own types → what we make of it. No device is needed.

use super::*;
use v4l::buffer::Metadata;
use v4l::framesize::{Discrete, Stepwise};
use v4l::timestamp::Timestamp;

#[test]
fn metadata_codecs_and_processors_are_no_cameras() {
    let streaming = Flags::STREAMING | Flags::EXT_PIX_FORMAT;
    assert!(is_camera(Flags::VIDEO_CAPTURE | streaming), "uvcvideo, first node");
    assert!(!is_camera(Flags::META_CAPTURE | streaming), "uvcvideo, second node: metadata");
    assert!(!is_camera(Flags::VIDEO_M2M_MPLANE | streaming), "bcm2835-codec");
    assert!(!is_camera(Flags::VIDEO_CAPTURE_MPLANE | streaming), "pispbe, rkisp1");
    assert!(!is_camera(Flags::VIDEO_OUTPUT | streaming), "bcm2835-isp, input");
    assert!(!is_camera(Flags::VIDEO_CAPTURE), "read() alone");
}

#[test]
fn ranges_become_usual_sizes_and_rates() {
    let range = |most: (u32, u32), step: u32| {
        FrameSizeEnum::Stepwise(Stepwise {
            min_width: 320,
            max_width: most.0,
            step_width: step,
            min_height: 180,
            max_height: most.1,
            step_height: step,
        })
    };
    // vivid's webcam input is discrete, its HDMI input a range.
    assert_eq!(usual_sizes(&FrameSizeEnum::Discrete(Discrete { width: 640, height: 360 })), [(640, 360)]);
    assert_eq!(
        usual_sizes(&range((1280, 720), 2)),
        [(320, 240), (640, 360), (640, 480), (800, 600), (1280, 720)]
    );
    assert_eq!(usual_sizes(&range((330, 190), 1)), [(330, 190)], "none of the usual ones fits");
    assert_eq!(usual_sizes(&range((330, 190), 0)), [(330, 190)], "a step of nothing");
    let interval = FrameIntervalEnum::Stepwise(v4l::frameinterval::Stepwise {
        min: Fraction::new(333_333, 10_000_000),
        max: Fraction::new(1, 10),
        step: Fraction::new(1, 1),
    });
    assert_eq!(usual_intervals(&interval), [(1, 10), (1, 15), (1, 25), (1, 30)]);
    assert!(usual_intervals(&FrameIntervalEnum::Discrete(Fraction::new(0, 0))).is_empty());
}

#[test]
fn a_time_stamp_of_another_clock_is_not_believed() {
    let meta = |sec: i64, usec: i64, flags| Metadata {
        timestamp: Timestamp::new(sec, usec),
        flags,
        ..Metadata::default()
    };
    let monotonic = buffer::Flags::TIMESTAMP_MONOTONIC;
    let now = 100_000_000;
    assert_eq!(stamp(&meta(99, 960_000, monotonic), now), 99_960_000);
    for odd in [
        meta(99, 960_000, buffer::Flags::TIMESTAMP_UNKNOWN),
        meta(1_700_000_000, 0, monotonic),
        meta(3, 0, monotonic),
        meta(-1, 0, monotonic),
    ] {
        assert_eq!(stamp(&odd, now), now);
    }
}

#[test]
fn a_camera_that_is_not_plugged_in_is_told() {
    let fault = find("by-id/usb-no-such-camera").err().unwrap();
    assert!(fault.words.contains("plugged in"), "{fault}");
}
