//! Kind, device and wanted streams → a running pipeline whose coded pictures go into an [`Outlet`], until a fault ends it.

use super::choose::{self, Choice, Offer};
use super::encoder::{self, Coding, Encoder};
use super::fault::Fault;
use super::outlet::Outlet;
use super::pipeline::{self, Branch};
use super::{csi, formats, v4l2};
use crate::clock::{self, Stopwatch};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSinkCallbacks};
use nightjar_types::capture::{Form, Kind, Settings};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How often the bus is looked at.
const STEP: Duration = Duration::from_millis(100);
/// Size of the sub stream when nothing is said: this wide, in the shape of the main stream.
const SUB_WIDTH: u32 = 640;
/// What a ribbon camera gives when nothing is said and hardware codes it; else what a webcam gives.
const CSI_NATIVE: (u16, u16, u16) = (1920, 1080, 30);
const CSI_CODED: (u16, u16, u16) = (1280, 720, 15);
/// What a made-up camera gives when nothing is said.
const TEST: (u16, u16, u16) = (640, 360, 15);

/// An open camera. Ends with the process: stopping a driver that hangs would hang, too.
pub(crate) struct Session {
    pipeline: gst::Pipeline,
    feeder: Option<v4l2::Camera>,
    faults: Option<Receiver<Fault>>,
    /// What was chosen, for the log.
    pub(crate) words: String,
}

