//! Frames that the model looked at → how long each stage took, from the picture's arrival to its detections at the rules.

use nightjar_types::Mono;
use nightjar_types::eye::Stages;
use nightjar_types::status::StageLatency;
use std::collections::VecDeque;

/// The newest looks are told about: a minute of four busy cameras. 32 kB.
const LOOKS: usize = 1024;

/// In the order of a picture's way; `handover` is the way to the eye and back.
const STAGES: [&str; 8] = ["queue", "decode", "motion", "wait", "prepare", "model", "handover", "total"];

/// Times of the newest looks, microseconds.
#[derive(Debug, Default)]
pub(crate) struct Latency(VecDeque<[u32; STAGES.len()]>);

impl Latency {
    /// A picture that arrived at `arrived` has reached the rules at `now`.
    pub(crate) fn add(&mut self, arrived: Mono, now: Mono, stages: Stages) {
        let Stages { queue_us, decode_us, motion_us, wait_us, prepare_us, model_us } = stages;
        let eye = [queue_us, decode_us, motion_us, wait_us, prepare_us, model_us];
        let total = u32::try_from(now.since(arrived).as_micros()).unwrap_or(u32::MAX);
        let handover = eye.iter().fold(total, |left, stage| left.saturating_sub(*stage));
        if self.0.len() == LOOKS {
            self.0.pop_front();
        }
        self.0.push_back([queue_us, decode_us, motion_us, wait_us, prepare_us, model_us, handover, total]);
    }

    /// Median and 99th percentile of each stage; empty before the first look.
    pub(crate) fn read(&self) -> Vec<StageLatency> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let of = |(at, stage): (usize, &&'static str)| {
            let mut times: Vec<u32> = self.0.iter().map(|look| look[at]).collect();
            times.sort_unstable();
            // the smallest time that so many percent are not above
            let within =
                |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1] as f32 / 1000.0;
            StageLatency { stage, p50_ms: within(50), p99_ms: within(99) }
        };
        STAGES.iter().enumerate().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_stage_of_the_newest_looks_and_what_is_left_is_the_way() {
        let mut latency = Latency::default();
        assert!(latency.read().is_empty());
        let stages = |model_us| Stages { decode_us: 2_000, model_us, ..Stages::default() };
        (0..LOOKS).for_each(|_| latency.add(Mono(0), Mono(9_000_000), stages(8_000_000)));
        for n in 1..=LOOKS as u64 {
            latency.add(Mono(5), Mono(5 + 3_000 + n * 100), stages(n as u32 * 100));
        }
        let read = latency.read();
        let of = |name: &str| {
            let stage = read.iter().find(|s| s.stage == name).unwrap();
            (stage.p50_ms, stage.p99_ms)
        };
        assert_eq!(of("decode"), (2.0, 2.0));
        assert_eq!(of("model"), (51.2, 101.4));
        assert_eq!(of("handover"), (1.0, 1.0));
        assert_eq!(of("total"), (54.2, 104.4));
    }
}
