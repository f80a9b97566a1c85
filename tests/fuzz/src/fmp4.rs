//! MP4 bytes → boxes and the numbers of a fragment that an export rewrites in place.

use crate::draw::Draw;
use crate::edit;
use nightjar_media::fragment::{self, Moof};
use nightjar_media::walk::{self, Boxes};
use nightjar_media::{AUDIO_TRACK, FragmentWriter, MediaError, Sample, VIDEO_TRACK, init};
use nightjar_types::Wall;
use std::sync::LazyLock;

/// Kinds of boxes that are looked for.
pub(crate) const WORDS: &[&str] = &[
    "ftyp", "moov", "mvhd", "trak", "tkhd", "mdia", "mdhd", "hdlr", "minf", "stbl", "stsd", "stts", "ctts",
    "stss", "stsc", "stsz", "stco", "co64", "edts", "elst", "mvex", "mehd", "trex", "moof", "mfhd", "traf",
    "tfhd", "tfdt", "trun", "mdat", "free", "sidx", "uuid", "avc1", "avc3", "avcC", "hvc1", "hev1", "hvcC",
    "mp4a", "esds",
];
/// Boxes that hold boxes: walked into.
const NESTED: &[&[u8; 4]] =
    &[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex", b"edts"];
/// Deeper than any file that makes sense.
const DEEPEST: usize = 12;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    FILES.iter().cloned().chain(edit::seeds(FILES.len())).collect()
}

/// Files as the recorder writes them: an initialisation segment and three fragments.
pub(crate) static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(files);

fn files() -> Vec<Vec<u8>> {
    let mut with_sound = vec![0, 64, 1, 56, 0, 8];
    with_sound.extend(b"\x01\x64\0\x1f\xff\xe1\0\0\x01\x80\x3e\0\0\x01\0\x14\x08");
    let h265 =
        [1, 64, 1, 56, 0, 23].into_iter().chain((0..23).map(|n| if n == 21 { 3 } else { n })).collect();
    [with_sound, h265].iter().map(|params: &Vec<u8>| fragmented(params)).collect()
}

fn fragmented(params: &[u8]) -> Vec<u8> {
    let params = crate::nal::params(&mut Draw::new(params));
    let mut file = init::segment(&[&params], Wall(1_795_236_310_000_000), None);
    let picture = b"\0\0\0\x04\x65\x88\x84\0";
    for n in 0..3u32 {
        let video =
            [true, false].map(|is_key| Sample { duration: 3_600, size: 8, cts: n as i32 * 90, is_key });
        let audio = [Sample { duration: 512, size: 4, cts: 0, is_key: true }];
        let audio = if params.audio.is_some() { &audio[..] } else { &[] };
        let time = u64::from(n) * 7_200;
        file =
            FragmentWriter { sequence: n + 1, video_time: time, video: &video, audio_time: time / 8, audio }
                .write(file);
        file.extend(picture);
        file.extend(picture);
        file.extend(audio.iter().flat_map(|_| b"beep"));
    }
    file
}

/// The bytes as choices for a fragment that is written, damaged and read; then as a file.
pub(crate) fn fmp4(data: &[u8]) {
    written(&mut Draw::new(data));
    let data = &*edit::file(data, &FILES);
    let boxes = walked(data, 0);
    assert!(boxes <= data.len() / 8, "{boxes} boxes in {} bytes", data.len());
    let faults = Boxes::new(data).filter(Result::is_err).count();
    assert!(faults <= 1, "a fault ends the walk");
    // The file may hold its fragments anywhere.
    for found in Boxes::new(data).flatten().filter(|found| found.kind == *b"moof") {
        moof(&data[found.at..]);
    }
    moof(data);
    numbers(data);
}

/// Whole boxes: each has a head of its own.
fn walked(data: &[u8], depth: usize) -> usize {
    let (mut count, mut end) = (0, 0);
    for found in Boxes::new(data) {
        match found {
            Ok(found) => {
                count += 1;
                assert_eq!(found.at, end, "boxes follow each other");
                end = found.at + found.head + found.body.len();
                assert!(end <= data.len());
                if depth < DEEPEST && NESTED.contains(&&found.kind) {
                    count += walked(found.body, depth + 1);
                }
            }
            Err(MediaError::Short { at } | MediaError::Overrun { at, .. }) => assert_eq!(at, end),
            #[allow(unreachable_patterns, reason = "new kinds of faults have no place in the bytes")]
            Err(_) => {}
        }
    }
    count
}

