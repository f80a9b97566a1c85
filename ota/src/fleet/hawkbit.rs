//! A hawkBit server's orders → wishes for the agent; what became of them → reports. Nothing is kept here that a power cut could
//! take: how far an action is stands in the agent's journal, what is owed to the server in its state folder.
//!
//! Nothing is fetched ahead: RAUC streams, and takes only the blocks that this board lacks. So an action that waits for its window
//! or for the end of an alarm costs no byte.

use super::Fleet;
use crate::error::OtaError;
use crate::slots::{Entry, Feedback, Outcome, Tls};
use nightjar_ddi::{
    Artifact, Client, Consent, Deployment, Duty, Error, Execution, Mode, Next, Now, Orders, Pace, Report,
    Stage, Verdict, Work, duties, random,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// After an action is over the server is asked again this soon: it may have another.
const SOON: Duration = Duration::from_secs(1);
/// A server that does not say how often it wants to be asked: hawkBit's own default.
const UNTOLD: Duration = Duration::from_secs(300);
/// How a bundle's name ends.
const BUNDLE: &str = ".raucb";

/// How the server is spoken to, beside what the client knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manner {
    /// Says yes to updates that ask the owner first. Without it they wait until somebody says yes at the server.
    pub consents: bool,
    /// How RAUC reaches the server, if that is over TLS.
    pub tls: Tls,
}

/// Polls and carries out until the agent ends. `pace` is that of a board that has just started.
pub async fn serve(fleet: Fleet, client: Client, manner: Manner, mut pace: Pace) {
    let mut line = Line { fleet, client, manner, seen: None, is_known: false };
    let mut due = Instant::now() + pace.next(random());
    loop {
        let told = tokio::select! {
            () = sleep_until(due) => None,
            told = line.fleet.next() => match told {
                Some(told) => Some(told),
                None => return,
            },
        };
        let done = match told {
            Some(Feedback::Proceeding { action, words }) => {
                line.proceeding(&action, words).await;
                continue;
            }
            Some(Feedback::Closed { .. }) | None => line.round().await,
        };
        match done {
            Ok(sleep) => pace.heard(sleep),
            Err(Failed::Server(error)) => {
                tracing::warn!(%error, "the fleet's server");
                pace.failed(error.after());
            }
            Err(Failed::Disk(error)) => {
                tracing::error!(%error, "the fleet's server waits");
                pace.failed(None);
            }
        }
        due = Instant::now() + pace.next(random());
    }
}

