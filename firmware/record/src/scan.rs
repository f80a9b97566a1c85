//! A slab's bytes on the card → what is in it. Reads forward and stops at the first record that does not fit.

use crate::footer::Footer;
use crate::layout::{Chain, HEAD_LEN, Kind, RecordHead, Restamp, Seal, SlabHead};
use nightjar_media::walk;
use nightjar_types::Wall;

/// Bytes of the start of a slab that hold everything up to its first fragment.
const START_LEN: usize = 8 << 10;
/// … of a camera with parameter sets of many kilobytes: twice an SPS and a PPS of 64 KiB each, in `moov` and in the slab's head.
const LONG_START_LEN: usize = 320 << 10;

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
    /// What the head says, its time restamped. From a seal's table: without the hash, which is zeros.
    pub head: RecordHead,
}

/// What a slab holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// What it says about itself, its times restamped.
    pub slab: SlabHead,
    /// Its generation.
    pub generation: u64,
    /// Fragments and events, in order.
    pub records: Vec<Record>,
    /// Where the first byte behind the last good record is.
    pub end: u64,
    /// Sequence of the record that would come there.
    pub next_sequence: u32,
    /// The `free` box that must follow stands there.
    pub is_framed: bool,
    /// The chain over all heads up to the last footage or event.
    pub chain: Chain,
    /// Its seal, when it is full.
    pub seal: Option<Seal>,
    /// What restamping added to every time, µs.
    pub shift_us: i64,
}

impl Scanned {
    fn apply_shift(&mut self) {
        let us = self.shift_us;
        for r in &mut self.records {
            r.head.wall = r.head.wall.plus_micros(us);
        }
        self.slab.begun.wall = self.slab.begun.wall.plus_micros(us);
        self.slab.origin_ticks = self.slab.origin_ticks.saturating_add((i128::from(us) * 9 / 100) as i64);
    }

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
    /// The seal's table; heads only when there is none.
    Heads,
    /// The same, and the whole of the last records: what a power cut can have torn, in a slab that was sealed just before
    /// it as well.
    Tail,
    /// Every byte of every record; the table is not believed.
    Full,
}

/// Records at the end that [`Depth::Tail`] reads whole. The shell writes no more into a slab before it makes them durable.
pub const TAIL_RECORDS: usize = 16;
/// Largest seal, bytes: a slab of tiny records.
pub(crate) const MAX_SEAL: u32 = 16 << 20;

/// Reads a slab of `len` bytes. `None` when there is no slab head, as in a slab that was never used.
pub fn scan<R: ReadAt + ?Sized>(file: &R, len: u64, depth: Depth) -> Result<Option<Scanned>, R::Error> {
    let Some(start) = read_start(file)? else { return Ok(None) };
    let mut found = match depth {
        Depth::Full => None,
        Depth::Heads | Depth::Tail => from_table(file, len, &start)?,
    };
    if depth == Depth::Tail && found.as_ref().map_or(Ok(false), |found| is_tail_torn(file, len, found))? {
        found = None; // the seal reached the card, what it vouches for did not
    }
    if found.is_none() {
        found = Some(walk_records(file, len, start, depth)?);
    }
    if let Some(found) = &mut found {
        if found.seal.is_some() {
            read_restamps(file, len, found)?;
        }
        let mut tail = [0; 8];
        found.is_framed = file.read_at(found.end, &mut tail)? == 8
            && tail[4..] == *b"free"
            && walk::u32_at(&tail, 0).is_some_and(|free| u64::from(free) + found.end == len);
        found.apply_shift();
    }
    Ok(found)
}

/// By the footer and the seal's table: three reads.
fn from_table<R: ReadAt + ?Sized>(file: &R, len: u64, start: &Start) -> Result<Option<Scanned>, R::Error> {
    let Some((offset, head, seal)) = seal_by_footer(file, len, start)? else { return Ok(None) };
    let begun = start.slab.begun.wall;
    let (mut records, mut at) = (Vec::with_capacity(seal.entries.len()), start.end);
    for (n, e) in seal.entries.iter().enumerate() {
        // no record is shorter than its head: whoever plans by this table relies on it
        if (e.len as usize) < HEAD_LEN {
            return Ok(None);
        }
        let head = RecordHead {
            kind: if e.is_event { Kind::Event } else { Kind::Fragment },
            flags: e.flags,
            generation: start.generation,
            sequence: n as u32 + 1,
            len: e.len,
            wall: begun.plus_micros(e.after_us),
            duration_us: e.duration_us,
            hash: [0; 32],
        };
        records.push(Record { offset: at, head });
        at = at.saturating_add(u64::from(e.len));
    }
    // a table that does not lead to its own seal is not this slab's
    if at != offset || head.sequence as usize != records.len() + 1 {
        return Ok(None);
    }
    Ok(Some(Scanned {
        slab: start.slab.clone(),
        generation: start.generation,
        records,
        end: offset + u64::from(head.len),
        next_sequence: head.sequence + 1,
        is_framed: false,
        chain: Chain(seal.chain),
        seal: Some(seal),
        shift_us: 0,
    }))
}

