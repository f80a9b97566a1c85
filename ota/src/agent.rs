//! Wishes of people, sticks and the fleet in; the machine's actions out to disk, RAUC and boot loader, one at a time.
//!
//! Long work (a copy, the gate) runs beside it and comes back as an event. An action that the disk does not take ends the agent;
//! it is started again with what is there.

use crate::clock;
use crate::config::Config;
use crate::error::OtaError;
use crate::fleet::Fleet;
use crate::gate::{Baseline, Judge};
use crate::rauc::{Mark, Progress, Rauc};
use crate::recorder;
use crate::slots::{self, Action, Boot, Entry, Event, Feedback, Journal, Order, Origin, Slots, Step};
use crate::state::State;
use crate::status::{Status, Wish};
use crate::upload;
use crate::version;
use crate::wish::{self, Checked};
use nightjar_types::gate::booted_slot;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Wishes that may wait.
const QUEUE: usize = 16;
/// Between two looks at a system on trial, or one that came back.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an old system that runs again may take until it records, to know what the update cost.
const BACK_WITHIN: Duration = Duration::from_secs(180);
/// RAUC is asked so often to mark a good system good, and systemd to start the board anew.
const TRIES: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Between two tries to reach RAUC.
const RECONNECT: Duration = Duration::from_secs(3);

/// An answer for a person: what happens now, or why not.
pub(crate) type Answer = oneshot::Sender<Result<String, String>>;

/// What may be asked of the agent.
pub(crate) enum Command {
    Install { wish: Wish, answer: Answer },
    Cancel { action: Option<String>, answer: Answer },
    Reboot { answer: Answer },
}

/// The way to the agent, for socket, command line and fleet. Clones share it.
#[derive(Clone)]
pub struct Desk {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl Desk {
    /// Begins an update. `Ok` is its action; the bundle is looked at after that, and what is wrong with it is in the history.
    pub async fn install(&self, wish: Wish) -> Result<String, String> {
        self.ask(|answer| Command::Install { wish, answer }).await
    }

    /// Has an update undone; with an action, only that one.
    pub async fn cancel(&self, action: Option<String>) -> Result<String, String> {
        self.ask(|answer| Command::Cancel { action, answer }).await
    }

    /// Starts the new system that waits for it.
    pub async fn reboot(&self) -> Result<String, String> {
        self.ask(|answer| Command::Reboot { answer }).await
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    async fn ask(&self, command: impl FnOnce(Answer) -> Command) -> Result<String, String> {
        const WITHIN: Duration = Duration::from_secs(15);
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.commands.send(command(answer)).await.ok()?;
            answered.await.ok()
        };
        match timeout(WITHIN, asked).await {
            Ok(Some(done)) => done,
            Ok(None) => Err("the update agent is ending; try again".into()),
            Err(_) => Err(format!("the update agent is not ready: {}", self.status().words)),
        }
    }
}

/// What comes back from work that runs beside the machine.
pub(crate) enum Heard {
    Event(Box<Event>),
    Checked(Box<Checked>),
}

/// The agent.
pub struct Agent {
    config: Arc<Config>,
    state: State,
    inbox: mpsc::Receiver<Command>,
    heard: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
    progress: watch::Sender<Progress>,
    status: watch::Sender<Status>,
    feedback: mpsc::Sender<Feedback>,
}

impl Agent {
    /// With the ways to it.
    pub fn new(config: Arc<Config>, state: State) -> (Self, Desk, Fleet) {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let (feedback, told) = mpsc::channel(QUEUE);
        let (status, shown) = watch::channel(Status::starting());
        let desk = Desk { commands, status: shown };
        let fleet = Fleet::new(desk.clone(), state.clone(), told);
        let (progress, _) = watch::channel(Progress::default());
        (Self { config, state, inbox, heard: mpsc::channel(QUEUE), progress, status, feedback }, desk, fleet)
    }

