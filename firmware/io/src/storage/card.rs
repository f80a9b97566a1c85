//! The one thread that writes footage: messages of all streams in, slabs on the card out, once a beat. Nothing else writes
//! there. While the disk is away it lets the queue fill up and looks for it.

use super::error::StorageError;
use super::index::{EventEntry, EventRow};
use super::mount;
use super::options::{Now, StreamPlan};
use super::queue::Message;
use super::restamp::{STEP_US, ToldClock, Waiting};
use super::ring::Ring;
use super::shelf::{Mounted, Shelf};
use super::slab_file::SlabFile;
use super::thin::Thin;
use bytes::Bytes;
use nightjar_record::catalog::{StreamId, default_rate};
use nightjar_record::layout::{Begun, Flags, Hash};
use nightjar_record::roll::Shortfall;
use nightjar_record::scan::TAIL_RECORDS;
use nightjar_record::{Fragment, Roll, Segmenter, SlabHead, SlabRow, SlabWriter, Trigger, Write};
use nightjar_types::{Gap, GapCause, Mono, Wall};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// A hole below this is jitter, not a gap, µs.
const GAP_US: i64 = 1_000_000;
/// Events of a stream that may wait for its next slab.
const MAX_WAITING: usize = 32;
/// Beats that may be written and not yet written out: bounds what recovery has to read again.
const MAX_AHEAD: u32 = 4;
/// A disk that is away is looked for this often.
const RETRY: Duration = Duration::from_secs(2);
/// A trigger marks the footage of this long.
const MARKED: Duration = Duration::from_millis(1_500);

pub(super) struct Stream {
    pub(super) id: StreamId,
    plan: StreamPlan,
    pub(super) cutter: Segmenter,
    pub(super) roll: Roll,
    /// Cut, not written.
    ready: VecDeque<Fragment>,
    pub(super) slab: Option<Open>,
    /// Last recorded moment; before the first, when the stream was wanted.
    end: Wall,
    /// By how much the clock was set, µs, while footage on the old time line is still coming: see [`Stream::on_new_clock`].
    pub(super) shift_us: i64,
    /// Nothing was ever recorded.
    is_new: bool,
    /// Events that wait for room in the next slab.
    waiting: VecDeque<EventRow>,
    /// Chain of the slab before.
    chain: Hash,
    /// Bytes a second, as the last slab had them.
    pub(super) rate: u64,
    moving_until: Mono,
    event_until: Mono,
    /// When the newest unit came in.
    pub(super) heard: Mono,
}

/// The slab that a stream writes.
pub(super) struct Open {
    pub(super) writer: SlabWriter,
    pub(super) file: SlabFile,
    pub(super) begun: Begun,
    /// Records that a power cut could still tear: recovery looks at no more than [`TAIL_RECORDS`].
    fresh: Fresh,
}

/// Records of a slab that may not be on the card yet, by the write-out that will bring them there.
#[derive(Debug, Default)]
struct Fresh {
    synced: u64,
    /// Written since the last write-out ended, and before: those it may have missed.
    now: usize,
    before: usize,
}

impl Fresh {
    fn count(&mut self, synced: u64) -> usize {
        match synced - self.synced {
            0 => {}
            1 => (self.before, self.now) = (self.now, 0),
            _ => (self.before, self.now) = (0, 0),
        }
        self.synced = synced;
        self.now + self.before
    }
}

impl Open {
    fn new(writer: SlabWriter, file: SlabFile, begun: Begun) -> Self {
        Self { writer, file, begun, fresh: Fresh::default() }
    }
}

impl Stream {
    fn new(plan: StreamPlan, end: Option<Wall>, now: Wall) -> Self {
        Self {
            roll: Roll::new(plan.mode, plan.pre_roll, plan.post_roll),
            cutter: Segmenter::new(end),
            ready: VecDeque::new(),
            slab: None,
            end: end.unwrap_or(now),
            shift_us: 0,
            is_new: end.is_none(),
            waiting: VecDeque::new(),
            chain: [0; 32],
            rate: default_rate(plan.id.1),
            moving_until: Mono(0),
            event_until: Mono(0),
            heard: Mono(0),
            id: plan.id.clone(),
            plan,
        }
    }

