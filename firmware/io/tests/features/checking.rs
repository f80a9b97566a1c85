//! `check` on a clean card and after every kind of damage; the index made again; damage met while reading.

use crate::rig::{MIB, Rig, SECOND, START, main_of, pictures, sub_of};
use nightjar_io::storage::check::{self, Report};
use nightjar_io::storage::{Extras, StreamPlan};
use nightjar_media::walk::Boxes;
use nightjar_types::config::{Keep, Thin, ThinTo};
use nightjar_types::{GapCause, Wall};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ten slabs of a camera with an event, one of its sub stream; closed.
fn card() -> Rig {
    let mut rig = Rig::opened(
        32 * MIB,
        vec![StreamPlan::always(main_of("front")), StreamPlan::always(sub_of("front"))],
    );
    rig.cameras[0].size = 20_000;
    rig.run(30);
    rig.event(0, rig.now(), Some(rig.now()));
    rig.run(30);
    rig.stop();
    rig
}

fn flip(path: &Path, at: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
}

/// The numbers of what was found, each once.
fn numbers(report: &Report) -> Vec<u8> {
    let mut all: Vec<u8> = report.findings.iter().map(|f| f.invariant).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The stream's slab number `n` and where its record `r` is.
fn record(rig: &Rig, n: usize, r: usize) -> (PathBuf, u64, u64) {
    let (path, found, _) = &rig.slabs(&main_of("front"))[n];
    (path.clone(), found.records[r].offset, u64::from(found.records[r].head.len))
}

fn relative(rig: &Rig, path: &Path) -> String {
    path.strip_prefix(&rig.dir).unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_clean_card_has_no_finding_in_use_or_not() {
    let mut rig = card();
    let report = rig.check();
    assert_eq!((report.findings.len(), report.violations, report.in_use), (0, 0, false), "{report:#?}");
    assert!(
        report.slabs > 3 && report.events == 1 && report.records > 100 && report.bytes == 32 * MIB,
        "{report:#?}"
    );
    assert_eq!(
        report.streams.iter().map(|s| s.stream.as_str()).collect::<Vec<_>>(),
        ["front/main", "front/sub"]
    );
    assert!(report.written_bytes >= report.video_bytes && report.volume.is_some());
    rig.open().unwrap();
    rig.run(5);
    let report = rig.check();
    assert!(report.in_use && report.findings.is_empty(), "{report:#?}");
    assert!(check::check(&rig.dir, true).is_err(), "not while a recorder runs");
}

#[test]
fn a_check_of_a_ring_that_turns_finds_nothing() {
    let mut rig = Rig::opened(
        16 * MIB,
        vec![StreamPlan::always(main_of("front")), StreamPlan::always(sub_of("front"))],
    );
    rig.cameras[0].size = 40_000;
    rig.cameras[1].size = 10_000;
    for _ in 0..60 {
        rig.run(2);
        let report = rig.check();
        assert!(report.in_use && report.findings.is_empty(), "{report:#?}");
    }
    rig.close_clean();
}

#[test]
fn a_damaged_key_frame_is_no_picture_and_thinning_leaves_it_out() {
    let mut rig = card();
    let front = main_of("front");
    let (path, found, _) = rig.slabs(&front).swap_remove(0);
    let key = found.records.iter().rfind(|r| r.head.is_key()).unwrap();
    flip(&path, key.offset + u64::from(key.head.len) - 9);
    rig.open().unwrap();
    assert!(rig.library().key_picture(&front, key.head.wall).unwrap().is_none());
    assert!(rig.library().key_picture(&front, key.head.wall.plus_micros(-SECOND)).unwrap().is_some());
    assert_eq!(rig.library().damaged(), 1);
    rig.stop();
    let keep = Keep {
        thin: Some(Thin { after: Duration::from_secs(60), to: ThinTo::KeyFrames }),
        ..Keep::default()
    };
    rig.options.streams[0].keep = keep;
    rig.open().unwrap();
    for camera in &mut rig.cameras {
        camera.is_on = false;
    }
    rig.idle(60);
    assert!(rig.library().slabs_of(&front).iter().any(|r| r.is_thin));
    assert_eq!(rig.library().damaged(), 1, "met again after the restart");
    rig.stop();
    let shown = rig.pictures(&front);
    let lost = (key.head.wall.0 - START + 60 * SECOND) as u64;
    assert!(shown.iter().all(|p| p.abs_diff(lost) > 1_000), "{lost}");
}

#[test]
fn every_kind_of_damage_is_found_and_named() {
    type Damage = fn(&Rig) -> (PathBuf, &'static str);
    let cases: [(&[u8], Damage); 10] = [
        (&[2], |rig| {
            let (path, at, len) = record(rig, 0, 5);
            flip(&path, at + len / 2);
            (path, "damaged from 2026-11-21T04:00:")
        }),
        (&[2], |rig| {
            let (path, ..) = record(rig, 0, 0);
            flip(&path, 40);
            flip(&path, 2);
            flip(&path, 5);
            (path, "holds no slab")
        }),
        (&[7], |rig| {
            let (path, at, _) = record(rig, 1, 3);
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(at + 5).unwrap();
            (path, "it was cut short")
        }),
        (&[5, 9], |rig| {
            let (path, ..) = record(rig, 1, 0);
            let to = path.with_file_name("23-59-59.mp4");
            std::fs::rename(&path, &to).unwrap();
            (to, "its name should be")
        }),
        (&[5], |rig| {
            let (path, ..) = record(rig, 1, 0);
            let to = rig.dir.join("yard/main/2026-11-21").join(path.file_name().unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::rename(&path, &to).unwrap();
            (to, "holds footage of front/main")
        }),
        (&[9], |rig| {
            let (path, ..) = record(rig, 2, 0);
            std::fs::remove_file(&path).unwrap();
            (path, "is in the index and not on the card")
        }),
        (&[4, 6, 9], |rig| {
            let (path, ..) = record(rig, 1, 0);
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let to = path.with_file_name(format!("{stem}_1.mp4"));
            std::fs::copy(&path, &to).unwrap();
            (to, "has the generation")
        }),
        (&[3], |rig| {
            let (path, found, _) = &rig.slabs(&main_of("front"))[0];
            let last = found.records.last().unwrap();
            flip(path, last.offset + u64::from(last.head.len) + 200);
            (path.clone(), "seal")
        }),
        (&[8], |rig| {
            let db = sled::open(rig.dir.join(".nightjar/index")).unwrap();
            db.open_tree("gaps").unwrap().clear().unwrap();
            db.flush().unwrap();
            (rig.dir.join("front/sub"), "nothing explains why there is no footage")
        }),
        (&[7], |rig| {
            std::fs::write(rig.dir.join(".nightjar/volume"), "something else").unwrap();
            (rig.dir.join(".nightjar/volume"), "the marker is missing")
        }),
    ];
    for (n, (wanted, damage)) in cases.into_iter().enumerate() {
        let mut rig = card();
        rig.open().unwrap();
        rig.end(1, GapCause::Disconnected); // a gap in the sub stream
        rig.run(10);
        rig.cameras[1].is_on = true;
        rig.run(10);
        rig.close_clean();
        let (path, words) = damage(&rig);
        let (report, path) = (rig.check(), relative(&rig, &path));
        assert!(wanted.iter().all(|w| numbers(&report).contains(w)), "case {n}: {:#?}", report.findings);
        let named = report.findings.iter().any(|f| f.words.contains(words) && f.file.starts_with(&path));
        assert!(named, "case {n}: {words} of {path}: {:#?}", report.findings);
        assert_eq!(report.violations as usize, report.findings.len());
    }
}

#[test]
fn a_slab_taken_out_is_missed_even_without_the_index() {
    let rig = card();
    let (path, ..) = record(&rig, 1, 0);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir_all(rig.dir.join(".nightjar/index")).unwrap();
    let report = rig.check();
    let (next, ..) = record(&rig, 1, 0);
    let finding = report.findings.iter().find(|f| f.invariant == 10).expect("the chain tells");
    assert_eq!(finding.file, relative(&rig, &next));
    assert!(numbers(&report).contains(&9), "no index: {:#?}", report.findings);
}

#[test]
fn an_index_of_another_card_is_found_and_not_believed() {
    let (mut rig, other) = (card(), card());
    let mut other = other;
    other.open().unwrap();
    other.run(30);
    other.stop();
    let index = rig.dir.join(".nightjar/index");
    let right = rig.dir.join(".nightjar/right");
    std::fs::rename(&index, &right).unwrap();
    std::fs::rename(other.dir.join(".nightjar/index"), &index).unwrap();
    let report = rig.check();
    assert!(numbers(&report).contains(&9), "{:#?}", report.findings);
    rig.open().unwrap();
    assert_eq!(rig.covered(&main_of("front")).len(), 1);
    assert_eq!(rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true).len(), 1);
    rig.run(5);
    rig.close_clean();
}

#[test]
fn a_rebuilt_index_knows_footage_and_events() {
    let mut rig = card();
    let before = {
        rig.open().unwrap();
        let all = (rig.covered(&main_of("front")), rig.covered(&sub_of("front")));
        rig.stop();
        all
    };
    std::fs::remove_dir_all(rig.dir.join(".nightjar/index")).unwrap();
    assert_eq!(numbers(&rig.check()), [9]);
    let report = check::check(&rig.dir, true).unwrap();
    assert!(report.rebuilt && report.findings.is_empty(), "{report:#?}");
    rig.open().unwrap();
    assert_eq!((rig.covered(&main_of("front")), rig.covered(&sub_of("front"))), before);
    let events = rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true);
    assert_eq!(events.len(), 1);
    assert!(rig.library().event_picture(events[0].0.id).unwrap().is_some());
    let of_event = rig.library().slabs_of(&main_of("front"));
    let at = events[0].0.id.start;
    let row = of_event.iter().find(|r| r.start() <= Some(at) && r.end() > Some(at)).unwrap();
    assert_eq!(
        row.tier(),
        nightjar_record::Tier::Event,
        "what an event is worth is known from the slabs alone"
    );
    rig.close_clean();
}

#[test]
fn a_damaged_fragment_is_a_hole_in_an_export_is_counted_and_told() {
    let mut rig = card();
    let front = main_of("front");
    let (path, at, len) = record(&rig, 0, 5);
    let (_, found, _) = rig.slabs(&front).swap_remove(0);
    let (from, to) = (found.records[5].head.wall, found.records[5].head.end());
    let lost = pictures(&std::fs::read(&path).unwrap()[at as usize..][..len as usize]);
    flip(&path, at + len - 3);
    rig.open().unwrap();
    assert_eq!(rig.library().damaged(), 0);
    let extras = Extras { chapters: false, proof: false };
    let clip = rig.library().clip(&front, Wall(START), Wall(START + 40 * SECOND), extras).unwrap().unwrap();
    let read = |step: usize| {
        let mut all = Vec::new();
        while (all.len() as u64) < clip.len() {
            let bytes = clip.read(all.len() as u64, step).unwrap().expect("does not break off");
            assert!(!bytes.is_empty());
            all.extend(bytes);
        }
        all
    };
    let whole = read(1 << 20);
    assert_eq!(read(5_001), whole);
    assert_eq!(whole.len() as u64, clip.len());
    let kinds: Vec<[u8; 4]> = Boxes::new(&whole).map(|b| b.unwrap().kind).collect();
    assert_eq!(kinds.iter().filter(|k| *k == b"free").count(), 1, "one hole");
    let shown = pictures(&whole);
    assert!(lost.iter().all(|p| !shown.contains(p)) && shown.len() > 300, "{lost:?}");
    assert_eq!(rig.library().damaged(), 1, "counted once, however often it is read");
    let gaps = rig.library().gaps(&front, from, to);
    let gap = gaps.iter().find(|g| g.cause == GapCause::Lost).expect("told");
    assert!((gap.from - from).abs() < 1_000 && (gap.to.unwrap() - to).abs() < 1_000, "{gap:?}");
    assert_eq!(rig.library().coverage(&front, from, to), [], "not offered as footage any more");
    drop(clip);
    rig.run(10);
    rig.stop();
    rig.open().unwrap();
    let gaps = rig.library().gaps(&front, from, to);
    assert!(gaps.iter().any(|g| g.cause == GapCause::Lost), "still known: {gaps:?}");
    assert_eq!(rig.library().coverage(&front, from, to), []);
}
