//! A slab file → its [`Report`]: every record hashed, the chain run, the seal's signature checked.

use super::{CHUNK, Fault, Link, Report, Signed, What, Wrong, hash_of, join, shift_of};
use crate::export::proof::last_restamp;
use crate::layout::{Chain, FREE_LEN, HEAD_LEN, Hash, Kind, RecordHead, Seal, SealEntry};
use crate::scan::{self, MAX_SEAL, ReadAt, Start};
use crate::segmenter::wall_of;
use nightjar_media::{init, walk};
use nightjar_types::Wall;

/// `None` when the file is no slab.
pub(super) fn verify<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Option<Report>, R::Error> {
    let Some(start) = scan::read_start(file)? else { return Ok(None) };
    let table = table(file, len, &start)?;
    let mut walk = Walk {
        generation: start.generation,
        begun: start.slab.begun.wall,
        at: start.end,
        sequence: 1,
        as_is: Some(start.chain),
        by_table: start.chain,
        content: Report::new(What::Slab),
        heads: Vec::new(),
        span: None,
    };
    let seal = match table {
        Some((_, seal)) => {
            for entry in &seal.entries {
                walk.expected(file, len, entry)?;
            }
            Some(seal)
        }
        None => walk.walk_on(file, len)?,
    };
    let behind = walk.at;
    let end = match &seal {
        Some(_) => end_of_restamps(file, len, behind, start.generation, walk.sequence)?,
        None => behind,
    };
    let restamp = match &seal {
        Some(_) => last_restamp(file, len, behind, start.generation, walk.sequence)?,
        None => None,
    };
    let is_framed = is_framed(file, len, end)?;
    Ok(Some(judge(file, start, seal, restamp, walk, is_framed)?))
}

struct Walk {
    generation: u64,
    begun: Wall,
    at: u64,
    sequence: u32,
    /// Over the heads as they stand there; `None` when one can't be read.
    as_is: Option<Chain>,
    /// Over the heads as the table and the records' bytes make them.
    by_table: Chain,
    /// Collects records whose bytes are not what their head says.
    content: Report,
    /// Records whose head is not what the table says.
    heads: Vec<Fault>,
    span: Option<(Wall, Wall)>,
}

impl Walk {
    /// The next record, which the seal's table tells.
    fn expected<R: ReadAt + ?Sized>(
        &mut self,
        file: &R,
        len: u64,
        entry: &SealEntry,
    ) -> Result<(), R::Error> {
        let mut bytes = [0; HEAD_LEN];
        let got = file.read_at(self.at, &mut bytes)?;
        let content = self.content_hash(file, len, entry.len)?;
        let told = RecordHead {
            kind: if entry.is_event { Kind::Event } else { Kind::Fragment },
            flags: entry.flags,
            generation: self.generation,
            sequence: self.sequence,
            len: entry.len,
            wall: self.begun.plus_micros(entry.after_us),
            duration_us: entry.duration_us,
            hash: content.unwrap_or_default(),
        };
        self.by_table.add(&told.encode());
        let head = RecordHead::decode(&bytes).filter(|_| got == HEAD_LEN);
        if let (Some(chain), Some(_)) = (&mut self.as_is, head) {
            chain.add(&bytes);
        } else {
            self.as_is = None;
        }
        if head.is_none_or(|h| RecordHead { hash: told.hash, ..h } != told) {
            join(&mut self.heads, Fault { from: told.wall, to: told.end(), wrong: Wrong::Head });
        }
        self.count(&told, content.is_some() && head.is_none_or(|h| Some(h.hash) == content));
        Ok(())
    }

    /// Without a table: what the heads themselves say, up to the seal or the first that does not fit.
    fn walk_on<R: ReadAt + ?Sized>(&mut self, file: &R, len: u64) -> Result<Option<Seal>, R::Error> {
        while let Some(record) = scan::next_record(file, self.at, len, self.generation, self.sequence)? {
            match record.head.kind {
                Kind::Seal => return scan::read_seal(file, len, self.at, &record.head),
                Kind::Restamp | Kind::Slab => break,
                Kind::Fragment | Kind::Event => {}
            }
            let content = self.content_hash(file, len, record.head.len)?;
            let bytes = record.head.encode();
            self.by_table.add(&bytes);
            if let Some(chain) = &mut self.as_is {
                chain.add(&bytes);
            }
            self.count(&record.head, content == Some(record.head.hash));
        }
        Ok(None)
    }

    fn content_hash<R: ReadAt + ?Sized>(
        &self,
        file: &R,
        len: u64,
        record: u32,
    ) -> Result<Option<Hash>, R::Error> {
        let Some(rest) = record.checked_sub(HEAD_LEN as u32) else { return Ok(None) };
        if self.at.saturating_add(u64::from(record)) > len {
            return Ok(None);
        }
        let mut buf = vec![0; CHUNK.min(rest as usize)];
        hash_of(file, &[], self.at + HEAD_LEN as u64, u64::from(rest), &mut buf)
    }

