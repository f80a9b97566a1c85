//! Updates of a board made of numbers, with the agent and its power cut after every action.

use super::world::{Cut, GOOD, Plan, World, order, update};
use super::*;
use proptest::prelude::*;

const PLANS: &[(Plan, Outcome)] = &[
    (GOOD, Outcome::Kept),
    (Plan { reboots: false, origin: Origin::Page, ..GOOD }, Outcome::Kept),
    (Plan { healthy: false, ..GOOD }, Outcome::RolledBack),
    (Plan { boots: false, ..GOOD }, Outcome::RolledBack),
    (Plan { confirms: false, ..GOOD }, Outcome::RolledBack),
    (Plan { installs: false, origin: Origin::Usb, ..GOOD }, Outcome::Failed),
];

#[test]
fn without_a_cut_every_update_ends_as_it_should() {
    for (plan, outcome) in PLANS {
        for from in [0, 1] {
            let world = update(*plan, from, &[], &[]);
            assert_eq!(world.assert_over(), *outcome, "{plan:?}: {:#?}", world.log);
        }
    }
    let reason = |plan| update(plan, 0, &[], &[]).history[0].reason.clone();
    assert_eq!(reason(Plan { healthy: false, ..GOOD }), "camera \"front\" does not record");
    assert!(reason(Plan { boots: false, ..GOOD }).contains("boot loader went back to slot A"));
    assert!(reason(Plan { confirms: false, ..GOOD }).contains("could not be marked good: RAUC is gone"));
    assert_eq!(reason(Plan { installs: false, ..GOOD }), "no space");
}