    /// Works until the state folder fails. `ready` is called once RAUC answers.
    pub async fn run(self, ready: impl FnOnce()) -> Result<(), OtaError> {
        let rauc = self.reach().await?;
        ready();
        let journal = self.state.journal()?;
        let (compatible, pair) = (rauc.compatible().await?, rauc.pair().await?);
        let version = recorder::version(&self.config.os_release).or(pair.version);
        let path = &self.config.boot_id;
        let id = std::fs::read_to_string(path);
        let id = id
            .map_err(|source| OtaError::State { doing: "read", path: path.clone(), source })?
            .trim()
            .to_owned();
        let boot = Boot {
            slot: pair.booted,
            other: pair.other,
            id,
            version: version.unwrap_or_else(|| "unknown".into()),
        };
        // No such file: a system that was not made by us, whose floor is ours alone.
        let of_image = std::fs::read_to_string(&self.config.rauc).ok();
        let of_image = of_image.as_deref().and_then(version::floor_of_image);
        let floor_of_system = version::highest([self.config.floor.clone(), of_image]);
        tracing::info!(slot = boot.slot.label, version = boot.version, compatible, "this system");
        let (machine, actions) = Slots::start(boot, journal, self.config.reboots);
        let mut running = Running {
            agent: self,
            rauc,
            compatible,
            machine,
            checking: None,
            bundle: String::new(),
            work: None,
            last: None,
            floor: None,
            floor_of_system,
        };
        running.remember()?;
        upload::sweep(
            &running.agent.config.uploads,
            running.machine.journal().map(|j| j.order.bundle.as_str()),
        );
        running.execute(actions).await?;
        running.serve().await
    }

    /// Until RAUC answers. A new system in which it does not within the gate's deadline is no good one: the boot loader counts.
    async fn reach(&self) -> Result<Rauc, OtaError> {
        loop {
            let tried = async {
                let rauc = Rauc::connect(self.config.bus.as_deref()).await?;
                rauc.pair().await?;
                Ok::<_, OtaError>(rauc)
            };
            let why = match tried.await {
                Ok(rauc) => return Ok(rauc),
                Err(why) => why,
            };
            tracing::warn!(%why, "RAUC does not answer yet");
            self.status.send_modify(|s| s.words = why.to_string());
            let is_late = clock::since_boot_ms() >= self.config.gate_deadline.as_millis() as u64;
            if is_late && self.state.journal()?.is_some_and(|j| is_new_system(&j)) {
                tracing::error!("RAUC does not answer in a system on trial; the board starts anew");
                if let Ok(rauc) = Rauc::connect(self.config.bus.as_deref()).await {
                    let _ = rauc.reboot().await; // tried again with the next round
                }
            }
            sleep(RECONNECT).await;
        }
    }

