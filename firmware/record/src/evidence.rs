//! A slab's or an export's bytes → what can be believed of them: whose footage, from when to when, signed by which
//! device, and every stretch that is not as it was recorded. Needs nothing but the bytes; survives any.
//!
//! What is proven: a head of every record, with its time and the hash of its bytes, is a link of the slab's [`Chain`], and
//! the device signed the last link. So a changed picture is told to the fragment; a changed head too, unless the table in
//! the seal was changed with it: then nothing of the slab is proven. What is not: that the camera saw the truth.

mod clip;
mod slab;

use crate::layout::{Hash, Restamp, Seal, SlabHead};
use crate::scan::ReadAt;
use nightjar_types::{CameraId, StreamKind, Wall};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::fmt;

/// Stretches told one by one; more are counted.
const MAX_FAULTS: usize = 1_000;
/// Read at a time.
pub(crate) const CHUNK: usize = 256 << 10;

/// An Ed25519 public key.
pub type Key = [u8; 32];

/// The key as people compare it: the start of its BLAKE3, in groups of four.
pub fn fingerprint(key: &Key) -> String {
    let hex = blake3::hash(key).to_hex();
    let groups: Vec<&str> = (0..8).map(|n| &hex[n * 4..n * 4 + 4]).collect();
    groups.join("-")
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A slab of a card.
    Slab,
    /// An export with its proof.
    Clip,
    /// An MP4 file without a proof, or something else.
    Other,
}

/// Who stands behind something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The holder of this key.
    By(Key),
    /// Nobody yet: the slab was still written, or the device has no key.
    No,
    /// Says so of this key's holder, but it is not true.
    Falsely(Key),
}

impl Signed {
    fn check(key: &Key, message: &[u8], signature: &[u8]) -> Self {
        match UnparsedPublicKey::new(&ED25519, key).verify(message, signature) {
            Ok(()) => Self::By(*key),
            Err(_) => Self::Falsely(*key),
        }
    }

    /// Of a seal; [`No`](Self::No) when its device had no key.
    fn seal(generation: u64, chain: &Hash, key: &Key, signature: &[u8]) -> Self {
        if signature.is_empty() && *key == [0; 32] {
            return Self::No;
        }
        Self::check(key, &Seal::message(generation, chain), signature)
    }
}

/// One slab behind a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its generation.
    pub generation: u64,
    /// Chain of the slab that the stream wrote before.
    pub previous: Hash,
    /// Its own chain, as computed; the one told when that can't be.
    pub chain: Hash,
    /// It was full, and the chain is its last.
    pub is_sealed: bool,
    /// Who signed it.
    pub signed: Signed,
    /// The clock was believed when it was begun.
    pub is_clock_sure: bool,
    /// Generations whose footage it holds in thinned form.
    pub replaces: Vec<u64>,
    /// Added to all its times later, µs.
    pub shift_us: i64,
    /// First moment.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
}

/// What is wrong in a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Pictures or sound are not those recorded.
    Content,
    /// Times or marks are not those recorded.
    Head,
    /// The slab's heads are not those that were sealed, nobody knows which.
    Chain,
    /// The slab's signature is false.
    Signature,
    /// A slab's times were moved without the device's signature.
    Restamp,
    /// The bytes that say how to decode are not those recorded.
    Decoder,
    /// The seal's table differs from the records, which are proven by its chain.
    Table,
    /// Bytes behind the footage are no record and no empty space: something was cut off, damaged or added there.
    Tail,
    /// The export's own statement was changed, or its signature is false.
    Statement,
    /// The export's index, chapters or decoder settings are not those it was made with.
    Index,
    /// The proof contradicts itself.
    Proof,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Content => "pictures or sound were changed or damaged",
            Self::Head => "the recorded time or marks were changed or damaged",
            Self::Chain => "the chain of hashes is broken: something was changed, and nothing here is proven",
            Self::Signature => "the device's signature is false: nothing here is proven",
            Self::Restamp => "the times were moved without the device's signature",
            Self::Decoder => "what a player needs to decode was changed or damaged",
            Self::Table => "the table at the end differs from the footage, which is as recorded",
            Self::Tail => "what follows was cut off, damaged or added",
            Self::Statement => "the statement of the export was changed or its signature is false",
            Self::Index => "the index, the chapters or what a player needs to decode were changed",
            Self::Proof => "the proof contradicts itself",
        })
    }
}

/// A stretch that is not as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// First moment.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
    /// What.
    pub wrong: Wrong,
}

/// What can be said of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub what: What,
    /// Whose footage.
    pub stream: Option<(CameraId, StreamKind)>,
    /// Its slabs, in order; of a slab file, itself.
    pub slabs: Vec<Link>,
    /// Who signed the export itself; [`Signed::No`] for a slab.
    pub export: Signed,
    /// Fragments looked at.
    pub fragments: u64,
    /// What is wrong, in order of time, neighbours joined. Empty: all is as recorded.
    pub faults: Vec<Fault>,
    /// Faults that are not in the list.
    pub more_faults: u64,
}

impl Report {
    fn new(what: What) -> Self {
        Self {
            what,
            stream: None,
            slabs: Vec::new(),
            export: Signed::No,
            fragments: 0,
            faults: Vec::new(),
            more_faults: 0,
        }
    }

