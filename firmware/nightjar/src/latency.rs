//! Frames that the model looked at → how long each stage took, from the picture's arrival to its detections at the rules, and
//! to the relay that a rule moved for them.

use nightjar_types::Mono;
use nightjar_types::eye::Stages;
use nightjar_types::status::StageLatency;
use std::collections::VecDeque;

/// The newest looks are told about: a minute of four busy cameras. 36 kB.
const LOOKS: usize = 1024;

/// In the order of a picture's way; `handover` is the way to the eye and back.
const STAGES: [&str; 8] = ["queue", "decode", "motion", "wait", "prepare", "model", "handover", "total"];

/// From the picture's arrival until the recorder hears that its relay has moved.
const RELAY: &str = "relay";

/// Times of the newest looks and of the newest moves of relays that a picture caused, microseconds.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    looks: VecDeque<[u32; STAGES.len()]>,
    relays: VecDeque<u32>,
}

impl Latency {
    /// A picture that arrived at `arrived` has reached the rules at `now`.
    pub(crate) fn add(&mut self, arrived: Mono, now: Mono, stages: Stages) {
        let Stages { queue_us, decode_us, motion_us, wait_us, prepare_us, model_us } = stages;
        let eye = [queue_us, decode_us, motion_us, wait_us, prepare_us, model_us];
        let total = micros(arrived, now);
        let handover = eye.iter().fold(total, |left, stage| left.saturating_sub(*stage));
        let look = [queue_us, decode_us, motion_us, wait_us, prepare_us, model_us, handover, total];
        newest(&mut self.looks, look);
    }

    /// At `now` it is heard that a relay has moved for a picture that arrived at `arrived`.
    pub(crate) fn moved(&mut self, arrived: Mono, now: Mono) {
        newest(&mut self.relays, micros(arrived, now));
    }

    /// Median and 99th percentile of each stage that there was: none before the first look, no relay before the first move.
    pub(crate) fn read(&self) -> Vec<StageLatency> {
        let stage =
            |(at, name): (usize, &&'static str)| of(name, self.looks.iter().map(|look| look[at]).collect());
        let relay = of(RELAY, self.relays.iter().copied().collect());
        STAGES.iter().enumerate().filter_map(stage).chain(relay).collect()
    }
}

fn micros(from: Mono, to: Mono) -> u32 {
    u32::try_from(to.since(from).as_micros()).unwrap_or(u32::MAX)
}

fn newest<T>(times: &mut VecDeque<T>, time: T) {
    if times.len() == LOOKS {
        times.pop_front();
    }
    times.push_back(time);
}

fn of(stage: &'static str, mut times: Vec<u32>) -> Option<StageLatency> {
    times.sort_unstable();
    // the smallest time that so many percent are not above
    let within = |percent: usize| {
        let at = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(at).map(|us| *us as f32 / 1_000.0)
    };
    Some(StageLatency { stage, p50_ms: within(50)?, p99_ms: within(99)? })
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
        assert!(read.iter().all(|s| s.stage != "relay"), "no relay moved");
        (1..=3).for_each(|n| latency.moved(Mono(7), Mono(7 + n * 20_000)));
        let relay = latency.read().pop().unwrap();
        assert_eq!((relay.stage, relay.p50_ms, relay.p99_ms), ("relay", 40.0, 60.0));
    }
}
