//! [`Fragment`] → bytes at an offset of one slab, so that the file plays after every single write.

use crate::footer::{FOOTER_LEN, Footer};
use crate::layout::{
    Chain, FREE_LEN, Flags, HEAD_LEN, Hash, Kind, RecordHead, Restamp, Seal, SealEntry, SlabHead,
};
use crate::scan::Scanned;
use crate::segmenter::{Fragment, ticks_of, wall_of};
use bytes::Bytes;
use nightjar_media::boxes::free_head;
use nightjar_media::{FragmentWriter, init};
use nightjar_types::{StreamParams, Wall};
use std::sync::Arc;

/// Time line of a slab may jump by this much before a new slab begins, 90 kHz ticks.
const MAX_JUMP_TICKS: i64 = 3_600 * 90_000;
/// A seal without its table: head, chain, key, signature, lengths.
const SEAL_LEN: u32 = HEAD_LEN as u32 + 32 + 32 + 64 + 16;
/// A row of the seal's table in postcard, at most.
const ENTRY_LEN: u32 = 20;
/// A [`Restamp`] record, at most.
const RESTAMP_LEN: u32 = HEAD_LEN as u32 + 10 + 65;
/// How often a sealed slab can be restamped.
const RESTAMPS: u32 = 4;

/// Two steps that a shell does in this order: `body` at `offset + 8`, then `commit` at `offset`.
/// Between them the old `free` box still hides the body.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Where the record begins.
    pub offset: u64,
    /// The eight bytes that make it count.
    pub commit: [u8; 8],
    /// All that follows them, and the next `free` box's head.
    pub body: Vec<Bytes>,
    /// First moment of the footage in it.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
    /// Bytes of video and audio in it.
    pub payload: usize,
}

impl Write {
    /// Bytes that reach the card.
    pub fn len(&self) -> usize {
        8 + self.body.iter().map(Bytes::len).sum::<usize>()
    }

    /// Never: a record has a head.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Puts the write that comes right behind into this one: both count at once.
    pub fn append(&mut self, next: Write) {
        self.body.pop(); // the free box's head stands behind the last record only
        self.body.push(Bytes::copy_from_slice(&next.commit));
        self.body.extend(next.body);
        (self.to, self.payload) = (next.to, self.payload + next.payload);
    }
}