impl Session {
    /// Opens the camera and builds the pipeline, not yet running.
    pub(crate) fn open(kind: Kind, device: &str, wanted: &[Settings]) -> Result<Self, Fault> {
        let main = wanted.first().ok_or_else(|| Fault::unusable("no stream is wanted"))?;
        let shares = wanted.len() > 1;
        let (found, device, choice) = match kind {
            Kind::V4l2 => {
                let found = v4l2::find(device)?;
                let choice = choose::choose(main, &found.offers, shares);
                let choice = choice.map_err(|why| Fault::unusable(format!("{}: {why}", found.name)))?;
                (Some(found), device.to_owned(), choice)
            }
            Kind::Csi => (None, csi::name(device)?, of_ribbon(main)?),
            Kind::Test => (None, device.to_owned(), made_up(main, shares)?),
        };
        let branches = branches(kind, &choice, wanted)?;
        let coded = match (kind, choice.format.form) {
            (Kind::Test, Form::H264) => {
                let coding = coding(main, &choice, (choice.width, choice.height));
                Some(encoder::choose(&coding)?.words(&coding))
            }
            _ => None,
        };
        let text = pipeline::describe(kind, &device, &choice, &branches, coded.as_deref());
        tracing::debug!(pipeline = text);
        let made = gst::parse::launch(&text).map_err(|e| Fault::unusable(missing(&e.to_string())))?;
        let pipeline =
            made.downcast::<gst::Pipeline>().map_err(|_| Fault::unusable("GStreamer made no pipeline"))?;
        // The clock whose times can be told in the recorder's, see `clock::boot_offset`.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        if kind == Kind::Csi {
            csi::set_up(&pipeline, &device);
        }
        let feeder = found.map(|found| v4l2::Camera::open(&found, &choice, main)).transpose()?;
        let words = words(&choice, &branches);
        Ok(Self { pipeline, feeder, faults: None, words })
    }

    /// Starts it.
    pub(crate) fn start(&mut self, streams: usize, outlet: &Outlet) -> Result<(), Fault> {
        for n in 0..streams {
            let sink =
                self.pipeline.by_name(&format!("stream{n}")).and_then(|s| s.downcast::<AppSink>().ok());
            let sink = sink.ok_or_else(|| Fault::unusable(format!("the pipeline has no stream {n}")))?;
            let (mut tap, pipeline) = (outlet.tap(n as u8), self.pipeline.downgrade());
            let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let base = pipeline.upgrade().and_then(|p| p.base_time()).unwrap_or_default();
                tap.take(&sample, base);
                Ok(gst::FlowSuccess::Ok)
            });
            sink.set_callbacks(callbacks.build());
        }
        let started = self.pipeline.set_state(gst::State::Playing);
        if started.is_err() {
            return Err(self.fault().unwrap_or_else(|| Fault::gone("the camera's pipeline does not start")));
        }
        if let Some(camera) = self.feeder.take() {
            let (sender, faults) = channel();
            camera.feed(&self.pipeline, sender)?;
            self.faults = Some(faults);
        }
        Ok(())
    }

    /// Waits for a fault, for as long as `within` says.
    pub(crate) fn watch(&self, within: Option<Duration>) -> Result<(), Fault> {
        let begun = Stopwatch::start();
        while within.is_none_or(|within| begun.passed() < within) {
            if let Some(fault) = self.fault() {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// A fault, when one comes within a moment.
    fn fault(&self) -> Option<Fault> {
        let step = gst::ClockTime::from_mseconds(STEP.as_millis() as u64);
        let of_bus = || {
            let kinds = [gst::MessageType::Error, gst::MessageType::Eos];
            let message = self.pipeline.bus()?.timed_pop_filtered(step, &kinds)?;
            Some(match message.view() {
                gst::MessageView::Error(error) => Fault::of_pipeline(error),
                _ => Fault::gone("the camera ended its stream"),
            })
        };
        // What the device said comes before what the pipeline makes of it.
        let of_device = || self.faults.as_ref().and_then(|faults| faults.try_recv().ok());
        of_device().or_else(of_bus)
    }
}

/// A ribbon camera scales to any size: what is wanted is what it offers.
fn of_ribbon(wanted: &Settings) -> Result<Choice, Fault> {
    let (width, height, fps) = CSI_NATIVE;
    let native = coding_of(wanted, u32::from(width), u32::from(height), u32::from(fps));
    let is_fast = wanted.size.is_none() && encoder::choose(&native).is_ok_and(|e| e.is_hardware);
    offered(wanted, *b"NV12", if is_fast { CSI_NATIVE } else { CSI_CODED }, false)
}

/// So does a made-up one.
fn made_up(wanted: &Settings, shares: bool) -> Result<Choice, Fault> {
    let fourcc = match wanted.format {
        Some(Form::H264) => *b"H264",
        Some(Form::Mjpeg) => *b"MJPG",
        Some(Form::Raw) | None => *b"YU12",
    };
    offered(wanted, fourcc, TEST, shares)
}

fn offered(
    wanted: &Settings,
    fourcc: [u8; 4],
    usual: (u16, u16, u16),
    shares: bool,
) -> Result<Choice, Fault> {
    let (width, height) = wanted.size.unwrap_or((usual.0, usual.1));
    let fps = u32::from(wanted.fps.unwrap_or(usual.2));
    let intervals = vec![(1, fps)];
    let offer = Offer { fourcc, width: u32::from(width), height: u32::from(height), intervals };
    // The rate is offered, so it is to be taken: without this, what is usual of webcams would thin it.
    let settings = Settings { fps: Some(fps as u16), ..wanted.clone() };
    choose::choose(&settings, &[offer], shares).map_err(Fault::unusable)
}

/// The streams that we code, each with its encoder; none when the camera's own coding is recorded.
fn branches(kind: Kind, choice: &Choice, wanted: &[Settings]) -> Result<Vec<Branch>, Fault> {
    if choice.format.form == Form::H264 {
        return Ok(Vec::new());
    }
    let branch = |(n, settings): (usize, &Settings)| {
        let size = match settings.size {
            Some((width, height)) => (u32::from(width), u32::from(height)),
            None if n == 0 => (choice.width, choice.height),
            None => {
                let width = SUB_WIDTH.min(choice.width);
                (width, (width * choice.height / choice.width.max(1)).next_multiple_of(2))
            }
        };
        if n > 0 && (size.0 > choice.width || size.1 > choice.height) {
            let (w, h) = size;
            return Err(Fault::unusable(format!(
                "the sub stream's size {w}x{h} is larger than the main stream's"
            )));
        }
        let mut coding = coding(settings, choice, size);
        if kind == Kind::Csi {
            coding.fps = choice.fps; // one sensor: both outputs have its rate
        }
        Ok(Branch { coding, encoder: encoder::choose(&coding)? })
    };
    wanted.iter().enumerate().map(branch).collect()
}

fn coding(settings: &Settings, choice: &Choice, size: (u32, u32)) -> Coding {
    let fps = settings.fps.map_or(choice.fps, |fps| u32::from(fps).min(choice.fps));
    coding_of(settings, size.0, size.1, fps)
}

fn coding_of(settings: &Settings, width: u32, height: u32, fps: u32) -> Coding {
    let bit_rate = settings.bit_rate.unwrap_or_else(|| Coding::usual_bit_rate(width, height, fps));
    Coding { width, height, fps, bit_rate, gop_ms: settings.gop_ms }
}

/// GStreamer names the element that it misses; a person needs its package.
fn missing(error: &str) -> String {
    let packages = [
        ("libcamerasrc", "gstreamer1.0-libcamera"),
        ("jpegdec", "gstreamer1.0-plugins-good"),
        ("videorate", "gstreamer1.0-plugins-base"),
        ("h264parse", "gstreamer1.0-plugins-bad"),
    ];
    match packages.iter().find(|(element, _)| error.contains(element)) {
        Some((_, package)) if error.contains("no element") => {
            format!("GStreamer: {error}: install {package}")
        }
        _ => format!("GStreamer: {error}"),
    }
}

fn words(choice: &Choice, branches: &[Branch]) -> String {
    let letters = formats::letters(choice.format.fourcc);
    let given = choice.interval.map_or_else(String::new, |(n, d)| format!(" at {} a second", d / n.max(1)));
    let camera = format!("camera gives {letters} {}×{}{given}", choice.width, choice.height);
    if branches.is_empty() {
        return format!("{camera}, recorded as it comes");
    }
    let coded = branches.iter().map(|b| {
        let Coding { width, height, fps, bit_rate, .. } = b.coding;
        let Encoder { element, .. } = b.encoder;
        format!("{width}×{height} at {fps} a second, {} kbit/s by {element}", bit_rate / 1_000)
    });
    format!("{camera}, coded as {}", coded.collect::<Vec<_>>().join(" and "))
}

/// The recorder's time of a sample: its running time on the monotonic clock since the pipeline's start.
pub(super) fn captured(sample: &gst::SampleRef, base: gst::ClockTime) -> Option<nightjar_types::Mono> {
    let pts = sample.buffer()?.pts()?;
    // Encoders move their time line (x264enc by 1,000 hours): the segment says where it began.
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(pts)?;
    let monotonic = (base + running).useconds();
    Some(nightjar_types::Mono(clock::boot_of_monotonic(monotonic)))
}
