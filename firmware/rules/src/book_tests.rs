//! Things walk past rules on a fake clock.

use super::*;
use crate::{
    BBox, Circumstances, Crossing, Direction, Line, OutputIx, Point, Score, Sieve, ThingLimits, Zone,
};
use proptest::prelude::*;
use std::{collections::HashMap, vec, vec::Vec as List};

const CAM: CameraIx = CameraIx(0);
const PERSON: ClassId = ClassId(0);
const CAT: ClassId = ClassId(7);
const SIREN: OutputIx = OutputIx(0);
const LAMP: OutputIx = OutputIx(1);
const S: u64 = 1_000_000;
const MS: u64 = 1_000;

type Book = RuleBook<8, 8>;

fn person(track: u32) -> Thing {
    let bbox = BBox { x: 4_000, y: 4_000, w: 1_000, h: 2_000 };
    Thing::new(track, PERSON, Score::from_thousandths(800), bbox)
}

fn rule(dwell_us: u64, cooldown_us: u64, actions: &[Action]) -> Rule {
    Rule {
        class: Some(PERSON),
        camera: Some(CAM),
        zone: None,
        sieve: Sieve::default(),
        crossing: None,
        moving: None,
        circumstances: Circumstances::default(),
        min_score: Score::from_thousandths(500),
        dwell_us,
        away_us: 0,
        cooldown_us,
        actions: Rule::actions(actions).unwrap(),
    }
}

fn book(rules: impl IntoIterator<Item = Rule>) -> Book {
    let mut book = Book::new();
    for rule in rules {
        book.add(rule).unwrap();
    }
    book
}

fn see(book: &mut Book, ms: u64, things: &[Thing]) -> List<(u32, What)> {
    let mut orders = vec![];
    book.observe(CAM, Micros(ms * MS), things, &mut |o| orders.push((o.track, o.what)));
    orders
}

fn wait(book: &mut Book, ms: u64) -> List<(u32, What)> {
    let mut orders = vec![];
    book.tick(Micros(ms * MS), &mut |o| orders.push((o.track, o.what)));
    orders
}

fn fires(orders: &[(u32, What)]) -> List<u32> {
    orders.iter().filter(|o| o.1 == What::Fired).map(|o| o.0).collect()
}

#[test]
fn fires_on_first_sight_and_does_every_action_in_order() {
    let pulse = Action::Pulse { output: SIREN, us: 3 * S };
    let mut b = book([rule(0, 0, &[Action::Notify, pulse])]);
    let mut orders = vec![];
    b.observe(CAM, Micros(5), &[person(9)], &mut |o| orders.push(o));
    let order = |what| {
        let rule = RuleIx(0);
        Order { rule, input: None, camera: CAM, track: 9, class: PERSON, at: Micros(5), what }
    };
    let pulse = What::Pulse { output: SIREN, us: 3 * S };
    assert_eq!(orders, [order(What::Fired), order(What::Notify), order(pulse)]);
    assert_eq!((b.fired(RuleIx(0)), b.fired_at(RuleIx(0)), b.fired(RuleIx(4))), (1, Some(Micros(5)), 0));
}

#[test]
fn class_camera_score_and_zone_must_all_fit() {
    let square = [(3_000, 5_000), (6_000, 5_000), (6_000, 10_000), (3_000, 10_000)];
    let zone = Zone::new(&square.map(|(x, y)| Point { x, y })).unwrap();
    let mut b = book([Rule { zone: Some(zone), ..rule(0, 0, &[Action::Notify]) }]);
    let mut weak = person(1);
    weak.score = Score::from_thousandths(499);
    let mut away = person(2);
    away.foot = Point { x: 100, y: 6_000 };
    let mut cat = person(3);
    cat.class = CAT;
    assert_eq!(see(&mut b, 0, &[weak, away, cat]), []);
    b.observe(CameraIx(1), Micros(1), &[person(4)], &mut |_| panic!("another camera"));
    assert_eq!(fires(&see(&mut b, 1, &[person(5)])), [5]);
}

#[test]
fn any_class_and_any_camera_when_none_is_named() {
    let mut b = book([Rule { class: None, camera: None, ..rule(0, 0, &[Action::Notify]) }]);
    let mut cat = person(3);
    cat.class = CAT;
    let mut seen = vec![];
    b.observe(CameraIx(9), Micros(0), &[cat], &mut |o| seen.push((o.camera, o.class)));
    assert_eq!(seen[0], (CameraIx(9), CAT));
}