    /// Nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.what != What::Other && self.faults.is_empty()
    }

    /// First moment and the moment after the last.
    pub fn span(&self) -> (Wall, Wall) {
        let from = self.slabs.iter().map(|s| s.from).min().unwrap_or_default();
        (from, self.slabs.iter().map(|s| s.to).max().unwrap_or(from))
    }

    /// The key whose holder stands behind every slab, by its seal or by the export that it is in. `None` when not one
    /// key does.
    pub fn key(&self) -> Option<Key> {
        let mut keys = self.slabs.iter().map(|slab| match (slab.signed, self.export) {
            (Signed::By(key), _) | (Signed::No, Signed::By(key)) => Some(key),
            _ => None,
        });
        let first = keys.next().flatten()?;
        keys.all(|k| k == Some(first)).then_some(first)
    }

    fn fault(&mut self, from: Wall, to: Wall, wrong: Wrong) {
        if !join(&mut self.faults, Fault { from, to, wrong }) {
            self.more_faults += 1;
        }
    }
}

/// Adds a fault, to the last one when it goes on there. False when the list is full.
fn join(faults: &mut Vec<Fault>, fault: Fault) -> bool {
    if let Some(last) = faults.last_mut()
        && last.wrong == fault.wrong
        && last.from <= fault.from
        && fault.from.micros_since(last.to) <= 0
    {
        last.to = last.to.max(fault.to);
        return true;
    }
    let has_room = faults.len() < MAX_FAULTS;
    if has_room {
        faults.push(fault);
    }
    has_room
}

/// Checks a file of `len` bytes.
pub fn verify<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Report, R::Error> {
    if let Some(report) = slab::verify(file, len)? {
        return Ok(report);
    }
    Ok(clip::verify(file, len)?.unwrap_or_else(|| Report::new(What::Other)))
}

/// At least one slab between two others is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Of which stream.
    pub stream: (CameraId, StreamKind),
    /// Where the slab before ends.
    pub from: Wall,
    /// Where the next begins.
    pub to: Wall,
}

/// Slabs that are missing between those of several files, by the chain from each to the next.
pub fn missing(reports: &[Report]) -> Vec<Missing> {
    let mut all: Vec<(&(CameraId, StreamKind), &Link)> = reports
        .iter()
        .filter_map(|r| r.stream.as_ref().map(|s| (s, r)))
        .flat_map(|(stream, r)| r.slabs.iter().map(move |link| (stream, link)))
        .collect();
    let order = |s: &(CameraId, StreamKind)| (s.0.to_string(), s.1.as_str());
    // of a slab that is there twice, its last state counts
    all.sort_by_key(|(s, l)| (order(s), l.generation, l.is_sealed, l.to));
    all.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0 && next.1.generation == kept.1.generation;
        if is_same {
            *kept = *next;
        }
        is_same
    });
    // what was thinned is not missing, and a thinned slab stands in no chain that footage runs through
    let (thinned, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, l)| !l.replaces.is_empty());
    let is_thinned = |a: &(&(CameraId, StreamKind), &Link), b: &Link| {
        let between = |g: &u64| a.1.generation < *g && *g < b.generation;
        thinned.iter().any(|(stream, l)| *stream == a.0 && l.replaces.iter().any(between))
    };
    let pairs = all.windows(2).filter(|p| p[0].0 == p[1].0);
    pairs
        .filter(|p| p[0].1.is_sealed && p[1].1.previous != p[0].1.chain && !is_thinned(&p[0], p[1].1))
        .map(|p| Missing { stream: p[0].0.clone(), from: p[0].1.to, to: p[1].1.from })
        .collect()
}

/// Hashes `len` bytes from `at` on, with `first` in front. `None` when the file ends before.
fn hash_of<R: ReadAt + ?Sized>(
    file: &R,
    first: &[u8],
    mut at: u64,
    mut len: u64,
    buf: &mut [u8],
) -> Result<Option<Hash>, R::Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(first);
    while len > 0 {
        let n = len.min(buf.len() as u64) as usize;
        let got = file.read_at(at, &mut buf[..n])?;
        if got < n {
            return Ok(None);
        }
        hasher.update(&buf[..n]);
        (at, len) = (at.saturating_add(n as u64), len - n as u64);
    }
    Ok(Some(*hasher.finalize().as_bytes()))
}

/// What a restamp adds, when its signature is the sealing device's; a fault otherwise.
fn shift_of(restamp: Option<&Restamp>, chain: &Hash, signed: Signed) -> (i64, bool) {
    let Some(restamp) = restamp else { return (0, true) };
    let message = Restamp::message(chain, restamp.shift_us);
    let is_good = match signed {
        Signed::By(key) => Signed::check(&key, &message, &restamp.signature) == Signed::By(key),
        Signed::No => restamp.signature.is_empty(),
        Signed::Falsely(_) => false,
    };
    (restamp.shift_us, is_good)
}

/// As a scan moves it.
fn moved_ticks(slab: &SlabHead, shift_us: i64) -> i64 {
    slab.origin_ticks.saturating_add((i128::from(shift_us) * 9 / 100) as i64)
}

#[cfg(test)]
mod tests;
