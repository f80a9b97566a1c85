//! A board made of numbers: two slots, a boot loader that counts, RAUC, a disk; and an update of it with the agent and its power cut.

use super::*;
use crate::gate::Baseline;
use nightjar_types::Secret;
use std::collections::VecDeque;

/// Attempts that the boot loader gives a slot.
const LEFT: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The agent ends and is started again; RAUC goes on.
    Agent,
    /// The power goes.
    Power,
}

/// How the new system turns out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) installs: bool,
    pub(super) boots: bool,
    pub(super) healthy: bool,
    pub(super) confirms: bool,
    pub(super) reboots: bool,
    pub(super) origin: Origin,
}

pub(super) const GOOD: Plan =
    Plan { installs: true, boots: true, healthy: true, confirms: true, reboots: true, origin: Origin::Fleet };

#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) version: String,
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

pub(super) struct World {
    plan: Plan,
    pub(super) systems: [System; 2],
    primary: usize,
    booted: usize,
    boots: u64,
    pub(super) copying: bool,
    disk: Option<Journal>,
    pub(super) history: Vec<Entry>,
    pub(super) closed: Vec<Entry>,
    found_good: Option<usize>,
    confirmed: Option<usize>,
    floor_raised: bool,
    pub(super) machine: Slots,
    queue: VecDeque<Item>,
    pub(super) done: usize,
    /// The slot that runs when the update is asked for.
    pub(super) from: usize,
    pub(super) log: Vec<String>,
}

fn slot(n: usize) -> Slot {
    Slot { name: format!("rootfs.{n}"), label: ["A", "B"][n].into() }
}

pub(super) fn order(plan: Plan, n: u32) -> Order {
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
    pub(super) fn new(plan: Plan, from: usize) -> Self {
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

    pub(super) fn tell(&mut self, event: Event) -> Result<(), Refusal> {
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

    pub(super) fn cut(&mut self, cut: Cut) {
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
    pub(super) fn step(&mut self) -> bool {
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
                let is_kept = matches!(&self.disk, Some(Journal { step: Step::Over { entry }, .. }) if entry.result == Outcome::Kept);
                let n = if is_kept { 1 - self.from } else { self.from };
                assert_eq!(to, slot(n));
                self.primary = n;
                self.systems[n].left = LEFT;
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
    pub(super) fn settle(&mut self) {
        for _ in 0..400 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest: {:#?}", self.log);
    }

    /// At rest: entered and told once, and the right system runs.
    pub(super) fn assert_over(&self) -> Outcome {
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
pub(super) fn update(plan: Plan, from: usize, cuts: &[(usize, Cut)], asks: &[(usize, Event)]) -> World {
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
                // Once the update is over, it is another story that power which goes at each start makes the boot loader try the
                // other slot.
                let is_over = world.disk.is_none() && !world.history.is_empty();
                if !(is_over && *cut == Cut::Power && world.systems[world.booted].left == 0) {
                    world.cut(*cut);
                    world.check();
                }
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
