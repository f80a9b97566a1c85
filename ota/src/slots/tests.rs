//! A board made of numbers: two slots, a boot loader that counts, RAUC, a disk. The agent and its power are cut after every action.

use super::*;
use crate::gate::Baseline;
use nightjar_types::Secret;
use proptest::prelude::*;
use std::collections::VecDeque;

/// Attempts that the boot loader gives a slot.
const LEFT: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The agent ends and is started again; RAUC goes on.
    Agent,
    /// The power goes.
    Power,
}

/// How the new system turns out.
#[derive(Debug, Clone, Copy)]
struct Plan {
    installs: bool,
    boots: bool,
    healthy: bool,
    confirms: bool,
    reboots: bool,
    origin: Origin,
}

const GOOD: Plan =
    Plan { installs: true, boots: true, healthy: true, confirms: true, reboots: true, origin: Origin::Fleet };

#[derive(Debug, Clone)]
struct System {
    version: String,
    whole: bool,
    bootable: bool,
    left: u8,
}

#[derive(Debug, Clone)]
enum Item {
    Do(Action),
    /// RAUC's copy ends.
    Copied,
    Tell(Event),
}

struct World {
    plan: Plan,
    systems: [System; 2],
    primary: usize,
    booted: usize,
    boots: u64,
    copying: bool,
    disk: Option<Journal>,
    history: Vec<Entry>,
    closed: Vec<Entry>,
    found_good: Option<usize>,
    confirmed: Option<usize>,
    floor_raised: bool,
    machine: Slots,
    queue: VecDeque<Item>,
    done: usize,
    /// The slot that runs when the update is asked for.
    from: usize,
    log: Vec<String>,
}

fn slot(n: usize) -> Slot {
    Slot { name: format!("rootfs.{n}"), label: ["A", "B"][n].into() }
}

fn order(plan: Plan, n: u32) -> Order {
    Order {
        action: format!("action-{n}"),
        origin: plan.origin,
        bundle: "http://fleet/new.raucb".into(),
        headers: vec![Secret::new("Authorization: TargetToken abc".into())],
        tls: Tls::default(),
        version: "2.0".into(),
        baseline: Baseline::default(),
    }
}

impl World {
    fn new(plan: Plan, from: usize) -> Self {
        let system = System { version: "1.0".into(), whole: true, bootable: true, left: LEFT };
        let boot = Boot { slot: slot(from), other: slot(1 - from), id: "1".into(), version: "1.0".into() };
        let (machine, actions) = Slots::start(boot, None, plan.reboots);
        Self {
            plan,
            systems: [system.clone(), system],
            primary: from,
            booted: from,
            boots: 1,
            copying: false,
            disk: None,
            history: Vec::new(),
            closed: Vec::new(),
            found_good: None,
            confirmed: None,
            floor_raised: false,
            machine,
            queue: actions.into_iter().map(Item::Do).collect(),
            done: 0,
            from,
            log: Vec::new(),
        }
    }

    fn boot(&self) -> Boot {
        let version = self.systems[self.booted].version.clone();
        Boot { slot: slot(self.booted), other: slot(1 - self.booted), id: self.boots.to_string(), version }
    }

    fn tell(&mut self, event: Event) -> Result<(), Refusal> {
        self.log.push(format!("event {event:?}"));
        let actions = self.machine.take(event, self.boots as i64)?;
        self.queue.extend(actions.into_iter().map(Item::Do));
        Ok(())
    }

    fn start_agent(&mut self) {
        let (machine, actions) = Slots::start(self.boot(), self.disk.clone(), self.plan.reboots);
        self.machine = machine;
        self.queue = actions.into_iter().map(Item::Do).collect();
        // what RAUC is at does not end with the agent
        if self.copying {
            self.queue.push_back(Item::Copied);
        }
    }

    fn cut(&mut self, cut: Cut) {
        self.log.push(format!("cut {cut:?}"));
        match cut {
            Cut::Agent => self.start_agent(),
            Cut::Power => self.power_cycle(),
        }
    }

