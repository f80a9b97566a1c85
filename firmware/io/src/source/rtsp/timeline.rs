//! RTP time stamps + time of arrival → decode times that only go up. Pure.
//!
//! RTP says when a picture is shown (RFC 3550 section 5.1), a file needs when it is decoded as well.

use nightjar_types::Mono;

/// A stamp further ahead than this is a lie: a stream that was silent for as long has ended as stalled.
const FAR_AHEAD_S: i64 = 10;
/// B frames go back by a few pictures; what goes back further has had its clock set.
const FAR_BACK_S: i64 = 2;
/// max_num_reorder_frames is at most this (ITU-T H.264 clause E.2.1, H.265 clause A.4.2).
const MOST_REORDERED: usize = 16;
/// Sound this much off the picture's arrival was stamped from another origin.
const APART_S: i64 = 2;

/// A unit's place on the session's time line, in ticks of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dts: i64,
    pub(super) cts: i32,
    /// The camera's stamps jumped; this one is by time of arrival.
    pub(super) is_jump: bool,
}

/// The time line of one track.
///
/// A jump of the camera's stamps (its clock was set, its encoder restarted) does not end the session, since that
/// would cost footage: the line goes on from there by the time of arrival, which is right to within the network's jitter.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    rate: i64,
    /// The camera's stamp of time zero.
    zero: i64,
    reorders: bool,
    last: Option<(i64, Mono)>,
    /// The largest presentation times so far, ascending.
    newest: Vec<i64>,
    /// How many pictures come before one that is shown before them.
    depth: usize,
}

impl Timeline {
    /// For pictures at 90 kHz; the first one placed is time zero.
    pub(super) fn video(first: i64) -> Self {
        Self { rate: 90_000, zero: first, reorders: true, last: None, newest: Vec::new(), depth: 0 }
    }

    /// For sound at `rate`. `zero` is the stamp of time zero in ticks of the sound, when the camera stamps both
    /// from one origin. Otherwise the first frame's arrival tells: `late` after the first picture's.
    pub(super) fn audio(rate: u32, zero: i64, first: i64, late: std::time::Duration) -> Self {
        let rate = i64::from(rate);
        let by_arrival = ticks(late, rate);
        let is_apart = (first.saturating_sub(zero) - by_arrival).abs() > APART_S * rate;
        let zero = if is_apart { first - by_arrival } else { zero };
        Self { rate, zero, reorders: false, last: None, newest: Vec::new(), depth: 0 }
    }

    /// Places the next unit in decode order.
    pub(super) fn place(&mut self, stamp: i64, arrived: Mono) -> Stamp {
        let mut pts = stamp.saturating_sub(self.zero);
        let mut is_jump = false;
        if let (Some((last, at)), Some(&newest)) = (self.last, self.newest.last()) {
            let ahead = pts.saturating_sub(newest);
            if ahead > FAR_AHEAD_S * self.rate || ahead < -FAR_BACK_S * self.rate {
                is_jump = true;
                pts = newest.max(last).saturating_add(ticks(arrived.since(at), self.rate).max(1));
                self.zero = stamp.saturating_sub(pts);
                self.newest.clear();
            }
        }
        if self.reorders {
            let after = self.newest.iter().filter(|shown| **shown > pts).count();
            self.depth = self.depth.max(after.min(MOST_REORDERED));
        }
        let at = self.newest.partition_point(|shown| *shown <= pts);
        self.newest.insert(at, pts);
        if self.newest.len() > MOST_REORDERED + 1 {
            self.newest.remove(0);
        }
        // Of a stream that holds `depth` pictures back, the picture that is shown `depth` places earlier is being
        // shown while this one is decoded.
        let shown = self.newest[self.newest.len().saturating_sub(self.depth + 1)];
        let dts = self.last.map_or(shown, |(last, _)| shown.max(last + 1));
        self.last = Some((dts, arrived));
        let cts =
            if self.depth == 0 { 0 } else { (pts - dts).clamp(i32::MIN.into(), i32::MAX.into()) as i32 };
        Stamp { dts, cts, is_jump }
    }
}

fn ticks(time: std::time::Duration, rate: i64) -> i64 {
    (time.as_micros() as i64).saturating_mul(rate) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const FRAME: i64 = 3_000;

    fn placed(stamps: impl IntoIterator<Item = i64>) -> Vec<Stamp> {
        let mut stamps = stamps.into_iter().peekable();
        let mut line = Timeline::video(*stamps.peek().unwrap());
        let arrivals = (0u64..).map(|n| Mono(n * 33_333));
        stamps.zip(arrivals).map(|(stamp, at)| line.place(stamp, at)).collect()
    }

    #[test]
    fn keeps_the_stamps_of_a_camera_without_b_frames() {
        let all = placed((0..100).map(|n| 777_777 + n * FRAME));
        assert!(all.iter().zip(0..).all(|(s, n)| (s.dts, s.cts, s.is_jump) == (n * FRAME, 0, false)));
    }

    #[test]
    fn learns_how_many_pictures_are_held_back() {
        // Display order of I P B B P B B …, in decode order: 0 3 1 2 6 4 5 …
        let stamps =
            [0].into_iter().chain((1..40).flat_map(|n| [3 * n, 3 * n - 2, 3 * n - 1])).map(|n| n * FRAME);
        let all = placed(stamps.clone());
        assert!(all.windows(2).all(|w| w[0].dts < w[1].dts));
        for (at, (stamp, shown)) in all.iter().zip(stamps).enumerate().skip(6) {
            assert_eq!(stamp.dts, (at as i64 - 1) * FRAME, "regular once learnt");
            assert_eq!(stamp.dts + i64::from(stamp.cts), shown, "shown when the camera says");
            assert!(stamp.cts >= 0);
        }
    }

    #[test]
    fn goes_on_by_arrival_when_the_camera_sets_its_clock() {
        for jump in [3_600 * 90_000, -3_600 * 90_000, 1 << 40, -(1 << 40)] {
            let all = placed((0..50).map(|n| n * FRAME + if n >= 25 { jump } else { 0 }));
            assert_eq!(all.iter().filter(|stamp| stamp.is_jump).count(), 1);
            assert!(all.windows(2).all(|w| (2_000..4_000).contains(&(w[1].dts - w[0].dts))), "{jump}");
        }
    }

    #[test]
    fn sound_stays_with_the_picture() {
        let late = Duration::from_millis(500);
        // One origin for both: the stamp counts.
        let mut line = Timeline::audio(8_000, 1_000, 1_000 + 4_100, late);
        assert_eq!(line.place(5_100, Mono(0)).dts, 4_100);
        // An origin of its own: the arrival counts.
        let mut line = Timeline::audio(8_000, 1_000, 99_000_000, late);
        assert_eq!(line.place(99_000_000, Mono(0)).dts, 4_000);
        assert_eq!(line.place(99_001_024, Mono(128_000)).dts, 5_024);
    }

    proptest! {
        #[test]
        fn only_ever_goes_up(stamps in proptest::collection::vec((any::<i32>(), 0u64..5_000_000), 1..200), sound in any::<bool>()) {
            let first = i64::from(stamps[0].0);
            let mut line = match sound {
                true => Timeline::audio(16_000, 0, first, Duration::from_secs(1)),
                false => Timeline::video(first),
            };
            let (mut last, mut at) = (i64::MIN, 0);
            for (stamp, wait) in stamps {
                at += wait;
                let placed = line.place(i64::from(stamp), Mono(at));
                prop_assert!(placed.dts > last);
                last = placed.dts;
            }
        }
    }
}
