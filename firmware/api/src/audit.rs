//! Who did what → `audit.jsonl`: one JSON line each, chained by SHA-256, so that a line that was changed or taken out shows.
//!
//! A thread of its own writes; whoever records never waits for the disk. The newest lines are kept in memory for the API.

use crate::error::OpenError;
use crate::{Clock, state_file};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A file is moved aside when it is this long, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Files moved aside that are kept: `audit.1.jsonl` is the newest.
const KEPT_FILES: u32 = 4;
/// Lines kept in memory; also the most that the API gives.
pub(crate) const IN_MEMORY: usize = 1_000;
/// Lines that wait for the disk; more are lost and counted.
const QUEUE: usize = 1_024;
/// Longest `who` and `what`, in characters.
const MAX_CHARS: usize = 512;
/// What the first line of a device says its predecessor was.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditView {
    /// When.
    pub at_ms: i64,
    /// `user ada`, `token kit`, `recorder`, `rule person-siren`.
    pub who: String,
    /// What was done, in words.
    pub what: String,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    at_ms: i64,
    who: String,
    what: String,
    /// SHA-256 of the line before, without its line feed, hexadecimal.
    prev: String,
}

/// Result of [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Lines whose chain holds.
    pub lines: u64,
    /// The first line that does not fit its predecessor: file and line number from 1.
    pub broken: Option<(PathBuf, u64)>,
}

/// The audit log. Clones share it; the last one to be dropped waits until all is on disk.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    clock: Clock,
    newest: Mutex<VecDeque<AuditView>>,
    queue: Option<SyncSender<AuditView>>,
    writer: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has already said so on standard error.
            let _ = writer.join();
        }
    }
}

impl Audit {
    /// Opens or makes `audit.jsonl` in `state_dir` and starts its writer. A line torn by a power cut is cut off.
    pub fn open(state_dir: &Path, clock: Clock) -> Result<Self, OpenError> {
        state_file::folder(state_dir)?;
        let tell =
            |doing| move |source| OpenError::State { doing, path: state_dir.join("audit.jsonl"), source };
        let mut newest = VecDeque::new();
        for path in files(state_dir).into_iter().rev() {
            let Some(bytes) = read(&path).map_err(tell("read"))? else { continue };
            let lines = bytes.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<Line>(l).ok());
            for Line { at_ms, who, what, .. } in lines {
                keep(&mut newest, AuditView { at_ms, who, what });
            }
        }
        let log = Log::open(state_dir).map_err(tell("open"))?;
        let (queue, waiting) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let writer = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(log, &waiting, &counter))
            .map_err(tell("start the writer of"))?;
        let newest = Mutex::new(newest);
        Ok(Self(Arc::new(Shared { clock, newest, queue: Some(queue), writer: Some(writer), lost })))
    }

    /// Adds a line now. Never blocks; put no secret in it.
    pub fn record(&self, who: &str, what: &str) {
        let short = |text: &str| text.chars().take(MAX_CHARS).collect::<String>();
        let view = AuditView { at_ms: (self.0.clock)().as_ms(), who: short(who), what: short(what) };
        let queue = self.0.queue.as_ref().expect("the queue is there until the last clone is gone");
        // Memory and file get lines in the same order, so the lock spans both.
        let mut newest = self.0.newest.lock().expect("nothing panics while it holds the lines");
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(view.clone()) {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
        keep(&mut newest, view);
    }

    /// The newest `limit` lines, newest first; at most 1000.
    pub fn newest(&self, limit: usize) -> Vec<AuditView> {
        let newest = self.0.newest.lock().expect("nothing panics while it holds the lines");
        newest.iter().rev().take(limit).cloned().collect()
    }

    /// Lines that did not reach the disk since start: a health fault when not 0.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }
}

fn keep(newest: &mut VecDeque<AuditView>, view: AuditView) {
    if newest.len() == IN_MEMORY {
        newest.pop_front();
    }
    newest.push_back(view);
}

/// Writes what waits, then makes it durable at once: a burst of relay moves costs one flush of the card.
fn write_all(mut log: Log, waiting: &Receiver<AuditView>, lost: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(QUEUE)).collect();
        let written = batch.iter().try_for_each(|view| log.append(view)).and_then(|()| log.file.sync_data());
        if let Err(error) = written {
            lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
            tracing::error!(%error, lines = batch.len(), "audit lines are lost; look after the state folder's disk");
        }
    }
}

struct Log {
    dir: PathBuf,
    file: File,
    len: u64,
    last: String,
}

impl Log {
    fn open(dir: &Path) -> io::Result<Self> {
        let path = current(dir);
        let bytes = read(&path)?.unwrap_or_default();
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        state_file::sync_folder(dir)?;
        let mut last = last_hash(&bytes[..whole]);
        if last.is_none() {
            last = read(&aside(dir, 1))?.and_then(|bytes| last_hash(&bytes));
        }
        let last = last.unwrap_or_else(|| NO_LINE.to_owned());
        Ok(Self { dir: dir.to_owned(), file, len: whole as u64, last })
    }

