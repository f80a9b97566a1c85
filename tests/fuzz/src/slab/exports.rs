//! Scanned slabs → everything that is made of them: an export with its proof, a playlist, a film of key frames.

use nightjar_media::walk::Boxes;
use nightjar_record::export::{Anchor, Cursor, Slabs};
use nightjar_record::timelapse::{LapsePlanner, Pace};
use nightjar_record::{NoKey, Plan, Planner, ReadAt, Scanned};
use nightjar_types::Wall;
use std::convert::Infallible;

/// The only slabs there are, by generation.
pub(super) struct Files<'a>(pub(super) &'a [(u64, &'a [u8])]);

impl Slabs for Files<'_> {
    type Error = Infallible;
    fn read_at(&self, generation: u64, offset: u64, buf: &mut [u8]) -> Result<usize, Infallible> {
        let file = self.0.iter().find(|(known, _)| *known == generation);
        file.map_or(Ok(0), |(_, bytes)| bytes.read_at(offset, buf))
    }
}

/// A range and the pieces in which it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) from: Wall,
    pub(super) to: Wall,
    pub(super) piece: usize,
}

/// An export, read in pieces. `None` when there is no footage in the range. Bytes that are no longer there end it early.
pub(super) fn export(slabs: &[Scanned], files: &Files<'_>, wanted: Wanted) -> Option<(Plan, Vec<u8>)> {
    let Wanted { from, to, piece } = wanted;
    let mut planner = Planner::new(from, to);
    for found in slabs {
        let file = files.0.iter().find(|(generation, _)| *generation == found.generation);
        let anchor = file.and_then(|(_, bytes)| {
            Anchor::read(*bytes, bytes.len() as u64, found).unwrap_or_else(|never| match never {})
        });
        planner.slab(found, anchor.as_ref());
    }
    let chapters = [(from, "a person".to_owned()), (Wall(super::NOW), String::new())];
    let plan = planner.finish(&chapters, Some(&NoKey))?;
    let (mut cursor, mut bytes) = (Cursor::default(), Vec::new());
    let mut ends_early = false;
    loop {
        let at = bytes.len() as u64;
        let read = plan.read(files, &mut cursor, at, piece).unwrap_or_else(|never| match never {});
        let Some(read) = read else {
            ends_early = true;
            break;
        };
        assert!(read.len() <= piece);
        if read.is_empty() {
            break;
        }
        bytes.extend(read);
    }
    let len = bytes.len() as u64;
    assert!(len == plan.len() || (ends_early && len < plan.len()), "{len} of {} bytes were read", plan.len());
    let (start, end) = plan.span();
    assert!(start <= end && plan.footprint() > 0 && !plan.is_empty() && plan.tag().len() == 24);
    let playlist = plan.playlist("clip.mp4", 540_000);
    assert!(playlist.starts_with("#EXTM3U"), "{playlist}");
    Some((plan, bytes))
}

/// A film of key frames. Its parts are boxes, whatever is in them.
pub(super) fn film(slabs: &[Scanned], files: &Files<'_>, pace: Pace, piece: usize) {
    let mut planner = LapsePlanner::new(pace);
    for found in slabs {
        planner.slab(files, found).unwrap_or_else(|never| match never {});
    }
    let Some(film) = planner.finish(files).unwrap_or_else(|never| match never {}) else { return };
    assert!(film.pictures() > 0 && !film.is_empty() && film.tag().len() == 24);
    let mut bytes = Vec::new();
    while let Some(read) = film.read(files, bytes.len() as u64, piece).unwrap_or_else(|never| match never {})
    {
        if read.is_empty() {
            assert_eq!(bytes.len() as u64, film.len());
            assert!(Boxes::new(&bytes).all(|found| found.is_ok()), "a player can walk the film");
            break;
        }
        bytes.extend(read);
    }
}
