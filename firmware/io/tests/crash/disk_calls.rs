//! The simulated disk as the storage calls it: every call is counted, may be the last, and may fail.

use super::*;

pub(super) struct Socket(pub(super) Arc<Sim>);

impl Place for Socket {
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    fn mount(&self) -> io::Result<Arc<dyn Disk>> {
        let s = self.0.state();
        if !s.is_there {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mount = s.mount;
        drop(s);
        Ok(Arc::new(Mount { sim: self.0.clone(), mount, is_locker: Mutex::new(false) }))
    }

    fn path(&self) -> &Path {
        Path::new("/sim")
    }
}

pub(super) struct Mount {
    sim: Arc<Sim>,
    mount: u64,
    is_locker: Mutex<bool>,
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut s = self.sim.state();
        if *self.is_locker.lock().unwrap_or_else(PoisonError::into_inner) && s.mount == self.mount {
            s.is_locked = false;
        }
    }
}

pub(super) struct OpenFile {
    sim: Arc<Sim>,
    mount: u64,
    ino: u64,
}

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

impl Mount {
    fn is_done(verdict: &Verdict, s: &mut State) -> bool {
        match verdict {
            Verdict::Go => true,
            Verdict::Fail { is_done, .. } => *is_done,
            Verdict::Die => s.rng.chance(50),
        }
    }
}

impl Disk for Mount {
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let (s, verdict) = self.sim.enter(self.mount, "open")?;
        let ino = s.seen.names.get(path).copied();
        leave(s, verdict, ())?;
        let ino = ino.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile { sim: self.sim.clone(), mount: self.mount, ino }))
    }

    fn create(&self, path: &str, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let (mut s, verdict) = self.sim.enter(self.mount, "create")?;
        let used: u64 = s.slab_bytes().0;
        if used + len > s.room && matches!(verdict, Verdict::Go) {
            return Err(error(libc::ENOSPC));
        }
        let is_done = Self::is_done(&verdict, &mut s);
        let ino = s.seen.names.get(path).copied().unwrap_or_else(|| {
            s.next += 1;
            let ino = s.next;
            s.inodes.insert(ino, Inode::default());
            s.seen.names.insert(path.into(), ino);
            s.journal.push(Meta::Create(path.into(), ino));
            ino
        });
        // one that fails has made the file all the same
        let len = if is_done { len as usize } else { 0 };
        s.inodes.insert(ino, Inode { bytes: vec![0; len], ..Inode::default() });
        s.journal.push(Meta::Len(ino, len));
        s.dirty.insert(ino);
        leave(s, verdict, ())?;
        Ok(Box::new(OpenFile { sim: self.sim.clone(), mount: self.mount, ino }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "rename")?;
        let Some(ino) = s.seen.names.get(from).copied() else { return Err(io::ErrorKind::NotFound.into()) };
        if !s.seen.dirs.contains(to.rsplit_once('/').map_or("", |p| p.0)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if Self::is_done(&verdict, &mut s) {
            if is_slab(from) && !is_slab(to) && !s.inodes[&ino].is_retired() {
                s.retire(ino);
            }
            if let Some(there) = s.seen.names.get(to).copied().filter(|_| is_slab(to)) {
                s.violations.push(format!("{from} is renamed over {to}, inode {there}"));
            }
            s.seen.names.remove(from);
            s.seen.names.insert(to.into(), ino);
            s.journal.push(Meta::Rename(from.into(), to.into()));
        }
        leave(s, verdict, ())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "remove")?;
        if !s.seen.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if Self::is_done(&verdict, &mut s) {
            s.seen.names.remove(path);
            s.journal.push(Meta::Remove(path.into()));
        }
        leave(s, verdict, ())
    }

    fn make_dirs(&self, path: &str) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "make_dirs")?;
        if Self::is_done(&verdict, &mut s) {
            for dir in parents(path).chain([path]) {
                if s.seen.dirs.insert(dir.into()) {
                    s.journal.push(Meta::MakeDir(dir.into()));
                }
            }
        }
        leave(s, verdict, ())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "remove_dir")?;
        let below = format!("{path}/");
        let is_used = s.seen.names.keys().chain(&s.seen.dirs).any(|n| n.starts_with(&below));
        if is_used || !s.seen.dirs.contains(path) {
            return Err(error(libc::ENOTEMPTY));
        }
        if Self::is_done(&verdict, &mut s) {
            s.seen.dirs.remove(path);
            s.journal.push(Meta::RemoveDir(path.into()));
        }
        leave(s, verdict, ())
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let (s, verdict) = self.sim.enter(self.mount, "list")?;
        if !s.seen.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let own = |n: &String| {
            n.strip_prefix(&below).filter(|rest| !rest.is_empty() && !rest.contains('/')).map(str::to_string)
        };
        let dirs = s.seen.dirs.iter().filter_map(own).map(|name| Entry { name, is_dir: true });
        let files = s.seen.names.keys().filter_map(own).map(|name| Entry { name, is_dir: false });
        let all = dirs.chain(files).collect();
        leave(s, verdict, all)
    }

    fn exists(&self, path: &str) -> bool {
        let s = self.sim.state();
        s.mount == self.mount && s.is_there && s.seen.names.contains_key(path)
    }

    fn read_small(&self, path: &str) -> io::Result<Vec<u8>> {
        let (s, verdict) = self.sim.enter(self.mount, "read_small")?;
        let bytes = s.small.get(path).cloned();
        leave(s, verdict, ())?;
        bytes.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write_small(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "write_small")?;
        if Self::is_done(&verdict, &mut s) {
            s.small.insert(path.into(), bytes.into());
        }
        leave(s, verdict, ())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "sync")?;
        while s.is_sync_blocked {
            s = self.sim.sync_free.wait(s).unwrap_or_else(PoisonError::into_inner);
        }
        if Self::is_done(&verdict, &mut s) && s.mount == self.mount {
            s.sync();
        }
        leave(s, verdict, ())
    }

    fn room(&self) -> io::Result<u64> {
        let (s, verdict) = self.sim.enter(self.mount, "room")?;
        let room = s.room.saturating_sub(s.slab_bytes().0);
        leave(s, verdict, room)
    }

    fn lock(&self, _: &str) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "lock")?;
        if matches!(verdict, Verdict::Go) {
            if s.is_locked {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            s.is_locked = true;
            *self.is_locker.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
        leave(s, verdict, ())
    }

    fn real_path(&self, path: &str) -> PathBuf {
        self.sim.real.join(path)
    }
}

