//! A fake clock drives a bank of relays; the recorder falls silent now and then.

use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};

const S: u64 = 1_000_000;
const UP: OutputIx = OutputIx(0);
const DOWN: OutputIx = OutputIx(1);

fn motor() -> Bank<4> {
    let mut bank = Bank::new();
    for _ in 0..2 {
        bank.add(Limits::default()).unwrap();
    }
    bank.keep_apart(UP, DOWN);
    bank
}

fn drain(bank: &mut Bank<4>, us: u64) -> Vec<(u8, bool, Cause)> {
    std::iter::from_fn(|| bank.tick(Micros(us))).map(|(output, m)| (output.0, m.on, m.cause)).collect()
}

fn pulse(output: OutputIx, us: u64) -> Ask {
    Ask::Pulse { output, rule: 3, us }
}

#[test]
fn a_recorder_that_falls_silent_loses_every_relay() {
    let mut bank = motor();
    bank.ask(Ask::Hold { output: UP, rule: 1 }, Micros(0));
    assert_eq!(drain(&mut bank, 0), [(0, true, Cause::Rule(1))]);
    bank.hear(Micros(S));
    assert_eq!(bank.next_deadline(), Some(Micros(S + LEASE_US)));
    assert_eq!(drain(&mut bank, S + LEASE_US - 1), []);
    assert_eq!(drain(&mut bank, S + LEASE_US), [(0, false, Cause::Stalled)]);
    assert_eq!((bank.next_deadline(), bank.is_heard()), (None, false));
    bank.hear(Micros(60 * S));
    assert_eq!(drain(&mut bank, 60 * S), [], "what it held before is forgotten");
    bank.ask(Ask::Release { output: UP, rule: 1 }, Micros(61 * S));
    bank.ask(pulse(UP, S), Micros(61 * S));
    assert_eq!(drain(&mut bank, 61 * S), [(0, true, Cause::Rule(3))]);
}

#[test]
fn a_pulse_that_waits_when_the_recorder_falls_silent_never_comes() {
    let mut bank: Bank<4> = Bank::new();
    bank.add(Limits { min_off_us: 100 * S, ..Limits::default() }).unwrap();
    bank.ask(pulse(UP, 1), Micros(0));
    drain(&mut bank, 0);
    drain(&mut bank, 1);
    assert!(matches!(bank.ask(pulse(UP, S), Micros(2)), Answer::Waits(_)));
    drain(&mut bank, LEASE_US + 2);
    assert_eq!((drain(&mut bank, 200 * S), bank.next_deadline()), (vec![], None));
}

#[test]
fn relays_that_are_kept_apart_refuse_and_then_keep_their_distance() {
    let mut bank = motor();
    bank.ask(pulse(UP, S), Micros(0));
    assert_eq!(bank.ask(pulse(DOWN, S), Micros(0)), Answer::Apart(UP), "wanted counts, not only active");
    drain(&mut bank, 0);
    assert_eq!(bank.ask(Ask::Test { output: DOWN, us: S }, Micros(9)), Answer::Apart(UP));
    assert_eq!(bank.ask(pulse(UP, 2 * S), Micros(9)), Answer::Extends);
    assert_eq!(drain(&mut bank, 2 * S + 9), [(0, false, Cause::TimeOver)]);
    let moment = 2 * S + 10;
    assert_eq!(bank.ask(pulse(DOWN, S), Micros(moment)), Answer::Waits(Micros(2 * S + 9 + APART_US)));
    assert_eq!(bank.ask(pulse(UP, S), Micros(moment)), Answer::Apart(DOWN));
    assert_eq!(drain(&mut bank, moment), []);
    assert_eq!(drain(&mut bank, 2 * S + 9 + APART_US), [(1, true, Cause::Rule(3))]);
}

