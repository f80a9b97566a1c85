//! What a capture process says of one stream → items: checked, since it may be wrong, and put on a time line by capture times.

use super::{Ended, Retry};
use crate::clock;
use crate::source::{Item, Sink};
use bytes::Bytes;
use nightjar_media::nal;
use nightjar_types::{AccessUnit, GapCause, Media, Mono, StreamParams, VideoCodec, VideoParams};
use std::time::Duration;

/// A picture that is older than this when it comes carries a time that is not believed.
const OLDEST: Duration = Duration::from_secs(10);

/// One session's state.
#[derive(Debug, Default)]
pub(super) struct Take {
    has_params: bool,
    /// Capture time of the first picture, and the last decode time.
    begun: Option<(Mono, i64)>,
}

impl Take {
    /// The first key frame was handed on.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    pub(super) fn params(
        &mut self,
        (width, height, config): (u16, u16, Bytes),
        sink: Sink<'_>,
    ) -> Result<(), Ended> {
        let video = video(width, height, config)?;
        self.has_params = true;
        sink(Item::Params(StreamParams { video, audio: None }));
        Ok(())
    }

    pub(super) fn left(&mut self, units: u32, sink: Sink<'_>) {
        if self.has_begun() {
            sink(Item::Loss(units.min(u32::from(u16::MAX)) as u16));
        }
    }

    pub(super) fn unit(&mut self, captured: Mono, data: Bytes, sink: Sink<'_>) -> Result<(), Ended> {
        let mut is_key = false;
        let mut is_empty = true;
        for unit in nal::units(&data) {
            let unit = unit.map_err(|e| garbage(&format!("the capture process sent no NAL units: {e}")))?;
            is_empty = false;
            is_key |= nal::is_key(VideoCodec::H264, unit);
        }
        if is_empty || !self.has_params || self.begun.is_none() && !is_key {
            return Ok(()); // a decoder could not start here
        }
        let (now, wall) = (clock::mono(), clock::wall());
        let age =
            if captured > now || now.since(captured) > OLDEST { Duration::ZERO } else { now.since(captured) };
        let captured = Mono(now.0 - age.as_micros() as u64);
        let dts = match self.begun {
            None => 0,
            Some((first, last)) => (captured.since(first).as_micros() as i64 * 9 / 100).max(last + 1),
        };
        self.begun = Some((self.begun.map_or(captured, |(first, _)| first), dts));
        // A local camera's picture is placed where it was taken, not where it arrived.
        let wall = wall.plus_micros(-(age.as_micros() as i64));
        sink(Item::Unit(AccessUnit {
            media: Media::Video,
            is_key,
            dts,
            cts: 0,
            arrived: captured,
            wall,
            data,
        }));
        Ok(())
    }
}

fn garbage(words: &str) -> Ended {
    Ended { cause: GapCause::Garbage, words: words.into(), retry: Retry::Soon }
}

/// The record's profile, compatibility and level are the codec's name (RFC 6381 section 3.3).
fn video(width: u16, height: u16, config: Bytes) -> Result<VideoParams, Ended> {
    let [1, profile, compatibility, level, ..] = config[..] else {
        return Err(garbage("the capture process sent no avcC record"));
    };
    if config.len() < 8 || width == 0 || height == 0 {
        return Err(garbage("the capture process sent an avcC record without parameter sets"));
    }
    let rfc6381 = format!("avc1.{profile:02x}{compatibility:02x}{level:02x}");
    Ok(VideoParams { codec: VideoCodec::H264, width, height, rfc6381, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"\0\0\0\x02\x65\x80";
    const PICTURE: &[u8] = b"\0\0\0\x02\x41\x80";

    fn record() -> (u16, u16, Bytes) {
        (640, 360, Bytes::from_static(b"\x01\x42\xc0\x1e\xff\xe1\0\x01\x67\x01\0\x01\x68"))
    }

    /// Items of a session that is fed these pictures, each with its capture time in milliseconds before now.
    fn items(fed: &[(u64, &'static [u8])]) -> Vec<AccessUnit> {
        let mut units = Vec::new();
        let mut sink = |item: Item| {
            if let Item::Unit(unit) = item {
                units.push(unit);
            }
        };
        let (mut take, now) = (Take::default(), clock::mono());
        take.params(record(), &mut sink).unwrap();
        for (ago_ms, data) in fed {
            let captured = Mono(now.0.saturating_sub(ago_ms * 1_000));
            take.unit(captured, Bytes::from_static(data), &mut sink).unwrap();
        }
        units
    }

    #[test]
    fn begins_with_a_key_frame_and_keeps_the_cameras_times() {
        let units = items(&[(400, PICTURE), (300, KEY), (200, PICTURE), (100, PICTURE)]);
        let line: Vec<(bool, i64)> = units.iter().map(|unit| (unit.is_key, (unit.dts + 450) / 900)).collect();
        assert_eq!(line, [(true, 0), (false, 10), (false, 20)], "in hundredths of a second");
        assert_eq!((units[2].wall - units[0].wall + 500) / 1_000, 200);
    }

    #[test]
    fn a_clock_that_jumps_does_not_turn_the_time_line_back() {
        let units = items(&[(300, KEY), (2_000, PICTURE), (1_000_000, PICTURE), (0, PICTURE)]);
        assert_eq!(units.len(), 4);
        assert!(units.windows(2).all(|two| two[1].dts > two[0].dts), "{units:?}");
    }

    #[test]
    fn nonsense_ends_the_session_and_not_the_recorder() {
        let mut take = Take::default();
        let mut sink = |item: Item| panic!("{item:?}");
        for config in [&b""[..], b"\x01", b"\x02\x42\xc0\x1e\xff\xe1\0\x01", b"\x01\x42\xc0\x1e"] {
            assert!(take.params((640, 360, Bytes::from_static(config)), &mut sink).is_err());
        }
        assert!(take.params((0, 0, record().2), &mut sink).is_err());
        let ended = take.unit(Mono(0), Bytes::from_static(b"\0\0\xff\xff\x65"), &mut sink).unwrap_err();
        assert_eq!(ended.cause, GapCause::Garbage);
        take.unit(Mono(0), Bytes::from_static(KEY), &mut sink).unwrap(); // no parameters yet: left out
    }
}
