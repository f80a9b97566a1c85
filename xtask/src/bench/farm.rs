//! Clips and a number of cameras → RTSP servers on loopback, on a fixed clock: picture `n` of a stream is due at
//! phase + n / rate. So it is known which pictures every client was sent.

use super::footage::{Clip, GOP_S, STREAMS, Stream};
use super::rtsp;
use crate::clock::Stopwatch;
use anyhow::{Context, Result};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cameras that serve until this is dropped.
pub(super) struct Farm {
    port: u16,
    pub(super) cameras: u32,
    shared: Arc<Shared>,
}

/// What all connections know.
pub(super) struct Shared {
    clips: Vec<Arc<Clip>>,
    cameras: u32,
    clock: Stopwatch,
    is_stopping: AtomicBool,
    sessions: Mutex<Vec<Session>>,
}

/// One PLAY of one client. Times are seconds since the farm began.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) camera: u32,
    pub(super) stream: Stream,
    pub(super) asked_at: f64,
    /// First picture that was sent, and the one after the last.
    pub(super) first: u64,
    pub(super) end: u64,
    /// Pictures in between that the client was too slow for.
    pub(super) dropped: Vec<u64>,
    /// Bytes of the elementary stream.
    pub(super) bytes: u64,
    /// Latest that a picture was handed to the connection after it was due, s.
    pub(super) late: f64,
}

/// Which camera and stream a path means.
#[derive(Clone)]
pub(super) struct Track {
    pub(super) camera: u32,
    pub(super) clip: Arc<Clip>,
    phase: f64,
}

impl Track {
    /// When picture `n` is due.
    pub(super) fn due(&self, n: u64) -> f64 {
        self.phase + n as f64 / f64::from(self.clip.stream.fps())
    }

    /// The first picture that is due after `time`.
    pub(super) fn after(&self, time: f64) -> u64 {
        ((time - self.phase) * f64::from(self.clip.stream.fps())).ceil().max(0.0) as u64
    }
}

impl Farm {
    pub(super) fn start(clips: &[Arc<Clip>], cameras: u32) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("can't open a port for the cameras")?;
        let port = listener.local_addr().context("the cameras' port has no address")?.port();
        let shared = Arc::new(Shared {
            clips: clips.to_vec(),
            cameras,
            clock: Stopwatch::start(),
            is_stopping: AtomicBool::new(false),
            sessions: Mutex::default(),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.is_stopping() {
                    return;
                }
                let shared = of_thread.clone();
                std::thread::spawn(move || rtsp::serve(&shared, stream));
            }
        });
        Ok(Self { port, cameras, shared })
    }

    /// Address of one stream; cameras count from 1.
    pub(super) fn url(&self, camera: u32, stream: Stream) -> String {
        format!("rtsp://127.0.0.1:{}/cam{camera:02}/{}", self.port, stream.name())
    }

    /// Seconds since it began.
    pub(super) fn now(&self) -> f64 {
        self.shared.now()
    }

    /// What was sent so far, in the order of the PLAYs.
    pub(super) fn sessions(&self) -> Vec<Session> {
        self.shared.sessions().clone()
    }

    /// Bytes of elementary streams sent so far.
    pub(super) fn bytes(&self) -> u64 {
        self.shared.sessions().iter().map(|session| session.bytes).sum()
    }

    pub(super) fn track(&self, camera: u32, stream: Stream) -> Option<Track> {
        self.shared.track(camera, stream)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Relaxed);
        TcpStream::connect(("127.0.0.1", self.port)).ok(); // wakes the thread that accepts
    }
}

impl Shared {
    pub(super) fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn track(&self, camera: u32, stream: Stream) -> Option<Track> {
        let clip = self.clips.iter().find(|clip| clip.stream == stream)?.clone();
        // spread over a group of pictures, so that key frames do not come all at once
        let phase = (f64::from(camera) * 0.618_033_988_75).fract() * f64::from(GOP_S);
        (1..=self.cameras).contains(&camera).then_some(Track { camera, clip, phase })
    }

    /// `camNN/STREAM` → what it means.
    pub(super) fn find(&self, path: &str) -> Option<Track> {
        let (camera, stream) = path.split_once('/')?;
        let camera = camera.strip_prefix("cam")?.parse().ok()?;
        let stream = STREAMS.into_iter().find(|known| known.name() == stream)?;
        self.track(camera, stream)
    }

    /// Notes a PLAY from picture `first` on; returns the session's number.
    pub(super) fn begin(&self, track: &Track, first: u64) -> usize {
        let mut sessions = self.sessions();
        sessions.push(Session {
            camera: track.camera,
            stream: track.clip.stream,
            asked_at: self.now(),
            first,
            end: first,
            dropped: Vec::new(),
            bytes: 0,
            late: 0.0,
        });
        sessions.len() - 1
    }

    pub(super) fn note(&self, session: usize, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions().get_mut(session) {
            change(session);
        }
    }
}
