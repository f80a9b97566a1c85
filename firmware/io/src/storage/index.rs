//! The index: slabs, gaps and events by time, in sled, values in postcard. A cache: what is lost is made again from the slabs.

use super::error::StorageError;
use bytes::Bytes;
use nightjar_record::SlabRow;
use nightjar_record::catalog::StreamId;
use nightjar_types::{Event, EventId, Gap, Wall};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;
use std::time::Duration;

/// sled's page cache, bytes.
const CACHE: u64 = 4 << 20;
/// What sled says when somebody has the index open.
const LOCKED: &str = "could not acquire lock";
/// How often it is tried again then, and how long apart.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Of an event that was found when its moment was long recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Later {
    /// When it was found.
    pub(super) found: Wall,
    /// It stands in a slab of the same unsure clock as its footage, and is moved with it when the clock is set.
    pub(super) moves: bool,
}

/// An event and its picture, as it stands in a slab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EventRow {
    pub(super) event: Event,
    pub(super) jpeg: Bytes,
    /// Absent where nothing was ever found later: see [`read_row`].
    pub(super) later: Option<Later>,
}

/// An event in the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EventEntry {
    pub(super) event: Event,
    /// Where the newest record with a picture stands: generation and offset.
    pub(super) record: Option<(u64, u64)>,
    /// As in [`EventRow`].
    pub(super) later: Option<Later>,
    /// Generation of the slab in which it was written down last; none while it waits for one.
    pub(super) slab: Option<u64>,
}

/// What stands in a slab. Rows of before there was anything to find later end where `later` would begin.
pub(super) fn read_row(bytes: &[u8]) -> Option<EventRow> {
    let mut row = get::<EventRow>(bytes).or_else(|| {
        let (event, jpeg) = get(bytes)?;
        Some(EventRow { event, jpeg, later: None })
    })?;
    row.event.found = row.later.map(|later| later.found);
    Some(row)
}

fn read_entry(bytes: &[u8]) -> Option<EventEntry> {
    let earlier = || get(bytes).map(|(event, record, later)| EventEntry { event, record, later, slab: None });
    let mut entry = get::<EventEntry>(bytes).or_else(earlier).or_else(|| {
        let (event, record) = get(bytes)?;
        Some(EventEntry { event, record, later: None, slab: None })
    })?;
    entry.event.found = entry.later.map(|later| later.found);
    Some(entry)
}

/// The index.
#[derive(Debug, Clone)]
pub(super) struct Index {
    db: sled::Db,
    slabs: sled::Tree,
    gaps: sled::Tree,
    events: sled::Tree,
}

fn put<T: Serialize>(tree: &sled::Tree, key: &[u8], value: &T) -> Result<(), StorageError> {
    let bytes = postcard::to_allocvec(value).expect("index values are plain data");
    tree.insert(key, bytes)?;
    Ok(())
}

fn get<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

impl Index {
    /// Opens the index of volume `id`, which was opened `opens` times before. One that cannot be read, is another volume's or
    /// was not there the last time is put aside and begun anew.
    pub(super) fn open(dir: &Path, id: &str, opens: u64) -> Result<Self, StorageError> {
        let stamp = |opens: u64| format!("{id} {opens}");
        let index = match Self::open_as_is(dir) {
            // counted once more when the power went between the two
            Ok(index)
                if index.text("volume").is_none_or(|was| was == stamp(opens) || was == stamp(opens + 1)) =>
            {
                index
            }
            found => {
                match found {
                    Ok(_) => {
                        tracing::warn!("the index is not the volume's newest; making it again from the slabs")
                    }
                    Err(e) => {
                        tracing::warn!(error = %e, "the index cannot be read; making it again from the slabs")
                    }
                }
                let aside = dir.with_extension("bad");
                let _ = std::fs::remove_dir_all(&aside); // an older one; nothing reads it
                super::error::io_at("put aside", dir, std::fs::rename(dir, &aside))?;
                Self::open_as_is(dir)?
            }
        };
        index.db.insert("volume", stamp(opens + 1).as_str())?;
        index.db.flush()?;
        Ok(index)
    }

