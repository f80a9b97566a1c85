//! Samples → `moof` + `mdat` head (ISO/IEC 14496-12 section 8.8); the sample bytes themselves follow and are never copied.

use crate::boxes::BoxWriter;
use crate::walk::{self, Boxes};
use crate::{AUDIO_TRACK, VIDEO_TRACK};

/// One sample's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Ticks of its track until the next sample.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Presentation minus decode time, ticks.
    pub cts: i32,
    /// A decoder can start here. Only the first video sample of a fragment may be one.
    pub is_key: bool,
}

/// Sample flags (ISO/IEC 14496-12 section 8.8.3.1): depends on none / depends on others and is no sync sample.
const FLAGS_KEY: u32 = 0x0200_0000;
const FLAGS_DELTA: u32 = 0x0101_0000;

/// Writes the heads of fragments. Data order: all video samples, then all audio samples.
#[derive(Debug, Clone, Copy)]
pub struct FragmentWriter<'a> {
    /// Running number, from 1.
    pub sequence: u32,
    /// Decode time of the first video sample, ticks since the start of the file.
    pub video_time: u64,
    /// At least one unless there is audio.
    pub video: &'a [Sample],
    /// Decode time of the first audio sample.
    pub audio_time: u64,
    /// May be empty.
    pub audio: &'a [Sample],
}

impl FragmentWriter<'_> {
    /// Bytes of sample data.
    pub fn payload_len(&self) -> u64 {
        self.video.iter().chain(self.audio).map(|s| u64::from(s.size)).sum()
    }

    /// Appends `moof` and the `mdat` head to `out`.
    pub fn write(&self, out: Vec<u8>) -> Vec<u8> {
        let start = out.len();
        let mut w = BoxWriter::onto(out);
        let mut offsets = [0usize; 2];
        w.boxed(b"moof", |w| {
            w.full(b"mfhd", 0, 0, |w| w.u32(self.sequence));
            if !self.video.is_empty() {
                offsets[0] = run(w, VIDEO_TRACK, self.video_time, self.video);
            }
            if !self.audio.is_empty() {
                offsets[1] = run(w, AUDIO_TRACK, self.audio_time, self.audio);
            }
        });
        let data = (w.len() - start + 8) as u32;
        let video: u32 = self.video.iter().map(|s| s.size).sum();
        for (at, offset) in [(offsets[0], data), (offsets[1], data + video)] {
            if at != 0 {
                w.patch_u32(at, offset);
            }
        }
        w.u32((self.payload_len() + 8) as u32);
        w.bytes(b"mdat");
        w.into_bytes()
    }
}

/// One `traf`. Returns where its data offset must be patched in.
fn run(w: &mut BoxWriter, track: u32, time: u64, samples: &[Sample]) -> usize {
    let same_duration = samples.iter().all(|s| s.duration == samples[0].duration);
    let has_cts = samples.iter().any(|s| s.cts != 0);
    let rest = if track == AUDIO_TRACK { FLAGS_KEY } else { FLAGS_DELTA };
    let mut offset_at = 0;
    w.boxed(b"traf", |w| {
        // sample-description-index, default duration and flags present, default-base-is-moof
        w.full(b"tfhd", 0, 0x02_002a, |w| {
            w.u32(track);
            w.u32(1);
            w.u32(samples[0].duration);
            w.u32(rest);
        });
        w.full(b"tfdt", 1, 0, |w| w.u64(time));
        let flags = 0x205 | if same_duration { 0 } else { 0x100 } | if has_cts { 0x800 } else { 0 };
        w.full(b"trun", 1, flags, |w| {
            w.u32(samples.len() as u32);
            offset_at = w.len();
            w.u32(0);
            w.u32(if samples[0].is_key { FLAGS_KEY } else { FLAGS_DELTA });
            for s in samples {
                if !same_duration {
                    w.u32(s.duration);
                }
                w.u32(s.size);
                if has_cts {
                    w.i32(s.cts);
                }
            }
        });
    });
    offset_at
}

/// Where the numbers of a `moof` stand that an export rewrites in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moof {
    /// Length of the box.
    pub len: usize,
    /// Offset of the sequence number (u32).
    pub sequence_at: usize,
    /// Tracks.
    pub runs: Vec<Run>,
}

/// One `traf` of a `moof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Track id.
    pub track: u32,
    /// Offset of the sample description index (u32).
    pub description_at: usize,
    /// Offset of the base decode time (u64).
    pub time_at: usize,
    /// The base decode time.
    pub time: u64,
    /// Size in bytes of the first sample.
    pub first_size: u32,
    /// Samples.
    pub count: u32,
}

