//! Device nodes of Video4Linux → cameras with what they offer; one of them, open → its pictures in a pipeline.
//!
//! The kernel's interface: <https://docs.kernel.org/userspace-api/media/v4l/v4l2.html>.

mod names;

use super::choose::{Choice, Offer};
use super::fault::Fault;
use crate::clock;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSrc;
use gstreamer_video as video;
use names::Links;
use nightjar_types::capture::{Form, Settings};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::time::Duration;
use v4l::buffer::{self, Type};
use v4l::capability::Flags;
use v4l::control::{Control, Value};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC, Fraction};

/// Buffers that the driver fills in turn.
const BUFFERS: u32 = 4;
/// With no picture for this long the camera hangs. Webcams take two seconds for the first.
const SILENCE: Duration = Duration::from_secs(5);
/// A time stamp further from now than this was made by another clock.
const ODD_US: u64 = 2_000_000;
/// Sizes that are asked of drivers that take any, such as HDMI bridges and the kernel's test driver.
const USUAL_SIZES: &[(u32, u32)] =
    &[(320, 240), (640, 360), (640, 480), (800, 600), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160)];
/// The same for times from picture to picture.
const USUAL_FPS: &[u32] = &[5, 10, 15, 25, 30, 60];
/// `V4L2_CID_MPEG_VIDEO_…` of linux/v4l2-controls.h: GOP_SIZE, H264_I_PERIOD, BITRATE, REPEAT_SEQ_HEADER.
const GOP_SIZE: u32 = 0x0099_09cb;
const I_PERIOD: u32 = 0x0099_0a66;
const BIT_RATE: u32 = 0x0099_09cf;
const REPEAT_HEADER: u32 = 0x0099_09e2;

/// A camera that is plugged in.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Name that stays, without the scheme.
    pub(crate) address: String,
    /// Where it is now.
    pub(crate) node: PathBuf,
    /// As the driver calls it.
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) bus: String,
    pub(crate) offers: Vec<Offer>,
}

/// A node that gives pictures one by one: no metadata, no codec of the board, no multi-planar image processor.
fn is_camera(flags: Flags) -> bool {
    flags.contains(Flags::VIDEO_CAPTURE | Flags::STREAMING)
        && !flags.intersects(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE)
}

/// Every camera that is plugged in, and nodes that could not be looked at.
pub(crate) fn cameras() -> (Vec<Found>, Vec<Fault>) {
    let links = Links::read();
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for node in names::nodes() {
        match look(node, &links) {
            Ok(Some(camera)) => found.push(camera),
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
    }
    (found, faults)
}

/// What a node offers; nothing when it is no camera.
fn look(node: PathBuf, links: &Links) -> Result<Option<Found>, Fault> {
    let shown = node.display().to_string();
    let failed = |doing: &'static str| {
        let shown = shown.clone();
        move |e: std::io::Error| Fault::of_device(&shown, doing, &e)
    };
    let device = Device::with_path(&node).map_err(failed("opening"))?;
    let caps = device.query_caps().map_err(failed("asking what it is"))?;
    if !is_camera(caps.capabilities) {
        return Ok(None);
    }
    let offers = offers(&device).map_err(failed("listing its formats"))?;
    let address = links.name(&node, &caps.bus);
    Ok(Some(Found { address, node, name: caps.card, driver: caps.driver, bus: caps.bus, offers }))
}

fn offers(device: &Device) -> std::io::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for format in device.enum_formats()? {
        // A driver that lists no sizes has the one that is set: bridges, whose signal sets it.
        let sizes = match device.enum_framesizes(format.fourcc) {
            Ok(sizes) => sizes.into_iter().flat_map(|size| usual_sizes(&size.size)).collect(),
            Err(_) => device.format().map(|set| vec![(set.width, set.height)]).unwrap_or_default(),
        };
        for (width, height) in sizes {
            let intervals = device.enum_frameintervals(format.fourcc, width, height).unwrap_or_default();
            let intervals = intervals.into_iter().flat_map(|i| usual_intervals(&i.interval)).collect();
            offers.push(Offer { fourcc: format.fourcc.repr, width, height, intervals });
        }
    }
    Ok(offers)
}

fn usual_sizes(size: &FrameSizeEnum) -> Vec<(u32, u32)> {
    match size {
        FrameSizeEnum::Discrete(size) => vec![(size.width, size.height)],
        FrameSizeEnum::Stepwise(range) => {
            let on_step = |side: u32, least: u32, most: u32, step: u32| {
                (least..=most).contains(&side) && (side - least).is_multiple_of(step.max(1))
            };
            let fits = |(width, height): &&(u32, u32)| {
                on_step(*width, range.min_width, range.max_width, range.step_width)
                    && on_step(*height, range.min_height, range.max_height, range.step_height)
            };
            let mut sizes: Vec<(u32, u32)> = USUAL_SIZES.iter().filter(fits).copied().collect();
            if sizes.is_empty() {
                sizes.push((range.max_width, range.max_height));
            }
            sizes
        }
    }
}

