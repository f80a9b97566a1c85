//! What the rules saw and heard, and what relays did → a bounded log in the state folder, which a rehearsal reads again.
//!
//! Records are length-prefixed postcard in numbered files; every start begins a new one. A thread of its own writes: the rules
//! never wait for the disk, and what it cannot take is left out and counted.

use anyhow::Context;
use nightjar_rules::Ask;
use nightjar_types::config::Config;
use nightjar_types::eye::{body_len, decode, encode};
use nightjar_types::{Mono, Wall};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// All files together. A picture with one thing in it takes 40 bytes: a day of a busy street, weeks of a yard.
const MAX_BYTES: u64 = 32 << 20;
/// A file is closed when it is this long.
const MAX_FILE: u64 = 2 << 20;
/// Records that wait for the disk.
const QUEUE: usize = 512;
/// What is buffered goes to the disk this often, so that quiet hours cost nothing and a power cut this much.
const FLUSH: Duration = Duration::from_secs(10);

/// One moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// On the clock that the rules go by.
    pub(crate) mono: Mono,
    pub(crate) wall: Wall,
    pub(crate) what: What,
}

/// What happened in it. Names, not numbers: the configuration may be another one when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum What {
    /// The recorder started: every relay is at its safe level, armed or not.
    Began { armed: bool },
    /// It was stopped, and its relays are at their safe levels. Without this it crashed.
    Ended,
    /// The rules looked at these things.
    Seen { camera: String, things: Vec<SeenThing> },
    /// An input was at this level.
    Input { input: String, active: bool, is_edge: bool },
    /// The device was armed or disarmed.
    Armed(bool),
    /// A person asked for this.
    Asked(String, Person),
    /// A relay moved, at the wall clock's time: it may have been told of later.
    Moved { output: String, on: bool, cause: String },
}

/// What a person may ask of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Person {
    Test { us: u64 },
    Off,
}

impl Person {
    /// `None`: this is not asked by people.
    pub(crate) fn of(ask: Ask) -> Option<Self> {
        match ask {
            Ask::Test { us, .. } => Some(Self::Test { us }),
            Ask::Off { .. } => Some(Self::Off),
            _ => None,
        }
    }
}

/// A thing as the rules take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenThing {
    pub(crate) class: String,
    pub(crate) track: u32,
    /// Thousandths.
    pub(crate) score: u16,
    /// Left, top, width, height in 1/10 000 of the picture.
    pub(crate) bbox: [u16; 4],
}

/// Where records go. Dropping it waits until all is written.
pub(crate) struct Journal {
    queue: Option<SyncSender<Record>>,
    writer: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
}

impl Journal {
    /// Of a configuration: [`Self::open`], or `None` when there is no rule, output or input to tell of.
    pub(crate) fn of(config: &Config, state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let is_wanted = !(config.rules.is_empty() && config.outputs.is_empty() && config.inputs.is_empty());
        is_wanted.then(|| Self::open(state_dir)).transpose()
    }

    /// Begins a new file in `state_dir`.
    pub(crate) fn open(state_dir: &Path) -> anyhow::Result<Self> {
        let log = Log::open(folder(state_dir))?;
        let (queue, waiting) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        let writer = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write_all(log, &waiting, &counter))
            .context("a thread for the journal")?;
        Ok(Self { queue: Some(queue), writer: Some(writer), lost })
    }

    /// Adds a record. Never blocks.
    pub(crate) fn add(&self, record: Record) {
        if self.queue.as_ref().is_none_or(|queue| queue.try_send(record).is_err()) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Records that are not in it because the disk did not take them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has already said so on standard error.
            let _ = writer.join();
        }
    }
}

fn write_all(mut log: Log, waiting: &Receiver<Record>, lost: &AtomicU64) {
    let tell = |done: io::Result<()>| {
        if let Err(e) = done {
            lost.fetch_add(1, Relaxed);
            tracing::warn!(error = %e, "the journal cannot be written");
        }
    };
    loop {
        // Nothing waits to be flushed most of the time: then nobody wakes up.
        let next = if log.buffer.is_empty() {
            waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            waiting.recv_timeout(FLUSH)
        };
        match next {
            Ok(record) => match encode(&record) {
                Ok(bytes) => tell(log.add(&bytes)),
                Err(e) => tell(Err(io::Error::other(e))),
            },
            Err(RecvTimeoutError::Timeout) => tell(log.flush()),
            Err(RecvTimeoutError::Disconnected) => return tell(log.flush()),
        }
    }
}

