use super::*;
use crate::layout::{Begun, Flags, SlabHead, Wear};
use crate::scan::{Depth, Scanned};
use crate::segmenter::{Fragment, Segmenter};
use crate::writer::{Sign, SlabWriter, restamp};
use nightjar_media::walk::Boxes;
use nightjar_types::{
    AccessUnit, AudioParams, Media, Mono, Name, StreamKind, StreamParams, VideoCodec, VideoParams,
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::collections::BTreeMap;

/// Bytes of a slab in these tests.
pub(crate) const LEN: u32 = 64 << 10;

/// A key of these tests.
pub(crate) struct TestKey(Ed25519KeyPair);

impl TestKey {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }
}

impl Sign for TestKey {
    fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// A card in memory.
pub(crate) struct Shelf {
    pub(crate) slabs: BTreeMap<u64, Vec<u8>>,
}

impl Slabs for Shelf {
    type Error = std::convert::Infallible;
    fn read_at(&self, generation: u64, offset: u64, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.slabs.get(&generation).map_or(Ok(0), |s| s[..].read_at(offset, buf))
    }
}

fn params(audio: bool) -> StreamParams {
    let config = bytes::Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config,
    };
    let sound = AudioParams {
        rfc6381: "mp4a.40.2".into(),
        sample_rate: 16_000,
        channels: 1,
        config: bytes::Bytes::from_static(&[0x14, 0x08]),
    };
    StreamParams { video, audio: audio.then_some(sound) }
}

/// Pictures of so many seconds, five a second, every fifth a key frame; sound that begins 0.1 s before the picture.
pub(crate) fn footage(seconds: std::ops::Range<i64>) -> impl Iterator<Item = AccessUnit> {
    let unit = |media, dts, wall: i64, is_key, len: usize| AccessUnit {
        media,
        is_key,
        dts,
        cts: 0,
        arrived: Mono(0),
        wall: Wall(wall),
        data: bytes::Bytes::from((0..len).map(|n| (n as i64 * 7 + wall / 1_000) as u8).collect::<Vec<u8>>()),
    };
    (seconds.start * 5..seconds.end * 5).flat_map(move |n| {
        let wall = n * 200_000;
        let video = unit(Media::Video, n * 18_000, wall, n % 5 == 0, if n % 5 == 0 { 600 } else { 90 });
        let audio = unit(Media::Audio, n * 3_200 - 1_600, wall, false, 40);
        [video, audio]
    })
}

