//! Events of one update in, actions out: which slot runs, which is tried, when an update is done. Pure: no clock, file or bus.
//!
//! The journal is written before whatever a power cut could interrupt, and [`Slots::start`] finds from it what was going on. So
//! an update never loses where it came from, is never called done before the gate said so, and is entered and told once.

mod journal;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use journal::{Entry, Feedback, Gap, Journal, Order, Origin, Outcome, Slot, Step, Tls};

/// How often an installation that breaks off is begun.
pub const MAX_TRIES: u32 = 3;

/// What this boot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The slot that runs.
    pub slot: Slot,
    /// The other one.
    pub other: Slot,
    /// The kernel's random id of this boot.
    pub id: String,
    /// Version that runs.
    pub version: String,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An update is wanted, and its bundle fits.
    Asked(Order),
    /// An update is wanted, and its bundle does not fit.
    Unfit(Order, String),
    /// RAUC is done, or why it is not.
    Installed(Result<(), String>),
    /// RAUC installs nothing, though it was asked to before the agent started anew.
    InstallerIdle,
    /// Somebody wants to go on into the new system.
    RebootAsked,
    /// Somebody does not want it any more.
    CancelAsked,
    /// The old slot is what boots next, or why not.
    Activated(Result<(), String>),
    /// The new system is good.
    FoundGood(Gap),
    /// The new system is bad.
    FoundBad(String),
    /// The new system is marked good, or why not.
    Confirmed(Result<(), String>),
    /// The old system records again, or was given up waiting for.
    Recorded(Gap),
}

/// What is to be done, in this order. What reports back says so.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Replace the journal, durably. Nothing after it is done when this fails.
    Write(Box<Journal>),
    /// Remove the journal, durably.
    Erase,
    /// Have RAUC install; reports [`Event::Installed`].
    Install(Box<Order>),
    /// Wait for the installation that RAUC may be at; reports [`Event::Installed`] or [`Event::InstallerIdle`].
    AwaitInstaller,
    /// Have the boot loader stay with the slot that runs.
    MarkGood,
    /// The same for a new system; reports [`Event::Confirmed`].
    Confirm,
    /// Have the boot loader leave the slot that runs.
    MarkBad,
    /// Make a slot what boots next; reports [`Event::Activated`].
    Activate(Slot),
    /// Stop everything in order and start the board again.
    Reboot,
    /// Judge this system; reports [`Event::FoundGood`] or [`Event::FoundBad`].
    Judge(Box<Journal>),
    /// Wait until the board records, to know what it cost; reports [`Event::Recorded`].
    AwaitRecording(Box<Journal>),
    /// No system that was kept may be older than what this one allows.
    RaiseFloor,
    /// Put a line into the history, unless this update has one.
    Enter(Entry),
    /// Tell the fleet's server; what is closed is kept until it took it.
    Tell(Feedback),
}