    fn gap(&self, from: Wall, cause: GapCause) -> Gap {
        Gap { camera: self.id.0.clone(), stream: self.id.1, from, to: None, cause }
    }

    pub(super) fn keep(&self) -> &nightjar_types::config::Keep {
        &self.plan.keep
    }
}

/// The writer of a volume.
pub(super) struct Card {
    pub(super) shelf: Arc<Shelf>,
    pub(super) streams: Vec<Stream>,
    pub(super) mounted: Option<Arc<Mounted>>,
    pub(super) ring: Ring,
    pub(super) thin: Thin,
    pub(super) restamps: VecDeque<Waiting>,
    /// What is known of the clocks of this boot and of those before.
    pub(super) clocks: Vec<ToldClock>,
    /// … and not on the card yet.
    pub(super) is_clock_new: bool,
    /// Wall clock minus boot clock, µs, at the last beat.
    pub(super) offset: i64,
    /// The same before the clock was set, each time, oldest first.
    pub(super) old_offsets: Vec<i64>,
    /// The clock was set since this boot, or is kept by something that knows the time.
    pub(super) is_told: bool,
    sync: SyncSender<()>,
    retry_at: Mono,
    has_mounted: bool,
    messages: VecDeque<(u16, Message)>,
    /// What failed while the messages were taken in.
    fault: Option<StorageError>,
}

impl Card {
    /// A writer that rings `sync` when there is something to write out.
    pub(super) fn new(shelf: Arc<Shelf>, sync: SyncSender<()>) -> Self {
        let now = (shelf.options.clock)();
        let streams: Vec<Stream> =
            shelf.options.streams.iter().map(|plan| Stream::new(plan.clone(), None, now.wall)).collect();
        for (n, s) in streams.iter().enumerate() {
            shelf.open_gap(n, Some(s.gap(now.wall, GapCause::Storage)));
        }
        Self {
            ring: Ring::default(),
            thin: Thin::default(),
            restamps: VecDeque::new(),
            clocks: Vec::new(),
            is_clock_new: false,
            offset: now.wall.0 - now.mono.0 as i64,
            old_offsets: Vec::new(),
            is_told: now.is_sure,
            retry_at: now.mono,
            has_mounted: false,
            messages: VecDeque::new(),
            fault: None,
            mounted: None,
            streams,
            shelf,
            sync,
        }
    }

    /// Looks for the disk and takes in what is on it.
    pub(super) fn mount(&mut self) -> Result<(), StorageError> {
        let found = mount::mount(&self.shelf)?;
        let now = (self.shelf.options.clock)();
        let mounted = Arc::new(found.mounted);
        self.shelf.set_wear(found.recovered.wear);
        *self.shelf.catalog_mut() = found.recovered.catalog;
        self.shelf.ahead.store(0, Relaxed);
        self.shelf.is_doubtful.store(false, Relaxed);
        self.shelf.set_mounted(Some(mounted.clone()));
        self.mounted = Some(mounted);
        self.clocks = found.clocks;
        self.is_told |= self.clocks.iter().any(|c| c.boot == self.shelf.options.boot);
        let (mut resume, mut chains) = (found.recovered.resume, found.recovered.chains);
        for n in 0..self.streams.len() {
            let s = &mut self.streams[n];
            if let Some(chain) = chains.remove(&s.id) {
                s.chain = chain;
            }
            let Some(at) = resume.iter().position(|r| r.stream == s.id) else { continue };
            let r = resume.swap_remove(at);
            let row = self.shelf.catalog().get(r.writer.generation()).cloned();
            let begun = row.map_or_else(Begun::default, |r| r.begun);
            s.slab = Some(Open::new(r.writer, r.file, begun));
            // it cannot go on where the clock was wrong, nor where it may turn out to be: a slab is moved as a whole
            let may_be_wrong = begun.boot != self.shelf.options.boot && !now.is_sure;
            if may_be_wrong || self.shift_of(&begun) != 0 {
                self.seal(n);
            }
        }
        self.restamp_all()?;
        self.explain_holes();
        let was = if found.was_clean { GapCause::Stopped } else { GapCause::PowerCut };
        for n in 0..self.streams.len() {
            let end = self.shelf.catalog().last_end(&self.streams[n].id);
            let s = &mut self.streams[n];
            if let Some(end) = end {
                s.cutter.raise_floor(end);
                (s.end, s.is_new, s.shift_us) = (end, false, 0); // all of it is moved by now
            }
            let cause = match (end, self.has_mounted, s.plan.mode) {
                (_, true, _) => GapCause::Storage,
                (None, false, _) => GapCause::Disconnected,
                (Some(_), false, _) => was,
            };
            // a gap that lasts since before the disk went is what it was; footage that went with the disk is told apart
            if let Some(lasting) = self.shelf.lasting_gap(n).filter(|_| self.has_mounted) {
                if !s.is_new && lasting.from > s.end {
                    let lost = Gap { to: Some(lasting.from), ..s.gap(s.end, GapCause::Storage) };
                    self.shelf.index(|index| index.put_gap(&lost));
                }
                continue;
            }
            let gap = s.gap(if s.is_new { now.wall } else { s.end }, cause);
            self.shelf.open_gap(n, Some(gap));
            if !s.roll.is_open() && !self.has_mounted {
                self.quiet(n, now.wall);
            }
        }
        self.has_mounted = true;
        self.ring.begin(&self.shelf, &self.streams, &now)?;
        self.shelf.recovered();
        Ok(())
    }

