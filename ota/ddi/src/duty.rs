//! What the server has, and what is under way here → what to do now. Pure: no clock, no network.
//!
//! An action's life on a board: fetching → fetched → installing → restarting → decided → closed at the server. Whoever carries the
//! duties out writes each stage down before it begins the next, so that the answer to a poll after a power cut is the right one.
//! The action is closed from `Decided` alone, that is after the new system was tried.

use crate::client::Orders;
use crate::report::{Execution, Report};
use crate::wire::{Deployment, Handling};
use serde::{Deserialize, Serialize};

/// The action that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its number at the server.
    pub action: u64,
    /// How far it is.
    pub stage: Stage,
    /// Why it waits, as the server was told last.
    pub told: Option<String>,
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Bytes come; nothing on the board has changed.
    Fetching,
    /// They are all there. After a power cut while it was installed, too: it is installed again.
    Fetched,
    /// The other slot is being written.
    Installing,
    /// The next start decides: the new system is to be tried, or is being tried.
    Restarting,
    /// It was tried.
    Decided(Verdict),
}

/// What the trial came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The new system stays.
    pub is_good: bool,
    /// Why, for people.
    pub words: String,
}

/// What the owner of the board says to an update that asks first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Nothing yet.
    Open,
    /// Install it.
    Given,
    /// Don't, because.
    Refused(String),
}

/// How things are on the board.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// What is under way.
    pub work: Option<&'a Work>,
    /// Why nothing may be installed now, such as an alarm that goes on.
    pub hold: Option<&'a str>,
    /// The owner's word.
    pub consent: &'a Consent,
}

/// One thing to do. The first of several comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// Tell the server what this board is.
    Inventory,
    /// Tell it how the action ended; once it knows, or knows the action no more, forget the work.
    Close(u64, Verdict),
    /// Stop the work and delete what was fetched; nobody waits for an answer.
    Drop(u64),
    /// The action is not to be carried out: tell that it is not. Work on it was dropped before.
    Cancelled(u64),
    /// Tell that it is too late to stop it.
    TooLate(u64),
    /// Tell what the owner says: yes, or no and why.
    Consent(u64, Result<(), String>),
    /// Fetch it, or go on with that.
    Fetch(Deployment),
    /// Install what was fetched.
    Install(Deployment),
    /// Tell why it waits, and note in the work that it was told.
    Wait(u64, String),
}

/// All that is to do after a poll.
pub fn duties(orders: &Orders, now: &Now<'_>) -> Vec<Duty> {
    let mut all = Vec::new();
    if orders.wants_inventory {
        all.push(Duty::Inventory);
    }
    if let Some(action) = orders.cancel {
        all.extend(cancel(action, now.work));
    }
    if let Some(Work { action, stage: Stage::Decided(verdict), .. }) = now.work {
        all.push(Duty::Close(*action, verdict.clone()));
        return all; // what comes next is asked for when this is closed
    }
    if let Some(Deployment { action, .. }) = orders.confirmation {
        match now.consent {
            Consent::Open => {}
            Consent::Given => all.push(Duty::Consent(action, Ok(()))),
            Consent::Refused(why) => all.push(Duty::Consent(action, Err(why.clone()))),
        }
    }
    match &orders.deployment {
        Some(deployment) => all.extend(deploy(deployment, now)),
        None if orders.cancel.is_none() => all.extend(withdrawn(now.work)),
        None => {}
    }
    debug_assert!(is_sound(&all, now), "{all:?} for {now:?}");
    all
}

fn cancel(action: u64, work: Option<&Work>) -> Vec<Duty> {
    match work.filter(|work| work.action == action).map(|work| &work.stage) {
        None => vec![Duty::Cancelled(action)],
        Some(Stage::Fetching | Stage::Fetched | Stage::Installing) => {
            vec![Duty::Drop(action), Duty::Cancelled(action)]
        }
        Some(Stage::Restarting | Stage::Decided(_)) => vec![Duty::TooLate(action)],
    }
}

/// The server speaks no more of what is under way: it was closed or deleted there. What cannot be stopped goes on to its end.
fn withdrawn(work: Option<&Work>) -> Option<Duty> {
    let work = work.filter(|work| matches!(work.stage, Stage::Fetching | Stage::Fetched))?;
    Some(Duty::Drop(work.action))
}

