//! Slabs, one after the other → a [`Plan`]. Only one slab's records are in memory at a time.

use super::proof::{self, Anchor};
use super::rewrite::Rewrite;
use super::{Group, Plan, Row, Run};
use crate::layout::{Chain, HEAD_LEN, Kind};
use crate::scan::{Record, Scanned};
use crate::segmenter::ticks_of;
use crate::writer::Sign;
use nightjar_media::chapters::{Chapter, MAX_CHAPTERS};
use nightjar_media::{init, sidx};
use nightjar_types::{StreamParams, Wall};

/// A group of pictures without end is cut here, bytes: a reference of the index has 31 bits.
const MAX_GROUP: u64 = 1 << 30;

/// Collects the slabs of a range.
#[derive(Debug)]
pub struct Planner {
    from: Wall,
    to: Wall,
    start: Wall,
    end: Wall,
    variants: Vec<StreamParams>,
    sample_rate: u32,
    drafts: Vec<Draft>,
    groups: Vec<Group>,
    group_bytes: u64,
    is_over: bool,
}

#[derive(Debug)]
struct Draft {
    generation: u64,
    origin_ticks: i64,
    variant: usize,
    rows: Vec<Row>,
    first: u32,
    end: u32,
    claim: Option<proof::SlabClaim>,
    slab_at: u32,
}

impl Planner {
    /// Plans `from..to`; begins with the key frame at or before `from`.
    pub fn new(from: Wall, to: Wall) -> Self {
        Self {
            from,
            to,
            start: from,
            end: from,
            variants: Vec::new(),
            sample_rate: 0,
            drafts: Vec::new(),
            groups: Vec::new(),
            group_bytes: 0,
            is_over: false,
        }
    }

    /// Adds the stream's next slab in time order, with its anchor when there shall be a proof. A change of the audio
    /// sample rate ends the plan: one track has one.
    pub fn slab(&mut self, found: &Scanned, anchor: Option<&Anchor>) {
        let records = &found.records;
        let key_before = records.iter().rposition(|r| r.head.is_key() && r.head.wall <= self.from);
        if key_before.is_some() {
            self.forget();
        }
        let first = match key_before {
            Some(n) => Some(n),
            None if !self.drafts.is_empty() => Some(0),
            None => records.iter().position(|r| r.head.is_key()),
        };
        // footage that ended before the range shows nothing of it: what comes behind the hole begins the file
        let next_key = first.and_then(|n| {
            let from = n + usize::from(key_before.is_some());
            records.iter().skip(from).position(|r| r.head.is_key()).map(|k| from + k)
        });
        let last_before = |k: usize| records[..k].iter().rfind(|r| r.head.kind == Kind::Fragment);
        let ends = |k: usize| last_before(k).map_or(self.end, |r| r.head.end());
        let first = match next_key.filter(|k| ends(*k) <= self.from) {
            Some(k) => {
                self.forget();
                Some(k)
            }
            None => first,
        };
        let is_wanted = |r: &Record| r.head.kind == Kind::Fragment && r.head.wall < self.to;
        let end = records.iter().rposition(is_wanted).map_or(0, |n| n + 1);
        let Some(first) = first.filter(|first| *first < end) else { return };
        let rate = found.slab.params.audio.as_ref().map_or(0, |a| a.sample_rate);
        self.is_over |= rate != 0 && self.sample_rate != 0 && rate != self.sample_rate;
        // a slab whose records do not lie one behind the other can't be read by its offsets
        let is_whole = records.windows(2).all(|p| p[0].offset + u64::from(p[0].head.len) == p[1].offset);
        if self.is_over || !is_whole {
            return;
        }
        self.sample_rate = self.sample_rate.max(rate);
        let known = self.variants.iter().position(|v| *v == found.slab.params);
        let variant = known.unwrap_or_else(|| {
            self.variants.push(found.slab.params.clone());
            self.variants.len() - 1
        });
        // of a slab that is still written the proof ends with the last fragment used: so the same range stays the same file
        let last = if found.seal.is_some() { records.len() } else { end };
        let rows = self.rows(&records[..last], first, end);
        self.drafts.push(Draft {
            generation: found.generation,
            origin_ticks: found.slab.origin_ticks,
            variant,
            rows,
            first: first as u32,
            end: end as u32,
            claim: anchor.map(|a| claim(found, a, &records[..last], first, end)),
            slab_at: anchor.map_or(0, |a| a.slab_at),
        });
    }

    /// What came so far is not in the range.
    fn forget(&mut self) {
        *self = Self::new(self.from, self.to);
    }

    /// Lays the records out and adds the groups of pictures.
    fn rows(&mut self, records: &[Record], first: usize, end: usize) -> Vec<Row> {
        let mut rows = Vec::with_capacity(records.len() + 1);
        let mut at = 0;
        for (n, r) in records.iter().enumerate() {
            rows.push(Row { offset: r.offset as u32, at });
            if !(first..end).contains(&n) || r.head.kind != Kind::Fragment {
                continue;
            }
            let ticks = ticks_of(r.head.wall);
            let end_ticks = ticks_of(r.head.end());
            if self.groups.is_empty() {
                self.start = r.head.wall;
            }
            self.end = self.end.max(r.head.end());
            let len = r.head.len - HEAD_LEN as u32;
            let is_new = r.head.is_key() || self.group_bytes + u64::from(len) > MAX_GROUP;
            match self.groups.last_mut().filter(|_| !is_new) {
                Some(g) => {
                    g.duration = (end_ticks - g.ticks).clamp(1, i64::from(u32::MAX)) as u32;
                    self.group_bytes += u64::from(len);
                }
                None => {
                    let duration = (end_ticks - ticks).clamp(1, i64::from(u32::MAX)) as u32;
                    let (run, row) = (self.drafts.len() as u32, n as u32);
                    self.groups.push(Group { ticks, duration, run, row, is_key: r.head.is_key() });
                    self.group_bytes = u64::from(len);
                }
            }
            at += len;
        }
        let offset = records.last().map_or(0, |r| r.offset as u32 + r.head.len);
        rows.push(Row { offset, at });
        rows
    }