    /// The disk is gone, or cannot be trusted: nothing more is written there until it is found again.
    pub(super) fn unmount(&mut self, e: &StorageError, now: &Now) {
        self.shelf.failed(e);
        for s in &mut self.streams {
            s.slab = None;
        }
        self.ring = Ring::default();
        self.thin = Thin::default();
        self.restamps.clear();
        self.mounted = None;
        self.shelf.set_mounted(None);
        self.retry_at = now.mono + RETRY;
    }

    /// Runs until the queue is stopped; then everything is on the card.
    pub(super) fn run(mut self) {
        let beat = self.shelf.options.sync;
        loop {
            let can_write = self.mounted.is_some() && self.shelf.ahead.load(Relaxed) < MAX_AHEAD;
            let is_last = if can_write { self.shelf.queue.wait(beat) } else { self.shelf.queue.wait_out(beat) };
            self.beat(is_last);
            if is_last {
                return;
            }
        }
    }

    /// Everything that is due now.
    pub(super) fn beat(&mut self, is_last: bool) {
        let now = (self.shelf.options.clock)();
        self.watch_clock(&now);
        if self.shelf.is_doubtful.swap(false, Relaxed) && self.mounted.is_some() {
            self.unmount(&StorageError::Doubtful, &now);
        }
        if self.mounted.is_none()
            && now.mono >= self.retry_at
            && let Err(e) = self.mount()
        {
            self.unmount(&e, &now);
        }
        if self.mounted.is_none() || (self.shelf.ahead.load(Relaxed) >= MAX_AHEAD && !is_last) {
            return;
        }
        if let Err(e) = self.write_all(&now, is_last) {
            self.unmount(&e, &now);
        }
    }

    fn write_all(&mut self, now: &Now, is_last: bool) -> Result<(), StorageError> {
        self.keep_clock()?;
        let mut messages = std::mem::take(&mut self.messages);
        self.shelf.queue.take(&mut messages);
        for (stream, message) in messages.drain(..) {
            self.message(usize::from(stream), message, now);
        }
        self.messages = messages;
        if let Some(e) = self.fault.take() {
            return Err(e);
        }
        let mut has_written = false;
        for n in 0..self.streams.len() {
            let s = &mut self.streams[n];
            if s.roll.close_if_over(now.mono) {
                let last = s.cutter.end_session();
                s.ready.extend(last);
                let end = now.wall;
                has_written |= self.write(n, now)?;
                self.quiet(n, end);
                continue;
            }
            let cut = if is_last { s.cutter.end_session() } else { s.cutter.beat() };
            s.ready.extend(cut);
            has_written |= self.write(n, now)?;
        }
        if is_last {
            self.keep_open_rows();
        }
        let mut changed = self.ring.upkeep(&self.shelf, &self.streams, now)?;
        changed |= self.restamp_some(now)?;
        changed |= self.thin_some(now)?;
        if has_written || changed || self.shelf.is_index_dirty.load(Relaxed) {
            self.shelf.ahead.fetch_add(1, Relaxed);
            let _ = self.sync.try_send(()); // it is ringing already
        }
        Ok(())
    }