    fn power_cycle(&mut self) {
        self.copying = false;
        loop {
            self.boots += 1;
            let order = [self.primary, 1 - self.primary];
            let chosen = order.into_iter().find(|n| self.systems[*n].bootable && self.systems[*n].left > 0);
            let Some(n) = chosen else {
                // As `uboot-ab.cmd`: tries begin again, and what RAUC took out of BOOT_ORDER before it wrote to it stays out.
                self.systems.iter_mut().for_each(|s| s.left = LEFT);
                continue;
            };
            self.systems[n].left -= 1;
            assert!(self.systems[n].whole, "the boot loader started half a system: {:?}", self.log);
            let comes_up = n == self.from || self.plan.boots;
            if comes_up {
                self.booted = n;
                self.log.push(format!("boot {} in {}", self.boots, slot(n).label));
                return self.start_agent();
            }
        }
    }

    /// One thing. False: there is nothing to do.
    fn step(&mut self) -> bool {
        let Some(item) = self.queue.pop_front() else { return false };
        self.done += 1;
        self.log.push(format!("{item:?}").chars().take(90).collect());
        match item {
            Item::Tell(event) => drop(self.tell(event)),
            Item::Copied => {
                if !self.copying {
                    return true;
                }
                self.copying = false;
                let n = 1 - self.booted;
                if self.plan.installs {
                    let version = "2.0".into();
                    self.systems[n] = System { version, whole: true, bootable: true, left: LEFT };
                    self.primary = n;
                }
                let result = if self.plan.installs { Ok(()) } else { Err("no space".into()) };
                let _ = self.tell(Event::Installed(result));
            }
            Item::Do(action) => self.act(action),
        }
        self.check();
        true
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Write(journal) => self.disk = Some(*journal),
            Action::Erase => self.disk = None,
            Action::Install(order) => {
                assert_eq!(order.bundle, "http://fleet/new.raucb");
                let j = self.disk.as_ref().expect("the journal is written before the slot is touched");
                assert!(matches!(j.step, Step::Installing { .. }) && j.from == slot(self.booted));
                if !self.copying {
                    let n = 1 - self.booted;
                    assert_ne!(n, self.from, "the slot it came from is never written");
                    (self.systems[n].whole, self.systems[n].bootable) = (false, false);
                    self.copying = true;
                }
                self.queue.push_back(Item::Copied);
            }
            Action::AwaitInstaller => {
                if !self.copying {
                    self.queue.push_front(Item::Tell(Event::InstallerIdle));
                }
            }
            Action::MarkGood => self.mark_good(),
            Action::Confirm => {
                assert_eq!(self.found_good, Some(self.booted), "only what was found good is confirmed");
                let result = if self.plan.confirms { Ok(()) } else { Err("RAUC is gone".into()) };
                if result.is_ok() {
                    self.mark_good();
                    self.confirmed = Some(self.booted);
                }
                self.queue.push_front(Item::Tell(Event::Confirmed(result)));
            }
            Action::MarkBad => {
                assert_ne!(self.booted, self.from, "the slot it came from is never marked bad");
                self.systems[self.booted].bootable = false;
            }
            Action::Activate(to) => {
                assert_eq!(to, slot(self.from));
                self.primary = self.from;
                self.systems[self.from].left = LEFT;
                self.queue.push_front(Item::Tell(Event::Activated(Ok(()))));
            }
            Action::Reboot => self.power_cycle(),
            Action::Judge(journal) => {
                assert_ne!(self.booted, self.from);
                assert_eq!(self.disk.as_ref().map(|d| &d.step), Some(&Step::Trial), "{:?}", journal.step);
                let verdict = if self.plan.healthy {
                    Event::FoundGood(Gap { seconds: Some(12), clock_sure: Some(true) })
                } else {
                    Event::FoundBad("camera \"front\" does not record".into())
                };
                self.queue.push_back(Item::Tell(verdict));
            }
            Action::AwaitRecording(_) => {
                assert_eq!(self.booted, self.from);
                self.queue
                    .push_back(Item::Tell(Event::Recorded(Gap { seconds: Some(40), clock_sure: None })));
            }
            Action::RaiseFloor => self.floor_raised = true,
            Action::Enter(entry) => {
                if self.history.iter().all(|e| e.action != entry.action) {
                    self.history.push(entry);
                }
            }
            Action::Tell(Feedback::Proceeding { .. }) => {}
            Action::Tell(Feedback::Closed { entry }) => {
                assert_eq!(self.history.last(), Some(&entry), "what is told has been entered");
                if self.closed.iter().all(|e| e.action != entry.action) {
                    self.closed.push(entry);
                }
            }
        }
        // a verdict is known to the world when the machine has heard it
        if let Some(Item::Tell(Event::FoundGood(_))) = self.queue.back() {
            self.found_good = Some(self.booted);
        }
    }

    fn mark_good(&mut self) {
        self.systems[self.booted].left = LEFT;
        self.systems[self.booted].bootable = true;
    }

    fn check(&self) {
        if let Some(j) = &self.disk {
            assert_eq!((&j.from, &j.to), (&slot(self.from), &slot(1 - self.from)), "{:?}", self.log);
        }
        for entry in self.history.iter().chain(&self.closed).filter(|e| e.result == Outcome::Kept) {
            assert_eq!((self.found_good, self.confirmed), (Some(1 - self.from), Some(1 - self.from)));
            assert_eq!(entry.version, "2.0");
        }
        assert!(self.systems[self.from].whole && self.systems[self.from].version == "1.0");
    }

    /// Until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..400 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest: {:#?}", self.log);
    }

    /// At rest: entered and told once, and the right system runs.
    fn assert_over(&self) -> Outcome {
        assert_eq!(self.disk, None, "{:#?}", self.log);
        assert_eq!(self.history.len(), 1, "{:#?}", self.log);
        let from_fleet = usize::from(self.plan.origin == Origin::Fleet);
        assert_eq!(self.closed.len(), from_fleet, "{:#?}", self.log);
        let result = self.history[0].result;
        let runs = if result == Outcome::Kept { 1 - self.from } else { self.from };
        assert_eq!(self.booted, runs, "{result:?}: {:#?}", self.log);
        assert_eq!(self.floor_raised, result == Outcome::Kept);
        assert!(!self.history[0].reason.is_empty());
        result
    }
}

