//! A disk in memory that loses what was not written out: every call counted, any call can be the last.
//!
//! What the recorder sees is the page cache. A power cut keeps of the unsynced metadata a prefix (a journal) and of the
//! unsynced data each sector or not.

#[path = "disk_calls.rs"]
mod calls;

use super::frame::{self, Id};
use super::rng::Rng;
use calls::Socket;
use nightjar_io::storage::disk::{Disk, DiskFile, Entry, Place};
use nightjar_record::{FOOTER_LEN, Footer, name, retired};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const PAGE: usize = 4_096;
const SECTOR: usize = 512;

/// How a call at a planned moment goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The recorder does not live to see it return.
    Die,
    /// It and those after it fail.
    Eio { calls: u64 },
    /// The same, but what they were to do is done.
    EioLate { calls: u64 },
    /// Nothing can be reserved for so many calls.
    NoSpace { calls: u64 },
    /// The disk is pulled out.
    Yank,
}

/// The recorder's last call.
pub struct Died;

/// One unit in a slab on the disk.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub id: Id,
    /// Where its record begins.
    pub record: u64,
    pub at: u64,
    pub len: u64,
    pub is_durable: bool,
}

enum Meta {
    Create(String, u64),
    Len(u64, usize),
    Rename(String, String),
    Remove(String),
    MakeDir(String),
    RemoveDir(String),
}

#[derive(Default)]
pub struct Inode {
    pub bytes: Vec<u8>,
    /// The platter's pages where they are not as in `bytes`.
    old: BTreeMap<usize, Box<[u8; PAGE]>>,
    durable_len: usize,
    /// What was recorded into it since it was begun.
    pub placed: Vec<Placed>,
    pending: Option<(u64, Vec<Placed>)>,
    /// When it was begun, counted.
    pub begun: u64,
    /// A test damaged it: nothing is asked of it.
    pub is_rotten: bool,
}

impl Inode {
    /// Its footage was deleted and it was not begun anew.
    pub fn is_retired(&self) -> bool {
        is_retired(&self.bytes)
    }

    /// The same, of what the platter has.
    fn is_retired_for_good(&self) -> bool {
        let mut bytes = self.bytes.clone();
        for (page, old) in &self.old {
            let at = page * PAGE;
            let end = (at + PAGE).min(bytes.len());
            if at < end {
                bytes[at..end].copy_from_slice(&old[..end - at]);
            }
        }
        is_retired(&bytes)
    }
}

fn is_retired(bytes: &[u8]) -> bool {
    matches!(retired(bytes, bytes.len() as u64), Ok(Some(_)))
}

#[derive(Default, Clone)]
struct Tree {
    names: BTreeMap<String, u64>,
    dirs: BTreeSet<String>,
}

pub struct State {
    inodes: BTreeMap<u64, Inode>,
    dirty: BTreeSet<u64>,
    seen: Tree,
    platter: Tree,
    journal: Vec<Meta>,
    small: BTreeMap<String, Vec<u8>>,
    next: u64,
    /// Handles of an earlier mount are dead.
    mount: u64,
    is_there: bool,
    is_locked: bool,
    rng: Rng,
    plan: Option<(u64, Fault)>,
    failing: Option<(u64, bool)>,
    no_space_until: u64,
    /// Calls so far, and by kind.
    pub calls: u64,
    pub kinds: BTreeMap<&'static str, u64>,
    /// The kind of call at which a planned fault struck.
    pub struck: Option<&'static str>,
    /// Calls that failed on purpose.
    pub failed: u64,
    /// Write-outs that succeeded.
    pub syncs: u64,
    /// The storage is being opened: nothing durable may be given up then.
    pub is_opening: bool,
    /// What should not have happened.
    pub violations: Vec<String>,
    /// The newest picture of each stream that is in a slab.
    pub newest: BTreeMap<u8, u32>,
    /// Slabs given up, by begin order among those that had footage.
    pub retired: Vec<(u64, usize)>,
    order: u64,
    room: u64,
    is_sync_blocked: bool,
}

