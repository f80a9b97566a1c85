//! A volume on a real file system: what was written is there, after a stop, a crash, a cut file and a lost index.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: deadlines, and a panic is its verdict"
)]

use bytes::Bytes;
use nightjar_io::clock;
use nightjar_io::storage::{Extras, Now, Options, Part, Storage, StorageError, StreamId, StreamPlan};
use nightjar_types::{
    AccessUnit, BBox, Event, EventId, GapCause, Media, Mono, Name, StreamKind, StreamParams, VideoCodec,
    VideoParams, Wall,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUOTA: u64 = 64 << 20;
/// 2026-11-21T04:00:00Z.
const START: i64 = 1_795_233_600_000_000;
const FRAME_US: i64 = 40_000;

fn stream(name: &str) -> StreamId {
    (Name::new(name).unwrap(), StreamKind::Main)
}

fn params() -> StreamParams {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config,
    };
    StreamParams { video, audio: None }
}

fn unit(n: i64, origin: i64, size: usize) -> AccessUnit {
    let wall = Wall(origin + n * FRAME_US);
    let is_key = n % 50 == 0;
    AccessUnit {
        media: Media::Video,
        is_key,
        dts: n * 3_600,
        cts: 0,
        arrived: Mono(0),
        wall,
        data: Bytes::from(vec![n as u8; size]),
    }
}

fn options(dir: &Path, quota: u64, cameras: &[&str]) -> Options {
    let streams = cameras.iter().map(|name| StreamPlan::always(stream(name))).collect();
    let clock = Arc::new(|| Now { mono: clock::mono(), wall: clock::wall(), is_sure: false });
    Options { sync: Duration::from_millis(20), clock, ..Options::folder(dir, quota, streams) }
}

fn open(dir: &Path) -> Storage {
    Storage::open(options(dir, QUOTA, &["front"])).unwrap()
}

/// Feeds `frames` pictures of `size` bytes from `origin` on.
fn feed(storage: &Storage, origin: i64, frames: i64, size: usize) {
    let mut card = storage.sender(0);
    card.params(params());
    for n in 0..frames {
        card.unit(unit(n, origin, size));
        let sent = covered(storage).last().map_or(0, |s| s.1);
        // stays within the queue's budget: 32 MiB
        if n % 50 == 49 && size > 10_000 {
            let want = (origin - START) / 1_000 + (n - 100) * FRAME_US / 1_000;
            until(|| sent >= want || covered(storage).last().is_some_and(|s| s.1 >= want));
        }
    }
    card.ended(GapCause::Disconnected);
}

fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "did not happen within 30 s");
        std::thread::yield_now();
    }
}

fn covered(storage: &Storage) -> Vec<(i64, i64)> {
    let spans = storage.library().coverage(&stream("front"), Wall(0), Wall(i64::MAX));
    spans.into_iter().map(|(a, b)| ((a.0 - START) / 1_000, (b.0 - START) / 1_000)).collect()
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            all.extend(walk(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

fn slabs(dir: &Path) -> Vec<PathBuf> {
    walk(&dir.join("front/main"))
}

/// A copy of the folder as a crash would leave it: the recorder has no say in it.
fn crash(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(format!("{}/.", dir.display()))
        .arg(copy.path())
        .status()
        .unwrap();
    assert!(status.success());
    copy
}

#[test]
fn what_came_in_is_there_after_a_stop_and_goes_on_in_the_same_slab() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 100, 1_000);
    storage.stop().unwrap();
    let storage = open(dir.path());
    assert_eq!(covered(&storage), [(0, 4_000)]);
    feed(&storage, START + 60_000_000, 100, 1_000);
    storage.stop().unwrap();
    let storage = open(dir.path());
    assert_eq!(covered(&storage), [(0, 4_000), (60_000, 64_000)]);
    let gaps = storage.library().gaps(&stream("front"), Wall(0), Wall(START + 64_000_000));
    assert_eq!(gaps[0].cause, GapCause::Stopped);
    assert_eq!(gaps[0].to, Some(Wall(START + 60_000_000)));
    let slabs = slabs(dir.path());
    assert_eq!(slabs.len(), 1, "a restart costs no slab: {slabs:?}");
    assert!(slabs[0].ends_with("front/main/2026-11-21/04-00-00.mp4"));
}

#[test]
fn a_crash_is_told_as_such_and_loses_nothing_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 100, 1_000);
    until(|| covered(&storage) == [(0, 4_000)]);
    let copy = crash(dir.path());
    let again = open(copy.path());
    assert_eq!(covered(&again), [(0, 4_000)]);
    feed(&again, START + 9_000_000, 60, 1_000);
    until(|| covered(&again).len() == 2);
    let gaps = again.library().gaps(&stream("front"), Wall(0), Wall(START + 9_000_001));
    assert_eq!(gaps[0].cause, GapCause::PowerCut);
}

