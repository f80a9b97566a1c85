//! Fragments and events of a stream → records in its slab, one run a beat; slabs are begun and sealed here.

use super::card::Card;
use super::error::StorageError;
use super::index::{EventEntry, EventRow};
use super::options::Now;
use super::restamp::STEP_US;
use super::slab_file::SlabFile;
use super::stream::Open;
use bytes::Bytes;
use nightjar_record::layout::{Begun, Flags};
use nightjar_record::scan::TAIL_RECORDS;
use nightjar_record::{Fragment, SlabHead, SlabRow, SlabWriter, Write};
use nightjar_types::{Event, Gap, GapCause, Mono, Wall};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A hole below this is jitter, not a gap, µs.
const GAP_US: i64 = 1_000_000;
/// Events of a stream that may wait for its next slab.
const MAX_WAITING: usize = 32;

impl Card {
    /// Writes what is ready of a stream. True when something was written.
    pub(super) fn write(&mut self, n: usize, now: &Now) -> Result<bool, StorageError> {
        let mut attempts = 0;
        let mut has_written = false;
        while let Some(f) = self.streams[n].ready.front() {
            let s = &self.streams[n];
            if !s.is_new && f.end() <= s.end && !f.begins_clock {
                self.streams[n].ready.pop_front(); // from before what is on the card: the clock was behind it
                self.begin_gap(n, GapCause::Storage);
                continue;
            }
            let is_cut = s
                .slab
                .as_ref()
                .is_none_or(|o| f.begins_clock || strays(&o.begun, f) || o.writer.must_cut_before(f));
            if f.begins_clock {
                self.on_new_clock(n);
            }
            if is_cut {
                self.seal(n);
                match self.begin_slab(n, now) {
                    Ok(open) => self.streams[n].slab = Some(open),
                    Err(e @ StorageError::NoSlab) => {
                        self.shelf.failed(&e);
                        self.streams[n].ready.clear();
                        self.begin_gap(n, GapCause::Storage);
                        return Ok(has_written);
                    }
                    Err(e) => return Err(e),
                }
            }
            match self.write_run(n) {
                Ok(0) => {
                    let Some(f) = self.streams[n].ready.pop_front() else { break };
                    tracing::error!(camera = %self.streams[n].id.0, bytes = f.payload(), "one fragment is larger than a slab; left out");
                    self.begin_gap(n, GapCause::Storage);
                }
                Ok(_) => has_written = true,
                // this slab is not trusted any further; once more in another, then it is the disk's fault
                Err(e) => {
                    self.shelf.failed(&e);
                    if let Some(open) = self.streams[n].slab.take() {
                        self.ring.abandoned(&self.shelf, open.writer.generation());
                    }
                    attempts += 1;
                    if attempts == 2 {
                        return Err(e);
                    }
                }
            }
            let fresh = if is_cut { std::mem::take(&mut self.streams[n].waiting) } else { VecDeque::new() };
            for row in fresh {
                self.event(n, row, now);
            }
        }
        Ok(has_written)
    }

    /// Records that the stream's slab takes before it must be written out; makes it so when there are none.
    fn room_for_records(&mut self, n: usize) -> Result<usize, StorageError> {
        let synced = self.shelf.synced.load(Relaxed);
        let Some(open) = &mut self.streams[n].slab else { return Ok(0) };
        if open.fresh.count(synced) >= TAIL_RECORDS {
            let mounted = self.mounted.as_ref().ok_or(StorageError::Offline)?;
            super::ring::settle(mounted)?;
            (open.fresh.now, open.fresh.before) = (0, 0);
        }
        Ok(TAIL_RECORDS - open.fresh.now - open.fresh.before)
    }

    /// Writes as many ready fragments as belong into the open slab, in one go. Gives their number.
    fn write_run(&mut self, n: usize) -> Result<usize, StorageError> {
        let room = self.room_for_records(n)?;
        let s = &mut self.streams[n];
        let Some(open) = &mut s.slab else { return Ok(0) };
        let mut whole: Option<Write> = None;
        let mut done = Vec::new();
        let mut marks = Flags::default();
        for f in s.ready.iter().take(room) {
            if !done.is_empty()
                && (f.begins_clock || strays(&open.begun, f) || open.writer.must_cut_before(f))
            {
                break;
            }
            let mark = |until: Mono, flag| if until > f.arrived { flag } else { Flags::default() };
            let of_it = mark(s.moving_until, Flags::MOTION).with(mark(s.event_until, Flags::EVENT));
            let Some(write) = open.writer.fragment(f, of_it) else { break };
            marks = marks.with(of_it);
            done.push((write.from, write.to));
            match &mut whole {
                Some(whole) => whole.append(write),
                None => whole = Some(write),
            }
        }
        let Some(write) = whole else { return Ok(0) };
        let clock = &self.shelf.options.clock;
        let before = clock().mono;
        open.file.record(&write)?;
        open.fresh.now += done.len();
        let took = clock().mono.since(before);
        self.shelf.stats.wrote(write.len() as u64, write.payload as u64, took);
        let (generation, used) = (open.writer.generation(), open.writer.used());
        s.ready.drain(..done.len());
        for (from, to) in &done {
            self.account(n, generation, *from, *to, used, marks);
        }
        self.shelf.recovered();
        Ok(done.len())
    }

