//! `v4l2:…`, `csi:…`, `test:…` → access units, out of a process of its own for each camera: `nightjar-eye capture`.
//!
//! The recorder opens no device and links no codec: a driver that hangs or a decoder that dies ends that process, and the
//! camera's next session starts another one. A main and a sub stream of one device share it.

mod device;
mod process;
mod take;

use super::{Ended, Opened, Opening, Retry, Sink, Source};
use device::{Device, Seat};
use futures_util::future::BoxFuture;
use nightjar_types::GapCause;
use nightjar_types::capture::LocalCamera;
use process::Heard;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use take::Take;
use tokio::time::{Instant, timeout_at};

/// From the start of the process to an open camera: GStreamer makes its list of plugins at its first start, and encoders
/// are tried out.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// From an open camera to the first picture, for which a webcam takes two seconds, and from one to the next.
const PICTURE_WITHIN: Duration = Duration::from_secs(5);
/// To the first key frame of a camera that codes by itself.
const KEY_WITHIN: Duration = Duration::from_secs(20);

/// The capture processes of all local cameras. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Captures {
    program: PathBuf,
    devices: Arc<Mutex<Vec<Arc<Device>>>>,
}

impl Captures {
    /// None is started yet. `program` is `nightjar-eye`.
    pub fn new(program: PathBuf) -> Self {
        Self { program, devices: Arc::default() }
    }

    /// A stream of a device; the second one of a camera joins the first one's process.
    fn stream(&self, camera: &str, local: LocalCamera) -> Result<Local, String> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let known = devices.iter().find(|device| device.is(camera, &local)).cloned();
        let device = known.unwrap_or_else(|| {
            let device = Arc::new(Device::new(self.program.clone(), camera, &local));
            devices.push(device.clone());
            device
        });
        let stream = device.add(local.settings.clone()).map_err(|why| format!("{local}: {why}"))?;
        Ok(Local { name: local.to_string(), device, stream })
    }
}

/// One stream of a local camera.
struct Local {
    /// The address without its settings.
    name: String,
    device: Arc<Device>,
    stream: usize,
}

pub(super) fn open(opening: &Opening<'_>) -> Opened {
    let local = LocalCamera::parse(&opening.url.text)?;
    Ok(Box::new(opening.captures.stream(opening.camera, local)?))
}

impl Source for Local {
    fn session<'a>(&'a mut self, sink: Sink<'a>) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let seat = Device::sit(&self.device, self.stream);
            let ended = run(seat, sink).await;
            Ended { words: format!("{}: {}", self.name, ended.words), ..ended }
        })
    }
}

/// Hands on what the process says until it ends or is silent; then it is ended, for all of its streams.
async fn run(mut seat: Seat, sink: Sink<'_>) -> Ended {
    let begun = Instant::now();
    let mut until = begun + READY_WITHIN;
    let mut take = Take::default();
    loop {
        let heard = match timeout_at(until, seat.heard.recv()).await {
            Err(_) => {
                seat.give_up();
                return stalled(
                    "the camera gives no picture: it or its driver hangs; unplug it if it does not come back",
                );
            }
            // Another stream of this camera gave the process up.
            Ok(None) => return stalled("the camera's other stream hangs"),
            Ok(Some(heard)) => heard,
        };
        match heard {
            Heard::Ended(ended) => return ended,
            Heard::Ready => until = Instant::now() + PICTURE_WITHIN,
            Heard::Params(params) => {
                if let Err(ended) = take.params(params, sink) {
                    seat.give_up();
                    return ended;
                }
            }
            Heard::Left(units) => take.left(units, sink),
            Heard::Unit { captured, data } => {
                until = Instant::now() + PICTURE_WITHIN;
                if let Err(ended) = take.unit(captured, data, sink) {
                    seat.give_up();
                    return ended;
                }
                if !take.has_begun() && begun.elapsed() > KEY_WITHIN {
                    let words = "the camera sends no key frame: add format=mjpeg to its address";
                    return Ended { cause: GapCause::Garbage, words: words.into(), retry: Retry::Soon };
                }
            }
        }
    }
}

fn stalled(words: &str) -> Ended {
    Ended { cause: GapCause::Stalled, words: words.into(), retry: Retry::Soon }
}
