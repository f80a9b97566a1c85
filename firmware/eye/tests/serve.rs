//! The real `nightjar-eye serve` over a real socket pair: what a recorder says → what it hears.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod support;

use bytes::Bytes;
use nightjar_types::eye::{FromEye, PROTOCOL, ToEye};
use nightjar_types::scene::TAMPER_TRACK;
use nightjar_types::{Tamper, VideoCodec};
use std::collections::BTreeSet;
use support::{Clip, Recorder, at, eye, finish, models, pedestrians, picture_size, run};

#[test]
fn shakes_hands_answers_a_ping_and_ends_with_the_socket() {
    let (mut recorder, model) = Recorder::greeted();
    assert_eq!(model.card, "nanodet-g-coco12-w8");
    assert_eq!(model.sha256.len(), 64);
    assert!(model.labels.contains(&"person".to_owned()));
    assert_eq!(recorder.counters().decoded, 0);
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn refuses_another_protocol_with_words() {
    let mut recorder = Recorder::start(&models(), &[]);
    recorder.say(&ToEye::Hello { protocol: PROTOCOL + 1 });
    assert!(matches!(recorder.hear(), FromEye::Hello { protocol: PROTOCOL, .. }));
    let (code, said) = finish(recorder.child);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&format!("protocol {}", PROTOCOL + 1)) && said.contains("one release"), "{said}");
}

#[test]
fn a_person_who_starts_it_by_hand_is_told_what_to_use() {
    let out = run(eye().args(["serve", "--models"]).arg(models()).stdin(std::process::Stdio::null()));
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("nightjar-eye detect"), "{said}");
}

#[test]
fn a_missing_or_foreign_model_file_stops_it_with_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Recorder::start(folder.path(), &[]);
    let (code, said) = finish(missing.child);
    assert_eq!(code, Some(3));
    assert!(said.contains("nanodet-g-coco12-w8.onnx") && said.contains("no such file"), "{said}");
    std::fs::write(folder.path().join("nanodet-g-coco12-w8.onnx"), b"not a model").unwrap();
    let foreign = Recorder::start(folder.path(), &[]);
    let (code, said) = finish(foreign.child);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    for part in ["nanodet-g-coco12-w8.onnx", "expected sha256", "found", "cargo xtask setup"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn every_unit_gives_its_frame_before_the_next_unit_comes() {
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let clip = Clip::made(codec, 30);
        assert_eq!(clip.units.len(), 30);
        let (mut recorder, _) = Recorder::greeted();
        recorder.open(9, &clip, 0.5);
        for (i, (is_key, data)) in clip.units.iter().enumerate() {
            let mono = at(100 * i as u64);
            recorder.unit(9, mono, *is_key, data);
            recorder.frame(9, mono);
        }
        let decoders: Vec<_> =
            recorder.heard.iter().filter(|m| matches!(m, FromEye::Decoder { .. })).collect();
        assert!(matches!(decoders[..], [FromEye::Decoder { stream: 9, element: Ok(_) }]), "{decoders:?}");
        let frames = recorder.heard.iter().filter(|m| matches!(m, FromEye::Frame { .. })).count();
        assert_eq!(frames, 30, "{codec:?}");
        let counters = recorder.counters();
        assert_eq!((counters.decoded, counters.undecodable), (30, 0), "{codec:?}");
        assert!(counters.inferred > 0 && counters.inference_p50_us > 0, "{counters:?}");
        assert_eq!(recorder.hang_up().0, Some(0));
    }
}