#[test]
fn dwell_needs_the_whole_time() {
    let mut b = book([rule(2 * S, 0, &[Action::Notify])]);
    for ms in (0..2_000).step_by(200) {
        assert_eq!(see(&mut b, ms, &[person(1)]), [], "at {ms}");
    }
    assert_eq!(fires(&see(&mut b, 2_000, &[person(1)])), [1]);
    assert_eq!(see(&mut b, 2_200, &[person(1)]), [], "once for one presence");
}

#[test]
fn dwell_and_cool_down_are_exact_to_the_microsecond() {
    let fires_at = |b: &mut Book, us, track| {
        let mut fired = false;
        b.observe(CAM, Micros(us), &[person(track)], &mut |_| fired = true);
        fired
    };
    let mut b = book([rule(1_000, 0, &[Action::Notify])]);
    assert_eq!([7, 1_006, 1_007].map(|us| fires_at(&mut b, us, 1)), [false, false, true]);
    let mut b = book([rule(0, 1_000, &[Action::Notify])]);
    assert!(fires_at(&mut b, 7, 1));
    assert_eq!([1_006, 1_007].map(|us| fires_at(&mut b, us, 2)), [false, true]);
}

#[test]
fn dwell_forgives_misses_up_to_a_second_and_begins_anew_after() {
    let mut b = book([rule(2 * S, 0, &[Action::Notify])]);
    see(&mut b, 0, &[person(1)]);
    see(&mut b, 500, &[]);
    see(&mut b, 999, &[person(1)]);
    wait(&mut b, 1_500);
    assert_eq!(see(&mut b, 1_998, &[person(1)]), []);
    assert_eq!(fires(&see(&mut b, 2_000, &[person(1)])), [1]);

    see(&mut b, 10_000, &[person(2)]);
    see(&mut b, 11_000, &[person(2)]);
    assert_eq!(see(&mut b, 12_000, &[person(2)]), [], "a whole second missed");
    see(&mut b, 12_500, &[person(2)]);
    see(&mut b, 13_400, &[person(2)]);
    assert_eq!(fires(&see(&mut b, 14_000, &[person(2)])), [2]);
}

#[test]
fn one_thing_leaving_and_another_coming_is_not_one_dwell() {
    let mut b = book([rule(S, 0, &[Action::Notify])]);
    see(&mut b, 0, &[person(1)]);
    see(&mut b, 600, &[person(2)]);
    assert_eq!(see(&mut b, 1_200, &[person(2)]), []);
    assert_eq!(fires(&see(&mut b, 1_600, &[person(2)])), [2]);
}

#[test]
fn fires_again_when_a_thing_comes_back() {
    let mut b = book([rule(0, 0, &[Action::Notify])]);
    assert_eq!(fires(&see(&mut b, 0, &[person(1)])), [1]);
    assert_eq!(see(&mut b, 900, &[person(1)]), []);
    assert_eq!(fires(&see(&mut b, 3_000, &[person(1)])), [1]);
}

#[test]
fn a_firing_held_back_by_the_cool_down_comes_when_it_is_over() {
    let mut b = book([rule(0, 5 * S, &[Action::Notify])]);
    assert_eq!(fires(&see(&mut b, 0, &[person(1), person(2)])), [1]);
    for ms in (500..5_000).step_by(500) {
        assert_eq!(see(&mut b, ms, &[person(1), person(2)]), []);
    }
    assert_eq!(fires(&see(&mut b, 5_000, &[person(1), person(2)])), [2], "still there, not told yet");
    assert_eq!(see(&mut b, 10_000, &[]), []);
}

#[test]
fn rules_cool_down_on_their_own() {
    let mut b = book([rule(0, 9 * S, &[Action::Notify]), rule(0, 0, &[Action::Notify])]);
    let count = |b: &mut Book, ms, track| fires(&see(b, ms, &[person(track)])).len();
    assert_eq!([count(&mut b, 0, 1), count(&mut b, 100, 2), count(&mut b, 9_000, 3)], [2, 1, 2]);
}

