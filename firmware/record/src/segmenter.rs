//! [`AccessUnit`] → [`Fragment`] of at most [`FRAGMENT_TICKS`]. A key frame always begins a fragment; nothing is kept before the first.

use bytes::Bytes;
use nightjar_media::{Sample, VIDEO_TIMESCALE};
use nightjar_types::{AccessUnit, Media, Mono, StreamParams, Wall};
use std::sync::Arc;

/// Longest fragment, 90 kHz ticks. Beats cut earlier: what is pending is what a power cut can cost at most.
pub const FRAGMENT_TICKS: i64 = 90_000;
/// A key frame begins a new fragment when the pending one is at least this long, ticks: a stream of key frames only is
/// not cut at each.
const KEY_FRAGMENT_TICKS: i64 = 18_000;
/// Largest fragment, bytes: bounds the memory of a stream with a runaway bitrate.
pub const FRAGMENT_BYTES: usize = 4 << 20;
/// Most samples of one kind in a fragment: bounds the memory of a stream with runaway time stamps.
const FRAGMENT_SAMPLES: usize = 1_000;
/// A camera's clock may run off ours by this much before its time line is laid anew, µs.
const MAX_DRIFT_US: i64 = 1_000_000;
/// Duration of a last sample whose successor never came and which has no predecessor, ticks.
const LONE_TICKS: u32 = 3_600;

/// A run of samples that is written whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// Codec parameters.
    pub params: Arc<StreamParams>,
    /// Absolute 90 kHz tick (since 1970) of the first picture.
    pub ticks: i64,
    /// 90 kHz ticks until the next fragment's first picture.
    pub duration: u32,
    /// When the first picture came in.
    pub arrived: Mono,
    /// Begins with a key frame.
    pub is_key: bool,
    /// The wall clock was set just before.
    pub begins_clock: bool,
    /// Pictures.
    pub video: Vec<Sample>,
    /// Absolute tick of audio sample time zero, and the first frame's time in sample-rate ticks behind it.
    pub audio_at: (i64, i64),
    /// Audio frames.
    pub audio: Vec<Sample>,
    /// Bytes of all pictures, then of all audio frames.
    pub data: Vec<Bytes>,
}

impl Fragment {
    /// Wall clock of the first picture.
    pub fn wall(&self) -> Wall {
        wall_of(self.ticks)
    }

    /// Wall clock after the last picture.
    pub fn end(&self) -> Wall {
        wall_of(self.ticks + i64::from(self.duration))
    }

    /// Bytes of sample data.
    pub fn payload(&self) -> usize {
        self.data.iter().map(Bytes::len).sum()
    }
}

/// Absolute 90 kHz ticks of a wall time.
pub fn ticks_of(wall: Wall) -> i64 {
    wall.0.saturating_mul(9).div_euclid(100)
}

/// Wall time of absolute 90 kHz ticks.
pub fn wall_of(ticks: i64) -> Wall {
    Wall((ticks / 9).saturating_mul(100).saturating_add(ticks % 9 * 100 / 9))
}

#[derive(Debug, Clone)]
struct Pending {
    dts: i64,
    arrived: Mono,
    size: u32,
    cts: i32,
    is_key: bool,
    data: Bytes,
}

/// One stream's cutter.
#[derive(Debug, Default)]
pub struct Segmenter {
    params: Option<Arc<StreamParams>>,
    /// Absolute tick of dts 0 in this session.
    origin: Option<i64>,
    /// No footage begins before this tick: time never runs backwards on the card.
    floor: i64,
    /// The same on the new time line, while the old one still goes on.
    next_floor: i64,
    video: Vec<Pending>,
    audio: Vec<Pending>,
    bytes: usize,
    last_video_duration: u32,
    last_audio_duration: u32,
    /// The next key frame begins a new time line; the old one is moved by so many ticks.
    clock_shift: Option<i64>,
    /// The pending fragment begins a new time line.
    begins_clock: bool,
}

impl Segmenter {
    /// A cutter for a stream whose newest footage ends at `floor`.
    pub fn new(floor: Option<Wall>) -> Self {
        Self { floor: floor.map_or(0, |w| ticks_of(w) + 1), ..Self::default() }
    }

    /// New parameters: what is pending ends here.
    pub fn params(&mut self, params: StreamParams) -> Option<Fragment> {
        let last = self.flush();
        self.params = Some(Arc::new(params));
        last
    }

    /// The session ended: what is pending ends here, the next unit begins a new time line.
    pub fn end_session(&mut self) -> Option<Fragment> {
        let last = self.flush();
        self.origin = None;
        last
    }

    /// Nothing is pending.
    pub fn is_idle(&self) -> bool {
        self.video.is_empty()
    }

    /// What has come in so far, but for the newest picture: its duration is not known yet.
    pub fn beat(&mut self) -> Option<Fragment> {
        let last = self.video.pop()?;
        self.bytes -= last.data.len();
        let done = if self.video.is_empty() { None } else { self.cut(Some(last.dts)) };
        self.bytes += last.data.len();
        self.video.push(last);
        done
    }

