//! Where the next slab comes from: the pool is grown to the quota, old footage is retired before its place is needed, and
//! a slab is written over only when the card knows that its old footage is gone.

use super::error::StorageError;
use super::options::Now;
use super::shelf::{Mounted, Shelf};
use super::stream::Stream;
use nightjar_record::catalog::{Exchange, SMALLEST_SLAB, StreamId, least_slabs, slab_len};
use nightjar_record::{Catalog, SlabRow, Take, name};
use nightjar_types::config::Keep;
use nightjar_types::{Mono, Wall};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Write-outs that must end before a retired slab is written over: the one that may be under way, and a whole one.
pub(super) const COOLING: u64 = 2;
/// How long the pool may be grown in one beat.
const GROW_FOR: Duration = Duration::from_millis(100);
/// … and at the start, when nothing is recorded yet.
const GROW_FIRST: Duration = Duration::from_secs(3);
/// How often limits of age and bytes are looked at.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// A clock that nobody vouches for is believed when its footage begins no further from the footage before, µs.
const PLAUSIBLE_US: i64 = 2 * 86_400_000_000;
/// After a full disk the pool is not grown for this long.
const GROW_AGAIN: Duration = Duration::from_secs(60);
/// A quota so many times what there is was not meant: TiB were written for GiB.
const SLIP: u64 = 500;
/// Room that footage leaves on a disk that is smaller than the quota: for the index while it is compacted, for the state
/// folder, for its owner. On a small disk less, …
const LEFT_FREE: u64 = 32 << 20;
/// … this part of it.
const LEFT_PART: u64 = 16;
/// What is written until a slab that is retired now can be written over: write-outs of the index are this far apart, seconds.
const AHEAD_S: u64 = 7;
/// Waiting slabs of a size are at most this part of the quota.
const SPARED: u64 = 6;
/// Why a slab was deleted when it was only its turn.
pub(super) const MAKES_ROOM: &str = "the oldest footage makes room for new";

/// Slabs on their way.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Retired: usable from this epoch on; number and bytes.
    cooling: Vec<(u64, (u64, u32))>,
    /// Sealed: their rows are put into the index from this epoch on, when their footage is on the card.
    sealed: Vec<(u64, SlabRow)>,
    /// Sealed slabs that the index does not vouch for: the next start looks at them.
    unvouched: BTreeSet<u64>,
    expire_at: Mono,
    grow_at: Mono,
    /// The disk had no room for the quota when that was looked at last …
    is_short: bool,
    /// … and is looked at again.
    fit_at: Mono,
}

impl Ring {
    /// Checks the quota and reserves the pool, as far as it goes quickly.
    pub(super) fn begin(&mut self, shelf: &Shelf, streams: &[Stream], now: &Now) -> Result<(), StorageError> {
        let mounted = shelf.mounted()?;
        let wanted = shelf.wanted.load(Relaxed);
        let least = enough(wanted, streams.len())?;
        let short = self.fit(shelf, &mounted, now)?;
        let fits = shelf.quota.load(Relaxed);
        if let Some(short) = short
            && (fits < least || fits.saturating_mul(SLIP) < wanted)
        {
            return Err(short);
        }
        let (have, quota) = (shelf.catalog().bytes(), shelf.quota.load(Relaxed));
        if have < quota {
            tracing::info!(mib = (quota - have) >> 20, "reserving footage space");
        }
        self.grow(shelf, &mounted, streams, now, GROW_FIRST)?;
        Ok(())
    }