#[test]
fn holds_while_something_is_there_and_lingers_after() {
    let hold = Action::Hold { output: LAMP, linger_us: 2 * S };
    let mut b = book([rule(0, 0, &[hold])]);
    assert_eq!(see(&mut b, 0, &[person(1)]), [(1, What::Fired), (1, What::Hold { output: LAMP })]);
    assert_eq!(see(&mut b, 900, &[person(1)]), []);
    // Another thing takes over: fires on its own, does not hold twice, keeps the hold.
    assert_eq!(see(&mut b, 1_500, &[person(2)]), [(2, What::Fired)]);
    assert_eq!(b.next_deadline(), Some(Micros(4_500 * MS)));
    assert_eq!(wait(&mut b, 4_499), []);
    assert_eq!(wait(&mut b, 4_500), [(2, What::Release { output: LAMP })]);
    assert_eq!((wait(&mut b, 9_000), b.next_deadline()), (vec![], None));
    assert_eq!(see(&mut b, 9_001, &[person(2)]).len(), 2, "holds again");
}

#[test]
fn a_hold_survives_the_cool_down_and_ends_when_the_eye_falls_silent() {
    let hold = Action::Hold { output: LAMP, linger_us: 0 };
    let mut b = book([rule(0, 60 * S, &[hold])]);
    see(&mut b, 0, &[person(1)]);
    for ms in (500..20_000).step_by(500) {
        assert_eq!(see(&mut b, ms, &[person(if ms < 9_000 { 1 } else { 2 })]), []);
    }
    assert_eq!(b.next_deadline(), Some(Micros(20_500 * MS)));
    assert_eq!(wait(&mut b, 20_500), [(2, What::Release { output: LAMP })]);
}

#[test]
fn two_holds_of_one_rule_linger_differently() {
    let holds = [
        Action::Hold { output: LAMP, linger_us: 5 * S },
        Action::Notify,
        Action::Hold { output: SIREN, linger_us: 0 },
    ];
    let mut b = book([rule(0, 0, &holds)]);
    see(&mut b, 0, &[person(1)]);
    assert_eq!(wait(&mut b, 1_000), [(1, What::Release { output: SIREN })]);
    assert_eq!(
        see(&mut b, 2_000, &[person(1)]),
        [(1, What::Fired), (1, What::Notify), (1, What::Hold { output: SIREN })]
    );
    assert_eq!(wait(&mut b, 3_000), [(1, What::Release { output: SIREN })]);
    assert_eq!(wait(&mut b, 8_000), [(1, What::Release { output: LAMP })]);
}

#[test]
fn a_full_table_forgets_the_presence_unseen_longest() {
    let mut b = book([rule(S, 0, &[Action::Notify])]);
    let crowd: List<Thing> = (0..8).map(person).collect();
    see(&mut b, 0, &crowd);
    see(&mut b, 500, &crowd[1..]);
    see(&mut b, 600, &[person(99)]);
    assert_eq!(b.evicted(), 1);
    let fired = fires(&see(&mut b, 1_000, &crowd[1..]));
    assert_eq!(fired, (1..8).collect::<List<u32>>());
    assert_eq!(see(&mut b, 1_200, &[person(99)]), []);
    assert_eq!(fires(&see(&mut b, 1_600, &[person(99)])), [99]);
}

#[test]
fn a_rule_that_cannot_work_is_refused() {
    let mut b = RuleBook::<1, 1>::new();
    let zone = Zone::new(&[Point::new(0, 0), Point::new(9, 0), Point::new(0, 9)]).unwrap();
    let zoned = Rule { camera: None, zone: Some(zone), ..rule(0, 0, &[Action::Notify]) };
    assert_eq!(b.add(zoned), Err(RulesError::ZoneWithoutCamera));
    assert_eq!(b.add(rule(0, 0, &[])), Err(RulesError::NoAction));
    assert_eq!(b.add(rule(0, 0, &[Action::Pulse { output: SIREN, us: 0 }])), Err(RulesError::EmptyPulse));
    assert_eq!(Rule::actions(&[Action::Notify; 5]), Err(RulesError::TooManyActions(5)));
    assert_eq!(b.add(rule(0, 0, &[Action::Notify])), Ok(RuleIx(0)));
    assert_eq!(b.add(rule(0, 0, &[Action::Notify])), Err(RulesError::TooManyRules(1)));
}

