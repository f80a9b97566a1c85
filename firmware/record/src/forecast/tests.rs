//! What the forecast says of rings whose story is known.

use super::*;
use crate::catalog::tests::{DAY, HOUR, days, forever, row, stream};
use crate::layout::Flags;
use nightjar_types::config::Limit;

/// Hourly slabs of a stream between two hours, of so many MB.
fn slabs(id: &StreamId, hours: std::ops::Range<i64>, mb: u32) -> Vec<SlabRow> {
    let slab = |n: i64| {
        let mut row = row(n as u64, id, n * HOUR, (n + 1) * HOUR);
        (row.used, row.len) = (mb * 1_000_000, mb * 1_000_000);
        row
    };
    hours.map(slab).collect()
}

const MB: u64 = 1_000_000;

fn all(rows: &[SlabRow], quota_mb: u64, now_h: i64) -> Forecast {
    forecast(rows.iter(), quota_mb * MB, Wall(now_h * HOUR), &forever).all
}

#[test]
fn a_full_ring_at_a_steady_rate_holds_what_it_holds() {
    let rows = slabs(&stream("front"), 0..292, 10);
    let told = all(&rows, 2_920, 292);
    assert_eq!((told.words.as_str(), &told.trend), ("12 days 4 h", &Trend::Steady));
    assert_eq!(told.covers, Duration::from_secs(292 * 3_600));
}

#[test]
fn a_ring_that_still_fills_says_so() {
    let rows = slabs(&stream("front"), 0..72, 10);
    let told = all(&rows, 2_880, 72);
    assert_eq!(told.words, "not full yet: 3 days so far, about 12 days when full");
    assert_eq!(told.trend, Trend::Filling { so_far: Duration::from_secs(3 * 86_400) });
}

#[test]
fn names_the_stream_that_changed() {
    let (front, back) = (stream("front"), stream("back"));
    let mut rows = slabs(&front, 0..237, 10);
    rows.extend(slabs(&front, 237..240, 21));
    rows.extend(slabs(&back, 0..240, 5));
    let told = forecast(rows.iter(), 3_640 * MB, Wall(240 * HOUR), &forever);
    assert_eq!(told.all.words, "5 days 20 h; shrinking since front's bitrate doubled 3 h ago");
    assert_eq!(told.streams.len(), 2);
    let of = |id: &StreamId| &told.streams.iter().find(|(s, _)| s == id).unwrap().1;
    assert_eq!(of(&back).trend, Trend::Steady);
    assert!(matches!(&of(&front).trend, Trend::Shrinking(c) if c.stream == front && c.times > 1.9));
    assert_eq!(of(&front).covers, told.all.covers, "one ring");

    let mut rows = slabs(&front, 0..230, 10);
    rows.extend(slabs(&front, 230..240, 5));
    assert!(all(&rows, 2_350, 240).words.ends_with("; growing since front's bitrate halved 10 h ago"));
}

#[test]
fn streams_that_come_and_go_are_the_reason_too() {
    let (front, back) = (stream("front"), (stream("back").0, StreamKind::Sub));
    let mut rows = slabs(&front, 0..240, 10);
    rows.extend(slabs(&back, 236..240, 10));
    assert!(all(&rows, 2_440, 240).words.ends_with("; shrinking since back's sub recording began 4 h ago"));
    let mut rows = slabs(&front, 0..240, 10);
    rows.extend(slabs(&back, 0..192, 10));
    let told = forecast(rows.iter(), 4_320 * MB, Wall(240 * HOUR), &forever);
    assert_eq!(told.all.words, "18 days; growing since back's sub recording stopped 2 days ago");
    assert_eq!(told.streams[0].1.trend, Trend::Unknown);
    assert_eq!(all(&[], 1_000, 5).words, "nothing is being recorded");
}

#[test]
fn a_quiet_night_of_a_motion_stream_is_no_change() {
    // a quarter of each hour is recorded, of late a tenth, at the same bitrate
    let mut rows = slabs(&stream("front"), 0..240, 10);
    for (n, row) in rows.iter_mut().enumerate() {
        let minutes = if n < 235 { 15 } else { 6 };
        row.spans[0].1 = row.spans[0].0.plus_micros(HOUR * minutes / 60);
        row.used = (minutes * 600_000) as u32;
    }
    let told = all(&rows, 2_400, 240);
    assert_eq!(told.trend, Trend::Steady);
    assert!(
        told.covers.abs_diff(Duration::from_secs(10 * 86_400)) < Duration::from_secs(20 * 3_600),
        "{told:?}"
    );
}

#[test]
fn limits_bound_it_and_give_their_room_to_others() {
    let (main, sub) = (stream("front"), (stream("front").0, StreamKind::Sub));
    let mut rows = slabs(&main, 0..480, 10);
    rows.extend(slabs(&sub, 0..480, 1));
    let told = |keep: Keep| {
        let told = forecast(rows.iter(), 5_280 * MB, Wall(480 * HOUR), &|_| keep.clone());
        told.streams.into_iter().map(|(_, f)| f.covers.as_secs() / 86_400).collect::<Vec<_>>()
    };
    assert_eq!(told(Keep::default()), [20, 20]);
    // no age counts as 365 days: both get 47 % of theirs
    assert_eq!(told(Keep { continuous: days(10), ..Keep::default() }), [4, 172]);
    assert_eq!(told(Keep { continuous: days(10), sub: days(30), ..Keep::default() }), [10, 30]);
    assert_eq!(told(Keep { continuous: days(100), sub: days(200), ..Keep::default() }), [18, 36]);
    let bytes = Limit { age: None, bytes: Some(2_400 * MB) };
    assert_eq!(told(Keep { continuous: bytes, ..Keep::default() }), [10, 120]);
}

#[test]
fn tiers_are_told_by_the_shortest() {
    let mut rows = slabs(&stream("front"), 0..480, 10);
    for row in rows.iter_mut().step_by(10) {
        row.flags = Flags::EVENT;
    }
    let keep = |_: &StreamId| Keep { continuous: days(2), event: days(10), ..Keep::default() };
    let told = forecast(rows.iter(), 4_800 * MB, Wall(20 * DAY), &keep);
    assert_eq!(told.all.covers, Duration::from_secs(2 * 86_400));
}