    fn discard(&self, bundle: &str) {
        upload::discard(&self.config.uploads, bundle);
    }
}

/// The kernel was told to start another slot than the update came from.
fn is_new_system(journal: &Journal) -> bool {
    let words = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    booted_slot(&words).is_some_and(|label| label != journal.from.label)
}

struct Checking {
    action: String,
    bundle: String,
    task: JoinHandle<()>,
}

struct Running {
    agent: Agent,
    rauc: Rauc,
    compatible: String,
    machine: Slots,
    /// A wish whose bundle is looked at.
    checking: Option<Checking>,
    /// Of the update that goes on, to be discarded with it.
    bundle: String,
    /// Copy, gate or waiting; at most one at a time.
    work: Option<JoinHandle<()>>,
    /// Newest of the history, and what no bundle may be older than: as on the disk, which is not read for every bit of progress.
    last: Option<Entry>,
    floor: Option<String>,
    /// That of the configuration and of the image: neither changes while this system runs.
    floor_of_system: Option<String>,
}

impl Running {
    async fn serve(mut self) -> Result<(), OtaError> {
        let mut progress = self.agent.progress.subscribe();
        loop {
            self.publish();
            tokio::select! {
                command = self.agent.inbox.recv() => match command {
                    Some(command) => self.obey(command).await?,
                    None => return Ok(()),
                },
                heard = self.agent.heard.1.recv() => match heard {
                    Some(Heard::Event(event)) => drop(self.take(*event).await?),
                    Some(Heard::Checked(checked)) => self.checked(*checked).await?,
                    None => return Ok(()),
                },
                _ = progress.changed() => {}
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), OtaError> {
        match command {
            Command::Install { wish, answer } => self.wish(wish, answer)?,
            Command::Cancel { action, answer } => {
                let done = self.cancel(action).await?;
                let _ = answer.send(done); // whoever asked may have left
            }
            Command::Reboot { answer } => {
                let done = self.take(Event::RebootAsked).await?;
                let _ = answer.send(done.map(|()| "the board starts anew".into()));
            }
        }
        Ok(())
    }

    /// Has a bundle looked at, beside everything else.
    fn wish(&mut self, wish: Wish, answer: Answer) -> Result<(), OtaError> {
        let action = wish.action.clone().unwrap_or_else(|| self.new_action(wish.origin));
        let goes_on = self.machine.journal().map(|j| (j.order.action.clone(), slots::words(&j.step)));
        let history = self.agent.state.history()?;
        let refused = match (&goes_on, &self.checking) {
            (Some((same, _)), _) if *same == action => Some(Ok(action.clone())),
            (_, Some(checking)) if checking.action == action => Some(Ok(action.clone())),
            (Some((_, words)), _) => {
                Some(Err(format!("an update goes on: {words}; wait for it, or cancel it")))
            }
            (None, Some(_)) => Some(Err("another bundle is being looked at; wait a moment".into())),
            (None, None) => {
                let over = history.iter().find(|e| e.action == action);
                over.map(|e| Err(format!("this update is over: {}", e.reason)))
            }
        };
        if let Some(done) = refused {
            let _ = answer.send(done); // whoever asked may have left
            return Ok(());
        }
        let check = wish::Check {
            config: self.agent.config.clone(),
            rauc: self.rauc.clone(),
            compatible: self.compatible.clone(),
            running: self.machine.boot().version.clone(),
            floor: self.floor.clone(),
            history,
        };
        let (heard, of_task, bundle) = (self.agent.heard.0.clone(), action.clone(), wish.bundle.clone());
        let task = tokio::spawn(async move {
            let checked = check.run(of_task, wish, answer).await;
            let _ = heard.send(Heard::Checked(Box::new(checked))).await; // the agent ends
        });
        self.checking = Some(Checking { action, bundle, task });
        Ok(())
    }

    fn new_action(&self, origin: Origin) -> String {
        let name =
            serde_json::to_value(origin).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let boot = self.machine.boot().id.get(..8).unwrap_or_default();
        format!("{name}-{boot}-{}", clock::since_boot_ms())
    }

    async fn checked(&mut self, checked: Checked) -> Result<(), OtaError> {
        let Some(checking) = self.checking.take_if(|c| c.action == checked.action) else {
            return Ok(()); // cancelled meanwhile
        };
        let event = match checked.result {
            Ok(order) => Event::Asked(order),
            Err(Some((order, why))) => Event::Unfit(order, why),
            // it was held up, and whoever asked knows it
            Err(None) => {
                self.agent.discard(&checking.bundle);
                return Ok(());
            }
        };
        if let Err(why) = self.take(event).await? {
            tracing::warn!(why, "an update was asked for while another went on");
        }
        Ok(())
    }

    async fn cancel(&mut self, action: Option<String>) -> Result<Result<String, String>, OtaError> {
        let is_meant = |of: &str| action.as_ref().is_none_or(|a| a == of);
        if let Some(checking) = self.checking.take_if(|c| is_meant(&c.action)) {
            checking.task.abort();
            self.agent.discard(&checking.bundle);
            return Ok(Ok("cancelled before anything was written".into()));
        }
        let Some(journal) = self.machine.journal().filter(|j| is_meant(&j.order.action)) else {
            return Ok(Err("no such update goes on".into()));
        };
        let is_copying = matches!(journal.step, Step::Installing { .. });
        let done = self.take(Event::CancelAsked).await?;
        Ok(done.map(|()| {
            if is_copying {
                "RAUC cannot stop a copy once it has begun; as soon as it ends it is undone, and the new system is never started".into()
            } else {
                "the old system stays what is started".into()
            }
        }))
    }

    /// Tells the machine and does what it says. The inner error is for whoever asked.
    async fn take(&mut self, event: Event) -> Result<Result<(), String>, OtaError> {
        tracing::debug!(?event, "heard");
        match self.machine.take(event, clock::wall_ms()) {
            Ok(actions) => self.execute(actions).await.map(Ok),
            Err(refusal) => Ok(Err(refusal.to_string())),
        }
    }

    async fn execute(&mut self, actions: Vec<Action>) -> Result<(), OtaError> {
        let state = self.agent.state.clone();
        for action in actions {
            match action {
                Action::Write(journal) => {
                    state.write_journal(&journal)?;
                    self.bundle.clone_from(&journal.order.bundle);
                    tracing::info!(
                        action = journal.order.action,
                        version = journal.order.version,
                        "{}",
                        slots::words(&journal.step)
                    );
                }
                Action::Erase => {
                    state.erase_journal()?;
                    self.agent.progress.send_replace(Progress::default());
                    self.agent.discard(&self.bundle);
                }
                Action::RaiseFloor => {
                    state.raise_floor(self.floor.as_deref())?;
                    self.remember()?;
                }
                Action::Enter(entry) => {
                    state.enter(&entry)?;
                    self.remember()?;
                    tracing::info!(action = entry.action, result = ?entry.result, version = entry.version, slot = entry.slot,
                        gap_s = entry.gap_s, "{}", entry.reason);
                }
                Action::Tell(feedback) => {
                    if let Feedback::Closed { entry } = &feedback {
                        state.owe(entry)?;
                    }
                    let _ = self.agent.feedback.try_send(feedback); // no fleet listens, or it reads what is owed
                }
                Action::MarkGood => self.mark(Mark::Good).await,
                Action::MarkBad => self.mark(Mark::Bad).await,
                Action::Activate(slot) => {
                    let done = self.rauc.mark(Mark::Active, &slot.name).await.map_err(|e| e.to_string());
                    self.report(Event::Activated(done));
                }
                Action::Confirm => {
                    let rauc = self.rauc.clone();
                    self.beside(async move { Event::Confirmed(confirm(&rauc).await) });
                }
                Action::Reboot => {
                    let rauc = self.rauc.clone();
                    tokio::spawn(async move { reboot(&rauc).await });
                }
                Action::Install(order) => {
                    let rauc = self.rauc.clone();
                    let (within, progress) = (self.agent.config.install_within, self.agent.progress.clone());
                    self.beside(
                        async move { Event::Installed(rauc.install(&order, within, &progress).await) },
                    );
                }
                Action::AwaitInstaller => {
                    let (rauc, within) = (self.rauc.clone(), self.agent.config.install_within);
                    let progress = self.agent.progress.clone();
                    self.beside(async move {
                        match rauc.await_end(within, &progress).await {
                            Ok(true) => Event::Installed(Ok(())),
                            Ok(false) => Event::InstallerIdle,
                            Err(why) => Event::Installed(Err(why)),
                        }
                    });
                }
                Action::Judge(journal) => {
                    let (config, progress) = (self.agent.config.clone(), self.agent.progress.clone());
                    self.beside(async move { judge(&config, &journal, &progress).await });
                }
                Action::AwaitRecording(journal) => {
                    let config = self.agent.config.clone();
                    self.beside(async move { Event::Recorded(await_recording(&config, &journal).await) });
                }
            }
        }
        Ok(())
    }

    async fn mark(&self, mark: Mark) {
        if let Err(why) = self.rauc.mark(mark, "booted").await {
            tracing::warn!(%why, ?mark, "the boot loader could not be told; it counts starts and decides by itself");
        }
    }

    fn beside(&mut self, work: impl Future<Output = Event> + Send + 'static) {
        let heard = self.agent.heard.0.clone();
        if let Some(before) = self.work.take() {
            before.abort();
        }
        self.work = Some(tokio::spawn(async move {
            let event = Box::new(work.await);
            let _ = heard.send(Heard::Event(event)).await; // the agent ends
        }));
    }

    fn report(&mut self, event: Event) {
        self.beside(async move { event });
    }

    /// What the disk has now.
    fn remember(&mut self) -> Result<(), OtaError> {
        self.last = self.agent.state.history()?.pop();
        self.floor = version::highest([self.agent.state.floor()?, self.floor_of_system.clone()]);
        Ok(())
    }

    fn publish(&self) {
        let checking = self.checking.as_ref().map(|c| c.action.as_str());
        let (floor, last) = (self.floor.clone(), self.last.clone());
        let status =
            Status::of(&self.machine, &self.compatible, checking, &self.agent.progress.borrow(), floor, last);
        self.agent.status.send_if_modified(|shown| {
            let is_new = *shown != status;
            *shown = status;
            is_new
        });
    }
}

async fn confirm(rauc: &Rauc) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match rauc.mark(Mark::Good, "booted").await {
            Ok(()) => return Ok(()),
            Err(why) => last = why.to_string(),
        }
        sleep(TRY_AGAIN).await;
    }
    Err(last)
}

async fn reboot(rauc: &Rauc) {
    loop {
        match rauc.reboot().await {
            Ok(()) => return tracing::info!("the board starts anew"),
            Err(why) => tracing::error!(%why, "systemd does not start the board anew; it is asked again"),
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Looks until it is decided.
async fn judge(config: &Config, journal: &Journal, progress: &watch::Sender<Progress>) -> Event {
    let Order { baseline, version, .. } = &journal.order;
    let (deadline, hold) = (config.gate_deadline.as_millis() as u64, config.gate_hold.as_millis() as u64);
    let mut judge = Judge::new(baseline.clone(), config.criteria, version, deadline, hold);
    loop {
        let look = recorder::look(&config.recorder, &config.os_release).await;
        match judge.look(&look, clock::since_boot_ms()) {
            Some(Ok(())) => return Event::FoundGood(cost(config, journal, baseline).await),
            Some(Err(why)) => return Event::FoundBad(why),
            None => {}
        }
        let words = match judge.lacks() {
            [] => "all is well; it is watched for a while".into(),
            lacks => lacks.join("; "),
        };
        progress.send_if_modified(|p| std::mem::replace(&mut p.words, words.clone()) != words);
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until the old system records what it recorded before.
async fn await_recording(config: &Config, journal: &Journal) -> slots::Gap {
    let before = &journal.order.baseline;
    let again = async {
        loop {
            let look = recorder::look(&config.recorder, &config.os_release).await;
            let now = Baseline::of(&look);
            if before.cameras.iter().all(|id| now.cameras.contains(id)) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    if timeout(BACK_WITHIN, again).await.is_err() {
        tracing::warn!("the old system does not record all that it recorded before");
    }
    cost(config, journal, before).await
}

async fn cost(config: &Config, journal: &Journal, before: &Baseline) -> slots::Gap {
    match recorder::report(&config.recorder, journal.left_ms).await {
        Ok(report) => recorder::gap(&report, &before.cameras),
        Err(_) => slots::Gap::default(),
    }
}
