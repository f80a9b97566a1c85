//! Old footage → its key frames, some pictures a beat, in a slab that counts only when it is whole: until then, and after
//! a power cut at any moment, either the old slabs are there or the thin one.

use super::card::Card;
use super::error::StorageError;
use super::options::Now;
use super::recover::{Found, read_record, row_of};
use super::ring::{self, keep};
use super::shelf::Mounted;
use super::slab_file::SlabFile;
use bytes::Bytes;
use nightjar_media::Sample;
use nightjar_record::catalog::{JOIN_US, StreamId};
use nightjar_record::layout::{Flags, SlabHead};
use nightjar_record::retention::ThinJob;
use nightjar_record::scan::{self, Depth, Record};
use nightjar_record::segmenter::ticks_of;
use nightjar_record::{Fragment, Scanned, SlabWriter, Take, export, name};
use nightjar_types::{Mono, StreamParams, Wall};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Key frames copied in one beat.
const A_BEAT: usize = 8;
/// How often it is looked for something to thin.
const EVERY: Duration = Duration::from_secs(60);
/// Slabs that must fit into a thin one, or it is not worth it.
const LEAST_SOURCES: usize = 2;
const WHY: &str = "thinned: its key frames are kept";

/// What is being thinned.
#[derive(Default)]
pub(super) struct Thin {
    look_at: Mono,
    job: Option<Job>,
    /// What fitted into one slab the last time that too much was tried.
    again: Option<(StreamId, Vec<u64>, u32)>,
    /// Slabs that could not be thinned.
    skipped: HashSet<u64>,
}

/// Key frames, each with the 90 kHz ticks until the next.
type Keys = VecDeque<(Record, u32)>;

struct Job {
    stream: StreamId,
    params: Arc<StreamParams>,
    sources: VecDeque<u64>,
    /// The source being copied: its key frames that are left.
    open: Option<(u64, SlabFile, Keys)>,
    done: Vec<u64>,
    replaces: usize,
    writer: SlabWriter,
    file: SlabFile,
    number: u64,
    len: u32,
    end: Wall,
}

impl Card {
    /// Does a bit, when nothing else waits. True when the card was changed.
    pub(super) fn thin_some(&mut self, now: &Now) -> Result<bool, StorageError> {
        let mounted = self.mounted.clone().ok_or(StorageError::Offline)?;
        if self.shelf.ahead.load(Relaxed) > 0 {
            return Ok(false);
        }
        let Some(mut job) = self.thin.job.take() else {
            if now.mono < self.thin.look_at {
                return Ok(false);
            }
            self.thin.look_at = now.mono + EVERY;
            return self.begin_thinning(&mounted, now);
        };
        let is_whole = self.copy_some(&mounted, &mut job)?;
        if is_whole {
            self.finish(&mounted, job)?
        } else {
            self.thin.job = Some(job)
        }
        Ok(true)
    }

