//! A card, in a recorder or pulled out of it → whether every invariant of record/DESIGN.md holds, in words; and the index
//! made again from the slabs alone.

use super::disk::{Disk, Folder, Place};
use super::error::{StorageError, io_at};
use super::index::Index;
use super::recover::{self, row_of, slab_paths};
use super::slab_file::SlabFile;
use super::volume::{Volume, Wanted, is_whole};
use crate::clock;
use nightjar_record::catalog::ROUNDING_US;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::{Hash, Wear};
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Footer, Kind, NoKey, Scanned, SlabRow, name, retired};
use nightjar_types::Wall;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Findings that are listed; more are counted.
const MAX_FINDINGS: usize = 1_000;
/// A hole from this length on needs a gap record, µs.
const GAP_US: i64 = 1_000_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The volume's id; `None` when there is no marker.
    pub volume: Option<String>,
    /// A recorder is writing to it: open slabs are looked at as they are, the index is not looked at.
    pub in_use: bool,
    /// Slabs with footage.
    pub slabs: u64,
    /// Slabs that wait.
    pub waiting: u64,
    /// Bytes of all slabs.
    pub bytes: u64,
    /// Records whose every byte was read.
    pub records: u64,
    /// Events among them.
    pub events: u64,
    /// Footage of each stream.
    pub streams: Vec<StreamReport>,
    /// Violated invariants.
    pub findings: Vec<Finding>,
    /// How many there are, those not listed included.
    pub violations: u64,
    /// Bytes that were written to this volume, and video among them, up to its newest slab.
    pub written_bytes: u64,
    /// See `written_bytes`.
    pub video_bytes: u64,
    /// The index was made again.
    pub rebuilt: bool,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Bytes that were read.
    pub read_bytes: u64,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamReport {
    /// `camera/stream`.
    pub stream: String,
    /// First moment, RFC 3339.
    pub from: String,
    /// Moment after the last, RFC 3339.
    pub to: String,
    /// Seconds that are recorded.
    pub seconds: f64,
    /// Slabs.
    pub slabs: u64,
}

/// One violated invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its number in record/DESIGN.md.
    pub invariant: u8,
    /// The file, below the storage folder.
    pub file: String,
    /// What is wrong, and what follows.
    pub words: String,
}

struct Check {
    report: Report,
    rows: Vec<(SlabRow, Hash, Hash)>,
    /// Slabs whose predecessor is not the one before them in time.
    unfollowed: Vec<(SlabRow, SlabRow)>,
    wear: Wear,
}

/// It was sealed: its footer says so.
fn is_full(file: &SlabFile, len: u64, generation: u64) -> bool {
    matches!(Footer::read(file, len), Ok(Some(footer)) if footer.generation == generation)
}

/// Looks at the volume in `path`. With `rebuild` its index is thrown away and made again first.
pub fn check(path: &Path, rebuild: bool) -> Result<Report, StorageError> {
    let before = clock::mono();
    let place = Folder(path.into());
    if rebuild {
        rebuild_index(&place)?;
    }
    let disk = place.mount().map_err(|source| StorageError::Missing { path: path.into(), source })?;
    let in_use = disk.lock(".nightjar/lock").is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
    let marker = disk.read_small(".nightjar/volume").ok();
    let volume = marker.as_deref().and_then(|bytes| super::volume::parse(bytes).ok());
    let mut check = Check {
        report: empty(volume, in_use, rebuild),
        rows: Vec::new(),
        unfollowed: Vec::new(),
        wear: Wear::default(),
    };
    if check.report.volume.is_none() {
        let words = "the marker is missing or unreadable: a recorder would not take this for its volume";
        check.find(7, ".nightjar/volume", words.into());
    }
    check.pool(&*disk);
    let index = (!in_use).then(|| look(&*disk));
    let index = index.as_ref().map(Result::as_ref);
    for path in slab_paths(&*disk, path)? {
        check.slab(&*disk, &path, index.and_then(Result::ok));
    }
    check.streams();
    if let Some(index) = index {
        check.index(index);
    }
    let mut report = check.report;
    (report.written_bytes, report.video_bytes) = (check.wear.written, check.wear.payload);
    report.seconds = clock::mono().since(before).as_secs_f64();
    Ok(report)
}

