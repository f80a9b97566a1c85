//! A stream needs a slab of a size → the waiting one, the full one or the files of other sizes that become it.
//!
//! In steady state nothing is made, removed, grown or cut: a stream takes a waiting slab of its size, else recycles the one
//! of its size that goes first. Files of other sizes are exchanged for it only when
//!
//! - nothing of its own size may go; or
//! - more room waits in other sizes than one of the largest slabs, so that no footage need go (less is on its way: what is
//!   left of an exchange waits for the streams for which it was made); or
//! - its own is too young to go: it has used up less of its allowed age than what would be given up instead, by more than
//!   an eighth of what the ring spans. (With one age for all this is simply a time: an eighth of the ring's span.) And the
//!   exchange must leave the two sizes nearer to each other than they were: slabs are lumps, and in a small ring a lump
//!   that goes to one side would come back with the next.
//!
//! Who goes first is told by [`retention`](crate::retention).

use super::line::{Lane, Place, going};
use super::{Catalog, SlabRow, StreamId};
use crate::name;
use nightjar_types::Wall;
use nightjar_types::config::Keep;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The part of the ring's span by which a slab may be too young and still go before one of another size.
const SLACK: f64 = 1.0 / 8.0;
/// The part of what an exchange moves that the sizes must be apart. At one half it would leave them as far apart as before,
/// the other way round.
const MOVED: f64 = 0.75;

/// Where the next slab comes from. It is out of the catalog now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// A waiting slab of the pool.
    Free {
        /// Its number in the pool.
        number: u64,
        /// Its bytes.
        len: u32,
    },
    /// The footage of this size that goes first.
    Recycle(SlabRow),
    /// Files of other sizes.
    Exchange(Exchange),
}

/// Files to give up, all out of the catalog already, whose bytes become one slab of `len` and further waiting ones of `len`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Footage that goes.
    pub rows: Vec<SlabRow>,
    /// Number and bytes of waiting slabs that go.
    pub free: Vec<(u64, u32)>,
    /// Bytes of each slab that comes.
    pub len: u32,
}

impl Exchange {
    /// Bytes of all files that go.
    pub fn bytes(&self) -> u64 {
        let rows: u64 = self.rows.iter().map(|r| u64::from(r.len)).sum();
        rows + self.free.iter().map(|f| u64::from(f.1)).sum::<u64>()
    }

    /// Slabs that come, the one asked for included. Nothing is left over as long as all lengths are powers of two.
    pub fn slabs(&self) -> u32 {
        (self.bytes() / u64::from(self.len.max(1))) as u32
    }
}

enum Step {
    Recycle(u64),
    Exchange { rows: Vec<u64>, free: Vec<u64> },
}

/// What an exchange may give up.
#[derive(Clone, Copy)]
enum Donor {
    Free { number: u64, len: u32 },
    Row(Place),
}

impl Donor {
    fn len(&self) -> u32 {
        match self {
            Self::Free { len, .. } => *len,
            Self::Row(place) => place.len,
        }
    }
}

impl Catalog {
    /// Takes a slab of `len` bytes for writing, `keep` saying how long a stream's footage is kept. Never an open, held or
    /// pinned one: `None` when there is no other, or too few for `len`.
    ///
    /// While some footage is from the future, the clock is wrong or was: then no age can be told, and the slab that was
    /// written first goes first.
    pub fn take(&mut self, len: u32, now: Wall, keep: &dyn Fn(&StreamId) -> Keep) -> Option<Take> {
        if let Some(at) = self.free.iter().rposition(|f| f.1 == len) {
            let (number, len) = self.free.swap_remove(at);
            return Some(Take::Free { number, len });
        }
        let step = self.step(len, now, keep, &self.free);
        self.carry_out(step?, len)
    }

    /// Takes the waiting slab of `len` bytes whose number has the least `rank`.
    pub fn take_waiting(&mut self, len: u32, rank: &dyn Fn(u64) -> u64) -> Option<u64> {
        let of_len = self.free.iter().enumerate().rev().filter(|(_, f)| f.1 == len);
        let (at, _) = of_len.min_by_key(|(_, f)| rank(f.0))?;
        Some(self.free.swap_remove(at).0)
    }