    fn begin_thinning(&mut self, m: &Mounted, now: &Now) -> Result<bool, StorageError> {
        if let Some((stream, generations, len)) = self.thin.again.take() {
            self.begin_job(m, stream, generations, len, now)?;
            return Ok(true);
        }
        let jobs = self.shelf.catalog().thinnable(now.wall, &keep(&self.streams));
        for job in jobs {
            match job {
                ThinJob::Delete { generation } => {
                    let row = self.shelf.catalog_mut().remove(generation);
                    if let Some(row) = row {
                        let why = nightjar_record::retention::Why::Thinned.to_string();
                        let (number, len) = ring::retire(&self.shelf, m, &row, &why)?;
                        self.ring.cool(&self.shelf, number, len);
                    }
                    self.thin.look_at = now.mono; // there may be more
                    return Ok(true);
                }
                ThinJob::Rewrite { stream, generations, len } => {
                    if generations.iter().any(|g| self.thin.skipped.contains(g)) {
                        continue;
                    }
                    self.begin_job(m, stream, generations, len, now)?;
                    self.thin.look_at = now.mono;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes a slab for the key frames. It lies in the pool, which nothing looks at, until it is whole.
    fn begin_job(
        &mut self,
        m: &Mounted,
        stream: StreamId,
        generations: Vec<u64>,
        len: u32,
        now: &Now,
    ) -> Result<(), StorageError> {
        let Some(first) = generations.first().copied() else { return Ok(()) };
        let Some((_, found)) = self.source(m, first)? else {
            self.thin.skipped.insert(first);
            return Ok(());
        };
        let take = self.shelf.catalog_mut().take(len, now.wall, &keep(&self.streams));
        let (number, len) = match take {
            Some(Take::Free { number, len }) => (number, len),
            other => {
                // a slab will be free later; recording goes first
                if let Some(Take::Recycle(row)) = other {
                    let (number, len) = ring::retire(&self.shelf, m, &row, ring::MAKES_ROOM)?;
                    self.ring.cool(&self.shelf, number, len);
                } else if let Some(Take::Exchange(exchange)) = other {
                    self.ring.exchange(&self.shelf, m, exchange, now)?;
                }
                return Ok(());
            }
        };
        let generation = self.shelf.catalog_mut().fresh_generation();
        let params = StreamParams { audio: None, ..found.slab.params.clone() };
        let start =
            found.records.iter().find(|r| r.head.is_key()).map_or(found.slab.begun.wall, |r| r.head.wall);
        let head = SlabHead {
            params: params.clone(),
            origin_ticks: ticks_of(start),
            begun: nightjar_record::layout::Begun { wall: start, is_sure: true, ..found.slab.begun },
            previous: found.chain.0,
            wear: self.shelf.wear(),
            replaces: generations.clone(),
            ..found.slab.clone()
        };
        let (writer, bytes) = SlabWriter::begin(head, generation, len);
        let (waits, path) = (m.volume.give_out(number), name::pool_path(number));
        if waits != path {
            m.volume.rename(&waits, &path)?; // nothing looks at it there
        }
        let file = SlabFile::open(&*m.volume.disk, &path)?;
        file.write_at(&bytes, 0)?;
        let replaces = generations.len();
        let sources = generations.into();
        let params = Arc::new(params);
        self.thin.job = Some(Job {
            stream,
            params,
            sources,
            open: None,
            done: Vec::new(),
            replaces,
            writer,
            file,
            number,
            len,
            end: start,
        });
        Ok(())
    }

    fn source(&self, m: &Mounted, generation: u64) -> Result<Option<(SlabFile, Scanned)>, StorageError> {
        let path = self.shelf.catalog().get(generation).map(|row| row.path.clone());
        let Some(path) = path else { return Ok(None) };
        let file = SlabFile::open(&*m.volume.disk, &path)?;
        let len = file.len()?;
        let found = scan::scan(&file, len, Depth::Heads)?.filter(|f| f.generation == generation);
        Ok(found.map(|found| (file, found)))
    }

    /// Copies some key frames. True when no more can be.
    fn copy_some(&mut self, m: &Mounted, job: &mut Job) -> Result<bool, StorageError> {
        for _ in 0..A_BEAT {
            let Some((generation, file, keys)) = &mut job.open else {
                let Some(next) = job.sources.pop_front() else { return Ok(true) };
                let Some((file, found)) = self.source(m, next)? else { return Ok(true) };
                if found.slab.params.video != job.params.video {
                    return Ok(true);
                }
                job.open = Some((next, file, keys_of(&found)));
                continue;
            };
            let Some((record, duration)) = keys.pop_front() else {
                job.done.push(*generation);
                job.open = None;
                continue;
            };
            let bytes = match read_record(file, record.offset, *generation)? {
                Found::Whole(bytes) => bytes,
                Found::Damaged => {
                    self.shelf.found_damaged(file, *generation, record.offset);
                    continue;
                }
                Found::Gone => continue,
            };
            let Some(picture) = export::first_picture(&bytes) else { continue };
            let wall = record.head.wall.max(job.end);
            let fragment = key_fragment(&job.params, wall, duration, Bytes::copy_from_slice(picture));
            let marks = Flags(record.head.flags.0 & !Flags::KEY.0);
            let fits = !job.writer.must_cut_before(&fragment);
            let Some(write) = fits.then(|| job.writer.fragment(&fragment, marks)).flatten() else {
                job.open = None;
                return Ok(true); // full: the slabs copied as a whole are replaced, the others stay
            };
            job.file.record(&write)?;
            self.shelf.stats.wrote(write.len() as u64, 0, Duration::ZERO);
            job.end = write.to;
        }
        Ok(false)
    }

    /// Seals the thin slab, makes it durable, and only then lets the old ones go.
    fn finish(&mut self, m: &Mounted, job: Job) -> Result<(), StorageError> {
        let Job { stream, sources, open, done, writer, file, number, len, replaces, .. } = job;
        let is_all = open.is_none() && sources.is_empty() && done.len() == replaces;
        if !is_all {
            // it says that it replaces all of them: then it must hold all of them
            if done.len() < LEAST_SOURCES {
                self.thin.skipped.extend(done.iter().chain(&sources));
            } else {
                self.thin.again = Some((stream, done, len));
            }
            self.shelf.catalog_mut().insert_free(number, len);
            return Ok(());
        }
        let (write, footer) = writer.seal(&*self.shelf.options.key);
        file.record(&write)?;
        file.write_at(&footer, u64::from(len) - footer.len() as u64)?;
        super::error::io_at("write out", &m.volume.root, m.volume.disk.sync())?;
        let Some(found) = scan::scan(&file, u64::from(len), Depth::Heads)? else {
            self.shelf.catalog_mut().insert_free(number, len);
            return Ok(());
        };
        let path = m.volume.free_path(&stream, found.slab.begun.wall);
        let mut row = row_of(path.clone(), &found, len);
        row.spans = found.spans(JOIN_US);
        let replaced = self.shelf.catalog_mut().replace(&done, row.clone());
        let Some(replaced) = replaced else {
            self.shelf.catalog_mut().insert_free(number, len); // one is held or being downloaded since
            return Ok(());
        };
        m.volume.rename(&m.volume.give_out(number), &path)?;
        super::error::io_at("write out", &m.volume.root, m.volume.disk.sync())?;
        // the index vouches for it when those it replaces are gone, on the card: until then it is found by looking
        self.ring.reseal(&self.shelf, row);
        for old in replaced {
            let number = m.fresh_number();
            m.volume.retire(&old, number)?;
            self.shelf.index(|index| index.remove_slab(old.generation));
            self.shelf.tell_deletion(&old, WHY);
            self.ring.cool(&self.shelf, number, old.len);
        }
        tracing::info!(slab = path, of = done.len(), "thinned to key frames");
        Ok(())
    }
}

/// A slab's key frames, each with the 90 kHz ticks until the next, or until its footage ends.
fn keys_of(found: &Scanned) -> Keys {
    let spans = found.spans(JOIN_US);
    let keys: Vec<Record> = found.records.iter().filter(|r| r.head.is_key()).copied().collect();
    let end = |n: usize, at: Wall| {
        let of_span = spans.iter().find(|s| s.0 <= at && at < s.1).map_or(at, |s| s.1);
        keys.get(n + 1).map_or(of_span, |next| next.head.wall.min(of_span))
    };
    let ticks =
        |n: usize, at: Wall| (ticks_of(end(n, at)) - ticks_of(at)).clamp(1, i64::from(u32::MAX)) as u32;
    keys.iter().enumerate().map(|(n, r)| (*r, ticks(n, r.head.wall))).collect()
}

fn key_fragment(params: &Arc<StreamParams>, wall: Wall, duration: u32, picture: Bytes) -> Fragment {
    let size = picture.len() as u32;
    Fragment {
        params: params.clone(),
        ticks: ticks_of(wall),
        duration,
        arrived: Mono(0),
        is_key: true,
        begins_clock: false,
        video: vec![Sample { duration, size, cts: 0, is_key: true }],
        audio_at: (0, 0),
        audio: Vec::new(),
        data: vec![picture],
    }
}
