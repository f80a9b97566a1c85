//! Doors open and close past rules on a fake clock; the device is armed and the hours go by.

use super::*;
use crate::Schedule;

const DOOR: InputIx = InputIx(2);

fn on_input(becomes: bool, dwell_us: u64, actions: &[Action]) -> Rule {
    let circumstances = Circumstances { input: Some((DOOR, becomes)), ..Circumstances::default() };
    Rule { class: None, camera: None, circumstances, ..rule(dwell_us, 0, actions) }
}

fn sense(book: &mut Book, ms: u64, active: bool, is_edge: bool) -> List<What> {
    let mut orders = vec![];
    book.sense(DOOR, active, is_edge, Micros(ms * MS), &mut |o| orders.push(o));
    assert!(orders.iter().all(|o| o.input == Some(DOOR)));
    orders.into_iter().map(|o| o.what).collect()
}

#[test]
fn an_edge_fires_and_a_level_that_was_there_before_does_not() {
    let pulse = Action::Pulse { output: SIREN, us: S };
    let mut b = book([on_input(true, 0, &[pulse])]);
    assert_eq!(sense(&mut b, 0, true, false), [], "the door stands open at the start");
    assert_eq!(sense(&mut b, 5, true, true), [], "it did already");
    assert_eq!(sense(&mut b, 10, false, true), []);
    assert_eq!(sense(&mut b, 20, true, true), [What::Fired, What::Pulse { output: SIREN, us: S }]);
    assert_eq!(see(&mut b, 30, &[person(1)]), [], "what is seen does not concern it");
}

#[test]
fn a_door_that_stays_open_fires_once_and_holds_until_it_is_closed() {
    let hold = Action::Hold { output: SIREN, linger_us: 2 * S };
    let mut b = book([on_input(true, 60 * S, &[hold])]);
    sense(&mut b, 0, true, true);
    assert_eq!(b.next_deadline(), Some(Micros(60 * S)));
    sense(&mut b, 59_000, false, true);
    sense(&mut b, 59_500, true, true);
    assert_eq!((wait(&mut b, 119_499).len(), b.next_deadline()), (0, Some(Micros(119_500 * MS))));
    assert_eq!(wait(&mut b, 119_500), [(0, What::Fired), (0, What::Hold { output: SIREN })]);
    assert_eq!((b.next_deadline(), wait(&mut b, 999_000).len()), (None, 0), "as long as it is open");
    sense(&mut b, 1_000_000, false, true);
    assert_eq!(wait(&mut b, 1_001_999), []);
    assert_eq!(wait(&mut b, 1_002_000), [(0, What::Release { output: SIREN })]);
}

#[test]
fn arming_and_time_count_when_it_fires_and_their_end_lets_go() {
    let hold = Action::Hold { output: SIREN, linger_us: 0 };
    let circumstances = Circumstances {
        armed: Some(true),
        during: Some(Schedule::new(&[(60, 120)]).unwrap()),
        ..on_input(true, 0, &[hold]).circumstances
    };
    let mut b = book([Rule { circumstances, ..on_input(true, 0, &[hold]) }]);
    let mut try_at = |ms, is_armed, minute| {
        b.set_present(Present { is_armed, minute });
        let fired = sense(&mut b, ms, true, true);
        let let_go = sense(&mut b, ms + 1, false, true);
        (fired.len(), let_go.len())
    };
    assert_eq!(try_at(0, false, 60), (0, 0));
    assert_eq!(try_at(10, true, 59), (0, 0));
    assert_eq!(try_at(20, true, 60), (2, 1));
    b.set_present(Present { is_armed: true, minute: 119 });
    sense(&mut b, 30, true, true);
    b.set_present(Present { is_armed: false, minute: 119 });
    assert_eq!(b.next_deadline(), Some(Micros(0)));
    assert_eq!(wait(&mut b, 31), [(0, What::Release { output: SIREN })]);
    b.set_present(Present { is_armed: true, minute: 119 });
    assert_eq!(wait(&mut b, 32), [], "the door was opened before it was armed");
}

#[test]
fn somebody_who_stands_there_when_it_is_armed_counts_from_then() {
    let circumstances = Circumstances { armed: Some(true), ..Circumstances::default() };
    let mut b = book([Rule { circumstances, ..rule(S, 0, &[Action::Notify]) }]);
    for ms in [0, 500, 1_000, 1_500, 2_000] {
        assert_eq!(fires(&see(&mut b, ms, &[person(1)])), []);
    }
    b.set_present(Present { is_armed: true, minute: 0 });
    assert_eq!(fires(&see(&mut b, 2_100, &[person(1)])), []);
    assert_eq!(fires(&see(&mut b, 2_600, &[person(1)])), []);
    assert_eq!(fires(&see(&mut b, 3_100, &[person(1)])), [1]);
}

#[test]
fn a_number_of_things_must_be_there_at_once() {
    let circumstances = Circumstances { count: 2, ..Circumstances::default() };
    let mut b = book([Rule { circumstances, ..rule(0, 0, &[Action::Notify]) }]);
    let cat = Thing { class: CAT, ..person(5) };
    assert_eq!(fires(&see(&mut b, 0, &[person(1), cat])), []);
    assert_eq!(fires(&see(&mut b, 100, &[person(1), cat, person(2)])), [1, 2]);
}

#[test]
fn a_latch_is_ordered_and_ended_by_rules() {
    let rules = [
        on_input(true, 0, &[Action::Latch { output: LAMP }]),
        on_input(false, 0, &[Action::Unlatch { output: LAMP }]),
    ];
    let mut b = book(rules);
    assert_eq!(sense(&mut b, 0, true, true), [What::Fired, What::Latch { output: LAMP }]);
    assert_eq!(sense(&mut b, 1, false, true), [What::Fired, What::Unlatch { output: LAMP }]);
    let mixed = Rule { class: Some(PERSON), ..on_input(true, 0, &[Action::Notify]) };
    assert_eq!(b.add(mixed), Err(RulesError::InputAndMore));
}
