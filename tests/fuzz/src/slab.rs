//! A slab as a card may give it back → its records, its export, its evidence. Nothing is made up, nothing good is lost.
//!
//! Three kinds of slabs: any bytes; what the recorder wrote, then torn, damaged and written on ([`card`]); and what somebody
//! forged with hashes that fit ([`forge`]). Only public functions make and read them: the format may change.

mod card;
mod exports;
mod forge;

use crate::draw::Draw;
use card::{Card, Kept};
use exports::{Files, Wanted};
use nightjar_media::walk::Boxes;
use nightjar_record::evidence::{self, What};
use nightjar_record::scan::{Depth, read_start, scan};
use nightjar_record::timelapse::Pace;
use nightjar_record::{Kind, Scanned, export, name};
use nightjar_types::Wall;

/// A moment in the middle of what [`card`] records, µs since 1970.
const NOW: i64 = 1_795_236_310_000_000;
const DEPTHS: [Depth; 3] = [Depth::Full, Depth::Tail, Depth::Heads];
/// All that was ever recorded, in one piece.
const ALL: Wanted = Wanted { from: Wall(i64::MIN), to: Wall(i64::MAX), piece: usize::MAX };

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut random = 7u32;
    let mut noise = |len: usize| -> Vec<u8> {
        let next = |_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        (0..len).map(next).collect()
    };
    // Choices are dense: any bytes make a slab. The first byte says which kind.
    let mut seeds: Vec<Vec<u8>> = (0..12).map(|kind| [vec![kind], noise(600)].concat()).collect();
    let card = Card::record(&mut Draw::new(&noise(300)));
    seeds.push([&[0][..], &card.file[..2_000]].concat());
    seeds.push(b"\0front/main/2026-11-21/04-45-10_1.mp4".to_vec());
    seeds
}

pub(crate) fn slab(data: &[u8]) {
    let mut draw = Draw::new(data);
    match draw.u8() % 4 {
        0 => anything(draw.rest()),
        1 => {
            let file = forge::slab(&mut draw);
            let wanted = wanted(&mut draw);
            look(&file, file.len() as u64, wanted);
        }
        _ => recorded(&mut draw),
    }
}

fn wanted(draw: &mut Draw<'_>) -> Wanted {
    let moment = |draw: &mut Draw<'_>| match draw.u8() % 3 {
        0 => Wall(draw.i64()),
        1 => Wall(NOW).plus_micros(draw.u32().into()),
        _ => Wall(if draw.flag() { i64::MAX } else { i64::MIN }),
    };
    Wanted { from: moment(draw), to: moment(draw), piece: 1 + draw.below(1 << 14) }
}

fn anything(bytes: &[u8]) {
    look(bytes, bytes.len() as u64, ALL);
    export::first_picture(bytes);
    if let Some((camera, stream)) = std::str::from_utf8(bytes).ok().and_then(name::parse) {
        let again = name::slab_path(&camera, stream, Wall(NOW), 0);
        assert_eq!(name::parse(&again), Some((camera, stream)));
    }
}

/// A slab at every depth. What is true of any bytes is checked here.
fn scans(file: &[u8], len: u64) -> Option<[Scanned; 3]> {
    let start = read_start(file).unwrap_or_else(|never| match never {});
    let found = DEPTHS.map(|depth| scan(file, len, depth).unwrap_or_else(|never| match never {}));
    assert!(
        found.iter().all(|found| found.is_some() == start.is_some()),
        "every depth finds the slab's head"
    );
    let (Some(start), [Some(full), Some(tail), Some(heads)]) = (start, found) else { return None };
    let all = [full, tail, heads];
    for found in &all {
        let mut at = start.end;
        for (record, sequence) in found.records.iter().zip(1..) {
            assert_eq!((record.offset, record.head.sequence), (at, sequence), "records follow each other");
            assert_eq!(record.head.generation, found.generation);
            assert!(matches!(record.head.kind, Kind::Fragment | Kind::Event));
            at += u64::from(record.head.len);
        }
        assert!(
            at <= found.end && (found.end <= len || found.records.is_empty()),
            "{at}, {} of {len}",
            found.end
        );
        assert!(found.spans(1_000).len() <= found.records.len());
    }
    Some(all)
}

/// Everything that reads a slab, with nothing promised but that it returns.
fn look(file: &[u8], len: u64, wanted: Wanted) {
    let all = scans(file, len);
    let files = [(all.as_ref().map_or(0, |all| all[0].generation), file)];
    for found in all.iter().flatten() {
        let slabs = std::slice::from_ref(found);
        exports::export(slabs, &Files(&files), wanted);
        let pace = Pace { from: wanted.from, to: wanted.to, every_us: wanted.piece as i64, fps: 25 };
        exports::film(slabs, &Files(&files), pace, wanted.piece);
        for record in &found.records {
            if let Some(bytes) = cut(file, record.offset, record.head.len) {
                export::first_picture(bytes);
            }
        }
    }
    let _ = verified(file, len).key();
}

fn verified(file: &[u8], len: u64) -> evidence::Report {
    let report = evidence::verify(file, len).unwrap_or_else(|never| match never {});
    let (from, to) = report.span();
    assert!(
        from <= to || report.slabs.is_empty() || report.faults.iter().all(|fault| fault.from <= fault.to)
    );
    report
}