#[test]
fn garbage_is_counted_and_survived() {
    let clip = Clip::made(VideoCodec::H264, 20);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.5);
    let send = |recorder: &mut Recorder, from: usize, to: usize, start: u64| {
        for (i, (is_key, data)) in clip.units[from..to].iter().enumerate() {
            let mono = at(start + 100 * i as u64);
            recorder.unit(1, mono, *is_key, data);
            recorder.frame(1, mono);
        }
    };
    send(&mut recorder, 0, 5, 0);
    let noise: Vec<u8> = (0u32..5000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let cut = clip.units[6].1.slice(..clip.units[6].1.len() / 2);
    // Well framed, so that it reaches the decoder: a slice of noise, and a key frame whose second half is noise.
    let slice = |head: &[u8], tail: &[u8]| -> Bytes {
        let nal = [head, tail].concat();
        [&(nal.len() as u32).to_be_bytes()[..], &nal].concat().into()
    };
    let key = clip.key();
    let in_frame =
        [slice(&[0x65], &noise), slice(&[0x41, 0x9a], &noise), slice(&key[4..key.len() / 2], &noise)];
    let garbage: [Bytes; 6] = [
        noise.into(),
        Bytes::new(),
        Bytes::from_static(&[0, 0]),
        cut,
        vec![0xff; 300].into(),
        vec![0; 300].into(),
    ];
    for (i, data) in garbage.iter().chain(&in_frame).enumerate() {
        let start = 1000 + 1000 * i as u64;
        recorder.unit(1, at(start), false, data);
        recorder.unit(1, at(start + 1), true, data);
        send(&mut recorder, 10, 12, start + 100);
    }
    recorder.unit(1, at(11_000), true, &garbage[0]);
    send(&mut recorder, 10, 20, 12_000);
    // Fewer than the eye keeps waiting, so that none of the good ones after them is left out for lack of room.
    for i in 0..20 {
        recorder.unit(1, at(20_000 + i), false, &garbage[0]);
        recorder.unit(1, at(20_000 + i), false, &garbage[4]);
    }
    send(&mut recorder, 10, 20, 30_000);
    let counters = recorder.counters();
    assert!(counters.undecodable > 0, "{counters:?}");
    assert!(counters.decoded >= 5 + 18 + 20, "{counters:?}");
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_stream_that_no_decoder_takes_is_named_and_harms_no_other() {
    let clip = Clip::made(VideoCodec::H264, 10);
    let broken = Clip { codec: VideoCodec::H264, config: vec![9; 30].into(), units: Vec::new() };
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &broken, 0.5);
    recorder.open(2, &clip, 0.5);
    recorder.unit(1, at(0), true, &clip.key());
    let why = recorder.until(|m| match m {
        FromEye::Decoder { stream: 1, element: Err(why) } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("avcC"), "{why}");
    recorder.unit(2, at(0), true, &clip.key());
    recorder.frame(2, at(0));
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_still_is_a_jpeg_of_the_whole_picture_or_words() {
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let clip = Clip::made(codec, 10);
        let (mut recorder, _) = Recorder::greeted();
        let jpeg = recorder.still(&clip, &clip.config, &clip.key()).unwrap();
        assert_eq!(picture_size(&jpeg), (320, 240));
        for (config, data) in [
            (clip.config.clone(), Bytes::from_static(b"\0\0\0\x04junk")),
            (Bytes::new(), clip.key()),
            (clip.config.clone(), Bytes::new()),
        ] {
            let why = recorder.still(&clip, &config, &data).unwrap_err();
            assert!(!why.is_empty());
        }
        assert!(recorder.still(&clip, &clip.config, &clip.key()).is_ok());
        assert_eq!(recorder.hang_up().0, Some(0));
    }
}

#[test]
fn people_are_found_followed_photographed_and_let_go() {
    let clip = Clip::read(&pedestrians(), VideoCodec::H264, 40);
    let (mut recorder, _) = Recorder::greeted();
    let mut numbers = BTreeSet::new();
    for opening in 0..2 {
        recorder.heard.clear();
        recorder.open(3, &clip, 0.5);
        for (i, (is_key, data)) in clip.units.iter().enumerate() {
            let mono = at(opening * 60_000 + 100 * i as u64);
            recorder.unit(3, mono, *is_key, data);
            recorder.frame(3, mono);
        }
        recorder.say(&ToEye::Close { stream: 3 });
        recorder.counters();
        let (mut seen, mut photographed, mut lost) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for message in &recorder.heard {
            match message {
                FromEye::Frame { detections, .. } => {
                    let people = detections.iter().filter(|d| d.label == "person");
                    seen.extend(people.filter_map(|d| d.track));
                }
                FromEye::Snapshot { stream: 3, track, score, jpeg, .. } => {
                    assert!(*score > 0.0);
                    assert_eq!(picture_size(jpeg), (768, 576));
                    photographed.insert(*track);
                }
                FromEye::Lost { stream: 3, track, .. } => assert!(lost.insert(*track), "lost twice"),
                _ => {}
            }
        }
        assert!(seen.len() >= 3, "at least three people walk there: {seen:?}");
        assert!(photographed.is_superset(&seen), "{photographed:?} {seen:?}");
        assert!(lost.is_superset(&seen), "{lost:?} {seen:?}");
        assert!(numbers.is_disjoint(&lost), "numbers are used once, also when a stream is opened again");
        numbers.extend(lost);
    }
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_still_scene_is_quiet_for_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let mp4 = folder.path().join("still.mp4");
    let source = "smptebars=size=320x240:rate=10,trim=end_frame=40";
    let out = mp4.to_str().unwrap();
    support::ffmpeg(&[
        "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0", "-g", "10", out,
    ]);
    let clip = Clip::read(&mp4, VideoCodec::H264, 40);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.9);
    for (i, (is_key, data)) in clip.units.iter().enumerate() {
        recorder.unit(1, at(100 * i as u64), *is_key, data);
        recorder.frame(1, at(100 * i as u64));
    }
    let counters = recorder.counters();
    assert_eq!((counters.decoded, counters.inferred), (40, 1), "only the first: {counters:?}");
    assert_eq!(counters.quiet, 39);
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn a_covered_camera_is_told_with_a_picture_and_when_it_sees_again() {
    let folder = tempfile::tempdir().unwrap();
    let mp4 = folder.path().join("covered.mp4");
    let (input, out) = (pedestrians(), mp4.to_str().unwrap().to_owned());
    // 30 frames of the place, 20 of a lens cap that lets a little light through, 20 of the place.
    let cap = "color=c=0x303030:s=768x576:r=10,trim=end_frame=20,format=yuv420p";
    let graph = format!(
        "[0:v]split[x][y];[x]trim=end_frame=30,setpts=N/10/TB[a];{cap},setpts=N/10/TB[b];\
         [y]trim=start_frame=30:end_frame=50,setpts=N/10/TB[c];[a][b][c]concat=n=3:v=1[out]"
    );
    support::ffmpeg(&[
        "-i",
        input.to_str().unwrap(),
        "-filter_complex",
        &graph,
        "-map",
        "[out]",
        "-c:v",
        "libx264",
        "-bf",
        "0",
        "-g",
        "10",
        &out,
    ]);
    let clip = Clip::read(&mp4, VideoCodec::H264, 70);
    assert_eq!(clip.units.len(), 70);
    let (mut recorder, _) = Recorder::greeted();
    recorder.open(1, &clip, 0.5);
    for (i, (is_key, data)) in clip.units.iter().enumerate() {
        // A frame a second: time is what the recorder says it is.
        recorder.unit(1, at(1000 * i as u64), *is_key, data);
        recorder.frame(1, at(1000 * i as u64));
    }
    recorder.counters();
    // Night mode and darkness are told as well.
    let mut scenes: Vec<_> = recorder
        .heard
        .iter()
        .filter_map(|m| match m {
            FromEye::Scene { stream: 1, state, .. } => Some(state.tamper),
            _ => None,
        })
        .collect();
    scenes.dedup();
    let [None, Some((Tamper::Covered, since)), None] = scenes[..] else { panic!("{scenes:?}") };
    assert!((at(29_000)..at(36_000)).contains(&since), "{since:?}");
    let pictures =
        recorder.heard.iter().filter(|m| matches!(m, FromEye::Snapshot { track: TAMPER_TRACK, .. }));
    assert_eq!(pictures.count(), 1);
    assert_eq!(recorder.hang_up().0, Some(0));
}
