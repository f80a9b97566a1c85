//! The box at the end of an export that proves its footage: what the device signed when it recorded, what undoes the
//! export's changes, and the device's signature over the export itself.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the box |
//! | 4..8 | `uuid` |
//! | 8..24 | [`PROOF_UUID`] |
//! | 24..28 | length of the statement, s |
//! | s | [`Statement`], postcard |
//! | 32 | Ed25519 public key of the device that made the export; zeros without a key |
//! | 64 | Ed25519 over [`message`]; zeros without a key |
//! | 256 | own decode times of the first 16 fragments, video and audio, u64 big endian each |
//! | … | for each slab: its head record, then the heads of its records, as they stand on the card |
//! | 4 | length of the box again: readers find it from the end of the file |
//!
//! The heads carry the hash of every record and make up the chain that the slab's seal signs. FFmpeg takes the last four
//! bytes for those of an `mfra` box, and so knows that the index in front is complete.

use super::rewrite::{EARLY, MAX_MOOF, times};
use super::{OneSlab, Plan, Run, Slabs};
use crate::layout::{Chain, HEAD_LEN, Hash, Kind, RecordHead, Restamp};
use crate::scan::{self, ReadAt, Scanned};
use crate::writer::Sign;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Marks the proof. A random UUID.
pub const PROOF_UUID: [u8; 16] =
    [0xd1, 0x0f, 0x2a, 0x86, 0x47, 0x5e, 0x4c, 0x19, 0xb3, 0x90, 0x6e, 0x8c, 0x21, 0xf4, 0x5b, 0x7d];
/// Version of the statement.
pub(crate) const VERSION: u8 = 1;
/// Bytes in front of the statement.
pub(crate) const FRONT_LEN: usize = 28;
/// Public key and signature.
pub(crate) const SIGNED_LEN: usize = 32 + 64;
/// The first fragments' own times.
pub(crate) const TIMES_LEN: usize = EARLY * 16;
/// Heads that one read gives at most: each is a read of the card.
const HEADS_A_READ: usize = 256;
/// Longest restamp record.
const MAX_RESTAMP: u32 = 4 << 10;

/// What the device says about an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// 1.
    pub version: u8,
    /// Bytes in front of the first fragment.
    pub head_len: u32,
    /// Their BLAKE3.
    pub head_hash: Hash,
    /// Absolute 90 kHz tick of the export's time zero.
    pub origin_ticks: i64,
    /// Audio ticks a second; 0 without audio.
    pub sample_rate: u32,
    /// Where the footage comes from, in order.
    pub slabs: Vec<SlabClaim>,
}

/// One slab of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlabClaim {
    /// Its generation.
    pub generation: u64,
    /// BLAKE3 of the bytes in front of its first record.
    pub init_hash: Hash,
    /// Bytes of its head record.
    pub slab_len: u32,
    /// Heads of records that follow.
    pub heads: u32,
    /// Those from `first` to before `end` are in the export, if they are fragments.
    pub first: u32,
    /// See [`first`](Self::first).
    pub end: u32,
    /// Sample description of its pictures in the export.
    pub description: u32,
    /// Of its sound.
    pub audio_description: u32,
    /// The chain over these heads.
    pub chain: Hash,
    /// Public key and signature of the slab's seal; `None` while it was still written.
    pub seal: Option<([u8; 32], Vec<u8>)>,
    /// What moved its times.
    pub restamp: Option<Restamp>,
}

/// What is signed: the whole of the statement.
pub(crate) fn message(statement: &[u8]) -> Vec<u8> {
    [b"nightjar export 1", &blake3::hash(statement).as_bytes()[..]].concat()
}

/// The first link of a chain, from the hash of a slab's first bytes. The same as [`Chain::begin`].
pub(crate) fn first_link(previous: &Hash, init_hash: &Hash) -> Chain {
    Chain(*blake3::Hasher::new().update(previous).update(init_hash).finalize().as_bytes())
}

/// What a proof needs of a slab beside its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    pub(crate) init_hash: Hash,
    pub(crate) slab_at: u32,
    pub(crate) slab_len: u32,
    /// The link behind the slab's own head.
    pub(crate) chain: Chain,
    pub(crate) restamp: Option<Restamp>,
}