    fn append(&mut self, view: &AuditView) -> io::Result<()> {
        if self.len >= MAX_FILE {
            self.rotate()?;
        }
        let AuditView { at_ms, who, what } = view.clone();
        let mut text = serde_json::to_vec(&Line { at_ms, who, what, prev: self.last.clone() })?;
        let hash = hash(&text);
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            // Half a line would break the chain for good: take it back.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += text.len() as u64;
        self.last = hash;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        for n in (1..KEPT_FILES).rev() {
            if aside(&self.dir, n).exists() {
                fs::rename(aside(&self.dir, n), aside(&self.dir, n + 1))?;
            }
        }
        fs::rename(current(&self.dir), aside(&self.dir, 1))?;
        self.file = OpenOptions::new().append(true).create(true).mode(0o600).open(current(&self.dir))?;
        self.len = 0;
        state_file::sync_folder(&self.dir)
    }
}

/// Walks the chain through all files of the folder. The oldest file's first line is believed: what was before it is gone.
pub fn verify(state_dir: &Path) -> Result<Verified, OpenError> {
    let mut done = Verified { lines: 0, broken: None };
    let mut prev: Option<String> = None;
    for path in files(state_dir).into_iter().rev() {
        let bytes =
            read(&path).map_err(|source| OpenError::State { doing: "read", path: path.clone(), source })?;
        let lines =
            bytes.iter().flat_map(|bytes| bytes.split(|b| *b == b'\n')).filter(|line| !line.is_empty());
        for (line, number) in lines.zip(1..) {
            let fits = serde_json::from_slice::<Line>(line)
                .is_ok_and(|parsed| prev.as_ref().is_none_or(|prev| *prev == parsed.prev));
            if !fits {
                done.broken = Some((path, number));
                return Ok(done);
            }
            prev = Some(hash(line));
            done.lines += 1;
        }
    }
    Ok(done)
}

fn current(dir: &Path) -> PathBuf {
    dir.join("audit.jsonl")
}

fn aside(dir: &Path, n: u32) -> PathBuf {
    dir.join(format!("audit.{n}.jsonl"))
}

/// Newest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    std::iter::once(current(dir)).chain((1..=KEPT_FILES).map(|n| aside(dir, n))).collect()
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn last_hash(bytes: &[u8]) -> Option<String> {
    bytes.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).map(hash)
}

fn hash(line: &[u8]) -> String {
    digest::digest(&digest::SHA256, line).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A clock that stands still, for tests of this crate.
#[cfg(test)]
pub(crate) fn still_clock() -> Clock {
    Arc::new(|| nightjar_types::Wall(1_795_000_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lines_over_a_restart_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), still_clock()).unwrap();
        audit.record("user ada", "logged in");
        audit.record("recorder", "said \"hi\"\nand more");
        drop(audit);
        let audit = Audit::open(folder.path(), still_clock()).unwrap();
        audit.record("rule siren", "moved");
        let lines = audit.newest(10);
        assert_eq!(
            lines.iter().map(|l| l.who.as_str()).collect::<Vec<_>>(),
            ["rule siren", "recorder", "user ada"]
        );
        assert_eq!((lines[1].what.as_str(), lines[1].at_ms), ("said \"hi\"\nand more", 1_795_000_000_000));
        assert_eq!((audit.newest(1).len(), audit.lost()), (1, 0));
        drop(audit);
        assert_eq!(verify(folder.path()).unwrap(), Verified { lines: 3, broken: None });
    }

    #[test]
    fn shows_where_someone_changed_or_removed_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), still_clock()).unwrap();
        (0..5).for_each(|n| audit.record("a", &format!("did {n}")));
        drop(audit);
        let path = current(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("did 1", "did 9")).unwrap();
        assert_eq!(verify(folder.path()).unwrap().broken, Some((path.clone(), 3)));
        let kept: Vec<_> = text.lines().enumerate().filter(|(n, _)| *n != 2).map(|(_, l)| l).collect();
        fs::write(&path, kept.join("\n")).unwrap();
        assert_eq!(verify(folder.path()).unwrap().broken, Some((path, 3)));
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), still_clock()).unwrap();
        audit.record("a", "whole");
        drop(audit);
        let mut file = OpenOptions::new().append(true).open(current(folder.path())).unwrap();
        file.write_all(b"{\"at_ms\":17").unwrap();
        Audit::open(folder.path(), still_clock()).unwrap().record("a", "after");
        assert_eq!(verify(folder.path()).unwrap(), Verified { lines: 2, broken: None });
    }

    #[test]
    fn rotation_bounds_the_files_and_keeps_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        let view = AuditView { at_ms: 1, who: "a".into(), what: "x".repeat(MAX_CHARS) };
        let mut size = 0;
        while size < MAX_FILE * u64::from(KEPT_FILES + 3) {
            log.append(&view).unwrap();
            size += 600;
        }
        let there: Vec<_> = files(folder.path()).into_iter().filter(|p| p.exists()).collect();
        assert_eq!(there.len() as u32, KEPT_FILES + 1);
        for path in there {
            assert!(fs::metadata(path).unwrap().len() < MAX_FILE + 1_024);
        }
        drop(log);
        let mut log = Log::open(folder.path()).unwrap();
        log.append(&view).unwrap();
        assert_eq!(verify(folder.path()).unwrap().broken, None);
    }
}
