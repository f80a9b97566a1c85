//! A disk, a freshly opened storage on it and what was fed → what is wrong: every invariant of the recorder.

use super::disk::{Placed, Sim};
use super::frame::{self, Id};
use super::world::Fed;
use bytes::Bytes;
use nightjar_io::storage::{Library, StreamId};
use nightjar_media::walk::Boxes;
use nightjar_record::catalog::JOIN_US;
use nightjar_record::scan::{self, Depth, extend};
use nightjar_record::{Kind, name};
use nightjar_types::{Event, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// A hole from this length on needs a cause, µs.
const GAP_US: i64 = 1_000_000;
/// Rounding of 90 kHz ticks to microseconds, and of a camera's durations, µs.
const ROUNDING_US: i64 = 50;
/// Footage may stand so far from where it belongs, µs.
const OFF_US: i64 = 500_000;

/// What may be asked of a run so far.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The clock was always right.
    pub is_clock_right: bool,
    /// No call of the disk ever failed: nothing was written twice.
    pub is_disk_right: bool,
    /// Nobody damaged a slab.
    pub are_slabs_right: bool,
    /// Boots whose clock was wrong to their end: nobody can know when they were.
    pub lying_boots: BTreeSet<u32>,
}

/// A fragment on the card.
#[derive(Debug, Clone)]
struct Fragment {
    from: Wall,
    to: Wall,
    ids: Vec<Id>,
    path: String,
}

/// What all slabs hold.
#[derive(Default)]
struct Found {
    streams: BTreeMap<StreamId, Vec<Fragment>>,
    spans: BTreeMap<StreamId, Vec<(Wall, Wall)>>,
    ids: BTreeSet<Id>,
    events: Vec<(Event, Bytes)>,
    damaged: BTreeSet<StreamId>,
    rotten: BTreeSet<String>,
    adopted: Vec<(String, Vec<Placed>)>,
}

/// Everything that is wrong. The footage that was found is what the disk must keep from now on.
pub fn all(
    sim: &Sim,
    library: &Library,
    streams: &[StreamId],
    fed: &[Vec<Fed>],
    held: &[Id],
    asked: &Asked,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let known: BTreeSet<String> =
        streams.iter().flat_map(|s| library.slabs_of(s)).map(|row| row.path).collect();
    let found = slabs(sim, &known, asked, &mut wrong);
    kept(sim, &found, &mut wrong);
    let lost = held.iter().filter(|id| !found.ids.contains(id)).count();
    if lost > 0 && asked.are_slabs_right {
        wrong.push(format!("{lost} of {} held frames are gone", held.len()));
    }
    for (n, stream) in streams.iter().enumerate() {
        of_stream(&found, n, stream, library, fed, asked, &mut wrong);
    }
    for (event, jpeg) in &found.events {
        let of_camera = found.spans.iter().filter(|(stream, _)| stream.0 == event.camera);
        let oldest = of_camera.filter_map(|(_, spans)| spans.iter().min()).min();
        if oldest.is_none_or(|o| event.id.start < o.0) {
            continue; // what it shows is gone
        }
        match library.event(event.id) {
            None => wrong.push(format!("event {:?} is in a slab and not in the index", event.id)),
            Some((_, true)) if !jpeg.is_empty() => match library.event_picture(event.id) {
                Ok(Some(have)) if have == jpeg => {}
                other => {
                    let what = other.map(|j| j.map(|j| j.len()));
                    wrong.push(format!(
                        "picture of event {:?}: {what:?}, not {} bytes",
                        event.id,
                        jpeg.len()
                    ));
                }
            },
            Some(_) => {}
        }
    }
    let mut s = sim.state();
    for (path, placed) in found.adopted {
        s.adopt(&path, placed);
    }
    wrong
}

