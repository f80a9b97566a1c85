//! A folder and numbers → figures as JSON, for `cargo xtask bench`: a restart over a large index, an index made again from
//! slabs, memory while a ring goes round. Built with the release profile, since what it measures runs inside it.
//!
//!     ring_bench make DIR SLABS TAIL    full slabs of 64 MiB, sparse; the last records of each have TAIL bytes of pictures
//!     ring_bench rebuild DIR            their index, from the slabs alone
//!     ring_bench open DIR SLABS         a recorder's start and stop on them
//!     ring_bench memory DIR CAMERAS MINUTES MIB    recording by a virtual clock into a ring of MIB
#![allow(clippy::unwrap_used, reason = "a measurement: a panic is its verdict")]

use bytes::Bytes;
use nightjar_io::clock;
use nightjar_io::storage::{Now, Options, Stepped, Storage, StreamId, StreamPlan, check, disk};
use nightjar_media::Sample;
use nightjar_record::layout::{Begun, Hash, Wear};
use nightjar_record::scan::TAIL_RECORDS;
use nightjar_record::segmenter::{Fragment, ticks_of};
use nightjar_record::{Flags, NoKey, SlabHead, SlabWriter, Write, name};
use nightjar_types::{
    AccessUnit, Media, Mono, Name, StreamKind, StreamParams, VideoCodec, VideoParams, Wall,
};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// 2026-11-21T04:00:00Z, µs.
const START: i64 = 1_795_233_600_000_000;
/// Bytes of a slab of a 4 Mbit/s camera.
const SLAB: u32 = 64 << 20;
/// Fragments of a beat each that such a slab holds.
const FRAGMENTS: usize = 148;
/// A beat, µs.
const BEAT_US: i64 = 900_000;
/// Cameras that the slabs belong to.
const CAMERAS: usize = 24;
/// Pictures that are nothing but zeros: holes in a sparse file, and hashed like any other.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| words.get(n).and_then(|word| word.parse::<u64>().ok());
    let dir = words.get(1).map(Path::new);
    let done = match (words.first().map(String::as_str), dir, number(2), number(3), number(4)) {
        (Some("make"), Some(dir), Some(slabs), Some(tail), _) => make(dir, slabs as usize, tail as usize),
        (Some("rebuild"), Some(dir), ..) => rebuild(dir),
        (Some("open"), Some(dir), Some(slabs), ..) => open(dir, slabs),
        (Some("memory"), Some(dir), Some(cameras), Some(minutes), Some(mib)) => {
            memory(dir, cameras as usize, minutes, mib << 20)
        }
        _ => {
            eprintln!(
                "ring_bench make DIR SLABS TAIL | rebuild DIR | open DIR SLABS | memory DIR CAMERAS MINUTES MIB"
            );
            std::process::exit(2)
        }
    };
    println!("{done}");
}

fn stream(camera: usize) -> StreamId {
    (Name::new(format!("cam{:02}", camera + 1)).unwrap(), StreamKind::Main)
}

fn params() -> StreamParams {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x28]);
    let rfc6381 = "avc1.640028".into();
    let video = VideoParams { codec: VideoCodec::H264, width: 1920, height: 1080, rfc6381, config };
    StreamParams { video, audio: None }
}

/// A volume with full, sealed slabs and no index. What recovery does not read is not written.
fn make(dir: &Path, slabs: usize, tail: usize) -> serde_json::Value {
    assert!(tail <= ZEROS.len(), "TAIL is at most {}", ZEROS.len());
    std::fs::create_dir_all(dir.join(name::POOL_DIR)).unwrap();
    std::fs::write(dir.join(".nightjar/volume"), "nightjar volume 2\nid 62656e63686d6172\n").unwrap();
    let mut chains: Vec<Hash> = vec![[0; 32]; CAMERAS];
    for n in 0..slabs {
        let camera = n % CAMERAS;
        let length_us = FRAGMENTS as i64 * BEAT_US;
        let wall = Wall(START + (n / CAMERAS) as i64 * length_us + camera as i64 * 1_000);
        let id = stream(camera);
        let path = dir.join(name::slab_path(&id.0, id.1, wall, 0));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        file.set_len(u64::from(SLAB)).unwrap();
        chains[camera] = slab(&file, id, n as u64 + 1, wall, chains[camera], tail);
    }
    serde_json::json!({ "slabs": slabs })
}