/// The disk and the place where it is plugged in.
pub struct Sim {
    state: Mutex<State>,
    sync_free: Condvar,
    real: PathBuf,
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn is_slab(path: &str) -> bool {
    name::parse(path).is_some()
}

enum Verdict {
    Go,
    Fail { is_done: bool, code: i32 },
    Die,
}

impl Sim {
    /// An empty disk with room for `room` bytes; `real` holds the index.
    pub fn new(seed: u64, room: u64, real: &Path) -> Arc<Self> {
        std::fs::create_dir_all(real.join(".nightjar")).unwrap();
        let mut tree = Tree::default();
        tree.dirs.insert(String::new());
        let state = State {
            inodes: BTreeMap::new(),
            dirty: BTreeSet::new(),
            seen: tree.clone(),
            platter: tree,
            journal: Vec::new(),
            small: BTreeMap::new(),
            next: 1,
            mount: 1,
            is_there: true,
            is_locked: false,
            rng: Rng::new(seed ^ 0xd15c),
            plan: None,
            failing: None,
            no_space_until: 0,
            calls: 0,
            kinds: BTreeMap::new(),
            struck: None,
            failed: 0,
            syncs: 0,
            is_opening: false,
            violations: Vec::new(),
            newest: BTreeMap::new(),
            retired: Vec::new(),
            order: 0,
            room,
            is_sync_blocked: false,
        };
        Arc::new(Self { state: Mutex::new(state), sync_free: Condvar::new(), real: real.into() })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn real(&self) -> &Path {
        &self.real
    }

    /// The place that a storage is told.
    pub fn place(self: &Arc<Self>) -> Arc<dyn Place> {
        Arc::new(Socket(self.clone()))
    }

    fn enter(&self, mount: u64, kind: &'static str) -> io::Result<(MutexGuard<'_, State>, Verdict)> {
        let mut s = self.state();
        if s.mount != mount || !s.is_there {
            return Err(error(libc::ENODEV));
        }
        s.calls += 1;
        *s.kinds.entry(kind).or_default() += 1;
        let verdict = s.verdict(kind);
        if matches!(verdict, Verdict::Fail { .. }) {
            s.failed += 1;
        }
        if s.mount != mount {
            return Err(error(libc::ENODEV)); // it was just pulled out
        }
        Ok((s, verdict))
    }
}

/// Ends a call: dies, fails, or returns.
fn leave<T>(s: MutexGuard<'_, State>, verdict: Verdict, value: T) -> io::Result<T> {
    drop(s);
    match verdict {
        Verdict::Go => Ok(value),
        Verdict::Fail { code, .. } => Err(error(code)),
        Verdict::Die => std::panic::resume_unwind(Box::new(Died)),
    }
}

impl State {
    fn verdict(&mut self, kind: &'static str) -> Verdict {
        if let Some((at, fault)) = self.plan.filter(|(at, _)| self.calls >= *at) {
            self.plan = None;
            self.struck = Some(kind);
            match fault {
                Fault::Die => return Verdict::Die,
                Fault::Yank => {
                    self.power_cut();
                    self.is_there = false;
                }
                Fault::Eio { calls } => self.failing = Some((at + calls, false)),
                Fault::EioLate { calls } => self.failing = Some((at + calls, true)),
                Fault::NoSpace { calls } => self.no_space_until = at + calls,
            }
        }
        match self.failing {
            Some((until, is_done)) if self.calls < until => {
                return Verdict::Fail { is_done, code: libc::EIO };
            }
            _ => self.failing = None,
        }
        if self.calls < self.no_space_until && matches!(kind, "create" | "set_len" | "write_small") {
            return Verdict::Fail { is_done: false, code: libc::ENOSPC };
        }
        Verdict::Go
    }

    /// The `calls`th call from now on goes wrong.
    pub fn plan(&mut self, calls: u64, fault: Fault) {
        self.plan = Some((self.calls + calls.max(1), fault));
        self.struck = None;
    }

    /// All faults are over.
    pub fn calm(&mut self) {
        (self.plan, self.failing, self.no_space_until) = (None, None, 0);
    }

    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// The disk is back.
    pub fn plug(&mut self) {
        self.is_there = true;
    }

    /// The process is gone; what it wrote is in the page cache.
    pub fn kill(&mut self) {
        self.mount += 1;
        self.is_locked = false;
        self.inodes.values_mut().for_each(|i| i.pending = None);
    }