#[test]
fn a_cool_down_is_of_one_rule_camera_and_class() {
    let any = Rule { class: None, camera: None, ..rule(0, 5 * S, &[Action::Notify]) };
    let mut b = book([any.clone(), any]);
    let mut cat = person(7);
    cat.class = CAT;
    let mut at = |camera, ms, thing: &Thing| {
        let mut fired = vec![];
        b.observe(CameraIx(camera), Micros(ms * MS), &[*thing], &mut |o| {
            if o.what == What::Fired {
                fired.push(o.rule.0);
            }
        });
        fired
    };
    assert_eq!(at(0, 0, &person(1)), [0, 1]);
    assert_eq!(at(0, 100, &person(2)), [], "the same class on the same camera");
    assert_eq!(at(0, 200, &cat), [0, 1], "another class");
    assert_eq!(at(1, 300, &person(1)), [0, 1], "another camera");
    assert_eq!(at(0, 5_000, &person(3)), [0, 1], "over for persons on this camera");
    assert_eq!(at(0, 5_100, &cat), [], "not yet for cats");
    assert_eq!(at(1, 5_200, &person(4)), [], "nor on the other camera");
}

#[test]
fn more_cool_downs_than_the_table_holds_end_early_and_are_counted() {
    let mut b = book([Rule { camera: None, ..rule(0, 60 * S, &[Action::Notify]) }]);
    for camera in 0..9 {
        b.observe(CameraIx(camera), Micros(u64::from(camera)), &[person(1)], &mut |_| {});
    }
    b.check_invariants();
    assert!(b.evicted() > 0);
    assert_eq!(fires(&see(&mut b, 1, &[person(2)])), [2], "the first camera's was given up");
}

#[test]
fn loitering_adds_up_over_short_absences() {
    let mut b = book([Rule { away_us: 5 * S, ..rule(4 * S, 0, &[Action::Notify]) }]);
    // two seconds there, four away, and again: time away does not count, nor does it end the presence
    for ms in (0..=2_000).step_by(500) {
        assert_eq!(see(&mut b, ms, &[person(1)]), [], "at {ms}");
    }
    for ms in (6_000..8_000).step_by(500) {
        assert_eq!(see(&mut b, ms, &[person(1)]), [], "at {ms}");
    }
    assert_eq!(fires(&see(&mut b, 8_000, &[person(1)])), [1], "two and two seconds");
    assert_eq!(see(&mut b, 12_500, &[person(1)]), [], "the same presence still");
    // five seconds away is too long
    see(&mut b, 17_500, &[person(1)]);
    for ms in (18_000..21_500).step_by(500) {
        assert_eq!(see(&mut b, ms, &[person(1)]), [], "at {ms}");
    }
    assert_eq!(fires(&see(&mut b, 21_500, &[person(1)])), [1]);
}

#[test]
fn a_zone_asks_more_of_things_than_its_rule() {
    let mut sieve = Sieve::default();
    let (min_score, min_height) = (Score::from_thousandths(700), 1_500);
    sieve.limit(PERSON, ThingLimits { min_score, min_height, ..ThingLimits::default() }).unwrap();
    let mut b = book([Rule { sieve, ..rule(0, 0, &[Action::Notify]) }]);
    let mut unsure = person(1);
    unsure.score = Score::from_thousandths(699);
    let mut small = person(2);
    small.bbox.h = 1_499;
    assert_eq!(fires(&see(&mut b, 0, &[unsure, small, person(3)])), [3]);
}

#[test]
fn a_parked_car_fires_the_rule_for_what_stands_and_only_once() {
    let rules = [true, false].map(|moving| Rule { moving: Some(moving), ..rule(0, S, &[Action::Notify]) });
    let mut b = book(rules);
    let mut fired = vec![];
    let mut at = |ms: u64, x: u16| {
        let thing =
            Thing::new(1, PERSON, Score::from_thousandths(800), BBox { x, y: 4_000, w: 1_000, h: 500 });
        b.observe(CAM, Micros(ms * MS), &[thing], &mut |o| {
            if o.what == What::Fired {
                fired.push((ms, o.rule.0));
            }
        });
    };
    (0..5).for_each(|n| at(n * 500, 1_000 + n as u16 * 900)); // it drives in
    (5..7_200).for_each(|n| at(n * 500, 4_600 + (n % 3) as u16 * 20)); // and stays for an hour
    at(3_600_000, 7_000);
    // seen at 0.5 s to have moved; its last way at 2 s, so it stands at 12 s; then it leaves
    assert_eq!(fired, [(500, 0), (12_000, 1), (3_600_000, 0)]);
}

fn crossing(direction: Option<Direction>) -> Rule {
    let line = Line::new(Point { x: 0, y: 5_000 }, Point { x: 10_000, y: 5_000 }).unwrap();
    Rule { crossing: Some(Crossing { line, direction }), ..rule(0, 0, &[Action::Notify]) }
}

