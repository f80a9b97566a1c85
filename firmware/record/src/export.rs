//! Fragments of one stream in a range → one virtual MP4: its length and index at once, its bytes when they are read.
//!
//! `ftyp moov sidx`, then each fragment's `moof mdat` as it stands in its slab, with sequence, decode time and sample
//! description rewritten in place: nothing changes its length, so any byte range can be served alone. At the end a `uuid`
//! box that players skip, the [`proof`]. A plan holds 8 bytes a fragment and 36 a group of pictures.

mod planner;
pub mod proof;
pub(crate) mod rewrite;

pub use planner::Planner;
pub use proof::Anchor;

use crate::layout::{HEAD_LEN, RecordHead};
use crate::scan::{self, ReadAt};
use bytes::Bytes;
use nightjar_media::boxes::free_head;
use nightjar_media::{fragment, hls};
use nightjar_types::Wall;
use rewrite::Rewrite;

/// Slabs by their generation, given by the shell.
pub trait Slabs {
    /// The shell's error.
    type Error;
    /// Fills as much of `buf` as there is from `offset` on and says how much: 0 when the slab is gone.
    fn read_at(&self, generation: u64, offset: u64, buf: &mut [u8]) -> Result<usize, Self::Error>;
    /// The record that begins at `offset` is not what was written there.
    fn damaged(&self, _generation: u64, _offset: u64) {}
}

/// One slab of [`Slabs`].
pub(crate) struct OneSlab<'a, S: ?Sized>(pub(crate) &'a S, pub(crate) u64);

impl<S: Slabs + ?Sized> ReadAt for OneSlab<'_, S> {
    type Error = S::Error;
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, S::Error> {
        self.0.read_at(self.1, offset, buf)
    }
}

/// A virtual file.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The bytes before the first fragment.
    head: Vec<u8>,
    /// `ftyp` and `moov` alone.
    init_len: usize,
    start: Wall,
    end: Wall,
    runs: Vec<Run>,
    groups: Vec<Group>,
    /// Where the last fragment ends.
    footage_end: u64,
    proof: Option<proof::Proof>,
}

/// The fragments of one slab.
#[derive(Debug, Clone)]
struct Run {
    generation: u64,
    /// Where its first fragment begins in the file.
    at: u64,
    /// Every record of the slab, in order, and behind the last one where it ends.
    rows: Vec<Row>,
    /// Which of them are in the file; events among them are not.
    first: u32,
    end: u32,
    rewrite: Rewrite,
}

/// One record.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where it begins in the slab.
    offset: u32,
    /// Where its fragment begins in the file, from [`Run::at`]. What is not in the file begins where the next does.
    at: u32,
}

/// Fragments from a key frame to the next.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// First moment, absolute 90 kHz ticks.
    ticks: i64,
    /// Until its own end, which is before the next group's start when something is missing.
    duration: u32,
    run: u32,
    row: u32,
    is_key: bool,
}

/// What was read last: successive reads of one fragment read the card once.
#[derive(Debug, Default)]
pub struct Cursor {
    last: Option<(u64, Bytes)>,
}

impl Run {
    /// Bytes of its fragments in the file.
    fn len(&self) -> u64 {
        self.rows.last().map_or(0, |r| u64::from(r.at))
    }

    /// Bytes of record `n` in the slab.
    fn record_len(&self, n: usize) -> usize {
        self.rows.get(n..n + 2).map_or(0, |two| (two[1].offset - two[0].offset) as usize)
    }
}

impl Plan {
    /// Bytes of the whole file.
    pub fn len(&self) -> u64 {
        self.footage_end + self.proof.as_ref().map_or(0, |p| u64::from(p.len))
    }

    /// Never: a plan has at least one fragment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First moment, and the moment after the last.
    pub fn span(&self) -> (Wall, Wall) {
        (self.start, self.end)
    }

