//! Choices → a slab as the recorder writes it, over leftovers of an older one, with power cuts; and what must come back.

use crate::draw::Draw;
use crate::nal;
use bytes::Bytes;
use nightjar_media::walk::Boxes;
use nightjar_record::layout::{Begun, Flags, Wear};
use nightjar_record::scan::{Depth, scan};
use nightjar_record::writer::{NoKey, restamp};
use nightjar_record::{Fragment, Scanned, Segmenter, SlabHead, SlabWriter, Write};
use nightjar_types::{AccessUnit, Media, Mono, Name, StreamKind, StreamParams, Wall};

/// Room that a slab has beside its head and what is recorded: its seal needs some.
const LEAST: usize = 1_500;

/// What must come back of a record.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) is_key: bool,
    pub(super) from: Wall,
    pub(super) to: Wall,
    /// The first picture of a fragment.
    pub(super) picture: Option<Vec<u8>>,
}

/// A slab and what is in it.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) file: Vec<u8>,
    /// Bytes before the first record.
    pub(super) start: u64,
    pub(super) kept: Vec<Kept>,
    /// Behind the last record.
    pub(super) end: u64,
    /// Behind the seal, or the last record: no byte before it can change unseen.
    pub(super) proven: u64,
    pub(super) is_sealed: bool,
    /// What restamping moved every time by.
    pub(super) shift_us: i64,
}