    /// New footage on the card, and the gap that it ends.
    fn account(&mut self, n: usize, generation: u64, from: Wall, to: Wall, used: u32, marks: Flags) {
        let s = &mut self.streams[n];
        let hole = from - s.end;
        let gap = match self.shelf.lasting_gap(n) {
            Some(_) if s.is_new && hole < GAP_US => None,
            Some(gap) if from > gap.from => Some(Gap { to: Some(from), ..gap }),
            None if hole > GAP_US => Some(Gap { to: Some(from), ..s.gap(s.end, GapCause::Stalled) }),
            _ => None,
        };
        (s.end, s.is_new) = (to, false);
        // whoever sees the new footage also sees why there was none before it
        if let Some(gap) = gap {
            self.shelf.index_soon(|index| index.put_gap(&gap));
        }
        self.shelf.catalog_mut().appended(generation, from, to, used, marks);
        self.shelf.open_gap(n, None);
    }

    pub(super) fn event(&mut self, n: usize, row: EventRow, now: &Now) {
        let mut row = row;
        let is_later = row.later.is_some();
        if let Some(later) = &mut row.later {
            // it is on the time line of its own footage
            later.moves = self.streams[n].slab.as_ref().is_some_and(|o| self.moves_with(o, &row.event));
        } else {
            row.event = self.on_clock_of_event(row.event, now.mono);
        }
        // in the slab it is on the slab's time line; whoever asks gets it where the slab will be
        let (lag, shift) = self.streams[n].slab.as_ref().map_or((0, 0), |open| self.lag_and_shift(n, open));
        let is_apart = is_later && lag != 0; // this slab is about to be moved: it waits for the next
        let (lag, shift) = if is_later { (0, 0) } else { (lag, shift) };
        let wall = if is_later { now.wall } else { row.event.id.start.plus_micros(lag) };
        let as_told = row.event.clone();
        row.event = row.event.moved(lag);
        let bytes = Bytes::from(postcard::to_allocvec(&row).expect("an event is plain data"));
        if let Err(e) = self.room_for_records(n) {
            self.shelf.failed(&e);
        }
        let s = &mut self.streams[n];
        let known = self.mounted.as_ref().and_then(|m| m.index.event(row.event.clone().moved(shift).id));
        let (mut record, mut stands) = known.map_or((None, None), |have| (have.record, have.slab));
        let slab = s.slab.as_mut().filter(|_| !is_apart);
        let write = slab.and_then(|o| o.writer.event(wall, bytes));
        match (&mut s.slab, write) {
            (Some(open), Some(write)) => match open.file.record(&write) {
                Ok(()) => {
                    open.fresh.now += 1;
                    self.shelf.stats.wrote(write.len() as u64, 0, Duration::ZERO);
                    self.shelf.catalog_mut().used(open.writer.generation(), open.writer.used());
                    stands = Some(open.writer.generation());
                    if !row.jpeg.is_empty() {
                        record = Some((open.writer.generation(), write.offset));
                    }
                }
                Err(e) => {
                    self.shelf.failed(&e);
                    self.ring.abandoned(&self.shelf, open.writer.generation());
                    s.slab = None;
                }
            },
            (Some(_), None) | (None, _) => {
                if s.waiting.len() == MAX_WAITING {
                    s.waiting.pop_front(); // it stays in the index, without its picture
                }
                s.waiting.push_back(EventRow { event: as_told, jpeg: row.jpeg.clone(), later: row.later });
            }
        }
        // what led up to it belongs to it
        let (from, to) = (row.event.id.start, row.event.end.unwrap_or(row.event.id.start));
        let (pre, post) = (s.plan.pre_roll, s.plan.post_roll);
        let from = from.plus_micros(-(pre.as_micros() as i64));
        let to = to.plus_micros(post.as_micros() as i64);
        let changed = self.shelf.catalog_mut().mark(&row.event.camera, from, to, Flags::EVENT);
        let rows: Vec<SlabRow> = {
            let catalog = self.shelf.catalog();
            let rows = changed.iter().filter_map(|g| catalog.get(*g));
            rows.filter(|r| r.is_sealed && self.ring.is_vouched(r.generation)).cloned().collect()
        };
        self.shelf.index(|index| {
            rows.iter().try_for_each(|row| index.put_slab(row))?;
            index.put_event(&EventEntry {
                event: row.event.moved(shift),
                record,
                later: row.later,
                slab: stands,
            })
        });
    }

