//! Motion and event: what is recorded around a trigger, what is told about the rest, and what a slab is marked with.

use crate::rig::{MIB, Rig, SECOND, START, is_seamless, main_of, sub_of, with_mode};
use nightjar_io::storage::{StreamPlan, Trigger};
use nightjar_record::Tier;
use nightjar_types::config::Mode;
use nightjar_types::{GapCause, Wall};
use std::sync::{Arc, Mutex};

fn tier(rig: &Rig, n: usize) -> Vec<Tier> {
    let id = &rig.options.streams[n].id;
    let rows: Vec<_> = rig.slabs(id).into_iter().collect();
    rows.iter().map(|(path, found, _)| row_tier(path, found)).collect()
}

/// As a rebuild from the slab alone would see it.
fn row_tier(_: &std::path::Path, found: &nightjar_record::Scanned) -> Tier {
    use nightjar_record::Flags;
    let all = found.records.iter().fold(Flags::default(), |all, r| all.with(r.head.flags));
    if all.has(Flags::EVENT) {
        Tier::Event
    } else if all.has(Flags::MOTION) {
        Tier::Motion
    } else {
        Tier::Continuous
    }
}

#[test]
fn a_trigger_records_from_a_key_frame_before_it_to_the_end_of_the_post_roll() {
    let plan = with_mode(main_of("front"), Mode::Motion, 5, 10);
    let mut rig = Rig::opened(16 * MIB, vec![plan]);
    let front = main_of("front");
    rig.run(60);
    assert_eq!(rig.covered(&front), [], "nothing happened yet");
    rig.trigger(0, Trigger::Motion);
    rig.run(60);
    rig.trigger(0, Trigger::Event); // an event is motion too
    rig.run(5);
    rig.trigger(0, Trigger::Motion);
    rig.run(60);
    let spans = rig.covered(&front);
    assert_eq!(spans.len(), 2, "{spans:?}");
    for ((from, to), (first, last)) in spans.iter().zip([(60_000, 60_000), (120_000, 125_000)]) {
        assert!(
            (first - 5_000 - 2_000..=first - 5_000).contains(from),
            "pre-roll, and a group at most: {spans:?}"
        );
        assert!(
            (last + 10_000..=last + 10_000 + 800).contains(to),
            "post-roll, and a beat at most: {spans:?}"
        );
    }
    let gaps = rig.gaps(&front);
    let quiet = [(0, spans[0].0, GapCause::Quiet), (spans[0].1, spans[1].0, GapCause::Quiet)];
    assert_eq!(gaps, quiet, "exactly the rest");
    let lasting: Vec<_> = rig.library().gaps(&front, Wall(0), Wall(i64::MAX));
    let lasting = lasting.iter().find(|g| g.to.is_none()).unwrap();
    assert_eq!((lasting.cause, (lasting.from.0 - START) / 1_000), (GapCause::Quiet, spans[1].1));
    rig.close_clean();
    let fragments = rig.fragments(&front);
    for (at, pictures) in &fragments {
        assert!(is_seamless(pictures), "{at}");
    }
    let (_, found, _) = &rig.slabs(&front)[0];
    let starts =
        |ms: i64| found.records.iter().find(|r| r.head.wall.0 >= START + ms * 1_000 - 100).unwrap().head;
    assert!(spans.iter().all(|s| starts(s.0).is_key()), "each recording begins with a key frame");
    assert_eq!(tier(&rig, 0), [Tier::Event]);
}

#[test]
fn motion_is_not_recorded_where_only_events_are() {
    let streams = vec![
        with_mode(main_of("front"), Mode::Event, 2, 3),
        with_mode(sub_of("front"), Mode::Motion, 2, 3),
        StreamPlan::always(main_of("yard")),
    ];
    let mut rig = Rig::opened(32 * MIB, streams);
    rig.run(20);
    rig.trigger(1, Trigger::Motion);
    rig.run(20);
    assert_eq!(rig.covered(&main_of("front")), []);
    assert_eq!(rig.covered(&sub_of("front")).len(), 1, "a trigger is for all streams of the camera");
    assert_eq!(rig.covered(&main_of("yard")).len(), 1);
    rig.trigger(0, Trigger::Event);
    rig.run(20);
    assert_eq!(rig.covered(&main_of("front")).len(), 1);
    assert_eq!(rig.covered(&sub_of("front")).len(), 2);
    rig.close_clean();
    assert!(tier(&rig, 2).iter().all(|t| *t == Tier::Continuous), "another camera's");
}

#[test]
fn a_camera_that_goes_away_while_all_is_quiet_is_told_as_that() {
    let front = main_of("front");
    let mut rig = Rig::opened(16 * MIB, vec![with_mode(front.clone(), Mode::Motion, 3, 5)]);
    rig.run(10);
    rig.trigger(0, Trigger::Motion);
    rig.run(30); // recorded to 15 s, then quiet
    rig.end(0, GapCause::AuthFailed);
    rig.run(20);
    rig.end(0, GapCause::Disconnected); // a second attempt: the first cause stays
    rig.run(10);
    rig.cameras[0].is_on = true; // again at 70 s
    rig.run(20);
    rig.trigger(0, Trigger::Motion);
    rig.run(20);
    let (spans, mut gaps) = (rig.covered(&front), rig.gaps(&front));
    gaps.retain(|g| g.0 > 0); // quiet before the first recording
    assert_eq!(spans.len(), 2, "{spans:?}");
    let causes: Vec<GapCause> = gaps.iter().map(|g| g.2).collect();
    assert_eq!(causes, [GapCause::Quiet, GapCause::AuthFailed, GapCause::Quiet], "{gaps:?}");
    let edges = [spans[0].1, gaps[0].1, gaps[1].1, spans[1].0];
    assert_eq!(
        gaps.iter().map(|g| (g.0, g.1)).collect::<Vec<_>>(),
        edges.windows(2).map(|e| (e[0], e[1])).collect::<Vec<_>>()
    );
    assert!((40_000..41_000).contains(&gaps[0].1) && (69_000..=70_800).contains(&gaps[1].1), "{gaps:?}");
    rig.close_clean();
}

