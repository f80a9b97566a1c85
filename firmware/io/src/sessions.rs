//! All camera streams on one thread: each source's items fan out to card, hub and eye; a session that ends begins again.

use crate::beat::{Beat, Quick};
use crate::clock;
use crate::eye_link::EyeFeed;
use crate::hub::Hub;
use crate::source::{Ended, Item, Pause, Source};
use crate::storage::CardSender;
use nightjar_media::init;
use nightjar_types::status::{CameraState, StreamStatus};
use nightjar_types::{AccessUnit, GapCause, Media, Mono, StreamKind, StreamParams};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Rates are taken over this long.
const RATE_WINDOW: Duration = Duration::from_secs(2);
/// With no picture for this long a stream that was recording is not "recording" any more.
const SILENT: Duration = Duration::from_secs(5);

/// One stream to run.
pub struct Stream {
    /// Main or sub.
    pub kind: StreamKind,
    /// Camera id, for logs.
    pub camera: String,
    /// Where it comes from.
    pub source: Box<dyn Source>,
    /// Where it is recorded.
    pub card: CardSender,
    /// Who watches it.
    pub hub: Arc<Hub>,
    /// The eye looks at it.
    pub eye: Option<EyeFeed>,
    /// What it shows of itself.
    pub vitals: Arc<Vitals>,
}

/// One stream's numbers.
#[derive(Debug)]
pub struct Vitals {
    kind: StreamKind,
    dropped: AtomicU64,
    inner: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    state: Option<CameraState>,
    params: Option<StreamParams>,
    fps: f32,
    bitrate: u64,
    gop_s: f32,
    sessions: u64,
    lost_packets: u64,
    error: Option<String>,
    window_from: Mono,
    window_frames: u32,
    window_bytes: u64,
    last_key: i64,
    last_unit: Mono,
}

