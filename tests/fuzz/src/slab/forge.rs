//! Choices → a slab that somebody forged: every hash fits, the numbers are anything.

use crate::draw::Draw;
use crate::nal;
use nightjar_media::{FragmentWriter, Sample};
use nightjar_record::layout::{Begun, Flags, HEAD_LEN, Seal, SealEntry, Wear};
use nightjar_record::{Footer, Kind, RecordHead, SlabHead, SlabWriter};
use nightjar_types::{Mono, Name, StreamKind, Wall};

const GENERATION: u64 = 5;
const KINDS: [Kind; 5] = [Kind::Fragment, Kind::Event, Kind::Slab, Kind::Seal, Kind::Restamp];

/// Its bytes.
pub(super) fn slab(draw: &mut Draw<'_>) -> Vec<u8> {
    let begun = Begun { wall: Wall(draw.i64()), mono: Mono(draw.u64()), ..Begun::default() };
    let head = SlabHead {
        camera: Name::new("front").expect("a name"),
        stream: StreamKind::Main,
        params: nal::params(draw),
        origin_ticks: draw.i64(),
        begun,
        previous: [0; 32],
        wear: Wear { written: draw.u64(), payload: draw.u64() },
        replaces: vec![draw.u64(); usize::from(draw.u8() % 3)],
    };
    let (_, mut file) = SlabWriter::begin(head, GENERATION, 64 << 10);
    file.truncate(file.len() - 8);
    let mut lens = Vec::new();
    for _ in 0..draw.u8() % 12 {
        let kind = KINDS[if draw.flag() { 0 } else { draw.below(KINDS.len()) }];
        let payload = payload(kind, draw);
        let record = record(kind, lens.len() as u32 + 1, &payload, draw);
        lens.push(record.len() as u64);
        file.extend(record);
    }
    if draw.flag() {
        seal(&mut file, &lens, draw);
        return file;
    }
    file.extend((8 + draw.u32() % 64).to_be_bytes());
    file.extend(b"free");
    file
}

fn record(kind: Kind, sequence: u32, payload: &[u8], draw: &mut Draw<'_>) -> Vec<u8> {
    let head = RecordHead {
        kind,
        flags: Flags(draw.u16()),
        generation: GENERATION,
        sequence,
        len: (HEAD_LEN + payload.len()) as u32,
        wall: Wall(draw.i64()),
        duration_us: draw.u32(),
        hash: [0; 32],
    };
    [&head.hashed([payload].into_iter()).encode()[..], payload].concat()
}

fn payload(kind: Kind, draw: &mut Draw<'_>) -> Vec<u8> {
    if kind != Kind::Fragment || draw.flag() {
        let len = draw.u8();
        return draw.take(len.into()).to_vec();
    }
    let sample =
        |draw: &mut Draw<'_>| Sample { duration: draw.u32(), size: draw.u16().into(), cts: 0, is_key: true };
    let video = [sample(draw), sample(draw)];
    let audio = [sample(draw)];
    let audio = if draw.flag() { &audio[..] } else { &[] };
    let (video_time, audio_time) = (draw.u64(), draw.u64());
    let writer = FragmentWriter { sequence: draw.u32(), video_time, video: &video, audio_time, audio };
    let mut bytes = writer.write(Vec::new());
    for _ in 0..draw.u8() % 3 {
        let at = draw.below(bytes.len());
        bytes[at] = draw.u8();
    }
    bytes.extend(draw.take(16));
    bytes
}

/// A table that leads to its own seal although its rows are anything; the slab ends with the footer that leads to it.
fn seal(file: &mut Vec<u8>, lens: &[u64], draw: &mut Draw<'_>) {
    let mut left: u64 = lens.iter().sum();
    let entries = lens.iter().zip(1..).map(|(len, row)| {
        let told = if draw.u8().is_multiple_of(8) { draw.u32().into() } else { *len };
        let len = if row == lens.len() { left } else { told.min(left) };
        left -= len;
        SealEntry {
            is_event: draw.u8().is_multiple_of(8),
            flags: Flags(draw.u16()),
            len: len as u32,
            after_us: draw.i64(),
            duration_us: draw.u32(),
        }
    });
    let seal = Seal { entries: entries.collect(), chain: [0; 32], device: [0; 32], signature: Vec::new() };
    let payload = postcard::to_allocvec(&seal).expect("plain data");
    let at = file.len() as u32;
    file.extend(record(Kind::Seal, lens.len() as u32 + 1, &payload, draw));
    file.extend([0, 0, 0, 24]);
    file.extend(b"free");
    let is_retired = draw.u8().is_multiple_of(8);
    file.extend(Footer { is_retired, seal_at: at, generation: GENERATION }.encode());
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_record::scan::{Depth, scan};

    #[test]
    fn a_forged_table_is_believed() {
        // Choices of 0x11: every flag is set, so a table with a footer follows the records.
        let file = slab(&mut Draw::new(&[0x11; 4_000]));
        let len = file.len() as u64;
        let found = scan(&file[..], len, Depth::Heads).unwrap_or_else(|never| match never {});
        let found = found.expect("it has a head");
        assert!(found.seal.is_some_and(|seal| seal.entries.len() == found.records.len()));
    }
}