impl Anchor {
    /// Reads it from the slab of `len` bytes that was scanned. `None` when it is not that slab any more.
    pub fn read<R: ReadAt + ?Sized>(file: &R, len: u64, found: &Scanned) -> Result<Option<Self>, R::Error> {
        let Some(start) = scan::read_start(file)?.filter(|s| s.generation == found.generation) else {
            return Ok(None);
        };
        let body = postcard::to_allocvec(&start.slab).expect("a slab head is plain data").len();
        let slab_len = (HEAD_LEN + body) as u32;
        let Some(slab_at) = start.end.checked_sub(u64::from(slab_len)) else { return Ok(None) };
        let mut init = vec![0; slab_at as usize + HEAD_LEN];
        if file.read_at(0, &mut init)? < init.len() {
            return Ok(None);
        }
        let (init, head) = init.split_at(slab_at as usize);
        if head.first_chunk().and_then(RecordHead::decode).is_none_or(|h| h.len != slab_len) {
            return Ok(None);
        }
        let behind = found.records.last().map_or(start.end, |r| r.offset + u64::from(r.head.len));
        let restamp = match &found.seal {
            Some(_) => last_restamp(file, len, behind, start.generation, found.records.len() as u32 + 1)?,
            None => None,
        };
        let init_hash = *blake3::hash(init).as_bytes();
        Ok(Some(Self { init_hash, slab_at: slab_at as u32, slab_len, chain: start.chain, restamp }))
    }
}

/// The restamp that counts, behind the seal at `at`.
pub(crate) fn last_restamp<R: ReadAt + ?Sized>(
    file: &R,
    len: u64,
    mut at: u64,
    generation: u64,
    mut sequence: u32,
) -> Result<Option<Restamp>, R::Error> {
    let mut found = None;
    while let Some(record) = scan::next_record(file, at, len, generation, sequence)? {
        match record.head.kind {
            Kind::Seal => {}
            Kind::Restamp if record.head.len <= MAX_RESTAMP => {
                let mut bytes = vec![0; record.head.len as usize];
                let n = file.read_at(at, &mut bytes)?;
                let is_whole = n == bytes.len() && record.head.fits(&bytes);
                let Some(restamp) = is_whole.then(|| postcard::from_bytes(&bytes[HEAD_LEN..]).ok()).flatten()
                else {
                    break;
                };
                found = Some(restamp);
            }
            _ => break,
        }
        at += u64::from(record.head.len);
        sequence += 1;
    }
    Ok(found)
}

/// The proof of a plan; heads and times are read when it is.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) statement: Vec<u8>,
    signed: [u8; SIGNED_LEN],
    /// Bytes of the whole box.
    pub(super) len: u32,
    /// Where each slab's head record stands in the slab, and where its bytes begin in the box.
    slabs: Vec<(u32, u32)>,
}

impl Proof {
    /// `None` when it would be too large for a box.
    pub(super) fn new(
        head: &[u8],
        origin_ticks: i64,
        sample_rate: u32,
        claims: Vec<SlabClaim>,
        slab_at: Vec<u32>,
        key: &dyn Sign,
    ) -> Option<Self> {
        let statement = Statement {
            version: VERSION,
            head_len: head.len() as u32,
            head_hash: *blake3::hash(head).as_bytes(),
            origin_ticks,
            sample_rate,
            slabs: claims,
        };
        let bytes = postcard::to_allocvec(&statement).expect("a statement is plain data");
        let mut signed = [0; SIGNED_LEN];
        signed[..32].copy_from_slice(&key.public());
        let signature = key.sign(&message(&bytes));
        let n = signature.len().min(64);
        signed[32..32 + n].copy_from_slice(&signature[..n]);
        let mut at = (FRONT_LEN + bytes.len() + SIGNED_LEN + TIMES_LEN) as u64;
        let mut slabs = Vec::with_capacity(slab_at.len());
        for (claim, slab_at) in statement.slabs.iter().zip(slab_at) {
            slabs.push((slab_at, u32::try_from(at).ok()?));
            at += u64::from(claim.slab_len) + u64::from(claim.heads) * HEAD_LEN as u64;
        }
        let len = u32::try_from(at + 4).ok()?;
        Some(Self { statement: bytes, signed, len, slabs })
    }
}

