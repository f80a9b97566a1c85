//! A clock that was wrong and is set: footage, gaps and events are where they belong, in order, without a hole.

use crate::rig::{HOUR, MIB, Rig, SECOND, START, is_seamless, main_of, sub_of, with_mode};
use nightjar_io::storage::{StreamPlan, Trigger};
use nightjar_types::config::Mode;
use nightjar_types::{GapCause, Wall};
use std::sync::atomic::Ordering::SeqCst;

/// Half a second, µs.
const NEAR: i64 = 500_000;

fn streams() -> Vec<StreamPlan> {
    vec![
        StreamPlan::always(main_of("front")),
        StreamPlan::always(sub_of("front")),
        StreamPlan::always(main_of("yard")),
    ]
}

/// A machine that begins at `wall`, and nobody vouches for it.
fn unsure(wall: i64) -> Rig {
    let mut rig = Rig::new(128 * MIB, streams());
    rig.set_wall(Wall(wall), false);
    rig.cameras[0].size = 20_000;
    rig.open().unwrap();
    rig
}

/// What was recorded since boot `offset` µs after 1970 is where it belongs.
fn assert_right(rig: &Rig, id: &nightjar_io::storage::StreamId, offset: i64) {
    for (at, pictures) in rig.fragments(id) {
        let right = pictures[0] as i64 + offset;
        assert!((at.0 - right).abs() <= NEAR, "{at} should be {}", Wall(right));
    }
}

fn names_fit(rig: &Rig, id: &nightjar_io::storage::StreamId) {
    for (path, found, _) in rig.slabs(id) {
        let right = nightjar_record::name::slab_path(&id.0, id.1, found.records[0].head.wall, 0);
        let right = right.trim_end_matches(".mp4").to_string();
        assert!(path.to_string_lossy().contains(&right), "{} should be {right}", path.display());
    }
}

fn all_right(rig: &mut Rig, offset: i64) {
    rig.close_clean();
    for id in [main_of("front"), sub_of("front"), main_of("yard")] {
        assert_right(rig, &id, offset);
        names_fit(rig, &id);
    }
}

#[test]
fn a_boot_in_1970_is_where_it_belongs_when_the_time_server_answers() {
    let mut rig = unsure(1_000 * SECOND);
    rig.run(40);
    rig.end(2, GapCause::Disconnected); // the yard is away from 40 s on
    rig.run(10);
    let event = rig.event(0, rig.now(), None);
    let of_event = rig.clock.mono.load(SeqCst) as i64;
    rig.run(20);
    rig.set_wall(Wall(START), true);
    let offset = rig.clock.offset.load(SeqCst);
    rig.run(10);
    let ended = nightjar_types::Event { end: Some(rig.now()), ..event };
    rig.storage().events().event(0, ended, None);
    rig.run(10);
    rig.cameras[2].is_on = true;
    rig.run(30);
    // since 70 s before the clock was set
    for id in [main_of("front"), sub_of("front")] {
        let spans = rig.covered(&id);
        assert!(spans.len() == 1 && (spans[0].0 + 70_000).abs() <= 500, "{id:?}: {spans:?}");
        assert!(rig.gaps(&id).iter().all(|g| g.1 - g.0 < 1_000), "{:?}", rig.gaps(&id));
    }
    let yard = main_of("yard");
    let (spans, gaps) = (rig.covered(&yard), rig.gaps(&yard));
    assert!(spans.len() == 2 && (spans[0].1 + 30_000).abs() <= 500, "{spans:?}");
    assert_eq!(gaps, [(spans[0].1, spans[1].0, GapCause::Disconnected)]);
    let events = rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true);
    assert_eq!(events.len(), 1, "{events:?}");
    let (event, has_picture) = &events[0];
    assert!((event.id.start.0 - (of_event + offset)).abs() <= NEAR && *has_picture, "{event:?}");
    assert!((event.end.unwrap().0 - (START + 10 * SECOND)).abs() <= NEAR, "{event:?}");
    all_right(&mut rig, offset);
    let pictures = rig.pictures(&main_of("front"));
    assert!(is_seamless(&pictures) && pictures.len() >= 1_198, "{}", pictures.len());
}