/// One update with cuts after so many things done.
fn update(plan: Plan, from: usize, cuts: &[(usize, Cut)], asks: &[(usize, Event)]) -> World {
    let mut world = World::new(plan, from);
    world.settle();
    world.done = 0;
    world.tell(Event::Asked(order(plan, 1))).unwrap();
    let (mut cuts, mut asks) = (cuts.to_vec(), asks.to_vec());
    for _ in 0..1_000 {
        // an order that never reached the disk is gone, and is asked for again by whoever wants it, in the slot that runs by then
        if world.disk.is_none() && world.history.is_empty() && world.queue.is_empty() {
            world.from = world.booted;
            let _ = world.tell(Event::Asked(order(plan, 1)));
        }
        if let Some(at) = asks.iter().position(|(n, _)| *n == world.done) {
            let event = asks.remove(at).1;
            // a second wish is refused while one goes on; afterwards it would be another story
            if !matches!(event, Event::Asked(_)) || world.machine.journal().is_some() {
                let _ = world.tell(event);
            }
        }
        match cuts.first() {
            Some((n, cut)) if *n == world.done => {
                world.cut(*cut);
                world.check();
                cuts.remove(0);
            }
            _ => {
                if !world.step() && (world.disk.is_none() && !world.history.is_empty()) {
                    return world;
                }
                if world.queue.is_empty() && world.disk.is_some() {
                    // installed and waiting for a person
                    let _ = world.tell(Event::RebootAsked);
                }
            }
        }
    }
    panic!("it never comes to rest: {:#?}", world.log);
}

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

/// The copy is asked for again after one that was whole and first in order; then the power goes until no slot has a try left.
#[test]
fn half_a_system_is_not_started_when_all_tries_are_used_up() {
    let plan = Plan { boots: false, healthy: false, confirms: false, reboots: false, ..GOOD };
    let cuts = [
        (3, Cut::Agent),
        (5, Cut::Agent),
        (10, Cut::Power),
        (10, Cut::Power),
        (10, Cut::Power),
        (10, Cut::Power),
    ];
    assert_eq!(update(plan, 0, &cuts, &[]).assert_over(), Outcome::RolledBack);
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