    /// The wall clock was set, and what was recorded is moved by `shift_us`. The time line goes on as it was until the
    /// next key frame, which is laid on the new clock; the fragment that it begins says so.
    pub fn clock_set(&mut self, shift_us: i64) {
        let shift = (i128::from(shift_us) * 9 / 100) as i64;
        self.clock_shift = Some(self.clock_shift.unwrap_or(0).saturating_add(shift));
    }

    /// Footage that ends at `end` was found on the card: nothing begins before it.
    pub fn raise_floor(&mut self, end: Wall) {
        let floor = if self.clock_shift.is_some() { &mut self.next_floor } else { &mut self.floor };
        *floor = (*floor).max(ticks_of(end) + 1);
    }

    /// One unit. Gives the fragment that it completes.
    pub fn unit(&mut self, unit: AccessUnit) -> Option<Fragment> {
        self.params.as_ref()?;
        match unit.media {
            Media::Audio => {
                // sound before the first picture of a fragment run has nothing to belong to
                if !self.video.is_empty() && self.audio.len() < FRAGMENT_SAMPLES {
                    self.bytes += unit.data.len();
                    self.audio.push(pending(unit));
                }
                None
            }
            Media::Video => {
                let done = match self.video.first() {
                    None if !unit.is_key => return None,
                    None => None,
                    Some(first) => {
                        let is_full = unit.dts - first.dts >= FRAGMENT_TICKS
                            || self.bytes + unit.data.len() > FRAGMENT_BYTES
                            || self.video.len() >= FRAGMENT_SAMPLES;
                        let is_cut_by_key =
                            unit.is_key && (!first.is_key || unit.dts - first.dts >= KEY_FRAGMENT_TICKS);
                        if is_cut_by_key || is_full || (unit.is_key && self.clock_shift.is_some()) {
                            self.cut(Some(unit.dts))
                        } else {
                            None
                        }
                    }
                };
                if unit.is_key && self.video.is_empty() {
                    self.keep_time(&unit);
                }
                self.bytes += unit.data.len();
                self.video.push(pending(unit));
                done
            }
        }
    }

    /// Lays the session's time line on the wall clock, at its first key frame and when the two have drifted apart.
    fn keep_time(&mut self, unit: &AccessUnit) {
        if let Some(shift) = self.clock_shift.take() {
            let moved = self.floor.saturating_add(shift + 1);
            (self.origin, self.floor, self.begins_clock) = (None, moved.max(self.next_floor), true);
            self.next_floor = 0;
        }
        let now = ticks_of(unit.wall);
        let is_off =
            self.origin.is_none_or(|o| wall_of(o + unit.dts).micros_since(unit.wall).abs() > MAX_DRIFT_US);
        if is_off {
            self.origin = Some(now.max(self.floor) - unit.dts);
        }
    }

    fn flush(&mut self) -> Option<Fragment> {
        let done = self.cut(None);
        self.clear();
        done
    }

    fn clear(&mut self) {
        self.video.clear();
        self.audio.clear();
        self.bytes = 0;
    }

    /// Ends the pending fragment at `next`, the decode time of the picture behind it.
    fn cut(&mut self, next: Option<i64>) -> Option<Fragment> {
        let (params, origin) = (self.params.clone()?, self.origin?);
        let first = self.video.first()?;
        let (ticks, arrived, is_key) = (origin + first.dts, first.arrived, first.is_key);
        let lone = if self.last_video_duration == 0 { LONE_TICKS } else { self.last_video_duration };
        let video = samples(&self.video, next, lone);
        self.last_video_duration = video.last()?.duration;
        let audio_start = self.audio.first().map_or(0, |a| a.dts);
        let audio_lone = if self.last_audio_duration == 0 { 1_024 } else { self.last_audio_duration };
        let audio = samples(&self.audio, None, audio_lone);
        if audio.len() > 1 {
            self.last_audio_duration = audio[0].duration;
        }
        let data = self.video.drain(..).chain(self.audio.drain(..)).map(|p| p.data).collect();
        self.bytes = 0;
        let duration = video.iter().map(|s| s.duration).sum();
        self.floor = ticks + i64::from(duration);
        let begins_clock = std::mem::take(&mut self.begins_clock);
        Some(Fragment {
            arrived,
            begins_clock,
            params,
            ticks,
            duration,
            is_key,
            video,
            audio_at: (origin, audio_start),
            audio,
            data,
        })
    }
}

fn pending(unit: AccessUnit) -> Pending {
    Pending {
        dts: unit.dts,
        arrived: unit.arrived,
        size: unit.data.len() as u32,
        cts: unit.cts,
        is_key: unit.is_key,
        data: unit.data,
    }
}

/// Durations from successive decode times; the last one's from `next`, else as its predecessor's, else `lone`.
fn samples(run: &[Pending], next: Option<i64>, lone: u32) -> Vec<Sample> {
    let mut before = lone;
    let followed = run.iter().zip(run.iter().skip(1).map(|p| Some(p.dts)).chain([next]));
    followed
        .map(|(p, next)| {
            let ticks = next.and_then(|n| u32::try_from(n - p.dts).ok());
            before = ticks.unwrap_or(before).clamp(1, 60 * VIDEO_TIMESCALE);
            Sample { duration: before, size: p.size, cts: p.cts, is_key: p.is_key }
        })
        .collect()
}

#[cfg(test)]
mod tests;
