//! Any file → what is seen in each frame, as lines on standard output.

use crate::cli;
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::frame;
use crate::looker::{self, Looker, UNSURE_SHARE};
use crate::model::Model;
use crate::watch::{detections, in_picture};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSink;
use nightjar_detect::{
    Attention, MotionGate, Picture, Planner, Rect, SceneGuard, Sketch, Tracker, TrackerConfig, Trust, Veil,
    View, Witness, regions,
};
use nightjar_types::{Detection, Mono, SceneState};
use serde::Serialize;
use std::collections::HashSet;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// How long a file may give no frame before it counts as broken.
const SILENCE: Duration = Duration::from_secs(20);
/// How often a waiting pull looks whether decoding has failed meanwhile.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Decoded frames that may wait for the model.
const AHEAD: u32 = 4;

#[derive(Serialize)]
struct Line<'a> {
    frame: u64,
    pts_ms: u64,
    inference_ms: f32,
    inferred: bool,
    /// How often the model ran on this frame: once a view.
    runs: usize,
    boxes: Vec<Box<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watched: Option<Watched>,
}

/// What `--events` adds.
#[derive(Serialize)]
struct Watched {
    moved: bool,
    settled: bool,
    /// Tracks whose event begins here.
    begin: Vec<u32>,
    scene: Option<SceneState>,
}

#[derive(Serialize)]
struct Box<'a> {
    label: &'a str,
    score: f32,
    x: f32,
    y: f32,
    w: f32,
    h: f32,
    track: Option<u32>,
}

/// Prints one line a frame.
pub(crate) fn run(args: &cli::Detect) -> Result<(), Error> {
    let model = Model::load(&args.model)?;
    let mut file = File::open(&args.input)?;
    let mut looker = Looker::open(&model.runtime, &model)?;
    let min_score = args.min_score.unwrap_or(model.card.postprocess.min_score);
    let mut tracker = Tracker::new(TrackerConfig::new(min_score));
    let spacing = args.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f32(1.0 / rate));
    let (mut gate, mut attention) = (MotionGate::new(), Attention::new(spacing));
    let (mut guard, mut begun) = (SceneGuard::new(), HashSet::new());
    let (inputs, mut planner, mut veil) = (looker::inputs(&model), Planner::default(), Veil::default());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut number = 0;
    while let Some((mono, picture)) = file.next()? {
        let moved = gate.see(picture.luma()).moved || !args.gate;
        let mut watched = None;
        if args.gate {
            let scene = guard.see(mono, &picture, &mut gate);
            let settled = scene.trust == Trust::Settled;
            watched = Some(Watched { moved, settled, begin: Vec::new(), scene: scene.changed });
        }
        let inferred = number % args.every == 0
            && attention.wants(mono, moved, tracker.has_confirmed(), tracker.has_unsure());
        tracker.follow(mono, Sketch::of(picture.luma()));
        let lifted = veil.pass(mono, &picture, gate.is_weather(), inferred);
        let (mut ms, mut runs) = (0.0, 0);
        if inferred {
            let size = picture.size();
            let views = if args.whole {
                vec![View { rect: Rect::whole(size), small: false }]
            } else {
                let places = regions(gate.cells()).into_iter().chain(tracker.expected(mono));
                planner.views(mono, size, inputs, &places.collect::<Vec<_>>())
            };
            planner.looked(mono, size, &views);
            attention.looked(mono, views.len());
            let look =
                looker.look_in(lifted.as_ref().unwrap_or(&picture), min_score * UNSURE_SHARE, &views)?;
            let seen_in = in_picture(&views, &picture);
            match &watched {
                Some(w) => {
                    let trust = if w.settled { Trust::Settled } else { Trust::Unsettled };
                    let moved_in = |bbox: &_| guard.moved_in(&gate, bbox);
                    let is_place = |bbox: &_| gate.is_place_in(bbox);
                    let witness = Witness { trust, moved_in: &moved_in, is_place: &is_place };
                    tracker.look_with(mono, &look.found, &seen_in, witness);
                    guard.looked();
                }
                None => drop(tracker.look_at(mono, &look.found, &seen_in)),
            }
            (ms, runs) = (look.ms, views.len());
        }
        let seen = detections(&tracker.at(mono), min_score, &model.card.labels);
        if let Some(watched) = watched.as_mut().filter(|_| args.events) {
            let sure = seen.iter().filter(|d| d.score >= args.event_score);
            watched.begin = sure.filter_map(|d| d.track).filter(|&track| begun.insert(track)).collect();
        }
        let line = Line {
            frame: number,
            pts_ms: mono.0 / 1000,
            inference_ms: (ms * 100.0).round() / 100.0,
            inferred,
            runs,
            boxes: seen.iter().map(Box::of).collect(),
            watched: watched.filter(|_| args.events),
        };
        match print(&mut out, &line, args.json) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            printed => printed?,
        }
        number += 1;
    }
    if number == 0 {
        return Err(Error::Input { path: args.input.clone(), why: "has no video frame".into() });
    }
    out.flush()?;
    Ok(())
}

