//! What every handler shares: the desk, the doors, the places that are left, and what was counted.

use crate::Web;
use crate::audit::Audit;
use crate::auth::Auth;
use crate::desk::{BoxFuture, Desk, DeskError, Export};
use crate::error::ApiError;
use nightjar_types::{StreamKind, Wall};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Live viewers at once.
pub(crate) const MAX_VIEWERS: usize = 16;
/// Exports read at once.
pub(crate) const MAX_EXPORTS: usize = 4;
/// Readers of the event stream at once.
pub(crate) const MAX_READERS: usize = 32;
/// How long a request waits for a place: a player that seeks opens the new range before it has closed the old one.
const PLACE_WITHIN: Duration = Duration::from_secs(3);
/// How long the daemon may take for one answer.
pub(crate) const DESK_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to plan an export: the tables of a thousand slabs on a slow card. The gate's deadline is longer.
const PLAN_WITHIN: Duration = Duration::from_secs(18);

/// Shared by all handlers.
pub(crate) struct App {
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) audit: Audit,
    clock: Arc<dyn Fn() -> Wall + Send + Sync>,
    pub(crate) device: String,
    pub(crate) version: String,
    pub(crate) update_agent: PathBuf,
    pub(crate) viewers: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) tally: Tally,
    /// Turns true once, when the server stops.
    pub(crate) stop: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(web: Web) -> Self {
        Self {
            desk: web.desk,
            auth: web.auth,
            audit: web.audit,
            clock: web.clock,
            device: web.options.device,
            version: web.options.version,
            update_agent: web.options.update_agent,
            viewers: Arc::new(Semaphore::new(MAX_VIEWERS)),
            exports: Arc::new(Semaphore::new(MAX_EXPORTS)),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            tally: Tally::default(),
            stop: watch::Sender::new(false),
        }
    }

    pub(crate) fn now(&self) -> Wall {
        (self.clock)()
    }

    /// `stream`, or main when the camera has no sub stream.
    pub(crate) fn stream_or_main(&self, camera: &str, stream: StreamKind) -> Result<StreamKind, ApiError> {
        let cameras = self.desk.cameras();
        let found = cameras.iter().find(|c| c.id == camera);
        let found = found.ok_or_else(|| DeskError::UnknownCamera(camera.to_owned()))?;
        let there = found.streams.iter().any(|s| s.kind == stream.as_str());
        Ok(if there { stream } else { StreamKind::Main })
    }

    /// A place for one viewer, export or reader, or words that say how many there are.
    pub(crate) async fn place(
        &self,
        places: &Arc<Semaphore>,
        what: &str,
        of: usize,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(PLACE_WITHIN, Arc::clone(places).acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => {
                self.tally.full();
                Err(ApiError::Full(format!("all {of} {what} are taken; close one and try again")))
            }
        }
    }
}

/// A question to the daemon, with a deadline.
pub(crate) async fn within<T>(
    what: &'static str,
    answer: BoxFuture<'_, Result<T, DeskError>>,
) -> Result<T, ApiError> {
    in_time(what, DESK_WITHIN, answer).await
}

/// The plan of an export, with its own deadline.
pub(crate) async fn planned(
    answer: BoxFuture<'_, Result<Arc<dyn Export>, DeskError>>,
) -> Result<Arc<dyn Export>, ApiError> {
    in_time("the footage", PLAN_WITHIN, answer).await
}

async fn in_time<T>(
    what: &'static str,
    deadline: Duration,
    answer: BoxFuture<'_, Result<T, DeskError>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ApiError::TimedOut(what)),
    }
}

/// What the web counts since start; `/metrics` shows it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    connections: AtomicU64,
    connections_refused: AtomicU64,
    denied: AtomicU64,
    full: AtomicU64,
    too_slow: AtomicU64,
}

impl Tally {
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn denied(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn too_slow(&self) {
        self.too_slow.fetch_add(1, Ordering::Relaxed);
    }

    /// (name, help, value).
    pub(crate) fn rows(&self) -> [(&'static str, &'static str, u64); 5] {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        [
            ("connections_total", "Connections accepted.", read(&self.connections)),
            ("connections_refused_total", "Connections over the cap.", read(&self.connections_refused)),
            ("denied_total", "Requests without a good login.", read(&self.denied)),
            ("full_total", "Requests turned away because all places were taken.", read(&self.full)),
            ("too_slow_total", "Live viewers closed because they did not read.", read(&self.too_slow)),
        ]
    }
}
