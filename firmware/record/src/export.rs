//! Fragments of one stream in a range → one virtual MP4: its length and index at once, its bytes when they are read.
//!
//! `ftyp moov sidx`, then each fragment's `moof mdat` as it stands in its slab, with sequence, decode time and sample
//! description rewritten in place: nothing changes its length, so any byte range can be served alone.

use crate::layout::{HEAD_LEN, Kind, RecordHead, SlabHead};
use crate::scan::Scanned;
use crate::segmenter::ticks_of;
use nightjar_media::{AUDIO_TRACK, fragment, init, sidx};
use nightjar_types::{StreamParams, Wall};

/// One fragment of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which of the slabs given to [`Plan::new`].
    pub slab: u32,
    /// Where its record begins in the slab.
    pub offset: u64,
    /// Bytes of the record, head included.
    pub len: u32,
    /// Where it begins in the export.
    pub at: u64,
    sequence: u32,
}

/// A virtual file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The bytes before the first part.
    pub head: Vec<u8>,
    /// All parts, in order, without holes.
    pub parts: Vec<Part>,
    /// First moment.
    pub start: Wall,
    /// Moment after the last.
    pub end: Wall,
    slabs: Vec<Source>,
    origin_ticks: i64,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    generation: u64,
    origin_ticks: i64,
    description: u32,
    audio_description: u32,
    sample_rate: u32,
}

impl Plan {
    /// Plans `from..to` over slabs in time order; begins with the key frame at or before `from`. A change of the audio
    /// sample rate ends it early. `None` when there is no footage.
    pub fn new(slabs: &[Scanned], from: Wall, to: Wall) -> Option<Self> {
        let mut chosen: Vec<(u32, u64, RecordHead)> = Vec::new();
        for (n, slab) in slabs.iter().enumerate() {
            for r in slab.records.iter().filter(|r| r.head.kind == Kind::Fragment) {
                let h = r.head;
                if h.is_key && h.wall <= from {
                    chosen.clear();
                }
                let is_inside = h.wall < to && (h.end() > from || h.wall <= from);
                if is_inside && (h.is_key || !chosen.is_empty()) {
                    chosen.push((n as u32, r.offset, h));
                }
            }
        }
        // what was kept only because nothing newer came before `from` is not in the range
        if chosen.iter().all(|(_, _, h)| h.end() <= from) {
            return None;
        }
        let rate = |n: u32| slabs[n as usize].slab.params.audio.as_ref().map_or(0, |a| a.sample_rate);
        let first_rate = chosen.iter().map(|c| rate(c.0)).find(|r| *r != 0).unwrap_or(0);
        let same = chosen.iter().position(|c| rate(c.0) != 0 && rate(c.0) != first_rate);
        chosen.truncate(same.unwrap_or(chosen.len()).min(sidx::MAX_REFERENCES));
        Self::lay_out(slabs, &chosen, first_rate)
    }

    fn lay_out(slabs: &[Scanned], chosen: &[(u32, u64, RecordHead)], sample_rate: u32) -> Option<Self> {
        let (first, last) = (chosen.first()?.2, chosen.last()?.2);
        let mut variants: Vec<&StreamParams> = Vec::new();
        let mut sources = Vec::new();
        for Scanned { slab: SlabHead { params, origin_ticks, .. }, generation, .. } in slabs {
            if !variants.contains(&params) {
                variants.push(params);
            }
            let at = variants.iter().position(|v| *v == params)?;
            let audio_description = variants[..=at].iter().filter(|v| v.audio.is_some()).count() as u32;
            let (generation, origin_ticks) = (*generation, *origin_ticks);
            sources.push(Source {
                generation,
                origin_ticks,
                description: at as u32 + 1,
                audio_description,
                sample_rate,
            });
        }
        let ticks = |w: Wall| ticks_of(w);
        let origin_ticks = ticks(first.wall);
        let duration = (ticks(last.end()) - origin_ticks).max(1) as u64;
        let mut references = Vec::with_capacity(chosen.len());
        for (n, (_, _, h)) in chosen.iter().enumerate() {
            let until = chosen.get(n + 1).map_or(h.end(), |next| next.2.wall);
            let duration = (ticks(until) - ticks(h.wall)).clamp(1, i64::from(u32::MAX)) as u32;
            references.push(sidx::Reference { size: h.len - HEAD_LEN as u32, duration, is_key: h.is_key });
        }
        let mut head = init::segment(&variants, first.wall, Some(duration));
        head.extend(sidx::write(&references));
        let mut at = head.len() as u64;
        let mut parts = Vec::with_capacity(chosen.len());
        for (n, (slab, offset, h)) in chosen.iter().enumerate() {
            parts.push(Part { slab: *slab, offset: *offset, len: h.len, at, sequence: n as u32 + 1 });
            at += u64::from(h.len) - HEAD_LEN as u64;
        }
        Some(Self { head, parts, start: first.wall, end: last.end(), slabs: sources, origin_ticks })
    }

    /// Bytes of the whole file.
    pub fn len(&self) -> u64 {
        self.parts.last().map_or(self.head.len() as u64, |p| p.at + u64::from(p.len) - HEAD_LEN as u64)
    }

    /// Never: a plan has at least one part.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part that holds byte `at` of the file, if it is not in the head.
    pub fn part_at(&self, at: u64) -> Option<&Part> {
        let n = self.parts.partition_point(|p| p.at <= at);
        self.parts.get(n.checked_sub(1)?)
    }

    /// Turns a part's record, as read from its slab, into its bytes of the file. `None` when the record is no longer the
    /// one that was planned: its slab was recycled meanwhile.
    pub fn rewrite(&self, part: &Part, mut record: Vec<u8>) -> Option<Vec<u8>> {
        let source = self.slabs.get(part.slab as usize)?;
        let head = RecordHead::decode(record.first_chunk()?)?;
        if head.generation != source.generation || head.len != part.len || !head.fits(&record) {
            return None;
        }
        let moof = fragment::read_moof(&record[HEAD_LEN..])?;
        let mut put = |at: usize, bytes: &[u8]| record[HEAD_LEN + at..][..bytes.len()].copy_from_slice(bytes);
        put(moof.sequence_at, &part.sequence.to_be_bytes());
        let shift = source.origin_ticks - self.origin_ticks;
        for run in &moof.runs {
            let (shift, description) = match run.track {
                AUDIO_TRACK => (shift * i64::from(source.sample_rate) / 90_000, source.audio_description),
                _ => (shift, source.description),
            };
            put(run.time_at, &(run.time as i64 + shift).max(0).to_be_bytes());
            put(run.description_at, &description.to_be_bytes());
        }
        record.drain(..HEAD_LEN);
        Some(record)
    }
}

/// The first picture of a fragment's record: its bytes. `None` when the record is no fragment.
pub fn first_picture(record: &[u8]) -> Option<&[u8]> {
    let rest = record.get(HEAD_LEN..)?;
    let moof = fragment::read_moof(rest)?;
    let run = moof.runs.first().filter(|r| r.track == nightjar_media::VIDEO_TRACK)?;
    rest.get(moof.len + 8..)?.get(..run.first_size as usize)
}
