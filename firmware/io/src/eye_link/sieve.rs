//! What the eye says → the same when it makes sense, else why the eye is not to be trusted any more.

use nightjar_types::eye::{ARCHIVE, FromEye, Measured, ModelInfo, Sandbox};
use nightjar_types::{BBox, Detection, Mono};
use std::time::Duration;

/// Messages of one second; 64 streams at 30 pictures a second are 1920 frames.
const A_SECOND: u32 = 4096;
/// Things in one picture.
const THINGS: usize = 512;
/// Letters of a class name, and of other words.
const NAME: usize = 64;
const WORDS: usize = 4096;
/// Classes of a model.
const LABELS: usize = 4096;
/// Model variants and decoders that were measured.
const RUNS: usize = 256;
/// Sides of a box may lie outside the picture by rounding and prediction, fractions of the picture.
const OUTSIDE: std::ops::RangeInclusive<f32> = -1.0..=2.0;

/// Whatever a picture of before says of its time is within it.
static ANY: Option<Mono> = Some(Mono(u64::MAX));

/// Keeps count of what came.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// The newest unit that the eye was sent, by stream.
    pub(super) newest: Vec<Option<Mono>>,
    second: Mono,
    in_second: u32,
}

impl Sieve {
    /// For streams `0..streams`.
    pub(super) fn new(streams: usize) -> Self {
        Self { newest: vec![None; streams], ..Self::default() }
    }

    /// Fails in words on what no sound eye says.
    pub(super) fn check(&mut self, message: &FromEye, now: Mono) -> Result<(), String> {
        if now.since(self.second) >= Duration::from_secs(1) {
            (self.second, self.in_second) = (now, 0);
        }
        self.in_second += 1;
        if self.in_second > A_SECOND {
            return Err(format!("it sent more than {A_SECOND} messages in a second"));
        }
        match message {
            FromEye::Hello { .. } => Ok(()), // see `hello`
            FromEye::Frame { stream, mono, inference_ms, motion, detections, .. } => {
                self.of_stream(*stream, *mono)?;
                if !(*inference_ms >= 0.0 && inference_ms.is_finite() && fraction(*motion)) {
                    return Err(format!("its times and shares are no numbers ({inference_ms}, {motion})"));
                }
                if detections.len() > THINGS {
                    return Err(format!("it saw {} things in one picture", detections.len()));
                }
                detections.iter().try_for_each(thing)
            }
            FromEye::Snapshot { stream, mono, score, jpeg, .. } => {
                self.of_stream(*stream, *mono)?;
                if !fraction(*score) {
                    return Err(format!("a snapshot's score is {score}"));
                }
                picture(jpeg)
            }
            FromEye::Lost { stream, mono, .. } => self.of_stream(*stream, *mono),
            FromEye::Still { jpeg: Ok(jpeg), .. } => picture(jpeg),
            FromEye::Still { jpeg: Err(why), .. } => words(why),
            FromEye::Decoder { stream, element } => {
                self.known(*stream)?;
                words(element.as_ref().unwrap_or_else(|why| why))
            }
            FromEye::Pace { stream, .. } => self.known(*stream).map(drop),
            FromEye::Scene { stream, mono, .. } => self.of_stream(*stream, *mono),
            FromEye::Pong { busy, .. } if busy.len() > 1024 => {
                Err(format!("it works at {} things at once", busy.len()))
            }
            FromEye::Pong { .. } => Ok(()),
            FromEye::Measured(said) => measured(said),
        }
    }

    fn known(&self, stream: u32) -> Result<&Option<Mono>, String> {
        if stream == ARCHIVE {
            return Ok(&ANY); // its times are not of this boot
        }
        self.newest
            .get(stream as usize)
            .ok_or_else(|| format!("it speaks of stream {stream}, of which it was never told"))
    }

    fn of_stream(&self, stream: u32, mono: Mono) -> Result<(), String> {
        match self.known(stream)? {
            Some(newest) if mono <= *newest => Ok(()),
            _ => Err(format!("it speaks of a picture of stream {stream} that it was never sent")),
        }
    }
}

/// What a `Hello` says of itself.
pub(super) fn hello(model: &ModelInfo, sandbox: &Sandbox) -> Result<(), String> {
    if model.labels.len() > LABELS || model.labels.iter().any(|l| l.len() > NAME) {
        return Err("its model's class names are too many or too long".into());
    }
    let said = sandbox.in_force.iter().chain(&sandbox.missing);
    if sandbox.in_force.len() + sandbox.missing.len() > 64 {
        return Err("it says too much of its sandbox".into());
    }
    [&model.card, &model.sha256].into_iter().chain(said).try_for_each(|text| words(text))
}

/// What it read from the file of its measurements.
fn measured(said: &Measured) -> Result<(), String> {
    let Measured { version, board, models, decoders, .. } = said;
    if models.len() > RUNS || decoders.len() > RUNS {
        return Err(format!("it measured {} models and {} decoders", models.len(), decoders.len()));
    }
    let times = models.iter().map(|m| m.look_ms).chain(decoders.iter().map(|d| d.cpu_ms)).flatten();
    if let Some(ms) = times.into_iter().find(|ms| !(*ms >= 0.0 && ms.is_finite())) {
        return Err(format!("it measured {ms} ms"));
    }
    let named = models.iter().flat_map(|m| [Some(&m.card), Some(&m.runtime), m.fault.as_ref()]);
    let decoders = decoders.iter().flat_map(|d| [Some(&d.element), d.fault.as_ref()]);
    named.chain(decoders).flatten().chain([version, board]).try_for_each(|text| words(text))
}