fn standing(track: u32, y: u16) -> Thing {
    Thing { foot: Point { x: 5_000, y }, ..person(track) }
}

#[test]
fn a_line_fires_at_each_crossing_in_its_direction() {
    let mut b = book([crossing(Some(Direction::In)), crossing(None)]);
    let mut fired = vec![];
    for (n, y) in [3_000, 4_900, 5_100, 7_000, 7_000, 3_000, 3_000, 7_000].into_iter().enumerate() {
        b.observe(CAM, Micros(n as u64 * S / 2), &[standing(4, y)], &mut |o| {
            if o.what == What::Fired {
                fired.push((n, o.rule.0));
            }
        });
    }
    // the box is 2 000 high, so a side counts from 200 away on
    assert_eq!(fired, [(3, 0), (3, 1), (5, 1), (7, 0), (7, 1)]);
}

#[test]
fn a_crossing_within_the_cool_down_is_not_made_up_for() {
    let mut b = book([Rule { cooldown_us: 10 * S, ..crossing(None) }]);
    assert_eq!(fires(&see(&mut b, 0, &[standing(1, 3_000), standing(2, 3_000)])), []);
    assert_eq!(fires(&see(&mut b, 500, &[standing(1, 7_000), standing(2, 7_000)])), [1]);
    for ms in (1_000..20_000).step_by(500) {
        assert_eq!(fires(&see(&mut b, ms, &[standing(2, 7_000)])), []);
    }
}

#[test]
fn a_path_goes_on_over_a_short_break_only() {
    let mut b = book([crossing(None)]);
    see(&mut b, 0, &[standing(1, 3_000)]);
    assert_eq!(fires(&see(&mut b, 4_999, &[standing(1, 7_000)])), [1]);
    assert_eq!(fires(&see(&mut b, 9_999, &[standing(1, 3_000)])), [], "five seconds: another begin");
}

#[test]
fn a_line_stands_alone() {
    let mut b = Book::new();
    assert_eq!(b.add(Rule { camera: None, ..crossing(None) }), Err(RulesError::LineWithoutCamera));
    assert_eq!(b.add(Rule { dwell_us: 1, ..crossing(None) }), Err(RulesError::LineAndMore));
}

/// Pictures of up to five tracks: (microseconds since the one before, who is in it).
fn walk() -> impl Strategy<Value = List<(u64, List<u32>)>> {
    prop::collection::vec((1..1_500_000u64, prop::collection::vec(0..5u32, 0..5)), 1..80)
}