#[test]
fn a_clock_that_was_three_hours_ahead_is_set_back() {
    let mut rig = unsure(START + 3 * HOUR);
    rig.run(60);
    let event = rig.event(0, rig.now(), Some(rig.now()));
    let of_event = rig.clock.mono.load(SeqCst) as i64;
    rig.run(10);
    rig.set_wall(Wall(START + 70 * SECOND), true);
    let offset = rig.clock.offset.load(SeqCst);
    rig.run(60);
    let spans = rig.covered(&main_of("front"));
    assert!(spans.len() == 1 && spans[0].0.abs() <= 500 && spans[0].1 >= 129_000, "{spans:?}");
    let events = rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true);
    assert_eq!(events.len(), 1);
    assert!((events[0].0.id.start.0 - (of_event + offset)).abs() <= NEAR && events[0].0.track == event.track);
    all_right(&mut rig, offset);
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}

#[test]
fn a_small_step_over_footage_of_the_same_hour_keeps_each_in_its_place() {
    // five minutes of footage are moved by one minute: forwards, and backwards
    for step in [60 * SECOND, -60 * SECOND] {
        let mut rig = unsure(START);
        let mut events = Vec::new();
        for _ in 0..10 {
            rig.run(20);
            events.push(rig.clock.mono.load(SeqCst) as i64);
            rig.event(0, rig.now(), Some(rig.now()));
        }
        rig.run(3);
        let now = rig.now();
        rig.set_wall(now.plus_micros(step), true);
        let offset = rig.clock.offset.load(SeqCst);
        for _ in 0..3 {
            rig.run(3);
            events.push(rig.clock.mono.load(SeqCst) as i64);
            rig.event(0, rig.now(), Some(rig.now()));
        }
        rig.run(30);
        let found = rig.library().events(Wall(0), Wall(i64::MAX), None, 99, |_| true);
        let found: Vec<i64> = found.iter().rev().map(|(e, _)| e.id.start.0 - offset).collect();
        assert_eq!(found.len(), events.len(), "{step}: {found:?} {events:?}");
        assert!(
            found.iter().zip(&events).all(|(a, b)| (a - b).abs() <= NEAR),
            "{step}: {found:?} {events:?}"
        );
        let spans = rig.covered(&main_of("front"));
        assert_eq!(spans.len(), 1, "{step}: {spans:?}");
        all_right(&mut rig, offset);
        assert!(is_seamless(&rig.pictures(&main_of("front"))), "{step}");
    }
}

#[test]
fn a_power_cut_while_footage_is_moved_leaves_all_of_it_in_its_place_in_the_end() {
    for beats in 0..8 {
        let mut rig = unsure(1_000 * SECOND);
        rig.cameras[1].size = 20_000;
        rig.run(60);
        rig.set_wall(Wall(START), true);
        let offset = rig.clock.offset.load(SeqCst);
        for _ in 0..beats * 7 {
            rig.frame();
        }
        // the next boot has the right time: everything of the one before is known to be wrong
        rig.reboot(2, Wall(START + 60 * SECOND), true);
        rig.open().unwrap();
        for camera in &mut rig.cameras {
            camera.is_on = false;
        }
        rig.run(10);
        let spans = rig.covered(&main_of("front"));
        if beats > 0 {
            assert!(spans.len() == 1 && (spans[0].0 + 60_000).abs() <= 500, "after {beats} beats: {spans:?}");
            all_right(&mut rig, offset);
        } else {
            rig.close_clean(); // it died before it saw the clock
        }
    }
}

#[test]
fn footage_of_a_sure_clock_is_not_moved() {
    let mut rig = Rig::opened(64 * MIB, streams());
    rig.run(60);
    let offset = rig.clock.offset.load(SeqCst);
    let mono = rig.clock.mono.load(SeqCst);
    rig.set_wall(Wall(START + HOUR), true);
    let later = rig.clock.offset.load(SeqCst);
    rig.run(60);
    let spans = rig.covered(&main_of("front"));
    assert!(spans.len() == 2 && spans[0].0 == 100 && spans[1].0 >= 3_600_000, "{spans:?}");
    rig.close_clean();
    for (at, pictures) in rig.fragments(&main_of("front")) {
        // the group of pictures that was coming in is still on the old time line
        let of = if pictures[0] > mono + 2_100_000 { later } else { offset };
        let right = pictures[0] as i64 + if at.0 > START + HOUR / 2 { later } else { of };
        assert!((at.0 - right).abs() <= NEAR, "{at} should be {}", Wall(right));
    }
}

