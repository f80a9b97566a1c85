//! A seed → a recorder's life: cameras that come and go, a clock that lies, a disk that fails, and the plug that is pulled.

#[path = "world_steps.rs"]
mod steps;

use super::check::{self, Asked};
use super::disk::{Died, Fault, Sim};
use super::frame::{self, Id};
use super::rng::Rng;
use bytes::Bytes;
use nightjar_io::storage::{CardSender, Now, Options, Stepped, StreamId, StreamPlan};
use nightjar_record::{Hold, Trigger};
use nightjar_types::config::Mode;
use nightjar_types::{
    AccessUnit, AudioParams, BBox, Event, EventId, GapCause, Media, Mono, Name, StreamKind, StreamParams,
    VideoCodec, VideoParams, Wall,
};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-11-21T04:00:00Z.
const START: i64 = 1_795_233_600_000_000;
const SECOND: i64 = 1_000_000;
const FRAME_US: i64 = 200_000;
const AUDIO_RATE: i64 = 8_000;
const AUDIO_US: i64 = 128_000;
const TICK_US: i64 = 150_000;
const BEAT_TICKS: u64 = 5;
/// What a power cut may cost: what came since the last beat that was written out, and the newest picture.
const LOSS_US: i64 = 2 * BEAT_TICKS as i64 * TICK_US + FRAME_US;

/// A unit as it was fed.
#[derive(Debug, Clone, Copy)]
pub struct Fed {
    /// When it really was.
    pub truth: Wall,
    /// The boot at which it was fed, counted.
    pub boot: u32,
}

/// What happened in a run.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub calls: u64,
    pub struck: BTreeMap<&'static str, u64>,
    pub faults: BTreeMap<&'static str, u64>,
    pub frames: u64,
    pub slabs: u64,
    pub checks: u64,
    /// The most that a power cut cost a continuous stream while the disk was well.
    pub longest_loss_ms: i64,
    pub violations: Vec<String>,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: Tally) {
        self.calls += other.calls;
        self.frames += other.frames;
        self.slabs += other.slabs;
        self.checks += other.checks;
        self.longest_loss_ms = self.longest_loss_ms.max(other.longest_loss_ms);
        other.struck.into_iter().for_each(|(k, n)| *self.struck.entry(k).or_default() += n);
        other.faults.into_iter().for_each(|(k, n)| *self.faults.entry(k).or_default() += n);
        self.violations.extend(other.violations);
    }
}

struct Camera {
    id: StreamId,
    n: usize,
    audio: bool,
    version: u8,
    /// Mono of the session's first frame.
    session: Option<i64>,
    due: i64,
    audio_due: i64,
    frames: u32,
    sounds: u32,
    gop: u32,
    away_until: i64,
    sender: Option<CardSender>,
    /// The newest frame that was taken, with nothing left out since the session began.
    newest: Option<u32>,
    is_continuous: bool,
    is_dropping: bool,
}

struct World {
    seed: u64,
    rng: Rng,
    sim: Arc<Sim>,
    home: PathBuf,
    clock: Arc<Mutex<Now>>,
    /// True time, µs since 1970.
    truth: i64,
    /// True time of boot, and what the clock is off.
    booted: i64,
    off: i64,
    is_sure: bool,
    boot: [u8; 16],
    boots: u32,
    cameras: Vec<Camera>,
    plans: Vec<StreamPlan>,
    fed: Vec<Vec<Fed>>,
    quota: u64,
    asked: Asked,
    ticks: u64,
    /// As a write-out left it, and how many there were.
    good_index: Option<(PathBuf, u64)>,
    old_index: Option<PathBuf>,
    tally: Tally,
    events: u16,
    crash_at: u64,
    step_at: Option<i64>,
    is_slow_until: u64,
    /// Nothing is expected at once before this tick: a fault or the clock is being dealt with.
    calm_from: u64,
    last: Vec<&'static str>,
    held: Vec<Id>,
    /// The newest frame of each camera that came in before a power cut.
    cut: Option<Vec<Option<u32>>>,
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { drop(std::fs::copy(from, to)) }
    }
}

fn params(version: u8, audio: bool) -> StreamParams {
    let config = Bytes::copy_from_slice(&[1, 0x64, 0, 0x1f, version]);
    let video = VideoParams {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        rfc6381: "avc1.64001f".into(),
        config,
    };
    let audio = audio.then(|| AudioParams {
        sample_rate: AUDIO_RATE as u32,
        channels: 1,
        rfc6381: "mp4a.40.2".into(),
        config: Bytes::from_static(&[0x15, 0x88]),
    });
    StreamParams { video, audio }
}

