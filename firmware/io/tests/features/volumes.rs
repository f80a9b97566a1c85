//! A disk that is missing, another, read-only, full, pulled out, or slow: named states, footage that waits, and no end of it.

use crate::faults::Faults;
use crate::rig::{MIB, Rig, SECOND, START, is_seamless, main_of, walk};
use nightjar_io::storage::{Storage, StreamPlan};
use nightjar_types::{AccessUnit, GapCause, Media, Mono, StreamParams, VideoCodec, VideoParams, Wall};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn rig() -> Rig {
    Rig::opened(16 * MIB, vec![StreamPlan::always(main_of("front"))])
}

fn state(rig: &Rig) -> &'static str {
    rig.library().status().state
}

fn yank(rig: &Rig) {
    rig.faults.all.store(libc::EIO, SeqCst);
    rig.faults.is_away.store(1, SeqCst);
}

fn plug_in(rig: &Rig) {
    rig.faults.all.store(0, SeqCst);
    rig.faults.is_away.store(0, SeqCst);
}

/// The disk takes writes again, and nothing of what came meanwhile is missing.
fn mended(mut rig: Rig) {
    rig.faults.writes.store(0, SeqCst);
    rig.run(20);
    assert_eq!((state(&rig), rig.covered(&main_of("front")).len()), ("ok", 1));
    rig.close_clean();
}

#[test]
fn an_empty_mount_point_is_never_written_to() {
    let mut rig = rig();
    let known = rig.dir.with_file_name("known");
    rig.stop();
    rig.options.known = Some(known.clone());
    rig.open().unwrap();
    rig.run(10);
    rig.stop();
    assert_eq!(std::fs::read_to_string(&known).unwrap().len(), 16);
    // the machine starts without the disk: its mount point is an empty folder of the system's own disk
    let aside = rig.dir.with_file_name("aside");
    std::fs::rename(&rig.dir, &aside).unwrap();
    std::fs::create_dir(&rig.dir).unwrap();
    rig.open().unwrap();
    rig.run(10);
    assert_eq!(state(&rig), "missing");
    assert!(rig.library().status().error.unwrap().contains("not mounted"));
    assert_eq!(walk(&rig.dir), [] as [std::path::PathBuf; 0]);
    assert_eq!(std::fs::read_dir(&rig.dir).unwrap().count(), 0, "no folder either");
    // it is mounted after all
    std::fs::remove_dir(&rig.dir).unwrap();
    std::fs::rename(&aside, &rig.dir).unwrap();
    rig.run(10);
    assert_eq!(state(&rig), "ok");
    let spans = rig.covered(&main_of("front"));
    assert_eq!(spans.len(), 1, "what came meanwhile has waited: {spans:?}");
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}

#[test]
fn another_disk_is_not_taken() {
    let mut rig = rig();
    rig.run(5);
    rig.stop();
    rig.options.volume = Some("0123456789abcdef".into());
    let before = walk(&rig.dir).len();
    rig.open().unwrap();
    rig.run(10);
    assert_eq!(state(&rig), "foreign");
    assert!(rig.library().status().error.unwrap().contains("0123456789abcdef"));
    assert_eq!(walk(&rig.dir).len(), before);
}

#[test]
fn a_disk_that_is_pulled_out_comes_back_by_itself_and_what_waited_is_recorded() {
    for fault in [libc::EIO, libc::ENODEV] {
        let mut rig = rig();
        rig.run(20);
        rig.faults.all.store(fault, SeqCst);
        rig.faults.is_away.store(1, SeqCst);
        rig.run(30);
        assert_eq!(state(&rig), "missing");
        plug_in(&rig);
        rig.run(20);
        assert_eq!(state(&rig), "ok");
        assert_eq!(
            rig.covered(&main_of("front")).len(),
            1,
            "{:?} {:?}",
            rig.covered(&main_of("front")),
            rig.gaps(&main_of("front"))
        );
        assert!(
            rig.gaps(&main_of("front")).iter().all(|g| g.1 - g.0 < 2),
            "{:?}",
            rig.gaps(&main_of("front"))
        );
        rig.close_clean();
        let pictures = rig.pictures(&main_of("front"));
        assert!(is_seamless(&pictures) && pictures.len() >= 699, "{}", pictures.len());
        assert_eq!(rig.cameras[0].refused, 0);
    }
}