fn usual_intervals(interval: &FrameIntervalEnum) -> Vec<(u32, u32)> {
    match interval {
        FrameIntervalEnum::Discrete(i) if i.numerator > 0 && i.denominator > 0 => {
            vec![(i.numerator, i.denominator)]
        }
        FrameIntervalEnum::Discrete(_) => Vec::new(),
        FrameIntervalEnum::Stepwise(range) => {
            let seconds = |i: &Fraction| f64::from(i.numerator) / f64::from(i.denominator.max(1));
            let (least, most) = (seconds(&range.min), seconds(&range.max));
            // A hair of tolerance: 1/30 is told as 333333/10000000.
            let fits = |fps: &&u32| (least * 0.999..=most * 1.001).contains(&(1.0 / f64::from(**fps)));
            USUAL_FPS.iter().filter(fits).map(|fps| (1, *fps)).collect()
        }
    }
}

/// The camera that an address means.
pub(crate) fn find(device: &str) -> Result<Found, Fault> {
    let (found, faults) = cameras();
    let there = found.iter().map(|f| format!("v4l2:{}", f.address)).collect::<Vec<_>>().join(", ");
    let links = Links::read();
    let is_meant = |f: &&Found| device.is_empty() || links.leads(device, &f.node) || f.bus == device;
    let meant: Vec<&Found> = found.iter().filter(is_meant).collect();
    match (meant.as_slice(), faults.into_iter().next()) {
        ([one], _) => Ok((*one).clone()),
        ([first, ..], _) if !device.is_empty() => Ok((*first).clone()), // nodes of one device: the first gives the pictures
        ([_, ..], _) => Err(Fault::gone(format!("several cameras are plugged in; write which: {there}"))),
        ([], Some(fault)) => Err(fault),
        ([], None) if found.is_empty() => {
            Err(Fault::gone("no camera is plugged in: check plug, cable and power"))
        }
        ([], None) => Err(Fault::gone(format!("no camera \"{device}\" is plugged in; there is {there}"))),
    }
}

/// One camera, open and set up.
pub(crate) struct Camera {
    device: Device,
    node: String,
    format: Format,
    choice: Choice,
}

impl Camera {
    /// Opens it and sets format, rate and, when it codes, key frames and bit rate.
    pub(crate) fn open(found: &Found, choice: &Choice, wanted: &Settings) -> Result<Self, Fault> {
        let node = found.node.display().to_string();
        let failed = |doing: &'static str, e: &std::io::Error| Fault::of_device(&node, doing, e);
        let device = Device::with_path(&found.node).map_err(|e| failed("opening", &e))?;
        let fourcc = FourCC::new(&choice.format.fourcc);
        let asked = Format::new(choice.width, choice.height, fourcc);
        let format = device.set_format(&asked).map_err(|e| failed("setting the format", &e))?;
        if (format.fourcc, format.width, format.height) != (fourcc, choice.width, choice.height) {
            return Err(Fault::unusable(format!(
                "{}: asked for {fourcc} {}x{}, it gives {} {}x{}: choose another size or format",
                found.name, choice.width, choice.height, format.fourcc, format.width, format.height
            )));
        }
        if let Some((numerator, denominator)) = choice.interval
            && let Err(error) = device.set_params(&Parameters::new(Fraction::new(numerator, denominator)))
        {
            tracing::warn!(node, %error, "the camera keeps its own frame rate");
        }
        if choice.format.form == Form::H264 {
            set_coder(&device, choice, wanted);
        }
        Ok(Self { device, node, format, choice: *choice })
    }

    /// Hands its pictures to the pipeline's source from a thread, until it fails.
    pub(crate) fn feed(self, pipeline: &gst::Pipeline, faults: Sender<Fault>) -> Result<(), Fault> {
        let source = pipeline.by_name("camera").and_then(|source| source.downcast::<AppSrc>().ok());
        let source = source.ok_or_else(|| Fault::unusable("the pipeline takes no pictures"))?;
        let rate = self.choice.interval.map_or_else(
            || format!("{}/1", self.choice.fps),
            |(numerator, denominator)| format!("{denominator}/{numerator}"),
        );
        let caps = format!(
            "{},width={},height={},framerate={rate}",
            self.choice.format.caps, self.format.width, self.format.height
        );
        let caps = caps.parse::<gst::Caps>()?;
        source.set_caps(Some(&caps));
        let base = pipeline.base_time().unwrap_or_default().useconds();
        let thread = std::thread::Builder::new().name("camera".into());
        let spawned = thread.spawn(move || {
            let fault = self.pump(&source, &caps, base);
            let _ = faults.send(fault); // nobody listens when the process ends
        });
        spawned.map(drop).map_err(|e| Fault::gone(format!("no thread for the camera: {e}")))
    }

