//! The eye beside us: units and questions in, what it sees out. It may crash, hang or talk nonsense: it is started again.

mod link;
mod mailbox;

use bytes::Bytes;
use link::Link;
use mailbox::Mailbox;
use nightjar_types::eye::{EyeCounters, FromEye, Measured, ModelInfo, ToEye};
use nightjar_types::{AccessUnit, Mono, StreamParams, VideoParams};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Questions that may wait for an answer.
const MAX_STILLS: usize = 32;
/// How long a still may take.
const STILL_DEADLINE: Duration = Duration::from_secs(4);

/// How to start the eye.
#[derive(Debug, Clone)]
pub struct EyeConfig {
    /// `nightjar-eye`.
    pub program: PathBuf,
    /// Its arguments after `serve`.
    pub args: Vec<String>,
    /// Least confidence that is reported.
    pub min_score: f32,
    /// The detected streams' camera ids, by stream number.
    pub cameras: Vec<String>,
}

/// How the eye is doing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EyeState {
    /// It answers.
    pub is_running: bool,
    /// Process id while it lives.
    pub pid: Option<u32>,
    /// Starts after the first.
    pub restarts: u64,
    /// What it runs.
    pub model: ModelInfo,
    /// Decoder element or error by stream number.
    pub decoders: BTreeMap<u32, Result<String, String>>,
    /// Its own counters.
    pub counters: EyeCounters,
    /// When it said hello, for shares of time.
    pub since: Option<Mono>,
    /// What was measured on this board.
    pub measured: Option<Measured>,
    /// Groups of pictures left out because it was busy.
    pub skipped_gops: u64,
    /// Why it ended last.
    pub error: Option<String>,
}

type StillAnswer = oneshot::Sender<Result<Bytes, String>>;

#[derive(Default)]
struct Stills {
    next: u32,
    asked: VecDeque<ToEye>,
    waiting: BTreeMap<u32, StillAnswer>,
}

struct Shared {
    /// Something that the eye reads at its start has changed.
    renew: Notify,
    mailboxes: Vec<Mailbox>,
    wake: Arc<Notify>,
    state: Mutex<EyeState>,
    stills: Mutex<Stills>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, EyeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stills(&self) -> MutexGuard<'_, Stills> {
        self.stills.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The eye's keeper.
#[derive(Clone)]
pub struct Eye {
    shared: Arc<Shared>,
}

/// One stream's way to the eye. Never blocks.
#[derive(Clone)]
pub struct EyeFeed {
    shared: Arc<Shared>,
    stream: usize,
}

impl EyeFeed {
    /// New parameters; `None` when the session ended.
    pub fn params(&self, params: Option<&StreamParams>) {
        self.shared.mailboxes[self.stream].params(params);
    }

    /// One unit.
    pub fn unit(&self, unit: &AccessUnit) {
        self.shared.mailboxes[self.stream].unit(unit);
    }
}

impl Eye {
    /// Keeps an eye running while there are cameras to look at, else only while stills are asked for, until `stop` says true. What it sees goes into `seen`, which is never dropped from: a full
    /// queue holds the eye up.
    pub fn start(
        config: EyeConfig,
        seen: mpsc::Sender<FromEye>,
        stop: watch::Receiver<bool>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let wake = Arc::new(Notify::new());
        let mailboxes = config.cameras.iter().map(|_| Mailbox::new(wake.clone())).collect();
        let shared = Arc::new(Shared {
            renew: Notify::new(),
            mailboxes,
            wake,
            state: Mutex::default(),
            stills: Mutex::default(),
        });
        let link = Link::new(config, shared.clone(), seen);
        (Self { shared }, tokio::spawn(link.keep_running(stop)))
    }

    /// The way of stream `n` of [`EyeConfig::cameras`].
    pub fn feed(&self, n: usize) -> EyeFeed {
        EyeFeed { shared: self.shared.clone(), stream: n }
    }

    /// Starts the eye anew: what it reads at its start has changed. It is away for about a second.
    pub fn renew(&self) {
        self.shared.renew.notify_one();
    }

    /// How it is doing.
    pub fn state(&self) -> EyeState {
        let mut state = self.shared.state().clone();
        state.skipped_gops = self.shared.mailboxes.iter().map(|m| m.skipped_gops.load(Relaxed)).sum();
        state
    }

    /// A key frame as JPEG. Fails in words within 4 s.
    pub async fn still(&self, params: &VideoParams, data: Bytes) -> Result<Bytes, String> {
        let is_on_demand = self.shared.mailboxes.is_empty();
        if !is_on_demand && !self.shared.state().is_running {
            return Err("the eye is not running; see the Health page".into());
        }
        let (answer, answered) = oneshot::channel();
        let request = {
            let mut stills = self.shared.stills();
            if stills.waiting.len() >= MAX_STILLS {
                return Err("too many pictures are being made; try again".into());
            }
            stills.next = stills.next.wrapping_add(1);
            let request = stills.next;
            let (codec, config) = (params.codec, params.config.clone());
            stills.asked.push_back(ToEye::Still { request, codec, config, data });
            stills.waiting.insert(request, answer);
            request
        };
        self.shared.wake.notify_one();
        let result = tokio::time::timeout(STILL_DEADLINE, answered).await;
        self.shared.stills().waiting.remove(&request);
        match result {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the eye ended before it answered; try again".into()),
            Err(_) => Err("the eye took too long; try again".into()),
        }
    }
}