#[test]
fn the_ring_wraps_without_a_new_file_and_forgets_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    let is_slab = |p: &PathBuf| p.extension().is_some_and(|e| e == "mp4" || e == "slab");
    let files = || walk(dir.path()).iter().filter(|p| is_slab(p)).count();
    let before = files();
    feed(&storage, START, 4_000, 40_000);
    until(|| covered(&storage).last().unwrap().1 == 160_000);
    let status = storage.library().status();
    storage.stop().unwrap();
    assert_eq!(files(), before, "steady state creates and deletes no slab");
    assert!(status.free_slabs <= 1, "one is retired ahead of its use: {status:?}");
    let storage = open(dir.path());
    let spans = covered(&storage);
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(spans[0].1, 160_000);
    assert!(spans[0].0 > 60_000, "160 MB do not fit in 64 MiB: {spans:?}");
    let bytes: u64 =
        walk(dir.path()).iter().filter(|p| is_slab(p)).map(|p| p.metadata().unwrap().len()).sum();
    assert_eq!(bytes, QUOTA);
}

#[test]
fn a_lost_index_is_made_again_with_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 100, 1_000);
    let event = Event {
        id: EventId { start: Wall(START + 1_000_000), serial: 1 },
        camera: Name::new("front").unwrap(),
        label: "person".into(),
        score: 0.9,
        bbox: BBox { x: 0.1, y: 0.1, w: 0.2, h: 0.5 },
        track: 4,
        end: None,
        rules: vec!["siren".into()],
        model: "00".into(),
        found: None,
    };
    storage.events().event(0, event.clone(), Some(Bytes::from_static(b"\xff\xd8jpeg\xff\xd9")));
    until(|| storage.library().event(event.id).is_some());
    storage.stop().unwrap();
    std::fs::remove_dir_all(dir.path().join(".nightjar/index")).unwrap();
    let storage = open(dir.path());
    assert_eq!(covered(&storage), [(0, 4_000)]);
    assert_eq!(storage.library().event(event.id), Some((event.clone(), true)));
    let jpeg = storage.library().event_picture(event.id).unwrap();
    assert_eq!(jpeg.as_deref(), Some(&b"\xff\xd8jpeg\xff\xd9"[..]));
    let all = storage.library().events(Wall(0), Wall(i64::MAX), None, 10, |e| e.label == "person");
    assert_eq!(all.len(), 1);
}

#[test]
fn an_event_found_later_stands_in_the_slab_of_now_and_keeps_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 500, 50_000); // several slabs
    let event = |start_s: i64, serial| Event {
        id: EventId { start: Wall(START + start_s * 1_000_000), serial },
        camera: Name::new("front").unwrap(),
        label: "person".into(),
        score: 0.9,
        bbox: BBox::default(),
        track: 4,
        end: Some(Wall(START + (start_s + 2) * 1_000_000)),
        rules: Vec::new(),
        model: "00".into(),
        found: None,
    };
    until(|| covered(&storage) == [(0, 20_000)]);
    assert!(slabs(dir.path()).len() > 1);
    let (early, found) = (event(1, 0x8001), Wall(START + 90_000_000));
    storage.events().found_later(0, early.clone(), Some(Bytes::from_static(b"\xff\xd8x\xff\xd9")), found);
    let live = event(19, 1);
    storage.events().event(0, live.clone(), None);
    until(|| storage.library().event(live.id).is_some());
    let told = Event { found: Some(found), ..early };
    assert_eq!(storage.library().event(told.id), Some((told.clone(), true)));
    storage.stop().unwrap();

    std::fs::remove_dir_all(dir.path().join(".nightjar/index")).unwrap();
    let storage = open(dir.path());
    assert_eq!(storage.library().event(told.id), Some((told.clone(), true)), "from the slabs alone");
    assert_eq!(storage.library().event(live.id), Some((live, false)));
    assert!(storage.library().event_picture(told.id).unwrap().is_some());
    storage.stop().unwrap();
    let report = nightjar_io::storage::check::check(dir.path(), true).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);

    // its footage goes, the slab that tells of it stays: then there is nothing to tell of
    std::fs::remove_file(slabs(dir.path()).remove(0)).unwrap();
    std::fs::remove_dir_all(dir.path().join(".nightjar/index")).unwrap();
    let storage = open(dir.path());
    assert!(covered(&storage)[0].0 > 1_000);
    assert_eq!(storage.library().event(told.id), None);
}

