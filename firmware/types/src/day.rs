//! Spans and gaps of one UTC day → the proof that it was recorded: how many seconds there are, and why the others are not.

use crate::{Gap, GapCause, Wall};
use serde::Serialize;
use std::collections::BTreeMap;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// One whole UTC day of a camera's main stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayView {
    /// Camera id.
    pub camera: String,
    /// `2026-11-25`.
    pub day: String,
    /// Seconds that are on the card.
    pub recorded_s: u64,
    /// Seconds that are not, by cause; the longest first.
    pub gaps: Vec<DayGap>,
    /// Seconds that are neither: before the recorder knew the camera, or a fault.
    pub unexplained_s: u64,
}

/// What one cause took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DayGap {
    /// Why, as a word.
    pub cause: GapCause,
    /// Why, in words.
    pub words: &'static str,
    /// For how long.
    pub seconds: u64,
}

/// The UTC day that ended last before `now`: its first moment, and the moment after its last.
pub fn last_day(now: Wall) -> (Wall, Wall) {
    let end = now.0.div_euclid(DAY_US) * DAY_US;
    (Wall(end.saturating_sub(DAY_US)), Wall(end))
}

impl DayView {
    /// Of the day that begins at `start`; what lies outside of it does not count, and time that is recorded is no gap.
    pub fn new(camera: &str, start: Wall, spans: &[(Wall, Wall)], gaps: &[Gap]) -> Self {
        let end = start.plus_micros(DAY_US);
        let within = |(from, to): (Wall, Wall)| (from.max(start), to.min(end));
        let spans: Vec<(Wall, Wall)> = spans.iter().copied().map(within).filter(|(a, b)| a < b).collect();
        let recorded: i64 = spans.iter().map(|(a, b)| *b - *a).sum();
        let mut lost: BTreeMap<&'static str, (GapCause, i64)> = BTreeMap::new();
        for gap in gaps {
            let (from, to) = within((gap.from, gap.to.unwrap_or(end)));
            let there = |(a, b): &(Wall, Wall)| (*b.min(&to) - *a.max(&from)).max(0);
            let missing = (to - from).max(0) - spans.iter().map(there).sum::<i64>();
            lost.entry(gap.cause.words()).or_insert((gap.cause, 0)).1 += missing.max(0);
        }
        let explained: i64 = lost.values().map(|(_, micros)| micros).sum();
        let mut gaps: Vec<DayGap> = lost
            .into_iter()
            .map(|(words, (cause, micros))| DayGap { cause, words, seconds: seconds(micros) })
            .filter(|gap| gap.seconds > 0)
            .collect();
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.seconds));
        let (y, m, d, ..) = start.civil();
        Self {
            camera: camera.into(),
            day: format!("{y:04}-{m:02}-{d:02}"),
            recorded_s: seconds(recorded),
            gaps,
            unexplained_s: seconds(DAY_US - recorded - explained),
        }
    }
}

/// Rounded, never below zero.
fn seconds(micros: i64) -> u64 {
    (micros.max(0) as u64 + 500_000) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, StreamKind};

    /// 2026-11-25T00:00:00Z.
    const START: Wall = Wall(1_795_564_800_000_000);

    fn at(second: i64) -> Wall {
        START.plus_micros(second * 1_000_000)
    }

    fn gap(from: i64, to: Option<i64>, cause: GapCause) -> Gap {
        let (camera, stream) = (Name::new("front").unwrap(), StreamKind::Main);
        Gap { camera, stream, from: at(from), to: to.map(at), cause }
    }

    #[test]
    fn a_day_is_recorded_lost_for_a_reason_or_unexplained() {
        let spans = [(at(-50), at(1_000)), (at(1_100), at(80_000))];
        let gaps = [
            gap(1_000, Some(1_100), GapCause::PowerCut),
            gap(80_000, Some(80_060), GapCause::Stalled),
            gap(80_060, None, GapCause::Disconnected),
        ];
        let day = DayView::new("front", START, &spans, &gaps);
        assert_eq!((day.day.as_str(), day.recorded_s, day.unexplained_s), ("2026-11-25", 79_900, 0));
        let told: Vec<(GapCause, u64)> = day.gaps.iter().map(|gap| (gap.cause, gap.seconds)).collect();
        let wanted = [(GapCause::Disconnected, 6_340), (GapCause::PowerCut, 100), (GapCause::Stalled, 60)];
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_camera_that_came_at_noon_explains_nothing_of_the_morning() {
        let day = DayView::new("front", START, &[(at(43_200), at(90_000))], &[]);
        assert_eq!((day.recorded_s, day.unexplained_s), (43_200, 43_200));
    }

    #[test]
    fn time_that_is_on_the_card_is_no_gap() {
        let gaps = [gap(0, Some(100), GapCause::Lost)];
        let day = DayView::new("front", START, &[(at(0), at(90)), (at(100), at(86_400))], &gaps);
        assert_eq!((day.recorded_s, day.gaps[0].seconds, day.unexplained_s), (86_390, 10, 0));
    }

    #[test]
    fn yesterday_ends_where_today_begins() {
        assert_eq!(last_day(at(86_400)), (START, at(86_400)));
        assert_eq!(last_day(at(86_399)), (at(-86_400), START));
    }
}
