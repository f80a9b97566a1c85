//! Age and bytes for each camera and tier, holds, and what is told about what goes.

use crate::rig::{HOUR, MIB, Rig, SECOND, START, main_of, sub_of, with_mode};
use nightjar_io::storage::{Deletion, Hold, HoldFault, StreamPlan, Trigger};
use nightjar_record::{HoldError, Tier};
use nightjar_types::config::{Keep, Limit, Mode};
use nightjar_types::{Name, Wall};
use std::time::Duration;

fn age(seconds: u64) -> Limit {
    Limit { age: Some(Duration::from_secs(seconds)), bytes: None }
}

fn bytes(bytes: u64) -> Limit {
    Limit { age: None, bytes: Some(bytes) }
}

fn hold(rig: &Rig, from: Wall, to: Wall) -> Hold {
    let cameras = vec![Name::new("front").unwrap()];
    Hold { id: 0, cameras, from, to, note: "a test".into(), by: "owner".into(), made: rig.now() }
}

fn whys(told: &[Deletion]) -> Vec<&str> {
    told.iter().map(|d| d.why.as_str()).collect()
}

#[test]
fn what_is_older_than_its_tier_allows_goes_and_events_outlive_the_rest() {
    let keep = Keep { continuous: age(60), event: age(600), ..Keep::default() };
    let front = StreamPlan { keep, ..with_mode(main_of("front"), Mode::Continuous, 2, 2) };
    let mut rig = Rig::opened(64 * MIB, vec![front, StreamPlan::always(main_of("yard"))]);
    let front = main_of("front");
    rig.cameras[0].size = 20_000;
    rig.run(40);
    let start = rig.now();
    let event = rig.event(0, start, None);
    rig.trigger(0, Trigger::Event);
    rig.run(200);
    let spans = rig.covered(&front);
    assert_eq!(spans.len(), 2, "the event's footage and the newest: {spans:?}");
    assert!((18_000..=38_000).contains(&spans[0].0) && (42_000..=62_000).contains(&spans[0].1), "{spans:?}");
    assert!(
        (240_000 - 80_000..240_000 - 60_000).contains(&spans[1].0),
        "a minute, and a slab at most: {spans:?}"
    );
    assert!(rig.library().event(event.id).is_some());
    assert_eq!(rig.library().events(Wall(0), Wall(i64::MAX), None, 9, |_| true).len(), 1);
    assert_eq!(rig.covered(&main_of("yard")).len(), 1, "another camera's has no limit");
    let told = rig.library().take_deletions();
    assert_eq!(whys(&told), ["older than 1 min"], "{told:?}");
    assert_eq!((told[0].stream.clone(), told[0].from), (front.clone(), Wall(START + 100_000)));
    assert_eq!(rig.library().take_deletions(), [], "told once");
    rig.run(500);
    let spans = rig.covered(&front);
    assert_eq!(spans.len(), 1, "now the event is too old as well: {spans:?}");
    assert!(rig.library().event(event.id).is_none());
    let told = rig.library().take_deletions();
    assert!(whys(&told).contains(&"older than 10 min"), "{told:?}");
    rig.close_clean();
}

#[test]
fn what_is_more_than_its_tier_allows_goes_and_the_sub_stream_has_its_own_limit() {
    let keep = Keep { continuous: bytes(6 * MIB), sub: age(40), ..Keep::default() };
    let plan = |id| StreamPlan { keep: keep.clone(), ..StreamPlan::always(id) };
    let mut rig = Rig::opened(64 * MIB, vec![plan(main_of("front")), plan(sub_of("front"))]);
    rig.cameras[0].size = 20_000;
    rig.cameras[1].size = 20_000;
    rig.run(240);
    let library = rig.library();
    let of_main: u64 = library.slabs_of(&main_of("front")).iter().map(|r| u64::from(r.len)).sum();
    assert!(of_main <= 6 * MIB + 4 * MIB, "what is open may be above: {of_main}");
    let told = library.take_deletions();
    let why = |id| told.iter().filter(|d| d.stream == id).map(|d| d.why.as_str()).collect::<Vec<_>>();
    assert_eq!(why(main_of("front")), ["the oldest of more than 6.3 MB"], "{told:?}");
    assert_eq!(why(sub_of("front")), ["older than 40 s"], "{told:?}");
    let (sub, all) = (rig.covered(&sub_of("front")), rig.now());
    assert!((all - Wall(START)) / 1_000 - sub[0].0 <= 40_000 + 40_000, "{sub:?}");
    rig.close_clean();
}

#[test]
fn an_event_stays_as_long_as_any_stream_of_its_camera_shows_it() {
    let keep = Keep { sub: age(60), ..Keep::default() };
    let plan = |id| StreamPlan { keep: keep.clone(), ..StreamPlan::always(id) };
    let mut rig = Rig::opened(64 * MIB, vec![plan(main_of("front")), plan(sub_of("front"))]);
    rig.cameras[1].size = 20_000;
    rig.run(10);
    let now = rig.now();
    let event = rig.event(0, now, Some(now.plus_micros(SECOND)));
    rig.run(200);
    assert!(rig.covered(&sub_of("front"))[0].0 > 60_000, "the sub stream of that time is gone");
    assert!(rig.library().event(event.id).is_some(), "the main stream shows it");
    assert!(rig.library().event_picture(event.id).unwrap().is_some());
    rig.close_clean();
}