/// Every one and every pair of cuts, of the agent and of the power, in both directions.
#[test]
fn a_cut_at_any_point_loses_nothing() {
    let mut runs = 0;
    for (plan, outcome) in PLANS {
        for from in [0, 1] {
            let length = update(*plan, from, &[], &[]).done + 2;
            for first in 0..length {
                for kind in [Cut::Agent, Cut::Power] {
                    let world = update(*plan, from, &[(first, kind)], &[]);
                    let result = world.assert_over();
                    runs += 1;
                    // one cut costs no update: it ends as without, unless the system on trial lost its power
                    assert!(
                        result == *outcome || (*outcome == Outcome::Kept && result == Outcome::RolledBack),
                        "{plan:?} {kind:?} after {first}: {result:?}"
                    );
                    if plan.healthy && plan.boots && plan.confirms && plan.installs {
                        assert_eq!(result, Outcome::Kept, "{kind:?} after {first}: {:#?}", world.log);
                    }
                    for second in first..length + 4 {
                        for other in [Cut::Agent, Cut::Power] {
                            update(*plan, from, &[(first, kind), (second, other)], &[]).assert_over();
                            runs += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(runs > 5_000, "{runs}");
}

/// Found by the property below: the power goes before anything is written until the boot loader has given slot A up.
#[test]
fn an_update_begins_in_the_slot_that_runs_when_it_is_asked_for() {
    for from in [0, 1] {
        let world = update(GOOD, from, &[(0, Cut::Power); 4], &[]);
        assert_eq!((world.assert_over(), world.from), (Outcome::Kept, 1 - from), "{:#?}", world.log);
    }
}

/// Found by the property below: the agent ends each time before it hears that the copy is done, gives up, and the power goes.
#[test]
fn an_update_that_was_given_up_is_never_kept_unjudged() {
    for (third, kind) in (0..12).flat_map(|n| [(n, Cut::Agent), (n, Cut::Power)]) {
        let cuts = [(1, Cut::Agent), (8, Cut::Agent), (15, Cut::Agent), (15 + third, kind)];
        for then in 0..8 {
            let world = update(GOOD, 1, &[&cuts[..], &[(15 + third + then, Cut::Power)]].concat(), &[]);
            world.assert_over();
        }
    }
}

#[test]
fn cancelled_at_any_point_it_is_undone_or_too_late() {
    let length = update(GOOD, 0, &[], &[]).done;
    let (mut undone, mut kept) = (0, 0);
    for plan in [GOOD, Plan { reboots: false, ..GOOD }] {
        for at in 0..length {
            for (cut_at, cut) in (0..length).flat_map(|n| [(n, Cut::Agent), (n, Cut::Power)]) {
                let world = update(plan, 0, &[(cut_at, cut)], &[(at, Event::CancelAsked)]);
                match world.assert_over() {
                    Outcome::Kept => kept += 1,
                    Outcome::Cancelled => undone += 1,
                    // cancelled, and yet started by a power cut before RAUC was told: it goes back
                    Outcome::RolledBack => {
                        assert_eq!(world.history[0].reason, "it was cancelled while it was installed")
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(undone > 20 && kept > 20, "{undone} {kept}");
}

#[test]
fn an_installation_that_keeps_breaking_off_is_given_up() {
    // the power goes each time that RAUC copies
    let mut world = World::new(GOOD, 1);
    world.settle();
    world.tell(Event::Asked(order(GOOD, 1))).unwrap();
    for _ in 0..MAX_TRIES {
        while !world.copying {
            assert!(world.step(), "{:#?}", world.log);
        }
        world.cut(Cut::Power);
    }
    world.settle();
    assert_eq!(world.assert_over(), Outcome::Failed);
    assert_eq!(world.history[0].reason, "the installation broke off 3 times: the power went, or RAUC ended");
}

#[test]
fn only_one_update_at_a_time() {
    let mut world = World::new(GOOD, 0);
    world.tell(Event::Asked(order(GOOD, 1))).unwrap();
    let refused = world.tell(Event::Asked(order(GOOD, 2))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "an update to 2.0 goes on: it is installed into the other slot; wait for it, or cancel it"
    );
    world.settle();
    world.tell(Event::CancelAsked).unwrap_err();
    assert_eq!(world.assert_over(), Outcome::Kept);
}

#[test]
fn what_does_not_fit_is_entered_and_told_and_touches_nothing() {
    let mut world = World::new(GOOD, 0);
    world.settle();
    world.tell(Event::Unfit(order(GOOD, 7), "it is for another board".into())).unwrap();
    world.settle();
    assert_eq!(world.assert_over(), Outcome::Refused);
    assert_eq!(world.closed[0].reason, "it is for another board");
    assert_eq!(world.systems[1].version, "1.0");
}

#[test]
fn what_an_older_or_newer_agent_wrote_is_understood() {
    let mut world = World::new(GOOD, 0);
    world.tell(Event::Asked(order(GOOD, 1))).unwrap();
    let journal = world.machine.journal().unwrap().clone();
    let mut text = serde_json::to_value(&journal).unwrap();
    assert_eq!(serde_json::from_value::<Journal>(text.clone()).unwrap(), journal);
    assert!(!format!("{journal:?}").contains("abc"), "a token is written down, never shown");
    text["invented_later"] = 1.into();
    text["step"]["as_well"] = true.into();
    assert_eq!(serde_json::from_value::<Journal>(text).unwrap(), journal);
}

/// Mains that flap: all tries of a slot are used up before the agent does anything, at any point, and after any cut of the agent.
#[test]
fn power_that_goes_until_no_try_is_left_never_starts_half_a_system_nor_the_wrong_one() {
    for (plan, _) in PLANS {
        for from in [0, 1] {
            let length = update(*plan, from, &[], &[]).done + 2;
            for at in 0..length {
                for times in [4, 7] {
                    update(*plan, from, &vec![(at, Cut::Power); times], &[]).assert_over();
                    for first in 0..=at {
                        for second in first..=at {
                            let mut cuts = vec![(first, Cut::Agent), (second, Cut::Agent)];
                            cuts.extend(vec![(at, Cut::Power); times]);
                            update(*plan, from, &cuts, &[]).assert_over();
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_it_comes_to_rest_with_one_system_and_one_entry(
        installs in prop::bool::weighted(0.8),
        boots in prop::bool::weighted(0.8),
        healthy in prop::bool::weighted(0.7),
        confirms in prop::bool::weighted(0.9),
        reboots: bool,
        from in 0usize..2,
        gaps in prop::collection::vec((0usize..9, prop::bool::ANY), 0..8),
        asks in prop::collection::vec((0usize..30, 0u8..3), 0..4),
    ) {
        let plan = Plan { installs, boots, healthy, confirms, reboots, origin: Origin::Fleet };
        let mut at = 0;
        let cuts: Vec<_> = gaps.iter().map(|(gap, power)| {
            at += gap;
            (at, if *power { Cut::Power } else { Cut::Agent })
        }).collect();
        let asks: Vec<_> = asks.iter().map(|(n, what)| (*n, match what {
            0 => Event::CancelAsked,
            1 => Event::RebootAsked,
            _ => Event::Asked(order(plan, 2)),
        })).collect();
        update(plan, from, &cuts, &asks).assert_over();
    }
}