    fn open_as_is(dir: &Path) -> Result<Self, StorageError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None); // the write-outs of the storage do it, in their order
        let mut tries = 0;
        let db = loop {
            match config.open() {
                // sled's own threads let go of the lock some time after its last user did
                Err(sled::Error::Io(e)) if tries < LOCK_TRIES && e.to_string().contains(LOCKED) => {
                    tries += 1;
                    std::thread::sleep(LOCK_WAIT);
                }
                other => break other?,
            }
        };
        let (slabs, gaps, events) = (db.open_tree("slabs")?, db.open_tree("gaps")?, db.open_tree("events")?);
        Ok(Self { db, slabs, gaps, events })
    }

    /// An index as it is, to look at.
    pub(super) fn look(dir: &Path) -> Result<Self, StorageError> {
        Self::open_as_is(dir)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.db.get(key).ok().flatten().and_then(|v| String::from_utf8(v.to_vec()).ok())
    }

    /// Was the last stop on purpose? From now on it counts as a crash until [`set_clean`](Self::set_clean).
    pub(super) fn take_clean(&self) -> bool {
        let was = self.db.remove("clean").ok().flatten().is_some();
        let _ = self.db.flush(); // worst case: a crash is told as a stop
        was
    }

    pub(super) fn set_clean(&self) -> Result<(), StorageError> {
        self.db.insert("clean", "yes")?;
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn slabs(&self) -> Vec<SlabRow> {
        self.slabs.iter().values().filter_map(Result::ok).filter_map(|v| get(&v)).collect()
    }

    pub(super) fn slab(&self, generation: u64) -> Option<SlabRow> {
        self.slabs.get(generation.to_be_bytes()).ok().flatten().and_then(|v| get(&v))
    }

    pub(super) fn put_slab(&self, row: &SlabRow) -> Result<(), StorageError> {
        put(&self.slabs, &row.generation.to_be_bytes(), row)
    }

    pub(super) fn remove_slab(&self, generation: u64) -> Result<(), StorageError> {
        self.slabs.remove(generation.to_be_bytes())?;
        Ok(())
    }

    /// Makes durable what was put. Nothing else does.
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn put_gap(&self, gap: &Gap) -> Result<(), StorageError> {
        put(&self.gaps, &gap_key(&(gap.camera.clone(), gap.stream), gap.from), gap)
    }

    /// The gap of a stream that begins at `from`.
    pub(super) fn gap_at(&self, stream: &StreamId, from: Wall) -> Option<Gap> {
        self.gaps.get(gap_key(stream, from)).ok().flatten().and_then(|v| get(&v))
    }

    pub(super) fn remove_gap(&self, gap: &Gap) -> Result<(), StorageError> {
        self.gaps.remove(gap_key(&(gap.camera.clone(), gap.stream), gap.from))?;
        Ok(())
    }

    /// Forgets an event that is told under another time now: it stands in the same place.
    pub(super) fn remove_event_at(
        &self,
        id: EventId,
        record: Option<(u64, u64)>,
    ) -> Result<(), StorageError> {
        if self.event(id).is_some_and(|entry| entry.record == record) {
            self.events.remove(event_key(id))?;
        }
        Ok(())
    }

    /// Moves what happened to the stream of a slab in `from..=to` by `micros`: gaps that begin then, and the camera's
    /// events, but for those that stand in other slabs or were found later.
    pub(super) fn restamp(
        &self,
        row: &SlabRow,
        from: Wall,
        to: Wall,
        micros: i64,
    ) -> Result<(), StorageError> {
        let stream = &row.stream;
        let after = to.plus_micros(1);
        for gap in self.gaps(stream, from, after).into_iter().filter(|g| g.from >= from) {
            self.gaps.remove(gap_key(stream, gap.from))?;
            let (from, to) = (gap.from.plus_micros(micros), gap.to.map(|t| t.plus_micros(micros)));
            self.put_gap(&Gap { from, to, ..gap })?;
        }
        if stream.1 == nightjar_types::StreamKind::Main {
            let is_here = |e: &EventEntry| {
                let stands = e.record.map(|(generation, _)| generation).or(e.slab);
                e.later.is_none() && stands.is_none_or(|generation| generation == row.generation)
            };
            let all: Vec<EventEntry> =
                self.events(from, after, None).filter(|e| e.event.camera == stream.0 && is_here(e)).collect();
            for entry in all {
                self.events.remove(event_key(entry.event.id))?;
                self.put_event(&EventEntry { event: entry.event.moved(micros), ..entry })?;
            }
        }
        Ok(())
    }

    /// Gaps of a stream that touch `from..to`, in order.
    pub(super) fn gaps(&self, stream: &StreamId, from: Wall, to: Wall) -> Vec<Gap> {
        let range = gap_key(stream, Wall(0))..gap_key(stream, to);
        let all = self.gaps.range(range).values().filter_map(Result::ok).filter_map(|v| get::<Gap>(&v));
        all.filter(|gap| gap.to.is_none_or(|end| end > from)).collect()
    }

    pub(super) fn put_event(&self, entry: &EventEntry) -> Result<(), StorageError> {
        put(&self.events, &event_key(entry.event.id), entry)
    }

    pub(super) fn event(&self, id: EventId) -> Option<EventEntry> {
        self.events.get(event_key(id)).ok().flatten().and_then(|v| read_entry(&v))
    }

    pub(super) fn remove_event(&self, id: EventId) -> Result<(), StorageError> {
        self.events.remove(event_key(id))?;
        Ok(())
    }

    /// Events that began in `from..to`, newest first.
    pub(super) fn events(
        &self,
        from: Wall,
        to: Wall,
        before: Option<EventId>,
    ) -> impl Iterator<Item = EventEntry> + use<> {
        let low = event_key(EventId { start: from, serial: 0 });
        let high = event_key(EventId { start: to, serial: 0 });
        let high = before.map(event_key).filter(|b| *b < high).unwrap_or(high);
        let range = if low < high { low..high } else { high..high };
        self.events.range(range).rev().filter_map(Result::ok).filter_map(|(_, v)| read_entry(&v))
    }

    /// Forgets gaps of a stream from before `until` and events of its camera from before `camera`: their footage is gone.
    pub(super) fn forget_before(
        &self,
        stream: &StreamId,
        until: Wall,
        camera: Wall,
    ) -> Result<(), StorageError> {
        for old in self.events(Wall(0), camera, None).filter(|e| e.event.camera == stream.0) {
            self.events.remove(event_key(old.event.id))?;
        }
        for gap in
            self.gaps(stream, Wall(0), until).into_iter().filter(|g| g.to.is_some_and(|end| end <= until))
        {
            self.gaps.remove(gap_key(stream, gap.from))?;
        }
        Ok(())
    }
}

