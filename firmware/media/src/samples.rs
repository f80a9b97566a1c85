//! A fragment's bytes → where each coded picture in it stands, and when it is. Reads what [`FragmentWriter`](crate::FragmentWriter) writes.

use crate::VIDEO_TRACK;
use crate::walk::{self, Boxes};

/// One coded picture of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureAt {
    /// Where its bytes begin in the fragment (`moof` `mdat`).
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// Ticks of decode time since the fragment's first picture.
    pub ticks: u64,
    /// A decoder can start here.
    pub is_key: bool,
}

/// A sample that depends on others (ISO/IEC 14496-12 section 8.8.3.1, `sample_is_non_sync_sample`).
const NON_SYNC: u32 = 0x0001_0000;

/// Its pictures, in decode order. `None` when these bytes are no fragment, or one without pictures; every picture given
/// lies inside `data`.
pub fn pictures(data: &[u8]) -> Option<Vec<PictureAt>> {
    let moof = Boxes::new(data).next()?.ok().filter(|b| b.kind == *b"moof")?;
    let trafs = Boxes::new(moof.body).map_while(Result::ok).filter(|b| b.kind == *b"traf");
    for traf in trafs {
        let (_, tfhd) = walk::find(traf.body, b"tfhd")?;
        if walk::u32_at(tfhd, 4)? != VIDEO_TRACK {
            continue;
        }
        let (_, trun) = walk::find(traf.body, b"trun")?;
        return run(data, tfhd, trun);
    }
    None
}

fn run(data: &[u8], tfhd: &[u8], trun: &[u8]) -> Option<Vec<PictureAt>> {
    let has = walk::u32_at(tfhd, 0)?;
    // what stands before the default duration and flags
    let mut at = 8 + if has & 0x1 != 0 { 8 } else { 0 } + if has & 0x2 != 0 { 4 } else { 0 };
    let mut default = |flag: u32| {
        let there = has & flag != 0;
        let value = there.then(|| walk::u32_at(tfhd, at));
        at += if there { 4 } else { 0 };
        value
    };
    let duration = default(0x8).flatten();
    default(0x10);
    let rest_flags = default(0x20).flatten().unwrap_or_default();
    let flags = walk::u32_at(trun, 0)?;
    if flags & 0x200 == 0 || flags & 0x1 == 0 {
        return None; // no sizes or no offset of its own: not ours
    }
    let count = walk::u32_at(trun, 4)? as usize;
    let mut offset = usize::try_from(walk::u32_at(trun, 8)?).ok()?;
    let mut at = 12;
    let first_flags = (flags & 0x4 != 0).then(|| walk::u32_at(trun, at)).flatten();
    at += if flags & 0x4 != 0 { 4 } else { 0 };
    let entry = 4 * (flags & 0xf00).count_ones() as usize;
    let mut all = Vec::with_capacity(count.min(trun.len() / entry));
    let mut ticks = 0;
    for n in 0..count {
        let mut field = at + n * entry;
        let mut next = |flag: u32| {
            let value = (flags & flag != 0).then(|| walk::u32_at(trun, field));
            field += if value.is_some() { 4 } else { 0 };
            value
        };
        let duration = next(0x100).unwrap_or(duration)?;
        let len = next(0x200)?? as usize;
        let own_flags = next(0x400).unwrap_or(if n == 0 { first_flags } else { None }).unwrap_or(rest_flags);
        let end = offset.checked_add(len).filter(|end| *end <= data.len())?;
        all.push(PictureAt { offset, len, ticks, is_key: own_flags & NON_SYNC == 0 });
        (offset, ticks) = (end, ticks.checked_add(u64::from(duration))?);
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FragmentWriter, Sample};
    use proptest::prelude::*;

    fn fragment(video: &[Sample], audio: &[Sample]) -> Vec<u8> {
        let w = FragmentWriter { sequence: 1, video_time: 7, video, audio_time: 9, audio };
        let mut bytes = w.write(Vec::new());
        let len: u32 = video.iter().chain(audio).map(|s| s.size).sum();
        bytes.extend((0..len).map(|n| n as u8));
        bytes
    }

    #[test]
    fn finds_every_picture_and_no_sound() {
        let video = [(3_000, 500, 0, true), (6_000, 20, 900, false), (3_000, 30, 0, false)]
            .map(|(duration, size, cts, is_key)| Sample { duration, size, cts, is_key });
        let audio = [Sample { duration: 1_024, size: 77, cts: 0, is_key: true }];
        let bytes = fragment(&video, &audio);
        let found = pictures(&bytes).unwrap();
        let start = found[0].offset;
        assert_eq!(bytes[start..start + 3], [0, 1, 2]);
        let told: Vec<_> = found.iter().map(|p| (p.offset - start, p.len, p.ticks, p.is_key)).collect();
        assert_eq!(told, [(0, 500, 0, true), (500, 20, 3_000, false), (520, 30, 9_000, false)]);
        assert_eq!(pictures(&fragment(&[], &audio)), None, "sound alone");
        assert_eq!(pictures(&bytes[..start + 400]), None, "cut short");
    }

    proptest! {
        #[test]
        fn reads_back_what_is_written(
            video in prop::collection::vec((1..9_000u32, 1..300u32, -90..90i32), 1..20),
            starts_with_key in any::<bool>(),
        ) {
            let samples: Vec<Sample> = video.iter().enumerate().map(|(n, &(duration, size, cts))| {
                Sample { duration, size, cts, is_key: n == 0 && starts_with_key }
            }).collect();
            let found = pictures(&fragment(&samples, &[])).unwrap();
            let (mut ticks, mut offset) = (0, found[0].offset);
            prop_assert_eq!(found.len(), samples.len());
            for (f, s) in found.iter().zip(&samples) {
                prop_assert_eq!((f.offset, f.len, f.ticks, f.is_key), (offset, s.size as usize, ticks, s.is_key));
                (ticks, offset) = (ticks + u64::from(s.duration), offset + s.size as usize);
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(data in prop::collection::vec(any::<u8>(), 0..300), at in 0..80usize, to in any::<u8>()) {
            let mut moof = b"\0\0\x01\0moof".to_vec();
            moof.extend(data);
            let _ = pictures(&moof);
            let mut ours = fragment(&[Sample { duration: 3_000, size: 9, cts: 0, is_key: true }], &[]);
            if let Some(byte) = ours.get_mut(at) {
                *byte = to;
            }
            for p in pictures(&ours).unwrap_or_default() {
                prop_assert!(p.offset + p.len <= ours.len());
            }
        }
    }
}