    /// The quota, or what the disk has room for when that is less: better less footage than none. Says so then.
    fn fit(&mut self, shelf: &Shelf, m: &Mounted, now: &Now) -> Result<Option<StorageError>, StorageError> {
        let wanted = shelf.wanted.load(Relaxed);
        let have = shelf.catalog().bytes() + self.cooling_bytes();
        let room = super::error::io_at("stat", &m.volume.root, m.volume.disk.room())?;
        let left = LEFT_FREE.min(have.saturating_add(room) / LEFT_PART);
        let there = have.saturating_add(room.saturating_sub(left));
        shelf.quota.store(wanted.min(there), Relaxed);
        self.fit_at = now.mono + GROW_AGAIN;
        let path = m.volume.root.clone();
        let short = StorageError::TooLarge { path, wanted: wanted >> 20, there: there >> 20 };
        self.is_short = wanted > there;
        shelf.set_short(self.is_short.then_some(&short));
        Ok(self.is_short.then_some(short))
    }

    /// What is due besides writing. True when the card was changed.
    pub(super) fn upkeep(
        &mut self,
        shelf: &Shelf,
        streams: &[Stream],
        now: &Now,
    ) -> Result<bool, StorageError> {
        let mounted = shelf.mounted()?;
        let epoch = shelf.epoch.load(Relaxed);
        self.cooling.retain(|(ready, (number, len))| {
            let is_ready = *ready <= epoch;
            if is_ready {
                shelf.catalog_mut().insert_free(*number, *len);
            }
            !is_ready
        });
        let (done, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sealed).into_iter().partition(|(ready, _)| *ready <= epoch);
        self.sealed = rest;
        for (_, row) in done {
            // as it is now: marks may have come since
            self.unvouched.remove(&row.generation);
            let row = shelf.catalog().get(row.generation).cloned();
            shelf.index(|index| row.map_or(Ok(()), |row| index.put_slab(&row)));
        }
        if self.is_short && now.mono >= self.fit_at {
            self.fit(shelf, &mounted, now)?;
        }
        let mut changed = self.expire(shelf, &mounted, streams, now)?;
        changed |= self.grow(shelf, &mounted, streams, now, GROW_FOR)?;
        changed |= self.shrink(shelf, &mounted, streams, now)?;
        changed |= self.retire_ahead(shelf, &mounted, streams, now)?;
        Ok(changed || !self.cooling.is_empty() || !self.sealed.is_empty())
    }

    /// Nothing more is written into this slab.
    pub(super) fn sealed(&mut self, shelf: &Shelf, generation: u64) -> Option<SlabRow> {
        let row = shelf.catalog_mut().seal(generation).cloned()?;
        tracing::info!(slab = row.path, used = row.used, "sealed");
        self.sealed.push((shelf.epoch.load(Relaxed) + COOLING, row.clone()));
        self.unvouched.insert(generation);
        Some(row)
    }

    /// A write into this slab failed. Nothing more is written into it, and the index does not vouch for it: the next start
    /// looks what became of it.
    pub(super) fn abandoned(&mut self, shelf: &Shelf, generation: u64) {
        shelf.catalog_mut().seal(generation);
        self.unvouched.insert(generation);
    }

    /// The index may speak of this slab.
    pub(super) fn is_vouched(&self, generation: u64) -> bool {
        !self.unvouched.contains(&generation)
    }

    /// The index is not to vouch for this slab for now: its times are about to be moved.
    pub(super) fn unseal(&mut self, shelf: &Shelf, generation: u64) {
        self.sealed.retain(|(_, row)| row.generation != generation);
        self.unvouched.insert(generation);
        let row = shelf.catalog().get(generation).cloned();
        shelf.index(|index| row.map_or(Ok(()), |row| index.put_slab(&SlabRow { is_sealed: false, ..row })));
    }

    /// It may vouch for it again, as soon as what was done is on the card.
    pub(super) fn reseal(&mut self, shelf: &Shelf, row: SlabRow) {
        self.sealed.push((shelf.epoch.load(Relaxed) + COOLING, row));
    }

