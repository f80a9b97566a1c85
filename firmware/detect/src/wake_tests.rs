//! A stream's pace against streams as cameras send them, and against any order of anything.

use super::*;
use proptest::prelude::*;

/// Ten units a second, a key frame every two seconds.
const GOP: u64 = 20;

fn at(n: u64) -> Mono {
    Mono(7_000_000 + n * 100_000)
}

/// A little generator, so that a scene is the same in every run.
fn noise(n: u64) -> usize {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % 161
}

/// Units from `from` on, sized by `size`; gives the numbers of those that were decoded.
fn run(wake: &mut Wake, units: std::ops::Range<u64>, size: impl Fn(u64) -> usize) -> Vec<u64> {
    let mut decoded = Vec::new();
    for n in units {
        if wake.unit(at(n), n % GOP == 0, size(n)) != Step::Keep {
            decoded.push(n);
        }
    }
    decoded
}

/// Sensor noise: 2 kB ± 80 bytes.
fn still(n: u64) -> usize {
    1_920 + noise(n)
}

/// A stream that has been quiet for a while; gives the number of the next unit, a key frame's.
fn quiet() -> (Wake, u64) {
    let mut wake = Wake::new();
    run(&mut wake, 0..200, still);
    assert!(wake.is_quiet());
    (wake, 200)
}

#[test]
fn a_new_stream_is_awake_then_a_still_one_decodes_key_frames_alone() {
    let mut wake = Wake::new();
    assert_eq!(run(&mut wake, 0..50, still), (0..50).collect::<Vec<_>>());
    assert_eq!(
        run(&mut wake, 50..36_000, still),
        (60..36_000).step_by(GOP as usize).collect::<Vec<_>>(),
        "an hour"
    );
}

#[test]
fn motion_in_a_key_frame_wakes_it_until_some_seconds_after_the_last() {
    let (mut wake, n) = quiet();
    assert_eq!(wake.unit(at(n), true, 9_000), Step::Decode);
    assert_eq!(wake.unit(at(n + 1), false, still(n + 1)), Step::Keep, "before the picture was looked at");
    assert!(!wake.saw(false));
    assert!(wake.saw(true), "what is kept is to be decoded now");
    assert!(!wake.saw(true), "only once");
    assert_eq!(run(&mut wake, n + 2..n + 51, still).len(), 49);
    assert!(wake.unit(at(n + 51), false, 2_000) == Step::Keep && wake.is_quiet());
}

#[test]
fn someone_who_walks_in_between_key_frames_costs_bytes_and_wakes_it() {
    let (mut wake, n) = quiet();
    run(&mut wake, n..n + 7, still);
    assert_eq!(wake.unit(at(n + 7), false, 3_000), Step::Decode);
    assert!(!wake.is_quiet() && !wake.saw(true));
    // someone far away: half as much, but again and again
    let (mut wake, n) = quiet();
    run(&mut wake, n..n + 7, still);
    let steps: Vec<Step> = (7..10).map(|i| wake.unit(at(n + i), false, 2_250)).collect();
    assert_eq!(steps, [Step::Keep, Step::Keep, Step::Decode]);
}

#[test]
fn a_constant_bitrate_says_nothing_and_key_frames_decide() {
    let mut wake = Wake::new();
    let constant = |_| 5_000;
    run(&mut wake, 0..200, constant);
    assert_eq!(run(&mut wake, 200..4_000, constant).len() as u64, 3_800 / GOP);
    wake.unit(at(4_000), true, 5_000);
    assert!(wake.saw(true) && !wake.is_quiet());
}

#[test]
fn an_encoder_with_odd_habits_is_learnt() {
    // every seventh unit is three times as large, as with layers in time or a periodic refresh
    let (mut wake, n) = quiet();
    let odd = |n: u64| if n % 7 == 3 { 6_000 + noise(n) } else { still(n) };
    let early = run(&mut wake, n..n + 3_000, odd).len();
    let late = run(&mut wake, n + 3_000..n + 6_000, odd).len();
    assert!(late < 3_000 / GOP as usize * 2, "decoded {early}, then {late} of 3,000");
}

#[test]
fn rare_key_frames_do_not_make_it_blind() {
    let mut wake = Wake::new();
    let mut last = at(0);
    for n in 0..6_000 {
        if wake.unit(at(n), n == 0, 60) != Step::Keep {
            last = at(n);
        }
        assert!(at(n).since(last) < BLIND + Duration::from_millis(100));
    }
    assert!(wake.is_quiet());
}

#[test]
fn who_lives_keeps_it_awake_what_is_parked_does_not() {
    let (mut wake, n) = quiet();
    assert!(wake.tracks(Tracks::Unsure), "wakes");
    assert_eq!(run(&mut wake, n..n + 100, still).len(), 100);
    assert!(!wake.saw(true));
    wake.tracks(Tracks::Confirmed);
    assert_eq!(run(&mut wake, n + 100..n + 390, still).len(), 290, "stands still");
    assert!(run(&mut wake, n + 400..n + 800, still).len() <= 21, "is parked");
    wake.tracks(Tracks::None);
    assert!(wake.is_quiet());
}

#[test]
fn a_decoder_that_holds_pictures_back_gets_every_unit() {
    let (mut wake, n) = quiet();
    assert!(wake.held_back());
    assert_eq!(run(&mut wake, n..n + 5_999, still).len(), 5_999, "ten minutes");
    assert!(run(&mut wake, n + 6_000..n + 6_200, still).len() < 20, "then it is tried again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes: a decoder is only fed what it can decode, what is kept is bounded, and no one is blind for long.
    #[test]
    fn a_decoder_gets_whole_runs_from_a_key_frame_on(
        units in prop::collection::vec((any::<bool>(), 0usize..600_000, 0u64..400_000, 0u8..40), 1..400)
    ) {
        let mut wake = Wake::new();
        let (mut now, mut kept, mut has_key, mut last) = (Mono(0), Vec::new(), false, Mono(0));
        for (i, (is_key, size, gap, what)) in units.into_iter().enumerate() {
            let is_key = is_key && size % 4 == 0 || i == 0;
            now = Mono(now.0 + gap);
            let step = wake.unit(now, is_key, size);
            match step {
                Step::Decode if is_key => { kept.clear(); has_key = true; }
                Step::Decode => { prop_assert!(has_key, "nothing before unit {}", i); kept.clear(); }
                Step::Keep => { prop_assert!(!is_key); kept.push(size); }
            }
            if step != Step::Keep { last = now; }
            prop_assert!(kept.iter().sum::<usize>() <= KEPT_BYTES);
            prop_assert!(now.since(last) < BLIND);
            let woke = match what {
                0 => wake.saw(true),
                1 => wake.tracks(Tracks::Unsure),
                2 => wake.tracks(Tracks::Confirmed),
                3..10 => wake.tracks(Tracks::None),
                _ => wake.saw(false),
            };
            if woke { kept.clear(); last = now; }
            prop_assert!(kept.is_empty() || wake.is_quiet());
        }
    }

    /// Sensor noise of any strength wakes no one for long.
    #[test]
    fn noise_is_slept_through(seed in 0u64..1_000_000, size in 60usize..20_000, spread in 1usize..8) {
        let mut wake = Wake::new();
        let sized = |n: u64| size + noise(n ^ seed) * size / (200 * spread);
        run(&mut wake, 0..200, sized);
        let decoded = run(&mut wake, 200..2_200, sized).len();
        prop_assert!(decoded <= 2_000 / GOP as usize, "{decoded}");
    }
}
