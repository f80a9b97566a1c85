//! The volume as it was left → a catalog, with every slab playable and the pool at its quota. Reads only open slabs and
//! those that the index does not know.

use super::error::{StorageError, io_at};
use super::index::{EventEntry, EventRow, Index};
use super::slab_file::SlabFile;
use super::volume::Volume;
use nightjar_media::boxes::free_head;
use nightjar_record::catalog::{JOIN_US, StreamId};
use nightjar_record::layout::{FREE_LEN, HEAD_LEN};
use nightjar_record::scan::{self, Depth};
use nightjar_record::{Catalog, Kind, ReadAt, Scanned, SlabRow, SlabWriter, Take, name};
use nightjar_types::{Gap, GapCause, Wall};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Slabs that a stream needs at least: one open, one to keep.
const SLABS_A_STREAM: u64 = 2;

/// A slab that a stream goes on with.
pub(super) struct Resume {
    pub(super) stream: StreamId,
    pub(super) writer: SlabWriter,
    pub(super) file: SlabFile,
}

/// What was found.
pub(super) struct Recovered {
    pub(super) catalog: Catalog,
    pub(super) resume: Vec<Resume>,
}

pub(super) fn recover(
    volume: &Volume,
    index: &Index,
    quota: u64,
    streams: &[StreamId],
) -> Result<Recovered, StorageError> {
    let mut known: HashMap<String, SlabRow> =
        index.slabs().into_iter().map(|row| (row.path.clone(), row)).collect();
    let mut catalog = Catalog::default();
    let mut open: HashMap<StreamId, (SlabRow, Scanned)> = HashMap::new();
    let mut next_number = 0;
    for number in volume.waiting()? {
        catalog.insert_free(number);
        next_number = next_number.max(number + 1);
    }
    for path in slab_paths(&volume.root)? {
        let file = SlabFile::open(&volume.path(&path), true)?;
        let (row, is_whole) = (known.remove(&path), file.len()? == volume.slab_len);
        if let Some(row) = row.as_ref().filter(|row| row.is_sealed && is_whole) {
            catalog.insert(row.clone());
            continue;
        }
        let depth = if row.is_some() { Depth::Tail } else { Depth::Heads };
        let Some(found) = scan::scan(&file, file.len()?, depth)? else {
            tracing::warn!(slab = path, "holds no footage that can be read; goes back to the pool");
            recycle(volume, &path, next_number)?;
            catalog.insert_free(next_number);
            next_number += 1;
            continue;
        };
        if !is_whole {
            tracing::warn!(
                slab = path,
                records = found.records.len(),
                "was cut short; what is left plays, the rest is lost"
            );
        }
        heal(volume, &file, &path, &found)?;
        let row = row_of(path, &found);
        index_events(index, &file, &found)?;
        match open.remove(&row.stream) {
            // of two open slabs of a stream only the newer goes on
            Some(other) if other.0.end() > row.end() => {
                settle(&mut catalog, index, row)?;
                open.insert(other.0.stream.clone(), other);
            }
            other => {
                if let Some(older) = other {
                    settle(&mut catalog, index, older.0)?;
                }
                open.insert(row.stream.clone(), (row, found));
            }
        }
    }
    for (path, row) in known {
        tracing::warn!(slab = path, "is in the index but not on the card; its footage is gone");
        index.remove_slab(row.generation)?;
    }
    let mut resume = Vec::new();
    for (stream, (row, found)) in open {
        if !streams.contains(&stream) {
            settle(&mut catalog, index, row)?;
            continue;
        }
        let file = SlabFile::open(&volume.path(&row.path), true)?;
        let next = found.records.len() as u32 + 1;
        let end = row.end().unwrap_or_default();
        let writer = SlabWriter::resume(
            found.slab,
            found.generation,
            volume.slab_len as u32,
            found.end as u32,
            next,
            end,
        );
        catalog.insert(row);
        resume.push(Resume { stream, writer, file });
    }
    fit_to_quota(volume, index, quota, streams.len() as u64, &mut catalog, next_number)?;
    explain_holes(&catalog, index, streams)?;
    Ok(Recovered { catalog, resume })
}

/// A hole between two spans that no gap record explains was a power cut: the record did not reach the card.
fn explain_holes(catalog: &Catalog, index: &Index, streams: &[StreamId]) -> Result<(), StorageError> {
    for stream in streams {
        let spans = catalog.coverage(stream, Wall(0), Wall(i64::MAX));
        for pair in spans.windows(2) {
            let (from, to) = (pair[0].1, pair[1].0);
            if index.gaps(stream, from, to).is_empty() {
                let (camera, kind) = (stream.0.clone(), stream.1);
                index.put_gap(&Gap {
                    camera,
                    stream: kind,
                    from,
                    to: Some(to),
                    cause: GapCause::PowerCut,
                })?;
            }
        }
    }
    Ok(())
}

