//! Slabs, `[keep]` and now → who goes first, what is to be deleted and why, what is to be thinned.
//!
//! **Who goes first** when a stream needs room and none waits: the slab that has used up the largest share of its allowed
//! age, (now − its end) ÷ the age limit of its camera and tier, with 365 days where none is set; of equal shares the one
//! that ends first, then the lower generation; a slab without footage before all others. A limit says how much some footage
//! is worth compared with other footage, and a ring that is too small for all limits must shorten all of them. By share it
//! shortens them in proportion: with continuous footage for 2 days and events for 30, a ring that is half of what that
//! takes keeps 1 day and 15, where "the oldest goes first" would keep 2 days of both and lose every event. With no limits
//! at all it is simply the oldest.

use crate::catalog::line::{Key, Line};
use crate::catalog::{JOIN_US, SlabRow, StreamId};
use nightjar_types::config::{Keep, Limit, ThinTo};
use nightjar_types::{StreamKind, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_set::Iter;
use std::iter::Peekable;
use std::time::Duration;

/// Stands for the age where none is set.
pub const DEFAULT_AGE: Duration = Duration::from_secs(365 * 86_400);
/// Slabs that are thinned into one at most: as many as a slab has room for when a key frame is a sixteenth of the footage.
pub const MAX_BATCH: usize = 16;
/// Fewer are not worth a slab.
pub const MIN_BATCH: usize = 4;

/// What footage is worth, by what is in it: each has its limits in `[keep]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Main stream, nothing happened.
    Continuous,
    /// Main stream, something moved.
    Motion,
    /// Main stream, an event.
    Event,
    /// Sub stream, whatever is in it.
    Sub,
}

impl Tier {
    /// Its limits.
    pub fn limit(self, keep: &Keep) -> Limit {
        match self {
            Self::Continuous => keep.continuous,
            Self::Motion => keep.motion,
            Self::Event => keep.event,
            Self::Sub => keep.sub,
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Continuous => "continuous",
            Self::Motion => "motion",
            Self::Event => "event",
            Self::Sub => "sub",
        })
    }
}

/// Why footage is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It is older than its tier allows.
    Age {
        /// The limit.
        limit: Duration,
    },
    /// Its camera and tier have more bytes than allowed.
    Bytes {
        /// The limit.
        limit: u64,
    },
    /// The sub stream tells the same.
    Thinned,
}

impl std::fmt::Display for Why {
    /// As it stands in the audit: "older than 14 days".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::forecast::{bytes_in_words, time_in_words};
        match self {
            Self::Age { limit } => write!(f, "older than {}", time_in_words(*limit)),
            Self::Bytes { limit } => write!(f, "the oldest of more than {}", bytes_in_words(*limit)),
            Self::Thinned => f.write_str("thinned: the sub stream is kept"),
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// The age that a tier's footage may reach, µs, above zero.
pub(crate) fn age_us(tier: Tier, keep: &Keep) -> i64 {
    micros(tier.limit(keep).age.unwrap_or(DEFAULT_AGE)).max(1)
}

/// See [`Catalog::expired`](crate::Catalog::expired). `line` is what may go; `others` count too, but stay.
pub(crate) fn expired<'a>(
    line: &Line,
    others: impl Iterator<Item = &'a SlabRow>,
    now: Wall,
    keep: &dyn Fn(&StreamId) -> Keep,
) -> Vec<(u64, Why)> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for ((stream, tier, len), keys) in line.classes() {
        if groups.last().is_none_or(|g| g.of != (stream, *tier)) {
            let limit = tier.limit(&keep(stream));
            groups.push(Group { of: (stream, *tier), limit, bytes: 0, lanes: Vec::new() });
        }
        let group = groups.last_mut().expect("was pushed above");
        group.bytes += u64::from(*len) * keys.len() as u64;
        group.lanes.push((*len, keys.iter().peekable()));
    }
    if groups.iter().any(|g| g.limit.bytes.is_some()) {
        for row in others {
            let of = (&row.stream, row.tier());
            if let Ok(at) = groups.binary_search_by_key(&of, |g| g.of) {
                groups[at].bytes += u64::from(row.len);
            }
        }
    }
    let mut out = Vec::new();
    for group in groups {
        group.expired(now, &mut out);
    }
    out.sort_by_key(|(key, _)| *key);
    out.into_iter().map(|((_, generation), why)| (generation, why)).collect()
}

/// A stream's tier: its limits, what it has, and what of it may go by slab length.
struct Group<'a> {
    of: (&'a StreamId, Tier),
    limit: Limit,
    bytes: u64,
    lanes: Vec<(u32, Peekable<Iter<'a, Key>>)>,
}

impl Group<'_> {
    fn expired(mut self, now: Wall, out: &mut Vec<(Key, Why)>) {
        let is_old = |end: Wall| self.limit.age.filter(|age| now - end > micros(*age));
        loop {
            let heads = self.lanes.iter_mut().enumerate().filter_map(|(n, l)| Some((**l.1.peek()?, n)));
            let Some((key, n)) = heads.min() else { return };
            let (len, keys) = &mut self.lanes[n];
            let why = match (key.0.and_then(is_old), self.limit.bytes) {
                (Some(limit), _) => Some(Why::Age { limit }),
                (None, Some(limit)) if self.bytes > limit => Some(Why::Bytes { limit }),
                (None, _) if key.0.is_none() => None,
                (None, _) => return,
            };
            if let Some(why) = why {
                self.bytes -= u64::from(*len);
                out.push((key, why));
            }
            keys.next();
        }
    }
}