fn event_key(id: EventId) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&id.start.0.max(0).to_be_bytes());
    key[8..].copy_from_slice(&id.serial.to_be_bytes());
    key
}

fn gap_key(stream: &StreamId, from: Wall) -> Vec<u8> {
    let mut key = format!("{}/{}\0", stream.0, stream.1).into_bytes();
    key.extend(from.0.max(0).to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::{BBox, CameraId};

    #[test]
    fn rows_of_before_events_were_found_later_are_read() {
        let event = Event {
            id: EventId { start: Wall(7), serial: 1 },
            camera: CameraId::new("front").unwrap(),
            label: "person".into(),
            score: 0.5,
            bbox: BBox::default(),
            track: 3,
            end: Some(Wall(9)),
            rules: vec!["siren".into()],
            model: "abc".into(),
            found: None,
        };
        let jpeg = Bytes::from_static(b"\xff\xd8");
        let old = postcard::to_allocvec(&(&event, &jpeg)).unwrap();
        let row = read_row(&old).unwrap();
        assert_eq!((&row.event, &row.jpeg, row.later), (&event, &jpeg, None));
        let old = postcard::to_allocvec(&(&event, Some((5u64, 6u64)))).unwrap();
        assert_eq!(read_entry(&old).unwrap().record, Some((5, 6)));

        let later = Some(Later { found: Wall(1_000), moves: false });
        let new =
            postcard::to_allocvec(&EventRow { event: event.clone(), jpeg: jpeg.clone(), later }).unwrap();
        assert_eq!(read_row(&new).unwrap().event.found, Some(Wall(1_000)));
        // a reader of before takes it, too
        let (seen, _): (Event, Bytes) = postcard::from_bytes(&new).unwrap();
        assert_eq!(seen, event);
    }
}
