//! A slab's bytes on the card → what is in it. Reads forward and stops at the first record that does not fit.

use crate::layout::{HEAD_LEN, Kind, RecordHead, SlabHead};
use nightjar_media::walk;
use nightjar_types::Wall;

/// Bytes of the start of a slab that hold everything up to its first fragment.
const START_LEN: usize = 8 << 10;

/// Positioned reads, given by the shell.
pub trait ReadAt {
    /// The shell's error.
    type Error;
    /// Fills as much of `buf` as there is from `offset` on and says how much.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Self::Error>;
}

impl ReadAt for [u8] {
    type Error = std::convert::Infallible;
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// One record and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where its head begins.
    pub offset: u64,
    /// Its head.
    pub head: RecordHead,
}

/// What a slab holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// What it says about itself.
    pub slab: SlabHead,
    /// Its generation.
    pub generation: u64,
    /// Fragments and events, in order.
    pub records: Vec<Record>,
    /// Where the first byte behind the last good record is.
    pub end: u64,
    /// The `free` box that must follow stands there.
    pub is_sealed: bool,
}

impl Scanned {
    /// Recorded spans, in order; neighbours closer than `join_us` are one.
    pub fn spans(&self, join_us: i64) -> Vec<(Wall, Wall)> {
        let mut spans = Vec::new();
        for r in self.records.iter().filter(|r| r.head.kind == Kind::Fragment) {
            extend(&mut spans, r.head.wall, r.head.end(), join_us);
        }
        spans
    }
}

/// Adds `from..to` to the end of a list of spans, joining when the hole is below `join_us`.
pub fn extend(spans: &mut Vec<(Wall, Wall)>, from: Wall, to: Wall, join_us: i64) {
    match spans.last_mut() {
        Some(last) if from - last.1 < join_us => last.1 = last.1.max(to),
        _ => spans.push((from, to)),
    }
}

/// How much of each record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Heads only: as fast as the card seeks.
    Heads,
    /// Heads, and the CRC of the last records: what a power cut can have torn.
    Tail,
    /// The CRC of every record.
    Full,
}

/// Records at the end that [`Depth::Tail`] reads whole: more than fit between two write-outs to the card.
const TAIL_RECORDS: usize = 16;

/// Reads a slab of `len` bytes. `None` when there is no slab head, as in a slab that was never used.
pub fn scan<R: ReadAt + ?Sized>(file: &R, len: u64, depth: Depth) -> Result<Option<Scanned>, R::Error> {
    let Some((slab, generation, mut at)) = read_start(file)? else { return Ok(None) };
    let mut records: Vec<Record> = Vec::new();
    let mut sequence = 1;
    while let Some(record) = next_record(file, at, len, generation, sequence)? {
        if depth == Depth::Full && !is_intact(file, &record)? {
            break;
        }
        at += u64::from(record.head.len);
        sequence += 1;
        records.push(record);
    }
    if depth == Depth::Tail {
        let first = records.len().saturating_sub(TAIL_RECORDS);
        for i in first..records.len() {
            if !is_intact(file, &records[i])? {
                at = records[i].offset;
                records.truncate(i);
                break;
            }
        }
    }
    let mut tail = [0; 8];
    let is_sealed = file.read_at(at, &mut tail)? == 8
        && tail[4..] == *b"free"
        && walk::u32_at(&tail, 0).is_some_and(|free| u64::from(free) + at == len);
    Ok(Some(Scanned { slab, generation, records, end: at, is_sealed }))
}

/// The slab's own head, its generation and where the records begin.
pub fn read_start<R: ReadAt + ?Sized>(file: &R) -> Result<Option<(SlabHead, u64, u64)>, R::Error> {
    let mut start = vec![0; START_LEN];
    let n = file.read_at(0, &mut start)?;
    start.truncate(n);
    Ok(parse_start(&start))
}

fn parse_start(start: &[u8]) -> Option<(SlabHead, u64, u64)> {
    if start.get(4..8)? != b"ftyp" {
        return None;
    }
    let mut at = 0usize;
    for _ in 0..2 {
        at = at.checked_add(walk::u32_at(start, at)? as usize)?;
    }
    let record = start.get(at..)?;
    let head = RecordHead::decode(record.first_chunk()?)?;
    let record = record.get(..head.len as usize)?;
    if head.kind != Kind::Slab || !head.fits(record) {
        return None;
    }
    let slab = postcard::from_bytes(&record[HEAD_LEN..]).ok()?;
    Some((slab, head.generation, at as u64 + u64::from(head.len)))
}

/// The record at `at`, if it is the one that must come there.
pub fn next_record<R: ReadAt + ?Sized>(
    file: &R,
    at: u64,
    len: u64,
    generation: u64,
    sequence: u32,
) -> Result<Option<Record>, R::Error> {
    let mut bytes = [0; HEAD_LEN];
    if file.read_at(at, &mut bytes)? < HEAD_LEN {
        return Ok(None);
    }
    let Some(head) = RecordHead::decode(&bytes) else { return Ok(None) };
    let fits = head.generation == generation && head.sequence == sequence && at + u64::from(head.len) <= len;
    Ok((fits && head.kind != Kind::Slab).then_some(Record { offset: at, head }))
}

fn is_intact<R: ReadAt + ?Sized>(file: &R, record: &Record) -> Result<bool, R::Error> {
    let mut bytes = vec![0; record.head.len as usize];
    Ok(file.read_at(record.offset, &mut bytes)? == bytes.len() && record.head.fits(&bytes))
}

#[cfg(test)]
mod tests;
