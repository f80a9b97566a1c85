//! The one thread that writes footage: messages of all streams in, slabs on the card out. Nothing else writes there.

use super::error::StorageError;
use super::index::{EventEntry, EventRow};
use super::queue::Message;
use super::recover::{self, Resume};
use super::shelf::Shelf;
use super::slab_file::SlabFile;
use crate::clock;
use bytes::Bytes;
use nightjar_record::catalog::StreamId;
use nightjar_record::{Fragment, Segmenter, SlabHead, SlabRow, SlabWriter, Take, name};
use nightjar_types::{Gap, GapCause, Wall};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often the thread looks at its queue. With fragments of 0.5 s this bounds what a kill can cost.
const BEAT: Duration = Duration::from_millis(150);
/// A hole below this is jitter, not a gap, µs.
const GAP_US: i64 = 1_000_000;

/// Events of a stream that may wait for its next slab.
const MAX_WAITING: usize = 32;

struct Stream {
    id: StreamId,
    cutter: Segmenter,
    slab: Option<(SlabWriter, SlabFile)>,
    /// Last recorded moment; before the first, when the stream was wanted.
    end: Wall,
    /// Nothing was ever recorded.
    is_new: bool,
    /// Events that wait for room in the next slab.
    waiting: VecDeque<EventRow>,
}

/// The writer of a volume.
pub(super) struct Card {
    shelf: Arc<Shelf>,
    streams: Vec<Stream>,
}

impl Card {
    pub(super) fn new(
        shelf: Arc<Shelf>,
        ids: Vec<StreamId>,
        mut resume: Vec<Resume>,
        was_clean: bool,
    ) -> Self {
        let cause = if was_clean { GapCause::Stopped } else { GapCause::PowerCut };
        let streams = ids
            .into_iter()
            .enumerate()
            .map(|(n, id)| {
                let end = shelf.catalog().last_end(&id);
                let (is_new, from) = (end.is_none(), end.unwrap_or_else(clock::wall));
                let cause = if is_new { GapCause::Disconnected } else { cause };
                shelf.open_gap(n, Some(Gap { camera: id.0.clone(), stream: id.1, from, to: None, cause }));
                let at = resume.iter().position(|r| r.stream == id);
                let slab = at.map(|at| resume.swap_remove(at)).map(|r| (r.writer, r.file));
                Stream { cutter: Segmenter::new(end), slab, end: from, is_new, waiting: VecDeque::new(), id }
            })
            .collect();
        Self { shelf, streams }
    }

    /// Runs until the queue is stopped; then everything is on the card.
    pub(super) fn run(mut self) {
        let mut messages = VecDeque::new();
        loop {
            let is_last = self.shelf.queue.take(BEAT, &mut messages);
            for (stream, message) in messages.drain(..) {
                if let Err(e) = self.message(usize::from(stream), message) {
                    self.fault(usize::from(stream), &e);
                }
            }
            if is_last {
                break;
            }
        }
        for n in 0..self.streams.len() {
            let last = self.streams[n].cutter.end_session();
            if let Some(Err(e)) = last.map(|fragment| self.fragment(n, fragment)) {
                self.fault(n, &e);
            }
            if let Some(row) = self.streams[n]
                .slab
                .as_ref()
                .and_then(|s| self.shelf.catalog().get(s.0.generation()).cloned())
            {
                self.shelf.keep(&row);
            }
        }
    }

    fn message(&mut self, n: usize, message: Message) -> Result<(), StorageError> {
        let Some(stream) = self.streams.get_mut(n) else { return Ok(()) };
        let done = match message {
            Message::Params(params) => stream.cutter.params(params),
            Message::Unit(unit) => stream.cutter.unit(unit),
            Message::Skipped => {
                let lost = stream.cutter.skip_to_key();
                self.shelf.queue.dropped_units.fetch_add(lost, Relaxed);
                self.begin_gap(n, GapCause::Storage);
                None
            }
            Message::Ended(cause) => {
                let last = stream.cutter.end_session();
                if let Some(fragment) = last {
                    self.fragment(n, fragment)?;
                }
                self.begin_gap(n, cause);
                None
            }
            Message::Event(row) => return self.event(n, row),
        };
        done.map_or(Ok(()), |fragment| self.fragment(n, fragment))
    }

    /// From the last recorded moment on there is a gap. Of several causes before the next footage the first is told, but
    /// what happened before the recorder knew better gives way.
    fn begin_gap(&mut self, n: usize, cause: GapCause) {
        let stream = &self.streams[n];
        if stream.is_new || !self.shelf.has_open_gap(n) {
            let gap =
                Gap { camera: stream.id.0.clone(), stream: stream.id.1, from: stream.end, to: None, cause };
            self.shelf.open_gap(n, Some(gap));
        }
    }