    fn message(&mut self, n: usize, message: Message, now: &Now) {
        let message = match message {
            Message::Unit(unit) => Message::Unit(self.on_clock(unit)),
            other => other,
        };
        let Some(s) = self.streams.get_mut(n) else { return };
        match message {
            Message::Params(params) => {
                let done = s.cutter.params(params);
                s.ready.extend(done);
            }
            Message::Unit(unit) => {
                let (at, is_shut) = (unit.wall, !s.roll.is_open());
                s.heard = now.mono;
                let done = s.roll.unit(unit).and_then(|unit| s.cutter.unit(unit));
                s.ready.extend(done);
                match s.roll.shortfall() {
                    Some(Shortfall::LongGop { gop }) => tracing::warn!(
                        camera = %s.id.0, stream = %s.id.1, gop_s = gop.as_secs(),
                        "the camera's key frames are further apart than the pre-roll: recordings begin up to one group of pictures early; set a shorter key frame interval in the camera"
                    ),
                    Some(Shortfall::LargeGop) => tracing::warn!(
                        camera = %s.id.0, stream = %s.id.1,
                        "one group of pictures does not fit into the memory for the pre-roll: recordings begin late; set a shorter key frame interval in the camera"
                    ),
                    None => {}
                }
                // the camera is there: what is missing from now on is missing because nothing happens
                if is_shut && self.shelf.lasting_cause(n).is_some_and(|cause| cause != GapCause::Quiet) {
                    self.quiet(n, at);
                }
            }
            Message::Skipped => {
                let last = s.cutter.end_session();
                s.ready.extend(last);
                s.roll.end_session();
                if let Err(e) = self.write(n, now) {
                    self.shelf.failed(&e); // the fragments stay ready
                }
                self.begin_gap(n, GapCause::Storage);
            }
            Message::Ended(cause) => {
                let last = s.cutter.end_session();
                s.ready.extend(last);
                s.roll.end_session();
                if let Err(e) = self.write(n, now) {
                    self.fault = Some(e); // the fragments stay ready
                }
                if self.shelf.lasting_gap(n).is_some_and(|g| g.cause == GapCause::Quiet) {
                    self.end_gap(n, now.wall);
                    self.shelf.open_gap(n, None);
                    self.streams[n].end = self.streams[n].end.max(now.wall);
                }
                self.begin_gap(n, cause);
            }
            Message::Event(row) => self.event(n, row, now),
            Message::Trigger(what, at) => self.trigger(n, what, at),
        }
    }

    /// A trigger is for every stream of the camera.
    fn trigger(&mut self, n: usize, what: Trigger, at: Mono) {
        let camera = self.streams[n].id.0.clone();
        for s in self.streams.iter_mut().filter(|s| s.id.0 == camera) {
            let until = at + MARKED;
            match what {
                Trigger::Motion => s.moving_until = s.moving_until.max(until),
                Trigger::Event => s.event_until = s.event_until.max(until),
            }
            if s.roll.trigger(what, at) {
                let cut: Vec<Fragment> = s.roll.drain().filter_map(|unit| s.cutter.unit(unit)).collect();
                s.ready.extend(cut);
            }
        }
    }

    /// The clock was set by what its slabs are moved by: a stream whose footage is still on the old time line follows at
    /// its next key frame, the others now.
    pub(super) fn clock_set(&mut self, n: usize, shift_us: i64) {
        let s = &mut self.streams[n];
        s.shift_us = s.shift_us.saturating_add(shift_us);
        if s.ready.is_empty() && s.cutter.is_idle() {
            self.on_new_clock(n);
        }
    }

