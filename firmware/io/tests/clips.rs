//! Clips and films of a volume while it is written: what is being read stays, what nobody reads any more is recycled.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: deadlines, and a panic is its verdict"
)]

use bytes::Bytes;
use nightjar_io::device_key::DeviceKey;
use nightjar_io::storage::{Extras, Options, Pace, Storage, StreamId, StreamPlan};
use nightjar_record::{Sign, evidence};
use nightjar_types::{
    AccessUnit, BBox, Event, EventId, GapCause, Media, Mono, Name, StreamKind, StreamParams, VideoCodec,
    VideoParams, Wall,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUOTA: u64 = 64 << 20;
/// 2026-11-21T04:00:00Z.
const START: i64 = 1_795_233_600_000_000;
const FRAME_US: i64 = 40_000;
/// A second of 25 pictures is a megabyte: the ring holds about a minute.
const FRAME: usize = 40_000;

fn stream() -> StreamId {
    (Name::new("front").unwrap(), StreamKind::Main)
}

fn open(dir: &std::path::Path) -> (Storage, [u8; 32]) {
    let key = DeviceKey::open(dir).unwrap();
    let public = key.public();
    let options = Options {
        sync: Duration::from_millis(20),
        key: Arc::new(key),
        ..Options::folder(&dir.join("footage"), QUOTA, vec![StreamPlan::always(stream())])
    };
    std::fs::create_dir(dir.join("footage")).unwrap();
    (Storage::open(options).unwrap(), public)
}

fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "did not happen within 60 s");
        std::thread::yield_now();
    }
}

/// Feeds the pictures of these seconds, not faster than they are written.
fn feed(storage: &Storage, seconds: std::ops::Range<i64>) {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config,
    };
    let mut card = storage.sender(0);
    card.params(StreamParams { video, audio: None });
    let first = seconds.start * 25;
    let is_written = |until: i64| {
        let spans = storage.library().coverage(&stream(), Wall(START), Wall(i64::MAX));
        spans.last().is_some_and(|s| s.1.0 >= START + until * FRAME_US)
    };
    for n in first..seconds.end * 25 {
        card.unit(AccessUnit {
            media: Media::Video,
            is_key: n % 25 == 0,
            dts: n * 3_600,
            cts: 0,
            arrived: Mono(0),
            wall: Wall(START + n * FRAME_US),
            data: Bytes::from(vec![n as u8; FRAME]),
        });
        if n % 100 == 99 && n > first + 200 {
            until(|| is_written(n - 150));
        }
    }
    card.ended(GapCause::Disconnected);
    until(|| is_written(seconds.end * 25 - 1));
}

fn read_all(read: impl Fn(u64) -> Option<Bytes>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = read(all.len() as u64).expect("the footage is still there");
        if bytes.is_empty() {
            return all;
        }
        all.extend(bytes);
    }
}

#[test]
fn a_clip_that_is_being_read_outlives_two_turns_of_the_ring_and_then_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (storage, key) = open(dir.path());
    let library = storage.library();
    feed(&storage, 0..22);
    let (from, to) = (Wall(START + 2_500_000), Wall(START + 20_000_000));
    let all = Extras { chapters: true, proof: true };
    let clip = library.clip(&stream(), from, to, all).unwrap().unwrap();
    assert_eq!(clip.span(), (Wall(START + 2_000_000), to));
    let begin = clip.read(0, 100).unwrap().unwrap();
    for turn in 0..2 {
        feed(&storage, 30 + turn * 80..100 + turn * 80);
    }
    let bytes = read_all(|at| clip.read(at, 128 << 10).unwrap());
    assert_eq!((bytes.len() as u64, &bytes[..100]), (clip.len(), &begin[..]));
    let report = evidence::verify(&bytes[..], bytes.len() as u64).unwrap();
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!((report.key(), report.span()), (Some(key), clip.span()));
    drop(clip);
    feed(&storage, 200..270);
    assert!(library.clip(&stream(), from, to, all).unwrap().is_none(), "nobody needs it any more");
    storage.stop().unwrap();
}

#[test]
fn events_become_chapters_and_key_frames_a_film() {
    let dir = tempfile::tempdir().unwrap();
    let (storage, _) = open(dir.path());
    let library = storage.library();
    feed(&storage, 0..12);
    let event = Event {
        id: EventId { start: Wall(START + 5_000_000), serial: 0 },
        camera: stream().0,
        label: "person".into(),
        score: 0.917,
        bbox: BBox::default(),
        track: 1,
        end: None,
        rules: vec![],
        model: "00".into(),
        found: None,
    };
    storage.events().event(0, event.clone(), None);
    until(|| library.event(event.id).is_some());
    let (from, to) = (Wall(START), Wall(START + 12_000_000));
    let clip = |chapters| {
        let clip = library.clip(&stream(), from, to, Extras { chapters, proof: false }).unwrap().unwrap();
        read_all(|at| clip.read(at, 1 << 20).unwrap())
    };
    let has_title = |bytes: &[u8]| bytes.windows(11).any(|w| w == b"person 92 %");
    assert!(has_title(&clip(true)) && !has_title(&clip(false)));

    let pace = Pace { from, to, every_us: 3_000_000, fps: 25 };
    let film = library.film(&stream(), pace).unwrap().unwrap();
    let bytes = read_all(|at| film.read(at, 10_000).unwrap());
    assert_eq!(bytes.len() as u64, film.len());
    assert!(
        (4 * FRAME..4 * FRAME + 2_000).contains(&bytes.len()),
        "four pictures, not {} bytes",
        bytes.len()
    );
    storage.stop().unwrap();
}
