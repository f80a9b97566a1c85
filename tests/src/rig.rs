//! Storage, sessions and an eye's link as the daemon wires them, in this process → faults at seeded moments, what each cost.

use crate::clock;
use crate::daemon::is_alive;
use crate::parts;
use crate::probe::{self, Track};
use crate::rtsp_server::served;
use nightjar_io::eye_link::{Eye, EyeConfig, EyeState, Limits};
use nightjar_io::sessions::{Sessions, Stream, Vitals};
use nightjar_io::source::{self, Captures, Opening};
use nightjar_io::storage::{Options, Storage, StreamId, StreamPlan};
use nightjar_types::config::SourceUrl;
use nightjar_types::eye::FromEye;
use nightjar_types::{Name, StreamKind, Wall};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// What each stream plays, round and round.
const CLIP: &str = "sub.mp4";

/// A recorder with two cameras, without its web server and rules.
pub struct Rig {
    dir: TempDir,
    runtime: Runtime,
    storage: Storage,
    sessions: Sessions,
    /// The eye's keeper.
    pub eye: Eye,
    stop: watch::Sender<bool>,
    frames: Arc<AtomicU64>,
    ends: Arc<Mutex<Vec<String>>>,
    streams: Vec<StreamId>,
}

/// One restart.
#[derive(Debug, Clone)]
pub struct Restart {
    /// What was done.
    pub kind: String,
    /// From the fault to the death.
    pub noticed: Duration,
    /// From the death until the next eye said hello.
    pub back: Duration,
    /// From the death until the next eye told of a picture.
    pub seeing: Option<Duration>,
    /// What the recorder said of it.
    pub words: String,
}

impl Rig {
    /// `quota` bytes of footage; the eye is `program` with `args` after `serve`.
    pub fn start(quota: u64, program: PathBuf, args: Vec<String>, limits: Limits) -> Self {
        let dir = tempfile::Builder::new().prefix("nightjar-rig-").tempdir().expect("a temporary folder");
        let ids = ["front", "yard"];
        let streams: Vec<StreamId> =
            ids.iter().map(|id| (Name::new(*id).expect("a name"), StreamKind::Main)).collect();
        let plans = streams.iter().cloned().map(StreamPlan::always).collect();
        let footage = dir.path().join("footage");
        std::fs::create_dir_all(&footage).expect("the temporary folder takes it");
        let storage = Storage::open(Options::folder(&footage, quota, plans)).expect("a storage");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let (send, mut seen) = mpsc::channel(256);
        let (stop, stopped) = watch::channel(false);
        let config = EyeConfig {
            program,
            args,
            min_scores: vec![0.3; ids.len()],
            cameras: ids.iter().map(ToString::to_string).collect(),
            registry: Some(dir.path().join("registry.bin")),
            limits,
        };
        let ends = Arc::<Mutex<Vec<String>>>::default();
        let (eye, frames) = runtime.block_on(async {
            let (eye, _task) = Eye::start(config, send, stopped);
            let frames = Arc::new(AtomicU64::new(0));
            let count = frames.clone();
            tokio::spawn(async move {
                while let Some(message) = seen.recv().await {
                    count.fetch_add(u64::from(matches!(message, FromEye::Frame { .. })), Relaxed);
                }
            });
            tokio::spawn(follow_ends(eye.clone(), ends.clone()));
            (eye, frames)
        });
        let text = format!("file:{}", parts::clip(CLIP).display());
        let url = SourceUrl { scheme: "file".into(), text };
        let captures = Captures::default();
        let stream = |n: usize| Stream {
            kind: StreamKind::Main,
            camera: ids[n].into(),
            source: source::open(&Opening { url: &url, camera: ids[n], login: None, captures: &captures })
                .unwrap_or_else(|why| panic!("{}: {why}", url.text)),
            card: storage.sender(n),
            hub: Arc::default(),
            eye: Some(eye.feed(n)),
            vitals: Vitals::new(StreamKind::Main),
        };
        let sessions =
            Sessions::start((0..ids.len()).map(stream).collect(), storage.reading()).expect("sessions");
        Self { dir, runtime, storage, sessions, eye, stop, frames, ends, streams }
    }

    /// How often eyes have ended, by the recorder's words for it.
    pub fn ends(&self) -> BTreeMap<String, usize> {
        let mut ends = BTreeMap::new();
        for words in self.ends.lock().expect("nobody panics while it is held").iter() {
            *ends.entry(words.clone()).or_default() += 1;
        }
        ends
    }