    /// An event of before would be moved with the slab that is written now: one unsure clock stamped both.
    fn moves_with(&self, open: &Open, event: &Event) -> bool {
        let catalog = self.shelf.catalog();
        let of_camera = |r: &&SlabRow| r.stream.0 == event.camera;
        let covers = |r: &&SlabRow| r.overlaps(event.id.start, event.id.start.plus_micros(1));
        let source = catalog.rows().filter(of_camera).find(covers).map(|r| r.begun);
        source.is_some_and(|s| s.boot == open.begun.boot && !s.is_sure && !open.begun.is_sure)
    }

    /// Ends the stream's slab with its seal.
    pub(super) fn seal(&mut self, n: usize) {
        let s = &mut self.streams[n];
        let Some(Open { writer, file, begun, .. }) = s.slab.take() else { return };
        let generation = writer.generation();
        s.chain = writer.chain();
        let bytes = u64::from(writer.used());
        let (write, footer) = writer.seal(&*self.shelf.options.key);
        let len = self.shelf.catalog().get(generation).map_or(0, |row| u64::from(row.len));
        let end = write.offset + write.len() as u64 + footer.len() as u64;
        let sealed = if end <= len {
            file.record(&write).and_then(|()| file.write_at(&footer, len - footer.len() as u64))
        } else {
            Ok(()) // too full for its own table: it is read record by record
        };
        self.shelf.stats.wrote(write.len() as u64, 0, Duration::ZERO);
        if let Err(e) = sealed {
            self.shelf.failed(&e);
            return self.ring.abandoned(&self.shelf, generation);
        }
        if let Some(row) = self.ring.sealed(&self.shelf, generation) {
            let us: i64 = row.spans.iter().map(|s| s.1 - s.0).sum();
            if us > 10_000_000 {
                s.rate = (u128::from(bytes) * 1_000_000 / us as u128) as u64;
            }
        }
        self.sealed_for_restamp(&begun);
    }

    /// Takes the next slab and makes it the stream's, empty and playable under its new name.
    fn begin_slab(&mut self, n: usize, now: &Now) -> Result<Open, StorageError> {
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        let (pooled, len) = self.ring.obtain(&self.shelf, &self.streams, n, now)?;
        let generation = self.shelf.catalog_mut().fresh_generation();
        let lag = |f: &Fragment, offset: i64| (f.wall().0 - f.arrived.0 as i64 - offset).abs() >= STEP_US;
        let is_off = self.streams[n].ready.front().is_some_and(|f| lag(f, self.offset));
        if is_off && self.is_told && self.clocks.iter().all(|c| c.boot != self.shelf.options.boot) {
            self.is_clock_new = true; // it will be moved, perhaps after the next boot
            self.keep_clock()?;
        }
        let s = &self.streams[n];
        let f = s.ready.front().expect("asked for a fragment that is ready");
        // what was cut before the clock was set is still on the old time line
        let is_sure = now.is_sure && !is_off;
        let begun = Begun { boot: self.shelf.options.boot, mono: f.arrived, wall: f.wall(), is_sure };
        let head = SlabHead {
            camera: s.id.0.clone(),
            stream: s.id.1,
            params: (*f.params).clone(),
            origin_ticks: f.ticks,
            begun,
            previous: s.chain,
            wear: self.shelf.wear(),
            replaces: Vec::new(),
        };
        let (writer, start) = SlabWriter::begin(head, generation, len);
        let disk = &*mounted.volume.disk;
        let file = SlabFile::open(disk, &pooled)?;
        file.forget_cached();
        if file.len()? != u64::from(len) {
            file.set_len(u64::from(len))?; // somebody cut it
        }
        file.write_at(&start, 0)?;
        self.shelf.stats.wrote(start.len() as u64, 0, Duration::ZERO);
        let path = mounted.volume.free_path(&s.id, f.wall());
        mounted.volume.rename(&pooled, &path)?;
        let row = SlabRow {
            generation,
            stream: s.id.clone(),
            path,
            spans: Vec::new(),
            used: writer.used(),
            len,
            flags: Flags::default(),
            is_sealed: false,
            is_thin: false,
            begun,
        };
        tracing::info!(slab = row.path, generation, mib = len >> 20, "begun");
        self.shelf.index(|index| index.put_slab(&row));
        self.shelf.catalog_mut().insert(row);
        Ok(Open::new(writer, file, begun))
    }

    pub(super) fn keep_open_rows(&self) {
        for open in self.streams.iter().filter_map(|s| s.slab.as_ref()) {
            let row = self.shelf.catalog().get(open.writer.generation()).cloned();
            self.shelf.index(|index| row.map_or(Ok(()), |row| index.put_slab(&row)));
        }
    }
}

/// A slab is moved as a whole when the clock is set, by how far off its beginning is. So while that may come, footage that is
/// off by another amount (it was laid behind other footage, say) goes into a slab of its own.
fn strays(begun: &Begun, f: &Fragment) -> bool {
    let off = |wall: Wall, mono: Mono| wall.0 - mono.0 as i64;
    let is_known = !begun.is_sure && begun.mono != Mono(0);
    is_known && (off(f.wall(), f.arrived) - off(begun.wall, begun.mono)).abs() >= STEP_US
}
