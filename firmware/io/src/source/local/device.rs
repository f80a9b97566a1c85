//! One device and the streams that are wanted of it → one process, and a seat for each stream that listens to it.

use super::process::{self, Heard};
use super::{Ended, LocalCamera};
use nightjar_types::capture::{Kind, MAX_STREAMS, Settings};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What may wait for a session. It never blocks, so this fills only while its thread sleeps between two beats.
const WAITING: usize = 64;

/// A camera's device.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) program: PathBuf,
    pub(super) camera: String,
    pub(super) kind: Kind,
    pub(super) name: String,
    running: Mutex<Running>,
    /// The newest process. The next one is not started before it is gone: a device is given to one alone.
    pub(super) child: tokio::sync::Mutex<Option<Child>>,
}

#[derive(Debug, Default)]
struct Running {
    /// What each stream wants; its place is its number.
    wanted: Vec<Settings>,
    /// Who listens, by stream.
    seats: Vec<Option<mpsc::Sender<Heard>>>,
    /// The newest parameters of each stream, for one who sits down later.
    params: Vec<Option<Heard>>,
    /// The camera is open.
    is_ready: bool,
    task: Option<JoinHandle<()>>,
    /// Which process the task keeps; raised with each.
    round: u64,
}

impl Running {
    /// The process is over or to be ended; what its task still says is not heard.
    fn end(&mut self) -> Option<JoinHandle<()>> {
        self.round += 1;
        self.is_ready = false;
        self.params.iter_mut().for_each(|params| *params = None);
        self.task.take()
    }
}

/// A session's place at a device. Dropped, it is free; when all are, the process ends.
pub(super) struct Seat {
    device: Arc<Device>,
    stream: usize,
    pub(super) heard: mpsc::Receiver<Heard>,
}

impl Device {
    pub(super) fn new(program: PathBuf, camera: &str, local: &LocalCamera) -> Self {
        Self {
            program,
            camera: camera.to_string(),
            kind: local.kind,
            name: local.device.clone(),
            running: Mutex::default(),
            child: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn is(&self, camera: &str, local: &LocalCamera) -> bool {
        (self.camera.as_str(), self.kind, &self.name) == (camera, local.kind, &local.device)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more stream; its number.
    pub(super) fn add(&self, settings: Settings) -> Result<usize, String> {
        let mut running = self.lock();
        if running.wanted.len() >= MAX_STREAMS {
            return Err(format!("{MAX_STREAMS} streams at most come from one camera"));
        }
        running.wanted.push(settings);
        running.seats.push(None);
        running.params.push(None);
        Ok(running.wanted.len() - 1)
    }

    /// What its streams want.
    pub(super) fn wanted(&self) -> Vec<Settings> {
        self.lock().wanted.clone()
    }

    /// Takes the seat of a stream. The first one starts the process.
    pub(super) fn sit(device: &Arc<Self>, stream: usize) -> Seat {
        let (sender, heard) = mpsc::channel(WAITING);
        let mut running = device.lock();
        let known =
            running.is_ready.then_some(Heard::Ready).into_iter().chain(running.params[stream].clone());
        for heard in known {
            let _ = sender.try_send(heard); // a new channel has room
        }
        running.seats[stream] = Some(sender);
        if running.task.is_none() {
            running.round += 1;
            let (kept, round) = (device.clone(), running.round);
            running.task = Some(tokio::spawn(async move {
                let ended = process::run(&kept).await;
                kept.over(round, &ended).await;
            }));
        }
        drop(running);
        Seat { device: device.clone(), stream, heard }
    }

    /// The camera is open: every stream may expect pictures.
    pub(super) async fn ready(&self) {
        let seats: Vec<_> = {
            let mut running = self.lock();
            running.is_ready = true;
            running.seats.iter().flatten().cloned().collect()
        };
        for seat in seats {
            let _ = seat.send(Heard::Ready).await; // it was left in this moment
        }
    }

    /// Says something to one stream; whoever sits there takes it soon.
    pub(super) async fn tell(&self, stream: u8, heard: Heard) {
        let stream = usize::from(stream);
        let seat = {
            let mut running = self.lock();
            if let (Heard::Params(_), Some(place)) = (&heard, running.params.get_mut(stream)) {
                *place = Some(heard.clone());
            }
            running.seats.get(stream).cloned().flatten()
        };
        if let Some(seat) = seat {
            let _ = seat.send(heard).await; // it was left in this moment
        }
    }

    /// The process of this round is over: its streams begin anew when their sessions do.
    async fn over(&self, round: u64, ended: &Ended) {
        let seats: Vec<_> = {
            let mut running = self.lock();
            if running.round != round {
                return;
            }
            running.end();
            running.seats.iter_mut().filter_map(Option::take).collect()
        };
        for seat in seats {
            let _ = seat.send(Heard::Ended(ended.clone())).await; // it was left in this moment
        }
    }
}

impl Seat {
    /// Ends the process, for all streams.
    pub(super) fn give_up(&self) {
        let mut running = self.device.lock();
        running.seats.iter_mut().for_each(|seat| *seat = None);
        if let Some(task) = running.end() {
            task.abort();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.heard.close();
        let mut running = self.device.lock();
        // Another session may sit here already: only a closed seat is this one's.
        if running.seats[self.stream].as_ref().is_some_and(mpsc::Sender::is_closed) {
            running.seats[self.stream] = None;
        }
        if running.seats.iter().all(Option::is_none)
            && let Some(task) = running.end()
        {
            task.abort();
        }
    }
}