/// Writes one slab; returns its chain.
fn slab(file: &File, id: StreamId, generation: u64, wall: Wall, previous: Hash, tail: usize) -> Hash {
    let params = Arc::new(params());
    let head = SlabHead {
        camera: id.0,
        stream: id.1,
        params: (*params).clone(),
        origin_ticks: ticks_of(wall),
        begun: Begun { boot: [7; 16], mono: Mono(0), wall, is_sure: true },
        previous,
        wear: Wear { written: generation * u64::from(SLAB), payload: generation * u64::from(SLAB) },
        replaces: Vec::new(),
    };
    let (mut writer, start) = SlabWriter::begin(head, generation, SLAB);
    file.write_all_at(&start, 0).unwrap();
    for n in 0..FRAGMENTS {
        let is_read = n + TAIL_RECORDS >= FRAGMENTS;
        let size = if is_read { tail } else { 64 };
        let duration = (BEAT_US * 9 / 100) as u32;
        let sample = Sample { duration, size: size as u32, cts: 0, is_key: true };
        let fragment = Fragment {
            params: params.clone(),
            ticks: ticks_of(wall) + n as i64 * i64::from(duration),
            duration,
            arrived: Mono(0),
            is_key: true,
            begins_clock: false,
            video: vec![sample],
            audio_at: (ticks_of(wall), 0),
            audio: Vec::new(),
            data: vec![Bytes::from_static(&ZEROS[..size])],
        };
        let write = writer.fragment(&fragment, Flags::default()).unwrap();
        if is_read {
            put(file, &write);
        }
    }
    let chain = writer.chain();
    let (seal, footer) = writer.seal(&NoKey);
    put(file, &seal);
    file.write_all_at(&footer, u64::from(SLAB) - footer.len() as u64).unwrap();
    chain
}

/// Writes a record, pictures left as holes.
fn put(file: &File, write: &Write) {
    file.write_all_at(&write.commit, write.offset).unwrap();
    let mut at = write.offset + 8;
    for part in &write.body {
        if part.len() < 4_096 {
            file.write_all_at(part, at).unwrap();
        }
        at += part.len() as u64;
    }
}

fn rebuild(dir: &Path) -> serde_json::Value {
    let before = read_bytes();
    let rebuilt = check::rebuild_index(&disk::Folder(dir.into())).unwrap();
    serde_json::json!({
        "slabs": rebuilt.slabs,
        "bytes": rebuilt.bytes,
        "seconds": rebuilt.took.as_secs_f64(),
        "read_bytes": read_bytes() - before,
    })
}

fn open(dir: &Path, slabs: u64) -> serde_json::Value {
    let streams = (0..CAMERAS).map(|camera| StreamPlan::always(stream(camera))).collect();
    let before = clock::mono();
    let storage = Storage::open(Options::folder(dir, slabs * u64::from(SLAB), streams)).unwrap();
    let seconds = clock::mono().since(before).as_secs_f64();
    let ids: Vec<StreamId> = (0..CAMERAS).map(stream).collect();
    let spans: usize =
        ids.iter().map(|id| storage.library().coverage(id, Wall(0), Wall(i64::MAX)).len()).sum();
    storage.stop().unwrap();
    serde_json::json!({ "seconds": seconds, "spans": spans, "rss_bytes": status("VmHWM:") })
}

/// Records cameras of 4 Mbit/s for so many minutes of a clock that is moved by hand; resident memory each minute.
fn memory(dir: &Path, cameras: usize, minutes: u64, quota: u64) -> serde_json::Value {
    const PICTURE_US: i64 = 40_000;
    let streams = (0..cameras).map(|camera| StreamPlan::always(stream(camera))).collect();
    let time = Arc::new(AtomicI64::new(0));
    let of_clock = time.clone();
    let now = move || {
        let us = of_clock.load(Relaxed);
        Now { mono: Mono(us as u64), wall: Wall(START + us), is_sure: true }
    };
    let options = Options { clock: Arc::new(now), boot: [7; 16], ..Options::folder(dir, quota, streams) };
    let mut storage = Stepped::open(options).unwrap();
    let mut senders: Vec<_> = (0..cameras).map(|camera| storage.sender(camera)).collect();
    senders.iter_mut().for_each(|sender| sender.params(params()));
    let (mut rss, mut refused, mut bytes, mut beat_at) = (Vec::new(), 0u64, 0u64, BEAT_US);
    for picture in 0..minutes as i64 * 60 * 1_000_000 / PICTURE_US {
        let us = picture * PICTURE_US;
        time.store(us, Relaxed);
        for (camera, sender) in senders.iter_mut().enumerate() {
            let is_key = (picture + camera as i64 * 2) % 50 == 0;
            let size = if is_key { 100_000 } else { 18_370 };
            bytes += size as u64;
            let taken = sender.unit(AccessUnit {
                media: Media::Video,
                is_key,
                dts: picture * 3_600,
                cts: 0,
                arrived: Mono(us as u64),
                wall: Wall(START + us),
                data: Bytes::from(vec![picture as u8; size]),
            });
            refused += u64::from(!taken);
        }
        if us >= beat_at {
            beat_at += BEAT_US;
            storage.beat();
            storage.write_out();
        }
        if (us + PICTURE_US) % 60_000_000 == 0 {
            rss.push(status("VmRSS:"));
        }
    }
    storage.check_invariants();
    let index = folder_bytes(&dir.join(".nightjar/index"));
    let peak = status("VmHWM:");
    serde_json::json!({
        "rss_bytes": rss, "peak_bytes": peak, "refused": refused, "bytes": bytes, "index_bytes": index,
        "rounds": bytes as f64 / quota as f64,
    })
}

/// Memory from `/proc/self/status`, bytes.
fn status(key: &str) -> u64 {
    field("/proc/self/status", key) * 1_024
}

/// Bytes that this process has read by calls, from the page cache or the disk.
fn read_bytes() -> u64 {
    field("/proc/self/io", "rchar:")
}

fn field(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
        data => data.map_or(0, |data| data.len()),
    };
    entries.map(of).sum()
}
