//! Rows, quota, `[keep]` and now → how long footage stays, per stream and over all, in numbers and words.
//!
//! A stream's present rate is the bitrate of its last hour of footage times the part of the time in which it records, so
//! that a bitrate that changed shows at once and a quiet night of a stream that records motion does not. What fits into the
//! ring at these rates is shared out as [`retention`](crate::retention) does: every tier gets the same share of its
//! allowed age, and what it may not use, by age or bytes, goes to the others.

mod life;
mod words;

pub use life::{Life, life};
pub use words::{bytes_in_words, time_in_words};

use crate::catalog::{SlabRow, StreamId};
use crate::retention::{Tier, age_us};
use nightjar_types::config::Keep;
use nightjar_types::{StreamKind, Wall};
use std::collections::BTreeMap;
use std::time::Duration;
use words::about;

const DAY_US: f64 = 86_400e6;
/// Footage that makes the present bitrate, µs, and slabs at least: a group of pictures more or less must not count.
const PRESENT_US: i64 = 3_600_000_000;
const PRESENT_SLABS: usize = 3;
/// Time over which it is counted how much of the time a stream records, and in which tiers: a week has all its days.
const WINDOW_US: i64 = 7 * 86_400_000_000;
/// A stream without footage for this long records no more, µs.
const QUIET_US: i64 = 86_400_000_000;
/// A change that is told.
const CHANGE: f64 = 1.25;
/// A ring is full when this part of it holds footage: slabs of some size always wait.
const FULL: f64 = 0.95;

/// How long footage stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What the ring will hold at the present rate: all footage that is younger is there. Zero when nothing is known.
    pub covers: Duration,
    /// How that changes.
    pub trend: Trend,
    /// For people.
    pub words: String,
}

/// How a forecast changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Trend {
    /// Nothing was recorded, or nothing is any more.
    Unknown,
    /// The rate is what it was.
    Steady,
    /// There is room still.
    Filling {
        /// What is there now.
        so_far: Duration,
    },
    /// More is recorded than the ring's average.
    Shrinking(Change),
    /// Less is recorded than the ring's average.
    Growing(Change),
}

/// The stream that changed most.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub stream: StreamId,
    /// Its present rate as a multiple of its average; infinite when it is new, 0 when it records no more.
    pub times: f64,
    /// When it changed.
    pub ago: Duration,
}

/// The forecast of a ring.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecasts {
    /// For all streams: the shortest of those that record.
    pub all: Forecast,
    /// For each stream with footage.
    pub streams: Vec<(StreamId, Forecast)>,
}

/// How long footage stays in a ring of `quota` bytes, those of held slabs already taken off, that holds `rows`.
pub fn forecast<'a>(
    rows: impl Iterator<Item = &'a SlabRow>,
    quota: u64,
    now: Wall,
    keep: &dyn Fn(&StreamId) -> Keep,
) -> Forecasts {
    let mut by_stream: BTreeMap<&StreamId, Vec<Slab>> = BTreeMap::new();
    let (mut len, mut sealed_used, mut sealed_len) = (0.0, 0.0, 0.0);
    for row in rows {
        len += f64::from(row.len);
        if row.is_sealed && !row.is_thin {
            sealed_used += f64::from(row.used);
            sealed_len += f64::from(row.len);
        }
        if let Some(slab) = Slab::of(row) {
            by_stream.entry(&row.stream).or_default().push(slab);
        }
    }
    let first = by_stream.values().flatten().map(|s| s.start).min().unwrap_or(now);
    let streams: Vec<Stream<'_>> =
        by_stream.into_iter().map(|(id, slabs)| Stream::new(id, slabs, (first, now), keep(id))).collect();
    let is_full = len >= quota as f64 * FULL;
    // a slab is sealed before its last byte: so much of the quota is footage
    let filled = if sealed_len > 0.0 { sealed_used / sealed_len } else { 1.0 };
    let covers = share_out(&streams, quota as f64 * filled, filled);
    let told = |of: &[&Stream<'_>], covers: Option<f64>| {
        let start = of.iter().map(|s| s.first).min().unwrap_or(now);
        let so_far = (!is_full).then(|| (now - start) as f64);
        tell(covers, so_far, change(of))
    };
    let all: Vec<&Stream<'_>> = streams.iter().collect();
    let shortest = covers.iter().flatten().copied().min_by(f64::total_cmp);
    Forecasts {
        all: told(&all, shortest),
        streams: streams.iter().zip(&covers).map(|(s, covers)| (s.id.clone(), told(&[s], *covers))).collect(),
    }
}

/// What counts of a row.
#[derive(Clone, Copy)]
struct Slab {
    start: Wall,
    end: Wall,
    covered_us: i64,
    used: f64,
    tier: Tier,
    is_thin: bool,
}