fn thing(thing: &Detection) -> Result<(), String> {
    let Detection { label, score, bbox: BBox { x, y, w, h }, .. } = thing;
    if label.len() > NAME {
        return Err(format!("a class name has {} letters", label.len()));
    }
    if !fraction(*score) {
        return Err(format!("a score is {score}"));
    }
    let is_inside = [*x, *y, x + w, y + h].iter().all(|side| OUTSIDE.contains(side));
    if !(is_inside && *w >= 0.0 && *h >= 0.0) {
        return Err(format!("a box is {x}, {y}, {w}, {h}"));
    }
    Ok(())
}

/// 0 to 1, and a number.
fn fraction(value: f32) -> bool {
    (-0.001..=1.001).contains(&value)
}

fn picture(jpeg: &[u8]) -> Result<(), String> {
    if jpeg.starts_with(&[0xff, 0xd8]) { Ok(()) } else { Err("a picture of it is no JPEG".into()) }
}

fn words(text: &str) -> Result<(), String> {
    if text.len() <= WORDS { Ok(()) } else { Err(format!("it used {} letters for one line", text.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nightjar_types::eye::{EyeCounters, ModelRun, Stages};

    fn frame(stream: u32, mono: u64, detections: Vec<Detection>) -> FromEye {
        let (inferred, inference_ms, motion) = (true, 40.0, 0.1);
        let stages = Stages::default();
        FromEye::Frame { stream, mono: Mono(mono), inferred, inference_ms, motion, stages, detections }
    }

    fn person(x: f32, w: f32, score: f32) -> Detection {
        let bbox = BBox { x, y: 0.1, w, h: 0.2 };
        Detection { label: "person".into(), score, bbox, track: Some(1) }
    }

    fn measured(run: ModelRun) -> FromEye {
        FromEye::Measured(Measured { models: vec![run], ..Measured::default() })
    }

    fn sieve() -> Sieve {
        let mut sieve = Sieve::new(2);
        sieve.newest[0] = Some(Mono(100));
        sieve
    }

    #[test]
    fn sense_passes() {
        let jpeg = Bytes::from_static(&[0xff, 0xd8, 0]);
        let said = [
            frame(0, 100, vec![person(0.5, 0.3, 0.9), person(-0.05, 0.2, 1.0)]),
            FromEye::Snapshot { stream: 0, track: 1, mono: Mono(5), score: 0.5, jpeg: jpeg.clone() },
            FromEye::Lost { stream: 0, track: 1, mono: Mono(5) },
            FromEye::Decoder { stream: 1, element: Ok("avdec_h264".into()) },
            FromEye::Still { request: 3, jpeg: Ok(jpeg) },
            FromEye::Pong { nonce: 1, counters: EyeCounters::default(), busy: Vec::new() },
            measured(ModelRun { look_ms: Some(20.0), ..ModelRun::default() }),
        ];
        let mut sieve = sieve();
        for message in said {
            assert_eq!(sieve.check(&message, Mono(0)), Ok(()), "{message:?}");
        }
    }

    #[test]
    fn nonsense_is_told_in_words() {
        let many = vec![ModelRun::default(); 300];
        let junk = Bytes::from_static(b"GIF89a");
        let said = [
            (frame(2, 1, vec![]), "never told"),
            (frame(u32::MAX, 1, vec![]), "never told"),
            (frame(0, 101, vec![]), "never sent"),
            (frame(1, 0, vec![]), "never sent"),
            (frame(0, 1, vec![person(f32::NAN, 0.1, 0.5)]), "a box"),
            (frame(0, 1, vec![person(0.1, f32::INFINITY, 0.5)]), "a box"),
            (frame(0, 1, vec![person(0.1, -0.1, 0.5)]), "a box"),
            (frame(0, 1, vec![person(0.1, 0.1, f32::NAN)]), "a score"),
            (frame(0, 1, vec![person(0.1, 0.1, 3.0)]), "a score"),
            (frame(0, 1, vec![person(0.1, 0.1, 0.5); 600]), "600 things"),
            (frame(0, 1, vec![Detection { label: "x".repeat(65), ..person(0.1, 0.1, 0.5) }]), "65 letters"),
            (FromEye::Lost { stream: 0, track: 1, mono: Mono(u64::MAX) }, "never sent"),
            (FromEye::Still { request: 1, jpeg: Ok(junk) }, "no JPEG"),
            (FromEye::Decoder { stream: 0, element: Err("y".repeat(5000)) }, "5000 letters"),
            (measured(ModelRun { look_ms: Some(f32::NAN), ..ModelRun::default() }), "NaN ms"),
            (measured(ModelRun { card: "c".repeat(5000), ..ModelRun::default() }), "5000 letters"),
            (FromEye::Measured(Measured { models: many, ..Measured::default() }), "300 models"),
        ];
        for (message, part) in said {
            let why = sieve().check(&message, Mono(0)).unwrap_err();
            assert!(why.contains(part), "{why} / {part}");
        }
        let model = ModelInfo { labels: vec!["z".repeat(100)], ..ModelInfo::default() };
        assert!(hello(&model, &Sandbox::default()).is_err());
    }

    #[test]
    fn a_flood_is_stopped_and_a_busy_second_is_none() {
        let mut sieve = sieve();
        for n in 0..A_SECOND {
            assert_eq!(sieve.check(&frame(0, 1, vec![]), Mono(u64::from(n))), Ok(()));
        }
        assert!(sieve.check(&frame(0, 1, vec![]), Mono(9_000)).unwrap_err().contains("a second"));
        assert_eq!(sieve.check(&frame(0, 1, vec![]), Mono(1_000_000)), Ok(()));
    }
}