    /// The path and length of a waiting slab for stream `n`.
    pub(super) fn obtain(
        &mut self,
        shelf: &Shelf,
        streams: &[Stream],
        n: usize,
        now: &Now,
    ) -> Result<(String, u32), StorageError> {
        let mounted = shelf.mounted()?;
        let mut want = wanted(&streams[n], shelf, streams.len());
        if now.mono < self.grow_at {
            want = at_hand(shelf, want); // other programs have filled the disk: better another size than no file
        }
        let is_ready = shelf.catalog().free_slabs().iter().any(|f| f.1 == want);
        if !is_ready && self.cooling.iter().any(|c| c.1.1 == want) {
            self.settle_all(shelf, &mounted)?; // all that cool at once: one write-out serves the next streams too
        }
        if let Some(number) = take_waiting(shelf, &mounted, streams, n, want, now) {
            return Ok((mounted.volume.give_out(number), want));
        }
        let mut take = shelf.catalog_mut().take(want, now.wall, &keep(streams));
        if take.is_none() && !self.cooling.is_empty() {
            self.settle_all(shelf, &mounted)?;
            let any = at_hand(shelf, want);
            take = shelf.catalog_mut().take(any, now.wall, &keep(streams));
        }
        match take {
            None => Err(StorageError::NoSlab),
            Some(Take::Free { number, len }) => Ok((mounted.volume.give_out(number), len)),
            Some(Take::Recycle(row)) => {
                let (number, len) = retire(shelf, &mounted, &row, MAKES_ROOM)?;
                settle(&mounted)?;
                Ok((mounted.volume.give_out(number), len))
            }
            Some(Take::Exchange(exchange)) => {
                let len = exchange.len;
                self.exchange(shelf, &mounted, exchange, now)?;
                let len = at_hand(shelf, len);
                let take = shelf.catalog_mut().take(len, now.wall, &keep(streams)); // not in the match: it would keep the lock
                match take {
                    Some(Take::Free { number, len }) => Ok((mounted.volume.give_out(number), len)),
                    Some(Take::Recycle(row)) => {
                        let (number, len) = retire(shelf, &mounted, &row, MAKES_ROOM)?;
                        settle(&mounted)?;
                        Ok((mounted.volume.give_out(number), len))
                    }
                    Some(Take::Exchange(e)) => {
                        let mut catalog = shelf.catalog_mut(); // nothing of it was touched yet
                        e.rows.into_iter().for_each(|row| catalog.insert(row));
                        e.free.iter().for_each(|(number, len)| catalog.insert_free(*number, *len));
                        Err(StorageError::NoSlab)
                    }
                    None => Err(StorageError::NoSlab),
                }
            }
        }
    }

    /// Makes every retired slab safe to write over, on the spot.
    fn settle_all(&mut self, shelf: &Shelf, m: &Mounted) -> Result<(), StorageError> {
        settle(m)?;
        for (_, (number, len)) in self.cooling.drain(..) {
            shelf.catalog_mut().insert_free(number, len);
        }
        Ok(())
    }

