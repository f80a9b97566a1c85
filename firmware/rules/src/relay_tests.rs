//! A fake clock drives one relay through its life.

use super::*;
use proptest::prelude::*;
use std::{vec, vec::Vec};

const MS: u64 = 1_000;

fn at(ms: u64) -> Micros {
    Micros(ms * MS)
}

fn relay(max_on_ms: Option<u64>, min_off_ms: u64) -> Relay {
    let max_on_us = max_on_ms.map(|ms| ms * MS);
    Relay::new(Limits { max_on_us, min_off_us: min_off_ms * MS, ..Limits::default() }).unwrap()
}

fn drain(relay: &mut Relay, ms: u64) -> Vec<Move> {
    std::iter::from_fn(|| relay.tick(at(ms))).collect()
}

fn on(cause: Cause) -> Vec<Move> {
    vec![Move { on: true, cause }]
}

fn off(cause: Cause) -> Vec<Move> {
    vec![Move { on: false, cause }]
}

#[test]
fn a_pulse_goes_on_and_comes_back() {
    let mut r = relay(None, 0);
    assert!(!r.level());
    assert_eq!(drain(&mut r, 0), []);
    assert_eq!(r.pulse(3, 500 * MS, at(10)), Answer::Starts);
    assert_eq!(drain(&mut r, 10), on(Cause::Rule(3)));
    assert!(r.level());
    assert_eq!(r.next_deadline(), Some(at(510)));
    assert_eq!(drain(&mut r, 509), []);
    assert_eq!(drain(&mut r, 510), off(Cause::TimeOver));
    assert_eq!((r.level(), r.next_deadline(), r.moves()), (false, None, 1));
    assert_eq!(r.last(), Some((at(510), Cause::TimeOver)));
}

#[test]
fn overlapping_pulses_extend_and_never_shorten() {
    let mut r = relay(None, 0);
    r.pulse(0, 500 * MS, at(0));
    drain(&mut r, 0);
    assert_eq!(r.pulse(1, 100 * MS, at(50)), Answer::Extends);
    assert_eq!(r.next_deadline(), Some(at(500)));
    assert_eq!(r.pulse(1, 600 * MS, at(300)), Answer::Extends);
    assert_eq!(r.next_deadline(), Some(at(900)));
    assert_eq!(drain(&mut r, 500), []);
    assert_eq!(drain(&mut r, 900), off(Cause::TimeOver));
}

#[test]
fn two_pulses_before_the_first_tick_give_the_longer_one() {
    let mut r = relay(None, 0);
    r.pulse(0, 500 * MS, at(0));
    r.pulse(1, 100 * MS, at(0));
    assert_eq!(drain(&mut r, 0), on(Cause::Rule(0)));
    assert_eq!(r.next_deadline(), Some(at(500)));
}

#[test]
fn a_safe_level_of_on_turns_every_move_round() {
    let mut r = Relay::new(Limits { safe_on: true, ..Limits::default() }).unwrap();
    assert!(r.level() && !r.is_active());
    r.pulse(0, 10 * MS, at(0));
    assert_eq!(drain(&mut r, 0), off(Cause::Rule(0)));
    assert_eq!(drain(&mut r, 10), on(Cause::TimeOver));
    assert!(r.level());
}

#[test]
fn stays_on_until_the_last_of_several_holds_is_released() {
    let mut r = relay(None, 0);
    for rule in [0, 63, 64, 255] {
        r.hold(rule, at(0));
    }
    assert_eq!(drain(&mut r, 0), on(Cause::Rule(0)));
    for rule in [0, 64, 255, 7] {
        r.release(rule, at(20));
        assert_eq!(drain(&mut r, 20), []);
        assert_eq!(r.next_deadline(), None);
    }
    r.release(63, at(30));
    assert_eq!(r.next_deadline(), Some(at(30)));
    assert_eq!(drain(&mut r, 30), off(Cause::Released));
}

#[test]
fn a_pulse_outlives_a_released_hold_and_a_hold_outlives_a_pulse() {
    let mut r = relay(None, 0);
    r.hold(0, at(0));
    r.pulse(1, 100 * MS, at(0));
    drain(&mut r, 0);
    r.release(0, at(40));
    assert_eq!(drain(&mut r, 99), []);
    assert_eq!(drain(&mut r, 100), off(Cause::TimeOver));

    r.pulse(1, 100 * MS, at(200));
    r.hold(0, at(200));
    drain(&mut r, 200);
    assert_eq!(drain(&mut r, 5_000), []);
    r.release(0, at(5_001));
    assert_eq!(drain(&mut r, 5_001), off(Cause::Released));
}

