//! The pool: a quota that changes while recording goes on, slabs as large as the bitrate wants them, no file made or removed.

use crate::rig::{MIB, Rig, is_seamless, main_of, sub_of};
use nightjar_io::storage::{StorageError, StreamPlan};
use std::sync::atomic::Ordering::SeqCst;

fn lens(rig: &Rig, id: &nightjar_io::storage::StreamId) -> Vec<u32> {
    rig.library().slabs_of(id).iter().map(|r| r.len).collect()
}

#[test]
fn the_quota_is_raised_and_lowered_while_recording_goes_on() {
    let mut rig = Rig::opened(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    let front = main_of("front");
    rig.cameras[0].size = 40_000;
    rig.run(60);
    assert_eq!(rig.bytes(), 16 * MIB);
    rig.library().set_quota(48 * MIB).unwrap();
    rig.run(10);
    assert_eq!(rig.bytes(), 48 * MIB, "the pool has grown within seconds");
    rig.run(150);
    rig.library().set_quota(12 * MIB).unwrap();
    // gives back one slab a beat
    rig.run_until(40, |rig| rig.bytes() <= 12 * MIB);
    let told = rig.library().take_deletions();
    assert!(
        told.iter().any(|d| d.to > nightjar_types::Wall(crate::rig::START)),
        "what went is told: {told:?}"
    );
    let few = rig.library().set_quota(4 * MIB).unwrap_err();
    assert!(matches!(few, StorageError::TooSmall { .. }), "{few}");
    let many = rig.library().set_quota(1 << 60).unwrap_err();
    assert!(
        matches!(many, StorageError::TooLarge { .. }) && many.to_string().contains("lower the quota"),
        "{many}"
    );
    rig.run(60);
    assert_eq!(rig.bytes(), 12 * MIB);
    assert_eq!(rig.covered(&front).len(), 1, "without a gap");
    assert_eq!(rig.library().status().state, "ok");
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&front)));
    assert_eq!(rig.cameras[0].refused, 0);
    assert_eq!(rig.bytes(), 12 * MIB);
}

#[test]
fn a_disk_smaller_than_the_quota_is_recorded_on_as_far_as_it_goes_and_that_is_said() {
    let front = main_of("front");
    let mut rig = Rig::new(1 << 40, vec![StreamPlan::always(front.clone())]);
    rig.faults.room.store(34 * MIB, SeqCst);
    let none = rig.open().unwrap_err();
    assert!(
        matches!(none, StorageError::TooLarge { .. }) && none.to_string().contains("use a larger disk"),
        "not even the least fits: {none}"
    );
    rig.faults.room.store(80 * MIB, SeqCst);
    rig.open().unwrap();
    rig.cameras[0].size = 60_000;
    rig.run(200);
    let status = rig.library().status();
    assert_eq!((status.state, status.quota_bytes), ("full", 48 * MIB), "something is left for others");
    assert!(status.error.unwrap().contains("lower the quota or use a larger disk"));
    assert_eq!(rig.bytes(), 48 * MIB);
    rig.faults.room.fetch_add(16 * MIB, SeqCst);
    rig.run_until(90, |rig| rig.bytes() == 64 * MIB);
    rig.run(60);
    assert_eq!(rig.covered(&front).len(), 1, "without a gap");
    assert_eq!(rig.cameras[0].refused, 0);
    rig.close_clean();
}

#[test]
fn a_lowered_quota_leaves_what_is_open_and_held() {
    let streams: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|c| StreamPlan::always(main_of(c))).collect();
    let mut rig = Rig::opened(128 * MIB, streams);
    rig.options.holds = 0.25;
    rig.run(30);
    let hold = nightjar_io::storage::Hold {
        id: 0,
        cameras: Vec::new(),
        from: nightjar_types::Wall(crate::rig::START),
        to: rig.now(),
        note: String::new(),
        by: "owner".into(),
        made: rig.now(),
    };
    let id = rig.library().hold(hold).unwrap();
    let held = rig.library().held().bytes;
    rig.library().set_quota(32 * MIB).unwrap();
    rig.run(120);
    assert!(rig.library().held().bytes == held && rig.bytes() >= held, "held: {held} of {}", rig.bytes());
    for c in ["a", "b", "c", "d"] {
        let spans = rig.covered(&main_of(c));
        assert_eq!(spans[0].0, 100, "{c}: {spans:?}");
        assert!(spans.last().unwrap().1 > 148_000, "{c} is recorded: {spans:?}");
    }
    rig.library().release(id).unwrap();
    rig.run(60);
    assert_eq!(rig.bytes(), 32 * MIB);
    rig.close_clean();
}

#[test]
fn slabs_are_as_large_as_the_bitrate_wants_them() {
    let streams = vec![StreamPlan::always(main_of("front")), StreamPlan::always(sub_of("front"))];
    let mut rig = Rig::opened(64 * MIB, streams);
    rig.cameras[0].size = 20_000; // 200 kB a second: 24 MB in two minutes, but eight must fit
    rig.cameras[1].size = 800; // 8 kB a second: a MiB in two minutes
    let (main, sub) = (main_of("front"), sub_of("front"));
    rig.run(500);
    let of_sub = lens(&rig, &sub);
    assert_eq!(lens(&rig, &main).last(), Some(&(4 << 20)));
    assert_eq!(of_sub.last(), Some(&(1 << 20)), "{of_sub:?}");
    // four times as much
    rig.cameras[1].size = 3_200;
    rig.run(400);
    assert_eq!(lens(&rig, &sub).last(), Some(&(4 << 20)), "{:?}", lens(&rig, &sub));
    assert_eq!(rig.bytes(), 64 * MIB);
    for id in [&main, &sub] {
        assert_eq!(rig.covered(id).len(), 1, "{:?}", rig.covered(id));
    }
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&sub)));
}

#[test]
fn a_ring_that_turns_makes_and_removes_no_file() {
    let streams = vec![StreamPlan::always(main_of("front")), StreamPlan::always(sub_of("front"))];
    let mut rig = Rig::opened(32 * MIB, streams);
    rig.cameras[0].size = 20_000;
    rig.cameras[1].size = 2_000;
    rig.run(240); // turns once and finds its sizes
    let before = rig.faults.file_changes();
    let (written, payload) = (rig.library().status().written_bytes, rig.library().status().payload_bytes);
    rig.run(240);
    assert_eq!(rig.faults.file_changes(), before, "nothing is made, removed, grown or cut");
    assert_eq!(rig.bytes(), 32 * MIB);
    let status = rig.library().status();
    let ratio = (status.written_bytes - written) as f64 / (status.payload_bytes - payload) as f64;
    assert!(ratio < 1.02, "{ratio} bytes are written for one of video");
    let beats = 480 * 10 / 7;
    assert!(rig.faults.syncs.load(SeqCst) <= beats + 80, "one write-out a beat, and few more");
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}
