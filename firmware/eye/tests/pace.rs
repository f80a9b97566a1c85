//! The real `nightjar-eye serve` on cameras that show nothing for a while: what it decodes, and when it wakes up.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod support;

use bytes::Bytes;
use nightjar_types::eye::{Ease, FromEye, ToEye};
use nightjar_types::{Mono, VideoCodec};
use rustix::time::{ClockId, clock_gettime};
use support::{Clip, Recorder, at, pedestrians};

/// Ten pictures a second, a key frame every two seconds.
const GOP: usize = 20;
/// The eye decodes everything for 5 s after the last motion, and a new stream is all motion.
const AWAKE: usize = 51;

/// A 640×360 camera under a sensor's noise, of `what` filters show; `inputs` come before it.
fn clip(inputs: &[&str], what: &str, coder: &[&str], frames: u32) -> Clip {
    let folder = tempfile::tempdir().unwrap();
    let mp4 = folder.path().join("made.mp4");
    let graph = format!("{what},noise=c0s=2:c0f=t:c0_seed=3,format=yuv420p[out]");
    let gop = GOP.to_string();
    let frames_text = frames.to_string();
    let common = [
        "-filter_complex",
        &graph,
        "-map",
        "[out]",
        "-frames:v",
        &frames_text,
        "-c:v",
        "libx264",
        "-g",
        &gop,
        "-sc_threshold",
        "0",
        "-threads",
        "1",
    ];
    support::ffmpeg(&[inputs, &common, coder, &[mp4.to_str().unwrap()]].concat());
    let clip = Clip::read(&mp4, VideoCodec::H264, frames);
    assert!(clip.units.iter().enumerate().all(|(i, unit)| unit.0 == (i % GOP == 0)));
    clip
}

const STILL: &str = "smptebars=size=640x360:rate=10";
const NO_B: &[&str] = &["-bf", "0"];

/// The same, until someone of the pedestrian clip walks in from the left at unit 127, in the middle of a group.
fn someone_walks_in() -> Clip {
    let clip_of_people = pedestrians();
    let inputs = ["-i", clip_of_people.to_str().unwrap()];
    let what = format!(
        "[0:v]trim=end_frame=1,loop=-1:1:0,setpts=N/10/TB,crop=60:140:380:330[p];\
         {STILL}[b];[b][p]overlay=x='if(lt(t,12.65),-100,(t-12.65)*150-40)':y=180:shortest=1"
    );
    clip(&inputs, &what, NO_B, 180)
}

fn mono(n: usize) -> Mono {
    at(100 * n as u64)
}

/// What the stream's pace was said to be last.
fn is_quiet(recorder: &Recorder) -> bool {
    let said = recorder.heard.iter().rev().find_map(|m| match m {
        FromEye::Pace { stream: 1, is_quiet } => Some(*is_quiet),
        _ => None,
    });
    said.expect("a pace after open")
}

fn send(recorder: &mut Recorder, clip: &Clip, n: usize) {
    let (is_key, data) = &clip.units[n];
    recorder.unit(1, mono(n), *is_key, data);
}

/// Sends units until the stream is quiet, and on to `end`: waits for every picture that must come out.
fn until_quiet(recorder: &mut Recorder, clip: &Clip, end: usize) {
    recorder.open(1, clip, 0.5);
    for n in 0..end {
        send(recorder, clip, n);
        if n < AWAKE - 1 || n % GOP == 0 {
            recorder.frame(1, mono(n));
        }
    }
    until_pace(recorder, true);
}

/// Until the stream's pace is so, if it was not said already.
fn until_pace(recorder: &mut Recorder, wanted: bool) {
    if is_quiet(recorder) != wanted {
        recorder.until(|m| {
            matches!(m, FromEye::Pace { stream: 1, is_quiet } if *is_quiet == wanted).then_some(())
        });
    }
}