/// One life. The directory is the run's own.
pub fn run(seed: u64, home: &Path) -> Tally {
    let mut world = World::new(seed, home);
    let lives = world.rng.within(2, 6);
    for life in 0..lives {
        world.life(life, life + 1 == lives);
        if !world.tally.violations.is_empty() {
            break;
        }
    }
    let s = world.sim.state();
    world.tally.calls = s.calls;
    world.tally.slabs = s.retired.len() as u64;
    drop(s);
    world.tally.frames = world.fed.iter().map(|f| f.len() as u64).sum();
    world.tally
}

impl World {
    fn new(seed: u64, home: &Path) -> Self {
        let mut rng = Rng::new(seed);
        let name = |n: &str| Name::new(n).unwrap();
        let ids = [
            (name("front"), StreamKind::Main),
            (name("front"), StreamKind::Sub),
            (name("yard"), StreamKind::Main),
            (name("gate"), StreamKind::Main),
        ];
        let mut plans: Vec<StreamPlan> = ids.iter().cloned().map(StreamPlan::always).collect();
        plans[3].mode = *rng.pick(&[Mode::Continuous, Mode::Motion, Mode::Event]);
        plans[3].pre_roll = Duration::from_secs(3);
        plans[3].post_roll = Duration::from_secs(4);
        let quota = *rng.pick(&[32u64, 33, 40, 64]) << 20;
        let cameras = ids.iter().enumerate().map(|(n, id)| Camera {
            id: id.clone(),
            n,
            audio: n == 2,
            version: 0,
            session: None,
            due: 0,
            audio_due: 0,
            frames: 0,
            sounds: 0,
            gop: 0,
            away_until: 0,
            sender: None,
            newest: None,
            is_continuous: plans[n].mode == Mode::Continuous,
            is_dropping: false,
        });
        let truth = START + rng.below(86_400) as i64 * SECOND;
        let now = Now { mono: Mono(0), wall: Wall(truth), is_sure: true };
        Self {
            seed,
            sim: Sim::new(seed, quota + (8 << 20), &home.join("disk")),
            home: home.into(),
            clock: Arc::new(Mutex::new(now)),
            truth,
            booted: truth,
            off: 0,
            is_sure: true,
            boot: [1; 16],
            boots: 0,
            cameras: cameras.collect(),
            fed: vec![Vec::new(); plans.len()],
            plans,
            quota,
            asked: Asked {
                is_clock_right: true,
                is_disk_right: true,
                are_slabs_right: true,
                ..Asked::default()
            },
            ticks: 0,
            good_index: None,
            old_index: None,
            tally: Tally::default(),
            events: 0,
            crash_at: 0,
            step_at: None,
            is_slow_until: 0,
            calm_from: 0,
            last: Vec::new(),
            held: Vec::new(),
            cut: None,
            rng,
        }
    }

    fn told(&mut self, what: &'static str) {
        *self.tally.faults.entry(what).or_default() += 1;
        self.last.push(what);
        super::log::say(|| format!("== {what} at {} (clock off {} s)", Wall(self.truth), self.off / SECOND));
    }

    fn mono(&self) -> i64 {
        self.truth - self.booted + 5 * SECOND
    }

    fn wall(&self) -> Wall {
        Wall(self.truth + self.off)
    }

    fn set_clock(&self) {
        let now = Now { mono: Mono(self.mono() as u64), wall: self.wall(), is_sure: self.is_sure };
        *self.clock.lock().unwrap() = now;
    }

    /// The machine starts anew.
    fn boot(&mut self) {
        self.truth += self.rng.within(3, 600) as i64 * SECOND;
        self.booted = self.truth;
        self.boots += 1;
        self.boot = (u128::from(self.rng.next()) << 64 | 1).to_be_bytes();
        (self.off, self.is_sure, self.step_at) = (0, true, None);
        match self.rng.below(10) {
            0..=5 => {}
            6 | 7 => {
                self.off = -self.truth + self.rng.below(100) as i64 * SECOND;
                self.wrong_clock("1970");
            }
            8 => {
                self.off = 3 * 3_600 * SECOND;
                self.wrong_clock("3 h ahead");
            }
            _ => self.is_sure = false,
        }
    }

    fn wrong_clock(&mut self, what: &'static str) {
        self.is_sure = false;
        self.asked.is_clock_right = false;
        self.asked.lying_boots.insert(self.boots);
        self.step_at = Some(self.truth + self.rng.within(4, 60) as i64 * SECOND);
        self.told(what);
    }

