//! A range of footage → files that are made while they are read: clips and films. What they read is not recycled meanwhile.

use super::error::StorageError;
use super::read::Library;
use super::shelf::Shelf;
use super::slab_file::SlabFile;
use bytes::Bytes;
use nightjar_record::catalog::StreamId;
use nightjar_record::export::{Anchor, Cursor, Slabs};
use nightjar_record::timelapse::{Lapse, LapsePlanner, Pace};
use nightjar_record::{Plan, Planner, ReadAt, Scanned};
use nightjar_types::{CameraId, Wall};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// Slabs of one file that are open at a time.
const OPEN: usize = 4;
/// Events looked at for the chapters of a clip.
const EVENTS: usize = 4_096;
/// 90 kHz ticks of a playlist's segment at least.
const SEGMENT: u64 = 4 * 90_000;

/// What a clip carries beside the footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extras {
    /// Events as chapters.
    pub chapters: bool,
    /// The proof at its end.
    pub proof: bool,
}

/// Slabs that are neither recycled nor deleted while this lives. All downloads together keep half of the slabs at most:
/// recording goes on whatever is downloaded. A download that would need more may break off at its end.
struct Pinned {
    shelf: Arc<Shelf>,
    generations: BTreeSet<u64>,
    open: Mutex<VecDeque<(u64, Arc<SlabFile>)>>,
}

impl Pinned {
    /// Those of `generations` that are still there, oldest first.
    fn new(shelf: Arc<Shelf>, generations: &BTreeSet<u64>) -> Self {
        let pinned = {
            let mut catalog = shelf.catalog_mut();
            let slabs = (catalog.rows().count() + catalog.free()) as u32;
            let room = (slabs / 2).saturating_sub(shelf.pinned.load(Relaxed));
            let oldest = generations.iter().take(room as usize);
            oldest.copied().filter(|g| catalog.pin(*g)).collect::<BTreeSet<u64>>()
        };
        shelf.pinned.fetch_add(pinned.len() as u32, Relaxed);
        Self { shelf, generations: pinned, open: Mutex::default() }
    }

    /// Lets go of all others.
    fn keep_only(&mut self, used: &BTreeSet<u64>) {
        let unused: Vec<u64> = self.generations.difference(used).copied().collect();
        self.unpin(&unused);
    }

    fn unpin(&mut self, generations: &[u64]) {
        let mut catalog = self.shelf.catalog_mut();
        for g in generations.iter().filter(|g| self.generations.remove(g)) {
            catalog.unpin(*g);
            self.shelf.pinned.fetch_sub(1, Relaxed);
        }
    }

    fn file(&self, generation: u64) -> Result<Option<Arc<SlabFile>>, StorageError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(g, _)| *g == generation) {
            return Ok(Some(file.clone()));
        }
        let mounted = self.shelf.mounted()?;
        let path = self.shelf.catalog().get(generation).map(|r| r.path.clone());
        let Some(path) = path else { return Ok(None) };
        let file = Arc::new(SlabFile::open(&*mounted.volume.disk, &path)?);
        if open.len() >= OPEN {
            open.pop_front();
        }
        open.push_back((generation, file.clone()));
        Ok(Some(file))
    }
}

impl Slabs for Pinned {
    type Error = StorageError;
    fn read_at(&self, generation: u64, offset: u64, buf: &mut [u8]) -> Result<usize, StorageError> {
        self.file(generation)?.map_or(Ok(0), |file| file.read_at(offset, buf))
    }

    fn damaged(&self, generation: u64, offset: u64) {
        if let Ok(Some(file)) = self.file(generation) {
            self.shelf.found_damaged(&file, generation, offset);
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let all: Vec<u64> = self.generations.iter().copied().collect();
        self.unpin(&all);
    }
}

impl Library {
    /// A virtual MP4 over a range, from the key frame at or before its start. `None` when there is no footage.
    pub fn clip(
        &self,
        stream: &StreamId,
        from: Wall,
        to: Wall,
        extras: Extras,
    ) -> Result<Option<Clip>, StorageError> {
        let (wanted, mut slabs) = self.pinned(stream, from, to);
        let mut planner = Planner::new(from, to);
        self.each(&wanted, |file, found| {
            let anchor = match extras.proof {
                true => Anchor::read(file, file.len()?, found)?,
                false => None,
            };
            planner.slab(found, anchor.as_ref());
            Ok(())
        })?;
        let events = if extras.chapters { self.chapters(&stream.0, from, to) } else { Vec::new() };
        let key = &*self.shelf().options.key;
        let Some(plan) = planner.finish(&events, extras.proof.then_some(key)) else { return Ok(None) };
        slabs.keep_only(&plan.generations().collect());
        Ok(Some(Clip { plan, slabs, cursor: Mutex::default() }))
    }

