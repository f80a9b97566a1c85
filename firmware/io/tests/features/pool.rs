//! The pool: a quota that changes while recording goes on, slabs as large as the bitrate wants them, no file made or removed.

use crate::rig::{MIB, Rig, START, is_seamless, is_waiting, main_of, sub_of};
use nightjar_io::storage::{StorageError, StreamPlan};
use std::collections::BTreeSet;
use std::path::PathBuf;
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
    assert!(told.iter().any(|d| d.to > nightjar_types::Wall(START)), "what went is told: {told:?}");
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
    let mut rig = Rig::new(1024 * MIB, vec![StreamPlan::always(front.clone())]);
    rig.faults.room.store(5 * MIB, SeqCst);
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
    assert_eq!((status.state, status.quota_bytes), ("full", 75 * MIB), "something is left for others");
    assert!(status.error.unwrap().contains("lower the quota or use a larger disk"));
    assert_eq!(rig.bytes(), 75 * MIB);
    rig.faults.room.fetch_add(16 * MIB, SeqCst);
    rig.run_until(90, |rig| rig.bytes() == 90 * MIB);
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
        from: nightjar_types::Wall(START),
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

/// The waiting slabs below a folder.
fn waiting(rig: &Rig, below: &str) -> Vec<PathBuf> {
    rig.files(below).into_iter().filter(|p| is_waiting(p)).collect()
}

/// A ring of two cameras that begins at `start` µs and has turned.
fn turning(start: i64) -> Rig {
    let streams = vec![StreamPlan::always(main_of("a")), StreamPlan::always(main_of("b"))];
    let mut rig = Rig::new(32 * MIB, streams);
    rig.set_wall(nightjar_types::Wall(start), true);
    rig.open().unwrap();
    rig.cameras.iter_mut().for_each(|c| c.size = 20_000);
    rig.run(240);
    rig
}

#[test]
fn a_retired_slab_waits_under_its_name_and_is_the_next_of_its_stream() {
    let mut rig = turning(START);
    let count = |rig: &Rig| ["a", "b"].map(|camera| rig.files(camera).len());
    let (before, begun) = (count(&rig), rig.slabs(&main_of("a")).last().unwrap().0.clone());
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        rig.run(1);
        assert_eq!(waiting(&rig, ".nightjar"), [] as [PathBuf; 0], "none is renamed into another folder");
        assert_eq!(count(&rig), before, "nor taken out of another stream's");
        seen.extend(["a", "b"].into_iter().flat_map(|camera| waiting(&rig, camera)));
        let report = rig.check();
        let waits = ["a", "b"].map(|camera| waiting(&rig, camera).len()).iter().sum::<usize>() as u64;
        assert!(report.in_use && report.findings.is_empty(), "{report:#?}");
        assert_eq!((report.waiting, report.bytes), (waits, 32 * MIB), "a check of a live card counts it");
    }
    assert!(seen.len() > 8 && rig.slabs(&main_of("a")).last().unwrap().0 != begun, "{seen:?}");
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("a"))));
}

#[test]
fn a_kill_at_any_moment_finds_what_waits() {
    let mut rig = turning(START);
    let mut found = 0;
    for _ in 0..60 {
        // never at the same moment between two slabs
        (0..13).for_each(|_| rig.frame());
        rig.kill();
        let waits = ["a", "b"].map(|camera| waiting(&rig, camera).len()).iter().sum::<usize>();
        found += waits;
        let report = rig.check();
        let all = waits + waiting(&rig, ".nightjar").len();
        assert_eq!(
            (report.waiting, report.bytes),
            (all as u64, 32 * MIB),
            "a check of a pulled card counts it"
        );
        assert!(report.findings.iter().all(|f| f.invariant != 7), "{report:#?}");
        rig.open().unwrap();
        assert_eq!(waiting(&rig, ".nightjar").len(), all, "all of them are in the pool");
        assert_eq!(rig.bytes(), 32 * MIB);
        assert_eq!(rig.library().status().free_slabs as usize, all);
    }
    assert!(found > 5, "{found} waited in a folder of footage");
    rig.close_clean();
}

#[test]
fn what_is_no_whole_slab_goes_from_the_pool() {
    let mut rig = turning(START);
    rig.close_clean();
    let pool = rig.dir.join(".nightjar/pool");
    std::fs::write(pool.join("99999999.slab"), b"half a slab").unwrap();
    std::fs::write(pool.join("notes.txt"), b"the owner's").unwrap();
    std::fs::write(rig.dir.join("a/main/notes.slab"), b"the owner's").unwrap();
    rig.open().unwrap();
    assert_eq!(rig.bytes(), 32 * MIB + b"the owner's".len() as u64);
    assert!(!pool.join("99999999.slab").exists() && !pool.join("notes.txt").exists());
    assert!(rig.dir.join("a/main/notes.slab").exists(), "not ours");
    rig.close_clean();
}

#[test]
fn the_folder_of_a_past_day_goes_with_its_last_waiting_slab() {
    let midnight = START + 20 * crate::rig::HOUR;
    let mut rig = turning(midnight - 200 * crate::rig::SECOND);
    let yesterday = rig.dir.join("a/main/2026-11-21");
    let is_old = |rig: &Rig| waiting(rig, "a/main/2026-11-21").len() == rig.files("a/main/2026-11-21").len();
    assert!(!is_old(&rig) && rig.dir.join("a/main/2026-11-22").is_dir());
    rig.run_until(300, |rig| is_old(rig));
    assert!(yesterday.is_dir(), "its last slab waits there");
    rig.run_until(60, |_| !yesterday.exists());
    rig.run_until(60, |rig| !rig.dir.join("b/main/2026-11-21").exists());
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("a"))));
}