#[test]
fn the_longest_time_on_cuts_holds_and_pulses_off_for_good() {
    let mut r = relay(Some(1_000), 0);
    r.hold(0, at(0));
    r.pulse(1, 60_000 * MS, at(0));
    drain(&mut r, 0);
    assert_eq!(r.next_deadline(), Some(at(1_000)));
    assert_eq!(drain(&mut r, 1_000), off(Cause::MaxOn));
    assert_eq!(drain(&mut r, 50_000), []);
    assert_eq!(r.next_deadline(), None);
    r.release(0, at(50_000));
    assert_eq!(r.hold(0, at(50_001)), Answer::Starts);
    assert_eq!(drain(&mut r, 50_001), on(Cause::Rule(0)));
}

#[test]
fn a_request_after_an_overdue_cut_is_not_lost_and_does_not_prolong() {
    let mut r = relay(Some(100), 50);
    r.hold(0, at(0));
    drain(&mut r, 0);
    assert!(matches!(r.pulse(1, 20 * MS, at(130)), Answer::Waits(_)));
    assert_eq!(drain(&mut r, 130), off(Cause::MaxOn));
    assert_eq!(drain(&mut r, 179), []);
    assert_eq!(drain(&mut r, 180), on(Cause::Rule(1)));
    assert_eq!(drain(&mut r, 200), off(Cause::TimeOver));
}

#[test]
fn rests_between_two_stretches_and_then_runs_in_full() {
    let mut r = relay(None, 1_000);
    r.pulse(0, 100 * MS, at(0));
    drain(&mut r, 0);
    drain(&mut r, 100);
    assert_eq!(r.pulse(0, 100 * MS, at(200)), Answer::Waits(at(1_100)));
    assert_eq!(r.pulse(1, 300 * MS, at(250)), Answer::Waits(at(1_100)));
    assert_eq!(r.next_deadline(), Some(at(1_100)));
    assert_eq!(drain(&mut r, 1_099), []);
    assert_eq!(drain(&mut r, 1_100), on(Cause::Rule(0)));
    assert_eq!(drain(&mut r, 1_400), off(Cause::TimeOver));
}

#[test]
fn a_hold_released_while_it_waits_never_starts() {
    let mut r = relay(None, 1_000);
    r.pulse(0, MS, at(0));
    drain(&mut r, 0);
    drain(&mut r, 1);
    r.hold(4, at(10));
    r.release(4, at(20));
    assert_eq!(r.next_deadline(), None);
    assert_eq!(drain(&mut r, 5_000), []);
    r.pulse(9, MS, at(5_001));
    assert_eq!(
        drain(&mut r, 5_001),
        on(Cause::Rule(9)),
        "the cause is the rule that asked, not the one that gave up"
    );
}

#[test]
fn a_test_clicks_once_and_gives_way() {
    let mut r = relay(Some(200), 0);
    assert_eq!(r.test(100 * MS, at(0)), Answer::Starts);
    assert_eq!(r.test(100 * MS, at(0)), Answer::Busy);
    assert_eq!(drain(&mut r, 0), on(Cause::Test));
    assert_eq!(r.test(100 * MS, at(50)), Answer::Busy);
    assert_eq!(r.next_deadline(), Some(at(100)));
    assert_eq!(r.pulse(0, 100 * MS, at(50)), Answer::Extends, "an alarm goes on during a test");
    assert_eq!(drain(&mut r, 150), off(Cause::TimeOver));
    assert_eq!((r.test(0, at(160)), r.pulse(0, 0, at(160))), (Answer::Refused, Answer::Refused));
    assert_eq!(r.test(5_000 * MS, at(160)), Answer::Starts);
    drain(&mut r, 160);
    assert_eq!(drain(&mut r, 360), off(Cause::MaxOn), "a test obeys the limits too");
}

#[test]
fn safe_is_at_once_and_forgets_everything() {
    let mut r = relay(None, 100);
    r.hold(0, at(0));
    drain(&mut r, 0);
    r.force_safe(Cause::Person);
    assert!(r.next_deadline().is_some_and(|due| due <= at(5)));
    assert_eq!(drain(&mut r, 5), off(Cause::Person));
    assert_eq!(drain(&mut r, 500), []);
    r.force_safe(Cause::Person);
    assert_eq!(drain(&mut r, 501), [], "safe already");
    assert_eq!(r.pulse(1, MS, at(502)), Answer::Starts);
    assert_eq!(drain(&mut r, 502), on(Cause::Rule(1)));
}

