//! What must be so besides what is seen: an input, arming, the time of the week, a number of things.

use crate::{InputIx, RulesError};
use heapless::Vec;

/// Minutes of a week.
pub const WEEK_MIN: u16 = 7 * 24 * 60;
/// Spans of one schedule at most.
pub const MAX_SPANS: usize = 32;

/// Times of the week, in minutes since Monday 00:00 on the clock on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<(u16, u16), MAX_SPANS>);

impl Schedule {
    /// From spans (first minute, minute after the last); one that ends beyond the week goes on at its beginning.
    pub fn new(spans: &[(u16, u16)]) -> Result<Self, RulesError> {
        Vec::from_slice(spans).map(Self).map_err(|_| RulesError::TooManySpans(spans.len()))
    }

    /// Whether this minute of the week lies in it.
    pub fn contains(&self, minute: u16) -> bool {
        self.0.iter().any(|(from, to)| {
            (*from..*to).contains(&minute) || (*from..*to).contains(&minute.saturating_add(WEEK_MIN))
        })
    }
}

/// How things are now. The shell says so when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Present {
    /// The device is armed.
    pub is_armed: bool,
    /// Minute of the week on the clock on the wall, 0..[`WEEK_MIN`].
    pub minute: u16,
}

/// What a rule asks for besides what is seen. The default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// It is about this input becoming active, or no longer active, and about nothing that is seen.
    pub input: Option<(InputIx, bool)>,
    /// Only while the device is armed, or only while it is not.
    pub armed: Option<bool>,
    /// Only then.
    pub during: Option<Schedule>,
    /// At least so many things in one picture that fit the rule; 0 and 1 are the same.
    pub count: u8,
}

impl Circumstances {
    /// Arming and time are as asked for.
    pub fn hold(&self, present: Present) -> bool {
        self.armed.is_none_or(|armed| armed == present.is_armed)
            && self.during.as_ref().is_none_or(|during| during.contains(present.minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_goes_over_midnight_and_over_the_end_of_the_week() {
        let sunday = 6 * 1_440;
        let night = Schedule::new(&[(sunday + 1_320, sunday + 1_800), (600, 660)]).unwrap();
        for (minute, inside) in [
            (sunday + 1_319, false),
            (sunday + 1_320, true),
            (0, true),
            (359, true),
            (360, false),
            (600, true),
            (660, false),
        ] {
            assert_eq!(night.contains(minute), inside, "{minute}");
        }
        assert_eq!(Schedule::new(&[(0, 1); 33]), Err(RulesError::TooManySpans(33)));
    }
}