struct Log {
    folder: PathBuf,
    number: u64,
    file: Option<File>,
    len: u64,
    buffer: Vec<u8>,
}

impl Log {
    fn open(folder: PathBuf) -> anyhow::Result<Self> {
        let what = || format!("the journal {}", folder.display());
        fs::create_dir_all(&folder).with_context(what)?;
        let number = files(&folder).last().map_or(0, |(n, _)| n + 1);
        Ok(Self { folder, number, file: None, len: 0, buffer: Vec::new() })
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 64 << 10 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                make_room(&self.folder);
                self.file.insert(File::create(self.folder.join(format!("{:08}.log", self.number)))?)
            }
        };
        file.write_all(&buffer)?;
        self.len += buffer.len() as u64;
        if self.len >= MAX_FILE {
            (self.file, self.len, self.number) = (None, 0, self.number + 1);
        }
        Ok(())
    }
}

/// Takes the oldest files away until another one fits.
fn make_room(folder: &Path) {
    let files = files(folder);
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |m| m.len());
    let mut total: u64 = files.iter().map(|(_, path)| size(path)).sum();
    for (_, path) in files {
        if total + MAX_FILE <= MAX_BYTES {
            return;
        }
        total -= size(&path);
        if let Err(e) = fs::remove_file(&path) {
            tracing::warn!(error = %e, file = %path.display(), "an old part of the journal stays");
        }
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

/// Numbers and paths, oldest first.
fn files(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let numbered = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
        Some((number, path))
    };
    let mut files: Vec<(u64, PathBuf)> = entries.filter_map(numbered).collect();
    files.sort();
    files
}

/// Something was ever recorded there.
pub(crate) fn is_there(state_dir: &Path) -> bool {
    !files(&folder(state_dir)).is_empty()
}

/// All records in order. A file ends where a record is not whole: the power went then.
pub(crate) fn read(state_dir: &Path) -> impl Iterator<Item = Record> {
    files(&folder(state_dir)).into_iter().flat_map(|(_, path)| {
        let bytes = fs::read(&path).unwrap_or_default();
        let mut at = 0;
        std::iter::from_fn(move || {
            let (prefix, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
            let len = body_len(*prefix).ok()?;
            let record = decode(rest.get(..len)?).ok()?;
            at += 4 + len;
            Some(record)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u64) -> Record {
        let what = What::Moved { output: "siren".into(), on: n.is_multiple_of(2), cause: "x".repeat(500) };
        Record { mono: Mono(n), wall: Wall(n as i64), what }
    }

    #[test]
    fn what_is_written_is_read_again_over_restarts_and_torn_ends() {
        let dir = tempfile::tempdir().unwrap();
        for start in 0..3 {
            let journal = Journal::open(dir.path()).unwrap();
            (0..10).for_each(|n| journal.add(record(start * 10 + n)));
            assert_eq!(journal.lost(), 0);
        }
        let (_, second) = files(&folder(dir.path())).remove(1);
        let bytes = fs::read(&second).unwrap();
        fs::write(&second, &bytes[..bytes.len() - 1]).unwrap();
        let read: Vec<u64> = read(dir.path()).map(|r| r.mono.0).collect();
        let whole: Vec<u64> = (0..30).filter(|n| *n != 19).collect();
        assert_eq!(read, whole);
    }

    #[test]
    fn nothing_is_begun_where_there_is_nothing_to_tell_of() {
        let dir = tempfile::tempdir().unwrap();
        let of = |text: &str| Journal::of(&Config::from_toml(text, "x").unwrap(), dir.path()).unwrap();
        assert!(of("[[camera]]\nid = \"a\"\nmain = \"synthetic:\"").is_none());
        assert!(!folder(dir.path()).exists());
        for item in ["output", "input"] {
            assert!(of(&format!("[[{item}]]\nid = \"x\"\nline = \"sim:1\"")).is_some(), "{item}");
        }
        assert!(of("[[rule]]\nwhen = { class = \"cat\" }\ndo = { notify = \"x\" }").is_some());
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder(dir.path())).unwrap();
        let count = 2 * MAX_BYTES / 520;
        (0..count).for_each(|n| log.add(&encode(&record(n)).unwrap()).unwrap());
        log.flush().unwrap();
        let total: u64 = files(&folder(dir.path())).iter().map(|(_, p)| fs::metadata(p).unwrap().len()).sum();
        assert!(total <= MAX_BYTES && total > MAX_BYTES / 2, "{total}");
        assert_eq!(read(dir.path()).last().unwrap().mono.0, count - 1);
    }
}