#[test]
fn safe_forgets_what_waits_for_the_rest_to_end() {
    for last_word in [Relay::force_safe, Relay::stop] as [fn(&mut Relay, Cause); 2] {
        let mut r = relay(None, 100);
        r.pulse(0, MS, at(0));
        drain(&mut r, 0);
        drain(&mut r, 1);
        assert_eq!(r.pulse(0, MS, at(2)), Answer::Waits(at(101)));
        last_word(&mut r, Cause::Stop);
        assert_eq!(r.next_deadline(), None);
        assert_eq!(drain(&mut r, 500), []);
    }
}

#[test]
fn safe_comes_before_a_pulse_that_is_asked_in_the_same_moment() {
    let mut r = relay(None, 10);
    r.hold(0, at(0));
    drain(&mut r, 0);
    r.force_safe(Cause::Person);
    assert!(matches!(r.pulse(1, 5 * MS, at(3)), Answer::Waits(_)));
    assert_eq!(drain(&mut r, 3), off(Cause::Person));
    assert_eq!(drain(&mut r, 13), on(Cause::Rule(1)));
}

#[test]
fn a_stop_is_final() {
    let mut r = relay(None, 0);
    r.pulse(0, 1_000 * MS, at(0));
    drain(&mut r, 0);
    r.stop(Cause::Stop);
    assert_eq!(r.pulse(0, MS, at(1)), Answer::Refused);
    assert_eq!(r.hold(0, at(1)), Answer::Refused);
    assert_eq!(r.test(MS, at(1)), Answer::Refused);
    assert_eq!(drain(&mut r, 1), off(Cause::Stop));
    assert_eq!(r.hold(0, at(9)), Answer::Refused);
    assert_eq!(drain(&mut r, 9_000), []);
}

#[test]
fn a_latch_stays_until_somebody_ends_it_and_obeys_the_longest_time_on() {
    let mut r = relay(Some(60_000), 0);
    assert_eq!(r.latch(2, at(0)), Answer::Starts);
    r.hold(1, at(0));
    assert_eq!(drain(&mut r, 0), on(Cause::Rule(2)));
    r.release(1, at(5));
    r.release(2, at(5));
    assert_eq!(drain(&mut r, 59_000), [], "the end of a hold does not end the latch");
    r.unlatch(7, at(59_500));
    assert_eq!(drain(&mut r, 59_500), off(Cause::Unlatched(7)));
    r.latch(2, at(60_000));
    drain(&mut r, 60_000);
    assert_eq!(drain(&mut r, 120_000), off(Cause::MaxOn));
    assert_eq!(drain(&mut r, 900_000), [], "a latch that was cut off does not come back");
}

#[test]
fn refuses_while_it_cools_down_and_not_after() {
    let mut r = Relay::new(Limits { cooldown_us: 1_000 * MS, ..Limits::default() }).unwrap();
    assert_eq!(r.pulse(0, 100 * MS, at(0)), Answer::Starts);
    drain(&mut r, 0);
    assert_eq!(r.pulse(1, 200 * MS, at(50)), Answer::Extends, "what is on may stay on");
    drain(&mut r, 250);
    assert_eq!(r.pulse(0, 100 * MS, at(300)), Answer::Cools(at(1_250)));
    assert_eq!(r.test(100 * MS, at(300)), Answer::Cools(at(1_250)));
    assert_eq!((drain(&mut r, 1_250), r.next_deadline()), (vec![], None), "refused, not kept");
    assert_eq!(r.hold(0, at(1_250)), Answer::Starts);
}

#[test]
fn a_relay_that_may_never_be_on_is_refused() {
    let limits = Limits { max_on_us: Some(0), ..Limits::default() };
    assert_eq!(Relay::new(limits).err(), Some(RulesError::NoTimeOn));
}

/// One thing that can happen to a relay.
#[derive(Debug, Clone)]
enum Step {
    Pulse(u8, u64),
    Hold(u8),
    Release(u8),
    Latch(u8),
    Unlatch(u8),
    Test(u64),
    Safe,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8, 1..80u64).prop_map(|(rule, us)| Step::Pulse(rule, us)),
        2 => (0..4u8).prop_map(Step::Hold),
        2 => (0..4u8).prop_map(Step::Release),
        1 => (0..4u8).prop_map(Step::Latch),
        1 => (0..4u8).prop_map(Step::Unlatch),
        1 => (1..50u64).prop_map(Step::Test),
        1 => Just(Step::Safe),
        8 => (1..60u64).prop_map(Step::Pass),
    ]
}