enum Failed {
    Server(Error),
    Disk(OtaError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<OtaError> for Failed {
    fn from(error: OtaError) -> Self {
        Self::Disk(error)
    }
}

struct Line {
    fleet: Fleet,
    client: Client,
    manner: Manner,
    /// An action that was not begun: it waits, or never can. Found anew after a restart.
    seen: Option<Work>,
    /// The server knows what this board is since the agent started.
    is_known: bool,
}

impl Line {
    /// One poll and all its duties; how long until the next one.
    async fn round(&mut self) -> Result<Duration, Failed> {
        let mut orders = self.client.poll().await?;
        orders.wants_inventory |= !self.is_known;
        let mut leads_on = false;
        loop {
            let work = self.work(&orders)?;
            let consent = if self.manner.consents { Consent::Given } else { Consent::Open };
            let due = duties(&orders, &Now { work: work.as_ref(), hold: None, consent: &consent });
            let is_new = due.iter().any(|duty| matches!(duty, Duty::Fetch(_)));
            leads_on |= due.iter().any(frees);
            match self.carry_out(due).await {
                Err(Failed::Server(error)) if error.next() == Next::Forget => break, // the next poll says how things are
                other => other?,
            }
            if !is_new {
                break; // else it is looked at now: it is installed, waits, or never can be
            }
            (orders.wants_inventory, orders.cancel) = (false, None);
        }
        Ok(if leads_on { SOON } else { orders.sleep.unwrap_or(UNTOLD) })
    }

    /// What is under way: what is owed first, then what the agent is at, then what became of the action that the server speaks
    /// of, then what waits.
    fn work(&self, orders: &Orders) -> Result<Option<Work>, OtaError> {
        if let Some(work) = self.fleet.owed()?.iter().find_map(decided) {
            return Ok(Some(work));
        }
        let status = self.fleet.status();
        if let Some(action) = status.action.and_then(|action| action.parse().ok()) {
            let is_before = matches!(status.step, "checking" | "installing" | "cancelling");
            let stage = if is_before { Stage::Installing } else { Stage::Restarting };
            return Ok(Some(Work { action, stage, told: None }));
        }
        if let Some(deployment) = &orders.deployment
            && let Some(entry) = self.fleet.ended(&deployment.action.to_string())?
        {
            return Ok(decided(&entry));
        }
        Ok(self.seen.clone())
    }

    async fn carry_out(&mut self, due: Vec<Duty>) -> Result<(), Failed> {
        let mut too_late = None;
        let mut words = "nothing was changed".to_owned();
        for duty in due {
            match duty {
                Duty::Inventory => self.inventory().await?,
                Duty::Close(action, _) => self.close(action, &duty).await?,
                Duty::Drop(action) => {
                    let waited = self.seen.take_if(|work| work.action == action).is_some();
                    match self.fleet.cancel(&action.to_string()).await {
                        Ok(said) => words = said,
                        Err(_) if waited => {}
                        Err(why) => too_late = Some(why),
                    }
                }
                Duty::Cancelled(action) => match too_late.take() {
                    None => self.client.cancelled(action, &words).await?,
                    Some(why) => self.client.too_late(action, &why).await?,
                },
                Duty::TooLate(action) => {
                    self.client
                        .too_late(action, "the board tries the new system already: its trial decides")
                        .await?;
                }
                Duty::Consent(action, answer) => self.client.consent(action, &answer).await?,
                Duty::Fetch(deployment) => {
                    let stage = match bundle(&deployment) {
                        Some(_) => Stage::Fetched, // RAUC streams it
                        None => Stage::Decided(Verdict {
                            is_good: false,
                            words: format!(
                                "there is not one file *{BUNDLE} in this update, but none or several"
                            ),
                        }),
                    };
                    self.seen = Some(Work { action: deployment.action, stage, told: None });
                }
                Duty::Install(deployment) => self.install(&deployment).await?,
                Duty::Wait(action, why) => self.wait(action, why).await?,
            }
        }
        Ok(())
    }

    /// The server hears of a duty what there is to hear.
    async fn tell(&self, duty: &Duty) -> Result<(), Error> {
        match duty.report() {
            Some((action, report)) => self.client.report(action, &report).await,
            None => Ok(()),
        }
    }

    async fn install(&mut self, deployment: &Deployment) -> Result<(), Failed> {
        let Some(artifact) = bundle(deployment) else { return Ok(()) };
        let door = self.client.door(artifact);
        let tls = if door.is_own { self.manner.tls.clone() } else { Tls::default() };
        let headers = door.header.into_iter().collect();
        let action = deployment.action;
        match self.fleet.install(&action.to_string(), door.url.as_str(), headers, tls).await {
            Ok(()) => {
                self.seen = None;
                tracing::info!(action, url = %door.url, "the fleet's server wants an update");
                Ok(())
            }
            Err(why) => self.wait(action, why).await,
        }
    }

    /// The server is told once why an action waits.
    async fn wait(&mut self, action: u64, why: String) -> Result<(), Failed> {
        let told =
            self.seen.as_ref().filter(|work| work.action == action).and_then(|work| work.told.as_ref());
        if told != Some(&why) {
            tracing::info!(action, why, "an update of the fleet waits");
            self.tell(&Duty::Wait(action, why.clone())).await?;
        }
        self.seen = Some(Work { action, stage: Stage::Fetched, told: Some(why) });
        Ok(())
    }

    async fn close(&mut self, action: u64, duty: &Duty) -> Result<(), Failed> {
        match self.tell(duty).await {
            // closed there already: as good as told
            Err(error) if error.next() == Next::Forget => {}
            other => other?,
        }
        self.fleet.paid(&action.to_string())?;
        self.seen = None;
        self.inventory().await
    }

    /// Told while it lasts; lost when the server is away, for only the end counts.
    async fn proceeding(&self, action: &str, words: String) {
        let Ok(action) = action.parse() else { return };
        if let Err(error) = self.client.report(action, &Report::of(Execution::Proceeding, words)).await {
            tracing::debug!(%error, "the fleet's server does not hear how it goes on");
        }
    }

    async fn inventory(&mut self) -> Result<(), Failed> {
        let status = self.fleet.status();
        let last = status.last.as_ref().map(|entry| format!("{}: {}", entry.version, entry.reason));
        let all = [
            ("hardware", status.board),
            ("version", status.version),
            ("slot", status.slot),
            ("floor", status.floor.unwrap_or_default()),
            ("last_update", last.unwrap_or_default()),
        ];
        let data: BTreeMap<String, String> = all.map(|(key, value)| (key.to_owned(), value)).into();
        self.client.inventory(Mode::Merge, &data).await?;
        self.is_known = true;
        Ok(())
    }
}

/// After this duty the board is free for another action. What waits, for hours perhaps, is looked at when the server wants to be
/// asked again.
fn frees(duty: &Duty) -> bool {
    matches!(duty, Duty::Close(..) | Duty::Cancelled(_) | Duty::Consent(..))
}

/// The one bundle of an update.
fn bundle(deployment: &Deployment) -> Option<&Artifact> {
    let all = deployment.chunks.iter().flat_map(|chunk| &chunk.artifacts);
    let mut bundles = all.filter(|artifact| artifact.file.ends_with(BUNDLE));
    bundles.next().filter(|_| bundles.next().is_none())
}

fn decided(entry: &Entry) -> Option<Work> {
    let action = entry.action.parse().ok()?;
    let gap = entry.gap_s.map(|s| format!("; {s} s of recording are missing")).unwrap_or_default();
    let verdict = Verdict { is_good: entry.result == Outcome::Kept, words: format!("{}{gap}", entry.reason) };
    Some(Work { action, stage: Stage::Decided(verdict), told: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_waits_for_hours_does_not_make_the_board_ask_every_second() {
        let handling = nightjar_ddi::Handling::Forced;
        let (window, chunks) = (None, Vec::new());
        let deployment = Deployment { action: 7, download: handling, update: handling, window, chunks };
        let waits = [
            Duty::Fetch(deployment.clone()),
            Duty::Install(deployment),
            Duty::Wait(7, "an alarm is on".into()),
            Duty::Inventory,
        ];
        assert!(!waits.iter().any(frees));
        assert!(frees(&Duty::Cancelled(7)) && frees(&Duty::Consent(7, Ok(()))));
    }
}
