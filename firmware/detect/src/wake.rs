//! Coded units' sizes, motion and tracks → which units are decoded now, which are kept for later. Time is the units' own.
//!
//! A quiet stream shows the decoder its key frames alone. The units after the newest key frame are kept, so that the decoder
//! can catch up at once when something moves; then every unit is decoded until it has been quiet for a while. Between
//! key frames the sizes of the kept units are a free hint: an encoder spends bytes on what changes.

use nightjar_types::Mono;
use std::collections::VecDeque;
use std::time::Duration;

/// Every unit is decoded for this long after the last motion: longer than a track lives without a look (2 s) and than
/// someone stops in his walk.
pub const HOLD: Duration = Duration::from_secs(5);
/// For this long after a size alone has woken the stream: motion shows within two or three pictures.
pub const PEEK: Duration = Duration::from_millis(800);
/// Confirmed tracks in a picture that has not moved for this long are parked: their stream is quiet again.
pub const PARKED: Duration = Duration::from_secs(30);
/// A quiet stream is looked at this often even if its key frames are rarer ("smart" codecs send one every 10 s or more).
pub const BLIND: Duration = Duration::from_secs(4);
/// And this often while parked tracks live, which are lost after 2 s and two missed looks.
pub const BLIND_PARKED: Duration = Duration::from_secs(2);
/// A decoder that holds pictures back is tried again after this long: it may only have been starved of the processor.
pub const HELD_BACK: Duration = Duration::from_secs(600);
/// Bytes that may be kept, a stream: 4 s of 4 Mbit/s. More, and the decoder catches up.
pub const KEPT_BYTES: usize = 2 << 20;

/// Sizes that are remembered: some seconds of a sub-stream, three groups of pictures.
const SIZES: usize = 63;
/// Fewer say nothing.
const LEAST_SIZES: usize = 12;
/// Deviations (median, absolute) above the median that are a jump.
const DEVIATIONS: u32 = 8;
/// A jump is at least this many bytes, and at least this share of the median (as a divisor).
const LEAST_JUMP: u32 = 200;
const LEAST_SHARE: u32 = 5;
/// What is small costs few bytes, but steadily: bytes above the median, less an eighth of a jump a unit, are added up as
/// long as they are more than nothing. From so many quarters of a jump on they are one too. Someone who walked into ffmpeg's
/// bars under a noise of ±3 steps was found at the second unit; single sizes did not show him.
const DRIFT_QUARTERS: u32 = 5;
/// Caution in eighths: what false alarms multiply the jump with, and at most.
const CALM: u32 = 8;
const MOST_CAUTION: u32 = 16 * CALM;
/// Quiet units after which caution fades by a quarter: a minute of a sub-stream.
const FADES: u32 = 600;

/// What to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decode it: a key frame at once, for what was kept before it is of no use any more; any other after what is kept.
    Decode,
    /// Keep it.
    Keep,
}

/// What lives in a stream's picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tracks {
    /// Nothing that is known.
    #[default]
    None,
    /// Confirmed ones only.
    Confirmed,
    /// Some that wait for confirmation.
    Unsure,
}

impl Tracks {
    /// From what a tracker says.
    pub fn of(has_confirmed: bool, has_unsure: bool) -> Self {
        match (has_confirmed, has_unsure) {
            (_, true) => Self::Unsure,
            (true, false) => Self::Confirmed,
            (false, false) => Self::None,
        }
    }
}

/// One stream's pace. A new one is awake.
#[derive(Debug, Clone, Default)]
pub struct Wake {
    /// The newest unit.
    now: Mono,
    /// Awake until then, whatever lives.
    until: Option<Mono>,
    is_quiet: bool,
    /// Only a size has woken it, and nothing has moved since.
    is_peek: bool,
    moved: Mono,
    tracks: Tracks,
    decoded: Mono,
    kept_bytes: usize,
    sizes: Sizes,
    /// The decoder holds pictures back, as far as is known until then.
    held_back: Option<Mono>,
}

