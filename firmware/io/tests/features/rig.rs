//! Cameras, a clock and a disk, all made up, around a storage that is driven by hand.

use crate::faults::{Faults, FaultyPlace};
use bytes::Bytes;
use nightjar_io::storage::check::{self, Report};
use nightjar_io::storage::disk::Folder;
use nightjar_io::storage::{
    CardSender, Library, Now, Options, Stepped, StorageError, StreamId, StreamPlan, Trigger,
};
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Kind, Scanned, retired};
use nightjar_types::config::Mode;
use nightjar_types::{
    AccessUnit, BBox, Event, EventId, Gap, GapCause, Media, Mono, Name, StreamKind, StreamParams, VideoCodec,
    VideoParams, Wall,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// 2026-11-21T04:00:00Z.
pub(crate) const START: i64 = 1_795_233_600_000_000;
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
pub(crate) const MIB: u64 = 1 << 20;
/// Ten pictures a second.
const FRAME_US: u64 = 100_000;
/// Pictures in a beat.
const BEAT: u64 = 7;
/// Begins every picture; behind it the moment since boot at which it was taken.
const MAGIC: [u8; 8] = *b"picture:";

/// Both clocks.
pub(crate) struct Clock {
    pub(crate) mono: AtomicU64,
    pub(crate) offset: AtomicI64,
    pub(crate) sure: AtomicBool,
}

impl Clock {
    pub(crate) fn now(&self) -> Now {
        let mono = self.mono.load(SeqCst);
        let wall = Wall(mono as i64 + self.offset.load(SeqCst));
        Now { mono: Mono(mono), wall, is_sure: self.sure.load(SeqCst) }
    }
}

/// One stream of a camera.
pub(crate) struct Camera {
    pub(crate) is_on: bool,
    /// Pictures from a key frame to the next.
    pub(crate) gop: i64,
    /// Bytes of a picture.
    pub(crate) size: usize,
    /// Pictures of this session.
    n: i64,
    /// Pictures that the storage did not take.
    pub(crate) refused: u64,
    sender: Option<CardSender>,
}

pub(crate) struct Rig {
    pub(crate) dir: PathBuf,
    /// Removes the folder at the end.
    _dir: tempfile::TempDir,
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) options: Options,
    pub(crate) cameras: Vec<Camera>,
    /// Beats are written out, as by the thread that does.
    pub(crate) writes_out: bool,
    /// What time it is, whatever the clock says: µs after time since boot. It stands in every picture.
    pub(crate) truth: i64,
    frames: u64,
    storage: Option<Stepped>,
}

pub(crate) fn main_of(camera: &str) -> StreamId {
    (Name::new(camera).unwrap(), StreamKind::Main)
}

pub(crate) fn sub_of(camera: &str) -> StreamId {
    (Name::new(camera).unwrap(), StreamKind::Sub)
}

pub(crate) fn with_mode(id: StreamId, mode: Mode, pre_s: u64, post_s: u64) -> StreamPlan {
    let (pre_roll, post_roll) = (Duration::from_secs(pre_s), Duration::from_secs(post_s));
    StreamPlan { mode, pre_roll, post_roll, ..StreamPlan::always(id) }
}

/// In memory where there is such a file system: nothing here depends on what is durable.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn params(kind: StreamKind) -> StreamParams {
    let (width, height) = if kind == StreamKind::Main { (1_920, 1_080) } else { (640, 360) };
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1f]);
    let rfc6381 = "avc1.64001f".into();
    StreamParams {
        video: VideoParams { codec: VideoCodec::H264, width, height, rfc6381, config },
        audio: None,
    }
}

impl Rig {
    /// A closed storage of `quota` bytes for these streams, with cameras that are on, of 20 kB a second.
    pub(crate) fn new(quota: u64, streams: Vec<StreamPlan>) -> Self {
        let temp = folder();
        let dir = temp.path().join("footage");
        let faults = Faults::new();
        let (mono, offset, sure) =
            (AtomicU64::new(60 * SECOND as u64), AtomicI64::new(0), AtomicBool::new(true));
        let clock = Arc::new(Clock { mono, offset, sure });
        clock.offset.store(START - 60 * SECOND, SeqCst);
        let cameras = streams.iter().map(|_| Camera {
            is_on: true,
            gop: 20,
            size: 2_000,
            n: 0,
            refused: 0,
            sender: None,
        });
        let cameras = cameras.collect();
        let mut options = Options::folder(&dir, quota, streams);
        options.place = Arc::new(FaultyPlace { folder: Folder(dir.clone()), faults: faults.clone() });
        let of_options = clock.clone();
        options.clock = Arc::new(move || of_options.now());
        options.boot = [1; 16];
        Self {
            dir,
            _dir: temp,
            clock,
            faults,
            options,
            cameras,
            writes_out: true,
            truth: 0,
            frames: 0,
            storage: None,
        }
    }