    fn pump(self, source: &AppSrc, caps: &gst::Caps, base: u64) -> Fault {
        let failed = |doing: &str, e: &std::io::Error| Fault::of_device(&self.node, doing, e);
        let mut stream = match Stream::with_buffers(&self.device, Type::VideoCapture, BUFFERS) {
            Ok(stream) => stream,
            Err(e) => return failed("asking for buffers", &e),
        };
        stream.set_timeout(SILENCE);
        let layout = self.layout(caps);
        let mut last = 0;
        let fault = loop {
            let (bytes, meta) = match stream.next() {
                Ok(picture) => picture,
                Err(e) => break failed("reading", &e),
            };
            let bytes = &bytes[..bytes.len().min(meta.bytesused as usize)];
            if bytes.is_empty() || meta.flags.contains(buffer::Flags::ERROR) {
                continue; // a broken transfer: the next one is whole again
            }
            let moment = stamp(meta, clock::monotonic());
            last = moment.max(last + 1);
            let mut picture = gst::Buffer::from_slice(bytes.to_vec());
            if let Some(picture) = picture.get_mut() {
                picture.set_pts(gst::ClockTime::from_useconds(last.saturating_sub(base)));
                if let Some(layout) = &layout {
                    layout.describe(picture);
                }
            }
            if let Err(e) = source.push_buffer(picture) {
                break Fault::gone(format!("the pipeline takes no more pictures: {e}"));
            }
        };
        // Its end would stop the driver, which may hang or panic: the process ends instead.
        std::mem::forget(stream);
        fault
    }

    /// Where the planes of a raw picture lie, when that is not what GStreamer assumes.
    fn layout(&self, caps: &gst::Caps) -> Option<Layout> {
        let info = video::VideoInfo::from_caps(caps).ok()?;
        let stride = self.format.stride as i32;
        if stride <= 0 || info.stride().first() == Some(&stride) {
            return None;
        }
        // Single-planar V4L2: the chroma planes follow, their strides in proportion (V4L2 "YUV planar formats").
        let rows = |plane: usize| if plane == 0 { info.height() } else { info.height().div_ceil(2) } as usize;
        let (mut offsets, mut strides, mut at) = (Vec::new(), Vec::new(), 0);
        for (plane, usual) in info.stride().iter().enumerate() {
            let own = if plane > 0 && usual * 2 <= info.stride()[0] { stride / 2 } else { stride };
            offsets.push(at);
            strides.push(own);
            at += own as usize * rows(plane);
        }
        Some(Layout { format: info.format(), width: info.width(), height: info.height(), offsets, strides })
    }
}

struct Layout {
    format: video::VideoFormat,
    width: u32,
    height: u32,
    offsets: Vec<usize>,
    strides: Vec<i32>,
}

impl Layout {
    fn describe(&self, picture: &mut gst::BufferRef) {
        let (flags, format) = (video::VideoFrameFlags::empty(), self.format);
        // Refused for a picture that is shorter than its planes: the converter then refuses it, too.
        let _ = video::VideoMeta::add_full(
            picture,
            flags,
            format,
            self.width,
            self.height,
            &self.offsets,
            &self.strides,
        );
    }
}

/// When a picture was taken, microseconds on the monotonic clock: as the driver says, when it can be believed.
#[allow(clippy::unnecessary_cast, reason = "the kernel's seconds have 32 bits on some boards")]
fn stamp(meta: &buffer::Metadata, now: u64) -> u64 {
    let (seconds, micros) = (meta.timestamp.sec as i64, meta.timestamp.usec as i64);
    let told = seconds.saturating_mul(1_000_000).saturating_add(micros);
    let told = u64::try_from(told).unwrap_or(0);
    let is_believed =
        meta.flags.contains(buffer::Flags::TIMESTAMP_MONOTONIC) && told <= now && now - told < ODD_US;
    if is_believed { told } else { now }
}

/// Most cameras know some of these and refuse the others, which costs nothing.
fn set_coder(device: &Device, choice: &Choice, wanted: &Settings) {
    let gop = (u64::from(choice.fps) * u64::from(wanted.gop_ms) / 1_000).max(1) as i64;
    let mut controls = vec![(GOP_SIZE, gop), (I_PERIOD, gop), (REPEAT_HEADER, 1)];
    controls.extend(wanted.bit_rate.map(|rate| (BIT_RATE, i64::from(rate))));
    for (id, value) in controls {
        if let Err(error) = device.set_control(Control { id, value: Value::Integer(value) }) {
            tracing::debug!(id, value, %error, "the camera has no such control");
        }
    }
}

#[cfg(test)]
mod tests;