fn deploy(deployment: &Deployment, now: &Now<'_>) -> Vec<Duty> {
    let mut all = Vec::new();
    let mut work = now.work;
    if let Some(other) = work.filter(|work| work.action != deployment.action) {
        match other.stage {
            Stage::Fetching | Stage::Fetched => all.push(Duty::Drop(other.action)),
            Stage::Installing | Stage::Restarting | Stage::Decided(_) => return all,
        }
        work = None;
    }
    let fetch = || Duty::Fetch(deployment.clone());
    all.extend(match work.map(|work| &work.stage) {
        None | Some(Stage::Fetching) => (deployment.download != Handling::Skip).then(fetch),
        Some(Stage::Fetched) => install(deployment, now),
        Some(Stage::Installing | Stage::Restarting | Stage::Decided(_)) => None,
    });
    all
}

fn install(deployment: &Deployment, now: &Now<'_>) -> Option<Duty> {
    let why = match (deployment.update, deployment.window, now.hold) {
        (Handling::Skip, Some(_), _) => "waits for its maintenance window".to_string(),
        (Handling::Skip, None, _) => return None, // only the download was wanted
        (_, _, Some(hold)) => hold.to_string(),
        (Handling::Attempt | Handling::Forced, _, None) => return Some(Duty::Install(deployment.clone())),
    };
    let is_new = now.work.is_none_or(|work| work.told.as_ref() != Some(&why));
    is_new.then_some(Duty::Wait(deployment.action, why))
}

/// Never two actions at once, nothing installed while it may not be, nothing closed that was not decided.
fn is_sound(all: &[Duty], now: &Now<'_>) -> bool {
    let begun = all.iter().filter(|duty| matches!(duty, Duty::Fetch(_) | Duty::Install(_))).count();
    let is_busy = now
        .work
        .is_some_and(|w| matches!(w.stage, Stage::Installing | Stage::Restarting | Stage::Decided(_)));
    begun <= 1
        && (begun == 0 || !is_busy)
        && all.iter().all(|duty| match duty {
            Duty::Install(d) => now.hold.is_none() && d.update != Handling::Skip,
            Duty::Close(action, _) => {
                now.work.is_some_and(|w| w.action == *action && matches!(w.stage, Stage::Decided(_)))
            }
            _ => true,
        })
}