fn numbers(data: &[u8]) {
    for kind in [b"moov", b"trak", b"moof", b"mdat"] {
        if let Some((at, body)) = walk::find(data, kind) {
            assert_eq!(&data[at..][..body.len()], body);
        }
    }
    for at in [0, data.len().saturating_sub(4), data.len(), usize::MAX - 3, usize::MAX] {
        assert_eq!(walk::u32_at(data, at).is_some(), at.checked_add(4).is_some_and(|end| end <= data.len()));
        assert_eq!(walk::u64_at(data, at).is_some(), at.checked_add(8).is_some_and(|end| end <= data.len()));
    }
}

/// What is said to stand somewhere stands there, and can be rewritten without moving anything.
fn moof(data: &[u8]) {
    let Some(found) = fragment::read_moof(data) else { return };
    assert!(found.len <= data.len() && !found.runs.is_empty());
    let mut changed = data[..found.len].to_vec();
    let mut put = |at: usize, bytes: &[u8]| changed[at..][..bytes.len()].copy_from_slice(bytes);
    put(found.sequence_at, &7u32.to_be_bytes());
    for run in &found.runs {
        put(run.description_at, &2u32.to_be_bytes());
        put(run.time_at, &(run.time ^ 1).to_be_bytes());
    }
    let again = fragment::read_moof(&changed).expect("only numbers were changed");
    let mut expected = found.clone();
    expected.runs.iter_mut().for_each(|run| run.time ^= 1);
    assert_eq!(again, expected);
}

/// A fragment that the recorder writes reads back; damaged, it reads back or is refused.
fn written(draw: &mut Draw<'_>) {
    let mut samples = |most: usize| {
        let count = draw.below(most + 1);
        let sample = |n: usize, draw: &mut Draw<'_>| Sample {
            duration: draw.u32(),
            size: u32::from(draw.u16()),
            cts: draw.u32() as i32 >> (draw.u8() % 32),
            is_key: n == 0 && draw.flag(),
        };
        (0..count).map(|n| sample(n, draw)).collect::<Vec<_>>()
    };
    let (video, audio) = (samples(12), samples(6));
    if video.is_empty() && audio.is_empty() {
        return;
    }
    let (sequence, video_time, audio_time) = (draw.u32(), draw.u64(), draw.u64());
    let writer = FragmentWriter { sequence, video_time, video: &video, audio_time, audio: &audio };
    let mut bytes = writer.write(Vec::new());
    let read = fragment::read_moof(&bytes).expect("what was written can be read");
    same(&read, &bytes, &writer);
    for _ in 0..draw.below(4) {
        let at = draw.below(bytes.len());
        bytes[at] = draw.u8();
    }
    moof(&bytes);
}

fn same(read: &Moof, bytes: &[u8], writer: &FragmentWriter<'_>) {
    assert_eq!(bytes.len(), read.len + 8, "moof, then the head of mdat");
    assert_eq!(walk::u32_at(bytes, read.sequence_at), Some(writer.sequence));
    assert_eq!(walk::u32_at(bytes, read.len).map(u64::from), Some(writer.payload_len() + 8));
    let tracks =
        [(VIDEO_TRACK, writer.video_time, writer.video), (AUDIO_TRACK, writer.audio_time, writer.audio)];
    let tracks = tracks.iter().filter(|(_, _, samples)| !samples.is_empty());
    assert_eq!(read.runs.len(), tracks.clone().count());
    for (run, (track, time, samples)) in read.runs.iter().zip(tracks) {
        assert_eq!((run.track, run.time, run.count), (*track, *time, samples.len() as u32));
        assert_eq!(run.first_size, samples[0].size);
        assert_eq!(walk::u32_at(bytes, run.description_at), Some(1));
        assert_eq!(walk::u64_at(bytes, run.time_at), Some(*time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_hold_fragments() {
        for seed in &*FILES {
            let moofs = Boxes::new(seed).flatten().filter(|found| found.kind == *b"moof");
            assert_eq!(moofs.filter(|found| fragment::read_moof(&seed[found.at..]).is_some()).count(), 3);
            assert!(Boxes::new(seed).all(|found| found.is_ok()));
        }
    }
}