    fn fragment(&mut self, n: usize, f: Fragment) -> Result<(), StorageError> {
        let stream = &mut self.streams[n];
        let mut is_fresh = false;
        if stream.slab.as_ref().is_none_or(|(writer, _)| writer.must_cut_before(&f)) {
            if let Some((old, _)) = stream.slab.take() {
                self.shelf.seal(old.generation());
            }
            stream.slab = Some(begin_slab(&self.shelf, &stream.id, &f)?);
            is_fresh = true;
        }
        let Some((writer, file)) = &mut stream.slab else { return Ok(()) };
        let Some(write) = writer.fragment(&f) else {
            tracing::error!(camera = %stream.id.0, bytes = f.payload(), "one fragment is larger than a slab; left out");
            self.begin_gap(n, GapCause::Storage);
            return Ok(());
        };
        let before = clock::mono();
        file.record(&write)?;
        self.shelf.stats.wrote(
            u64::from(write.head.len) + 8,
            write.payload as u64,
            clock::mono().since(before),
        );
        let (from, to) = (write.head.wall, write.head.end());
        self.shelf.is_dirty.store(true, Relaxed);
        let hole = from - stream.end;
        let gap = match self.shelf.lasting_gap(n) {
            Some(_) if stream.is_new && hole < GAP_US => None,
            Some(gap) if hole > 0 => Some(Gap { to: Some(from), ..gap }),
            None if hole > GAP_US => {
                let (camera, kind) = (stream.id.0.clone(), stream.id.1);
                Some(Gap { camera, stream: kind, from: stream.end, to: Some(from), cause: GapCause::Stalled })
            }
            _ => None,
        };
        (stream.end, stream.is_new) = (to, false);
        // whoever sees the new footage also sees why there was none before it
        let explained = gap.map_or(Ok(()), |gap| self.shelf.index.put_gap(&gap));
        self.shelf.catalog_mut().appended(writer.generation(), from, to, writer.used());
        self.shelf.open_gap(n, None);
        explained?;
        self.shelf.recovered();
        let waiting = if is_fresh { std::mem::take(&mut self.streams[n].waiting) } else { VecDeque::new() };
        waiting.into_iter().try_for_each(|row| self.event(n, row))
    }

    fn event(&mut self, n: usize, row: EventRow) -> Result<(), StorageError> {
        let bytes = Bytes::from(postcard::to_allocvec(&row).expect("an event is plain data"));
        let has_picture = !row.jpeg.is_empty();
        let mut record = self.shelf.index.event(row.event.id).and_then(|have| have.record);
        let stream = &mut self.streams[n];
        let write = stream.slab.as_mut().and_then(|(writer, _)| writer.event(row.event.id.start, bytes));
        match (&stream.slab, write) {
            (Some((writer, file)), Some(write)) => {
                file.record(&write)?;
                self.shelf.stats.wrote(u64::from(write.head.len) + 8, 0, Duration::ZERO);
                self.shelf.catalog_mut().used(writer.generation(), writer.used());
                self.shelf.is_dirty.store(true, Relaxed);
                if has_picture {
                    record = Some((writer.generation(), write.offset));
                }
            }
            (Some(_), None) => {
                if stream.waiting.len() == MAX_WAITING {
                    stream.waiting.pop_front(); // it stays in the index, without its picture
                }
                stream.waiting.push_back(row.clone());
            }
            (None, _) => {}
        }
        self.shelf.index.put_event(&EventEntry { event: row.event, record })
    }

    /// A write failed: this slab is not trusted any further, the stream goes on in a new one at its next key frame.
    fn fault(&mut self, n: usize, e: &StorageError) {
        self.shelf.failed(e);
        if let Some(stream) = self.streams.get_mut(n) {
            if let Some((writer, _)) = stream.slab.take() {
                self.shelf.seal(writer.generation());
            }
            let lost = stream.cutter.skip_to_key();
            self.shelf.queue.dropped_units.fetch_add(lost, Relaxed);
            self.begin_gap(n, GapCause::Storage);
        }
    }
}

/// Takes the next slab and makes it the stream's, empty and playable under its new name.
fn begin_slab(shelf: &Shelf, id: &StreamId, f: &Fragment) -> Result<(SlabWriter, SlabFile), StorageError> {
    let volume = &shelf.volume;
    let (take, generation) = {
        let mut catalog = shelf.catalog_mut();
        (catalog.take(), catalog.fresh_generation())
    };
    let pooled = match take {
        None => return Err(StorageError::NoSlab),
        Some(Take::Free(number)) => number,
        Some(Take::Recycle(row)) => {
            let number = row.generation;
            recover::recycle(volume, &row.path, number)?;
            shelf.forget(&row);
            number
        }
    };
    let pool = volume.path(&name::pool_path(pooled));
    let file = SlabFile::open(&pool, true)?;
    let head =
        SlabHead { camera: id.0.clone(), stream: id.1, params: (*f.params).clone(), origin_ticks: f.ticks };
    let (writer, start) = SlabWriter::begin(head, generation, volume.slab_len as u32);
    file.write_at(&start, 0)?;
    shelf.stats.wrote(start.len() as u64, 0, Duration::ZERO);
    let mut again = 0;
    let path = loop {
        let path = name::slab_path(&id.0, id.1, f.wall(), again);
        if !volume.path(&path).exists() {
            break path;
        }
        again += 1;
    };
    let target = volume.path(&path);
    if let Some(folder) = target.parent() {
        super::error::io_at("make", folder, std::fs::create_dir_all(folder))?;
    }
    super::error::io_at("rename", &target, std::fs::rename(&pool, &target))?;
    let row = SlabRow {
        generation,
        stream: id.clone(),
        path,
        spans: Vec::new(),
        used: writer.used(),
        is_sealed: false,
    };
    tracing::info!(slab = row.path, generation, "begun");
    shelf.keep(&row);
    shelf.catalog_mut().insert(row);
    Ok((writer, file))
}