impl Duty {
    /// What the server is told of it before or while it is done, if anything: the action and the report.
    pub fn report(&self) -> Option<(u64, Report)> {
        match self {
            Self::Close(action, verdict) => {
                Some((*action, Report::closed(verdict.is_good, verdict.words.clone())))
            }
            Self::Fetch(d) => Some((d.action, Report::of(Execution::Download, "the board fetches it"))),
            Self::Install(d) => Some((d.action, Report::of(Execution::Proceeding, "the board installs it"))),
            Self::Wait(action, why) => Some((*action, Report::of(Execution::Scheduled, why.clone()))),
            Self::Inventory | Self::Drop(_) | Self::Cancelled(_) | Self::TooLate(_) | Self::Consent(..) => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Window;
    use proptest::prelude::*;

    fn deployment(action: u64) -> Deployment {
        let forced = Handling::Forced;
        Deployment { action, download: forced, update: forced, window: None, chunks: vec![] }
    }

    fn orders(deployment: Option<Deployment>) -> Orders {
        Orders { deployment, ..Orders::default() }
    }

    fn work(stage: Stage) -> Work {
        Work { action: 7, stage, told: None }
    }

    fn good() -> Stage {
        Stage::Decided(Verdict { is_good: true, words: "all cameras record".into() })
    }

    fn asked(orders: &Orders, work: Option<&Work>, hold: Option<&str>) -> Vec<Duty> {
        duties(orders, &Now { work, hold, consent: &Consent::Open })
    }

    #[test]
    fn an_update_is_fetched_then_installed_and_closed_only_when_it_was_decided() {
        let all = orders(Some(deployment(7)));
        assert_eq!(asked(&all, None, None), [Duty::Fetch(deployment(7))]);
        assert_eq!(asked(&all, Some(&work(Stage::Fetching)), None), [Duty::Fetch(deployment(7))]);
        assert_eq!(asked(&all, Some(&work(Stage::Fetched)), None), [Duty::Install(deployment(7))]);
        for stage in [Stage::Installing, Stage::Restarting] {
            assert_eq!(asked(&all, Some(&work(stage)), None), []);
        }
        assert!(
            matches!(&asked(&all, Some(&work(good())), None)[..], [Duty::Close(7, verdict)] if verdict.is_good)
        );
    }

    #[test]
    fn nothing_is_installed_during_an_alarm_and_the_server_is_told_once() {
        let all = orders(Some(deployment(7)));
        let why = "an alarm goes on at camera front";
        let mut waiting = work(Stage::Fetched);
        assert_eq!(asked(&all, Some(&waiting), Some(why)), [Duty::Wait(7, why.into())]);
        waiting.told = Some(why.into());
        assert_eq!(asked(&all, Some(&waiting), Some(why)), []);
        assert_eq!(asked(&all, None, Some(why)), [Duty::Fetch(deployment(7))], "fetching disturbs nobody");
        assert_eq!(asked(&all, Some(&waiting), None), [Duty::Install(deployment(7))]);
    }

    #[test]
    fn a_shut_window_lets_it_be_fetched_and_no_more() {
        let shut = Deployment { update: Handling::Skip, window: Some(Window::Unavailable), ..deployment(7) };
        let told = asked(&orders(Some(shut.clone())), Some(&work(Stage::Fetched)), None);
        assert!(matches!(&told[..], [Duty::Wait(7, why)] if why.contains("window")), "{told:?}");
        assert_eq!(asked(&orders(Some(shut.clone())), None, None), [Duty::Fetch(shut)]);
        let download_only = Deployment { update: Handling::Skip, ..deployment(7) };
        assert_eq!(asked(&orders(Some(download_only)), Some(&work(Stage::Fetched)), None), []);
    }

    #[test]
    fn a_cancel_stops_what_can_be_stopped() {
        let all = Orders { cancel: Some(7), ..Orders::default() };
        assert_eq!(asked(&all, None, None), [Duty::Cancelled(7)]);
        for stage in [Stage::Fetching, Stage::Fetched, Stage::Installing] {
            assert_eq!(asked(&all, Some(&work(stage)), None), [Duty::Drop(7), Duty::Cancelled(7)]);
        }
        assert_eq!(asked(&all, Some(&work(Stage::Restarting)), None), [Duty::TooLate(7)]);
        let decided = asked(&all, Some(&work(good())), None);
        assert!(matches!(&decided[..], [Duty::TooLate(7), Duty::Close(7, _)]), "{decided:?}");
        let other = Orders { cancel: Some(6), ..Orders::default() };
        assert_eq!(asked(&other, Some(&work(Stage::Installing)), None), [Duty::Cancelled(6)]);
    }

    #[test]
    fn an_action_that_the_server_forgot_is_dropped_unless_it_is_too_late() {
        let nothing = orders(None);
        assert_eq!(asked(&nothing, Some(&work(Stage::Fetched)), None), [Duty::Drop(7)]);
        assert_eq!(asked(&nothing, Some(&work(Stage::Restarting)), None), []);
        let newer = orders(Some(deployment(8)));
        assert_eq!(
            asked(&newer, Some(&work(Stage::Fetching)), None),
            [Duty::Drop(7), Duty::Fetch(deployment(8))]
        );
        assert_eq!(asked(&newer, Some(&work(Stage::Installing)), None), []);
    }

    #[test]
    fn the_owner_is_asked_and_quoted() {
        let all = Orders { confirmation: Some(deployment(7)), ..Orders::default() };
        let answer = |consent: &Consent| duties(&all, &Now { work: None, hold: None, consent });
        assert_eq!(answer(&Consent::Open), []);
        assert_eq!(answer(&Consent::Given), [Duty::Consent(7, Ok(()))]);
        let no = "not while the cows calve";
        assert_eq!(answer(&Consent::Refused(no.into())), [Duty::Consent(7, Err(no.into()))]);
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        prop_oneof![
            Just(Stage::Fetching),
            Just(Stage::Fetched),
            Just(Stage::Installing),
            Just(Stage::Restarting),
            any::<bool>().prop_map(|is_good| Stage::Decided(Verdict { is_good, words: String::new() })),
        ]
    }

    fn any_handling() -> impl Strategy<Value = Handling> {
        prop_oneof![Just(Handling::Skip), Just(Handling::Attempt), Just(Handling::Forced)]
    }

    proptest! {
        #[test]
        fn whatever_comes_duties_are_sound(
            action in 1u64..4, cancel in proptest::option::of(1u64..4), stage in proptest::option::of(any_stage()),
            plan in proptest::option::of((1u64..4, any_handling(), any_handling())), hold: bool, wants_inventory: bool,
        ) {
            let deployment = plan.map(|(action, download, update)| {
                Deployment { action, download, update, window: None, chunks: vec![] }
            });
            let orders = Orders { cancel, deployment, wants_inventory, ..Orders::default() };
            let work = stage.map(|stage| Work { action, stage, told: None });
            let now = Now { work: work.as_ref(), hold: hold.then_some("alarm"), consent: &Consent::Given };
            prop_assert!(is_sound(&duties(&orders, &now), &now));
        }
    }
}