impl Vitals {
    /// Of a stream that has not begun.
    pub fn new(kind: StreamKind) -> Arc<Self> {
        Arc::new(Self { kind, dropped: AtomicU64::new(0), inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the API shows it.
    pub fn status(&self, now: Mono) -> StreamStatus {
        let n = self.lock();
        let mut state = n.state.unwrap_or(CameraState::Connecting);
        if state == CameraState::Recording && now.since(n.last_unit) > SILENT {
            state = CameraState::Stalled;
        }
        let (width, height) = n.params.as_ref().map_or((0, 0), |p| (p.video.width, p.video.height));
        StreamStatus {
            kind: self.kind.as_str(),
            state,
            codecs: n.params.as_ref().map(init::codecs).unwrap_or_default(),
            width,
            height,
            fps: n.fps,
            bitrate: n.bitrate,
            gop_s: n.gop_s,
            dropped_units: self.dropped.load(Relaxed),
            sessions: n.sessions,
            error: n.error.clone(),
        }
    }

    /// Packets that the network lost since start.
    pub fn lost_packets(&self) -> u64 {
        self.lock().lost_packets
    }

    fn begin(&self) {
        let mut n = self.lock();
        n.sessions += 1;
        n.window_from = clock::mono();
        (n.window_frames, n.window_bytes, n.last_key) = (0, 0, 0);
    }

    fn unit(&self, unit: &AccessUnit) {
        let mut n = self.lock();
        n.window_bytes += unit.data.len() as u64;
        if unit.media == Media::Audio {
            return;
        }
        n.state = Some(CameraState::Recording);
        n.error = None;
        n.last_unit = unit.arrived;
        n.window_frames += 1;
        if unit.is_key {
            if n.last_key > 0 {
                n.gop_s = (unit.dts - n.last_key) as f32 / 90_000.0;
            }
            n.last_key = unit.dts;
        }
        let window = unit.arrived.since(n.window_from);
        if window >= RATE_WINDOW {
            n.fps = n.window_frames as f32 / window.as_secs_f32();
            n.bitrate = (n.window_bytes as f32 * 8.0 / window.as_secs_f32()) as u64;
            (n.window_from, n.window_frames, n.window_bytes) = (unit.arrived, 0, 0);
        }
    }

    fn ended(&self, ended: &Ended) {
        let mut n = self.lock();
        n.state = Some(match ended.cause {
            GapCause::AuthFailed => CameraState::AuthFailed,
            GapCause::Stalled => CameraState::Stalled,
            GapCause::Garbage => CameraState::Garbage,
            _ => CameraState::Offline,
        });
        n.error = Some(ended.words.clone());
        (n.fps, n.bitrate) = (0.0, 0);
    }
}

/// The thread of all sessions.
pub struct Sessions {
    thread: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Sessions {
    /// Starts every stream on one thread with a runtime of its own, which keeps `beat`.
    pub fn start(streams: Vec<Stream>, beat: Arc<Beat>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let of_runtime = beat.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .on_thread_park(move || of_runtime.sleep())
            .build()?;
        let thread = std::thread::Builder::new().name("cameras".into()).spawn(move || {
            runtime.block_on(async move {
                let tasks: Vec<_> = streams
                    .into_iter()
                    .map(|s| tokio::spawn(keep(s, stopped.clone(), beat.clone())))
                    .collect();
                for task in tasks {
                    let _ = task.await; // a panic there is already printed and ends only its stream
                }
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Self { thread: Some(thread), stop })
    }

    /// Ends every session. Whatever was received has reached the card's queue when this returns.
    pub fn stop(mut self) {
        let _ = self.stop.send(true); // nobody listens when every stream has ended already
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // see start
        }
    }
}

async fn keep(mut s: Stream, mut stop: watch::Receiver<bool>, beat: Arc<Beat>) {
    let mut pause = Pause::default();
    // wanted quickly by the eye only while something moves on it
    if let Some(eye) = &s.eye {
        eye.quickens(&beat);
    }
    loop {
        let begun = clock::mono();
        let hurry = Some(beat.quicken()); // until the first picture
        let mut fan =
            Fan { card: &mut s.card, hub: &s.hub, eye: &s.eye, vitals: &s.vitals, beat: &beat, hurry };
        fan.vitals.begin();
        let ended = {
            let mut sink = |item: Item| fan.item(item);
            tokio::select! {
                biased; // what has arrived is recorded before a stop is obeyed
                ended = s.source.session(&mut sink) => ended,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        };
        tracing::warn!(camera = s.camera, stream = %s.kind, cause = ?ended.cause, "{}", ended.words);
        s.vitals.ended(&ended);
        s.card.ended(ended.cause);
        s.hub.ended();
        if let Some(eye) = &s.eye {
            eye.params(None);
        }
        let wait = pause.next(ended.retry, clock::mono().since(begun), random());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
}

struct Fan<'a> {
    card: &'a mut CardSender,
    hub: &'a Hub,
    eye: &'a Option<EyeFeed>,
    vitals: &'a Vitals,
    beat: &'a Arc<Beat>,
    hurry: Option<Quick>,
}

impl Fan<'_> {
    fn item(&mut self, item: Item) {
        match item {
            Item::Params(params) => {
                self.hub.params(&params);
                if let Some(eye) = self.eye {
                    eye.params(Some(&params));
                }
                self.vitals.lock().params = Some(params.clone());
                self.card.params(params);
            }
            Item::Unit(unit) => {
                self.vitals.unit(&unit);
                let is_watched = self.hub.unit(&unit) > 0;
                if is_watched != self.hurry.is_some() {
                    self.hurry = is_watched.then(|| self.beat.quicken());
                }
                if let Some(eye) = self.eye {
                    eye.unit(&unit);
                }
                if !self.card.unit(unit) {
                    self.vitals.dropped.fetch_add(1, Relaxed);
                }
            }
            Item::Loss(packets) => self.vitals.lock().lost_packets += u64::from(packets),
        }
    }
}

/// A random fraction 0..1 for jitter.
pub(crate) fn random() -> f32 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_or(0.5, |()| f32::from(u16::from_le_bytes(bytes)) / 65_536.0)
}
