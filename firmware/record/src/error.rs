//! What the recorder's plans refuse, in words that name the thing and the mend.

use crate::forecast::bytes_in_words;
use crate::hold::{MAX_HOLDS, MAX_NOTE};
use nightjar_types::Wall;

/// Why a hold is refused. Its maker mends it and asks again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The range is empty or reversed.
    #[error("a hold from {from} to {to} is empty: give a begin before the end")]
    Reversed {
        /// First moment.
        from: Wall,
        /// Moment after the last.
        to: Wall,
    },
    /// The range ends after now: footage is held once it is there.
    #[error("a hold until {to} is too early, it is {now}: hold what is recorded, and hold more later")]
    ToCome {
        /// Moment after the last.
        to: Wall,
        /// When it was asked for.
        now: Wall,
    },
    /// The range is longer than [`LONGEST_US`](crate::hold::LONGEST_US).
    #[error("a hold of {days} days is too long: at most 31; make several")]
    TooLong {
        /// Its whole days.
        days: i64,
    },
    /// The note is too long.
    #[error("the note has {chars} characters: at most {MAX_NOTE}")]
    LongNote {
        /// Its characters.
        chars: usize,
    },
    /// There are too many.
    #[error("there are {MAX_HOLDS} holds already: let one go first")]
    TooMany,
    /// Nothing was recorded there, or it is gone.
    #[error("there is no footage of {whose} from {from} to {to}: choose a time that was recorded")]
    NoFootage {
        /// `camera "front"`, or any.
        whose: String,
        /// First moment.
        from: Wall,
        /// Moment after the last.
        to: Wall,
    },
    /// It would take more room than is set aside.
    #[error(
        "this hold would take {}, and of the {} for held footage {} are left: shorten it, let another go or raise the budget",
        bytes_in_words(*needs), bytes_in_words(*budget), bytes_in_words(*left)
    )]
    OverBudget {
        /// Bytes of the slabs that it would hold and no other does.
        needs: u64,
        /// Bytes left.
        left: u64,
        /// Bytes set aside for all holds.
        budget: u64,
    },
}
