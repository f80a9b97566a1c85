//! A board: the real client and the real duties around an installer that is simulated. It fetches the file by ranges, "restarts"
//! with nothing but its journal, asks a gate that knows good versions from bad ones, and closes the action only then.

use anyhow::{Context, Result};
use nightjar_ddi::{
    Client, Consent, Deployment, Duty, Error, Execution, Mode, Next, Now, Pace, Report, Setup, Stage,
    Verdict, Work, duties, random,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Versions with this in their name do not pass the gate.
pub(crate) const BAD: &str = "bad";
/// What every board runs before the first update.
pub(crate) const FACTORY: &str = "1.0.0";

/// A board and the handles on it.
pub(crate) struct Board {
    pub(crate) id: String,
    client: Client,
    folder: PathBuf,
    state: Mutex<State>,
}

/// What can be seen and changed from outside.
pub(crate) struct State {
    /// The version that runs.
    pub(crate) running: String,
    pub(crate) work: Option<Work>,
    /// Every version that the server offered.
    pub(crate) offered: BTreeSet<String>,
    pub(crate) restarts: u32,
    pub(crate) polls: u32,
    pub(crate) failures: u32,
    /// Errors, the newest last.
    pub(crate) error: Option<String>,
    /// Why nothing may be installed.
    pub(crate) hold: Option<String>,
    pub(crate) consent: Consent,
    /// How long it is away when it restarts.
    pub(crate) restart: Duration,
}

impl Board {
    pub(crate) fn new(id: &str, setup: &Setup, folder: PathBuf) -> Result<Arc<Self>> {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let state = State {
            running: FACTORY.into(),
            work: None,
            offered: BTreeSet::new(),
            restarts: 0,
            polls: 0,
            failures: 0,
            error: None,
            hold: None,
            consent: Consent::Open,
            restart: Duration::from_millis(500),
        };
        let client = Client::new(setup)?;
        Ok(Arc::new(Self { id: id.into(), client, folder, state: Mutex::new(state) }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut pace = Pace::default();
        loop {
            tokio::time::sleep(pace.next(random())).await;
            match self.round().await {
                Ok(sleep) => pace.heard(sleep),
                Err(error) => {
                    let mut state = self.state();
                    state.failures += 1;
                    state.error = Some(error.to_string());
                    drop(state);
                    pace.failed(error.after());
                }
            }
        }
    }

    /// One poll and its duties.
    async fn round(&self) -> Result<Duration, Error> {
        let orders = self.client.poll().await?;
        let list = {
            let mut state = self.state();
            state.polls += 1;
            let all = orders.deployment.iter().chain(&orders.confirmation);
            let versions: Vec<String> = all.map(version).collect();
            state.offered.extend(versions);
            let now = Now { work: state.work.as_ref(), hold: state.hold.as_deref(), consent: &state.consent };
            duties(&orders, &now)
        };
        let sleep = orders.sleep.unwrap_or(Duration::from_secs(5));
        let is_busy = list.iter().any(|duty| !matches!(duty, Duty::Wait(..) | Duty::Inventory));
        for duty in list {
            match self.carry_out(duty).await {
                Err(error) if error.next() == Next::Forget => break, // the next poll says how things are
                other => other?,
            }
        }
        // what follows a duty is asked for at once
        Ok(if is_busy { Duration::from_secs(1) } else { sleep })
    }

    async fn carry_out(&self, duty: Duty) -> Result<(), Error> {
        if let Some((action, report)) = duty.report() {
            match self.client.report(action, &report).await {
                // closed there already: as good as told
                Err(error) if error.next() == Next::Forget && matches!(duty, Duty::Close(..)) => {}
                other => other?,
            }
        }
        match duty {
            Duty::Inventory => self.inventory().await,
            Duty::Close(..) => {
                self.note(None);
                self.inventory().await
            }
            Duty::Drop(_) => {
                self.note(None);
                let _ = std::fs::remove_dir_all(self.folder.join("files")); // there may be none
                Ok(())
            }
            Duty::Cancelled(action) => self.client.cancelled(action, "stopped; nothing was changed").await,
            Duty::TooLate(action) => self.client.too_late(action, "the board restarts already").await,
            Duty::Consent(action, answer) => {
                self.client.consent(action, &answer).await?;
                self.state().consent = Consent::Open;
                Ok(())
            }
            Duty::Fetch(deployment) => self.fetch(&deployment).await,
            Duty::Install(deployment) => {
                self.install(&deployment).await;
                Ok(())
            }
            Duty::Wait(action, why) => {
                self.note(Some(Work { action, stage: Stage::Fetched, told: Some(why) }));
                Ok(())
            }
        }
    }

    async fn inventory(&self) -> Result<(), Error> {
        let running = self.state().running.clone();
        let data = [("hardware", "simulated"), ("version", &running), ("slot", "A")];
        let data: BTreeMap<String, String> = data.map(|(k, v)| (k.to_string(), v.to_string())).into();
        self.client.inventory(Mode::Merge, &data).await
    }

    async fn fetch(&self, deployment: &Deployment) -> Result<(), Error> {
        let action = deployment.action;
        self.note(Some(Work { action, stage: Stage::Fetching, told: None }));
        let folder = self.folder.join("files");
        std::fs::create_dir_all(&folder).map_err(|why| Error::Disk { path: folder.clone(), why })?;
        for artifact in deployment.chunks.iter().flat_map(|chunk| &chunk.artifacts) {
            match self.client.download(artifact, &folder.join(&artifact.file), |_| ()).await {
                Err(error) if error.next() == Next::Fail => {
                    let verdict = Verdict { is_good: false, words: error.to_string() };
                    self.note(Some(Work { action, stage: Stage::Decided(verdict), told: None }));
                    return Ok(());
                }
                other => other?,
            }
        }
        self.note(Some(Work { action, stage: Stage::Fetched, told: None }));
        self.client.report(action, &Report::of(Execution::Downloaded, "all bytes are there")).await
    }

    /// Writes, restarts, tries. What is in memory does not survive the restart; the journal does.
    async fn install(&self, deployment: &Deployment) {
        let (action, new) = (deployment.action, version(deployment));
        self.note(Some(Work { action, stage: Stage::Installing, told: None }));
        self.note(Some(Work { action, stage: Stage::Restarting, told: None }));
        let away = {
            let mut state = self.state();
            (state.work, state.restarts) = (None, state.restarts + 1);
            state.restart
        };
        tokio::time::sleep(away).await;
        let found = std::fs::read(self.folder.join("journal")).expect("the journal was written");
        let mut work: Work = serde_json::from_slice(&found).expect("it is whole");
        let is_good = !new.contains(BAD);
        let words = if is_good {
            self.state().running = new;
            "every camera records again".to_string()
        } else {
            format!("camera front records no more under {new}: went back")
        };
        work.stage = Stage::Decided(Verdict { is_good, words });
        self.note(Some(work));
    }

    /// Journal first, then memory.
    fn note(&self, work: Option<Work>) {
        let path = self.folder.join("journal");
        match &work {
            Some(work) => {
                let text = serde_json::to_vec(work).expect("it is JSON");
                std::fs::write(&path, text).expect("a journal can be written");
            }
            None => drop(std::fs::remove_file(&path)), // there may be none
        }
        self.state().work = work;
    }

    /// What was fetched lies here, whole or in part.
    pub(crate) fn has_files(&self) -> bool {
        std::fs::read_dir(self.folder.join("files")).is_ok_and(|mut files| files.next().is_some())
    }
}

fn version(deployment: &Deployment) -> String {
    deployment.chunks.first().map_or_else(String::new, |chunk| chunk.version.clone())
}