    fn options(&self) -> Options {
        let clock = self.clock.clone();
        Options {
            place: self.sim.place(),
            known: Some(self.home.join("known")),
            memory: 1 << 20,
            boot: self.boot,
            clock: Arc::new(move || *clock.lock().unwrap()),
            ..Options::folder(Path::new("/sim"), self.quota, self.plans.clone())
        }
    }

    /// From power on to the end of the process.
    fn life(&mut self, life: u64, is_last: bool) {
        if life > 0 && self.rng.chance(75) {
            self.boot();
        }
        self.set_clock();
        let mut stepped = loop {
            if self.rng.chance(20) {
                let calls = self.rng.within(1, 120);
                let fault = *self.rng.pick(&[Fault::Die, Fault::Die, Fault::Die, Fault::Eio { calls: 1 }]);
                self.sim.state().plan(calls, fault);
            }
            match self.open() {
                Some(stepped) => break stepped,
                None if !self.tally.violations.is_empty() => return,
                None => self.dead(None),
            }
        };
        self.sim.state().calm();
        // a disk that failed for a moment is looked for again
        for _ in 0..10 {
            if stepped.library().status().state == "ok" {
                break;
            }
            self.truth += SECOND;
            self.set_clock();
            stepped.beat();
            stepped.write_out();
        }
        self.check(&stepped);
        if !self.tally.violations.is_empty() {
            return;
        }
        for c in &mut self.cameras {
            c.sender = Some(stepped.sender(c.n));
            (c.session, c.due, c.away_until, c.newest, c.is_dropping) = (None, 0, 0, None, false);
        }
        let seconds = if life == 0 { self.rng.within(40, 110) } else { self.rng.within(8, 70) };
        let until = self.truth + seconds as i64 * SECOND;
        let fault = self.plan_fault(seconds);
        let died = catch_unwind(AssertUnwindSafe(|| self.record(&mut stepped, until, fault)));
        if let Err(payload) = died {
            if payload.downcast_ref::<Died>().is_none() {
                std::panic::resume_unwind(payload);
            }
            let kind = self.sim.state().struck.unwrap_or("nothing");
            *self.tally.struck.entry(kind).or_default() += 1;
            self.tell_disk();
            self.cameras.iter_mut().for_each(|c| c.sender = None);
            return self.dead(Some(stepped));
        }
        self.cameras.iter_mut().for_each(|c| c.sender = None);
        if is_last || self.rng.chance(40) {
            self.told("stop");
            if let Err(e) = stepped.stop() {
                self.violation(format!("does not stop: {e}"));
            }
            self.sim.state().kill();
        } else {
            self.dead(Some(stepped));
        }
        self.meddle();
    }

    fn tell_disk(&mut self) {
        let told = std::mem::take(&mut self.sim.state().violations);
        for words in told {
            self.violation(words);
        }
    }

    fn violation(&mut self, words: String) {
        let (at, last) = (self.truth, &self.last);
        self.tally.violations.push(format!("seed {} at {at} after {last:?}: {words}", self.seed));
    }