impl State {
    pub(super) fn retire(&mut self, ino: u64) {
        let begun = |i: &Inode| i.begun;
        let own = &self.inodes[&ino];
        let older = self.slabs().filter(|(_, i)| begun(i) < own.begun && !i.placed.is_empty()).count();
        let durable = own.placed.iter().filter(|p| p.is_durable).count();
        if self.is_opening && durable > 0 && !own.is_rotten {
            self.violations
                .push(format!("inode {ino} with {durable} durable frames is given up at the start"));
        }
        if !own.placed.is_empty() {
            self.retired.push((own.begun, older));
        }
        self.inodes.entry(ino).and_modify(|i| i.placed.clear());
    }
}

impl DiskFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        let (s, verdict) = self.sim.enter(self.mount, "len")?;
        let len = s.inodes.get(&self.ino).map(|i| i.bytes.len() as u64);
        leave(s, verdict, ())?;
        len.ok_or_else(|| error(libc::EIO))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "set_len")?;
        if Mount::is_done(&verdict, &mut s) {
            if let Some(i) = s.inodes.get_mut(&self.ino) {
                i.bytes.resize(len as usize, 0);
            }
            s.journal.push(Meta::Len(self.ino, len as usize));
            s.dirty.insert(self.ino);
        }
        leave(s, verdict, ())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (s, verdict) = self.sim.enter(self.mount, "read")?;
        let n = s.inodes.get(&self.ino).and_then(|i| i.bytes.get(offset as usize..)).map_or(0, |rest| {
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            n
        });
        leave(s, verdict, n)
    }

    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let (mut s, verdict) = self.sim.enter(self.mount, "write")?;
        let all: usize = parts.iter().map(|p| p.len()).sum();
        match &verdict {
            Verdict::Go => {
                s.note(self.ino, parts, offset);
                s.write(self.ino, parts, offset, all);
            }
            Verdict::Fail { is_done: true, .. } => s.write(self.ino, parts, offset, all),
            Verdict::Fail { .. } | Verdict::Die => {
                let some = s.rng.below(all as u64 + 1);
                // a sector is written as a whole
                let some = (offset + some).next_multiple_of(SECTOR as u64).saturating_sub(SECTOR as u64);
                let some = some.saturating_sub(offset) as usize;
                s.write(self.ino, parts, offset, some);
            }
        }
        leave(s, verdict, ())
    }
}