impl<'a> Box<'a> {
    fn of(seen: &'a Detection) -> Self {
        let Detection { label, score, bbox, track } = seen;
        Self { label, score: *score, x: bbox.x, y: bbox.y, w: bbox.w, h: bbox.h, track: *track }
    }
}

fn print(out: &mut impl Write, line: &Line<'_>, json: bool) -> std::io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, line)?;
        return out.write_all(b"\n");
    }
    write!(out, "{:>6} {:>8.2} s", line.frame, line.pts_ms as f32 / 1000.0)?;
    for b in &line.boxes {
        write!(out, "  {} {:.0}% at {:.2},{:.2} {:.2}×{:.2}", b.label, b.score * 100.0, b.x, b.y, b.w, b.h)?;
    }
    writeln!(out)
}

/// A file's video frames, in order.
pub(crate) struct File {
    path: std::path::PathBuf,
    pipeline: gst::Pipeline,
    sink: AppSink,
    bus: gst::Bus,
}

impl File {
    /// Starts decoding: `filesrc ! decodebin ! videoconvert ! appsink`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        gst::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
        if let Err(e) = std::fs::File::open(path) {
            return Err(Error::Input { path: path.to_owned(), why: e.to_string() });
        }
        let make = |name: &str| gst::ElementFactory::make(name).build();
        let source = gst::ElementFactory::make("filesrc").property("location", path).build()?;
        let (decode, convert) = (make("decodebin")?, make("videoconvert")?);
        let sink = AppSink::builder().caps(&frame::sink_caps()).sync(false).max_buffers(AHEAD).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&source, &decode, &convert, sink.upcast_ref()])?;
        source.link(&decode)?;
        convert.link(&sink)?;
        let into = convert
            .static_pad("sink")
            .ok_or_else(|| Error::Gstreamer("videoconvert without a sink".into()))?;
        decode.connect_pad_added(move |_, pad| {
            let is_video = pad
                .current_caps()
                .and_then(|caps| caps.structure(0).map(|s| s.name().starts_with("video/")))
                .unwrap_or(false);
            // Sound, and a second video track, are left alone.
            if is_video && !into.is_linked() {
                let _ = pad.link(&into);
            }
        });
        let bus = pipeline.bus().ok_or_else(|| Error::Gstreamer("a pipeline without a bus".into()))?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { path: path.to_owned(), pipeline, sink, bus })
    }

    /// The next frame and its time from the file's start; `None` at its end.
    pub(crate) fn next(&mut self) -> Result<Option<(Mono, Picture)>, Error> {
        let watch = Stopwatch::start();
        loop {
            if let Some(sample) = self.sink.try_pull_sample(STEP) {
                let time = sample.buffer().and_then(|b| b.pts()).unwrap_or(gst::ClockTime::ZERO);
                let from_start = sample
                    .segment()
                    .and_then(|s| s.downcast_ref::<gst::ClockTime>()?.to_running_time(time))
                    .unwrap_or(time);
                return Ok(Some((Mono(from_start.useconds()), frame::picture(&sample)?)));
            }
            let broken = |why: String| Error::Input { path: self.path.clone(), why };
            if let Some(message) = self.bus.pop_filtered(&[gst::MessageType::Error])
                && let gst::MessageView::Error(e) = message.view()
            {
                return Err(broken(e.error().to_string()));
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
            if watch.passed() >= SILENCE {
                return Err(broken(format!("gave no frame for {} s", SILENCE.as_secs())));
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // A refusal leaves nothing to do: the pipeline is gone either way.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
