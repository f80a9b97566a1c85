//! The clock and the library → once a day, for every camera, what of the UTC day before was recorded.

use crate::health::Gauges;
use nightjar_types::day::{DayView, last_day};
use nightjar_types::status::Update;
use nightjar_types::{StreamKind, Wall};

/// After midnight so long is waited: what was filmed before it is on the card then.
const SETTLED_US: i64 = 300_000_000;

/// Which day was told last.
#[derive(Debug, Default)]
pub(crate) struct Daily(Option<Wall>);

impl Daily {
    /// The day that is to be told now, if there is one: its first moment and the one after its last. A day is told once a start, and
    /// not before the clock can be believed.
    pub(crate) fn due(&mut self, now: Wall, is_sure: bool) -> Option<(Wall, Wall)> {
        let (from, to) = last_day(now.plus_micros(-SETTLED_US));
        if !is_sure || self.0 == Some(from) {
            return None;
        }
        self.0 = Some(from);
        Some((from, to))
    }
}

/// Every camera's day. Asks the library, which may wait for the disk.
pub(crate) fn proofs(gauges: &Gauges, (from, to): (Wall, Wall)) -> Vec<Update> {
    let mains = gauges.streams.iter().filter(|stream| stream.id.1 == StreamKind::Main);
    mains
        .map(|stream| {
            let library = &gauges.library;
            let (spans, gaps) = (library.coverage(&stream.id, from, to), library.gaps(&stream.id, from, to));
            Update::Day(DayView::new(stream.id.0.as_str(), from, &spans, &gaps))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_is_told_once_a_little_after_midnight_when_the_clock_is_sure() {
        // 2026-11-26T00:00:00Z
        let midnight = Wall(1_795_651_200_000_000);
        let mut daily = Daily::default();
        assert_eq!(daily.due(midnight.plus_micros(SETTLED_US), false), None);
        let before = daily.due(midnight, true).expect("the day before yesterday is over for sure");
        assert_eq!(before.1, midnight.plus_micros(-86_400_000_000));
        assert_eq!(daily.due(midnight.plus_micros(SETTLED_US - 1), true), None);
        let yesterday = daily.due(midnight.plus_micros(SETTLED_US), true).expect("yesterday");
        assert_eq!(yesterday.1, midnight);
        assert_eq!(daily.due(midnight.plus_micros(2 * SETTLED_US), true), None);
    }
}