fn empty(volume: Option<String>, in_use: bool, rebuilt: bool) -> Report {
    Report {
        volume,
        in_use,
        slabs: 0,
        waiting: 0,
        bytes: 0,
        records: 0,
        events: 0,
        streams: Vec::new(),
        findings: Vec::new(),
        violations: 0,
        written_bytes: 0,
        video_bytes: 0,
        rebuilt,
        seconds: 0.0,
        read_bytes: 0,
    }
}

/// Throws the index away and makes it again. Refused while a recorder runs.
pub fn rebuild_index(place: &Folder) -> Result<Rebuilt, StorageError> {
    let before = clock::mono();
    let root = place.path();
    let marker = io_at("read", root.join(".nightjar/volume"), std::fs::read(root.join(".nightjar/volume")))?;
    let bad = |reason| StorageError::BadVolume { path: root.join(".nightjar/volume"), reason };
    let id = super::volume::parse(&marker).map_err(bad)?;
    let volume = Volume::open(place, &Wanted::Only(id))?;
    let dir = volume.disk.real_path(".nightjar/index");
    if dir.exists() {
        io_at("remove", root.join(".nightjar/index"), std::fs::remove_dir_all(&dir))?;
    }
    let opens = volume.disk.read_small(".nightjar/opens").ok();
    let opens = opens.and_then(|b| String::from_utf8(b).ok()?.trim().parse::<u64>().ok()).unwrap_or_default();
    let index = Index::open(&dir, &volume.id, opens.saturating_sub(1))?;
    let streams = streams_of(&*volume.disk, root)?;
    let recovered = recover::recover(&volume, &index, &streams, &NoKey)?;
    recover::explain_holes(&recovered.catalog, &index, &streams)?;
    let rows: Vec<SlabRow> = recovered.catalog.rows().cloned().collect();
    for row in &rows {
        index.put_slab(row)?;
    }
    index.set_clean()?;
    let bytes = rows.iter().map(|r| u64::from(r.len)).sum();
    Ok(Rebuilt { slabs: rows.len() as u64, bytes, took: clock::mono().since(before) })
}

/// An index that was made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Slabs that it knows.
    pub slabs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Every stream that has a slab.