/// Paths of all slabs, below the storage folder.
fn slab_paths(root: &Path) -> Result<Vec<String>, StorageError> {
    let mut folders = vec![(PathBuf::new(), 0)];
    let mut found = Vec::new();
    while let Some((below, depth)) = folders.pop() {
        let here = root.join(&below);
        for entry in io_at("list", &here, fs::read_dir(&here))? {
            let entry = io_at("list", &here, entry)?;
            let path = below.join(entry.file_name());
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if is_dir && depth < 3 && !entry.file_name().to_string_lossy().starts_with('.') {
                folders.push((path, depth + 1));
            } else if let Some(text) = path.to_str().filter(|text| !is_dir && name::parse(text).is_some()) {
                found.push(text.to_string());
            }
        }
    }
    Ok(found)
}

fn row_of(path: String, found: &Scanned) -> SlabRow {
    SlabRow {
        generation: found.generation,
        stream: (found.slab.camera.clone(), found.slab.stream),
        path,
        spans: found.spans(JOIN_US),
        used: found.end as u32,
        is_sealed: false,
    }
}

/// Makes the file whole and its end hidden again.
fn heal(volume: &Volume, file: &SlabFile, path: &str, found: &Scanned) -> Result<(), StorageError> {
    if file.len()? != volume.slab_len {
        file.extend(volume.slab_len)?;
    } else if found.is_sealed {
        return Ok(());
    }
    tracing::info!(slab = path, records = found.records.len(), "closed behind its last whole record");
    let rest = volume.slab_len.saturating_sub(found.end).max(u64::from(FREE_LEN));
    file.write_at(&free_head(rest as u32), found.end)
}

fn settle(catalog: &mut Catalog, index: &Index, mut row: SlabRow) -> Result<(), StorageError> {
    row.is_sealed = true;
    index.put_slab(&row)?;
    catalog.insert(row);
    Ok(())
}

fn index_events(index: &Index, file: &SlabFile, found: &Scanned) -> Result<(), StorageError> {
    for record in found.records.iter().filter(|r| r.head.kind == Kind::Event) {
        let Some(row) = read_event(file, record.offset, found.generation)? else { continue };
        let is_newer = index.event(row.event.id).is_none_or(|have| have.event.end.is_none());
        if is_newer {
            index.put_event(&EventEntry {
                event: row.event,
                record: Some((found.generation, record.offset)),
            })?;
        }
    }
    Ok(())
}

/// The event at `offset` of a slab, if it is there and of this generation.
pub(super) fn read_event(
    file: &SlabFile,
    offset: u64,
    generation: u64,
) -> Result<Option<EventRow>, StorageError> {
    let Some(record) = read_record(file, offset, generation)? else { return Ok(None) };
    Ok(postcard::from_bytes(&record[HEAD_LEN..]).ok())
}

/// A whole record, if it is there, of this generation and intact.
pub(super) fn read_record(
    file: &SlabFile,
    offset: u64,
    generation: u64,
) -> Result<Option<Vec<u8>>, StorageError> {
    let mut head = [0; HEAD_LEN];
    file.read_at(offset, &mut head)?;
    let Some(head) = nightjar_record::RecordHead::decode(&head) else { return Ok(None) };
    if head.generation != generation || u64::from(head.len) > file.len()? {
        return Ok(None);
    }
    let mut record = vec![0; head.len as usize];
    let n = file.read_at(offset, &mut record)?;
    Ok((n == record.len() && head.fits(&record)).then_some(record))
}

/// A slab file goes back to the pool under a number.
pub(super) fn recycle(volume: &Volume, path: &str, number: u64) -> Result<(), StorageError> {
    let (from, to) = (volume.path(path), volume.path(&name::pool_path(number)));
    io_at("rename", &from, fs::rename(&from, &to))?;
    // the folders of its date, stream and camera go when they are empty; else these calls fail, as they should
    let _ = from.parent().map(fs::remove_dir);
    let file = SlabFile::open(&to, true)?;
    if file.len()? != volume.slab_len { file.extend(volume.slab_len) } else { Ok(()) }
}

fn fit_to_quota(
    volume: &Volume,
    index: &Index,
    quota: u64,
    streams: u64,
    catalog: &mut Catalog,
    mut next_number: u64,
) -> Result<(), StorageError> {
    let wanted = volume.slabs_for(quota);
    let least = streams * SLABS_A_STREAM;
    if wanted < least {
        return Err(StorageError::TooSmall {
            streams,
            least: (least * volume.slab_len) >> 20,
            wanted: quota >> 20,
        });
    }
    let have = (catalog.rows().count() + catalog.free()) as u64;
    if have < wanted {
        volume.has_room_for(wanted - have, have)?;
        tracing::info!(
            slabs = wanted - have,
            mib = ((wanted - have) * volume.slab_len) >> 20,
            "reserving footage space"
        );
        for _ in have..wanted {
            volume.reserve(next_number)?;
            catalog.insert_free(next_number);
            next_number += 1;
        }
    }
    for _ in wanted..have {
        let Some(take) = catalog.take() else { break };
        let path = match take {
            Take::Free(number) => name::pool_path(number),
            Take::Recycle(row) => {
                tracing::warn!(slab = row.path, "the quota was lowered: the oldest footage is deleted");
                index.remove_slab(row.generation)?;
                row.path
            }
        };
        let path = volume.path(&path);
        io_at("remove", &path, fs::remove_file(&path))?;
    }
    Ok(())
}
