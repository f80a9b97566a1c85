//! A file that a person named as a camera → its tables and the first seconds of its replay.

use crate::{edit, fmp4};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    FILES.iter().cloned().chain(edit::seeds(FILES.len())).collect()
}

/// Clips as a camera or ffmpeg would write them, and as the recorder does.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut files = vec![flat(false), flat(true)];
    files.extend_from_slice(&fmp4::FILES);
    files
});

/// A plain MP4 file: four pictures and two audio frames in two chunks.
fn flat(is_long: bool) -> Vec<u8> {
    let a_box =
        |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();
    let ftyp = a_box(b"ftyp", b"isom\0\0\x02\0isomavc1");
    let media: Vec<u8> = (0..4).flat_map(|_| *b"\0\0\0\x04\x65\x88\x84\0").chain(0..16).collect();
    let first = ftyp.len() as u32 + 8;
    let avcc = a_box(b"avcC", b"\x01\x64\0\x1f\xff\xe1\0\x04\x67\x64\0\x1f\x01\0\x02\x68\xee");
    let visual = [&[0; 24][..], &[1, 64, 0, 240], &[0; 50], &avcc].concat();
    let esds = a_box(
        b"esds",
        b"\0\0\0\0\x03\x19\0\0\0\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x14\x08\x06\x01\x02",
    );
    let sound = [&[0; 16][..], &[0, 1, 0, 16, 0, 0, 0, 0, 0x3e, 0x80, 0, 0], &esds].concat();
    let chunks = |at: u32| match is_long {
        true => a_box(b"co64", &words(&[0, 2, 0, at, 0, at + 16])),
        false => a_box(b"stco", &words(&[0, 2, at, at + 16])),
    };
    let track = |id: u32, scale: u32, entry: Vec<u8>, tables: &[Vec<u8>], at: u32| {
        let stsd = a_box(b"stsd", &[&words(&[0, 1])[..], &entry].concat());
        let stbl = a_box(b"stbl", &[&[stsd][..], tables, &[chunks(at)]].concat().concat());
        let mdhd = a_box(b"mdhd", &words(&[0, 0, 0, scale, 0, 0]));
        let mdia = a_box(b"mdia", &[mdhd, a_box(b"minf", &stbl)].concat());
        let edts = a_box(b"edts", &a_box(b"elst", &words(&[0, 1, 4_000, 512, 0x1_0000])));
        a_box(b"trak", &[a_box(b"tkhd", &words(&[0, 0, 0, id, 0])), edts, mdia].concat())
    };
    let pictures = [
        a_box(b"stts", &words(&[0, 2, 3, 3_600, 1, 1_800])),
        a_box(b"ctts", &words(&[0, 1, 4, 3_600])),
        a_box(b"stss", &words(&[0, 2, 1, 3])),
        a_box(b"stsc", &words(&[0, 1, 1, 2, 1])),
        a_box(b"stsz", &words(&[0, 0, 4, 8, 8, 8, 8])),
    ];
    let frames = [
        a_box(b"stts", &words(&[0, 1, 2, 512])),
        a_box(b"stsc", &words(&[0, 1, 1, 1, 1])),
        a_box(b"stsz", &words(&[0, 8, 2])),
    ];
    let tracks = [
        track(1, 90_000, a_box(b"avc1", &visual), &pictures, first),
        track(2, 16_000, a_box(b"mp4a", &sound), &frames, first + 32),
    ];
    [ftyp, a_box(b"mdat", &media), a_box(b"moov", &tracks.concat())].concat()
}

/// The bytes as a file in memory. Its units lie in the file and their times rise, round after round.
pub(crate) fn clip(data: &[u8]) {
    let data = &*edit::file(data, &FILES);
    let file: File = memfd_create("clip", MemfdFlags::CLOEXEC).expect("memory for a small file").into();
    file.write_all_at(data, 0).expect("memory for a small file");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let offset = Duration::from_millis(data.first().copied().unwrap_or(0).into());
    match nightjar_io::source::rehearse(&path, offset, 4) {
        Err(words) => assert!(!words.is_empty()),
        Ok(units) => {
            assert!(!units.is_empty(), "a replay hands something over");
            let mut last = [-1; 2];
            for (is_picture, dts, at, size) in units {
                let end = at.checked_add(size.into());
                assert!(
                    end.is_some_and(|end| end <= data.len() as u64),
                    "byte {at}, {size} bytes, is not in the file"
                );
                let last = &mut last[usize::from(is_picture)];
                assert!(dts > *last, "decode time {dts} comes after {last}");
                *last = dts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_clips() {
        let folder = std::env::temp_dir();
        for (number, seed) in FILES.iter().enumerate() {
            let path = folder.join(format!("nightjar-fuzz-{}-{number}.mp4", std::process::id()));
            std::fs::write(&path, seed).expect("a small file");
            let units = nightjar_io::source::rehearse(&path, Duration::ZERO, 4);
            std::fs::remove_file(&path).expect("it is ours");
            let kinds = |picture| units.iter().flatten().filter(|unit| unit.0 == picture).count();
            let is_silent = number == 3;
            assert!(kinds(true) >= 4 && (kinds(false) > 0) != is_silent, "seed {number}: {units:?}");
        }
    }
}