/// Why something that a person wants is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One update at a time.
    #[error("an update to {0} goes on: {1}; wait for it, or cancel it")]
    Busy(String, &'static str),
    /// There is none.
    #[error("no update goes on")]
    Nothing,
    /// It is too late.
    #[error("{0}")]
    TooLate(&'static str),
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Slots {
    boot: Boot,
    journal: Option<Journal>,
    /// The board starts anew by itself as soon as an update is installed.
    reboots: bool,
}

impl Slots {
    /// Begins with what is on the disk. The actions find out what became of the update that went on.
    pub fn start(boot: Boot, journal: Option<Journal>, reboots: bool) -> (Self, Vec<Action>) {
        let mut slots = Self { boot, journal, reboots };
        let actions = slots.resume();
        slots.check_invariants();
        (slots, actions)
    }

    /// The update that goes on.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// What this boot is.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    fn resume(&mut self) -> Vec<Action> {
        let Some(j) = self.journal.clone() else { return vec![Action::MarkGood] };
        let is_back = self.boot.slot == j.from;
        let is_same_boot = self.boot.id == j.boot_id;
        match (j.step.clone(), is_back) {
            // It was given up, and the boot loader started it all the same: nothing that was not judged stays.
            (Step::Over { entry }, false) if entry.result != Outcome::Kept => {
                vec![Action::MarkBad, Action::Reboot]
            }
            (Step::Over { entry }, true) if entry.result == Outcome::Kept => {
                self.start_kept(entry, is_same_boot)
            }
            (Step::Over { entry }, _) => {
                let mut actions = vec![Action::MarkGood];
                actions.extend(self.closing(entry));
                actions
            }
            (Step::Installing { .. }, true) if is_same_boot => vec![Action::AwaitInstaller],
            // The power went while it was copied, or the new system was booted before this was written and did not stay.
            (Step::Installing { cancel }, true) => {
                let mut actions = vec![Action::MarkGood];
                actions.extend(self.install_again(cancel));
                actions
            }
            (Step::Installed, true) if is_same_boot => self.reboot_if_wanted(),
            (Step::Cancelling { .. }, true) => vec![Action::MarkGood, Action::Activate(j.from.clone())],
            (Step::Installed | Step::Trial | Step::Good { .. } | Step::GoingBack { .. }, true) => {
                vec![Action::MarkGood, Action::AwaitRecording(Box::new(j))]
            }
            (Step::Installing { cancel: true } | Step::Cancelling { why: None }, false) => {
                self.go_back("it was cancelled while it was installed".into())
            }
            (Step::Cancelling { why: Some(why) }, false) => self.go_back(why),
            (Step::Trial, false) if is_same_boot => vec![self.judge()],
            (Step::Installing { cancel: false } | Step::Installed | Step::Trial, false) => {
                let write = self.step(Step::Trial);
                vec![write, self.judge()]
            }
            (Step::Good { .. }, false) => vec![Action::Confirm],
            (Step::GoingBack { .. }, false) => vec![Action::MarkBad, Action::Reboot],
        }
    }

    /// What to do now that this happened. An event that fits no step is left alone: it came twice, or too late.
    pub fn take(&mut self, event: Event, now_ms: i64) -> Result<Vec<Action>, Refusal> {
        let actions = self.react(event, now_ms);
        self.check_invariants();
        actions
    }

    fn react(&mut self, event: Event, now_ms: i64) -> Result<Vec<Action>, Refusal> {
        let step = self.journal.as_ref().map(|j| j.step.clone());
        Ok(match (event, step) {
            (Event::Asked(order), None) => self.begin(order),
            (Event::Unfit(order, why), None) => {
                self.journal = Some(self.new_journal(order));
                self.over(Outcome::Refused, why, Gap::default(), now_ms)
            }
            (Event::Asked(_) | Event::Unfit(..), Some(step)) => {
                let version = self.journal.as_ref().map(|j| j.order.version.clone()).unwrap_or_default();
                return Err(Refusal::Busy(version, words(&step)));
            }

            (Event::Installed(Ok(())), Some(Step::Installing { cancel: true })) => self.undo(None),
            (Event::Installed(Ok(())), Some(Step::Installing { cancel: false })) => self.installed(now_ms),
            (Event::Installed(Err(why)), Some(Step::Installing { cancel })) => {
                let outcome = if cancel { Outcome::Cancelled } else { Outcome::Failed };
                self.over(outcome, why, Gap::default(), now_ms)
            }
            (Event::InstallerIdle, Some(Step::Installing { cancel })) => self.install_again(cancel),

            (Event::RebootAsked, Some(Step::Installed)) => self.leave(now_ms),
            (Event::RebootAsked, Some(_)) => {
                return Err(Refusal::TooLate("the new system is not ready to be started, or runs already"));
            }
            (Event::RebootAsked | Event::CancelAsked, None) => return Err(Refusal::Nothing),

            (Event::CancelAsked, Some(Step::Installing { .. })) => {
                vec![self.step(Step::Installing { cancel: true })]
            }
            (Event::CancelAsked, Some(Step::Installed)) => self.undo(None),
            (Event::CancelAsked, Some(Step::Cancelling { .. })) => Vec::new(),
            (Event::CancelAsked, Some(_)) => {
                return Err(Refusal::TooLate(
                    "the new system has been started; the health check decides, nothing needs to be cancelled",
                ));
            }
            (Event::Activated(Ok(())), Some(Step::Cancelling { why })) => {
                let result = if why.is_some() { Outcome::Failed } else { Outcome::Cancelled };
                let reason = why.unwrap_or_else(|| "it was cancelled before its first start".into());
                self.over(result, reason, Gap::default(), now_ms)
            }
            // It cannot be undone, so it goes its way and is judged.
            (Event::Activated(Err(_)), Some(Step::Cancelling { .. })) => self.installed(now_ms),

            (Event::FoundGood(gap), Some(Step::Trial)) => {
                vec![self.step(Step::Good { gap }), Action::Confirm]
            }
            (Event::FoundBad(why), Some(Step::Trial)) => self.go_back(why),
            (Event::Confirmed(Ok(())), Some(Step::Good { gap })) => {
                self.over(Outcome::Kept, "everything that worked before works again".into(), gap, now_ms)
            }
            (Event::Confirmed(Err(why)), Some(Step::Good { .. })) => {
                self.go_back(format!("the new system is healthy, but could not be marked good: {why}"))
            }
            (Event::Recorded(gap), Some(step)) if self.came_back() => match self.why_back(&step) {
                Some(why) => self.over(Outcome::RolledBack, why, gap, now_ms),
                None => Vec::new(),
            },
            _ => Vec::new(),
        })
    }

    /// The old slot runs, and not because it never stopped.
    fn came_back(&self) -> bool {
        self.journal.as_ref().is_some_and(|j| j.from == self.boot.slot && j.boot_id != self.boot.id)
    }

    fn new_journal(&self, order: Order) -> Journal {
        Journal {
            order,
            from: self.boot.slot.clone(),
            to: self.boot.other.clone(),
            from_version: self.boot.version.clone(),
            boot_id: self.boot.id.clone(),
            tries: 1,
            left_ms: None,
            step: Step::Installing { cancel: false },
        }
    }

    fn begin(&mut self, order: Order) -> Vec<Action> {
        self.journal = Some(self.new_journal(order.clone()));
        let words = format!("{} is written to slot {}", order.version, self.boot.other.label);
        vec![self.write(), self.proceeding(words), Action::Install(Box::new(order))]
    }

    /// RAUC begins anew what broke off, as often as is sensible. Given up it is undone: a copy whose end nobody heard may be what
    /// boots next.
    fn install_again(&mut self, cancel: bool) -> Vec<Action> {
        if cancel {
            return self.undo(None);
        }
        let Some(j) = self.journal.as_mut() else { return Vec::new() };
        if j.tries >= MAX_TRIES {
            let why = format!("the installation broke off {MAX_TRIES} times: the power went, or RAUC ended");
            return self.undo(Some(why));
        }
        j.tries += 1;
        let order = Box::new(j.order.clone());
        let words = format!("the installation broke off and is begun again, time {}", j.tries);
        vec![self.step(Step::Installing { cancel: false }), self.proceeding(words), Action::Install(order)]
    }

    fn installed(&mut self, now_ms: i64) -> Vec<Action> {
        if self.reboots {
            return self.leave(now_ms);
        }
        let write = self.step(Step::Installed);
        vec![write, self.proceeding("installed; waits to be started".into())]
    }

    fn leave(&mut self, now_ms: i64) -> Vec<Action> {
        if let Some(j) = self.journal.as_mut() {
            j.left_ms = Some(now_ms);
        }
        let write = self.step(Step::Installed);
        vec![write, self.proceeding("installed; the board starts the new system".into()), Action::Reboot]
    }

    fn reboot_if_wanted(&self) -> Vec<Action> {
        let was_leaving = self.journal.as_ref().is_some_and(|j| j.left_ms.is_some());
        if self.reboots || was_leaving { vec![Action::Reboot] } else { Vec::new() }
    }

    /// The old slot boots next again.
    fn undo(&mut self, why: Option<String>) -> Vec<Action> {
        let from = self.journal.as_ref().map(|j| Action::Activate(j.from.clone()));
        let write = self.step(Step::Cancelling { why });
        std::iter::once(write).chain(from).collect()
    }

    fn go_back(&mut self, why: String) -> Vec<Action> {
        vec![self.step(Step::GoingBack { why }), Action::MarkBad, Action::Reboot]
    }

    /// The power went at each start of a system that was kept, until its tries were used up, and the old one runs: the kept one is
    /// started again, as often as is sensible.
    fn start_kept(&mut self, entry: Entry, is_same_boot: bool) -> Vec<Action> {
        let Some(j) = self.journal.as_mut() else { return Vec::new() };
        if !is_same_boot {
            j.tries += 1;
        }
        if j.tries > MAX_TRIES {
            return std::iter::once(Action::MarkGood).chain(self.closing(entry)).collect();
        }
        let activate = Action::Activate(j.to.clone());
        vec![Action::MarkGood, self.step(Step::Over { entry }), activate, Action::Reboot]
    }

    fn judge(&self) -> Action {
        Action::Judge(Box::new(self.journal.clone().expect("only an update is judged")))
    }

    /// Why the old system runs again; `None`: it never stopped.
    fn why_back(&self, step: &Step) -> Option<String> {
        let (from, to) = self.journal.as_ref().map(|j| (j.from.label.clone(), j.to.label.clone()))?;
        Some(match step {
            Step::Installed => format!(
                "the boot loader went back to slot {from}: the system in slot {to} did not come up far enough to be judged"
            ),
            Step::Trial => format!(
                "slot {to} started but was not found healthy before the board went down, and the boot loader went back to slot {from}"
            ),
            Step::Good { .. } => format!(
                "slot {to} was healthy, but the board went down before that was confirmed, and slot {from} runs again"
            ),
            Step::GoingBack { why } => why.clone(),
            Step::Installing { .. } | Step::Cancelling { .. } | Step::Over { .. } => return None,
        })
    }

    fn over(&mut self, result: Outcome, reason: String, gap: Gap, now_ms: i64) -> Vec<Action> {
        let Some(j) = self.journal.as_mut() else { return Vec::new() };
        j.tries = 1; // from here on those of starting a kept system again
        let entry = Entry {
            action: j.order.action.clone(),
            origin: j.order.origin,
            slot: j.to.label.clone(),
            version: j.order.version.clone(),
            from_version: j.from_version.clone(),
            result,
            reason,
            gap_s: gap.seconds,
            at_ms: now_ms,
            clock_sure: gap.clock_sure,
        };
        let mut actions = vec![self.step(Step::Over { entry: entry.clone() })];
        actions.extend(self.closing(entry));
        actions
    }

    fn closing(&mut self, entry: Entry) -> Vec<Action> {
        let from_fleet = entry.origin == Origin::Fleet;
        self.journal = None;
        // After the outcome is on the disk: a floor that is raised too early would outlast a system that was not kept.
        let floor = (entry.result == Outcome::Kept).then_some(Action::RaiseFloor);
        let tell = from_fleet.then(|| Action::Tell(Feedback::Closed { entry: entry.clone() }));
        floor.into_iter().chain([Action::Enter(entry)]).chain(tell).chain([Action::Erase]).collect()
    }

    fn proceeding(&self, words: String) -> Action {
        let action = self.journal.as_ref().map(|j| j.order.action.clone()).unwrap_or_default();
        Action::Tell(Feedback::Proceeding { action, words })
    }

    fn step(&mut self, step: Step) -> Action {
        let boot_id = self.boot.id.clone();
        let j = self.journal.as_mut().expect("a step is taken by an update");
        (j.step, j.boot_id) = (step, boot_id);
        self.write()
    }

    fn write(&self) -> Action {
        Action::Write(Box::new(self.journal.clone().expect("only an update is written down")))
    }

    /// Panics when the journal contradicts this boot.
    pub fn check_invariants(&self) {
        let Some(j) = &self.journal else { return };
        assert!(j.from != j.to, "an update goes from one slot to another");
        assert!((1..=MAX_TRIES).contains(&j.tries), "{} tries", j.tries);
        let is_new = self.boot.slot == j.to;
        let needs_new = matches!(j.step, Step::Trial | Step::Good { .. } | Step::GoingBack { .. });
        let may_wait = self.boot.id != j.boot_id;
        assert!(is_new || !needs_new || may_wait, "slot {} cannot be in {:?}", self.boot.slot.label, j.step);
    }
}

/// A step as people read it.
pub fn words(step: &Step) -> &'static str {
    match step {
        Step::Installing { cancel: false } => "it is installed into the other slot",
        Step::Installing { cancel: true } => {
            "it is installed, and will be undone as soon as the copy has ended"
        }
        Step::Installed => "it is installed and waits for the board to start anew",
        Step::Cancelling { .. } => "it is being undone",
        Step::Trial => "the new system runs on trial",
        Step::Good { .. } => "the new system is being confirmed",
        Step::GoingBack { .. } => "the board goes back to the old system",
        Step::Over { .. } => "it is over",
    }
}