#[test]
fn a_sure_clock_that_is_set_back_writes_over_nothing() {
    let mut rig = Rig::opened(64 * MIB, streams());
    rig.run(60);
    let now = rig.now();
    rig.set_wall(now.plus_micros(-30 * SECOND), true);
    rig.run(60);
    let spans = rig.covered(&main_of("front"));
    assert!(
        spans.len() == 1 && spans[0].0 == 100 && spans[0].1 >= 119_000,
        "goes on where it was: {spans:?}"
    );
    rig.close_clean();
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}

#[test]
fn a_clock_that_is_set_twice_ends_up_right() {
    let mut rig = unsure(1_000 * SECOND);
    rig.run(40);
    rig.set_wall(Wall(START - 100 * SECOND), false); // by hand, and not well
    rig.run(40);
    rig.set_wall(Wall(START), true);
    let offset = rig.clock.offset.load(SeqCst);
    rig.run(40);
    let spans = rig.covered(&main_of("front"));
    assert!(spans.len() == 1 && (spans[0].0 + 80_000).abs() <= 500, "{spans:?}");
    all_right(&mut rig, offset);
    assert!(is_seamless(&rig.pictures(&main_of("front"))));
}

#[test]
fn a_clock_without_a_battery_goes_on_where_it_was_and_the_hours_without_power_are_a_gap() {
    let mut rig = Rig::opened(64 * MIB, streams());
    rig.run(30);
    // five hours without power; the clock begins a little before the last footage, as it was saved
    rig.reboot(2, Wall(START + 10 * SECOND), false);
    rig.open().unwrap();
    let first = rig.clock.mono.load(SeqCst) as i64;
    rig.run(30);
    let event = rig.event(0, rig.now(), None);
    let of_event = rig.clock.mono.load(SeqCst) as i64;
    rig.run(10);
    rig.set_wall(Wall(START + 5 * HOUR), true);
    let offset = rig.clock.offset.load(SeqCst);
    rig.run(30);
    let _ = event;
    let front = main_of("front");
    let (spans, gaps) = (rig.covered(&front), rig.gaps(&front));
    assert_eq!(spans.len(), 2, "{spans:?}");
    let begin = (first + offset - START) / 1_000;
    assert!((spans[1].0 - begin).abs() <= 600, "the new boot's footage begins at {begin}: {spans:?}");
    let told: Vec<_> = gaps.iter().filter(|g| g.1 - g.0 > 1_000).collect();
    assert_eq!(told, [&(spans[0].1, spans[1].0, GapCause::PowerCut)]);
    let events = rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true);
    assert_eq!(events.len(), 1);
    assert!((events[0].0.id.start.0 - (of_event + offset)).abs() <= NEAR, "{:?}", events[0].0);
    rig.close_clean();
    names_fit(&rig, &front);
}

#[test]
fn what_is_recorded_on_motion_moves_too() {
    let mut rig = Rig::new(16 * MIB, vec![with_mode(main_of("front"), Mode::Motion, 3, 5)]);
    rig.set_wall(Wall(1_000 * SECOND), false);
    rig.open().unwrap();
    rig.run(20);
    rig.trigger(0, Trigger::Motion);
    rig.run(30);
    rig.set_wall(Wall(START), true);
    let offset = rig.clock.offset.load(SeqCst);
    rig.run(1);
    rig.trigger(0, Trigger::Motion); // its pre-roll was held since before
    rig.run(30);
    let front = main_of("front");
    let (spans, gaps) = (rig.covered(&front), rig.gaps(&front));
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!((-4_500..=-2_000).contains(&spans[1].0), "{spans:?}");
    let told: Vec<_> = gaps.iter().filter(|g| g.1 - g.0 > 1_000).collect();
    let quiet = [(-50_000, spans[0].0, GapCause::Quiet), (spans[0].1, spans[1].0, GapCause::Quiet)];
    assert_eq!(told, quiet.iter().collect::<Vec<_>>(), "{gaps:?}");
    rig.close_clean();
    assert_right(&rig, &front, offset);
    names_fit(&rig, &front);
}