fn cut(file: &[u8], offset: u64, len: u32) -> Option<&[u8]> {
    file.get(usize::try_from(offset).ok()?..)?.get(..len as usize)
}

/// What the recorder wrote comes back whole; torn or damaged, up to the fault; and it can be written on.
fn recorded(draw: &mut Draw<'_>) {
    let card = Card::record(draw);
    let len = card.file.len() as u64;
    let all = scans(&card.file, len).expect("a slab that was begun has a head");
    for found in &all {
        same(found, &card.kept, card.shift_us);
        assert_eq!(found.records.len(), card.kept.len(), "nothing is lost");
        assert!(found.is_framed, "a `free` box spans the rest");
        assert_eq!((found.end, found.seal.is_some()), (card.end, card.is_sealed));
        assert_eq!(found.chain, all[0].chain);
    }
    card.check_playable();
    for kept in &card.kept {
        let record = cut(&card.file, kept.offset, kept.len).expect("it was written there");
        assert_eq!(export::first_picture(record), kept.picture.as_deref());
    }
    let report = verified(&card.file, len);
    assert!(report.is_intact() && report.what == What::Slab, "{report:?}");
    proven(&card, &all, draw);
    damaged(card, draw);
}

/// An export has all fragments from the first key frame on, plays, and is as recorded until a byte is changed.
fn proven(card: &Card, all: &[Scanned], draw: &mut Draw<'_>) {
    let files = [(all[0].generation, &card.file[..])];
    let files = Files(&files);
    let [first, rest @ ..] = all else { return };
    let Some((plan, mut bytes)) = exports::export(std::slice::from_ref(first), &files, ALL) else {
        assert!(!card.kept.iter().any(|kept| kept.is_key), "a key frame begins an export");
        return;
    };
    for found in rest {
        let (_, others) = exports::export(std::slice::from_ref(found), &files, ALL).expect("as before");
        assert_eq!(bytes, others, "an export is the same by heads and by table");
    }
    let fragments = card.kept.iter().skip_while(|kept| !kept.is_key).filter(|kept| kept.picture.is_some());
    let boxes: Vec<[u8; 4]> =
        Boxes::new(&bytes).map(|found| found.expect("a player can walk the export").kind).collect();
    assert_eq!(boxes.iter().filter(|kind| **kind == *b"moof").count(), fragments.count());
    assert_eq!(boxes.last(), Some(b"uuid"), "the proof stands at the end");
    let report = verified(&bytes, plan.len());
    assert!(report.is_intact() && report.what == What::Clip, "{report:?}");

    let wanted = wanted(draw);
    if let Some((_, part)) = exports::export(std::slice::from_ref(first), &files, wanted) {
        let report = verified(&part, part.len() as u64);
        assert!(report.is_intact() && report.what == What::Clip, "{report:?}");
    }
    // What is not signed, here for want of a key, can be changed with what checks it; the footage can't.
    let at = draw.below(bytes.len() - plan.proof_len() as usize);
    bytes[at] ^= 1 << (draw.u8() % 8);
    assert!(
        !verified(&bytes, plan.len()).is_intact(),
        "byte {at} of the export was changed and nobody saw it"
    );
}

fn damaged(mut card: Card, draw: &mut Draw<'_>) {
    let len = card.file.len() as u64;
    let before = card.file[..card.end as usize].to_vec();
    card.damage(draw);
    let Some(first) = before.iter().zip(&card.file).position(|(then, now)| then != now) else { return };
    let is_seen = !verified(&card.file, len).is_intact();
    assert!(is_seen || first as u64 >= card.proven, "byte {first} of the slab was changed and nobody saw it");
    let Some([full, tail, heads]) = scans(&card.file, len) else {
        assert!((first as u64) < card.start, "the slab's head was whole");
        return;
    };
    assert!(full.records.len() <= tail.records.len() && tail.records.len() <= heads.records.len());
    same(&full, &card.kept, full.shift_us);
    let whole = card.kept.iter().take_while(|kept| kept.offset + u64::from(kept.len) <= first as u64).count();
    assert!(full.records.len() >= whole, "{} of {whole} records before the fault", full.records.len());
    look(&card.file, len, wanted(draw));
    look(&card.file[..draw.below(card.file.len())], len, wanted(draw));
    if full.seal.is_none() {
        let sequence = card.write_on(&full, draw);
        let again = scan(&card.file[..], len, Depth::Full).unwrap_or_else(|never| match never {});
        let again = again.expect("its head is as it was");
        assert_eq!(again.next_sequence, sequence, "what was written on comes back, and nothing behind it");
        assert!(again.is_framed);
    }
}

/// What was found is what was written, as far as it goes.
fn same(found: &Scanned, kept: &[Kept], shift_us: i64) {
    assert!(found.records.len() <= kept.len(), "{} records of {}", found.records.len(), kept.len());
    assert_eq!(found.shift_us, shift_us);
    for (record, kept) in found.records.iter().zip(kept) {
        let head = &record.head;
        assert_eq!((record.offset, head.len, head.is_key()), (kept.offset, kept.len, kept.is_key));
        let moved = |wall: Wall| wall.plus_micros(shift_us);
        assert_eq!((head.wall, head.end()), (moved(kept.from), moved(kept.to)));
    }
}