/// Reads the `moof` at the start of `data`, as [`FragmentWriter`] writes it. `None` when it is something else. All that is
/// said to stand somewhere lies inside the box.
pub fn read_moof(data: &[u8]) -> Option<Moof> {
    let moof = Boxes::new(data).next()?.ok().filter(|b| b.kind == *b"moof")?;
    let mut found = Moof { len: moof.head + moof.body.len(), ..Moof::default() };
    for part in Boxes::new(moof.body) {
        let part = part.ok()?;
        let at = moof.head + part.at + part.head;
        match &part.kind {
            b"mfhd" => {
                walk::u32_at(part.body, 4)?;
                found.sequence_at = at + 4;
            }
            b"traf" => {
                let (tfhd_at, tfhd) = walk::find(part.body, b"tfhd")?;
                let (tfdt_at, tfdt) = walk::find(part.body, b"tfdt")?;
                let (_, trun) = walk::find(part.body, b"trun")?;
                // A base data offset (flag 1) would stand where the description index does.
                if walk::u32_at(tfhd, 0)? & 3 != 2 || *tfdt.first()? != 1 {
                    return None;
                }
                walk::u32_at(tfhd, 8)?;
                let flags = walk::u32_at(trun, 0)? & 0x00ff_ffff;
                if flags & 0x200 == 0 {
                    return None; // its samples have no sizes of their own
                }
                let extra = [0x1, 0x4, 0x100].iter().filter(|f| flags & **f != 0).count();
                found.runs.push(Run {
                    track: walk::u32_at(tfhd, 4)?,
                    description_at: at + tfhd_at + 8,
                    time_at: at + tfdt_at + 4,
                    time: walk::u64_at(tfdt, 4)?,
                    first_size: walk::u32_at(trun, 8 + 4 * extra)?,
                    count: walk::u32_at(trun, 4)?,
                });
            }
            _ => {}
        }
    }
    (found.sequence_at != 0 && !found.runs.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(size: u32, is_key: bool) -> Sample {
        Sample { duration: 3_600, size, cts: 0, is_key }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let video = [sample(1_000, true), sample(10, false)];
        let audio = [Sample { duration: 1_024, size: 77, cts: 0, is_key: true }];
        let w =
            FragmentWriter { sequence: 9, video_time: 1 << 40, video: &video, audio_time: 5, audio: &audio };
        let bytes = w.write(b"head".to_vec());
        let moof = read_moof(&bytes[4..]).unwrap();
        assert_eq!(walk::u32_at(&bytes[4..], moof.sequence_at), Some(9));
        assert_eq!(moof.runs[0].time, 1 << 40);
        assert_eq!((moof.runs[0].first_size, moof.runs[0].count), (1_000, 2));
        assert_eq!(moof.runs[1].track, AUDIO_TRACK);
        assert_eq!(walk::u32_at(&bytes[4..], moof.len), Some(1_087 + 8));
        assert_eq!(bytes.len(), 4 + moof.len + 8);
    }

    /// A `moof` of these `mfhd`, `tfhd` and `trun` bodies.
    fn moof(mfhd: &[u8], tfhd: &[u8], trun: &[u8]) -> Vec<u8> {
        let mut w = BoxWriter::onto(Vec::new());
        w.boxed(b"moof", |w| {
            w.boxed(b"traf", |w| {
                w.boxed(b"tfdt", |w| w.bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
                w.boxed(b"trun", |w| w.bytes(trun));
                w.boxed(b"tfhd", |w| w.bytes(tfhd));
            });
            w.boxed(b"mfhd", |w| w.bytes(mfhd));
        });
        w.into_bytes()
    }

    #[test]
    fn refuses_heads_that_end_before_what_an_export_would_write() {
        let (mfhd, tfhd) = ([0; 8], [0, 2, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1]);
        let trun = [1, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        let whole = read_moof(&moof(&mfhd, &tfhd, &trun)).unwrap();
        assert_eq!(whole.runs[0].first_size, 9);
        assert_eq!(read_moof(&moof(&mfhd[..4], &tfhd, &trun)), None, "no sequence number");
        assert_eq!(read_moof(&moof(&mfhd, &tfhd[..8], &trun)), None, "no description index");
        let based = [0, 2, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1];
        assert_eq!(read_moof(&moof(&mfhd, &based, &trun)), None, "a base data offset in its place");
        let unsized_samples = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(read_moof(&moof(&mfhd, &tfhd, &unsized_samples)), None, "samples without sizes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut moof = b"\0\0\x01\0moof".to_vec();
            moof.extend(data);
            let _ = read_moof(&moof);
        }
    }
}