    /// Pictures that all eyes have told of.
    pub fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// Waits until an eye other than `old` runs and tells of pictures.
    #[track_caller]
    pub fn until_seeing(&self, old: Option<u32>) -> EyeState {
        let running = clock::until("an eye runs", 240, || {
            let state = self.eye.state();
            (state.is_running && state.pid.is_some() && state.pid != old).then_some(state)
        });
        let before = self.frames();
        clock::until("it tells of pictures", 120, || (self.frames() > before).then_some(()));
        running
    }

    /// Does `fault` to the eye that runs and follows what comes of it.
    #[track_caller]
    pub fn restart(&self, kind: &str, fault: impl FnOnce(u32)) -> Restart {
        let old = self.eye.state();
        let pid = old.pid.expect("it runs");
        let begun = clock::now();
        fault(pid);
        let died = until_fine("the eye is dead", || (!is_alive(pid)).then(clock::now));
        let mut words = String::new();
        let back = until_fine("an eye is back", || {
            let state = self.eye.state();
            words = state.error.unwrap_or(std::mem::take(&mut words));
            (state.is_running && state.pid != old.pid).then(clock::now)
        });
        let before = self.frames();
        Restart {
            kind: kind.into(),
            noticed: died.duration_since(begun),
            back: back.duration_since(died),
            seeing: clock::within(30, || (self.frames() > before).then(|| clock::now().duration_since(died))),
            words,
        }
    }

    /// Follows eyes that end by themselves until `count` of them have; `kind` names the fault of the n-th.
    #[track_caller]
    pub fn follow(&self, count: u64, kind: impl Fn(u64) -> String) -> Vec<Restart> {
        let (mut restarts, mut died, mut last): (Vec<Restart>, Option<Instant>, u64) = (Vec::new(), None, 0);
        let kind_only = |n: u64| {
            let (noticed, back, seeing) = (Duration::ZERO, Duration::ZERO, None);
            Restart { kind: kind(n), noticed, back, seeing, words: "(not looked at in time)".into() }
        };
        while last < count || died.is_some() {
            let state = until_fine("the next eye", || {
                let state = self.eye.state();
                let is_news = state.restarts > last || (died.is_some() && state.is_running);
                is_news.then_some(state)
            });
            if state.restarts > last {
                // On a machine that has much else to do two ends may lie between two looks.
                let missed = (last..state.restarts - 1).map(kind_only);
                restarts.extend(missed);
                last = state.restarts - 1;
                let (noticed, back, seeing) = (Duration::ZERO, Duration::ZERO, None);
                let words = state.error.clone().unwrap_or_default();
                restarts.push(Restart { kind: kind(last), noticed, back, seeing, words });
                (last, died) = (state.restarts, died.or(Some(clock::now())));
            }
            if let Some(since) = died.filter(|_| state.is_running) {
                restarts.last_mut().expect("it died before").back = clock::now().duration_since(since);
                died = None;
            }
        }
        restarts
    }

    /// Stops all, then counts what is on the card: panics unless every stream's pictures follow the clip without a hole.
    #[track_caller]
    pub fn stop_and_count(self) -> Vec<usize> {
        self.sessions.stop();
        let library = self.storage.library();
        for id in &self.streams {
            let gaps: Vec<_> = library.gaps(id, Wall(0), Wall(i64::MAX));
            let holes: Vec<_> = gaps.iter().filter(|gap| gap.to.is_some()).collect();
            assert!(holes.is_empty(), "{}: {holes:?}", id.0);
        }
        self.storage.stop().expect("the storage stops well");
        assert_eq!(library.counters(), (0, 0), "units dropped on their way to the card, faults of the card");
        let _ = self.stop.send(true);
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        let source = served(CLIP, Track::Video);
        let source = probe::hashes(&source);
        let count = |id: &StreamId| {
            let mut slabs = below(&self.dir.path().join("footage").join(id.0.as_str()));
            slabs.retain(|path| path.extension().is_some_and(|end| end == "mp4"));
            slabs.sort();
            let units: Vec<probe::Unit> =
                slabs.iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
            probe::assert_unbroken(id.0.as_str(), &probe::hashes(&units), &source);
            units.len()
        };
        self.streams.iter().map(count).collect()
    }
}

/// An eye stays away for longer than lies between two looks.
async fn follow_ends(eye: Eye, ends: Arc<Mutex<Vec<String>>>) {
    let mut known = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let state = eye.state();
        if state.restarts > known {
            known = state.restarts;
            let words = state.error.unwrap_or_else(|| "(not looked at in time)".into());
            ends.lock().expect("nobody panics while it is held").push(words);
        }
    }
}

fn below(folder: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// As [`clock::until`], looking every 2 ms: for moments that are measured.
#[track_caller]
fn until_fine<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = clock::now() + Duration::from_secs(240);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(clock::now() < end, "after 240 s still not: {what}");
        clock::pass(2);
    }
}