fn put(disk: &mut [u8], at: u64, bytes: &[u8]) {
    disk[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
}

fn put_write(disk: &mut [u8], w: &crate::writer::Write) {
    put(disk, w.offset + 8, &w.body.concat());
    put(disk, w.offset, &w.commit);
}

impl Shelf {
    /// Records units into slabs that a key seals; the last one stays open.
    pub(crate) fn record(units: impl Iterator<Item = AccessUnit>) -> Self {
        let key = TestKey::new(1);
        let mut cutter = Segmenter::new(None);
        cutter.params(params(true));
        let mut slabs = BTreeMap::new();
        let mut open: Option<(SlabWriter, Vec<u8>)> = None;
        let mut previous = [0; 32];
        let mut last = None;
        let fragments = units.flat_map(|u| {
            let is_hole = last.replace(u.wall).is_some_and(|l| u.wall - l > 1_000_000);
            let ended = if is_hole { cutter.end_session() } else { None };
            [ended, cutter.unit(u)].into_iter().flatten()
        });
        for f in fragments.collect::<Vec<_>>() {
            if let Some((writer, mut disk)) = open.take_if(|(w, _)| w.must_cut_before(&f)) {
                let generation = writer.generation();
                previous = writer.chain();
                let (w, footer) = writer.seal(&key);
                put_write(&mut disk, &w);
                put(&mut disk, u64::from(LEN) - 16, &footer);
                slabs.insert(generation, disk);
            }
            let generation = slabs.len() as u64 + 1;
            let (writer, disk) = open.get_or_insert_with(|| begin(&f, generation, previous));
            let event = bytes::Bytes::from_static(b"somebody");
            if f.is_key
                && f.ticks % 900_000 == 0
                && let Some(w) = writer.event(f.wall(), event)
            {
                put_write(disk, &w);
            }
            put_write(disk, &writer.fragment(&f, Flags::default()).unwrap());
        }
        if let Some((writer, disk)) = open {
            slabs.insert(writer.generation(), disk);
        }
        Self { slabs }
    }

    pub(crate) fn scans(&self) -> Vec<Scanned> {
        let scan = |disk: &Vec<u8>| scan::scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap();
        self.slabs.values().map(scan).collect()
    }

    pub(crate) fn plan(&self, from: i64, to: i64, key: Option<&dyn Sign>) -> Option<Plan> {
        let mut planner = Planner::new(Wall(from), Wall(to));
        for (found, disk) in self.scans().iter().zip(self.slabs.values()) {
            let anchor = Anchor::read(&disk[..], u64::from(LEN), found).unwrap();
            planner.slab(found, anchor.as_ref());
        }
        planner.finish(&[(Wall(from + 1_500_000), "person 92 %".into())], key)
    }

    pub(crate) fn read_all(&self, plan: &Plan, max: usize) -> Vec<u8> {
        let (mut all, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            let bytes = plan.read(self, &mut cursor, all.len() as u64, max).unwrap().unwrap();
            if bytes.is_empty() {
                return all;
            }
            all.extend(bytes);
        }
    }

    pub(crate) fn restamp(&mut self, generation: u64, shift_us: i64) {
        let disk = self.slabs.get_mut(&generation).unwrap();
        let found = scan::scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap();
        let w = restamp(&found, LEN, shift_us, &TestKey::new(1)).unwrap();
        put_write(disk, &w);
    }
}

fn begin(f: &Fragment, generation: u64, previous: [u8; 32]) -> (SlabWriter, Vec<u8>) {
    let head = SlabHead {
        camera: Name::new("front").unwrap(),
        stream: StreamKind::Main,
        params: (*f.params).clone(),
        origin_ticks: f.ticks,
        begun: Begun { wall: f.wall(), ..Begun::default() },
        previous,
        wear: Wear::default(),
        replaces: Vec::new(),
    };
    let (writer, start) = SlabWriter::begin(head, generation, LEN);
    let mut disk = vec![0; LEN as usize];
    put(&mut disk, 0, &start);
    (writer, disk)
}

#[test]
fn is_one_file_over_slabs_and_the_same_in_any_pieces() {
    let shelf = Shelf::record(footage(0..200));
    assert!(shelf.slabs.len() > 3);
    let plan = shelf.plan(20_300_000, 180_100_000, Some(&TestKey::new(1))).unwrap();
    assert_eq!(plan.span(), (Wall(20_000_000), Wall(181_000_000)));
    let all = shelf.read_all(&plan, usize::MAX);
    assert_eq!(all.len() as u64, plan.len());
    for max in [1_000, 37] {
        assert!(shelf.read_all(&plan, max) == all, "in pieces of {max}");
    }
    let kinds: Vec<[u8; 4]> = Boxes::new(&all).map(|b| b.unwrap().kind).collect();
    assert_eq!(kinds[..3], [*b"ftyp", *b"moov", *b"sidx"]);
    assert_eq!(kinds.last(), Some(b"uuid"));
    let moofs = Boxes::new(&all).filter_map(Result::ok).filter(|b| b.kind == *b"moof").count();
    assert_eq!(kinds.len(), 4 + 2 * moofs);
    assert!(all.windows(4).any(|w| w == b"chpl"));
    assert_eq!(all[all.len() - 4..], plan.proof_len().to_be_bytes());
    let mut sequence = 0;
    for b in Boxes::new(&all).filter_map(Result::ok).filter(|b| b.kind == *b"moof") {
        let moof = fragment::read_moof(&all[b.at..]).unwrap();
        let next = nightjar_media::walk::u32_at(&all[b.at..], moof.sequence_at).unwrap();
        assert!(next > sequence);
        sequence = next;
    }
}

#[test]
fn the_index_leads_to_key_frames_and_covers_the_file() {
    let shelf = Shelf::record(footage(0..120));
    let plan = shelf.plan(0, 119_000_000, None).unwrap();
    let all = shelf.read_all(&plan, usize::MAX);
    let at = plan.init_len;
    let count = usize::from(u16::from_be_bytes(all[at + 38..at + 40].try_into().unwrap()));
    let mut begin = plan.head.len();
    for n in 0..count {
        assert_eq!(&all[begin + 4..begin + 8], b"moof", "reference {n}");
        let size = nightjar_media::walk::u32_at(&all, at + 40 + 12 * n).unwrap();
        begin += size as usize;
    }
    assert_eq!(begin, all.len());
    assert_eq!(count, plan.groups.len());
}

#[test]
fn a_day_of_short_groups_fits_one_index_and_little_memory() {
    // the tables of 24 h of four slabs an hour, five fragments and two key frames a second
    let shelf = Shelf::record(footage(0..4));
    let one = shelf.scans().remove(0);
    let record = |n: i64, hour: i64| {
        let mut r = one.records[0];
        r.offset = 1_000 + n as u64 * 50_000;
        r.head.kind = crate::Kind::Fragment;
        r.head.len = 50_000;
        r.head.flags = if n % 2 == 0 { Flags::KEY } else { Flags::default() };
        r.head.wall = Wall(hour * 900_000_000 + n * 200_000);
        r.head.duration_us = 200_000;
        r
    };
    let mut planner = Planner::new(Wall(0), Wall(i64::MAX));
    for quarter in 0..96 {
        let records = (0..4_500).map(|n| record(n, quarter)).collect();
        planner.slab(&Scanned { records, generation: quarter as u64 + 1, ..one.clone() }, None);
    }
    let plan = planner.finish(&[], None).unwrap();
    let fragments = 96 * 4_500;
    assert_eq!(plan.end, Wall(24 * 3_600_000_000), "nothing is cut off");
    assert_eq!(plan.groups.len(), fragments / 2);
    assert_eq!(plan.len() - plan.head.len() as u64, fragments as u64 * (50_000 - 96));
    let references = (plan.head.len() - plan.init_len - 40) / 12;
    assert!(references <= 65_535 && references > 50_000, "{references}");
    assert!(plan.footprint() / fragments < 32, "{} bytes a fragment", plan.footprint() / fragments);
}

#[test]
fn a_playlist_names_ranges_that_join_and_tells_holes() {
    let hole = |u: &AccessUnit| !(50..90).contains(&(u.wall.0 / 1_000_000));
    let shelf = Shelf::record(footage(0..150).filter(hole));
    let plan = shelf.plan(10_000_000, 140_000_000, None).unwrap();
    let text = plan.playlist("video.mp4", 4 * 90_000);
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY").count(), 1);
    assert_eq!(text.matches("#EXT-X-PROGRAM-DATE-TIME").count(), 2);
    assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:30.000Z"), "{text}");
    let all = shelf.read_all(&plan, usize::MAX);
    let mut next = plan.head.len();
    for line in text.lines().filter_map(|l| l.strip_prefix("#EXT-X-BYTERANGE:")) {
        let (len, at) = line.split_once('@').unwrap();
        assert_eq!(at.parse(), Ok(next));
        assert_eq!(&all[next + 4..next + 8], b"moof");
        next += len.parse::<usize>().unwrap();
    }
    assert_eq!(next, all.len());
}

#[test]
fn what_is_recycled_is_told_and_what_is_rotten_is_empty_space() {
    let mut shelf = Shelf::record(footage(0..100));
    let plan = shelf.plan(0, 100_000_000, None).unwrap();
    let whole = shelf.read_all(&plan, usize::MAX);
    let second = shelf.scans()[1].records[10];
    let disk = shelf.slabs.get_mut(&2).unwrap();
    disk[second.offset as usize..][..200].fill(0xaa);
    let rotten = shelf.read_all(&plan, usize::MAX);
    assert_eq!(rotten.len(), whole.len());
    let kinds: Vec<[u8; 4]> = Boxes::new(&rotten).map(|b| b.unwrap().kind).collect();
    assert_eq!(kinds.iter().filter(|k| *k == b"free").count(), 1);
    shelf.slabs.remove(&2);
    let middle = plan.runs[1].at;
    assert_eq!(plan.read(&shelf, &mut Cursor::default(), middle, 100).unwrap(), None);
}

#[test]
fn footage_that_ended_before_the_range_is_not_in_it() {
    let hole = |u: &AccessUnit| !(50..90).contains(&(u.wall.0 / 1_000_000));
    let shelf = Shelf::record(footage(0..150).filter(hole));
    let start = |from: i64, to: i64| shelf.plan(from, to, None).map(|p| p.span().0.0 / 1_000_000);
    assert_eq!(start(60_000_000, 100_000_000), Some(90));
    assert_eq!(start(49_500_000, 100_000_000), Some(49));
    assert_eq!(start(60_000_000, 80_000_000), None);
    assert_eq!(start(90_000_000, 91_000_000), Some(90));
    for second in 1..149 {
        let footage = (!(50..90).contains(&second)).then_some(second);
        assert_eq!(start(second * 1_000_000 + 500_000, second * 1_000_000 + 600_000), footage);
    }
}