/// What makes old footage smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThinJob {
    /// Delete this slab of a main stream, [`Why::Thinned`]: the sub stream covers all of it.
    Delete {
        /// Its generation.
        generation: u64,
    },
    /// Write the key frames of these slabs, in time order, into one of `len`.
    Rewrite {
        /// Whose footage.
        stream: StreamId,
        /// [`MIN_BATCH`] to [`MAX_BATCH`] generations.
        generations: Vec<u64>,
        /// Bytes of each of them.
        len: u32,
    },
}

/// Tells what a stream has between two moments: spans in order.
pub type Coverage<'a> = dyn Fn(&StreamId, Wall, Wall) -> Vec<(Wall, Wall)> + 'a;

/// What `[keep]`'s `thin` asks for now, oldest first. `rows` are all slabs, each with whether it may go: sealed, not held,
/// not pinned. `coverage` tells what a stream has, as [`Catalog::coverage`](crate::Catalog::coverage) does.
///
/// To the sub stream: main slabs older than `after` go when the sub stream covers every moment of them.
/// To key frames: slabs that follow each other, have one length, may go and are not thin yet, in batches. A run that still
/// grows waits until a batch is full.
pub fn thinnable<'a>(
    rows: impl Iterator<Item = (&'a SlabRow, bool)>,
    now: Wall,
    keep: &dyn Fn(&StreamId) -> Keep,
    coverage: &Coverage<'_>,
) -> Vec<ThinJob> {
    let mut streams: BTreeMap<&StreamId, Vec<(Wall, Wall, &SlabRow, bool)>> = BTreeMap::new();
    for (row, may_go) in rows.filter(|(row, _)| row.stream.1 == StreamKind::Main) {
        if let (Some(start), Some(end)) = (row.start(), row.end()) {
            streams.entry(&row.stream).or_default().push((start, end, row, may_go));
        }
    }
    let mut jobs = Vec::new();
    for (stream, mut rows) in streams {
        let Some(thin) = keep(stream).thin else { continue };
        rows.sort_by_key(|(start, _, row, _)| (*start, row.generation));
        let until = now.plus_micros(-micros(thin.after));
        match thin.to {
            ThinTo::Sub => {
                let sub = (stream.0.clone(), StreamKind::Sub);
                let spans = coverage(&sub, Wall(i64::MIN), until.plus_micros(JOIN_US));
                let told = rows
                    .iter()
                    .filter(|(_, end, row, may_go)| *may_go && *end <= until && covers(&spans, &row.spans));
                jobs.extend(
                    told.map(|(start, _, row, _)| (*start, ThinJob::Delete { generation: row.generation })),
                );
            }
            ThinTo::KeyFrames => {
                let mut run: Vec<(Wall, &SlabRow)> = Vec::new();
                for (start, end, row, may_go) in rows {
                    let is_young = end > until;
                    let joins = may_go && !row.is_thin && !is_young;
                    if !joins || run.last().is_some_and(|(_, last)| last.len != row.len) {
                        batches(stream, &mut run, if is_young { MAX_BATCH } else { MIN_BATCH }, &mut jobs);
                    }
                    if is_young {
                        break;
                    }
                    if joins {
                        run.push((start, row));
                    }
                }
                batches(stream, &mut run, MAX_BATCH, &mut jobs);
            }
        }
    }
    jobs.sort_by_key(|(start, _)| *start);
    jobs.into_iter().map(|(_, job)| job).collect()
}

/// Each of `parts` lies in one of `spans`, but for what a stream's clock jitters. Both in order.
fn covers(spans: &[(Wall, Wall)], parts: &[(Wall, Wall)]) -> bool {
    parts.iter().all(|(from, to)| {
        let before = spans.partition_point(|s| s.0 <= from.plus_micros(JOIN_US));
        before.checked_sub(1).is_some_and(|n| to.plus_micros(-JOIN_US) <= spans[n].1)
    })
}

/// Cuts a run into batches of [`MAX_BATCH`]; what is left at its end is one from `least` on. Empties the run.
fn batches(
    stream: &StreamId,
    run: &mut Vec<(Wall, &SlabRow)>,
    least: usize,
    jobs: &mut Vec<(Wall, ThinJob)>,
) {
    for batch in run.chunks(MAX_BATCH).filter(|batch| batch.len() >= least) {
        let generations = batch.iter().map(|(_, row)| row.generation).collect();
        let (start, first) = batch[0];
        jobs.push((start, ThinJob::Rewrite { stream: stream.clone(), generations, len: first.len }));
    }
    run.clear();
}

#[cfg(test)]
mod tests;