#[test]
fn what_does_not_fit_into_memory_goes_in_whole_groups_and_is_told() {
    let mut rig = Rig::new(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    rig.options.memory = MIB;
    rig.open().unwrap();
    let front = main_of("front");
    rig.cameras[0].size = 10_000; // 100 kB a second: ten seconds wait
    rig.run(20);
    yank(&rig);
    rig.run(60);
    assert!(rig.cameras[0].refused > 400, "{}", rig.cameras[0].refused);
    plug_in(&rig);
    rig.run(30);
    assert_eq!(state(&rig), "ok");
    let (spans, gaps) = (rig.covered(&front), rig.gaps(&front));
    assert_eq!(spans.len(), 2, "{spans:?}");
    let hole = (spans[0].1, spans[1].0);
    assert!((28_000..32_000).contains(&hole.0) && (80_000..84_000).contains(&hole.1), "{spans:?}");
    let told: Vec<_> = gaps.iter().filter(|g| g.1 - g.0 > 2).collect();
    assert_eq!(told, [&(hole.0, hole.1, GapCause::Storage)]);
    rig.close_clean();
    let fragments = rig.fragments(&front);
    let behind = fragments.iter().find(|(at, _)| at.0 >= START + hole.1 * 1_000 - 100).unwrap();
    let taken = behind.1[0] as i64 / 100_000; // pictures were taken every 100 ms, a key frame every 20th
    assert_eq!((taken - 601) % 20, 0, "goes on with a key frame");
    let (dropped, _) = (rig.cameras[0].refused, ());
    let all: usize = fragments.iter().map(|f| f.1.len()).sum();
    assert!(all as u64 + dropped >= 1_098, "{all} recorded, {dropped} refused of 1100");
}

#[test]
fn a_disk_that_turns_read_only_is_named_and_taken_again_when_it_is_mended() {
    let mut rig = rig();
    rig.run(20);
    rig.faults.writes.store(libc::EROFS, SeqCst);
    rig.run(20);
    assert_eq!(state(&rig), "read-only");
    assert!(rig.library().status().error.unwrap().contains("read-only"));
    mended(rig);
}

#[test]
fn a_disk_that_is_missing_at_the_very_first_start_is_named_and_taken_when_it_comes() {
    let mut rig = Rig::new(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    rig.faults.writes.store(libc::EROFS, SeqCst); // the folder is to be made on a root that can't be written
    rig.open().unwrap();
    rig.run(20);
    assert_eq!(state(&rig), "missing");
    assert!(rig.library().status().error.unwrap().contains("plug it in or mount it"));
    mended(rig);
}

#[test]
fn a_disk_that_other_programs_have_filled_is_named_and_recording_goes_on() {
    let mut rig = Rig::new(32 * MIB, vec![StreamPlan::always(main_of("front"))]);
    rig.options.quota = 12 * MIB;
    rig.open().unwrap();
    rig.cameras[0].size = 20_000;
    rig.faults.creates.store(libc::ENOSPC, SeqCst);
    rig.library().set_quota(32 * MIB).unwrap();
    rig.run(90);
    assert_eq!(state(&rig), "full");
    let spans = rig.covered(&main_of("front"));
    assert!(spans.len() == 1 && spans[0].1 > 148_000 - 60_000, "{spans:?}");
    rig.faults.creates.store(0, SeqCst);
    rig.run(120); // tried again each minute
    assert_eq!((state(&rig), rig.bytes()), ("ok", 32 * MIB));
    rig.close_clean();
}

#[test]
fn a_single_bad_write_costs_no_picture() {
    let mut rig = rig();
    rig.run(20);
    // the write fails once; the same footage goes into another slab
    rig.faults.writes.store(libc::EIO, SeqCst);
    let faults = rig.faults.clone();
    let fixed = move |rig: &mut Rig| {
        rig.beat();
        faults.writes.store(0, SeqCst);
    };
    rig.run(1);
    fixed(&mut rig);
    rig.run(30);
    assert_eq!(rig.covered(&main_of("front")).len(), 1);
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}

#[test]
fn a_write_out_that_takes_its_time_holds_writing_back_and_loses_nothing() {
    let mut rig = rig();
    rig.run(20);
    rig.writes_out = false;
    let covered = |rig: &Rig| rig.covered(&main_of("front")).last().unwrap().1;
    let before = covered(&rig);
    rig.run(30);
    let ahead = covered(&rig) - before;
    assert!((2_100..=3_500).contains(&ahead), "four beats of 0.7 s are ahead at most: {ahead}");
    rig.writes_out = true;
    rig.run(10);
    assert_eq!(rig.cameras[0].refused, 0);
    rig.close_clean();
    let pictures = rig.pictures(&main_of("front"));
    assert!(is_seamless(&pictures) && pictures.len() >= 599, "{}", pictures.len());
}

#[test]
fn with_threads_a_hanging_write_out_stops_no_camera() {
    let rig = Rig::new(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    let mut options = rig.options.clone();
    options.sync = Duration::from_millis(5);
    let faults: Arc<Faults> = rig.faults.clone();
    let storage = Storage::open(options).unwrap();
    *faults.hangs.lock().unwrap() = true;
    let mut sender = storage.sender(0);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config: bytes::Bytes::from_static(&[1, 0x64, 0, 0x1f]),
    };
    sender.params(StreamParams { video, audio: None });
    for n in 0..400_i64 {
        let (wall, arrived) = (Wall(START + n * 40_000), Mono(n as u64 * 40_000));
        let data = vec![n as u8; 10_000].into();
        let media = Media::Video;
        let unit = AccessUnit { media, is_key: n % 50 == 0, dts: n * 3_600, cts: 0, arrived, wall, data };
        assert!(sender.unit(unit), "it waits in memory");
    }
    *faults.hangs.lock().unwrap() = false;
    faults.wake.notify_all();
    let library = storage.library();
    storage.stop().unwrap();
    let spans = library.coverage(&main_of("front"), Wall(0), Wall(i64::MAX));
    assert_eq!(spans, [(Wall(START), Wall(START + 16 * SECOND))]);
}