impl Slab {
    fn of(row: &SlabRow) -> Option<Self> {
        let covered_us = row.spans.iter().map(|(from, to)| *to - *from).sum();
        let (start, end) = (row.start()?, row.end()?);
        let (used, tier, is_thin) = (f64::from(row.used), row.tier(), row.is_thin);
        (covered_us > 0).then_some(Self { start, end, covered_us, used, tier, is_thin })
    }
}

/// A stream's rates, bytes a microsecond of the clock.
struct Stream<'a> {
    id: &'a StreamId,
    first: Wall,
    present: f64,
    average: f64,
    changed_us: i64,
    /// The tiers that it records in: part of its bytes, allowed age in µs, most bytes.
    tiers: Vec<(f64, f64, Cap)>,
}

/// What `[keep]` says of a tier: its age in µs, and its bytes.
#[derive(Clone, Copy)]
struct Cap {
    age_us: Option<f64>,
    bytes: Option<f64>,
}

/// Bytes a microsecond of footage.
fn bitrate<'a>(slabs: impl Iterator<Item = &'a Slab>) -> f64 {
    let (used, covered) = slabs.fold((0.0, 0), |sum, s| (sum.0 + s.used, sum.1 + s.covered_us));
    if covered > 0 { used / covered as f64 } else { 0.0 }
}

impl<'a> Stream<'a> {
    fn new(id: &'a StreamId, mut slabs: Vec<Slab>, (ring_first, now): (Wall, Wall), keep: Keep) -> Self {
        slabs.sort_by_key(|s| s.start);
        let first = slabs.first().map_or(now, |s| s.start);
        slabs.retain(|s| !s.is_thin); // they say nothing of what is recorded
        let mut covered = 0;
        let mut present_slabs = 0;
        for slab in slabs.iter().rev() {
            if covered >= PRESENT_US && present_slabs >= PRESENT_SLABS {
                break;
            }
            covered += slab.covered_us;
            present_slabs += 1;
        }
        let present = bitrate(slabs.iter().rev().take(present_slabs));
        let average = bitrate(slabs.iter());
        let window = window(&slabs, now, &keep);
        let recent = || slabs.iter().filter(|s| s.end > window);
        let recorded: i64 = recent().map(|s| s.covered_us).sum();
        let from = recent().map(|s| s.start).min().unwrap_or(now);
        let duty = (recorded as f64 / (now - from).max(1) as f64).min(1.0);
        let last = slabs.last().map_or(first, |s| s.end);
        let (is_quiet, is_new) = (now - last > QUIET_US, began_late(first, ring_first, now));
        let changed_us = match (is_quiet, is_new) {
            (true, _) => now - last,
            (_, true) => now - first,
            _ => now - changed(&slabs, average, present).unwrap_or(first),
        };
        let bytes: f64 = recent().map(|s| s.used).sum();
        let tiers = [Tier::Continuous, Tier::Motion, Tier::Event, Tier::Sub]
            .into_iter()
            .filter_map(|tier| {
                let part: f64 =
                    recent().filter(|s| s.tier == tier).map(|s| s.used).sum::<f64>() / bytes.max(1.0);
                let limit = tier.limit(&keep);
                let cap = Cap {
                    age_us: limit.age.map(|_| age_us(tier, &keep) as f64),
                    bytes: limit.bytes.map(|b| b as f64),
                };
                (part > 0.0).then_some((part, age_us(tier, &keep) as f64, cap))
            })
            .collect();
        Self {
            id,
            first,
            present: if is_quiet { 0.0 } else { present * duty },
            average: if is_new { 0.0 } else { average * duty },
            changed_us,
            tiers,
        }
    }
}

/// From when on the footage of a stream is all there, so that its parts can be counted: where the tier begins that goes
/// first.
fn window(slabs: &[Slab], now: Wall, keep: &Keep) -> Wall {
    let shortest = slabs.iter().map(|s| s.tier).min_by_key(|tier| age_us(*tier, keep));
    let begins = slabs.iter().filter(|s| Some(s.tier) == shortest).map(|s| s.start).min();
    begins.unwrap_or(now).max(now.plus_micros(-WINDOW_US)).min(now.plus_micros(-PRESENT_US))
}

/// The stream came to a ring that was there already.
fn began_late(first: Wall, ring_first: Wall, now: Wall) -> bool {
    let (age, ring) = ((now - first) as f64, (now - ring_first) as f64);
    ring > DAY_US && age < ring / 4.0
}

/// Since when a stream's slabs are nearer to its present bitrate than to its average.
fn changed(slabs: &[Slab], average: f64, present: f64) -> Option<Wall> {
    let middle = (average * present).sqrt();
    let is_new = |s: &&Slab| (bitrate(std::iter::once(*s)) > middle) == (present > middle);
    slabs.iter().rev().take_while(is_new).last().map(|s| s.start)
}

