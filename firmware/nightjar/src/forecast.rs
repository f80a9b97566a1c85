//! What the eye's cameras cost now → how many more like them this board has room for. Arithmetic alone.

use nightjar_types::VideoCodec;
use nightjar_types::eye::Measured;
use std::time::Duration;

/// Share of all cores that detection may fill; the rest is for recording, people who watch, and noon in summer.
const SHARE_OF_CORES: f32 = 0.7;
/// Share of a model thread's time that may be taken: fuller, and looks come late.
const SHARE_OF_MODEL: f32 = 0.8;
/// Shorter counts say nothing about a camera's day.
const LEAST: Duration = Duration::from_secs(300);

/// What the eye counted over a time, and what its work costs on this board.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Cameras that are detected on.
    pub(crate) cameras: u32,
    /// Time that was counted over.
    pub(crate) over: Duration,
    /// Pictures decoded, of all cameras.
    pub(crate) decoded: u64,
    /// Looks of the model, at all cameras.
    pub(crate) inferred: u64,
    /// Processor time for one picture, milliseconds.
    pub(crate) decode_ms: f32,
    /// Time of one look, milliseconds.
    pub(crate) look_ms: f32,
    /// Processor cores.
    pub(crate) cores: u32,
    /// Threads that run the model.
    pub(crate) threads: u32,
}

/// The cheapest right H.264 decoder's cost of a picture, or H.265's where there is no other.
pub(crate) fn decode_ms(measured: &Measured) -> Option<f32> {
    let best = |codec| measured.good_decoders(codec).first().and_then(|d| d.cpu_ms);
    best(VideoCodec::H264).or_else(|| best(VideoCodec::H265))
}

/// More cameras like these; `None` when too little was seen to say.
pub(crate) fn room(seen: &Seen) -> Option<u32> {
    if seen.cameras == 0 || seen.over < LEAST || seen.decoded == 0 {
        return None;
    }
    let span_ms = seen.over.as_secs_f32() * 1000.0;
    let looks = seen.inferred as f32 * seen.look_ms / span_ms;
    let all = seen.decoded as f32 * seen.decode_ms / span_ms + looks;
    let cameras = seen.cameras as f32;
    let fits = |budget: f32, used: f32| {
        if used > 0.0 { ((budget - used) / (used / cameras)).floor() } else { f32::INFINITY }
    };
    let more =
        fits(seen.cores as f32 * SHARE_OF_CORES, all).min(fits(seen.threads as f32 * SHARE_OF_MODEL, looks));
    Some(more.clamp(0.0, 999.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One camera for 1,000 s: 10 pictures a second of 2 ms are 2 % of a core, half a look a second of 20 ms 1 %.
    fn one() -> Seen {
        Seen {
            cameras: 1,
            over: Duration::from_secs(1000),
            decoded: 10_000,
            inferred: 500,
            decode_ms: 2.0,
            look_ms: 20.0,
            cores: 2,
            threads: 1,
        }
    }

    #[test]
    fn cores_are_what_runs_out_first() {
        // 1.4 cores, 0.03 a camera: 46, of which one is there.
        assert_eq!(room(&one()), Some(45));
        assert_eq!(room(&Seen { cameras: 2, decoded: 20_000, inferred: 1000, ..one() }), Some(44));
    }

    #[test]
    fn or_the_time_of_the_model() {
        // Always awake at 5 looks a second of 50 ms: a quarter of the model's thread.
        let awake = Seen { inferred: 5000, look_ms: 50.0, cores: 8, ..one() };
        assert_eq!(room(&awake), Some(2));
        assert_eq!(room(&Seen { threads: 2, ..awake }), Some(5));
    }

    #[test]
    fn a_full_board_has_no_room_and_a_new_one_says_nothing() {
        assert_eq!(room(&Seen { inferred: 50_000, ..one() }), Some(0));
        assert_eq!(room(&Seen { over: Duration::from_secs(20), ..one() }), None);
        assert_eq!(room(&Seen { cameras: 0, ..one() }), None);
        assert_eq!(room(&Seen { decoded: 0, ..one() }), None);
    }
}