/// Who signs a slab when it is full.
pub trait Sign {
    /// Ed25519 public key.
    fn public(&self) -> [u8; 32];
    /// Ed25519 signature.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// A recorder without a key: its slabs are chained, but nobody vouches for them.
#[derive(Debug, Clone, Copy)]
pub struct NoKey;

impl Sign for NoKey {
    fn public(&self) -> [u8; 32] {
        [0; 32]
    }
    fn sign(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// Writes one slab from its start, or goes on where a scan ended.
#[derive(Debug, Clone)]
pub struct SlabWriter {
    generation: u64,
    len: u32,
    at: u32,
    sequence: u32,
    origin_ticks: i64,
    end_ticks: i64,
    begun: Wall,
    params: Arc<StreamParams>,
    gop_bytes: u32,
    largest_gop: u32,
    chain: Chain,
    entries: Vec<SealEntry>,
}

impl SlabWriter {
    /// Begins a slab of `len` bytes. Returns the bytes for its start, which end with the `free` box's head.
    pub fn begin(head: SlabHead, generation: u64, len: u32) -> (Self, Vec<u8>) {
        let start = wall_of(head.origin_ticks);
        let mut bytes = init::segment(&[&head.params], start, None);
        let mut chain = Chain::begin(&head.previous, &bytes);
        let payload = postcard::to_allocvec(&head).expect("a slab head is plain data");
        let record = RecordHead {
            kind: Kind::Slab,
            flags: Flags::default(),
            generation,
            sequence: 0,
            len: (HEAD_LEN + payload.len()) as u32,
            wall: start,
            duration_us: 0,
            hash: [0; 32],
        };
        let record = record.hashed([&payload[..]].into_iter()).encode();
        chain.add(&record);
        bytes.extend(record);
        bytes.extend(payload);
        let at = bytes.len() as u32;
        bytes.extend(free_head(len.saturating_sub(at).max(FREE_LEN)));
        let origin_ticks = head.origin_ticks;
        let writer = Self {
            generation,
            len,
            at,
            sequence: 1,
            origin_ticks,
            end_ticks: origin_ticks,
            begun: head.begun.wall,
            params: Arc::new(head.params),
            gop_bytes: 0,
            largest_gop: 0,
            chain,
            entries: Vec::new(),
        };
        (writer, bytes)
    }

    /// Goes on behind the last good record of a slab of `len` bytes that is on the card and not sealed.
    pub fn resume(found: &Scanned, len: u32) -> Self {
        let last = found.records.last().map(|r| r.head.end());
        let mut writer = Self {
            generation: found.generation,
            len,
            at: found.end as u32,
            sequence: found.records.len() as u32 + 1,
            origin_ticks: found.slab.origin_ticks,
            end_ticks: last.map_or(found.slab.origin_ticks, ticks_of),
            begun: found.slab.begun.wall,
            params: Arc::new(found.slab.params.clone()),
            gop_bytes: 0,
            largest_gop: 0,
            chain: found.chain,
            entries: Vec::with_capacity(found.records.len()),
        };
        for r in &found.records {
            writer.count(&r.head);
        }
        writer
    }

    /// Bytes in use, the `free` box not counted.
    pub fn used(&self) -> u32 {
        self.at
    }

    /// The slab's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The chain so far.
    pub fn chain(&self) -> Hash {
        self.chain.0
    }

    /// The `free` box's head as it must stand at [`used`](Self::used).
    pub fn tail(&self) -> [u8; 8] {
        free_head(self.len - self.at)
    }

    /// Bytes for footage and events, when the seal, restamps and the footer have theirs.
    fn room(&self) -> u32 {
        let kept = SEAL_LEN + (self.entries.len() as u32 + 2) * ENTRY_LEN + RESTAMPS * RESTAMP_LEN;
        (self.len - self.at).saturating_sub(kept + FREE_LEN + FOOTER_LEN as u32)
    }

    /// This fragment must go into a new slab: other parameters, no room, a jump in time; or it begins a group of
    /// pictures that will probably not fit as a whole.
    pub fn must_cut_before(&self, f: &Fragment) -> bool {
        let jump = f.ticks - self.end_ticks;
        let gop = if f.is_key { self.largest_gop + self.largest_gop / 4 } else { 0 };
        *f.params != *self.params
            || !(-1..=MAX_JUMP_TICKS).contains(&jump)
            || upper_bound(f).max(gop) > self.room()
    }

    /// Appends a fragment with its marks. The caller asked [`must_cut_before`](Self::must_cut_before). `None` when it does
    /// not fit even so.
    pub fn fragment(&mut self, f: &Fragment, marks: Flags) -> Option<Write> {
        if upper_bound(f) > self.room() {
            return None;
        }
        let rate = self.params.audio.as_ref().map_or(1, |a| i64::from(a.sample_rate));
        let audio_base = (i128::from(f.audio_at.0 - self.origin_ticks) * i128::from(rate) / 90_000) as i64;
        let moof = FragmentWriter {
            sequence: self.sequence,
            video_time: (f.ticks - self.origin_ticks).max(0) as u64,
            video: &f.video,
            audio_time: (audio_base + f.audio_at.1).max(0) as u64,
            audio: &f.audio,
        }
        .write(Vec::with_capacity(1_024));
        self.end_ticks = f.ticks + i64::from(f.duration);
        let duration_us = (u64::from(f.duration) * 100 / 9) as u32;
        let data = std::iter::once(Bytes::from(moof)).chain(f.data.iter().cloned()).collect();
        let flags = if f.is_key { Flags::KEY.with(marks) } else { marks };
        Some(self.record(Kind::Fragment, flags, f.wall(), duration_us, data, f.payload()))
    }

    /// Appends an event's bytes. `None` when they would take the room that the rest of the group of pictures needs: then
    /// they belong into the next slab.
    pub fn event(&mut self, wall: Wall, bytes: Bytes) -> Option<Write> {
        let needs = (HEAD_LEN + bytes.len()) as u32;
        let reserved = (self.largest_gop + self.largest_gop / 4).saturating_sub(self.gop_bytes);
        (needs + reserved <= self.room())
            .then(|| self.record(Kind::Event, Flags::default(), wall, 0, vec![bytes], 0))
    }

    /// Ends the slab: its seal, and the footer for its last [`FOOTER_LEN`] bytes.
    pub fn seal(mut self, key: &dyn Sign) -> (Write, [u8; FOOTER_LEN]) {
        let chain = self.chain.0;
        let seal = Seal {
            entries: std::mem::take(&mut self.entries),
            chain,
            device: key.public(),
            signature: key.sign(&Seal::message(self.generation, &chain)),
        };
        let bytes = postcard::to_allocvec(&seal).expect("a seal is plain data");
        let footer = Footer { is_retired: false, seal_at: self.at, generation: self.generation };
        let end = wall_of(self.end_ticks);
        (self.record(Kind::Seal, Flags::default(), end, 0, vec![bytes.into()], 0), footer.encode())
    }

    fn record(
        &mut self,
        kind: Kind,
        flags: Flags,
        wall: Wall,
        duration_us: u32,
        data: Vec<Bytes>,
        payload: usize,
    ) -> Write {
        let len = (HEAD_LEN + data.iter().map(Bytes::len).sum::<usize>()) as u32;
        let (generation, sequence) = (self.generation, self.sequence);
        let head = RecordHead { kind, flags, generation, sequence, len, wall, duration_us, hash: [0; 32] };
        let head = head.hashed(data.iter().map(|d| &d[..]));
        let bytes = head.encode();
        let offset = u64::from(self.at);
        self.at += len;
        self.sequence += 1;
        self.chain.add(&bytes);
        self.count(&head);
        let mut body = Vec::with_capacity(data.len() + 2);
        body.push(Bytes::copy_from_slice(&bytes[8..]));
        body.extend(data);
        body.push(Bytes::copy_from_slice(&self.tail()));
        let commit = *bytes.first_chunk().expect("a head has 96 bytes");
        Write { offset, commit, body, from: wall, to: head.end(), payload }
    }

    fn count(&mut self, head: &RecordHead) {
        if head.kind == Kind::Fragment {
            self.gop_bytes = if head.is_key() { 0 } else { self.gop_bytes } + head.len;
            self.largest_gop = self.largest_gop.max(self.gop_bytes);
        }
        self.entries.push(SealEntry {
            is_event: head.kind == Kind::Event,
            flags: head.flags,
            len: head.len,
            after_us: head.wall - self.begun,
            duration_us: head.duration_us,
        });
    }
}

/// The record that moves all times of a sealed slab of `len` bytes by `shift_us`. `None` when it has no room for one more.
pub fn restamp(found: &Scanned, len: u32, shift_us: i64, key: &dyn Sign) -> Option<Write> {
    let seal = found.seal.as_ref()?;
    let at = u32::try_from(found.end).ok()?;
    if len.checked_sub(at)? < RESTAMP_LEN + FREE_LEN + FOOTER_LEN as u32 {
        return None;
    }
    let body = Restamp { shift_us, signature: key.sign(&Restamp::message(&seal.chain, shift_us)) };
    let payload = Bytes::from(postcard::to_allocvec(&body).expect("a restamp is plain data"));
    let head = RecordHead {
        kind: Kind::Restamp,
        flags: Flags::default(),
        generation: found.generation,
        sequence: found.next_sequence,
        len: (HEAD_LEN + payload.len()) as u32,
        wall: found.slab.begun.wall,
        duration_us: 0,
        hash: [0; 32],
    };
    let head = head.hashed([&payload[..]].into_iter());
    let bytes = head.encode();
    let free = Bytes::copy_from_slice(&free_head(len - at - head.len));
    Some(Write {
        offset: found.end,
        commit: *bytes.first_chunk().expect("a head has 96 bytes"),
        body: vec![Bytes::copy_from_slice(&bytes[8..]), payload, free],
        from: head.wall,
        to: head.wall,
        payload: 0,
    })
}

/// Bytes that a fragment needs at most.
fn upper_bound(f: &Fragment) -> u32 {
    let samples = (f.video.len() + f.audio.len()) * 12;
    (HEAD_LEN + 256 + samples + f.payload()) as u32
}