impl Plan {
    /// Bytes of the proof from `at` on.
    pub(super) fn read_proof<S: Slabs + ?Sized>(
        &self,
        proof: &Proof,
        slabs: &S,
        at: u64,
        max: usize,
    ) -> Result<Option<Bytes>, S::Error> {
        let Ok(at) = u32::try_from(at) else { return Ok(Some(Bytes::new())) };
        if at >= proof.len {
            return Ok(Some(Bytes::new()));
        }
        let cut = |bytes: &[u8], begin: u32| {
            let from = (at - begin) as usize;
            let to = from.saturating_add(max).min(bytes.len());
            Some(Bytes::copy_from_slice(&bytes[from..to]))
        };
        let times_at = (FRONT_LEN + proof.statement.len() + SIGNED_LEN) as u32;
        if at < times_at {
            let mut front = proof.len.to_be_bytes().to_vec();
            front.extend(b"uuid");
            front.extend(PROOF_UUID);
            front.extend((proof.statement.len() as u32).to_be_bytes());
            front.extend(&proof.statement);
            front.extend(proof.signed);
            return Ok(cut(&front, 0));
        }
        if at < times_at + TIMES_LEN as u32 {
            return Ok(cut(&self.early_times(slabs)?, times_at));
        }
        if at >= proof.len - 4 {
            return Ok(cut(&proof.len.to_be_bytes(), proof.len - 4));
        }
        let n = proof.slabs.partition_point(|s| s.1 <= at) - 1;
        let (run, (slab_at, begin)) = (&self.runs[n], proof.slabs[n]);
        let records = (run.rows.len() - 1) as u32;
        let end = proof.slabs.get(n + 1).map_or(proof.len - 4, |s| s.1);
        let heads_at = end - records * HEAD_LEN as u32;
        if at < heads_at {
            let mut record = vec![0; (heads_at - begin) as usize];
            let n = slabs.read_at(run.generation, u64::from(slab_at), &mut record)?;
            return Ok(if n < record.len() { None } else { cut(&record, begin) });
        }
        let first = (at - heads_at) as usize / HEAD_LEN;
        let count = max.div_ceil(HEAD_LEN).clamp(1, HEADS_A_READ) + 1;
        let mut heads = Vec::with_capacity(count * HEAD_LEN);
        for row in run.rows[..records as usize].iter().skip(first).take(count) {
            let mut head = [0; HEAD_LEN];
            if slabs.read_at(run.generation, u64::from(row.offset), &mut head)? < HEAD_LEN {
                return Ok(None);
            }
            heads.extend(head);
        }
        Ok(cut(&heads, heads_at + (first * HEAD_LEN) as u32))
    }

    /// Decode times of the first fragments as they stand in their slabs.
    fn early_times<S: Slabs + ?Sized>(&self, slabs: &S) -> Result<Vec<u8>, S::Error> {
        let mut all = Vec::with_capacity(TIMES_LEN);
        let in_file = |run: &Run, n: usize| run.rows[n].at < run.rows[n + 1].at;
        let fragments = self.runs.iter().flat_map(|run| {
            let rows = run.first as usize..run.end as usize;
            rows.filter(move |n| in_file(run, *n)).map(move |n| (run, n))
        });
        for (run, n) in fragments.take(EARLY) {
            let len = (run.record_len(n) - HEAD_LEN).min(MAX_MOOF);
            let mut bytes = vec![0; len];
            let slab = OneSlab(slabs, run.generation);
            let got = slab.read_at(u64::from(run.rows[n].offset) + HEAD_LEN as u64, &mut bytes)?;
            bytes.truncate(got);
            all.extend(times(&bytes).iter().flat_map(|t| t.to_be_bytes()));
        }
        all.resize(TIMES_LEN, 0);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_is_the_chains() {
        let hash = *blake3::hash(b"init").as_bytes();
        assert_eq!(first_link(&[3; 32], &hash), Chain::begin(&[3; 32], b"init"));
    }
}