    fn count(&mut self, head: &RecordHead, is_good: bool) {
        if head.kind == Kind::Fragment {
            let (from, to) = self.span.unwrap_or((head.wall, head.end()));
            self.span = Some((from.min(head.wall), to.max(head.end())));
            self.content.fragments += 1;
        }
        if !is_good {
            self.content.fault(head.wall, head.end(), Wrong::Content);
        }
        self.at = self.at.saturating_add(u64::from(head.len));
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// Puts all that was seen together.
fn judge<R: ReadAt + ?Sized>(
    file: &R,
    start: Start,
    seal: Option<Seal>,
    restamp: Option<crate::layout::Restamp>,
    walk: Walk,
    is_framed: bool,
) -> Result<Report, R::Error> {
    let slab = &start.slab;
    let mut report = walk.content;
    report.stream = Some((slab.camera.clone(), slab.stream));
    let (from, to) = walk.span.unwrap_or((slab.begun.wall, slab.begun.wall));
    let signed = seal
        .as_ref()
        .map_or(Signed::No, |s| Signed::seal(start.generation, &s.chain, &s.device, &s.signature));
    let told = seal.as_ref().map(|s| s.chain);
    if let Some(told) = told {
        if walk.as_is.map(|c| c.0) == Some(told) {
            if let (Some(first), Some(last)) = (walk.heads.first(), walk.heads.last()) {
                report.fault(first.from, last.to, Wrong::Table);
            }
        } else if walk.by_table.0 == told {
            // the heads are known from table and content: what differs there is wrong, and the content is proven
            report.faults.clear();
            report.more_faults = 0;
            for f in &walk.heads {
                report.fault(f.from, f.to, Wrong::Head);
            }
        } else {
            let is_decoder =
                walk.heads.is_empty() && report.faults.is_empty() && !has_own_init(file, &start)?;
            report.fault(from, to, if is_decoder { Wrong::Decoder } else { Wrong::Chain });
        }
    } else if !has_own_init(file, &start)? {
        report.fault(from, to, Wrong::Decoder);
    }
    if matches!(signed, Signed::Falsely(_)) {
        report.fault(from, to, Wrong::Signature);
    }
    let chain = told.or(walk.as_is.map(|c| c.0)).unwrap_or(walk.by_table.0);
    let (shift_us, is_good) = shift_of(restamp.as_ref(), &chain, signed);
    if !is_good {
        report.fault(from, to, Wrong::Restamp);
    }
    if !is_framed {
        report.fault(to, to, Wrong::Tail);
    }
    for fault in &mut report.faults {
        fault.from = fault.from.plus_micros(shift_us);
        fault.to = fault.to.plus_micros(shift_us);
    }
    report.slabs.push(Link {
        generation: start.generation,
        previous: slab.previous,
        chain,
        is_sealed: seal.is_some(),
        signed,
        is_clock_sure: slab.begun.is_sure,
        replaces: slab.replaces.clone(),
        shift_us,
        from: from.plus_micros(shift_us),
        to: to.plus_micros(shift_us),
    });
    Ok(report)
}

/// The bytes in front of the first record are those that the slab's parameters make.
fn has_own_init<R: ReadAt + ?Sized>(file: &R, start: &Start) -> Result<bool, R::Error> {
    let own = init::segment(&[&start.slab.params], wall_of(start.slab.origin_ticks), None);
    let mut there = vec![0; own.len()];
    Ok(file.read_at(0, &mut there)? == own.len() && there == own)
}

/// The seal that the footer leads to, when its table leads there as well.
fn table<R: ReadAt + ?Sized>(file: &R, len: u64, start: &Start) -> Result<Option<(u64, Seal)>, R::Error> {
    let Some((offset, head, seal)) = scan::seal_by_footer(file, len, start)? else { return Ok(None) };
    let end = seal.entries.iter().try_fold(start.end, |at, e| at.checked_add(u64::from(e.len)));
    let leads_here = end == Some(offset) && head.sequence as usize == seal.entries.len() + 1;
    Ok(leads_here.then_some((offset, seal)))
}

/// Where the records behind the footage end.
fn end_of_restamps<R: ReadAt + ?Sized>(
    file: &R,
    len: u64,
    mut at: u64,
    generation: u64,
    mut sequence: u32,
) -> Result<u64, R::Error> {
    while let Some(record) = scan::next_record(file, at, len, generation, sequence)? {
        if !matches!(record.head.kind, Kind::Seal | Kind::Restamp) {
            break;
        }
        let mut bytes = vec![0; record.head.len.min(MAX_SEAL) as usize];
        if file.read_at(at, &mut bytes)? < bytes.len() || !record.head.fits(&bytes) {
            break;
        }
        at += u64::from(record.head.len);
        sequence = sequence.wrapping_add(1);
    }
    Ok(at)
}

/// A `free` box spans the rest.
fn is_framed<R: ReadAt + ?Sized>(file: &R, len: u64, at: u64) -> Result<bool, R::Error> {
    let mut free = [0; FREE_LEN as usize];
    Ok(file.read_at(at, &mut free)? == free.len()
        && free[4..] == *b"free"
        && walk::u32_at(&free, 0).is_some_and(|n| at.saturating_add(u64::from(n)) == len))
}
