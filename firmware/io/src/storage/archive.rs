//! A stream's past, one group of pictures after the other → coded pictures with the wall time of each. Nothing is kept from
//! being recycled for it: what is gone is passed over.

use super::error::StorageError;
use super::read::Library;
use super::recover::{Found, read_record};
use super::slab_file::SlabFile;
use bytes::Bytes;
use nightjar_media::samples::pictures;
use nightjar_record::catalog::StreamId;
use nightjar_record::layout::{HEAD_LEN, Kind};
use nightjar_record::scan::Record;
use nightjar_record::{Scanned, SlabRow};
use nightjar_types::{VideoParams, Wall};

/// Bytes of one group that are read; what lies behind them is left out.
const MAX_GROUP: usize = 16 << 20;

/// One coded picture from the card.
#[derive(Debug, Clone)]
pub struct Coded {
    /// When it was.
    pub at: Wall,
    /// A decoder can start here.
    pub is_key: bool,
    /// NAL units with four-byte length prefixes.
    pub data: Bytes,
}

/// One group of pictures.
#[derive(Debug, Clone)]
pub struct Group {
    /// How to decode it.
    pub params: VideoParams,
    /// When its key frame was.
    pub from: Wall,
    /// Where the next one begins, or the footage ends.
    pub to: Wall,
    /// Its key frame alone, or all of it, in decode order. Empty when the card has damaged it.
    pub pictures: Vec<Coded>,
}

/// How much of a group is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key frame.
    Key,
    /// All of it.
    Whole,
}

/// Reads the past of one stream.
pub struct Archive {
    library: Library,
    stream: StreamId,
    open: Option<(u64, SlabFile, Scanned)>,
}

impl Library {
    /// The past of a stream.
    pub fn archive(&self, stream: &StreamId) -> Archive {
        Archive { library: self.clone(), stream: stream.clone(), open: None }
    }
}

impl Archive {
    /// The first group of pictures whose key frame lies in `from..until`. `None` when there is none.
    pub fn group(&mut self, from: Wall, until: Wall, part: Part) -> Result<Option<Group>, StorageError> {
        let mut rows: Vec<SlabRow> = {
            let catalog = self.library.shelf().catalog();
            catalog.overlapping(&self.stream, from, until).into_iter().cloned().collect()
        };
        rows.sort_by_key(SlabRow::start);
        for row in rows {
            if let Some(group) = self.in_slab(&row, from, until, part)? {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// Where the group begins that shows `at`. `None` when nothing does.
    pub fn begin(&mut self, at: Wall) -> Result<Option<Wall>, StorageError> {
        let row = self.library.shelf().catalog().newest_before(&self.stream, at).cloned();
        let Some(row) = row.filter(|r| r.end().is_some_and(|end| end > at)) else { return Ok(None) };
        self.look(&row)?;
        let Some((_, _, found)) = &self.open else { return Ok(None) };
        let keys = found.records.iter().filter(|r| r.head.is_key());
        Ok(keys.map(|r| r.head.wall).take_while(|wall| *wall <= at).last())
    }

    /// Opens a slab, unless it is open.
    fn look(&mut self, row: &SlabRow) -> Result<(), StorageError> {
        // what is still written is looked at again: there is more of it now
        let is_known =
            self.open.as_ref().is_some_and(|(g, _, found)| *g == row.generation && found.seal.is_some());
        if !is_known {
            self.open = self.library.scan(row.generation)?.map(|(file, found)| (row.generation, file, found));
        }
        Ok(())
    }

    fn in_slab(
        &mut self,
        row: &SlabRow,
        from: Wall,
        until: Wall,
        part: Part,
    ) -> Result<Option<Group>, StorageError> {
        self.look(row)?;
        let Some((generation, file, found)) = &self.open else { return Ok(None) };
        let records: Vec<&Record> = found.records.iter().filter(|r| r.head.kind == Kind::Fragment).collect();
        let is_wanted = |r: &&Record| r.head.is_key() && r.head.wall >= from && r.head.wall < until;
        let Some(first) = records.iter().position(is_wanted) else { return Ok(None) };
        let len = records[first + 1..].iter().take_while(|r| !r.head.is_key()).count() + 1;
        let group = &records[first..first + len];
        let next = records.get(first + len).map(|r| r.head.wall);
        let mut out = Group {
            params: found.slab.params.video.clone(),
            from: group[0].head.wall,
            to: next.unwrap_or(group[len - 1].head.end()),
            pictures: Vec::new(),
        };
        let mut bytes = 0;
        for record in if part == Part::Key { &group[..1] } else { group } {
            bytes += record.head.len as usize;
            if bytes > MAX_GROUP {
                break;
            }
            match read_record(file, record.offset, *generation)? {
                Found::Whole(data) => read(&mut out.pictures, &Bytes::from(data), record.head.wall, part),
                // what follows it in the group cannot be decoded
                Found::Damaged => {
                    self.library.shelf().found_damaged(file, *generation, record.offset);
                    break;
                }
                Found::Gone => {
                    self.open = None;
                    return Ok(None);
                }
            }
        }
        Ok(Some(out))
    }
}

/// The pictures of a fragment's record.
fn read(into: &mut Vec<Coded>, record: &Bytes, wall: Wall, part: Part) {
    let fragment = record.slice(HEAD_LEN.min(record.len())..);
    let all = pictures(&fragment).unwrap_or_default();
    let wanted = if part == Part::Key { 1 } else { all.len() };
    into.extend(all.into_iter().take(wanted).map(|p| Coded {
        // 90 kHz
        at: wall.plus_micros((u128::from(p.ticks) * 100 / 9) as i64),
        is_key: p.is_key,
        data: fragment.slice(p.offset..p.offset + p.len),
    }));
}
