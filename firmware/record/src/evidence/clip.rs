//! An export → its [`Report`]: the statement's signature, every slab's chain and seal, every fragment turned back into
//! what was recorded and hashed.

use super::{CHUNK, Link, Report, Signed, What, Wrong, hash_of, moved_ticks, shift_of};
use crate::export::proof::{
    FRONT_LEN, PROOF_UUID, SIGNED_LEN, SlabClaim, Statement, TIMES_LEN, VERSION, first_link, message,
};
use crate::export::rewrite::{EARLY, MAX_MOOF, Rewrite};
use crate::layout::{HEAD_LEN, Kind, RecordHead, SlabHead};
use crate::scan::ReadAt;
use nightjar_media::walk;
use nightjar_types::Wall;

/// Longest statement, bytes: some ten thousand slabs.
const MAX_STATEMENT: u64 = 4 << 20;
/// Longest head record of a slab.
const MAX_SLAB: u32 = 1 << 20;
/// Heads read at a time.
const HEADS: usize = 512;

/// `None` when the file carries no proof.
pub(super) fn verify<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Option<Report>, R::Error> {
    let Some(found) = find(file, len)? else { return Ok(None) };
    let mut report = Report::new(What::Clip);
    report.export = found.signed;
    let Found { statement, .. } = &found;
    let mut buf = vec![0; CHUNK];
    let head = hash_of(file, &[], 0, u64::from(statement.head_len).min(len), &mut buf)?;
    let mut walk = Walk {
        at: u64::from(statement.head_len),
        end: found.proof_at,
        proof_at: found.heads_at,
        number: 0,
        sequence: 1,
        early: found.early,
        buf,
    };
    let mut is_consistent = true;
    for claim in &statement.slabs {
        if !walk.slab(file, statement, claim, &mut report)? {
            is_consistent = false;
            break;
        }
    }
    let (from, to) = report.span();
    if head != Some(statement.head_hash) {
        report.fault(from, to, Wrong::Index);
    }
    if matches!(found.signed, Signed::Falsely(_)) {
        report.fault(from, to, Wrong::Statement);
    }
    if !is_consistent || walk.proof_at != len - 4 {
        report.fault(from, to, Wrong::Proof);
    } else if walk.at != found.proof_at {
        report.fault(to, to, Wrong::Tail);
    }
    Ok(Some(report))
}

struct Found {
    statement: Statement,
    signed: Signed,
    early: [[u64; 2]; EARLY],
    /// Where the box begins, and where the first slab's bytes do.
    proof_at: u64,
    heads_at: u64,
}

/// The box at the end.
fn find<R: ReadAt + ?Sized>(file: &R, len: u64) -> Result<Option<Found>, R::Error> {
    let mut size = [0; 4];
    let Some(at) = len.checked_sub(4) else { return Ok(None) };
    if file.read_at(at, &mut size)? < 4 {
        return Ok(None);
    }
    let Some(proof_at) = len.checked_sub(u64::from(u32::from_be_bytes(size))) else { return Ok(None) };
    let mut front = [0; FRONT_LEN];
    if file.read_at(proof_at, &mut front)? < FRONT_LEN
        || front[..4] != size
        || front[4..8] != *b"uuid"
        || front[8..24] != PROOF_UUID
    {
        return Ok(None);
    }
    let statement_len = u64::from(walk::u32_at(&front, 24).unwrap_or_default());
    let rest = statement_len + (FRONT_LEN + SIGNED_LEN + TIMES_LEN + 4) as u64;
    if statement_len > MAX_STATEMENT || proof_at + rest > len {
        return Ok(None);
    }
    let mut bytes = vec![0; statement_len as usize + SIGNED_LEN + TIMES_LEN];
    if file.read_at(proof_at + FRONT_LEN as u64, &mut bytes)? < bytes.len() {
        return Ok(None);
    }
    let (text, bytes) = bytes.split_at(statement_len as usize);
    let Ok((statement, [])) = postcard::take_from_bytes::<Statement>(text) else { return Ok(None) };
    if statement.version != VERSION {
        return Ok(None);
    }
    let (signed, times) = bytes.split_at(SIGNED_LEN);
    let key = signed.first_chunk::<32>().expect("a key has 32 bytes");
    let signed = match signed {
        nothing if nothing.iter().all(|b| *b == 0) => Signed::No,
        _ => Signed::check(key, &message(text), &signed[32..]),
    };
    let mut early = [[0; 2]; EARLY];
    for (n, time) in early.iter_mut().flatten().enumerate() {
        *time = walk::u64_at(times, n * 8).unwrap_or_default();
    }
    Ok(Some(Found { statement, signed, early, proof_at, heads_at: proof_at + rest - 4 }))
}

struct Walk {
    /// Where the next fragment begins, and where the last ends.
    at: u64,
    end: u64,
    /// Where the next slab's bytes begin in the proof.
    proof_at: u64,
    /// Fragments so far, and the next running number.
    number: usize,
    sequence: u32,
    early: [[u64; 2]; EARLY],
    buf: Vec<u8>,
}