/// A relay whose shell wakes exactly at each deadline, and what its contact did.
struct Run {
    relay: Relay,
    now: Micros,
    edges: Vec<(Micros, Move)>,
}

impl Run {
    fn new(limits: Limits) -> Self {
        Self { relay: Relay::new(limits).unwrap(), now: Micros(0), edges: vec![] }
    }

    fn settle(&mut self) {
        while let Some(m) = self.relay.tick(self.now) {
            self.edges.push((self.now, m));
            assert!(self.edges.len() < 10_000, "drains");
        }
        self.relay.check_invariants();
    }

    fn pass(&mut self, us: u64) {
        let end = self.now.plus(us);
        while let Some(due) = self.relay.next_deadline().filter(|due| *due <= end) {
            assert!(due > self.now, "a drained relay has nothing due: {due:?} at {:?}", self.now);
            self.now = due;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Pulse(rule, us) => {
                    let before = self.relay.next_deadline();
                    let was_active = self.relay.is_active();
                    let answer = self.relay.pulse(rule, us, self.now);
                    if was_active && answer == Answer::Extends {
                        assert!(self.relay.next_deadline() >= before, "never shorter");
                    }
                }
                Step::Hold(rule) => {
                    let _ = self.relay.hold(rule, self.now);
                }
                Step::Release(rule) => self.relay.release(rule, self.now),
                Step::Latch(rule) => {
                    let _ = self.relay.latch(rule, self.now);
                }
                Step::Unlatch(rule) => self.relay.unlatch(rule, self.now),
                Step::Test(us) => {
                    let _ = self.relay.test(us, self.now);
                }
                Step::Safe => self.relay.force_safe(Cause::Person),
                Step::Pass(us) => self.pass(us),
            }
            self.settle();
        }
    }
}

proptest! {
    #[test]
    fn keeps_its_limits_whatever_is_asked(
        steps in prop::collection::vec(step(), 1..120),
        safe_on: bool, max_on_us in prop::option::of(1..100u64), min_off_us in 0..100u64,
        cooldown_us in prop_oneof![Just(0), 0..150u64],
    ) {
        let limits = Limits { safe_on, max_on_us, min_off_us, cooldown_us };
        let mut run = Run::new(limits);
        run.run(&steps);
        for rule in 0..4 {
            run.relay.release(rule, run.now);
        }
        run.relay.unlatch(0, run.now);
        run.settle();
        run.pass(100_000);
        prop_assert_eq!(run.relay.next_deadline(), None);
        prop_assert_eq!(run.relay.level(), safe_on, "at rest after the last deadline");

        for (i, (when, edge)) in run.edges.iter().enumerate() {
            let leaves = i % 2 == 0;
            prop_assert_eq!(edge.on != safe_on, leaves, "moves alternate, the first leaves the safe level");
            let Some((next, _)) = run.edges.get(i + 1) else { continue };
            if leaves {
                prop_assert!(max_on_us.is_none_or(|max| next.since(*when) <= max), "on for too long");
            } else {
                prop_assert!(next.since(*when) >= min_off_us.max(cooldown_us), "not enough rest");
            }
        }
        prop_assert_eq!(run.edges.len() as u64, run.relay.moves() * 2);
    }

    #[test]
    fn a_late_shell_still_comes_to_rest(
        steps in prop::collection::vec(step(), 1..60), late in 1..500u64, max_on_us in 1..100u64,
    ) {
        // Nothing is drained while things are asked: the worst shell.
        let mut relay = Relay::new(Limits { max_on_us: Some(max_on_us), min_off_us: 5, ..Limits::default() }).unwrap();
        let mut now = Micros(0);
        for step in &steps {
            match *step {
                Step::Pulse(rule, us) => {
 let _ = relay.pulse(rule, us, now);
 }
                Step::Hold(rule) => {
 let _ = relay.hold(rule, now);
 }
                Step::Release(rule) => relay.release(rule, now),
                Step::Latch(rule) => {
                    let _ = relay.latch(rule, now);
                }
                Step::Unlatch(rule) => relay.unlatch(rule, now),
                Step::Test(us) => {
 let _ = relay.test(us, now);
 }
                Step::Safe => relay.force_safe(Cause::Person),
                Step::Pass(us) => {
                    now = now.plus(us * late);
                    let _ = relay.tick(now);
                }
            }
        }
        for _ in 0..16 {
            now = now.plus(1_000);
            while relay.tick(now).is_some() {}
        }
        prop_assert!(!relay.level());
        prop_assert_eq!(relay.next_deadline(), None);
    }
}