/// Some of the last records of a seal's table are not what was written.
fn is_tail_torn<R: ReadAt + ?Sized>(file: &R, len: u64, found: &Scanned) -> Result<bool, R::Error> {
    for r in found.records.iter().rev().take(TAIL_RECORDS) {
        match next_record(file, r.offset, len, found.generation, r.head.sequence)? {
            Some(record) if record.head.len == r.head.len && is_intact(file, &record)? => {}
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// The seal that the footer leads to: where it stands, its head, and what it says. That its table leads there is not looked at.
pub(crate) fn seal_by_footer<R: ReadAt + ?Sized>(
    file: &R,
    len: u64,
    start: &Start,
) -> Result<Option<(u64, RecordHead, Seal)>, R::Error> {
    let footer = Footer::read(file, len)?.filter(|f| f.generation == start.generation);
    let Some(offset) = footer.map(|f| u64::from(f.seal_at)) else { return Ok(None) };
    let mut bytes = [0; HEAD_LEN];
    if file.read_at(offset, &mut bytes)? < HEAD_LEN {
        return Ok(None);
    }
    let Some(head) = RecordHead::decode(&bytes).filter(|h| h.generation == start.generation) else {
        return Ok(None);
    };
    Ok(read_seal(file, len, offset, &head)?.map(|seal| (offset, head, seal)))
}

/// The seal whose record begins at `offset` with that head, if it is one and whole.
pub(crate) fn read_seal<R: ReadAt + ?Sized>(
    file: &R,
    len: u64,
    offset: u64,
    head: &RecordHead,
) -> Result<Option<Seal>, R::Error> {
    if head.kind != Kind::Seal || head.len > MAX_SEAL || offset.saturating_add(u64::from(head.len)) > len {
        return Ok(None);
    }
    let mut bytes = vec![0; head.len as usize];
    let n = file.read_at(offset, &mut bytes)?;
    Ok((n == bytes.len() && head.fits(&bytes))
        .then(|| postcard::from_bytes(&bytes[HEAD_LEN..]).ok())
        .flatten())
}

fn walk_records<R: ReadAt + ?Sized>(
    file: &R,
    len: u64,
    start: Start,
    depth: Depth,
) -> Result<Scanned, R::Error> {
    let Start { slab, generation, chain, end: mut at } = start;
    let mut records: Vec<Record> = Vec::new();
    let mut chains = vec![chain];
    let mut seal = None;
    while let Some(record) = next_record(file, at, len, generation, records.len() as u32 + 1)? {
        if record.head.kind == Kind::Seal {
            let last = chains.last().map(|c| c.0);
            seal = read_seal(file, len, at, &record.head)?.filter(|s| Some(s.chain) == last);
            if seal.is_some() {
                at += u64::from(record.head.len);
            }
            break;
        }
        if record.head.kind == Kind::Restamp || (depth == Depth::Full && !is_intact(file, &record)?) {
            break;
        }
        at += u64::from(record.head.len);
        let mut chain = *chains.last().expect("begins with one");
        chain.add(&record.head.encode());
        chains.push(chain);
        records.push(record);
    }
    if depth == Depth::Tail {
        let first = records.len().saturating_sub(TAIL_RECORDS);
        for i in first..records.len() {
            if !is_intact(file, &records[i])? {
                at = records[i].offset;
                records.truncate(i);
                chains.truncate(i + 1);
                seal = None;
                break;
            }
        }
    }
    let next_sequence = records.len() as u32 + 1 + u32::from(seal.is_some());
    let chain = *chains.last().expect("begins with one");
    Ok(Scanned {
        slab,
        generation,
        records,
        end: at,
        next_sequence,
        is_framed: false,
        chain,
        seal,
        shift_us: 0,
    })
}

/// Restamps behind the seal; the last one counts.
fn read_restamps<R: ReadAt + ?Sized>(file: &R, len: u64, found: &mut Scanned) -> Result<(), R::Error> {
    while let Some(record) = next_record(file, found.end, len, found.generation, found.next_sequence)? {
        if record.head.kind != Kind::Restamp || record.head.len > START_LEN as u32 {
            break;
        }
        let mut bytes = vec![0; record.head.len as usize];
        let n = file.read_at(found.end, &mut bytes)?;
        let whole = n == bytes.len() && record.head.fits(&bytes);
        let Some(restamp) = whole.then(|| postcard::from_bytes::<Restamp>(&bytes[HEAD_LEN..]).ok()).flatten()
        else {
            break;
        };
        found.shift_us = restamp.shift_us;
        found.end += u64::from(record.head.len);
        found.next_sequence += 1;
    }
    Ok(())
}

/// What stands in front of a slab's records.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// What the slab says about itself.
    pub slab: SlabHead,
    /// Its generation.
    pub generation: u64,
    /// The chain's link behind the slab's own head.
    pub chain: Chain,
    /// Where the first record begins.
    pub end: u64,
}

/// The slab's own head, as written.
pub fn read_start<R: ReadAt + ?Sized>(file: &R) -> Result<Option<Start>, R::Error> {
    for len in [START_LEN, LONG_START_LEN] {
        let mut start = vec![0; len];
        let n = file.read_at(0, &mut start)?;
        start.truncate(n);
        let found = parse_start(&start);
        if found.is_some() || start.get(4..8) != Some(b"ftyp") {
            return Ok(found);
        }
    }
    Ok(None)
}

fn parse_start(start: &[u8]) -> Option<Start> {
    if start.get(4..8)? != b"ftyp" {
        return None;
    }
    let mut at = 0usize;
    for _ in 0..2 {
        at = at.checked_add(walk::u32_at(start, at)? as usize)?;
    }
    let record = start.get(at..)?;
    let bytes = record.first_chunk()?;
    let head = RecordHead::decode(bytes)?;
    let record = record.get(..head.len as usize)?;
    if head.kind != Kind::Slab || !head.fits(record) {
        return None;
    }
    let slab: SlabHead = postcard::from_bytes(&record[HEAD_LEN..]).ok()?;
    let mut chain = Chain::begin(&slab.previous, &start[..at]);
    chain.add(bytes);
    Some(Start { slab, generation: head.generation, chain, end: at as u64 + u64::from(head.len) })
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