#[test]
fn a_pre_roll_right_behind_a_reconnect_lies_over_no_gap() {
    let front = main_of("front");
    let mut rig = Rig::opened(16 * MIB, vec![with_mode(front.clone(), Mode::Motion, 5, 3)]);
    rig.trigger(0, Trigger::Motion);
    rig.run(12);
    rig.end(0, GapCause::Disconnected);
    rig.run(20);
    rig.cameras[0].is_on = true;
    rig.run(1);
    rig.trigger(0, Trigger::Motion);
    rig.run(10);
    let (spans, gaps) = (rig.covered(&front), rig.gaps(&front));
    for gap in &gaps {
        assert!(spans.iter().all(|s| gap.1 <= s.0 || gap.0 >= s.1), "{gap:?} lies over {spans:?}");
    }
    let hole = (spans[0].1, spans[1].0);
    assert!(
        gaps.first().is_some_and(|g| g.0 == hole.0) && gaps.last().is_some_and(|g| g.1 == hole.1),
        "{gaps:?} {spans:?}"
    );
    rig.close_clean();
}

#[test]
fn quiet_stays_quiet_over_a_restart_and_over_a_disk_that_was_away() {
    use std::sync::atomic::Ordering::SeqCst;
    let front = main_of("front");
    let mut rig = Rig::opened(16 * MIB, vec![with_mode(front.clone(), Mode::Event, 3, 5)]);
    rig.run(10);
    rig.trigger(0, Trigger::Event);
    rig.run(30);
    rig.faults.all.store(libc::ENODEV, SeqCst);
    rig.faults.is_away.store(1, SeqCst);
    rig.storage().events().trigger(0, Trigger::Motion, nightjar_types::Mono(0)); // nothing that matters
    rig.run(20);
    rig.faults.all.store(0, SeqCst);
    rig.faults.is_away.store(0, SeqCst);
    rig.run(20);
    rig.trigger(0, Trigger::Event);
    rig.run(20);
    let gaps = rig.gaps(&front);
    assert!(gaps.iter().all(|g| g.2 == GapCause::Quiet), "nothing was missed: {gaps:?}");
    rig.stop();
    rig.open().unwrap();
    rig.run(20);
    rig.trigger(0, Trigger::Event);
    rig.run(20);
    let causes: Vec<GapCause> = rig.gaps(&front).iter().map(|g| g.2).collect();
    assert!(causes.iter().all(|c| [GapCause::Quiet, GapCause::Stopped].contains(c)), "{causes:?}");
    rig.close_clean();
}

#[test]
fn an_event_marks_what_led_up_to_it() {
    let front = main_of("front");
    let plan = with_mode(front.clone(), Mode::Continuous, 8, 4);
    let mut rig = Rig::opened(16 * MIB, vec![plan, StreamPlan::always(main_of("yard"))]);
    rig.cameras[0].size = 20_000; // a slab of 1 MiB in 5 s
    rig.run(60);
    let start = rig.now();
    rig.event(0, start, None);
    rig.trigger(0, Trigger::Event);
    rig.run(40);
    let tiers: Vec<(i64, i64, Tier)> = rig
        .library()
        .slabs_of(&front)
        .into_iter()
        .filter_map(|r| Some(((r.start()? - start) / SECOND, (r.end()? - start) / SECOND, r.tier())))
        .collect();
    for (from, to, tier) in &tiers {
        let is_near = *from < 1 && *to > -8;
        assert_eq!(*tier == Tier::Event, is_near, "{tiers:?}");
    }
    assert!(tiers.iter().filter(|t| t.2 == Tier::Event).count() >= 2, "{tiers:?}");
    assert!(rig.library().slabs_of(&main_of("yard")).iter().all(|r| r.tier() == Tier::Continuous));
    // and it is known after a crash, and when the index is made again
    rig.kill();
    rig.open().unwrap();
    let known = |rig: &Rig| rig.library().slabs_of(&front).iter().filter(|r| r.tier() == Tier::Event).count();
    assert_eq!(known(&rig), tiers.iter().filter(|t| t.2 == Tier::Event).count());
    rig.close_clean();
}

/// Keeps what is warned about.
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_camera_whose_key_frames_are_too_far_apart_for_the_pre_roll_is_told_of_once() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Warnings(warnings.clone()), || {
        let mut rig = Rig::opened(16 * MIB, vec![with_mode(main_of("front"), Mode::Motion, 5, 5)]);
        rig.cameras[0].gop = 150;
        rig.run(60);
    });
    let all = warnings.lock().unwrap();
    let of_gop: Vec<_> = all.iter().filter(|w| w.contains("key frame interval")).collect();
    assert!(of_gop.len() == 1 && of_gop[0].contains("front") && of_gop[0].contains("gop_s=15"), "{all:?}");
}