impl Card {
    /// Records into a new slab, perhaps after another one was recorded into the same place.
    pub(super) fn record(draw: &mut Draw<'_>) -> Self {
        let len = LEAST + 1_024 + draw.below(32 << 10);
        let mut card = Self {
            file: vec![0; len],
            start: 0,
            kept: Vec::new(),
            end: 0,
            proven: 0,
            is_sealed: false,
            shift_us: 0,
        };
        if draw.flag() {
            card.fill(draw, 1);
            card = Self { kept: Vec::new(), is_sealed: false, shift_us: 0, ..card };
        }
        card.fill(draw, 2);
        card
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.file[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn len(&self) -> u32 {
        self.file.len() as u32
    }

    fn apply(&mut self, write: &Write) {
        self.put(write.offset + 8, &write.body.concat());
        self.put(write.offset, &write.commit);
    }

    fn fill(&mut self, draw: &mut Draw<'_>, generation: u64) {
        let params = nal::params(draw);
        let start = Wall(super::NOW).plus_micros(draw.u32().into());
        let mut camera = Camera::new(&params, start);
        let head = SlabHead {
            camera: Name::new("front").expect("a name"),
            stream: if draw.flag() { StreamKind::Sub } else { StreamKind::Main },
            params,
            origin_ticks: nightjar_record::segmenter::ticks_of(start),
            begun: Begun {
                wall: start,
                mono: Mono(draw.u32().into()),
                is_sure: draw.flag(),
                ..Begun::default()
            },
            previous: [draw.u8(); 32],
            wear: Wear { written: draw.u32().into(), payload: draw.u32().into() },
            replaces: (0..draw.u8() % 4).map(u64::from).collect(),
        };
        let (_, first) = SlabWriter::begin(head.clone(), generation, self.len());
        if self.file.len() < first.len() + LEAST {
            self.file.resize(first.len() + LEAST, 0);
        }
        let (mut writer, first) = SlabWriter::begin(head, generation, self.len());
        self.put(0, &first);
        self.start = writer.used().into();
        self.end = self.start;
        for _ in 0..draw.u8() {
            match draw.u8() % 32 {
                1 => {
                    let size = draw.below(600);
                    let bytes = Bytes::from(vec![draw.u8(); size]);
                    if let Some(write) = writer.event(camera.wall, bytes) {
                        self.keep(&writer, &write, None);
                    }
                }
                2 => {
                    // The recorder was killed: it goes on where a scan ends.
                    let found = scan(&self.file[..], self.file.len() as u64, Depth::Tail);
                    let found = found.unwrap_or_else(|never| match never {}).expect("its head was written");
                    let again = SlabWriter::resume(&found, self.len());
                    assert_eq!((again.used(), again.chain()), (writer.used(), writer.chain()));
                    writer = again;
                }
                op => {
                    let Some(fragment) = camera.step(op, draw) else { continue };
                    if !self.append(&mut writer, &fragment, draw) {
                        break;
                    }
                }
            }
        }
        if let Some(last) = camera.segmenter.end_session() {
            self.append(&mut writer, &last, draw);
        }
        self.proven = self.end;
        if draw.flag() {
            self.seal(writer, draw);
        }
    }

    /// Writes a fragment if it belongs into this slab. Gives whether more may follow.
    fn append(&mut self, writer: &mut SlabWriter, fragment: &Fragment, draw: &mut Draw<'_>) -> bool {
        if writer.must_cut_before(fragment) {
            return false;
        }
        let marks = if draw.flag() { Flags::MOTION } else { Flags::default() };
        let before = writer.clone();
        let write = writer.fragment(fragment, marks).expect("the writer did not ask for a new slab");
        if draw.u8() == 1 {
            self.tear(&write, draw);
            *writer = before;
            return false;
        }
        let first = fragment.video.first().map_or(0, |sample| sample.size as usize);
        let picture = fragment.data.concat()[..first].to_vec();
        self.keep(writer, &write, Some((picture, fragment.is_key)));
        true
    }

    /// The plug is pulled before the record counts: what is on the card plays and scans as before.
    fn tear(&mut self, write: &Write, draw: &mut Draw<'_>) {
        let body = write.body.concat();
        let reached = draw.below(body.len() + 1);
        self.put(write.offset + 8, &body[..reached]);
        self.check_playable();
    }

    fn keep(&mut self, writer: &SlabWriter, write: &Write, picture: Option<(Vec<u8>, bool)>) {
        self.apply(write);
        self.end = writer.used().into();
        let len = (self.end - write.offset) as u32;
        let (picture, is_key) = picture.map_or((None, false), |(picture, is_key)| (Some(picture), is_key));
        self.kept.push(Kept { offset: write.offset, len, is_key, from: write.from, to: write.to, picture });
    }

    fn seal(&mut self, writer: SlabWriter, draw: &mut Draw<'_>) {
        let (write, footer) = writer.seal(&NoKey);
        self.apply(&write);
        if draw.u8() != 1 {
            self.put((self.file.len() - footer.len()) as u64, &footer);
        }
        self.is_sealed = true;
        self.end = write.offset + write.len() as u64 - 8;
        self.proven = self.end;
        for _ in 0..draw.u8() % 3 {
            let found = scan(&self.file[..], self.file.len() as u64, Depth::Full);
            let found = found.unwrap_or_else(|never| match never {}).expect("its head was written");
            let shift = draw.i64() >> 12;
            let Some(write) = restamp(&found, self.len(), shift, &NoKey) else { break };
            self.apply(&write);
            self.shift_us = shift;
            self.end = write.offset + write.len() as u64 - 8;
        }
    }

    /// A player walks the file from box to box, up to its last byte.
    pub(super) fn check_playable(&self) {
        for found in Boxes::new(&self.file) {
            let kind = found.expect("a player can walk the file").kind;
            assert!([b"ftyp", b"moov", b"uuid", b"moof", b"mdat", b"free"].contains(&&kind), "{kind:?}");
        }
    }

    /// Up to five faults. Gives the first byte that may be another than before; the file keeps its length.
    pub(super) fn damage(&mut self, draw: &mut Draw<'_>) -> u64 {
        let mut first = self.file.len();
        for _ in 0..=draw.below(4) {
            let at = draw.below(self.file.len());
            let until = (at + 1 + draw.below(600)).min(self.file.len());
            first = first.min(at);
            match draw.u8() % 5 {
                0 => self.file[at] ^= 1 << (draw.u8() % 8),
                1 => self.file[at..until].fill(0),
                2 => {
                    let from = draw.below(self.file.len() - (until - at) + 1);
                    self.file.copy_within(from..from + (until - at), at);
                }
                3 => {
                    let bytes = draw.take(until - at);
                    self.put(at as u64, bytes);
                }
                _ => self.file[at..].fill(0xff),
            }
        }
        first as u64
    }

    /// Goes on behind what `found` has, as after a restart. Gives the sequence of the record that would come next.
    pub(super) fn write_on(&mut self, found: &Scanned, draw: &mut Draw<'_>) -> u32 {
        let mut writer = SlabWriter::resume(found, self.len());
        self.put(found.end, &writer.tail());
        let mut sequence = found.next_sequence;
        for _ in 0..=draw.u8() % 3 {
            if let Some(write) = writer.event(Wall(super::NOW), Bytes::from(vec![draw.u8(); draw.below(200)]))
            {
                self.apply(&write);
                sequence += 1;
            }
        }
        sequence
    }
}

/// A camera's stream as it comes in.
#[derive(Debug)]
struct Camera {
    segmenter: Segmenter,
    params: StreamParams,
    dts: i64,
    audio_dts: i64,
    wall: Wall,
}

impl Camera {
    fn new(params: &StreamParams, wall: Wall) -> Self {
        let mut segmenter = Segmenter::new(None);
        segmenter.params(params.clone());
        Self { segmenter, params: params.clone(), dts: 0, audio_dts: 0, wall }
    }

    fn step(&mut self, op: u8, draw: &mut Draw<'_>) -> Option<Fragment> {
        match op {
            3 => self.segmenter.beat(),
            4 => self.segmenter.end_session(),
            5 => {
                let shift = i64::from(draw.u32() as i32);
                self.wall = self.wall.plus_micros(shift);
                self.segmenter.clock_set(shift);
                None
            }
            6..=9 if self.params.audio.is_some() => {
                let rate = self.params.audio.as_ref().map_or(0, |audio| audio.sample_rate);
                let picture = (i128::from(self.dts) * i128::from(rate) / 90_000) as i64;
                let step = if op == 6 { draw.u16().into() } else { 1_024 };
                // Sound does not fall behind: the proof of an export has room for 16 fragments whose sound does.
                self.audio_dts = (self.audio_dts + step).max(picture);
                self.unit(Media::Audio, self.audio_dts, 0, draw)
            }
            _ => {
                let step = match op {
                    10 => 0,
                    11 => draw.u16().into(),
                    12 => draw.u32().into(),
                    _ => 3_600,
                };
                self.dts += step;
                self.wall = self.wall.plus_micros(step * 100 / 9);
                let cts = if op == 13 { draw.u16() as i16 } else { 0 };
                let drift = if op == 14 { draw.u32() as i32 } else { 0 };
                self.wall = self.wall.plus_micros(drift.into());
                self.unit(Media::Video, self.dts, cts.into(), draw)
            }
        }
    }

    /// One choice makes the size, and whether a picture is a key frame.
    fn unit(&mut self, media: Media, dts: i64, cts: i32, draw: &mut Draw<'_>) -> Option<Fragment> {
        let choice = draw.u8();
        let data = Bytes::from(vec![choice; 1 + usize::from(choice)]);
        let is_key = media == Media::Audio || choice.is_multiple_of(4);
        self.segmenter.unit(AccessUnit { media, is_key, dts, cts, arrived: Mono(0), wall: self.wall, data })
    }
}