fn slabs(sim: &Sim, known: &BTreeSet<String>, asked: &Asked, wrong: &mut Vec<String>) -> Found {
    let mut found = Found::default();
    for (path, inode) in sim.state().slabs() {
        if inode.is_retired() && !known.contains(path) {
            continue; // it waits
        }
        let mut tell = |words: String| wrong.push(format!("{path}: {words}"));
        let bytes = &inode.bytes[..];
        let Ok(Some(slab)) = scan::scan(bytes, bytes.len() as u64, Depth::Full) else {
            if !inode.is_rotten {
                tell("holds no slab".into());
            }
            continue;
        };
        let stream = (slab.slab.camera.clone(), slab.slab.stream);
        if name::parse(path).as_ref() != Some(&stream) {
            tell(format!("holds footage of {stream:?}"));
        }
        if inode.is_rotten {
            found.damaged.insert(stream.clone());
            found.rotten.insert(path.clone());
        } else {
            walk(bytes, &mut tell);
        }
        let fragments = slab.records.iter().filter(|r| r.head.kind == Kind::Fragment);
        if let Some(first) = fragments.clone().next() {
            let right = name::slab_path(&stream.0, stream.1, first.head.wall, 0);
            let stem = |p: &str| p.trim_end_matches(".mp4").split('_').next().map(str::to_string);
            // the record that moved it may be what is rotten
            if stem(path) != stem(&right) && !inode.is_rotten {
                tell(format!("begins as {right} (moved by {} s)", slab.shift_us / 1_000_000));
            }
        } else if !inode.is_rotten {
            tell("holds no footage".into());
        }
        let mut placed = Vec::new();
        for r in &slab.records {
            let record = &bytes[r.offset as usize..][..r.head.len as usize];
            if r.head.kind == Kind::Event {
                let body = &record[nightjar_record::layout::HEAD_LEN..];
                match postcard::from_bytes::<(Event, Bytes)>(body) {
                    // where the clock was wrong, only the index knows until the slab is moved
                    Ok(_) if !slab.slab.begun.is_sure && slab.shift_us == 0 && !asked.is_clock_right => {}
                    Ok((event, jpeg)) => found.events.push((event.moved(slab.shift_us), jpeg)),
                    Err(e) => tell(format!("an event that cannot be read: {e}")),
                }
                continue;
            }
            let inside = Boxes::new(&record[nightjar_record::layout::HEAD_LEN..]);
            let mdat = inside.filter_map(Result::ok).find(|b| b.kind == *b"mdat");
            let Some(mdat) = mdat else {
                tell(format!("no mdat in the fragment at {}", r.offset));
                continue;
            };
            match frame::parse_all(mdat.body) {
                Ok(all) => {
                    let at = r.offset + (record.len() - mdat.body.len()) as u64;
                    let ids: Vec<Id> = all.iter().map(|f| f.0).collect();
                    for (n, (id, offset)) in all.iter().enumerate() {
                        let end = all.get(n + 1).map_or(mdat.body.len(), |f| f.1);
                        let (at, len) = (at + *offset as u64, (end - offset) as u64);
                        placed.push(Placed { id: *id, record: r.offset, at, len, is_durable: false });
                    }
                    found.ids.extend(&ids);
                    let fragment = Fragment { from: r.head.wall, to: r.head.end(), ids, path: path.clone() };
                    found.streams.entry(stream.clone()).or_default().push(fragment);
                }
                Err(e) => tell(format!("fragment at {}: {e}", r.offset)),
            }
        }
        found.spans.entry(stream).or_default().extend(slab.spans(JOIN_US));
        if !inode.is_rotten {
            found.adopted.push((path.clone(), placed));
        }
    }
    found
}

/// A player sees boxes up to the last byte.
fn walk(bytes: &[u8], tell: &mut impl FnMut(String)) {
    let mut kinds = Vec::new();
    for part in Boxes::new(bytes) {
        match part {
            Ok(part) => kinds.push(part.kind),
            Err(e) => return tell(format!("a player stops: {e}")),
        }
    }
    let known = [*b"ftyp", *b"moov", *b"uuid", *b"moof", *b"mdat", *b"free"];
    if kinds.first() != Some(b"ftyp") || kinds.get(1) != Some(b"moov") || kinds.last() != Some(b"free") {
        tell("is no ftyp, moov … free".into());
    }
    if let Some(kind) = kinds.iter().find(|k| !known.contains(k)) {
        tell(format!("has a box {kind:?}"));
    }
}

/// What a completed write-out covered is there.
fn kept(sim: &Sim, found: &Found, wrong: &mut Vec<String>) {
    for (path, inode) in sim.state().slabs().filter(|s| !s.1.is_rotten) {
        let lost: Vec<Id> = inode.placed.iter().map(|p| p.id).filter(|id| !found.ids.contains(id)).collect();
        if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
            wrong.push(format!("{path}: {} frames are gone, {first:?} to {last:?}", lost.len()));
        }
    }
}