impl Wake {
    /// An awake stream that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only key frames are decoded.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// A unit has come.
    pub fn unit(&mut self, at: Mono, is_key: bool, bytes: usize) -> Step {
        if self.until.is_none() {
            (self.until, self.moved) = (Some(after(at, HOLD)), at);
        }
        self.now = self.now.max(at);
        if !self.is_quiet && !self.stays_awake() {
            self.is_quiet = true;
            self.kept_bytes = 0;
            if std::mem::take(&mut self.is_peek) {
                self.sizes.false_alarm();
            }
        }
        if is_key {
            (self.decoded, self.kept_bytes) = (at, 0);
            return Step::Decode;
        }
        if !self.is_quiet {
            self.decoded = at;
            return Step::Decode;
        }
        if self.sizes.see(bytes) {
            self.is_peek = true;
            self.rouse(PEEK);
            self.decoded = at;
            return Step::Decode;
        }
        let blind = if self.tracks == Tracks::None { BLIND } else { BLIND_PARKED };
        if at.since(self.decoded) >= blind || self.kept_bytes.saturating_add(bytes) > KEPT_BYTES {
            (self.decoded, self.kept_bytes) = (at, 0);
            return Step::Decode;
        }
        self.kept_bytes += bytes;
        Step::Keep
    }

    /// A picture was looked at by the motion gate. True when this has woken the stream: what is kept is to be decoded now.
    pub fn saw(&mut self, moved: bool) -> bool {
        if !moved {
            return false;
        }
        if std::mem::take(&mut self.is_peek) {
            self.sizes.right_alarm();
        }
        self.moved = self.now;
        self.rouse(HOLD)
    }

    /// What lives after the model's look. True when this has woken the stream.
    pub fn tracks(&mut self, tracks: Tracks) -> bool {
        self.tracks = tracks;
        tracks == Tracks::Unsure && self.rouse(PEEK)
    }

    /// The decoder gives a key frame's picture only after later units: it needs all of them, for [`HELD_BACK`]. True when this
    /// has woken the stream.
    pub fn held_back(&mut self) -> bool {
        self.held_back = Some(after(self.now, HELD_BACK));
        self.rouse(HOLD)
    }

    fn rouse(&mut self, time: Duration) -> bool {
        self.until = self.until.max(Some(after(self.now, time)));
        self.kept_bytes = 0;
        std::mem::take(&mut self.is_quiet)
    }

    fn stays_awake(&self) -> bool {
        let lives = match self.tracks {
            Tracks::None => false,
            Tracks::Confirmed => self.now.since(self.moved) < PARKED,
            Tracks::Unsure => true,
        };
        let held_back = self.held_back.is_some_and(|until| self.now < until);
        held_back || lives || self.until.is_none_or(|until| self.now < until)
    }
}

fn after(at: Mono, time: Duration) -> Mono {
    Mono(at.0.saturating_add(time.as_micros() as u64))
}

/// Sizes of a quiet stream's units without key frames → is this one much larger?
#[derive(Debug, Clone)]
struct Sizes {
    newest: VecDeque<u32>,
    scratch: Vec<u32>,
    /// Bytes of [`DRIFT_QUARTERS`].
    drift: u32,
    /// Multiplies the jump, eighths.
    caution: u32,
    quiet: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { newest: VecDeque::new(), scratch: Vec::new(), drift: 0, caution: CALM, quiet: 0 }
    }
}

impl Sizes {
    fn see(&mut self, bytes: usize) -> bool {
        let size = u32::try_from(bytes).unwrap_or(u32::MAX / MOST_CAUTION);
        let is_jump = self.jump().is_some_and(|(usual, jump)| {
            let above = size.saturating_sub(usual);
            self.drift = self.drift.saturating_add(size).saturating_sub(usual.saturating_add(jump / 8));
            above > jump || self.drift > jump.saturating_mul(DRIFT_QUARTERS) / 4
        });
        if self.newest.len() == SIZES {
            self.newest.pop_front();
        }
        self.newest.push_back(size);
        self.quiet += 1;
        if is_jump {
            self.drift = 0;
        } else if self.quiet.is_multiple_of(FADES) {
            self.caution = (self.caution * 3 / 4).max(CALM);
        }
        is_jump
    }

    /// The usual size, and how much above it is a jump.
    fn jump(&mut self) -> Option<(u32, u32)> {
        if self.newest.len() < LEAST_SIZES {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend(&self.newest);
        let usual = median(&mut self.scratch);
        self.scratch.iter_mut().for_each(|size| *size = size.abs_diff(usual));
        let deviation = median(&mut self.scratch);
        let jump = deviation.saturating_mul(DEVIATIONS).max(LEAST_JUMP).max(usual / LEAST_SHARE);
        Some((usual, jump.saturating_mul(self.caution) / CALM))
    }

    fn false_alarm(&mut self) {
        self.caution = (self.caution * 2).min(MOST_CAUTION);
        self.quiet = 0;
    }

    fn right_alarm(&mut self) {
        self.caution = (self.caution / 2).max(CALM);
    }
}

/// Not of an empty slice.
fn median(values: &mut [u32]) -> u32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable(middle).1
}

#[cfg(test)]
#[path = "wake_tests.rs"]
mod tests;
