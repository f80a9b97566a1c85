//! The eye beside us: units and questions in, what it sees out. It may crash, hang or talk nonsense: it is started again.

mod archive;
mod culprits;
mod link;
mod mailbox;
mod pace;
mod process;
mod sieve;

use crate::beat::Beat;
use archive::ArchiveBox;
pub use archive::ArchiveFeed;
use bytes::Bytes;
pub use culprits::Quarantine;
use culprits::{Culprits, Suspect};
use link::Link;
use mailbox::Mailbox;
use nightjar_types::eye::{Ease, EyeCounters, FromEye, Measured, ModelInfo, Sandbox, ToEye};
use nightjar_types::{AccessUnit, Mono, StreamParams, VideoParams};
use pace::Pace;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// Least confidence that is reported, by stream number.
    pub min_scores: Vec<f32>,
    /// The detected streams' camera ids, by stream number.
    pub cameras: Vec<String>,
    /// Where it keeps what it knows of GStreamer's plugins; without, it looks at each of them at every start.
    pub registry: Option<PathBuf>,
    /// When it is taken for dead, and how soon another follows.
    pub limits: Limits,
}

/// The link's patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Silence after which it is taken for dead. It is asked every second, and the thread that answers does nothing else.
    pub silence: Duration,
    /// Time at one picture after which a thread hangs. A decoder is given up by the eye itself after 3 s; the largest model
    /// takes 1 s on the slowest board. On a machine with ten times more to do than it can, 8 s were not enough.
    pub hang: Duration,
    /// A run of this length was good, and the pauses begin anew.
    pub good: Duration,
    /// Pauses between starts: doubling from the first to the last.
    pub pauses: (Duration, Duration),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(10),
            hang: Duration::from_secs(15),
            good: Duration::from_secs(10),
            pauses: (Duration::from_millis(200), Duration::from_secs(30)),
        }
    }
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
    /// What the kernel holds it to.
    pub sandbox: Sandbox,
    /// Streams that it is spared because they ended it, by number.
    pub quarantine: BTreeMap<u32, Quarantine>,
    /// Streams that wait while another is tried alone.
    pub waiting: Vec<u32>,
    /// Why it ended last.
    pub error: Option<String>,
}

type StillAnswer = oneshot::Sender<Result<Bytes, String>>;

#[derive(Default)]
struct Stills {
    next: u32,
    asked: VecDeque<ToEye>,
    waiting: BTreeMap<u32, StillAnswer>,
    /// Hash of the codec configuration by request, of the newest.
    sources: BTreeMap<u32, u64>,
}

struct Shared {
    /// Something that the eye reads at its start has changed.
    renew: Notify,
    mailboxes: Vec<Mailbox>,
    paces: Vec<Pace>,
    ease: Mutex<Ease>,
    wake: Arc<Notify>,
    state: Mutex<EyeState>,
    stills: Mutex<Stills>,
    culprits: Mutex<Culprits>,
    archive: ArchiveBox,
}

impl Shared {
    fn culprits(&self) -> MutexGuard<'_, Culprits> {
        self.culprits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, EyeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ease(&self) -> MutexGuard<'_, Ease> {
        self.ease.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.shared.mailboxes[self.stream].params(params) {
            self.shared.culprits().forgive(Suspect::Stream(self.stream as u32));
        }
        if params.is_none() {
            self.shared.paces[self.stream].set(false);
        }
    }

    /// The beat of the thread that reads the stream: quick while the eye waits for it.
    pub(crate) fn quickens(&self, beat: &Arc<Beat>) {
        self.shared.paces[self.stream].attach(beat.clone());
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
        let paces = config.cameras.iter().map(|_| Pace::default()).collect();
        let shared = Arc::new(Shared {
            renew: Notify::new(),
            mailboxes,
            paces,
            ease: Mutex::default(),
            wake,
            state: Mutex::default(),
            stills: Mutex::default(),
            culprits: Mutex::default(),
            archive: ArchiveBox::default(),
        });
        let link = Link::new(config, shared.clone(), seen);
        (Self { shared }, tokio::spawn(link.keep_running(stop)))
    }

    /// The way of stream `n` of [`EyeConfig::cameras`].
    pub fn feed(&self, n: usize) -> EyeFeed {
        EyeFeed { shared: self.shared.clone(), stream: n }
    }

    /// How much it may do from now on, through every restart.
    pub fn ease(&self, level: Ease) {
        *self.shared.ease() = level;
        self.shared.wake.notify_one();
    }

    /// The way of pictures of before, and what the eye says to them; `Hello` when it is another eye from now on. One at a time:
    /// the newest caller gets the answers.
    pub fn archive(&self) -> (ArchiveFeed, mpsc::Receiver<FromEye>) {
        ArchiveFeed::new(self.shared.clone())
    }

    /// Starts the eye anew: what it reads at its start has changed. It is away for about a second.
    pub fn renew(&self) {
        self.shared.renew.notify_one();
    }

    /// How it is doing.
    pub fn state(&self) -> EyeState {
        let mut state = self.shared.state().clone();
        state.skipped_gops = self.shared.mailboxes.iter().map(|m| m.skipped_gops.load(Relaxed)).sum();
        let culprits = self.shared.culprits();
        state.quarantine = culprits.quarantined();
        state.waiting = culprits.waiting().collect();
        state
    }

    /// A person lets stream `n` out of its quarantine. False when it was in none.
    pub fn release(&self, n: usize) -> bool {
        let was_in = self.shared.culprits().forgive(Suspect::Stream(n as u32));
        self.shared.wake.notify_one();
        was_in
    }

    /// A key frame as JPEG. Fails in words within 4 s.
    pub async fn still(&self, params: &VideoParams, data: Bytes) -> Result<Bytes, String> {
        let is_on_demand = self.shared.mailboxes.is_empty();
        if !is_on_demand && !self.shared.state().is_running {
            return Err("the eye is not running; see the Health page".into());
        }
        let mut hasher = DefaultHasher::new();
        params.config.hash(&mut hasher);
        let source = hasher.finish();
        if self.shared.culprits().is_withheld(Suspect::Still(source)) {
            return Err(
                "single pictures of this stream ended the eye three times; see the Health page".into()
            );
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
            stills.sources.insert(request, source);
            while stills.sources.len() > 2 * MAX_STILLS {
                stills.sources.pop_first();
            }
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