fn of_stream(
    found: &Found,
    n: usize,
    stream: &StreamId,
    library: &Library,
    fed: &[Vec<Fed>],
    asked: &Asked,
    wrong: &mut Vec<String>,
) {
    let mut tell = |words: String| wrong.push(format!("{}/{}: {words}", stream.0, stream.1));
    let mut fragments = found.streams.get(stream).cloned().unwrap_or_default();
    fragments.sort_by_key(|f| f.from);
    for f in &fragments {
        if let Some(other) = f.ids.iter().find(|id| usize::from(id.stream) != n) {
            tell(format!("{} holds {other:?}", f.path));
        }
        let Some(first) = f.ids.iter().find(|id| !id.is_audio) else { continue };
        let Some(was) = fed[n].get(first.n as usize) else {
            tell(format!("{first:?} was never fed"));
            continue;
        };
        let off = f.from - was.truth;
        if asked.is_clock_right && off.abs() > OFF_US {
            tell(format!("{first:?} in {} stands {off} µs from its time", f.path));
        }
    }
    let last_of = |f: &Fragment| f.ids.iter().filter(|id| !id.is_audio).map(|id| id.n).max();
    for pair in fragments.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let is_twice = a.ids.iter().any(|id| b.ids.contains(id));
        if !asked.is_disk_right && a.path != b.path {
            continue; // a write that failed and was repeated elsewhere
        }
        let first = b.ids.iter().find(|id| !id.is_audio).map(|id| id.n);
        if a.path != b.path && (found.rotten.contains(&a.path) || found.rotten.contains(&b.path)) {
            continue; // read up to the damage only: what moved its times stands behind it
        }
        let is_lie = |f: &Fragment| {
            let was = f.ids.iter().find(|id| !id.is_audio).and_then(|id| fed[n].get(id.n as usize));
            was.is_some_and(|was| asked.lying_boots.contains(&was.boot))
        };
        if (is_lie(a) || is_lie(b)) && b.from - a.to >= -ROUNDING_US {
            continue;
        }
        if is_twice || b.from - a.to < -ROUNDING_US || last_of(a) >= first {
            tell(format!(
                "{} {}..{} (to frame {:?}) and {} {}..{} (from {first:?}) overlap or are out of order",
                a.path,
                a.from,
                a.to,
                last_of(a),
                b.path,
                b.from,
                b.to
            ));
        }
    }
    let covered = library.coverage(stream, Wall(0), Wall(i64::MAX));
    if !found.damaged.contains(stream) && asked.are_slabs_right {
        let mut spans = found.spans.get(stream).cloned().unwrap_or_default();
        spans.sort_unstable();
        let mut joined = Vec::new();
        spans.into_iter().for_each(|(a, b)| extend(&mut joined, a, b, JOIN_US));
        if joined != covered {
            let differs = joined.iter().zip(&covered).position(|(a, b)| a != b);
            let at = differs.unwrap_or(joined.len().min(covered.len()));
            tell(format!(
                "the slabs hold {} spans, the catalog {}; first difference at {at}: {:?} and {:?}",
                joined.len(),
                covered.len(),
                joined.get(at),
                covered.get(at)
            ));
        }
    }
    if asked.is_clock_right {
        holes(stream, library, &covered, &mut tell);
    }
}

/// Every hole has a cause, up to a second.
fn holes(stream: &StreamId, library: &Library, covered: &[(Wall, Wall)], tell: &mut impl FnMut(String)) {
    for pair in covered.windows(2) {
        let (from, to) = (pair[0].1, pair[1].0);
        let mut told: Vec<(Wall, Wall)> =
            library.gaps(stream, from, to).iter().map(|g| (g.from, g.to.unwrap_or(Wall(i64::MAX)))).collect();
        told.sort_unstable();
        let mut at = from;
        for (a, b) in &told {
            if *a - at > GAP_US {
                break;
            }
            at = at.max(*b);
        }
        if to - at > GAP_US {
            tell(format!(
                "nobody says why there is nothing from {at} to {to} (hole {from} to {to}, told {told:?})"
            ));
        }
    }
}