    /// What was not written out is kept or lost, piece by piece.
    pub fn power_cut(&mut self) {
        self.kill();
        let all = self.journal.len() as u64;
        let kept = match self.rng.below(4) {
            0 => 0,
            1 => all,
            _ => self.rng.below(all + 1),
        };
        for meta in std::mem::take(&mut self.journal).into_iter().take(kept as usize) {
            self.platter.apply(&mut self.inodes, meta);
        }
        // of 100 sectors so many are kept
        let share = *self.rng.pick(&[0, 0, 10, 50, 50, 90, 100]);
        let rng = &mut self.rng;
        for ino in std::mem::take(&mut self.dirty) {
            let Some(i) = self.inodes.get_mut(&ino) else { continue };
            i.bytes.resize(i.durable_len.max(i.bytes.len()), 0);
            for (page, old) in std::mem::take(&mut i.old) {
                let is_torn = rng.chance(8);
                let is_kept = rng.chance(share);
                for sector in 0..PAGE / SECTOR {
                    let stays = if is_torn { rng.chance(50) } else { is_kept };
                    let at = page * PAGE + sector * SECTOR;
                    let end = (at + SECTOR).min(i.bytes.len());
                    if !stays && at < end {
                        i.bytes[at..end].copy_from_slice(&old[sector * SECTOR..][..end - at]);
                    }
                }
            }
            i.bytes.resize(i.durable_len, 0);
            i.placed.retain(|p| p.is_durable);
        }
        self.seen = self.platter.clone();
        self.forget_unnamed();
    }

    fn forget_unnamed(&mut self) {
        let named: BTreeSet<u64> =
            self.seen.names.values().chain(self.platter.names.values()).copied().collect();
        self.inodes.retain(|ino, _| named.contains(ino));
    }

    fn sync(&mut self) {
        self.journal.clear();
        self.platter = self.seen.clone();
        for ino in std::mem::take(&mut self.dirty) {
            let Some(i) = self.inodes.get_mut(&ino) else { continue };
            i.old.clear();
            i.durable_len = i.bytes.len();
            i.placed.iter_mut().for_each(|p| p.is_durable = true);
        }
        self.forget_unnamed();
        self.syncs += 1;
    }

    /// Slabs with footage: path and what is there.
    pub fn slabs(&self) -> impl Iterator<Item = (&String, &Inode)> {
        self.seen.names.iter().filter(|(path, _)| is_slab(path)).map(|(path, ino)| (path, &self.inodes[ino]))
    }

    /// A slab, to be damaged. It and the platter are the same then.
    pub fn damage(&mut self, path: &str) -> Option<&mut Inode> {
        let ino = self.seen.names.get(path)?;
        let inode = self.inodes.get_mut(ino)?;
        inode.is_rotten = true;
        Some(inode)
    }

    /// Cuts a slab.
    pub fn truncate(&mut self, path: &str, len: usize) {
        if let Some(i) = self.damage(path) {
            i.bytes.truncate(len);
            i.durable_len = i.bytes.len();
            i.old.retain(|page, _| page * PAGE < len);
        }
    }

    /// Somebody deletes a slab.
    pub fn delete(&mut self, path: &str) {
        self.seen.names.remove(path);
        self.platter.names.remove(path);
    }

    /// Bytes of all slab files, and of those that wait, and their number.
    pub fn slab_bytes(&self) -> (u64, u64, usize) {
        let len = |ino: &u64| self.inodes[ino].bytes.len() as u64;
        let slabs: Vec<(bool, u64)> =
            self.seen.names.iter().map(|(path, ino)| (is_slab(path), len(ino))).collect();
        let waiting = slabs.iter().filter(|s| !s.0).map(|s| s.1).sum();
        (slabs.iter().map(|s| s.1).sum(), waiting, slabs.len())
    }

    /// What the scan of a freshly opened card found is what must be there from now on.
    pub fn adopt(&mut self, path: &str, placed: Vec<Placed>) {
        let Some(i) = self.seen.names.get(path).and_then(|ino| self.inodes.get_mut(ino)) else { return };
        let old = &i.old;
        let is_clean = |p: &Placed| {
            let pages = p.record as usize / PAGE..=((p.at + p.len) as usize + 8) / PAGE;
            old.range(pages).next().is_none()
        };
        i.placed = placed.into_iter().map(|p| Placed { is_durable: is_clean(&p), ..p }).collect();
    }

