//! The hop source → viewers: units of one stream in, live fragments out, bounded for each viewer. Costs nothing while nobody watches.

use bytes::Bytes;
use nightjar_media::{FragmentWriter, Sample, init};
use nightjar_types::live::LiveMessage;
use nightjar_types::{AccessUnit, Media, StreamParams, Wall};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Messages that wait for one viewer: two groups of pictures of an ordinary camera (25 pictures and 16 audio frames a
/// second, 2 s a group).
const VIEWER_QUEUE: usize = 164;
/// Bytes of the current group of pictures that are kept so that a new viewer starts at once. A stream with larger groups
/// makes a new viewer wait for the next key frame.
const KEPT_BYTES: usize = 512 << 10;

/// The viewers of one stream.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    params: Option<StreamParams>,
    /// Wall clock of dts 0 of this session.
    origin: Option<Wall>,
    viewers: Vec<Viewer>,
    kept: Vec<AccessUnit>,
    kept_bytes: usize,
    sequence: u32,
    /// Last decode time and duration: picture, sound.
    last: [(i64, u32); 2],
}

#[derive(Debug)]
struct Viewer {
    messages: mpsc::Sender<LiveMessage>,
    /// Units left out since this viewer fell behind or began; it goes on at the next key frame.
    waiting: Option<u64>,
    has_init: bool,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New parameters, also at the start of each session.
    pub fn params(&self, params: &StreamParams) {
        let mut inner = self.lock();
        inner.params = Some(params.clone());
        inner.restart();
    }

    /// The session ended; viewers wait for the next.
    pub fn ended(&self) {
        let mut inner = self.lock();
        inner.params = None;
        inner.restart();
    }

    /// One unit. Says how many watch.
    pub fn unit(&self, unit: &AccessUnit) -> usize {
        let mut inner = self.lock();
        inner.unit(unit);
        inner.viewers.len()
    }

    /// A new viewer. It sees the current group of pictures at once if that is kept, else it waits for a key frame.
    pub fn watch(&self) -> mpsc::Receiver<LiveMessage> {
        let (messages, receiver) = mpsc::channel(VIEWER_QUEUE);
        let mut inner = self.lock();
        let kept = std::mem::take(&mut inner.kept);
        inner.viewers.push(Viewer { messages, waiting: Some(0), has_init: false });
        if let Some(last) = inner.viewers.len().checked_sub(1) {
            for unit in &kept {
                inner.send(unit, last..last + 1);
            }
        }
        inner.kept = kept;
        receiver
    }
}

impl Inner {
    fn restart(&mut self) {
        self.origin = None;
        self.kept.clear();
        self.kept_bytes = 0;
        self.last = [(0, 0); 2];
        for v in &mut self.viewers {
            (v.has_init, v.waiting) = (false, Some(0));
        }
    }

    fn unit(&mut self, unit: &AccessUnit) {
        let Some(params) = &self.params else { return };
        let is_start = unit.is_key && unit.media == Media::Video;
        if is_start && self.origin.is_none() {
            self.origin = Some(unit.wall.plus_micros(-unit.dts * 100 / 9));
        }
        let track = usize::from(unit.media == Media::Audio);
        let usual = if track == 0 {
            90_000
        } else {
            params.audio.as_ref().map_or(48_000, |a| i64::from(a.sample_rate))
        };
        let step = unit.dts - self.last[track].0;
        if step > 0 && step < usual {
            self.last[track].1 = step as u32;
        }
        self.last[track].0 = unit.dts;
        self.viewers.retain(|v| !v.messages.is_closed());
        if !self.viewers.is_empty() {
            self.send(unit, 0..self.viewers.len());
        }
        self.keep(unit, is_start);
    }

    fn keep(&mut self, unit: &AccessUnit, is_start: bool) {
        if is_start {
            self.kept.clear();
            self.kept_bytes = 0;
        } else if self.kept.is_empty() {
            return;
        }
        self.kept_bytes += unit.data.len();
        if self.kept_bytes > KEPT_BYTES {
            self.kept = Vec::new();
        } else {
            self.kept.push(unit.clone());
        }
    }

