//! A hold asked for and the rows → held ranges: their footage is neither recycled nor deleted nor thinned, within a budget.

use crate::catalog::SlabRow;
use crate::error::HoldError;
use nightjar_types::{CameraId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most holds: every one is asked for every slab.
pub const MAX_HOLDS: usize = 256;
/// Longest hold, µs: 31 days.
pub const LONGEST_US: i64 = 31 * 86_400_000_000;
/// A hold may end this much after it is made, µs, and is cut there: the clock of who asks may be ahead.
const AHEAD_US: i64 = 3_600_000_000;
/// Longest note, characters.
pub const MAX_NOTE: usize = 200;

/// Footage that stays until somebody lets it go. Of several cameras, with a note, it is an incident's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Given by [`Holds::add`].
    pub id: u32,
    /// Whose footage, both streams; empty: of all cameras.
    pub cameras: Vec<CameraId>,
    /// First moment.
    pub from: Wall,
    /// Moment after the last, not after `made`: footage to come has no bytes that a budget could be asked for, and a ring
    /// whose every slab is held records nothing.
    pub to: Wall,
    /// Why, in the words of who made it.
    pub note: String,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub made: Wall,
}

impl Hold {
    /// It holds footage of this slab, and so the whole slab.
    pub fn covers(&self, row: &SlabRow) -> bool {
        (self.cameras.is_empty() || self.cameras.contains(&row.stream.0)) && row.overlaps(self.from, self.to)
    }
}

/// All holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holds {
    list: Vec<Hold>,
    /// No hold was given this id or one above.
    next_id: u32,
}

impl Holds {
    /// The holds, in the order in which they were made.
    pub fn list(&self) -> &[Hold] {
        &self.list
    }

    /// Replaces all of them. An id that was given stays given.
    pub(crate) fn set(&mut self, list: Vec<Hold>) {
        let above = list.iter().map(|h| h.id.saturating_add(1)).max().unwrap_or(0);
        self.next_id = self.next_id.max(above);
        self.list = list;
    }

    /// Adds `hold` under a new id, which it returns, if its footage is among `rows` and all held slabs together stay within
    /// `budget_bytes`.
    ///
    /// # Errors
    /// A [`HoldError`] says what is wrong and what would help; nothing is changed then.
    pub fn add<'a>(
        &mut self,
        mut hold: Hold,
        rows: impl Iterator<Item = &'a SlabRow>,
        budget_bytes: u64,
    ) -> Result<u32, HoldError> {
        if hold.from >= hold.to {
            return Err(HoldError::Reversed { from: hold.from, to: hold.to });
        }
        if hold.to - hold.made > AHEAD_US || hold.from >= hold.made {
            return Err(HoldError::ToCome { to: hold.to, now: hold.made });
        }
        hold.to = hold.to.min(hold.made);
        let (from, to) = (hold.from, hold.to);
        if to - from > LONGEST_US {
            return Err(HoldError::TooLong { days: (to - from) / 86_400_000_000 });
        }
        let chars = hold.note.chars().count();
        if chars > MAX_NOTE {
            return Err(HoldError::LongNote { chars });
        }
        if self.list.len() >= MAX_HOLDS {
            return Err(HoldError::TooMany);
        }
        hold.cameras.sort();
        hold.cameras.dedup();
        let (mut found, mut held, mut more) = (BTreeSet::new(), 0_u64, 0_u64);
        for row in rows {
            let is_asked = hold.covers(row);
            if is_asked {
                found.insert(&row.stream.0);
            }
            if self.covers(row) {
                held += u64::from(row.len);
            } else if is_asked {
                more += u64::from(row.len);
            }
        }
        if let Some(camera) = hold.cameras.iter().find(|camera| !found.contains(camera)) {
            return Err(HoldError::NoFootage { whose: format!("camera \"{camera}\""), from, to });
        }
        if found.is_empty() {
            return Err(HoldError::NoFootage { whose: "any camera".to_owned(), from, to });
        }
        let left = budget_bytes.saturating_sub(held);
        if more > left {
            return Err(HoldError::OverBudget { needs: more, left, budget: budget_bytes });
        }
        hold.id = self.next_id.max(1);
        let id = hold.id;
        self.next_id = id.saturating_add(1);
        self.list.push(hold);
        Ok(id)
    }

    /// Lets a hold go. `None` when there is none of this id.
    pub fn remove(&mut self, id: u32) -> Option<Hold> {
        let at = self.list.iter().position(|hold| hold.id == id)?;
        Some(self.list.remove(at))
    }

    /// Some hold holds footage of this slab.
    pub fn covers(&self, row: &SlabRow) -> bool {
        self.list.iter().any(|hold| hold.covers(row))
    }

    /// Bytes of the slabs that are held, each counted once.
    pub fn bytes<'a>(&self, rows: impl Iterator<Item = &'a SlabRow>) -> u64 {
        rows.filter(|row| self.covers(row)).map(|row| u64::from(row.len)).sum()
    }
}

#[cfg(test)]
mod tests;