#[test]
fn the_past_of_a_stream_is_read_group_by_group() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 500, 50_000);
    until(|| covered(&storage) == [(0, 20_000)]);
    let mut archive = storage.library().archive(&stream("front"));
    let at = |s: i64| Wall(START + s * 1_000_000);
    assert_eq!(archive.begin(at(5)).unwrap(), Some(at(4)), "the key frame that shows it");
    assert_eq!(archive.begin(at(-5)).unwrap(), None);
    let (mut from, mut seen) = (at(0), 0i64);
    while let Some(group) = archive.group(from, at(20), Part::Whole).unwrap() {
        assert_eq!((group.params.clone(), group.from), (params().video, from));
        assert_eq!(group.pictures.len(), 50);
        for picture in &group.pictures {
            let expected = unit(seen, START, 50_000);
            assert_eq!((picture.is_key, &picture.data), (expected.is_key, &expected.data), "{seen}");
            assert!((picture.at - expected.wall).abs() < 100, "{seen}: {} {}", picture.at, expected.wall);
            seen += 1;
        }
        from = group.to;
    }
    assert_eq!(seen, 500);
    let key = archive.group(at(3), at(20), Part::Key).unwrap().unwrap();
    assert_eq!((key.from, key.to, key.pictures.len()), (at(4), at(6), 1));
    assert!(archive.group(at(19), at(60), Part::Key).unwrap().is_none(), "no key frame is left");
}

#[test]
fn a_cut_slab_keeps_what_is_left_and_is_whole_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 200, 1_000);
    storage.stop().unwrap();
    let slab = slabs(dir.path()).remove(0);
    let whole = slab.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&slab).unwrap().set_len(100_000).unwrap();
    let storage = open(dir.path());
    let spans = covered(&storage);
    assert!(spans.len() == 1 && spans[0].1 < 4_000 && spans[0].1 > 2_000, "{spans:?}");
    assert_eq!(slab.metadata().unwrap().len(), whole);
    feed(&storage, START + 60_000_000, 100, 1_000);
    until(|| covered(&storage).len() == 2);
}

#[test]
fn an_export_is_the_same_in_pieces_and_its_slabs_are_not_recycled_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    feed(&storage, START, 1_000, 20_000);
    until(|| covered(&storage) == [(0, 40_000)]);
    let (from, to) = (Wall(START + 5_000_000), Wall(START + 33_000_000));
    let clip = storage
        .library()
        .clip(&stream("front"), from, to, Extras { chapters: false, proof: false })
        .unwrap()
        .unwrap();
    let (first, last) = clip.span();
    assert!(first == Wall(START + 4_000_000) && last >= to && last - to < 600_000, "{first} {last}");
    let read = |step: usize| {
        let mut all = Vec::new();
        while (all.len() as u64) < clip.len() {
            let bytes = clip.read(all.len() as u64, step).unwrap().unwrap();
            assert!(!bytes.is_empty() && bytes.len() <= step);
            all.extend(bytes);
        }
        all
    };
    let whole = read(1 << 20);
    assert_eq!(read(7_777), whole);
    for part in nightjar_media::walk::Boxes::new(&whole) {
        assert!([*b"ftyp", *b"moov", *b"sidx", *b"moof", *b"mdat"].contains(&part.unwrap().kind));
    }
    feed(&storage, START + 50_000_000, 4_000, 40_000);
    until(|| covered(&storage).last().unwrap().1 == 210_000);
    assert_eq!(
        clip.read(clip.len() - 10, 10).unwrap().as_deref(),
        Some(&whole[whole.len() - 10..]),
        "an open download"
    );
}

#[test]
fn what_cannot_work_is_refused_with_the_mend() {
    let dir = tempfile::tempdir().unwrap();
    let open = |path: &Path, quota| Storage::open(options(path, quota, &["front"])).map(drop);
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let in_the_way = open(&file.join("footage"), QUOTA).unwrap_err();
    assert!(matches!(in_the_way, StorageError::NotWritable { .. }), "{in_the_way}");
    let many: Vec<String> = (0..22).map(|n| format!("c{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let few = Storage::open(options(&dir.path().join("b"), QUOTA, &many)).map(drop).unwrap_err();
    assert!(few.to_string().contains("too few for 22 streams"), "{few}");
}