proptest! {
    #[test]
    fn never_early_never_twice(pictures in walk(), dwell_us in 0..4_000_000u64, cooldown_us in 0..6_000_000u64) {
        let mut b = book([rule(dwell_us, cooldown_us, &[Action::Notify])]);
        // The specification, written the slow way: per track, since when it was never unseen for a second.
        let mut present: HashMap<u32, (Micros, Micros)> = HashMap::new();
        let mut fired_at: Option<Micros> = None;
        let mut now = Micros(0);
        for (gap, tracks) in pictures {
            now = now.plus(gap);
            for track in &tracks {
                let (since, seen) = present.entry(*track).or_insert((now, now));
                if now.since(*seen) >= MISS_US {
                    *since = now;
                }
                *seen = now;
            }
            let things: List<Thing> = tracks.iter().map(|t| person(*t)).collect();
            let mut fired = vec![];
            b.observe(CAM, now, &things, &mut |o| if o.what == What::Fired { fired.push(o) });
            for order in fired {
                prop_assert!(tracks.contains(&order.track), "only what is seen");
                prop_assert!(now.since(present[&order.track].0) >= dwell_us, "too early");
                prop_assert!(fired_at.is_none_or(|at| now.since(at) >= cooldown_us), "twice within the cool-down");
                fired_at = Some(now);
            }
            b.check_invariants();
        }
    }

    #[test]
    fn every_hold_is_released_once_and_in_time(pictures in walk(), linger_us in 0..3_000_000u64, dwell_us in 0..2_000_000u64) {
        let mut b = book([rule(dwell_us, 0, &[Action::Hold { output: LAMP, linger_us }])]);
        let mut held = false;
        let mut now = Micros(0);
        let mut last_sight = Micros(0);
        let watch = |held: &mut bool, order: Order, last_sight: Micros| match order.what {
            What::Hold { .. } => assert!(!std::mem::replace(held, true), "held twice"),
            What::Release { .. } => {
                assert!(std::mem::replace(held, false), "released twice");
                assert!(order.at <= last_sight.plus(MISS_US + linger_us), "released late");
            }
            _ => {}
        };
        for (gap, tracks) in pictures {
            let then = now.plus(gap);
            while let Some(due) = b.next_deadline().filter(|due| *due < then) {
                b.tick(due, &mut |o| watch(&mut held, o, last_sight));
            }
            now = then;
            if !tracks.is_empty() {
                last_sight = now;
            }
            let things: List<Thing> = tracks.iter().map(|t| person(*t)).collect();
            b.observe(CAM, now, &things, &mut |o| watch(&mut held, o, last_sight));
            prop_assert_eq!(held, b.next_deadline().is_some());
        }
        while let Some(due) = b.next_deadline() {
            b.tick(due, &mut |o| watch(&mut held, o, last_sight));
        }
        prop_assert!(!held);
    }

    #[test]
    fn loitering_is_the_time_seen_and_no_more(pictures in walk(), dwell_us in 0..4_000_000u64, away_us in 0..6_000_000u64) {
        let mut b = book([Rule { away_us, ..rule(dwell_us, 0, &[Action::Notify]) }]);
        // The specification, written the slow way: (last seen, time spent, fired) of each track.
        let mut there: HashMap<u32, (Micros, u64, bool)> = HashMap::new();
        let mut now = Micros(0);
        for (gap, mut tracks) in pictures {
            now = now.plus(gap);
            tracks.sort_unstable();
            tracks.dedup();
            let mut expected = vec![];
            for track in &tracks {
                let (seen, spent, fired) = there.entry(*track).or_insert((now, 0, false));
                let unseen = now.since(*seen);
                if unseen >= away_us.max(MISS_US) {
                    (*spent, *fired) = (0, false);
                } else if unseen < MISS_US {
                    *spent += unseen;
                }
                *seen = now;
                if *spent >= dwell_us && !*fired {
                    *fired = true;
                    expected.push(*track);
                }
            }
            let things: List<Thing> = tracks.iter().map(|t| person(*t)).collect();
            let mut fired = vec![];
            b.observe(CAM, now, &things, &mut |o| if o.what == What::Fired { fired.push(o.track) });
            prop_assert_eq!(fired, expected);
            b.check_invariants();
        }
    }

    #[test]
    fn any_rules_on_any_things_keep_the_invariants(
        pictures in prop::collection::vec((1..3_000_000u64, prop::collection::vec((0..20u32, 0..9_000u16, 0..9_000u16, 0..3u8), 0..12)), 1..40),
        kinds in prop::collection::vec((0..3u8, 0..3_000_000u64, 0..6_000_000u64, 0..9_000_000u64), 1..8),
    ) {
        let rules = kinds.into_iter().map(|(kind, dwell_us, away_us, cooldown_us)| {
            let plain = Rule { away_us, class: None, ..rule(dwell_us, cooldown_us, &[Action::Notify]) };
            match kind {
                0 => Rule { cooldown_us, class: None, ..crossing(None) },
                1 => Rule { moving: Some(dwell_us % 2 == 0), ..plain },
                _ => plain,
            }
        });
        let mut b = book(rules);
        let mut now = Micros(0);
        for (gap, things) in pictures {
            now = now.plus(gap);
            let things: List<Thing> = things.into_iter().map(|(track, x, y, class)| {
                Thing::new(track, ClassId(class), Score::from_thousandths(800), BBox { x, y, w: 500, h: 900 })
            }).collect();
            b.observe(CAM, now, &things, &mut |_| {});
            b.check_invariants();
        }
    }

    #[test]
    fn a_crowd_beyond_the_table_breaks_nothing(pictures in prop::collection::vec((1..400_000u64, prop::collection::vec(0..40u32, 0..20)), 1..40)) {
        let mut b = book((0..8).map(|i| rule(i * 200_000, 0, &[Action::Notify])));
        let mut now = Micros(0);
        for (gap, tracks) in pictures {
            now = now.plus(gap);
            let things: List<Thing> = tracks.iter().map(|t| person(*t)).collect();
            b.observe(CAM, now, &things, &mut |_| {});
            b.check_invariants();
        }
    }
}

#[path = "book_input_tests.rs"]
mod inputs;