    /// Generations of the slabs that are read.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().map(|r| r.generation)
    }

    /// Bytes of the proof at the end; 0 without one.
    pub fn proof_len(&self) -> u32 {
        self.proof.as_ref().map_or(0, |p| p.len)
    }

    /// A name for these bytes: plans with the same tag give the same bytes at every offset.
    pub fn tag(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.head);
        if let Some(proof) = &self.proof {
            hasher.update(&proof.statement);
        }
        for run in &self.runs {
            hasher.update(&run.generation.to_be_bytes()).update(&run.first.to_be_bytes());
        }
        hasher.finalize().to_hex()[..24].to_owned()
    }

    /// Bytes that the plan itself takes in memory.
    pub fn footprint(&self) -> usize {
        let rows: usize = self.runs.iter().map(|r| r.rows.len() * size_of::<Row>() + size_of::<Run>()).sum();
        let proof = self.proof.as_ref().map_or(0, |p| p.statement.len());
        self.head.len() + rows + self.groups.len() * size_of::<Group>() + proof
    }

    /// The footage as an HLS playlist of segments of `at_least` 90 kHz ticks or one group of pictures, whichever is
    /// longer. `uri` is where this file is.
    pub fn playlist(&self, uri: &str, at_least: u64) -> String {
        let mut segments: Vec<hls::Segment> = Vec::new();
        let (mut end_ticks, mut description) = (i64::MIN, 0);
        for g in &self.groups {
            let run = &self.runs[g.run as usize];
            let at = run.at + u64::from(run.rows[g.row as usize].at);
            // half a second may be missing because the clocks of camera and recorder drift apart
            let is_hole = g.ticks.saturating_sub(end_ticks) > 45_000;
            let is_discontinuous = is_hole || run.rewrite.description != description;
            let grown =
                segments.last_mut().filter(|s| !g.is_key || (!is_discontinuous && s.duration < at_least));
            match grown {
                Some(last) => last.duration += u64::from(g.duration),
                None => segments.push(hls::Segment {
                    at,
                    len: 0,
                    duration: u64::from(g.duration),
                    wall: crate::segmenter::wall_of(g.ticks),
                    is_discontinuous,
                }),
            }
            (end_ticks, description) = (g.ticks + i64::from(g.duration), run.rewrite.description);
        }
        let mut next = self.footage_end;
        for s in segments.iter_mut().rev() {
            s.len = next - s.at;
            next = s.at;
        }
        hls::playlist(uri, self.init_len as u64, &segments)
    }

    /// The fragment that holds byte `at`: its run, its record, where it begins in the file.
    fn fragment_at(&self, at: u64) -> Option<(&Run, usize, u64)> {
        let n = self.runs.partition_point(|r| r.at <= at).checked_sub(1)?;
        let run = &self.runs[n];
        let inside = u32::try_from(at - run.at).ok()?;
        let row = run.rows.partition_point(|r| r.at <= inside).checked_sub(1)?;
        (row < run.end as usize).then(|| (run, row, run.at + u64::from(run.rows[row].at)))
    }

    /// At most `max` bytes from `at` on; fewer at the end of a fragment, none behind the end. `None` when the footage
    /// was recycled meanwhile. A fragment that the card has damaged is a hole: a `free` box of the same length.
    pub fn read<S: Slabs + ?Sized>(
        &self,
        slabs: &S,
        cursor: &mut Cursor,
        at: u64,
        max: usize,
    ) -> Result<Option<Bytes>, S::Error> {
        if at < self.head.len() as u64 {
            let from = at as usize;
            let to = from.saturating_add(max).min(self.head.len());
            return Ok(Some(Bytes::copy_from_slice(&self.head[from..to])));
        }
        if at >= self.footage_end {
            let Some(proof) = &self.proof else { return Ok(Some(Bytes::new())) };
            return self.read_proof(proof, slabs, at - self.footage_end, max);
        }
        let Some((run, row, begin)) = self.fragment_at(at) else { return Ok(Some(Bytes::new())) };
        let bytes = match &cursor.last {
            Some((known, bytes)) if *known == begin => bytes.clone(),
            _ => {
                let Some(bytes) = self.fragment(slabs, run, row)? else { return Ok(None) };
                cursor.last = Some((begin, bytes.clone()));
                bytes
            }
        };
        let from = ((at - begin) as usize).min(bytes.len());
        Ok(Some(bytes.slice(from..from.saturating_add(max).min(bytes.len()))))
    }

    fn fragment<S: Slabs + ?Sized>(
        &self,
        slabs: &S,
        run: &Run,
        row: usize,
    ) -> Result<Option<Bytes>, S::Error> {
        let mut record = vec![0; run.record_len(row)];
        let n = slabs.read_at(run.generation, u64::from(run.rows[row].offset), &mut record)?;
        let head = record.first_chunk().and_then(RecordHead::decode).filter(|h| {
            h.generation == run.generation && h.sequence as usize == row + 1 && h.len as usize == record.len()
        });
        let is_whole = n == record.len() && head.is_some_and(|h| h.fits(&record));
        if !is_whole && !is_there(slabs, run.generation)? {
            return Ok(None);
        }
        let sequence = run.rewrite.sequence + row as u32 - run.first;
        if !is_whole || run.rewrite.apply(&mut record[HEAD_LEN..], sequence).is_none() {
            slabs.damaged(run.generation, u64::from(run.rows[row].offset));
            let len = (record.len() - HEAD_LEN) as u32;
            record[HEAD_LEN..].fill(0);
            if len >= 8 {
                record[HEAD_LEN..HEAD_LEN + 8].copy_from_slice(&free_head(len));
            }
        }
        Ok(Some(Bytes::from(record).slice(HEAD_LEN..)))
    }
}

/// The slab still holds the footage that was planned.
fn is_there<S: Slabs + ?Sized>(slabs: &S, generation: u64) -> Result<bool, S::Error> {
    Ok(scan::read_start(&OneSlab(slabs, generation))?.is_some_and(|s| s.generation == generation))
}

/// The first picture of a fragment's record: its bytes. `None` when the record is no fragment.
pub fn first_picture(record: &[u8]) -> Option<&[u8]> {
    let rest = record.get(HEAD_LEN..)?;
    let moof = fragment::read_moof(rest)?;
    let run = moof.runs.first().filter(|r| r.track == nightjar_media::VIDEO_TRACK)?;
    rest.get(moof.len + 8..)?.get(..run.first_size as usize)
}

#[cfg(test)]
pub(crate) mod tests;