    fn send(&mut self, unit: &AccessUnit, to: std::ops::Range<usize>) {
        let (Some(params), Some(origin)) = (&self.params, self.origin) else { return };
        let is_start = unit.is_key && unit.media == Media::Video;
        self.sequence = self.sequence.wrapping_add(1);
        let track = usize::from(unit.media == Media::Audio);
        let duration = match (self.last[track].1, track) {
            (0, 0) => 3_600,
            (0, _) => 1_024,
            (known, _) => known,
        };
        let fragment = LiveMessage::Fragment(fragment(unit, self.sequence, duration));
        for v in &mut self.viewers[to] {
            if let Some(units) = v.waiting {
                if !is_start {
                    v.waiting = Some(units + 1);
                    continue;
                }
                let first =
                    if v.has_init { LiveMessage::Skipped { units } } else { first_message(params, origin) };
                if v.messages.try_send(first).is_err() {
                    v.waiting = Some(units + 1);
                    continue;
                }
                (v.has_init, v.waiting) = (true, None);
            }
            if v.messages.try_send(fragment.clone()).is_err() {
                v.waiting = Some(1);
            }
        }
    }
}

fn first_message(params: &StreamParams, origin: Wall) -> LiveMessage {
    LiveMessage::Init {
        mime: format!("video/mp4; codecs=\"{}\"", init::codecs(params)),
        width: params.video.width,
        height: params.video.height,
        origin,
        bytes: init::segment(&[params], origin, None).into(),
    }
}

fn fragment(unit: &AccessUnit, sequence: u32, duration: u32) -> Bytes {
    let sample = [Sample { duration, size: unit.data.len() as u32, cts: unit.cts, is_key: unit.is_key }];
    let time = unit.dts.max(0) as u64;
    let (video, audio): (&[Sample], &[Sample]) = match unit.media {
        Media::Video => (&sample, &[]),
        Media::Audio => (&[], &sample),
    };
    let head = Vec::with_capacity(160 + unit.data.len());
    let mut out = FragmentWriter { sequence, video_time: time, video, audio_time: time, audio }.write(head);
    out.extend_from_slice(&unit.data);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::{Mono, VideoCodec, VideoParams};

    fn params() -> StreamParams {
        let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
        let video = VideoParams {
            codec: VideoCodec::H264,
            width: 64,
            height: 48,
            rfc6381: "avc1.64001f".into(),
            config,
        };
        StreamParams { video, audio: None }
    }

    fn feed(hub: &Hub, units: std::ops::Range<i64>, key: i64) {
        for n in units {
            hub.unit(&unit(n, n == key));
        }
    }

    fn unit(n: i64, is_key: bool) -> AccessUnit {
        let data = Bytes::from(vec![0; 50]);
        AccessUnit {
            media: Media::Video,
            is_key,
            dts: n * 9_000,
            cts: 0,
            arrived: Mono(0),
            wall: Wall(n * 100_000),
            data,
        }
    }

    fn kinds(r: &mut mpsc::Receiver<LiveMessage>) -> String {
        let mut all = String::new();
        while let Ok(m) = r.try_recv() {
            all.push(match m {
                LiveMessage::Init { .. } => 'I',
                LiveMessage::Fragment(_) => 'f',
                LiveMessage::Skipped { .. } => 's',
                LiveMessage::Ended { .. } => 'e',
            });
        }
        all
    }

    #[test]
    fn a_new_viewer_starts_with_the_current_group_of_pictures() {
        let hub = Hub::default();
        hub.params(&params());
        feed(&hub, 0..5, 2);
        let mut viewer = hub.watch();
        feed(&hub, 5..6, 2);
        assert_eq!(kinds(&mut viewer), "Iffff");
    }

    #[test]
    fn a_slow_viewer_is_told_and_goes_on_at_a_key_frame() {
        let hub = Hub::default();
        hub.params(&params());
        feed(&hub, 0..1, 0);
        let mut viewer = hub.watch();
        feed(&hub, 1..300, 0);
        assert_eq!(kinds(&mut viewer).len(), VIEWER_QUEUE);
        feed(&hub, 300..303, 301);
        assert_eq!(kinds(&mut viewer), "sff");
        drop(viewer);
        assert_eq!(hub.unit(&unit(303, false)), 0);
    }

    #[test]
    fn a_new_session_begins_with_new_parameters() {
        let hub = Hub::default();
        hub.params(&params());
        feed(&hub, 0..1, 0);
        let mut viewer = hub.watch();
        hub.ended();
        feed(&hub, 1..2, 1);
        hub.params(&params());
        feed(&hub, 0..2, 0);
        assert_eq!(kinds(&mut viewer), "IfIff");
    }
}