    fn write(&mut self, ino: u64, parts: &[IoSlice<'_>], offset: u64, limit: usize) {
        let Some(i) = self.inodes.get_mut(&ino) else { return };
        let mut at = offset as usize;
        let mut left = limit;
        for part in parts {
            let part = &part[..part.len().min(left)];
            left -= part.len();
            let end = at + part.len();
            if part.is_empty() {
                continue;
            }
            for page in at / PAGE..=(end - 1) / PAGE {
                i.old.entry(page).or_insert_with(|| {
                    let mut old = Box::new([0; PAGE]);
                    let from = page * PAGE;
                    let to = (from + PAGE).min(i.bytes.len());
                    if from < to {
                        old[..to - from].copy_from_slice(&i.bytes[from..to]);
                    }
                    old
                });
            }
            if end > i.bytes.len() {
                self.violations.push(format!(
                    "a write to inode {ino} reaches to {end}, behind its {} bytes",
                    i.bytes.len()
                ));
                i.bytes.resize(end, 0);
            }
            i.bytes[at..end].copy_from_slice(part);
            at = end;
        }
        self.dirty.insert(ino);
    }

    /// What a write that succeeded means for the footage in the slab.
    fn note(&mut self, ino: u64, parts: &[IoSlice<'_>], offset: u64) {
        let is_opening = self.is_opening;
        let name_on_platter = self.platter.names.iter().find(|(_, i)| **i == ino).map(|(n, _)| n.clone());
        let bytes: usize = parts.iter().map(|p| p.len()).sum();
        if bytes == FOOTER_LEN
            && Footer::read(&*parts[0], bytes as u64).ok().flatten().is_some_and(|f| f.is_retired)
        {
            return self.retire(ino);
        }
        let Some(i) = self.inodes.get_mut(&ino) else { return };
        if offset == 0 {
            if let Some(name) = name_on_platter.filter(|n| is_slab(n) && !i.is_retired_for_good()) {
                self.violations
                    .push(format!("{name} is written over while the card still has it as footage"));
            }
            self.order += 1;
            (i.placed, i.pending, i.begun, i.is_rotten) = (Vec::new(), None, self.order, false);
        } else if bytes == 8 && i.pending.as_ref().is_some_and(|p| p.0 == offset) {
            let (_, placed) = i.pending.take().expect("was asked for");
            for p in placed.iter().filter(|p| !p.id.is_audio) {
                self.newest.insert(p.id.stream, p.id.n);
            }
            i.placed.extend(placed);
        } else if bytes == 8 {
            // a slab is closed here: what stands behind does not count any more
            let lost = i.placed.iter().filter(|p| p.record >= offset && p.is_durable).count();
            if lost > 0 && !i.is_rotten {
                self.violations.push(format!(
                    "inode {ino} is closed at {offset} over {lost} durable frames (opening: {is_opening})"
                ));
            }
            i.placed.retain(|p| p.record < offset);
        } else {
            let mut at = offset;
            let mut placed = Vec::new();
            for part in parts {
                if let Some((id, len)) = frame::parse(part).filter(|f| f.1 == part.len()) {
                    placed.push(Placed { id, record: offset - 8, at, len: len as u64, is_durable: false });
                }
                at += part.len() as u64;
            }
            i.pending = Some((offset - 8, placed));
        }
    }
}

impl Tree {
    fn apply(&mut self, inodes: &mut BTreeMap<u64, Inode>, meta: Meta) {
        match meta {
            Meta::Create(path, ino) => drop(self.names.insert(path, ino)),
            Meta::Len(ino, len) => {
                if let Some(i) = inodes.get_mut(&ino) {
                    i.durable_len = len;
                }
            }
            Meta::Rename(from, to) => {
                if let Some(ino) = self.names.remove(&from) {
                    self.names.insert(to, ino);
                }
            }
            Meta::Remove(path) => drop(self.names.remove(&path)),
            Meta::MakeDir(path) => drop(self.dirs.insert(path)),
            Meta::RemoveDir(path) => drop(self.dirs.remove(&path)),
        }
    }
}