#[test]
fn a_still_scene_decodes_only_key_frames() {
    let clip = clip(&[], STILL, NO_B, 600);
    let (mut recorder, _) = Recorder::greeted();
    until_quiet(&mut recorder, &clip, 600);
    let counters = recorder.counters();
    let keys = (600 - 60) / GOP as u64;
    assert!((counters.key_only, counters.undecodable) == (keys, 0), "{counters:?}");
    assert!(counters.decoded <= AWAKE as u64 + keys, "{counters:?}");
    assert!(counters.left_out >= (600 - 60) - keys - GOP as u64, "{counters:?}");
    let paces = recorder.heard.iter().filter(|m| matches!(m, FromEye::Pace { .. })).count();
    assert_eq!(paces, 2, "awake, then quiet for good");
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn someone_who_walks_in_between_key_frames_is_seen_before_the_next() {
    let clip = someone_walks_in();
    let (mut recorder, _) = Recorder::greeted();
    until_quiet(&mut recorder, &clip, 125);
    // the rest of the group without its end: the next key frame is 140
    (125..138).for_each(|n| send(&mut recorder, &clip, n));
    until_pace(&mut recorder, false);
    let seen = recorder.until(|m| match m {
        FromEye::Frame { stream: 1, mono, motion, .. } if *motion > 0.0 => Some(*mono),
        _ => None,
    });
    assert!((mono(127)..mono(138)).contains(&seen), "{seen:?}");
    let counters = recorder.counters();
    assert_eq!(counters.undecodable, 0, "the units before it were kept: {counters:?}");
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_camera_whose_sizes_say_nothing_is_decided_by_its_key_frames() {
    let mut clip = someone_walks_in();
    // filler NAL units (H.264, 7.3.2.7) make every unit between key frames the same size, as at a constant bit rate
    let largest = clip.units.iter().filter(|unit| !unit.0).map(|unit| unit.1.len()).max().unwrap() + 16;
    for (_, data) in clip.units.iter_mut().filter(|unit| !unit.0) {
        let filler = largest - data.len() - 4;
        let mut padded = data.to_vec();
        padded.extend((filler as u32).to_be_bytes());
        padded.push(12);
        padded.resize(largest - 1, 0xff);
        padded.push(0x80);
        *data = Bytes::from(padded);
    }
    let (mut recorder, _) = Recorder::greeted();
    until_quiet(&mut recorder, &clip, 140);
    assert!(is_quiet(&recorder), "nobody could know");
    send(&mut recorder, &clip, 140);
    let seen = recorder.frame(1, mono(140));
    assert!(matches!(seen, FromEye::Frame { motion, .. } if motion > 0.0), "{seen:?}");
    assert!(!is_quiet(&recorder));
    for n in 141..160 {
        send(&mut recorder, &clip, n);
        recorder.frame(1, mono(n));
    }
    assert_eq!(recorder.counters().undecodable, 0);
    assert_eq!(recorder.hang_up().0, Some(0));
}

/// Longer than a key frame's picture may take (`DECODES` in stream.rs), and than the eye takes to read what it was sent.
const LONG_MS: i64 = 500;

fn now_ms() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
}

#[test]
fn a_decoder_that_holds_pictures_back_gets_every_unit() {
    let clip = clip(&[], STILL, &["-bf", "2", "-b_strategy", "0"], 180);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.5);
    // what comes out after later units only; with reordering a picture's time need not be its own unit's
    const LAG: usize = 6;
    let come = |recorder: &mut Recorder, wanted: usize| {
        let is_frame = |m: &FromEye| matches!(m, FromEye::Frame { .. });
        let mut frames = recorder.heard.iter().filter(|m| is_frame(m)).count();
        while frames < wanted {
            recorder.until(|m| is_frame(m).then_some(()));
            frames += 1;
        }
        frames
    };
    for n in 0..AWAKE {
        send(&mut recorder, &clip, n);
        come(&mut recorder, (n + 1).min(AWAKE - 1).saturating_sub(LAG));
    }
    for key in [60, 80, 100, 120] {
        (key - 9.min(key - AWAKE)..=key).for_each(|n| send(&mut recorder, &clip, n));
        // stills take their time, so that the key frame has had its own; on a fast machine more of them
        let end = now_ms() + LONG_MS;
        (0..20).for_each(|_| drop(recorder.still(&clip, &clip.config, &clip.key())));
        while now_ms() < end {
            drop(recorder.still(&clip, &clip.config, &clip.key()));
        }
    }
    // both may have been told already, while the stills were made
    let told = |recorder: &Recorder| -> Vec<bool> {
        let pace = |m: &FromEye| match m {
            FromEye::Pace { stream: 1, is_quiet } => Some(*is_quiet),
            _ => None,
        };
        recorder.heard.iter().filter_map(pace).collect()
    };
    if !told(&recorder).contains(&true) {
        until_pace(&mut recorder, true);
    }
    if told(&recorder).last() != Some(&false) {
        until_pace(&mut recorder, false);
    }
    let before = come(&mut recorder, 0);
    for n in 121..180 {
        send(&mut recorder, &clip, n);
        come(&mut recorder, (before + n - 120).saturating_sub(LAG));
    }
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn who_stands_still_for_long_is_told_of_though_hardly_decoded() {
    let people = pedestrians();
    let inputs = ["-i", people.to_str().unwrap()];
    let clip = clip(&inputs, "[0:v]trim=end_frame=1,loop=-1:1:0,setpts=N/10/TB", NO_B, 400);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.5);
    for n in 0..400 {
        send(&mut recorder, &clip, n);
        recorder.frame(1, mono(n)); // of every unit, decoded or not
    }
    assert!(is_quiet(&recorder), "parked");
    let shown = recorder.heard.iter().filter_map(|m| match m {
        FromEye::Frame { mono, detections, .. } if *mono > at(35_000) => Some(detections),
        _ => None,
    });
    // their boxes are shown; a number has only who was seen to move
    assert!(shown.clone().count() >= 49 && shown.into_iter().all(|d| !d.is_empty()));
    let counters = recorder.counters();
    assert!(counters.left_out >= 60 && counters.undecodable == 0, "{counters:?}");
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_hot_board_gets_stills_only_until_it_has_cooled() {
    let clip = Clip::made(VideoCodec::H264, 30);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.5);
    for n in 0..5 {
        send(&mut recorder, &clip, n);
        recorder.frame(1, mono(n));
    }
    recorder.say(&ToEye::Ease { level: Ease::Stills });
    (5..15).for_each(|n| send(&mut recorder, &clip, n));
    assert!(recorder.still(&clip, &clip.config, &clip.key()).is_ok());
    assert_eq!(recorder.counters().decoded, 5);
    recorder.say(&ToEye::Ease { level: Ease::Reduced });
    (15..20).for_each(|n| send(&mut recorder, &clip, n)); // the middle of a group
    for n in 20..30 {
        send(&mut recorder, &clip, n);
        recorder.frame(1, mono(n));
    }
    let counters = recorder.counters();
    assert_eq!((counters.decoded, counters.undecodable), (15, 0), "{counters:?}");
    assert!(counters.spacing_ms >= 1000, "looks come a second apart: {counters:?}");
    recorder.say(&ToEye::Ease { level: Ease::Normal });
    assert!(recorder.counters().spacing_ms < 1000 * 16, "{counters:?}");
    assert_eq!(recorder.hang_up().0, Some(0));
}