#[test]
fn a_clock_that_is_years_ahead_deletes_nothing_until_somebody_vouches_for_it() {
    let keep = Keep { continuous: age(3_600), ..Keep::default() };
    let plan = StreamPlan { keep, ..StreamPlan::always(main_of("front")) };
    let mut rig = Rig::opened(32 * MIB, vec![plan]);
    let front = main_of("front");
    rig.cameras[0].size = 10_000;
    rig.run(60);
    rig.reboot(2, Wall(START + 20_000 * HOUR), false);
    rig.open().unwrap();
    rig.run(60);
    let spans = rig.covered(&front);
    assert!(spans[0].0 <= 200, "the footage from before is still there: {spans:?}");
    assert_eq!(rig.library().take_deletions(), []);
    // the time server answers: it was the next day only
    let right = Wall(START + 24 * HOUR);
    rig.set_wall(right, true);
    rig.run(60);
    let spans = rig.covered(&front);
    let day = 24 * 3_600_000;
    assert!(spans.iter().all(|s| s.0 >= day - 100_000), "now yesterday's is too old: {spans:?}");
    let told = rig.library().take_deletions();
    assert_eq!(whys(&told), ["older than 1 h"], "{told:?}");
    rig.close_clean();
}

#[test]
fn held_footage_survives_the_ring_and_a_restart_until_it_is_let_go() {
    let mut rig = Rig::opened(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    let front = main_of("front");
    rig.cameras[0].size = 40_000; // 400 kB a second: the ring turns in 40 s
    rig.run(12);
    let (from, to) = (Wall(START + 3 * SECOND), Wall(START + 6 * SECOND));
    let id = rig.library().hold(hold(&rig, from, to)).unwrap();
    let too_much = hold(&rig, Wall(START), rig.now());
    let refused = rig.library().hold(too_much).unwrap_err();
    assert!(matches!(refused, HoldFault::Refused(HoldError::OverBudget { .. })), "{refused}");
    rig.run(100);
    rig.kill();
    rig.open().unwrap();
    assert_eq!(rig.library().held().holds.len(), 1);
    rig.run(100);
    let has = |rig: &Rig| rig.library().coverage(&front, from, to).iter().map(|s| s.1 - s.0).sum::<i64>();
    assert_eq!(has(&rig), 3 * SECOND, "held");
    let held = rig.library().held();
    assert!(held.bytes > 0 && held.bytes <= held.budget && held.budget == 4 * MIB, "{held:?}");
    let later: Vec<_> = rig.covered(&front);
    assert!(later.len() == 2, "the rest has turned: {later:?}");
    assert_eq!(rig.library().release(id).unwrap().map(|h| h.id), Some(id));
    assert_eq!(rig.library().release(id).unwrap(), None);
    rig.run(100);
    assert_eq!(has(&rig), 0, "let go");
    assert_eq!(rig.bytes(), 16 * MIB);
    rig.close_clean();
}

#[test]
fn a_hold_made_by_a_wrong_clock_holds_the_same_footage_when_the_clock_is_set() {
    let mut rig = Rig::new(16 * MIB, vec![StreamPlan::always(main_of("front"))]);
    let front = main_of("front");
    rig.cameras[0].size = 40_000;
    rig.set_wall(Wall(1_000 * SECOND), false);
    rig.open().unwrap();
    rig.run(12);
    let at = rig.clock.mono.load(std::sync::atomic::Ordering::SeqCst) as i64;
    let (from, to) = (Wall(1_003 * SECOND), Wall(1_006 * SECOND));
    rig.library().hold(hold(&rig, from, to)).unwrap();
    rig.set_wall(Wall(START), true);
    rig.run(100);
    // three to six seconds after the first picture, in the right time
    let first = START - at + (60 * SECOND);
    let (from, to) = (Wall(first + 3 * SECOND), Wall(first + 6 * SECOND));
    let has: i64 = rig.library().coverage(&front, from, to).iter().map(|s| s.1 - s.0).sum();
    assert!(has >= 3 * SECOND - 200_000, "held: {has} of {:?}", rig.covered(&front));
    rig.close_clean();
}

#[test]
fn rows_have_tiers() {
    let mut rig = Rig::opened(
        16 * MIB,
        vec![StreamPlan::always(main_of("front")), StreamPlan::always(sub_of("front"))],
    );
    rig.cameras[0].size = 20_000;
    rig.cameras[1].size = 20_000;
    rig.run(20);
    rig.trigger(0, Trigger::Motion);
    rig.run(20);
    let tiers = |id| rig.library().slabs_of(&id).iter().map(|r| r.tier()).collect::<Vec<_>>();
    let of_main = tiers(main_of("front"));
    assert!(of_main.contains(&Tier::Motion) && of_main.contains(&Tier::Continuous), "{of_main:?}");
    assert!(tiers(sub_of("front")).iter().all(|t| *t == Tier::Sub));
}