impl Walk {
    /// Checks one slab and its fragments. False when the proof can't be followed further.
    fn slab<R: ReadAt + ?Sized>(
        &mut self,
        file: &R,
        statement: &Statement,
        claim: &SlabClaim,
        report: &mut Report,
    ) -> Result<bool, R::Error> {
        if claim.slab_len > MAX_SLAB || claim.first > claim.end || claim.end > claim.heads {
            return Ok(false);
        }
        let mut record = vec![0; claim.slab_len as usize];
        if file.read_at(self.proof_at, &mut record)? < record.len() {
            return Ok(false);
        }
        self.proof_at += u64::from(claim.slab_len);
        let head = record.first_chunk().and_then(RecordHead::decode);
        let Some((bytes, head)) = record.first_chunk::<HEAD_LEN>().zip(head) else { return Ok(false) };
        let Ok(slab) = postcard::from_bytes::<SlabHead>(&record[HEAD_LEN..]) else { return Ok(false) };
        let is_slab = head.kind == Kind::Slab && head.generation == claim.generation && head.fits(&record);
        match &report.stream {
            None => report.stream = Some((slab.camera.clone(), slab.stream)),
            Some(known) if *known != (slab.camera.clone(), slab.stream) => return Ok(false),
            Some(_) => {}
        }

        let signed = claim
            .seal
            .as_ref()
            .map_or(Signed::No, |(key, s)| Signed::seal(claim.generation, &claim.chain, key, s));
        let (shift_us, is_restamped) = shift_of(claim.restamp.as_ref(), &claim.chain, signed);
        let shift = moved_ticks(&slab, shift_us).saturating_sub(statement.origin_ticks);
        let (video, audio) = (claim.description, claim.audio_description);
        let rewrite = Rewrite::new(self.sequence, shift, statement.sample_rate, video, audio);
        let mut chain = first_link(&slab.previous, &claim.init_hash);
        chain.add(bytes);
        let (mut span, mut is_whole) = (None::<(Wall, Wall)>, is_slab);
        let mut heads = vec![0; HEADS.min(claim.heads as usize) * HEAD_LEN];
        for first in (0..claim.heads).step_by(HEADS) {
            let count = (claim.heads - first).min(HEADS as u32);
            let heads = &mut heads[..count as usize * HEAD_LEN];
            if file.read_at(self.proof_at, heads)? < heads.len() {
                return Ok(false);
            }
            self.proof_at += heads.len() as u64;
            for (n, bytes) in (first..).zip(heads.as_chunks::<HEAD_LEN>().0) {
                chain.add(bytes);
                let head = RecordHead::decode(bytes)
                    .filter(|h| h.generation == claim.generation && h.sequence == n.wrapping_add(1));
                is_whole &= head.is_some();
                if !(claim.first..claim.end).contains(&n) {
                    continue;
                }
                let Some(head) = head else { return Ok(false) };
                if head.kind != Kind::Fragment {
                    continue;
                }
                let from = head.wall.plus_micros(shift_us);
                let to = head.end().plus_micros(shift_us);
                span = Some(span.map_or((from, to), |s| (s.0.min(from), s.1.max(to))));
                let sequence = self.sequence.wrapping_add(n - claim.first);
                if !self.is_as_recorded(file, &rewrite, sequence, &head)? {
                    report.fault(from, to, Wrong::Content);
                }
                self.at = self.at.saturating_add(u64::from(head.len) - HEAD_LEN as u64);
                self.number += 1;
                report.fragments += 1;
            }
        }
        self.sequence = self.sequence.wrapping_add(claim.end - claim.first);
        let (from, to) = span.unwrap_or((slab.begun.wall, slab.begun.wall));
        if !is_whole || chain.0 != claim.chain {
            report.fault(from, to, Wrong::Chain);
        }
        if matches!(signed, Signed::Falsely(_)) {
            report.fault(from, to, Wrong::Signature);
        }
        if !is_restamped {
            report.fault(from, to, Wrong::Restamp);
        }
        report.slabs.push(Link {
            generation: claim.generation,
            previous: slab.previous,
            chain: claim.chain,
            is_sealed: claim.seal.is_some(),
            signed,
            is_clock_sure: slab.begun.is_sure,
            replaces: slab.replaces,
            shift_us,
            from,
            to,
        });
        Ok(true)
    }

    /// The fragment at [`at`](Self::at), turned back, has the hash that its head tells.
    fn is_as_recorded<R: ReadAt + ?Sized>(
        &mut self,
        file: &R,
        rewrite: &Rewrite,
        sequence: u32,
        head: &RecordHead,
    ) -> Result<bool, R::Error> {
        let len = u64::from(head.len) - HEAD_LEN as u64;
        if self.at.saturating_add(len) > self.end {
            return Ok(false);
        }
        let mut moof = vec![0; (len as usize).min(MAX_MOOF)];
        if file.read_at(self.at, &mut moof)? < moof.len() {
            return Ok(false);
        }
        let early = self.early.get(self.number).copied();
        if rewrite.undo(&mut moof, sequence, head.sequence, early).is_none() {
            return Ok(false);
        }
        let rest = len - moof.len() as u64;
        let hash = hash_of(file, &moof, self.at + moof.len() as u64, rest, &mut self.buf)?;
        Ok(hash == Some(head.hash))
    }
}