/// The time, µs, for which each stream's footage stays whole: the shortest of its tiers. `None` when it records no more.
fn share_out(streams: &[Stream<'_>], quota: f64, filled: f64) -> Vec<Option<f64>> {
    struct Part {
        stream: usize,
        rate: f64,
        age_us: f64,
        most: f64,
        gets: Option<f64>,
    }
    let mut parts = Vec::new();
    for (stream, s) in streams.iter().enumerate().filter(|(_, s)| s.present > 0.0) {
        parts.extend(s.tiers.iter().map(|(part, age_us, cap)| {
            let rate = s.present * part;
            let by_age = cap.age_us.map_or(f64::INFINITY, |age| age * rate);
            let by_bytes = cap.bytes.map_or(f64::INFINITY, |bytes| bytes * filled);
            Part { stream, rate, age_us: *age_us, most: by_age.min(by_bytes), gets: None }
        }));
    }
    let share = loop {
        let given: f64 = parts.iter().filter_map(|p| p.gets).sum();
        let wanted: f64 = parts.iter().filter(|p| p.gets.is_none()).map(|p| p.rate * p.age_us).sum();
        let share = if wanted > 0.0 { (quota - given).max(0.0) / wanted } else { 0.0 };
        let mut is_final = true;
        for part in parts.iter_mut().filter(|p| p.gets.is_none()) {
            if part.rate * part.age_us * share >= part.most {
                part.gets = Some(part.most);
                is_final = false;
            }
        }
        if is_final {
            break share;
        }
    };
    let mut covers = vec![None::<f64>; streams.len()];
    for part in parts {
        let time = part.gets.unwrap_or(part.rate * part.age_us * share) / part.rate;
        let of = &mut covers[part.stream];
        *of = Some(of.map_or(time, |other| other.min(time)));
    }
    covers
}

/// Whether the streams together changed, and which of them did most.
fn change(streams: &[&Stream<'_>]) -> Option<(bool, Change)> {
    let (now, before) = streams.iter().fold((0.0, 0.0), |sum, s| (sum.0 + s.present, sum.1 + s.average));
    let is_more = now > before * CHANGE;
    if !is_more && now * CHANGE >= before {
        return None;
    }
    let by = |s: &&&Stream<'_>| if is_more { s.present - s.average } else { s.average - s.present };
    let most = streams.iter().max_by(|a, b| by(a).total_cmp(&by(b)))?;
    let times = if most.average > 0.0 { most.present / most.average } else { f64::INFINITY };
    let ago = Duration::from_micros(most.changed_us.max(0) as u64);
    Some((is_more, Change { stream: most.id.clone(), times, ago }))
}

fn tell(covers: Option<f64>, so_far_us: Option<f64>, change: Option<(bool, Change)>) -> Forecast {
    let Some(covers_us) = covers else {
        return Forecast {
            covers: Duration::ZERO,
            trend: Trend::Unknown,
            words: "nothing is being recorded".to_owned(),
        };
    };
    let time = |us: f64| Duration::from_micros(us.max(0.0) as u64);
    let covers = time(covers_us);
    if let Some(so_far) = so_far_us.filter(|so_far| *so_far < 0.9 * covers_us) {
        let so_far = time(so_far);
        let words =
            format!("not full yet: {} so far, about {} when full", time_in_words(so_far), about(covers));
        return Forecast { covers, trend: Trend::Filling { so_far }, words };
    }
    let words = time_in_words(covers);
    match change {
        None => Forecast { covers, trend: Trend::Steady, words },
        Some((true, change)) => {
            let words = format!("{words}; shrinking since {}", change.in_words());
            Forecast { covers, trend: Trend::Shrinking(change), words }
        }
        Some((false, change)) => {
            let words = format!("{words}; growing since {}", change.in_words());
            Forecast { covers, trend: Trend::Growing(change), words }
        }
    }
}

impl Change {
    /// `front's bitrate doubled 3 h ago`.
    fn in_words(&self) -> String {
        let camera = &self.stream.0;
        let whose = match self.stream.1 {
            StreamKind::Main => format!("{camera}'s"),
            StreamKind::Sub => format!("{camera}'s sub"),
        };
        let how = match self.times {
            t if t <= 0.0 => return format!("{whose} recording stopped {} ago", about(self.ago)),
            t if t.is_infinite() => return format!("{whose} recording began {} ago", about(self.ago)),
            t if t < 0.45 => format!("fell to {:.0} %", t * 100.0),
            t if t < 0.55 => "halved".to_owned(),
            t if t < 1.0 => format!("fell by {:.0} %", (1.0 - t) * 100.0),
            t if t < 1.9 => format!("rose by {:.0} %", (t - 1.0) * 100.0),
            t if t < 2.2 => "doubled".to_owned(),
            t => format!("rose to {t:.1} times"),
        };
        format!("{whose} bitrate {how} {} ago", about(self.ago))
    }
}

#[cfg(test)]
mod tests;
