//! The state folder: journal, history, floor, what a fleet's server is still owed. Each file is whole at every moment.
//!
//! It lies on a small partition of its own: footage that fills its disk must never stand in the way of an update.

use crate::error::OtaError;
use crate::slots::{Entry, Journal};
use crate::version;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Lines of history that are kept.
const MAX_HISTORY: usize = 200;
/// Closed updates that a server may be owed; a board does one after the other, and asks the server in between.
const MAX_OWED: usize = 32;
/// Longest file that is read, bytes.
const MAX_LEN: u64 = 1 << 20;

/// Reads and writes it.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Of a folder that is there: who makes it is systemd, on the partition that it belongs on.
    pub fn open(folder: &Path) -> Result<Self, OtaError> {
        let state = Self { folder: folder.into() };
        state.at(
            "open",
            "",
            fs::metadata(folder)
                .and_then(|m| if m.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }),
        )?;
        Ok(state)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn at<T>(&self, doing: &'static str, name: &str, done: io::Result<T>) -> Result<T, OtaError> {
        done.map_err(|source| OtaError::State { doing, path: self.path(name), source })
    }

    /// The update that goes on. What cannot be understood is put aside, so that it is never taken for one.
    pub fn journal(&self) -> Result<Option<Journal>, OtaError> {
        let Some(bytes) = self.read("journal.json")? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(journal) => Ok(Some(journal)),
            Err(error) => {
                tracing::error!(%error, "journal.json cannot be understood and is put aside as journal.damaged; no update goes on");
                let (from, to) = (self.path("journal.json"), self.path("journal.damaged"));
                self.at("rename", "journal.json", fs::rename(from, to).and_then(|()| self.sync()))?;
                Ok(None)
            }
        }
    }

    /// Writes it down, durably.
    pub fn write_journal(&self, journal: &Journal) -> Result<(), OtaError> {
        self.replace("journal.json", &to_json(journal))
    }

    /// No update goes on any more.
    pub fn erase_journal(&self) -> Result<(), OtaError> {
        let removed = match fs::remove_file(self.path("journal.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        self.at("remove", "journal.json", removed.and_then(|()| self.sync()))
    }

    /// What became of updates, oldest first.
    pub fn history(&self) -> Result<Vec<Entry>, OtaError> {
        let bytes = self.read("history.jsonl")?.unwrap_or_default();
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// One line more, unless this update has one; the oldest make room.
    pub fn enter(&self, entry: &Entry) -> Result<(), OtaError> {
        let mut all = self.history()?;
        if all.iter().any(|e| e.action == entry.action) {
            return Ok(());
        }
        all.push(entry.clone());
        let newest = &all[all.len().saturating_sub(MAX_HISTORY)..];
        let lines: Vec<u8> = newest.iter().flat_map(|e| [to_json(e), b"\n".to_vec()].concat()).collect();
        self.replace("history.jsonl", &lines)
    }

    /// No bundle older than this is installed, whatever the running system's configuration says.
    pub fn floor(&self) -> Result<Option<String>, OtaError> {
        let bytes = self.read("floor")?;
        Ok(bytes
            .and_then(|b| String::from_utf8(b).ok())
            .map(|words| words.trim().to_owned())
            .filter(|w| !w.is_empty()))
    }

    /// Raises it. It never sinks.
    pub fn raise_floor(&self, to: Option<&str>) -> Result<(), OtaError> {
        let now = self.floor()?;
        match version::highest([now.clone(), to.map(str::to_owned)]) {
            Some(highest) if Some(&highest) != now.as_ref() => self.replace("floor", highest.as_bytes()),
            _ => Ok(()),
        }
    }

    /// Closed updates that a fleet's server has not heard of, oldest first.
    pub fn owed(&self) -> Result<Vec<Entry>, OtaError> {
        let bytes = self.read("owed.json")?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
    }

    /// It is to hear of this one.
    pub fn owe(&self, entry: &Entry) -> Result<(), OtaError> {
        let mut owed = self.owed()?;
        if owed.iter().all(|e| e.action != entry.action) {
            owed.push(entry.clone());
            let first = owed.len().saturating_sub(MAX_OWED);
            self.replace("owed.json", &to_json(&owed[first..]))?;
        }
        Ok(())
    }

    /// It has heard of it.
    pub fn paid(&self, action: &str) -> Result<(), OtaError> {
        let mut owed = self.owed()?;
        owed.retain(|e| e.action != action);
        self.replace("owed.json", &to_json(&owed))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, OtaError> {
        let path = self.path(name);
        let read = || match fs::metadata(&path) {
            Ok(meta) if meta.len() > MAX_LEN => {
                Err(io::Error::other(format!("it is larger than {MAX_LEN} bytes")))
            }
            Ok(_) => fs::read(&path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        self.at("read", name, read())
    }

    /// New file, its bytes on the disk, renamed, and the name on the disk.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), OtaError> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            self.sync()
        };
        self.at("write", name, write())
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn to_json<T: Serialize + ?Sized>(what: &T) -> Vec<u8> {
    serde_json::to_vec(what).expect("plain data becomes JSON")
}

/// For those who read what an agent says.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("the answer is not understood: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::{Origin, Outcome};

    fn entry(n: usize) -> Entry {
        Entry {
            action: format!("a{n}"),
            origin: Origin::Usb,
            slot: "B".into(),
            version: "2.0".into(),
            from_version: "1.0".into(),
            result: Outcome::Kept,
            reason: "line one\nline two".into(),
            gap_s: Some(12),
            at_ms: 1_795_000_000_000,
            clock_sure: None,
        }
    }

    #[test]
    fn the_history_is_bounded_and_has_each_update_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        for n in 0..MAX_HISTORY + 5 {
            state.enter(&entry(n)).unwrap();
            state.enter(&entry(n)).unwrap();
        }
        let all = state.history().unwrap();
        assert_eq!((all.len(), all[0].action.as_str()), (MAX_HISTORY, "a5"));
        assert_eq!(all.last(), Some(&entry(MAX_HISTORY + 4)));
        let text = fs::read_to_string(folder.path().join("history.jsonl")).unwrap();
        assert_eq!(text.lines().count(), MAX_HISTORY, "one line an entry");
    }

    #[test]
    fn a_damaged_journal_is_put_aside_and_half_a_write_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        assert_eq!(state.journal().unwrap(), None);
        fs::write(folder.path().join("journal.json.new"), "{\"half").unwrap();
        assert_eq!(state.journal().unwrap(), None);
        fs::write(folder.path().join("journal.json"), "{}").unwrap();
        assert_eq!(state.journal().unwrap(), None);
        assert!(folder.path().join("journal.damaged").exists());
        state.erase_journal().unwrap();
    }

    #[test]
    fn the_floor_only_rises_and_debts_are_paid() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        for (to, is) in [
            (None, None),
            (Some("1.2"), Some("1.2")),
            (Some("1.1"), Some("1.2")),
            (Some("1.2.0"), Some("1.2")),
            (Some("1.10"), Some("1.10")),
        ] {
            state.raise_floor(to).unwrap();
            assert_eq!(state.floor().unwrap().as_deref(), is);
        }
        (0..MAX_OWED + 2).for_each(|n| state.owe(&entry(n)).unwrap());
        state.owe(&entry(5)).unwrap();
        state.paid("a3").unwrap();
        let owed = state.owed().unwrap();
        assert_eq!((owed.len(), owed[0].action.as_str()), (MAX_OWED - 1, "a2"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let error = State::open(Path::new("/proc/nightjar-ota")).unwrap_err().to_string();
        assert!(error.contains("/proc/nightjar-ota") && error.contains("state partition"), "{error}");
    }
}
