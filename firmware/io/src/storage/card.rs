//! The one thread that writes footage: messages of all streams in, slabs on the card out, once a beat. Nothing else writes
//! there. While the disk is away it lets the queue fill up and looks for it.

use super::error::StorageError;
use super::mount;
use super::options::Now;
use super::queue::Message;
use super::restamp::{ToldClock, Waiting};
use super::ring::Ring;
use super::shelf::{Mounted, Shelf};
use super::stream::{Open, Stream};
use super::thin::Thin;
use nightjar_record::layout::Begun;
use nightjar_record::roll::Shortfall;
use nightjar_record::{Fragment, Trigger};
use nightjar_types::{Gap, GapCause, Mono, Wall};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// Beats that may be written and not yet written out: bounds what recovery has to read again.
const MAX_AHEAD: u32 = 4;
/// A disk that is away is looked for this often.
const RETRY: Duration = Duration::from_secs(2);
/// A trigger marks the footage of this long.
const MARKED: Duration = Duration::from_millis(1_500);

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
    pub(super) has_mounted: bool,
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
            let last = self.shelf.catalog().last_end(&self.streams[n].id);
            let floor = last.map(|end| self.floor_of(n, end));
            let end = if self.has_mounted { floor } else { last }; // it goes on where it was, whatever lies ahead
            let s = &mut self.streams[n];
            if let Some((end, floor)) = end.zip(floor) {
                s.cutter.raise_floor(floor);
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
            let is_last =
                if can_write { self.shelf.queue.wait(beat) } else { self.shelf.queue.wait_out(beat) };
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
    pub(super) fn on_new_clock(&mut self, n: usize) {
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
    pub(super) fn begin_gap(&mut self, n: usize, cause: GapCause) {
        let stream = &self.streams[n];
        if stream.is_new || self.shelf.lasting_gap(n).is_none() {
            self.shelf.open_gap(n, Some(stream.gap(stream.end, cause)));
        }
    }

    /// From now on nothing is recorded because nothing happens; what was missing before is told as it was.
    pub(super) fn quiet(&mut self, n: usize, now: Wall) {
        let at = self.end_gap(n, now).map_or(self.streams[n].end, |gap| gap.to.unwrap_or(now));
        self.shelf.open_gap(n, Some(self.streams[n].gap(at, GapCause::Quiet)));
    }

    /// Writes down the lasting gap as ended `at`.
    pub(super) fn end_gap(&mut self, n: usize, at: Wall) -> Option<Gap> {
        let gap = self.shelf.lasting_gap(n)?;
        let gap = Gap { to: Some(at.max(gap.from)), ..gap };
        if !self.streams[n].is_new && gap.to > Some(gap.from) {
            self.shelf.index_soon(|index| index.put_gap(&gap));
        }
        Some(gap)
    }
}
