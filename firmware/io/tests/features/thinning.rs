//! Old footage made smaller: its key frames, or the sub stream alone.

use crate::rig::{MIB, Rig, SECOND, START, main_of, pictures, sub_of};
use nightjar_io::storage::{StreamId, StreamPlan};
use nightjar_record::Kind;
use nightjar_types::config::{Keep, Thin, ThinTo};
use nightjar_types::{GapCause, Wall};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn thin(id: StreamId, to: ThinTo) -> StreamPlan {
    let keep = Keep { thin: Some(Thin { after: Duration::from_secs(120), to }), ..Keep::default() };
    StreamPlan { keep, ..StreamPlan::always(id) }
}

/// Twenty slabs of a MiB and more, of five seconds each.
fn filled(quota: u64, size: usize) -> Rig {
    let mut rig = Rig::opened(quota, vec![thin(main_of("front"), ThinTo::KeyFrames)]);
    rig.options.quota = quota;
    rig.cameras[0].size = size;
    rig.run(110);
    rig.end(0, GapCause::Disconnected);
    rig.beat();
    rig
}

fn of_thin(rig: &Rig) -> Vec<bool> {
    rig.library().slabs_of(&main_of("front")).iter().map(|r| r.is_thin).collect()
}

#[test]
fn old_footage_is_thinned_to_its_key_frames() {
    let mut rig = filled(32 * MIB, 20_000);
    let front = main_of("front");
    let before = rig.covered(&front);
    let keys: Vec<Wall> = rig
        .slabs(&front)
        .iter()
        .flat_map(|(_, f, _)| {
            f.records.iter().filter(|r| r.head.is_key()).map(|r| r.head.wall).collect::<Vec<_>>()
        })
        .collect();
    let used = rig.library().status().used_bytes;
    rig.idle(60);
    assert!(of_thin(&rig).contains(&true), "{:?}", rig.library().slabs_of(&front));
    let status = rig.library().status();
    assert!(status.used_bytes < used / 2, "{} of {used} bytes are left", status.used_bytes);
    assert_eq!(rig.covered(&front), before, "every moment is still shown");
    for at in &keys {
        let picture = rig.library().key_picture(&front, *at).unwrap().unwrap();
        assert!((picture.at - *at).abs() < 1_000, "{} is not {at}", picture.at);
        let taken = pictures(&picture.data)[0] as i64;
        assert!((taken - 60 * SECOND - (at.0 - START)).abs() < 1_000, "another picture");
    }
    let told = rig.library().take_deletions();
    assert!(told.iter().all(|d| d.why.contains("thinned")) && !told.is_empty(), "{told:?}");
    rig.close_clean();
    let is_key = |r: &nightjar_record::scan::Record| r.head.kind != Kind::Fragment || r.head.is_key();
    assert!(
        rig.slabs(&front).iter().filter(|s| !s.1.slab.replaces.is_empty()).all(|s| s
            .1
            .records
            .iter()
            .all(is_key))
    );
    // it is thin once and for all
    rig.open().unwrap();
    rig.cameras[0].is_on = false;
    let slabs = of_thin(&rig);
    rig.idle(30);
    assert_eq!(of_thin(&rig), slabs);
}

#[test]
fn a_crash_while_thinning_leaves_the_old_or_the_thin_never_both() {
    let span = |rig: &Rig| rig.covered(&main_of("front"));
    let mut step = 0;
    loop {
        let mut rig = filled(32 * MIB, 40_000);
        let (before, from) = (span(&rig), rig.faults.changes.load(SeqCst));
        // every change of the card from here on, one after the other, is the last
        rig.clock.mono.fetch_add(300 * SECOND as u64, SeqCst);
        rig.faults.budget.store(step, SeqCst);
        rig.idle(30);
        let is_over = rig.faults.budget.load(SeqCst) > 0;
        rig.faults.budget.store(-1, SeqCst);
        rig.faults.all.store(0, SeqCst);
        rig.kill();
        rig.open().unwrap();
        rig.storage().check_invariants();
        assert_eq!(span(&rig), before, "after {step} changes from {from}");
        rig.idle(30);
        assert!(of_thin(&rig).contains(&true), "is done in the end");
        assert_eq!(span(&rig), before, "after {step} changes");
        rig.close_clean();
        if is_over {
            break;
        }
        step += if step < 20 { 5 } else { 11 };
        assert!(step < 400, "never done");
    }
}

#[test]
fn what_does_not_fit_into_one_slab_is_thinned_in_smaller_parts() {
    // two of five pictures are key frames: four slabs make more than one
    let mut rig = Rig::opened(32 * MIB, vec![thin(main_of("front"), ThinTo::KeyFrames)]);
    rig.cameras[0].size = 40_000;
    rig.cameras[0].gop = 3;
    rig.run(60);
    rig.end(0, GapCause::Disconnected);
    rig.beat();
    let front = main_of("front");
    let before = rig.covered(&front);
    let slabs = rig.library().slabs_of(&front).len();
    rig.idle(120);
    let thin = of_thin(&rig);
    assert!(thin.contains(&true) && thin.len() < slabs, "{thin:?} of {slabs}");
    assert_eq!(rig.covered(&front), before);
    rig.close_clean();
}

#[test]
fn the_main_stream_goes_where_the_sub_stream_shows_the_same() {
    let streams = vec![thin(main_of("front"), ThinTo::Sub), thin(sub_of("front"), ThinTo::Sub)];
    let mut rig = Rig::opened(64 * MIB, streams);
    rig.cameras[0].size = 20_000;
    let (main, sub) = (main_of("front"), sub_of("front"));
    rig.run(40);
    rig.end(1, GapCause::Disconnected); // the sub stream has a hole
    rig.run(30);
    rig.cameras[1].is_on = true;
    rig.run(60);
    rig.end(0, GapCause::Disconnected);
    rig.end(1, GapCause::Disconnected);
    rig.beat();
    let held = rig.covered(&sub);
    rig.idle(60);
    let (spans, told) = (rig.covered(&main), rig.library().take_deletions());
    assert_eq!(rig.covered(&sub), held);
    assert!(told.iter().any(|d| d.why == "thinned: the sub stream is kept"), "{told:?}");
    // what only the main stream shows is there
    let hole = (Wall(START + held[0].1 * 1_000), Wall(START + held[1].0 * 1_000));
    let shown: i64 = rig.library().coverage(&main, hole.0, hole.1).iter().map(|s| s.1 - s.0).sum();
    assert_eq!(shown, hole.1 - hole.0, "{spans:?} {held:?}");
    let whole: i64 = spans.iter().map(|s| s.1 - s.0).sum();
    assert!(whole < 100_000, "most is gone: {spans:?}");
    rig.close_clean();
}