    /// Files of other sizes become free slabs of one: fewer when another program takes their room meanwhile.
    pub(super) fn exchange(
        &mut self,
        shelf: &Shelf,
        mounted: &Mounted,
        e: Exchange,
        now: &Now,
    ) -> Result<(), StorageError> {
        let (slabs, len) = (e.slabs(), e.len);
        tracing::info!(slabs, mib = len >> 20, "the bitrates changed: slabs of another size");
        let mut files: Vec<String> =
            e.free.iter().map(|(number, _)| mounted.volume.give_out(*number)).collect();
        for row in &e.rows {
            shelf.forget(row, MAKES_ROOM);
            files.push(row.path.clone());
        }
        settle(mounted)?;
        for file in &files {
            mounted.volume.remove(file)?;
        }
        for _ in 0..slabs {
            let number = mounted.fresh_number();
            match mounted.volume.reserve(number, len) {
                Ok(()) => shelf.catalog_mut().insert_free(number, len),
                Err(e) if e.state() == "full" => {
                    shelf.set_short(Some(&e));
                    self.grow_at = now.mono + GROW_AGAIN;
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn cooling_bytes(&self) -> u64 {
        self.cooling.iter().map(|c| u64::from(c.1.1)).sum()
    }

    fn expire(
        &mut self,
        shelf: &Shelf,
        m: &Mounted,
        streams: &[Stream],
        now: &Now,
    ) -> Result<bool, StorageError> {
        if now.mono < self.expire_at {
            return Ok(false);
        }
        self.expire_at = now.mono + EXPIRE_EVERY;
        // a clock that is years ahead must not empty the ring: then nothing is old
        let until = if now.is_sure || is_plausible(shelf, now.wall) { now.wall } else { Wall(i64::MIN) };
        let expired = shelf.catalog().expired(until, &keep(streams));
        let any = !expired.is_empty();
        for (generation, why) in expired {
            let Some(row) = shelf.catalog_mut().remove(generation) else { continue };
            let (number, len) = retire(shelf, m, &row, &why.to_string())?;
            self.cool(shelf, number, len);
        }
        Ok(any)
    }

    pub(super) fn cool(&mut self, shelf: &Shelf, number: u64, len: u32) {
        self.cooling.push((shelf.epoch.load(Relaxed) + COOLING, (number, len)));
    }

    /// Reserves what the quota allows and is not reserved yet.
    fn grow(
        &mut self,
        shelf: &Shelf,
        m: &Mounted,
        streams: &[Stream],
        now: &Now,
        time: Duration,
    ) -> Result<bool, StorageError> {
        let quota = shelf.quota.load(Relaxed);
        let clock = &shelf.options.clock;
        let mut grown = false;
        while now.mono >= self.grow_at && clock().mono.since(now.mono) < time {
            let left = quota.saturating_sub(shelf.catalog().bytes() + self.cooling_bytes());
            let Some(len) = next_len(shelf, streams, left) else {
                if !self.is_short {
                    shelf.set_short(None);
                }
                break;
            };
            let number = m.fresh_number();
            match m.volume.reserve(number, len) {
                Ok(()) => shelf.catalog_mut().insert_free(number, len),
                Err(e) if e.state() == "full" => {
                    shelf.set_short(Some(&e));
                    self.grow_at = now.mono + GROW_AGAIN;
                    break;
                }
                Err(e) => return Err(e),
            }
            grown = true;
        }
        Ok(grown)
    }

    /// Gives back one slab a beat while there is more than the quota allows.
    fn shrink(
        &mut self,
        shelf: &Shelf,
        m: &Mounted,
        streams: &[Stream],
        now: &Now,
    ) -> Result<bool, StorageError> {
        let quota = shelf.quota.load(Relaxed);
        let bytes = shelf.catalog().bytes() + self.cooling_bytes();
        if bytes <= quota {
            return Ok(false);
        }
        let free = shelf.catalog().free_slabs().iter().map(|f| f.1).min();
        let Some(len) = free.or_else(|| streams.first().map(|s| wanted(s, shelf, streams.len()))) else {
            return Ok(false);
        };
        let take = shelf.catalog_mut().take(len, now.wall, &keep(streams));
        let path = match take {
            Some(Take::Free { number, .. }) => m.volume.give_out(number),
            Some(Take::Recycle(row)) => {
                shelf.forget(&row, "the quota was lowered");
                settle(m)?;
                row.path
            }
            Some(Take::Exchange(e)) => {
                self.exchange(shelf, m, e, now)?;
                return Ok(true);
            }
            None => return Ok(false),
        };
        m.volume.remove(&path)?;
        Ok(true)
    }

    /// Retires the footage that goes next, so that a slab waits for each stream.
    fn retire_ahead(
        &mut self,
        shelf: &Shelf,
        m: &Mounted,
        streams: &[Stream],
        now: &Now,
    ) -> Result<bool, StorageError> {
        let quota = shelf.quota.load(Relaxed);
        let mut wants: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for s in streams {
            let (rate, count) = wants.entry(wanted(s, shelf, streams.len())).or_default();
            (*rate, *count) = (*rate + s.rate, *count + 1);
        }
        let is_grown = |catalog: u64, cooling: u64| catalog + cooling + u64::from(SMALLEST_SLAB) > quota;
        let mut changed = false;
        // one a stream, in its folder, serves them all when they are full at once
        let spare_of = |(len, (rate, count)): (&u32, &(u64, u64))| {
            let most = (quota / SPARED / u64::from(*len)).max(1);
            (*len, (1 + rate * AHEAD_S / u64::from(*len)).max(*count).min(most) as usize)
        };
        let spares: BTreeMap<u32, usize> = wants.iter().map(spare_of).collect();
        for (&len, &spare) in &spares {
            let ready = shelf.catalog().free_slabs().iter().filter(|f| f.1 == len).count();
            let waiting = ready + self.cooling.iter().filter(|c| c.1.1 == len).count();
            if ready * 2 < spare && waiting > ready {
                shelf.is_index_urgent.store(true, Relaxed); // a slab is wanted sooner than the index would be written out
            }
            // in the beat in which a stream took its own, so that its folder is written once
            let is_stuck = now.mono < self.grow_at && at_hand(shelf, len) != len;
            for _ in waiting..spare {
                if is_stuck || !is_grown(shelf.catalog().bytes(), self.cooling_bytes()) {
                    break;
                }
                let folders = self.next_folders(shelf, m, streams, len, now);
                let take = shelf.catalog_mut().take_footage(len, &spares, &folders, now.wall, &keep(streams));
                match take {
                    Some(Take::Recycle(row)) => {
                        let (number, len) = retire(shelf, m, &row, MAKES_ROOM)?;
                        self.cool(shelf, number, len);
                    }
                    Some(Take::Exchange(e)) => self.exchange(shelf, m, e, now)?,
                    Some(Take::Free { .. }) | None => break,
                }
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Today's folders of the streams that take slabs of `len`, the one first that needs a slab first: without those in
    /// which one waits.
    fn next_folders(
        &self,
        shelf: &Shelf,
        m: &Mounted,
        streams: &[Stream],
        len: u32,
        now: &Now,
    ) -> Vec<String> {
        let catalog = shelf.catalog();
        let waiting = catalog.free_slabs().iter().chain(self.cooling.iter().map(|c| &c.1));
        let have: BTreeSet<String> =
            waiting.filter(|w| w.1 == len).map(|w| name::folder_of(&m.volume.path_of(w.0)).into()).collect();
        let mut next: Vec<(u64, String)> = streams
            .iter()
            .filter(|s| wanted(s, shelf, streams.len()) == len)
            .map(|s| (full_in_s(&catalog, s), name::folder(&s.id.0, s.id.1, now.wall)))
            .filter(|(_, folder)| !have.contains(folder))
            .collect();
        next.sort();
        next.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// The least quota of so many streams; an error when `wanted` is below it.
pub(super) fn enough(wanted: u64, streams: usize) -> Result<u64, StorageError> {
    let least = least_slabs(streams) * u64::from(SMALLEST_SLAB);
    if wanted < least {
        let streams = streams as u64;
        return Err(StorageError::TooSmall { streams, least: least >> 20, wanted: wanted >> 20 });
    }
    Ok(least)
}

/// The number of a waiting slab of `len` bytes for stream `n`: one in the folder of today's footage of it before others,
/// and before that of a stream that needs its own sooner that of one that needs it later.
fn take_waiting(
    shelf: &Shelf,
    m: &Mounted,
    streams: &[Stream],
    n: usize,
    len: u32,
    now: &Now,
) -> Option<u64> {
    let begin = streams[n].ready.front().map_or(now.wall, |f| f.wall());
    let mut ranks: BTreeMap<String, u64> = {
        let catalog = shelf.catalog();
        let rank = |s: &Stream| u64::MAX - full_in_s(&catalog, s).min(u64::from(u32::MAX));
        streams.iter().map(|s| (name::folder(&s.id.0, s.id.1, begin), rank(s))).collect()
    };
    let s = &streams[n];
    ranks.insert(name::folder(&s.id.0, s.id.1, begin), 0);
    let rank = |number: u64| ranks.get(name::folder_of(&m.volume.path_of(number))).copied().unwrap_or(1);
    shelf.catalog_mut().take_waiting(len, &rank)
}

/// How long the stream's open slab is good for, seconds.
fn full_in_s(catalog: &Catalog, s: &Stream) -> u64 {
    let row = s.slab.as_ref().and_then(|open| catalog.get(open.writer.generation()));
    row.map_or(u64::MAX, |row| u64::from(row.len - row.used) / s.rate.max(1))
}

/// The footage of a slab that is out of the catalog is forgotten, its file waits where it is.
pub(super) fn retire(
    shelf: &Shelf,
    m: &Mounted,
    row: &SlabRow,
    why: &str,
) -> Result<(u64, u32), StorageError> {
    let number = m.fresh_number();
    m.volume.retire(row, number)?;
    shelf.forget(row, why);
    Ok((number, row.len))
}

/// `want`, or where no slab is so large the size of one that waits, else of one with footage.
fn at_hand(shelf: &Shelf, want: u32) -> u32 {
    let catalog = shelf.catalog();
    let full = catalog.rows().filter(|r| r.is_sealed).map(|r| r.len);
    let all: Vec<u32> = catalog.free_slabs().iter().map(|f| f.1).chain(full).collect();
    if all.contains(&want) { want } else { all.first().copied().unwrap_or(want) }
}

/// A clock that nobody vouches for goes on, more or less, where the footage of earlier boots and surer clocks ends.
fn is_plausible(shelf: &Shelf, now: Wall) -> bool {
    let catalog = shelf.catalog();
    let is_told_by_it = |r: &&SlabRow| r.begun.boot == shelf.options.boot && !r.begun.is_sure;
    let begins = catalog.rows().filter(is_told_by_it).filter_map(SlabRow::start).min().unwrap_or(now);
    let vouched = catalog.rows().filter(|r| !is_told_by_it(r)).filter_map(SlabRow::end).max();
    vouched.is_none_or(|end| (begins - end).abs() < PLAUSIBLE_US)
}

/// Makes all that was done durable, on the spot: only where no retired slab was ready.
pub(super) fn settle(m: &Mounted) -> Result<(), StorageError> {
    super::error::io_at("write out", &m.volume.root, m.volume.disk.sync())?;
    m.index.flush()
}

pub(super) fn keep(streams: &[Stream]) -> impl Fn(&StreamId) -> Keep + '_ {
    |id| streams.iter().find(|s| s.id == *id).map(|s| s.keep().clone()).unwrap_or_default()
}

/// Bytes of the slabs that a stream wants.
fn wanted(s: &Stream, shelf: &Shelf, streams: usize) -> u32 {
    slab_len(s.rate, shelf.quota.load(Relaxed), streams)
}

/// The size of the slab that the pool lacks most, of those that fit into `left` bytes.
fn next_len(shelf: &Shelf, streams: &[Stream], left: u64) -> Option<u32> {
    if left < u64::from(SMALLEST_SLAB) {
        return None;
    }
    let mut parts: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for s in streams {
        parts.entry(wanted(s, shelf, streams.len())).or_default().0 += s.rate.max(1);
    }
    let catalog = shelf.catalog();
    let lens = catalog.rows().map(|r| r.len).chain(catalog.free_slabs().iter().map(|f| f.1));
    for len in lens {
        if let Some(part) = parts.get_mut(&len) {
            part.1 += u64::from(len);
        }
    }
    // least filled in proportion to its rate first
    let lacking = parts.iter().min_by(|a, b| {
        let filled = |(rate, bytes): &(u64, u64)| *bytes as f64 / *rate as f64;
        filled(a.1).total_cmp(&filled(b.1))
    });
    let mut len = lacking.map_or(SMALLEST_SLAB, |(len, _)| *len);
    while u64::from(len) > left {
        len /= 2;
    }
    Some(len)
}
