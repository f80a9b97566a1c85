//! A camera's address → what it really gives in some seconds, and what that costs: for a person who sets it up.

use super::outlet::Outlet;
use super::session::Session;
use crate::cli;
use crate::clock::{self, Stopwatch};
use crate::error::Error;
use gstreamer as gst;
use nightjar_types::Mono;
use nightjar_types::capture::{FromCapture, LocalCamera};
use serde_json::json;
use std::io::Write;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// A camera may take this long for its first picture.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// What came of one stream.
#[derive(Debug, Default)]
struct Seen {
    size: (u16, u16),
    units: u32,
    keys: u32,
    bytes: usize,
    first: Option<Mono>,
    last: Mono,
    longest: Duration,
}

impl Seen {
    fn unit(&mut self, captured: Mono, data: &[u8]) {
        if self.first.is_some() {
            self.longest = self.longest.max(captured.since(self.last));
        }
        self.first = self.first.or(Some(captured));
        self.last = captured;
        self.units += 1;
        self.bytes += data.len();
        self.keys += u32::from(has_idr(data));
    }

    /// Times from picture to picture, one fewer than pictures.
    fn seconds(&self) -> f64 {
        self.first.map_or(0.0, |first| self.last.since(first).as_secs_f64()).max(1e-9)
    }
}

/// One of its NAL units is an IDR slice (ITU-T H.264 section 7.4.1).
fn has_idr(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let len = (u32::from_be_bytes(*len) as usize).min(tail.len());
        if tail.first().is_some_and(|head| len > 0 && head & 0x1f == 5) {
            return true;
        }
        rest = &tail[len..];
    }
    false
}

/// Opens the camera and counts.
pub(super) fn run(args: &cli::Capture) -> Result<(), Error> {
    let parsed = args.addresses.iter().map(|text| LocalCamera::parse(text));
    let cameras = parsed.collect::<Result<Vec<_>, _>>().map_err(Error::Camera)?;
    let Some(main) = cameras.first() else { return Ok(()) };
    if cameras.iter().any(|camera| (camera.kind, &camera.device) != (main.kind, &main.device)) {
        return Err(Error::Camera("both addresses must name the same camera".into()));
    }
    gst::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
    let wanted: Vec<_> = cameras.iter().map(|camera| camera.settings.clone()).collect();
    let named = |fault: super::fault::Fault| Error::Camera(format!("{main}: {fault}"));
    let mut session = Session::open(main.kind, &main.device, &wanted).map_err(named)?;
    let words = session.words.clone();
    if !args.json {
        writeln!(std::io::stdout(), "{main}: {words}")?;
    }
    let (outlet, queue) = Outlet::new();
    session.start(wanted.len(), &outlet).map_err(named)?;
    let (mut watch, mut cpu) = (Stopwatch::start(), clock::of_process());
    let mut seen: Vec<Seen> = wanted.iter().map(|_| Seen::default()).collect();
    let mut has_begun = false;
    loop {
        let within = if has_begun { Duration::from_secs(args.seconds) } else { FIRST_WITHIN };
        if watch.passed() >= within {
            break;
        }
        match queue.recv_timeout(Duration::from_millis(1)) {
            Ok(FromCapture::Params { stream, width, height, .. }) => {
                seen[usize::from(stream)].size = (width, height)
            }
            Ok(FromCapture::Unit { stream, captured, data }) => {
                if !has_begun {
                    (has_begun, watch, cpu) = (true, Stopwatch::start(), clock::of_process());
                }
                seen[usize::from(stream)].unit(captured, &data);
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => session.watch(Some(Duration::from_millis(1))).map_err(named)?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let busy = (clock::of_process() - cpu).as_secs_f64() / watch.passed().as_secs_f64().max(1e-9);
    std::mem::forget(session); // see `Session`
    tell(args, &words, &seen, busy)
}

fn tell(args: &cli::Capture, words: &str, seen: &[Seen], busy: f64) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    if let Some(n) = seen.iter().position(|s| s.units == 0) {
        return Err(Error::Camera(format!("stream {n} gave no picture in {} s", FIRST_WITHIN.as_secs())));
    }
    let per = |seen: &Seen, what: f64| what / seen.seconds();
    if args.json {
        let stream = |s: &Seen| {
            json!({ "width": s.size.0, "height": s.size.1, "pictures": s.units, "key_frames": s.keys,
                "fps": per(s, f64::from(s.units - 1)), "bits_per_s": per(s, s.bytes as f64 * 8.0), "longest_gap_ms": s.longest.as_millis() as u64 })
        };
        let streams: Vec<_> = seen.iter().map(stream).collect();
        writeln!(out, "{}", json!({ "choice": words, "streams": streams, "cpu": busy }))?;
        return Ok(());
    }
    for (n, s) in seen.iter().enumerate() {
        writeln!(
            out,
            "stream {n}: {}×{}, {} pictures, {:.1} a second, {:.0} kbit/s, {} key frames, at most {} ms from one to the next",
            s.size.0,
            s.size.1,
            s.units,
            per(s, f64::from(s.units - 1)),
            per(s, s.bytes as f64 * 8.0 / 1000.0),
            s.keys,
            s.longest.as_millis()
        )?;
    }
    writeln!(out, "{:.1} % of a core", busy * 100.0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_frame_behind_its_parameter_sets() {
        assert!(has_idr(&[0, 0, 0, 1, 0x67, 0, 0, 0, 2, 0x65, 1]));
        assert!(!has_idr(&[0, 0, 0, 1, 0x41]) && !has_idr(&[0, 0, 0, 9, 0x41, 0x65]) && !has_idr(&[0, 0]));
    }
}