fn streams_of(disk: &dyn Disk, root: &Path) -> Result<Vec<StreamId>, StorageError> {
    let mut all: Vec<StreamId> = slab_paths(disk, root)?.iter().filter_map(|p| name::parse(p)).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

fn look(disk: &dyn Disk) -> Result<Index, String> {
    let dir = disk.real_path(".nightjar/index");
    if !dir.exists() {
        return Err("there is none".into());
    }
    Index::look(&dir).map_err(|e| format!("cannot be read: {e}"))
}

impl Check {
    fn find(&mut self, invariant: u8, file: &str, words: String) {
        self.report.violations += 1;
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { invariant, file: file.into(), words });
        }
    }

    /// Waiting slabs that held nothing yet.
    fn pool(&mut self, disk: &dyn Disk) {
        for entry in disk.list(name::POOL_DIR).unwrap_or_default() {
            let path = format!("{}/{}", name::POOL_DIR, entry.name);
            let len = match SlabFile::open(disk, &path).and_then(|f| f.len()) {
                Err(_) if self.report.in_use && !disk.exists(&path) => continue, // taken while we looked
                len => len.unwrap_or_default(),
            };
            self.waits(&path, len);
        }
    }

    fn waits(&mut self, path: &str, len: u64) {
        if !is_whole(len) {
            self.find(7, path, format!("a waiting slab of {len} bytes: it is replaced at the next start"));
        }
        self.report.waiting += 1;
        self.report.bytes += len;
    }

    fn slab(&mut self, disk: &dyn Disk, path: &str, index: Option<&Index>) {
        let read = SlabFile::open(disk, path).and_then(|file| {
            let len = file.len()?;
            // an index that is older than the deletion may still speak of it: its footage is whole then
            let is_known = |generation| index.is_some_and(|index| index.slab(generation).is_some());
            let is_waiting = retired(&file, len)?.is_some_and(|generation| !is_known(generation));
            let found = if is_waiting { None } else { scan::scan(&file, len, Depth::Full)? };
            Ok((is_waiting, found, len, file))
        });
        let (found, len, file) = match read {
            Ok((true, _, len, _)) => return self.waits(path, len),
            Ok((false, Some(found), len, file)) => (found, len, file),
            Ok(_) => return self.find(2, path, "holds no slab: nothing in it can be played".into()),
            Err(_) if self.report.in_use && !disk.exists(path) => return, // recycled while we looked
            Err(e) => return self.find(2, path, format!("cannot be read: {e}; the card fails there")),
        };
        self.report.slabs += 1;
        self.report.bytes += len;
        self.report.read_bytes += found.end;
        self.report.records += found.records.len() as u64;
        self.report.events += found.records.iter().filter(|r| r.head.kind == Kind::Event).count() as u64;
        if found.slab.wear.written > self.wear.written {
            self.wear = found.slab.wear;
        }
        let is_open_now = self.report.in_use && found.seal.is_none();
        if !is_whole(len) {
            self.find(7, path, format!("has {len} bytes: it was cut short"));
        }
        let is_sealed = found.seal.is_some() || is_full(&file, len, found.generation);
        if !found.is_framed && !is_open_now && (found.seal.is_some() || !is_sealed) {
            let words = "does not end as it should: a player may stumble at its end; the next start of the recorder mends it";
            self.find(1, path, words.into());
        }
        if name::parse(path) != Some((found.slab.camera.clone(), found.slab.stream)) {
            let words = format!("holds footage of {}/{}", found.slab.camera, found.slab.stream);
            self.find(5, path, words);
        }
        self.times(path, &found);
        self.seal(path, len, &file, &found);
        let row = row_of(path.to_string(), &found, len as u32);
        self.rows.push((row, found.slab.previous, found.chain.0));
    }

    fn times(&mut self, path: &str, found: &Scanned) {
        let fragments: Vec<_> = found.records.iter().filter(|r| r.head.kind == Kind::Fragment).collect();
        for pair in fragments.windows(2) {
            if pair[0].head.end() - pair[1].head.wall > ROUNDING_US {
                let words = format!("time runs backwards at {}", pair[1].head.wall);
                self.find(4, path, words);
            }
        }
        let Some(first) = fragments.first() else { return };
        let stem = |p: &str| p.trim_end_matches(".mp4").split('_').next().map(str::to_string);
        let right = name::slab_path(&found.slab.camera, found.slab.stream, first.head.wall, 0);
        if stem(path) != stem(&right) {
            self.find(5, path, format!("begins at {}: its name should be {right}", first.head.wall));
        }
    }

    /// A full slab whose records end before its seal was damaged in between.
    fn seal(&mut self, path: &str, len: u64, file: &SlabFile, found: &Scanned) {
        let by_table = scan::scan(file, len, Depth::Heads).ok().flatten();
        let table = by_table.filter(|t| t.seal.is_some());
        match (&found.seal, table) {
            (Some(seal), _) => {
                if !seal.signature.is_empty() && !seal.is_signed(found.generation) {
                    self.find(3, path, "its seal's signature is not that of the key in it".into());
                }
            }
            (None, Some(table)) => {
                let lost = table.records.get(found.records.len()).map(|r| (r.head.wall, r.head.end()));
                let (from, to) = lost.unwrap_or_default();
                let left = table.records.len().saturating_sub(found.records.len());
                self.find(2, path, format!("damaged from {from} to {to} (bit rot or a failing card); {left} records from there on cannot be vouched for"));
            }
            (None, None) if is_full(file, len, found.generation) => {
                self.find(
                    3,
                    path,
                    "its seal is damaged: nothing vouches for its footage any more; it still plays".into(),
                );
            }
            (None, None) => {}
        }
    }

    fn streams(&mut self) {
        let mut generations = HashMap::new();
        let mut by_stream: BTreeMap<StreamId, Vec<(SlabRow, Hash, Hash)>> = BTreeMap::new();
        for (row, previous, chain) in std::mem::take(&mut self.rows) {
            if let Some(other) = generations.insert(row.generation, row.path.clone()) {
                self.find(6, &row.path, format!("has the generation {} of {other}", row.generation));
            }
            by_stream.entry(row.stream.clone()).or_default().push((row, previous, chain));
        }
        for (stream, mut rows) in by_stream {
            rows.sort_by_key(|(r, ..)| (r.start(), r.generation));
            for pair in rows.windows(2) {
                let ((a, _, chain), (b, previous, _)) = (&pair[0], &pair[1]);
                if a.end() > b.start().map(|s| s.plus_micros(ROUNDING_US)) {
                    self.find(4, &b.path, format!("overlaps {}", a.path));
                }
                let follows = !a.is_thin && !b.is_thin && b.generation > a.generation && a.is_sealed;
                // the slab that it names is not there: it was recycled, which a gap record tells, or taken out
                let is_missed = *previous != [0; 32] && rows.iter().all(|(_, _, chain)| chain != previous);
                if follows && chain != previous && is_missed {
                    self.unfollowed.push((a.clone(), b.clone()));
                }
            }
            let span = |w: Option<Wall>| w.unwrap_or_default().to_string();
            let us: i64 = rows.iter().flat_map(|(r, ..)| &r.spans).map(|s| s.1 - s.0).sum();
            self.report.streams.push(StreamReport {
                stream: format!("{}/{}", stream.0, stream.1),
                from: span(rows.first().and_then(|(r, ..)| r.start())),
                to: span(rows.iter().filter_map(|(r, ..)| r.end()).max()),
                seconds: us as f64 / 1e6,
                slabs: rows.len() as u64,
            });
            self.rows.append(&mut rows);
        }
    }

    /// Slabs that do not follow the one before them, where no record of a gap explains it.
    fn removed(&mut self, index: Option<&Index>) {
        for (a, b) in std::mem::take(&mut self.unfollowed) {
            let (from, to) = (a.end().unwrap_or_default(), b.start().unwrap_or_default());
            if index.is_none_or(|index| index.gaps(&a.stream, from, to).is_empty()) {
                self.find(
                    10,
                    &b.path,
                    format!("does not follow {}: a slab between them was removed", a.path),
                );
            }
        }
    }

    fn index(&mut self, index: Result<&Index, &String>) {
        self.removed(index.ok());
        let index = match index {
            Ok(index) => index,
            Err(why) => {
                return self.find(9, ".nightjar/index", format!("{why}; the next start makes it again"));
            }
        };
        let mut known: HashMap<String, SlabRow> =
            index.slabs().into_iter().map(|r| (r.path.clone(), r)).collect();
        let rows = std::mem::take(&mut self.rows);
        for (row, ..) in &rows {
            match known.remove(&row.path) {
                None if row.is_sealed => {
                    self.find(9, &row.path, "is not in the index; nightjar check --rebuild mends it".into())
                }
                Some(have) if row.is_sealed && have.generation != row.generation => {
                    self.find(
                        9,
                        &row.path,
                        "the index speaks of older footage in it; nightjar check --rebuild mends it".into(),
                    );
                }
                _ => {}
            }
        }
        for (path, row) in known {
            let words = format!(
                "is in the index and not on the card: footage from {} is gone",
                row.start().unwrap_or_default()
            );
            self.find(9, &path, words);
        }
        self.holes(index, &rows);
    }

    fn holes(&mut self, index: &Index, rows: &[(SlabRow, Hash, Hash)]) {
        for (n, (row, ..)) in rows.iter().enumerate() {
            let inside = row.spans.windows(2).map(|s| (s[0].1, s[1].0));
            let next = rows.get(n + 1).map(|(next, ..)| next).filter(|next| next.stream == row.stream);
            let between = row.end().zip(next.and_then(SlabRow::start));
            for (from, to) in inside.chain(between).filter(|(a, b)| *b - *a >= GAP_US) {
                if index.gaps(&row.stream, from, to).is_empty() {
                    let words = format!(
                        "nothing explains why there is no footage from {from} to {to}; the next start does"
                    );
                    self.find(8, &row.path, words);
                }
            }
        }
    }
}
