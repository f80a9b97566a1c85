use super::*;
use crate::layout::{Begun, Flags, Wear};
use crate::segmenter::Segmenter;
use crate::writer::{NoKey, SlabWriter, restamp};
use bytes::Bytes;
use nightjar_types::{AccessUnit, Media, Mono, Name, StreamKind, StreamParams, VideoCodec, VideoParams};
use proptest::prelude::*;

const LEN: u32 = 64 << 10;

fn head(origin_ticks: i64) -> SlabHead {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config,
    };
    let params = StreamParams { video, audio: None };
    SlabHead {
        camera: Name::new("front").unwrap(),
        stream: StreamKind::Main,
        params,
        origin_ticks,
        begun: Begun::default(),
        previous: [9; 32],
        wear: Wear::default(),
        replaces: Vec::new(),
    }
}

/// Every write of a slab, in order: (offset, bytes).
type Writes = Vec<(u64, Vec<u8>)>;

fn writes(generation: u64, units: i64) -> (Writes, Vec<(Wall, Wall)>, SlabWriter) {
    let mut cutter = Segmenter::new(None);
    cutter.params(head(0).params);
    let (mut writer, start) = SlabWriter::begin(head(0), generation, LEN);
    let mut all = vec![(0, start)];
    let mut spans = Vec::new();
    for n in 0..units {
        let data = Bytes::from(vec![n as u8; 200 + n as usize]);
        let is_key = n % 25 == 0;
        let unit = AccessUnit {
            media: Media::Video,
            is_key,
            dts: n * 3_600,
            cts: 0,
            arrived: Mono(0),
            wall: Wall(n * 40_000),
            data,
        };
        let Some(f) = cutter.unit(unit) else { continue };
        assert!(!writer.must_cut_before(&f));
        let w = writer.fragment(&f, Flags::default()).unwrap();
        all.push((w.offset + 8, w.body.concat()));
        all.push((w.offset, w.commit.to_vec()));
        spans.push((w.from, w.to));
    }
    (all, spans, writer)
}

fn apply(disk: &mut [u8], writes: &[(u64, Vec<u8>)]) {
    for (at, bytes) in writes {
        disk[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
    }
}

/// Walks the file as a player does: every box must end where the next begins, up to the last byte.
fn assert_playable(disk: &[u8]) {
    for b in nightjar_media::walk::Boxes::new(disk) {
        let b = b.expect("a player can walk the file");
        assert!(
            [*b"ftyp", *b"moov", *b"uuid", *b"moof", *b"mdat", *b"free"].contains(&b.kind),
            "{:?}",
            b.kind
        );
    }
}

#[test]
fn plays_and_scans_after_every_single_write_over_old_footage() {
    let (old, ..) = writes(1, 100);
    let (new, spans, _) = writes(2, 120);
    let mut disk = vec![0; LEN as usize];
    apply(&mut disk, &old);
    for (n, write) in new.iter().enumerate() {
        apply(&mut disk, std::slice::from_ref(write));
        assert_playable(&disk);
        let found = scan(&disk[..], u64::from(LEN), Depth::Full).unwrap().unwrap();
        assert_eq!((found.generation, found.records.len()), (2, n / 2), "old footage must not come back");
        assert!(found.is_framed);
    }
    let found = scan(&disk[..], u64::from(LEN), Depth::Tail).unwrap().unwrap();
    let times: Vec<_> = found.records.iter().map(|r| (r.head.wall, r.head.end())).collect();
    assert_eq!(times, spans);
    assert_eq!(found.spans(1_000).len(), 1);
}

#[test]
fn a_torn_record_ends_the_scan_and_writing_goes_on_there() {
    let (all, ..) = writes(3, 100);
    let mut disk = vec![0; LEN as usize];
    apply(&mut disk, &all);
    let whole = scan(&disk[..], u64::from(LEN), Depth::Full).unwrap().unwrap();
    let last = whole.records.last().unwrap();
    disk[last.offset as usize + 100] ^= 1;
    let torn = scan(&disk[..], u64::from(LEN), Depth::Tail).unwrap().unwrap();
    assert_eq!(torn.records.len(), whole.records.len() - 1);
    assert!(!torn.is_framed);
    let writer = SlabWriter::resume(&torn, LEN);
    apply(&mut disk, &[(torn.end, writer.tail().to_vec())]);
    assert_playable(&disk);
    assert!(scan(&disk[..], u64::from(LEN), Depth::Full).unwrap().unwrap().is_framed);
}

fn sealed() -> (Vec<u8>, Scanned) {
    let (all, _, writer) = writes(5, 100);
    let mut disk = vec![0; LEN as usize];
    apply(&mut disk, &all);
    let open = scan(&disk[..], u64::from(LEN), Depth::Full).unwrap().unwrap();
    assert_eq!(open.chain.0, writer.chain(), "who reads the heads finds the writer's chain");
    let (seal, footer) = writer.seal(&NoKey);
    apply(&mut disk, &[(seal.offset + 8, seal.body.concat()), (seal.offset, seal.commit.to_vec())]);
    apply(&mut disk, &[(u64::from(LEN) - 16, footer.to_vec())]);
    (disk, open)
}

#[test]
fn a_sealed_slab_is_read_by_its_table_as_by_walking_it() {
    let (mut disk, open) = sealed();
    assert_playable(&disk);
    let by_table = scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap();
    let walked = scan(&disk[..], u64::from(LEN), Depth::Full).unwrap().unwrap();
    assert!(by_table.is_framed && by_table.seal.is_some());
    assert_eq!((by_table.end, by_table.chain, &by_table.seal), (walked.end, walked.chain, &walked.seal));
    let plain = |s: &Scanned| -> Vec<(u64, RecordHead)> {
        s.records.iter().map(|r| (r.offset, RecordHead { hash: [0; 32], ..r.head })).collect()
    };
    assert_eq!(plain(&by_table), plain(&walked));
    assert_eq!(walked.records, open.records);
    disk[LEN as usize - 3] ^= 1; // without its footer it is walked
    let found = scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap();
    assert_eq!(found.records, walked.records);
}

#[test]
fn a_restamped_slab_tells_the_right_time_and_the_last_restamp_counts() {
    let (mut disk, open) = sealed();
    for (n, shift) in [3_600_000_000, 7_200_000_000i64].into_iter().enumerate() {
        let before = scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap();
        let w = restamp(&before, LEN, shift, &NoKey).unwrap();
        apply(&mut disk, &[(w.offset + 8, w.body.concat())]);
        assert_playable(&disk);
        assert_eq!(scan(&disk[..], u64::from(LEN), Depth::Heads).unwrap().unwrap(), before, "not yet {n}");
        apply(&mut disk, &[(w.offset, w.commit.to_vec())]);
        assert_playable(&disk);
        for depth in [Depth::Heads, Depth::Full] {
            let found = scan(&disk[..], u64::from(LEN), depth).unwrap().unwrap();
            assert!(found.is_framed);
            assert_eq!(found.records[0].head.wall - open.records[0].head.wall, shift);
            assert_eq!(found.slab.origin_ticks - open.slab.origin_ticks, shift * 9 / 100);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(noise in proptest::collection::vec((0..LEN as usize, any::<u8>()), 0..64)) {
        let (all, ..) = writes(4, 60);
        let mut disk = vec![0; LEN as usize];
        apply(&mut disk, &all);
        for (at, byte) in noise { disk[at] = byte; }
        for depth in [Depth::Heads, Depth::Tail, Depth::Full] {
            let _ = scan(&disk[..], u64::from(LEN), depth).unwrap();
        }
    }
}
