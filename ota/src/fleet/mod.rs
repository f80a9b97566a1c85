//! Where a fleet's server comes in: its commands enter the same machine as a wish from the page, and what it is to be told comes
//! out here. Whoever speaks its protocol, such as [`hawkbit`], holds a [`Fleet`] and needs nothing else of the agent.
//!
//! The id of the server's action travels in the journal, over reboots. "Closed" is told only after the gate, from the disk, until the
//! server took it: [`Fleet::owed`], then [`Fleet::paid`].

pub mod hawkbit;

use crate::agent::Desk;
use crate::error::OtaError;
use crate::slots::{Entry, Feedback, Origin, Tls};
use crate::state::State;
use crate::status::{Status, Wish};
use nightjar_types::Secret;
use tokio::sync::mpsc;

/// The fleet's end of the agent.
pub struct Fleet {
    desk: Desk,
    state: State,
    told: mpsc::Receiver<Feedback>,
}

impl Fleet {
    pub(crate) fn new(desk: Desk, state: State, told: mpsc::Receiver<Feedback>) -> Self {
        Self { desk, state, told }
    }

    /// The server wants this installed. `headers` go along with every request for the bundle, e.g. `Authorization: …`; a copy
    /// that a power cut broke off goes on with them by itself.
    ///
    /// Asked again for the same action while it goes on, this is `Ok`. `Err` is why not now (windows, an alarm, another update), or
    /// that the action is over; what is wrong with the bundle becomes a closed entry.
    pub async fn install(
        &self,
        action: &str,
        url: &str,
        headers: Vec<Secret<String>>,
        tls: Tls,
    ) -> Result<(), String> {
        let origin = Origin::Fleet;
        let wish = Wish { action: Some(action.into()), origin, bundle: url.into(), headers, tls };
        self.desk.install(wish).await.map(drop)
    }

    /// The server does not want it any more. `Ok` says in words what happens now, `Err` why it is too late.
    pub async fn cancel(&self, action: &str) -> Result<String, String> {
        self.desk.cancel(Some(action.into())).await
    }

    /// What runs, what goes on, what was last: for the server's inventory.
    pub fn status(&self) -> Status {
        self.desk.status()
    }

    /// What happens next to an update. What is closed is in [`Fleet::owed`] when it is heard here. `None`: the agent has ended.
    pub async fn next(&mut self) -> Option<Feedback> {
        self.told.recv().await
    }

    /// Updates that are closed and that the server has not heard of, oldest first.
    pub fn owed(&self) -> Result<Vec<Entry>, OtaError> {
        self.state.owed()
    }

    /// The server took it.
    pub fn paid(&self, action: &str) -> Result<(), OtaError> {
        self.state.paid(action)
    }

    /// What became of this action, if it is over.
    pub fn ended(&self, action: &str) -> Result<Option<Entry>, OtaError> {
        Ok(self.state.history()?.into_iter().rfind(|entry| entry.action == action))
    }
}
