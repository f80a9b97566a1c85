//! What was written and what a card can take → how long it lives.

use super::words::{about, bytes_in_words};
use std::time::Duration;

/// How long a card lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Time left at the present rate. `None` when it can't be told.
    pub left: Option<Duration>,
    /// For people: "about 9 months at 210 GB a day; 3.1 TB are written of 60 TB that the card can take".
    pub words: String,
}

/// The life of a card of `endurance` bytes (its maker's TBW figure; 0 when not known), of which `written_total` are
/// written, at `written_per_day` bytes.
pub fn life(written_per_day: u64, written_total: u64, endurance: u64) -> Life {
    let (daily, total) = (bytes_in_words(written_per_day), bytes_in_words(written_total));
    let of = format!("{total} are written of {} that the card can take", bytes_in_words(endurance));
    if endurance == 0 {
        let words = format!("{total} are written, {daily} a day; how much the card can take is not known");
        return Life { left: None, words };
    }
    if written_total >= endurance {
        return Life { left: Some(Duration::ZERO), words: format!("used up: {of}; replace it soon") };
    }
    if written_per_day == 0 {
        return Life { left: None, words: format!("nothing is being written; {of}") };
    }
    let seconds = u128::from(endurance - written_total) * 86_400 / u128::from(written_per_day);
    let left = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
    let years = left.as_secs() / (365 * 86_400);
    // a card fails of other causes before that
    let time = if years >= 20 { "more than 20 years".to_owned() } else { format!("about {}", about(left)) };
    Life { left: Some(left), words: format!("{time} at {daily} a day; {of}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_long_a_card_lasts() {
        const GB: u64 = 1_000_000_000;
        let words = |daily, total, endurance| life(daily, total, endurance).words;
        assert_eq!(
            words(210 * GB, 3_100 * GB, 60_000 * GB),
            "about 9 months at 210 GB a day; 3.1 TB are written of 60 TB that the card can take"
        );
        assert_eq!(life(GB, 0, 1_000 * GB).left, Some(Duration::from_secs(1_000 * 86_400)));
        assert_eq!(
            words(GB, 0, 60_000 * GB),
            "more than 20 years at 1 GB a day; 0 bytes are written of 60 TB that the card can take"
        );
        assert!(words(GB, 61_000 * GB, 60_000 * GB).starts_with("used up: 61 TB are written of 60 TB"));
        assert_eq!(
            words(GB, 5 * GB, 0),
            "5 GB are written, 1 GB a day; how much the card can take is not known"
        );
        assert_eq!(life(0, GB, 2 * GB).left, None);
        assert!(life(1, 0, u64::MAX).left.is_some());
    }
}