    /// `None`: it died on the way, or a violation was told.
    fn open(&mut self) -> Option<Stepped> {
        self.sim.state().is_opening = true;
        self.keep_index("old");
        let options = self.options();
        super::log::say(|| {
            format!(
                "== open at {} (clock off {} s, boot {:02x}{:02x})",
                Wall(self.truth),
                self.off / SECOND,
                self.boot[0],
                self.boot[1]
            )
        });
        let opened = catch_unwind(AssertUnwindSafe(|| Stepped::open(options)));
        self.sim.state().is_opening = false;
        match opened {
            Ok(Ok(stepped)) => Some(stepped),
            Ok(Err(e)) => {
                self.violation(format!("cannot be opened: {e}"));
                None
            }
            Err(payload) if payload.downcast_ref::<Died>().is_some() => {
                let kind = self.sim.state().struck.unwrap_or("nothing");
                *self.tally.struck.entry(kind).or_default() += 1;
                self.tell_disk();
                None
            }
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    fn index(&self) -> PathBuf {
        self.sim.real().join(".nightjar/index")
    }

    fn keep_index(&mut self, name: &str) {
        let kept = self.home.join(name);
        copy(&self.index(), &kept);
        if name == "old" {
            self.old_index.get_or_insert(kept);
        } else {
            self.good_index = Some((kept, self.sim.state().syncs));
        }
    }

    /// The process or the machine is gone.
    fn dead(&mut self, stepped: Option<Stepped>) {
        let stepped_was = stepped.is_some();
        let newer = stepped.is_some().then(|| self.home.join("newer"));
        if let Some(newer) = &newer {
            copy(&self.index(), newer);
        }
        drop(stepped); // sled writes all it has: as if a write-out of the index had just come through
        let is_kill = self.rng.chance(25);
        if is_kill {
            self.told("kill");
            self.sim.state().kill();
        } else {
            self.told("power cut");
            self.cut = (stepped_was
                && self.ticks > self.calm_from
                && self.ticks > self.is_slow_until + 3 * BEAT_TICKS)
                .then(|| self.cameras.iter().map(|c| c.newest.filter(|_| c.is_continuous)).collect());
            self.sim.state().power_cut();
            self.boot();
        }
        // one that was written out since, because a slab was wanted at once, is on the card as well
        let syncs = self.sim.state().syncs;
        let good = self.good_index.take().filter(|good| good.1 == syncs).map(|good| good.0);
        let restored = match (is_kill, self.rng.below(3)) {
            (true, _) | (false, 0) => newer,
            (false, 1) => good.or(newer),
            _ => None,
        };
        if let Some(from) = restored {
            copy(&from, &self.index());
        }
        self.sim.state().calm();
        self.set_clock();
    }

    /// What happens to a card that is not in use.
    fn meddle(&mut self) {
        if !self.rng.chance(25) {
            return;
        }
        let index = self.index();
        let paths: Vec<String> = self.sim.state().slabs().map(|s| s.0.clone()).collect();
        match self.rng.below(8) {
            0 => {
                self.told("index deleted");
                let _ = std::fs::remove_dir_all(&index);
            }
            1 => {
                self.told("index truncated");
                let db = index.join("db");
                let len = db.metadata().map_or(0, |m| m.len());
                if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&db) {
                    file.set_len(self.rng.below(len + 1)).unwrap();
                }
            }
            2 => {
                if let Some(old) = self.old_index.take() {
                    self.told("index older");
                    copy(&old, &index);
                }
            }
            3 => {
                self.told("index of another volume");
                let _ = std::fs::remove_dir_all(&index);
                let db = sled::open(&index).unwrap();
                db.insert("volume", "0123456789abcdef 3").unwrap();
                drop(db);
            }
            4 if !paths.is_empty() => {
                self.told("slab deleted");
                self.asked.are_slabs_right = false;
                let path = self.rng.pick(&paths).clone();
                self.sim.state().delete(&path);
            }
            5 if !paths.is_empty() => {
                self.told("slab cut");
                self.asked.are_slabs_right = false;
                let path = self.rng.pick(&paths).clone();
                let len = self.rng.below(1 << 20) as usize;
                self.sim.state().truncate(&path, len);
            }
            6 if !paths.is_empty() => {
                self.told("bit rot");
                self.asked.are_slabs_right = false;
                let path = self.rng.pick(&paths).clone();
                let mut at: Vec<u64> = (0..20).map(|_| self.rng.next()).collect();
                if let Some(inode) = self.sim.state().damage(&path) {
                    let len = inode.bytes.len() as u64;
                    at.drain(..).for_each(|at| inode.bytes[(at % len) as usize] ^= 1 << (at % 7));
                }
            }
            _ => {
                self.told("index scrambled");
                let db = index.join("db");
                if let Ok(mut bytes) =
                    std::fs::read(&db).map_err(drop).and_then(|b| if b.is_empty() { Err(()) } else { Ok(b) })
                {
                    for _ in 0..10 {
                        let at = self.rng.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 0x55;
                    }
                    std::fs::write(&db, bytes).unwrap();
                }
            }
        }
    }

    fn plan_fault(&mut self, seconds: u64) -> Option<Fault> {
        let calls = self.rng.within(1, 8);
        let fault = match self.rng.below(20) {
            0..=11 => Fault::Die,
            12 | 13 => Fault::Eio { calls },
            14 => Fault::EioLate { calls },
            15 => Fault::NoSpace { calls: calls * 40 },
            16 | 17 => Fault::Yank,
            _ => return None,
        };
        // about 20 calls a second
        self.crash_at = self.rng.within(1, seconds * 22);
        let mut s = self.sim.state();
        let at = self.crash_at;
        s.plan(at, fault);
        self.crash_at += s.calls;
        drop(s);
        match fault {
            Fault::Die => {}
            Fault::Eio { .. } => self.told("EIO"),
            Fault::EioLate { .. } => self.told("EIO though done"),
            Fault::NoSpace { .. } => self.told("ENOSPC"),
            Fault::Yank => self.told("yanked"),
        }
        Some(fault)
    }
}