    /// What is known of the stream's end is laid on the new time line.
    fn on_new_clock(&mut self, n: usize) {
        let s = &mut self.streams[n];
        let shift_us = std::mem::take(&mut s.shift_us);
        s.end = s.end.plus_micros(shift_us);
        if let Some(gap) = self.shelf.lasting_gap(n).filter(|_| shift_us != 0) {
            let from = gap.from.plus_micros(shift_us);
            self.shelf.open_gap(n, Some(Gap { from, ..gap }));
        }
    }

    /// From the last recorded moment on there is a gap. Of several causes before the next footage the first is told, but
    /// what happened before the recorder knew better gives way.
    fn begin_gap(&mut self, n: usize, cause: GapCause) {
        let stream = &self.streams[n];
        if stream.is_new || self.shelf.lasting_gap(n).is_none() {
            self.shelf.open_gap(n, Some(stream.gap(stream.end, cause)));
        }
    }

    /// From now on nothing is recorded because nothing happens; what was missing before is told as it was.
    fn quiet(&mut self, n: usize, now: Wall) {
        let at = self.end_gap(n, now).map_or(self.streams[n].end, |gap| gap.to.unwrap_or(now));
        self.shelf.open_gap(n, Some(self.streams[n].gap(at, GapCause::Quiet)));
    }

    /// Writes down the lasting gap as ended `at`.
    fn end_gap(&mut self, n: usize, at: Wall) -> Option<Gap> {
        let gap = self.shelf.lasting_gap(n)?;
        let gap = Gap { to: Some(at.max(gap.from)), ..gap };
        if !self.streams[n].is_new && gap.to > Some(gap.from) {
            self.shelf.index_soon(|index| index.put_gap(&gap));
        }
        Some(gap)
    }

    /// Writes what is ready of a stream. True when something was written.
    fn write(&mut self, n: usize, now: &Now) -> Result<bool, StorageError> {
        let mut attempts = 0;
        let mut has_written = false;
        while let Some(f) = self.streams[n].ready.front() {
            let s = &self.streams[n];
            if !s.is_new && f.end() <= s.end && !f.begins_clock {
                self.streams[n].ready.pop_front(); // from before what is on the card: the clock was behind it
                self.begin_gap(n, GapCause::Storage);
                continue;
            }
            let is_cut = s.slab.as_ref().is_none_or(|o| f.begins_clock || o.writer.must_cut_before(f));
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
            if !done.is_empty() && (f.begins_clock || open.writer.must_cut_before(f)) {
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

    fn event(&mut self, n: usize, row: EventRow, now: &Now) {
        let mut row = row;
        row.event = self.on_clock_of_event(row.event, now.mono);
        // in the slab it is on the slab's time line; whoever asks gets it where the slab will be
        let (lag, shift) = self.streams[n].slab.as_ref().map_or((0, 0), |open| self.lag_and_shift(n, open));
        let as_told = row.event.clone();
        row.event = row.event.moved(lag);
        let bytes = Bytes::from(postcard::to_allocvec(&row).expect("an event is plain data"));
        if let Err(e) = self.room_for_records(n) {
            self.shelf.failed(&e);
        }
        let s = &mut self.streams[n];
        let known = self.mounted.as_ref().and_then(|m| m.index.event(row.event.clone().moved(shift).id));
        let mut record = known.and_then(|have| have.record);
        let write = s.slab.as_mut().and_then(|o| o.writer.event(row.event.id.start, bytes));
        match (&mut s.slab, write) {
            (Some(open), Some(write)) => match open.file.record(&write) {
                Ok(()) => {
                    open.fresh.now += 1;
                    self.shelf.stats.wrote(write.len() as u64, 0, Duration::ZERO);
                    self.shelf.catalog_mut().used(open.writer.generation(), open.writer.used());
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
                s.waiting.push_back(EventRow { event: as_told, jpeg: row.jpeg.clone() });
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
            index.put_event(&EventEntry { event: row.event.moved(shift), record })
        });
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

    fn keep_open_rows(&self) {
        for open in self.streams.iter().filter_map(|s| s.slab.as_ref()) {
            let row = self.shelf.catalog().get(open.writer.generation()).cloned();
            self.shelf.index(|index| row.map_or(Ok(()), |row| index.put_slab(&row)));
        }
    }
}
