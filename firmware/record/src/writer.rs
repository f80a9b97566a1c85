//! [`Fragment`] → bytes at an offset of one slab, so that the file plays after every single write.

use crate::layout::{FREE_LEN, HEAD_LEN, Kind, RecordHead, SlabHead};
use crate::segmenter::{Fragment, wall_of};
use bytes::Bytes;
use nightjar_media::boxes::free_head;
use nightjar_media::{FragmentWriter, init};
use nightjar_types::{StreamParams, Wall};
use std::sync::Arc;

/// Time line of a slab may jump by this much before a new slab begins, 90 kHz ticks.
const MAX_JUMP_TICKS: i64 = 3_600 * 90_000;

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
    /// The record's head, for the index.
    pub head: RecordHead,
    /// Bytes of video and audio in it.
    pub payload: usize,
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
    params: Arc<StreamParams>,
    gop_bytes: u32,
    largest_gop: u32,
}

impl SlabWriter {
    /// Begins a slab of `len` bytes. Returns the bytes for its start, which end with the `free` box's head.
    pub fn begin(head: SlabHead, generation: u64, len: u32) -> (Self, Vec<u8>) {
        let start = wall_of(head.origin_ticks);
        let mut bytes = init::segment(&[&head.params], start, None);
        let payload = postcard::to_allocvec(&head).expect("a slab head is plain data");
        let record = RecordHead {
            kind: Kind::Slab,
            is_key: false,
            generation,
            sequence: 0,
            len: (HEAD_LEN + payload.len()) as u32,
            wall: start,
            duration_us: 0,
            crc: 0,
        };
        bytes.extend(record.encode([&payload[..]].into_iter()));
        bytes.extend(payload);
        let at = bytes.len() as u32;
        bytes.extend(free_head(len.saturating_sub(at).max(FREE_LEN)));
        let origin_ticks = head.origin_ticks;
        let params = Arc::new(head.params);
        let writer = Self {
            generation,
            len,
            at,
            sequence: 1,
            origin_ticks,
            end_ticks: origin_ticks,
            params,
            gop_bytes: 0,
            largest_gop: 0,
        };
        (writer, bytes)
    }

    /// Goes on behind the last good record of a slab that is on the card.
    pub fn resume(head: SlabHead, generation: u64, len: u32, at: u32, next_sequence: u32, end: Wall) -> Self {
        let end_ticks = crate::segmenter::ticks_of(end);
        let (origin_ticks, params) = (head.origin_ticks, Arc::new(head.params));
        Self {
            generation,
            len,
            at,
            sequence: next_sequence,
            origin_ticks,
            end_ticks,
            params,
            gop_bytes: 0,
            largest_gop: 0,
        }
    }

    /// Bytes in use, the `free` box not counted.
    pub fn used(&self) -> u32 {
        self.at
    }

    /// The slab's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The `free` box's head as it must stand at [`used`](Self::used).
    pub fn tail(&self) -> [u8; 8] {
        free_head(self.len - self.at)
    }

    /// This fragment must go into a new slab: other parameters, no room, a jump in time; or it begins a group of
    /// pictures that will probably not fit as a whole.
    pub fn must_cut_before(&self, f: &Fragment) -> bool {
        let jump = f.ticks - self.end_ticks;
        let room = self.len - self.at;
        let needs = upper_bound(f);
        let gop = if f.is_key { self.largest_gop + self.largest_gop / 4 } else { 0 };
        *f.params != *self.params || !(-1..=MAX_JUMP_TICKS).contains(&jump) || needs.max(gop) > room
    }

    /// Appends a fragment. The caller asked [`must_cut_before`](Self::must_cut_before). `None` when it does not fit even so.
    pub fn fragment(&mut self, f: &Fragment) -> Option<Write> {
        if upper_bound(f) > self.len - self.at {
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
        self.gop_bytes = if f.is_key { 0 } else { self.gop_bytes };
        let payload = f.payload();
        self.end_ticks = f.ticks + i64::from(f.duration);
        let duration_us = (u64::from(f.duration) * 100 / 9) as u32;
        let data = std::iter::once(Bytes::from(moof)).chain(f.data.iter().cloned()).collect();
        let write = self.record(Kind::Fragment, f.is_key, f.wall(), duration_us, data, payload);
        self.gop_bytes += write.head.len;
        self.largest_gop = self.largest_gop.max(self.gop_bytes);
        Some(write)
    }

    /// Appends an event's bytes. `None` when they would take the room that the rest of the group of pictures needs: then
    /// they belong into the next slab.
    pub fn event(&mut self, wall: Wall, bytes: Bytes) -> Option<Write> {
        let needs = (HEAD_LEN + bytes.len()) as u32 + FREE_LEN;
        let reserved = (self.largest_gop + self.largest_gop / 4).saturating_sub(self.gop_bytes);
        (needs + reserved <= self.len - self.at)
            .then(|| self.record(Kind::Event, false, wall, 0, vec![bytes], 0))
    }

    fn record(
        &mut self,
        kind: Kind,
        is_key: bool,
        wall: Wall,
        duration_us: u32,
        data: Vec<Bytes>,
        payload: usize,
    ) -> Write {
        let len = (HEAD_LEN + data.iter().map(Bytes::len).sum::<usize>()) as u32;
        let head = RecordHead {
            kind,
            is_key,
            generation: self.generation,
            sequence: self.sequence,
            len,
            wall,
            duration_us,
            crc: 0,
        };
        let bytes = head.encode(data.iter().map(|d| &d[..]));
        let offset = u64::from(self.at);
        self.at += len;
        self.sequence += 1;
        let mut body = Vec::with_capacity(data.len() + 2);
        body.push(Bytes::copy_from_slice(&bytes[8..]));
        body.extend(data);
        body.push(Bytes::copy_from_slice(&self.tail()));
        let head = RecordHead::decode(&bytes).expect("just encoded");
        Write { offset, commit: *bytes.first_chunk().expect("a head has 64 bytes"), body, head, payload }
    }
}

/// Bytes that a fragment needs at most, with the `free` head behind it.
fn upper_bound(f: &Fragment) -> u32 {
    let samples = (f.video.len() + f.audio.len()) * 12;
    (HEAD_LEN + 256 + samples + f.payload()) as u32 + FREE_LEN
}