    pub(crate) fn opened(quota: u64, streams: Vec<StreamPlan>) -> Self {
        let mut rig = Self::new(quota, streams);
        rig.open().unwrap();
        rig
    }

    /// Opens the storage as it is on the disk.
    pub(crate) fn open(&mut self) -> Result<(), StorageError> {
        let storage = Stepped::open(self.options.clone())?;
        for (n, camera) in self.cameras.iter_mut().enumerate() {
            (camera.sender, camera.n) = (Some(storage.sender(n)), 0);
        }
        self.storage = Some(storage);
        Ok(())
    }

    /// The same, after the machine was started again: time since boot begins anew.
    pub(crate) fn reboot(&mut self, boot: u8, wall: Wall, is_sure: bool) {
        self.kill();
        self.options.boot = [boot; 16];
        self.clock.mono.store(20 * SECOND as u64, SeqCst);
        self.set_wall(wall, is_sure);
    }

    pub(crate) fn storage(&mut self) -> &mut Stepped {
        self.storage.as_mut().expect("is open")
    }

    pub(crate) fn library(&self) -> Library {
        self.storage.as_ref().expect("is open").library()
    }

    /// The recorder dies.
    pub(crate) fn kill(&mut self) {
        self.storage = None;
    }

    pub(crate) fn stop(&mut self) {
        self.storage.take().expect("is open").stop().unwrap();
    }

    /// Stops, and nothing is wrong with the card.
    pub(crate) fn close_clean(&mut self) {
        self.storage().check_invariants();
        self.stop();
        let report = self.check();
        assert_eq!(report.findings, [], "{report:#?}");
    }

    pub(crate) fn check(&self) -> Report {
        check::check(&self.dir, false).unwrap()
    }

    pub(crate) fn now(&self) -> Wall {
        self.clock.now().wall
    }

    /// The clock is set.
    pub(crate) fn set_wall(&mut self, wall: Wall, is_sure: bool) {
        let mono = self.clock.mono.load(SeqCst) as i64;
        self.clock.offset.store(wall.0 - mono, SeqCst);
        self.clock.sure.store(is_sure, SeqCst);
    }

    /// Time goes on by one picture; every seventh is a beat.
    pub(crate) fn frame(&mut self) {
        self.clock.mono.fetch_add(FRAME_US, SeqCst);
        let Now { mono, wall, .. } = self.clock.now();
        for (n, camera) in self.cameras.iter_mut().enumerate().filter(|(_, c)| c.is_on) {
            let Some(sender) = &mut camera.sender else { continue };
            if camera.n == 0 {
                sender.params(params(self.options.streams[n].id.1));
            }
            let is_key = camera.n % camera.gop == 0;
            let mut data = vec![camera.n as u8; camera.size.max(24)];
            data[..8].copy_from_slice(&MAGIC);
            data[8..16].copy_from_slice(&mono.0.to_be_bytes());
            data[16..24].copy_from_slice(&(mono.0 as i64 + self.truth).to_be_bytes());
            let dts = camera.n * (FRAME_US as i64) * 9 / 100;
            let (media, data) = (Media::Video, data.into());
            let is_taken = sender.unit(AccessUnit { media, is_key, dts, cts: 0, arrived: mono, wall, data });
            camera.refused += u64::from(!is_taken);
            camera.n += 1;
        }
        self.frames += 1;
        if self.frames.is_multiple_of(BEAT) {
            self.beat();
        }
    }