#[test]
fn a_person_switches_off_whatever_drives_it() {
    let mut bank = motor();
    bank.ask(Ask::Latch { output: UP, rule: 1 }, Micros(0));
    bank.ask(Ask::Hold { output: UP, rule: 2 }, Micros(0));
    drain(&mut bank, 0);
    assert_eq!(bank.ask(Ask::Off { output: UP }, Micros(5)), Answer::Ends);
    assert_eq!(drain(&mut bank, 5), [(0, false, Cause::Person)]);
}

#[test]
fn a_relay_that_is_not_there_refuses() {
    let mut bank = motor();
    bank.keep_apart(UP, OutputIx(9));
    assert_eq!(bank.ask(pulse(OutputIx(9), S), Micros(0)), Answer::Refused);
    assert_eq!([2, 3].map(|_| bank.add(Limits::default()).unwrap().0), [2, 3]);
    assert_eq!(bank.add(Limits::default()), Err(RulesError::TooManyRelays(4)));
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Ask),
    Pass(u64),
    Hear,
}

fn step() -> impl Strategy<Value = Step> {
    let output = || (0..4u8).prop_map(OutputIx);
    prop_oneof![
        3 => (output(), 1..9 * S).prop_map(|(output, us)| Step::Ask(Ask::Pulse { output, rule: 0, us })),
        2 => (output(), 0..3u8).prop_map(|(output, rule)| Step::Ask(Ask::Hold { output, rule })),
        2 => (output(), 0..3u8).prop_map(|(output, rule)| Step::Ask(Ask::Release { output, rule })),
        1 => output().prop_map(|output| Step::Ask(Ask::Latch { output, rule: 0 })),
        1 => output().prop_map(|output| Step::Ask(Ask::Unlatch { output, rule: 0 })),
        1 => output().prop_map(|output| Step::Ask(Ask::Off { output })),
        4 => Just(Step::Hear),
        6 => (1..8 * S).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn never_both_never_unheard_and_always_at_rest_in_the_end(
        steps in prop::collection::vec(step(), 1..120), min_off_us in 0..3 * S, cooldown_us in prop_oneof![Just(0), 0..3 * S],
    ) {
        let mut bank: Bank<4> = Bank::new();
        (0..4).for_each(|n| {
            let limits = Limits { safe_on: n % 2 == 1, max_on_us: None, min_off_us, cooldown_us };
            bank.add(limits).unwrap();
        });
        bank.keep_apart(UP, DOWN);
        let (mut now, mut heard) = (0, None);
        let mut left: [Option<u64>; 4] = [None; 4];
        for step in steps.iter().chain([&Step::Pass(LEASE_US)]) {
            let end = match step {
                Step::Ask(ask) => {
                    bank.ask(*ask, Micros(now));
                    heard = Some(now);
                    now
                }
                Step::Hear => {
                    bank.hear(Micros(now));
                    heard = Some(now);
                    now
                }
                Step::Pass(us) => now + us,
            };
            loop {
                for (output, m, ) in std::iter::from_fn(|| bank.tick(Micros(now))) {
                    let n = usize::from(output.0);
                    if m.on != (n % 2 == 1) {
                        prop_assert!(heard.is_some_and(|at| now < at + LEASE_US), "moves only for one who lives");
                        if n < 2 {
                            prop_assert!(left[1 - n].is_none_or(|at| now >= at + APART_US), "too close together");
                        }
                        left[n] = Some(u64::MAX / 2);
                    } else {
                        left[n] = Some(now);
                    }
                }
                bank.check_invariants();
                let silent = heard.is_none_or(|at| now >= at + LEASE_US);
                prop_assert!(!silent || bank.relays().iter().all(|r| !r.is_active()), "nobody lives, something is on");
                match bank.next_deadline().filter(|due| due.0 <= end) {
                    Some(due) => now = due.0.max(now + 1).min(end.max(due.0)),
                    None => break,
                }
            }
            now = end;
        }
        prop_assert_eq!(bank.next_deadline(), None);
    }
}