    /// As [`take`](Self::take), but leaves waiting slabs alone, of each size as many as `spared` says: to retire footage
    /// ahead of its use. What waits for others is not given to this one and back again.
    ///
    /// Of slabs that are recycled a slab's length sooner or later, the one goes whose folder stands first in `folders`.
    pub fn take_footage(
        &mut self,
        len: u32,
        spared: &BTreeMap<u32, usize>,
        folders: &[String],
        now: Wall,
        keep: &dyn Fn(&StreamId) -> Keep,
    ) -> Option<Take> {
        let mut spared = spared.clone();
        let is_surplus = |f: &&(u64, u32)| match spared.get_mut(&f.1).filter(|n| **n > 0) {
            Some(n) => {
                *n -= 1;
                false
            }
            None => f.1 != len,
        };
        let surplus: Vec<(u64, u32)> = self.free.iter().filter(is_surplus).copied().collect();
        let step = match self.step(len, now, keep, &surplus)? {
            Step::Recycle(first) => Step::Recycle(self.instead_of(first, folders, now, keep)),
            exchange @ Step::Exchange { .. } => exchange,
        };
        self.carry_out(step, len)
    }

    /// A slab that would be recycled no later after `first` than `first` is long, in the first of `folders` that has one.
    fn instead_of(&self, first: u64, folders: &[String], now: Wall, keep: &dyn Fn(&StreamId) -> Keep) -> u64 {
        let Some(row) = self.get(first) else { return first };
        let Some((start, end)) = row.start().zip(row.end()).filter(|_| !self.line.is_ahead_of(now)) else {
            return first;
        };
        let lanes = self.line.lanes(Some(now), keep);
        let Some(own) = lanes.iter().filter_map(Lane::first).find(|p| p.generation == first) else {
            return first;
        };
        // what is to be deleted anyway goes in its order
        let near = lanes.iter().filter(|l| l.len == row.len && own.share < 1.0).filter_map(|lane| {
            let place = lane.first().filter(|p| own.share - p.share <= lane.share_of(end - start))?;
            Some((place.generation, name::folder_of(&self.get(place.generation)?.path)))
        });
        let near: Vec<(u64, &str)> = near.collect();
        let liked = folders.iter().find_map(|folder| near.iter().find(|n| n.1 == folder));
        liked.map_or(first, |n| n.0)
    }

    fn carry_out(&mut self, step: Step, len: u32) -> Option<Take> {
        match step {
            Step::Recycle(generation) => self.remove(generation).map(Take::Recycle),
            Step::Exchange { rows, free } => {
                let rows = rows.into_iter().filter_map(|generation| self.remove(generation)).collect();
                let (given, kept) =
                    std::mem::take(&mut self.free).into_iter().partition(|f| free.contains(&f.0));
                self.free = kept;
                Some(Take::Exchange(Exchange { rows, free: given, len }))
            }
        }
    }

    fn step(
        &self,
        len: u32,
        now: Wall,
        keep: &dyn Fn(&StreamId) -> Keep,
        free: &[(u64, u32)],
    ) -> Option<Step> {
        let is_ahead = self.line.is_ahead_of(now);
        let line = if is_ahead { Cow::Owned(self.line.by_generation()) } else { Cow::Borrowed(&self.line) };
        let lanes = line.lanes((!is_ahead).then_some(now), keep);
        let own = going(lanes.iter().filter(|l| l.len == len)).next();
        // it holds nothing, or what it holds is to be deleted anyway
        if let Some(own) = own.filter(|own| own.share >= 1.0) {
            return Some(Step::Recycle(own.generation));
        }
        let mut rows = going(lanes.iter().filter(|l| l.len != len));
        let given = gather(waiting(free, len).chain(rows.by_ref().map(Donor::Row)), len);
        let is_spare = is_spare(free, &lanes);
        let given = given.filter(|given| {
            let is_waiting = given.iter().all(|donor| matches!(donor, Donor::Free { .. }));
            is_spare && is_waiting || own.is_none_or(|own| is_worth(own, given, rows.next(), &lanes))
        });
        match (given, own) {
            (Some(given), _) => {
                let (mut rows, mut free) = (Vec::new(), Vec::new());
                for donor in given {
                    match donor {
                        Donor::Free { number, .. } => free.push(number),
                        Donor::Row(place) => rows.push(place.generation),
                    }
                }
                Some(Step::Exchange { rows, free })
            }
            (None, own) => own.map(|own| Step::Recycle(own.generation)),
        }
    }
}