    /// Key frames of a range as a film. `None` when there is none near any of its moments.
    pub fn film(&self, stream: &StreamId, pace: Pace) -> Result<Option<Film>, StorageError> {
        let (wanted, mut slabs) = self.pinned(stream, pace.from, pace.to);
        let mut planner = LapsePlanner::new(pace);
        self.each(&wanted, |_, found| planner.slab(&slabs, found))?;
        let Some(lapse) = planner.finish(&slabs)? else { return Ok(None) };
        slabs.keep_only(&lapse.generations().collect());
        Ok(Some(Film { lapse, slabs }))
    }

    /// The key that signs; `None` when there is none.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        Some(self.shelf().options.key.public()).filter(|key| *key != [0; 32])
    }

    /// The slabs of a range in time order, and the one before it: the key frame that shows its start may stand there.
    fn pinned(&self, stream: &StreamId, from: Wall, to: Wall) -> (Vec<u64>, Pinned) {
        let shelf = self.shelf();
        let rows: Vec<(Option<Wall>, u64)> = {
            let catalog = shelf.catalog();
            let overlapping = catalog.overlapping(stream, from, to);
            let before = catalog.newest_before(stream, from).into_iter();
            let mut rows: Vec<_> = before.chain(overlapping).map(|r| (r.start(), r.generation)).collect();
            rows.sort();
            rows.dedup();
            rows
        };
        let wanted: Vec<u64> = rows.into_iter().map(|r| r.1).collect();
        let pinned = Pinned::new(shelf.clone(), &wanted.iter().copied().collect());
        (wanted, pinned)
    }

    /// Scans the slabs, one at a time.
    fn each(
        &self,
        wanted: &[u64],
        mut take: impl FnMut(&SlabFile, &Scanned) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for generation in wanted {
            let Some((file, found)) = self.scan(*generation)? else { continue };
            take(&file, &found)?;
        }
        Ok(())
    }

    /// What began in the range, the surest if there is too much, in order.
    fn chapters(&self, camera: &CameraId, from: Wall, to: Wall) -> Vec<(Wall, String)> {
        let mut events = self.events(from, to, None, EVENTS, |e| e.camera == *camera);
        events.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        events.truncate(nightjar_media::chapters::MAX_CHAPTERS);
        events.sort_by_key(|(e, _)| e.id);
        let title = |score: f32, label: &str| format!("{label} {:.0} %", score * 100.0);
        events.iter().map(|(e, _)| (e.id.start, title(e.score, &e.label))).collect()
    }
}

/// A virtual MP4.
pub struct Clip {
    plan: Plan,
    slabs: Pinned,
    cursor: Mutex<Cursor>,
}

impl Clip {
    /// Bytes.
    pub fn len(&self) -> u64 {
        self.plan.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
    }

    /// First moment, and the moment after the last.
    pub fn span(&self) -> (Wall, Wall) {
        self.plan.span()
    }

    /// Clips with the same tag give the same bytes.
    pub fn tag(&self) -> String {
        self.plan.tag()
    }

    /// Bytes of the proof at its end.
    pub fn proof_len(&self) -> u32 {
        self.plan.proof_len()
    }

    /// An HLS playlist of its byte ranges; `uri` is where the clip is.
    pub fn playlist(&self, uri: &str) -> String {
        self.plan.playlist(uri, SEGMENT)
    }

    /// At most `max` bytes from `at` on; fewer at the end of a fragment. `None` when the footage is gone.
    pub fn read(&self, at: u64, max: usize) -> Result<Option<Bytes>, StorageError> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        self.plan.read(&self.slabs, &mut cursor, at, max)
    }
}

/// A time-lapse.
pub struct Film {
    lapse: Lapse,
    slabs: Pinned,
}

impl Film {
    /// Bytes.
    pub fn len(&self) -> u64 {
        self.lapse.len()
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.lapse.is_empty()
    }

    /// When its first picture was taken.
    pub fn start(&self) -> Wall {
        self.lapse.start()
    }

    /// Films with the same tag give the same bytes.
    pub fn tag(&self) -> String {
        self.lapse.tag()
    }

    /// At most `max` bytes from `at` on. `None` when the footage is gone.
    pub fn read(&self, at: u64, max: usize) -> Result<Option<Bytes>, StorageError> {
        self.lapse.read(&self.slabs, at, max)
    }
}