    pub(crate) fn beat(&mut self) {
        let writes_out = self.writes_out;
        let Some(storage) = &mut self.storage else { return };
        storage.beat();
        if writes_out {
            storage.write_out();
        }
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.frame();
        }
    }

    /// Runs until `is_done`, at most so long.
    pub(crate) fn run_until(&mut self, seconds: u64, mut is_done: impl FnMut(&Self) -> bool) {
        for _ in 0..seconds * 10 {
            if is_done(self) {
                return;
            }
            self.frame();
        }
        panic!("did not happen within {seconds} s");
    }

    /// Time goes by with nothing but beats, one a minute.
    pub(crate) fn idle(&mut self, minutes: u64) {
        for _ in 0..minutes {
            self.clock.mono.fetch_add(60_000_000, SeqCst);
            self.beat();
        }
    }

    /// The session of stream `n` ends; the camera is off then.
    pub(crate) fn end(&mut self, n: usize, cause: GapCause) {
        let camera = &mut self.cameras[n];
        camera.sender.as_mut().expect("is open").ended(cause);
        (camera.is_on, camera.n) = (false, 0);
    }

    pub(crate) fn trigger(&mut self, n: usize, what: Trigger) {
        let at = self.clock.now().mono;
        self.storage().events().trigger(n, what, at);
    }

    /// An event of stream `n`'s camera.
    pub(crate) fn event(&mut self, n: usize, start: Wall, end: Option<Wall>) -> Event {
        let event = Event {
            id: EventId { start, serial: 1 },
            camera: self.options.streams[n].id.0.clone(),
            label: "person".into(),
            score: 0.9,
            bbox: BBox { x: 0.1, y: 0.1, w: 0.2, h: 0.5 },
            track: 4,
            end,
            rules: Vec::new(),
            model: "00".into(),
            found: None,
        };
        let jpeg = Some(Bytes::from_static(b"\xff\xd8jpeg\xff\xd9"));
        self.storage().events().event(n, event.clone(), jpeg);
        event
    }

    /// Recorded spans, ms since [`START`].
    pub(crate) fn covered(&self, stream: &StreamId) -> Vec<(i64, i64)> {
        let spans = self.library().coverage(stream, Wall(0), Wall(i64::MAX));
        spans.into_iter().map(|(a, b)| ((a.0 - START) / 1_000, (b.0 - START) / 1_000)).collect()
    }

    /// Gaps that are over: ms since [`START`] and why.
    pub(crate) fn gaps(&self, stream: &StreamId) -> Vec<(i64, i64, GapCause)> {
        let all: Vec<Gap> = self.library().gaps(stream, Wall(0), Wall(i64::MAX));
        let ms = |w: Wall| (w.0 - START) / 1_000;
        all.into_iter().filter_map(|g| g.to.map(|to| (ms(g.from), ms(to), g.cause))).collect()
    }

    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        walk(&self.dir.join(below))
    }

    /// Bytes of all slabs and waiting slabs.
    pub(crate) fn bytes(&self) -> u64 {
        let is_slab = |p: &&PathBuf| p.extension().is_some_and(|e| e == "mp4" || e == "slab");
        walk(&self.dir).iter().filter(is_slab).map(|p| p.metadata().unwrap().len()).sum()
    }

    /// Every slab of a stream, read to its last byte, in time order.
    pub(crate) fn slabs(&self, stream: &StreamId) -> Vec<(PathBuf, Scanned, Vec<u8>)> {
        let mut files = self.files(&format!("{}/{}", stream.0, stream.1));
        files.retain(|p| !is_waiting(p));
        let mut all: Vec<_> = files
            .into_iter()
            .map(|path| {
                let bytes = std::fs::read(&path).unwrap();
                let found = scan::scan(&bytes[..], bytes.len() as u64, Depth::Full).unwrap().unwrap();
                (path, found, bytes)
            })
            .collect();
        all.sort_by_key(|(_, found, _)| found.records.first().map(|r| r.head.wall));
        all
    }

    /// Every fragment of a stream: when it is said to be, and when its pictures were taken, µs since boot.
    pub(crate) fn fragments(&self, stream: &StreamId) -> Vec<(Wall, Vec<u64>)> {
        let mut all = Vec::new();
        for (_, found, bytes) in self.slabs(stream) {
            for r in found.records.iter().filter(|r| r.head.kind == Kind::Fragment) {
                let record = &bytes[r.offset as usize..][..r.head.len as usize];
                all.push((r.head.wall, pictures(record)));
            }
        }
        all
    }

    /// When the pictures of a stream were taken, µs since boot, in the order of the slabs.
    pub(crate) fn pictures(&self, stream: &StreamId) -> Vec<u64> {
        self.fragments(stream).into_iter().flat_map(|f| f.1).collect()
    }
}

/// When the pictures in these bytes were taken.
pub(crate) fn pictures(bytes: &[u8]) -> Vec<u64> {
    let found = bytes.windows(16).filter(|w| w[..8] == MAGIC);
    found.map(|w| u64::from_be_bytes(w[8..].try_into().unwrap())).collect()
}

/// When the first picture in these bytes really was.
pub(crate) fn true_time(bytes: &[u8]) -> Option<Wall> {
    let picture = bytes.windows(24).find(|w| w[..8] == MAGIC)?;
    Some(Wall(i64::from_be_bytes(picture[16..].try_into().unwrap())))
}

/// No picture is missing from the first to the last, none is there twice.
pub(crate) fn is_seamless(pictures: &[u64]) -> bool {
    pictures.windows(2).all(|p| p[1] == p[0] + FRAME_US)
}

/// The slab's footage was deleted, or it held nothing yet.
pub(crate) fn is_waiting(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    path.extension().is_some_and(|e| e == "slab") || retired(&bytes[..], bytes.len() as u64) != Ok(None)
}

pub(crate) fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            all.extend(walk(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}