    /// The plan. `events` become chapters, the first [`MAX_CHAPTERS`] of them; with a `key` it carries its proof, if
    /// every slab came with its anchor. `None` when there is no footage.
    pub fn finish(self, events: &[(Wall, String)], key: Option<&dyn Sign>) -> Option<Plan> {
        // what was kept only because nothing newer came before `from` is not in the range
        if self.drafts.is_empty() || self.end <= self.from {
            return None;
        }
        let origin_ticks = self.groups.first()?.ticks;
        let last = self.groups.last()?;
        let duration = (last.ticks + i64::from(last.duration) - origin_ticks).max(1) as u64;
        let mut chapters: Vec<Chapter> = events
            .iter()
            .filter(|(wall, _)| (self.start..self.end).contains(wall))
            .map(|(wall, title)| Chapter { at_us: (*wall - self.start) as u64, title: title.clone() })
            .collect();
        chapters.sort_by_key(|c| c.at_us);
        chapters.truncate(MAX_CHAPTERS);
        let variants: Vec<&StreamParams> = self.variants.iter().collect();
        let mut head = init::with_chapters(&variants, self.start, Some(duration), &chapters);
        let init_len = head.len();
        head.extend(sidx::write(&references(&self.groups, &self.drafts)));

        let (mut at, mut sequence) = (head.len() as u64, 1);
        let (mut runs, mut claims, mut slab_at) =
            (Vec::with_capacity(self.drafts.len()), Vec::new(), Vec::new());
        for draft in self.drafts {
            let sounds = variants[..=draft.variant].iter().filter(|v| v.audio.is_some()).count() as u32;
            let shift = draft.origin_ticks.saturating_sub(origin_ticks);
            let description = draft.variant as u32 + 1;
            let rewrite = Rewrite::new(sequence, shift, self.sample_rate, description, sounds);
            let Draft { generation, rows, first, end, .. } = draft;
            let run = Run { generation, at, rows, first, end, rewrite };
            at += run.len();
            sequence += end - first;
            runs.push(run);
            slab_at.push(draft.slab_at);
            claims.extend(draft.claim.map(|c| proof::SlabClaim {
                description,
                audio_description: sounds,
                ..c
            }));
        }
        let mut plan = Plan {
            head,
            init_len,
            start: self.start,
            end: self.end,
            runs,
            groups: self.groups,
            footage_end: at,
            proof: None,
        };
        if let Some(key) = key.filter(|_| claims.len() == plan.runs.len()) {
            plan.proof = proof::Proof::new(&plan.head, origin_ticks, self.sample_rate, claims, slab_at, key);
        }
        Some(plan)
    }
}

fn claim(found: &Scanned, anchor: &Anchor, records: &[Record], first: usize, end: usize) -> proof::SlabClaim {
    let chain = match &found.seal {
        Some(seal) => Chain(seal.chain),
        None => records.iter().fold(anchor.chain, |mut chain, r| {
            chain.add(&r.head.encode());
            chain
        }),
    };
    proof::SlabClaim {
        generation: found.generation,
        init_hash: anchor.init_hash,
        slab_len: anchor.slab_len,
        heads: records.len() as u32,
        first: first as u32,
        end: end as u32,
        description: 0,
        audio_description: 0,
        chain: chain.0,
        seal: found.seal.as_ref().map(|s| (s.device, s.signature.clone())),
        restamp: anchor.restamp.clone(),
    }
}

/// One for each group of pictures, or for as many as it takes to stay within one box.
fn references(groups: &[Group], drafts: &[Draft]) -> Vec<sidx::Reference> {
    let step = groups.len().div_ceil(sidx::MAX_REFERENCES).max(1);
    let mut begins = Vec::with_capacity(drafts.len());
    let mut total = 0u64;
    for d in drafts {
        begins.push(total);
        total += d.rows.last().map_or(0, |r| u64::from(r.at));
    }
    let at = |g: &Group| begins[g.run as usize] + u64::from(drafts[g.run as usize].rows[g.row as usize].at);
    let mut references = Vec::with_capacity(groups.len() / step + 1);
    for (n, part) in groups.chunks(step).enumerate() {
        let (first, next) = (&part[0], groups.get((n + 1) * step));
        let last = &part[part.len() - 1];
        let until = next.map_or(last.ticks + i64::from(last.duration), |g| g.ticks);
        references.push(sidx::Reference {
            size: (next.map_or(total, at) - at(first)) as u32,
            duration: (until - first.ticks).clamp(1, i64::from(u32::MAX)) as u32,
            is_key: first.is_key,
        });
    }
    references
}

impl Plan {
    /// Plans `from..to` over slabs in time order, without a proof.
    pub fn new(slabs: &[Scanned], from: Wall, to: Wall, events: &[(Wall, String)]) -> Option<Self> {
        let mut planner = Planner::new(from, to);
        slabs.iter().for_each(|slab| planner.slab(slab, None));
        planner.finish(events, None)
    }
}