/// Waiting slabs of other sizes: first the smallest that one can be cut from, then the largest that it can be put together
/// from.
fn waiting(free: &[(u64, u32)], len: u32) -> impl Iterator<Item = Donor> {
    let mut free: Vec<(u64, u32)> = free.to_vec();
    free.sort_by_key(|f| (f.1 < len, if f.1 < len { Reverse(f.1) } else { Reverse(u32::MAX - f.1) }));
    free.into_iter().map(|(number, len)| Donor::Free { number, len })
}

/// More waits than one of the largest slabs.
fn is_spare(free: &[(u64, u32)], lanes: &[Lane<'_>]) -> bool {
    let largest = lanes.iter().map(|l| l.len).chain(free.iter().map(|f| f.1)).max().unwrap_or(0);
    free.iter().map(|f| u64::from(f.1)).sum::<u64>() > u64::from(largest)
}

/// Donors in their order until their bytes are enough: a larger one alone, else smaller ones that are `len` together.
fn gather(donors: impl Iterator<Item = Donor>, len: u32) -> Option<Vec<Donor>> {
    let (mut small, mut sum) = (Vec::new(), 0_u64);
    for donor in donors {
        if donor.len() >= len {
            return Some(vec![donor]);
        }
        sum += u64::from(donor.len());
        small.push(donor);
        if sum >= u64::from(len) {
            return Some(exact(&small, len).unwrap_or(small));
        }
    }
    None
}

/// Those that are `len` together. Powers of two always fit when the largest are laid first.
fn exact(small: &[Donor], len: u32) -> Option<Vec<Donor>> {
    let mut by_len = small.to_vec();
    by_len.sort_by_key(|d| Reverse(d.len())); // stable: among equals the order stays
    let mut rest = len;
    by_len.retain(|d| {
        let fits = d.len() <= rest;
        rest -= if fits { d.len() } else { 0 };
        fits
    });
    (rest == 0).then_some(by_len)
}

/// `own` is too young to go, and exchanging it for `given` brings both nearer to each other. `next` goes after `given`.
fn is_worth(own: Place, given: &[Donor], next: Option<Place>, lanes: &[Lane<'_>]) -> bool {
    let shares = given.iter().filter_map(|d| match d {
        Donor::Row(place) => Some(place.share).filter(|s| s.is_finite()),
        Donor::Free { .. } => None,
    });
    // what waits would spare the next of the others, if it were not given
    let next = next.map(|n| n.share);
    let Some(first) = shares.clone().max_by(f64::total_cmp).or(next) else { return true };
    let last = shares.min_by(f64::total_cmp).unwrap_or(first);
    let newest = lanes.iter().filter_map(Lane::last_share).min_by(f64::total_cmp).unwrap_or(last);
    let apart = first - own.share;
    let span = first.max(own.share) - newest;
    if apart <= span * SLACK || last <= own.share {
        return false;
    }
    // those who give lose the time from the first to the next; those who get keep what would have gone instead
    let slabs = given.iter().map(|d| u64::from(d.len())).sum::<u64>() / u64::from(own.len.max(1));
    let spared: Vec<f64> = going(lanes.iter().filter(|l| l.len == own.len))
        .map(|p| p.share)
        .filter(|s| s.is_finite())
        .take(slabs as usize + 1)
        .collect();
    let steps = (spared.len() - 1).max(1);
    let kept = spared.last().map_or(0.0, |last| (own.share - last) * slabs as f64 / steps as f64);
    let lost = first - next.map_or(last, |next| next.min(last));
    apart >= MOVED * (lost + kept)
}
