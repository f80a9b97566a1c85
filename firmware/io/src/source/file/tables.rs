//! `moov` and `moof` → tracks and where each sample lies. Pure: never panics, never allocates more than its budget.
//!
//! ISO/IEC 14496-12. Bytes come from a file that anybody may have made, so each count is checked before it is believed.

use super::entry;
use nightjar_media::walk::{self, Boxes, u32_at, u64_at};
use nightjar_types::{AudioParams, VideoParams};

/// Most samples of all tracks: a day at 20 pictures a second. 48 bytes each while loading, 40 after.
const MOST_SAMPLES: u64 = 2_000_000;

/// What a track holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Codec {
    Video(VideoParams),
    Audio(AudioParams),
}

/// One sample, times in ticks of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Byte in the file.
    pub(super) offset: u64,
    pub(super) dts: i64,
    pub(super) cts: i32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) is_sync: bool,
}

/// A track of H.264, H.265 or AAC.
#[derive(Debug)]
pub(super) struct Track {
    id: u32,
    /// Ticks a second, above zero.
    pub(super) scale: i64,
    pub(super) codec: Codec,
    pub(super) samples: Vec<Sample>,
    /// What the edit list cuts off the beginning (section 8.6.6): B frames and the encoder delay of AAC need it.
    skipped: i64,
    /// Of fragments: duration, size, flags (`trex`, section 8.8.3).
    defaults: [u32; 3],
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) tracks: Vec<Track>,
    samples: u64,
}

/// The boxes of one kind.
fn all<'a>(data: &'a [u8], kind: &'static [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    Boxes::new(data).map_while(Result::ok).filter(move |found| found.kind == *kind).map(|found| found.body)
}

/// The body of the box at the end of a path of kinds.
fn at<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(data, |body, kind| Some(walk::find(body, kind)?.1))
}

/// The rows of a table whose count stands at byte 4; as many as are really there.
fn rows(table: Option<&[u8]>, width: usize) -> impl Iterator<Item = &[u8]> + Clone {
    let table = table.unwrap_or_default();
    let count = u32_at(table, 4).unwrap_or(0) as usize;
    table.get(8..).unwrap_or_default().chunks_exact(width).take(count)
}

/// The values of a run-length table, one a sample.
fn each(table: Option<&[u8]>) -> impl Iterator<Item = u32> + '_ {
    let runs = rows(table, 8).filter_map(|row| Some((u32_at(row, 0)?, u32_at(row, 4)?)));
    runs.flat_map(|(count, value)| std::iter::repeat_n(value, count as usize))
}

impl Tables {
    /// Counts samples that are about to be read.
    fn spend(&mut self, samples: u32) -> Result<(), String> {
        self.samples += u64::from(samples);
        let fits = self.samples <= MOST_SAMPLES;
        fits.then_some(()).ok_or_else(|| format!("it has more than {MOST_SAMPLES} samples: cut it"))
    }

    /// Takes the body of `moov`.
    pub(super) fn moov(&mut self, moov: &[u8]) -> Result<(), String> {
        for trak in all(moov, b"trak") {
            let long = |body: &[u8]| body.first() == Some(&1);
            let id = at(trak, &[b"tkhd"]).and_then(|tkhd| u32_at(tkhd, if long(tkhd) { 20 } else { 12 }));
            let scale =
                at(trak, &[b"mdia", b"mdhd"]).and_then(|mdhd| u32_at(mdhd, if long(mdhd) { 20 } else { 12 }));
            let stbl = at(trak, &[b"mdia", b"minf", b"stbl"]);
            let (Some(id), Some(scale @ 1..), Some(stbl)) = (id, scale, stbl) else { continue };
            let entries = at(stbl, &[b"stsd"]).and_then(|stsd| stsd.get(8..)).unwrap_or_default();
            let Some(codec) = entry::codec(entries, scale)? else { continue };
            let mut track = Track {
                id,
                scale: scale.into(),
                codec,
                samples: Vec::new(),
                skipped: at(trak, &[b"edts", b"elst"]).map_or(0, skipped),
                defaults: [0; 3],
            };
            let is_mine = |trex: &&[u8]| u32_at(trex, 4) == Some(id);
            if let Some(trex) = at(moov, &[b"mvex"]).and_then(|mvex| all(mvex, b"trex").find(is_mine)) {
                track.defaults = [12, 16, 20].map(|place| u32_at(trex, place).unwrap_or(0));
            }
            self.spend(at(stbl, &[b"stsz"]).and_then(|stsz| u32_at(stsz, 8)).unwrap_or(0))?;
            track.table(stbl);
            self.tracks.push(track);
        }
        Ok(())
    }

    /// Takes the body of a `moof` that begins at byte `begin` of the file.
    pub(super) fn moof(&mut self, moof: &[u8], begin: u64) -> Result<(), String> {
        let mut end = begin;
        for traf in all(moof, b"traf") {
            let Some(tfhd) = at(traf, &[b"tfhd"]) else { continue };
            let flags = u32_at(tfhd, 0).unwrap_or(0);
            let (mut place, mut base) = (8, if flags & 0x02_0000 > 0 { begin } else { end });
            if flags & 1 > 0 {
                base = u64_at(tfhd, place).unwrap_or(base);
                place += 8;
            }
            place += if flags & 2 > 0 { 4 } else { 0 };
            let Some(track) = self.tracks.iter().position(|track| Some(track.id) == u32_at(tfhd, 4)) else {
                continue;
            };
            let mut defaults = self.tracks[track].defaults;
            for (default, flag) in defaults.iter_mut().zip([0x08, 0x10, 0x20]) {
                if flags & flag > 0 {
                    *default = u32_at(tfhd, place).unwrap_or(*default);
                    place += 4;
                }
            }
            let time = at(traf, &[b"tfdt"]).and_then(|tfdt| match tfdt.first() {
                Some(1) => u64_at(tfdt, 4),
                _ => u32_at(tfdt, 4).map(u64::from),
            });
            if let Some(time) = time.and_then(|time| i64::try_from(time).ok()) {
                self.tracks[track].begin_at(time);
            }
            end = base;
            for trun in all(traf, b"trun") {
                self.spend(u32_at(trun, 4).unwrap_or(0))?;
                end = self.tracks[track].run(trun, base, end, defaults);
            }
        }
        Ok(())
    }
}

/// What the edit list leaves out at the beginning. An empty edit, a delay, is rare and left alone.
fn skipped(elst: &[u8]) -> i64 {
    let is_long = elst.first() == Some(&1);
    let media_time = |row: &[u8]| match is_long {
        true => u64_at(row, 8).map(|time| time as i64),
        false => u32_at(row, 4).map(|time| i64::from(time as i32)),
    };
    rows(Some(elst), if is_long { 20 } else { 12 })
        .filter_map(media_time)
        .find(|time| *time >= 0)
        .unwrap_or(0)
}

impl Track {
    /// Decode time after the last sample, in media time.
    fn end(&self) -> i64 {
        self.samples.last().map_or(0, |last| last.dts.saturating_add(last.duration.into()))
    }

    /// The next fragment begins at `time`: the last sample lasts until then.
    fn begin_at(&mut self, time: i64) {
        let skipped = self.skipped;
        match self.samples.last_mut() {
            Some(last) => {
                let lasts = time.saturating_sub(skipped).saturating_sub(last.dts);
                last.duration = u32::try_from(lasts).unwrap_or(last.duration);
            }
            None => self.skipped = skipped.saturating_sub(time),
        }
    }

    fn push(&mut self, sample: Sample) {
        let dts = if self.samples.is_empty() { self.skipped.saturating_neg() } else { self.end() };
        self.samples.push(Sample { dts, ..sample });
    }

    /// Takes the sample tables (sections 8.6 and 8.7).
    fn table(&mut self, stbl: &[u8]) {
        let one = |kind: &[u8; 4]| at(stbl, &[kind]);
        let (stsz, stss) = (one(b"stsz").unwrap_or_default(), one(b"stss"));
        let (same, count) = (u32_at(stsz, 4).unwrap_or(0), u32_at(stsz, 8).unwrap_or(0));
        let mut sizes =
            (0..count as usize).map_while(|n| if same > 0 { Some(same) } else { u32_at(stsz, 12 + 4 * n) });
        let (mut durations, mut offsets) = (each(one(b"stts")), each(one(b"ctts")));
        let mut syncs = rows(stss, 4).filter_map(|row| u32_at(row, 0)).peekable();
        let mut runs =
            rows(one(b"stsc"), 12).filter_map(|row| Some((u32_at(row, 0)?, u32_at(row, 4)?))).peekable();
        let short = rows(one(b"stco"), 4).filter_map(|row| u32_at(row, 0)).map(u64::from);
        let long = rows(one(b"co64"), 8).filter_map(|row| u64_at(row, 0));
        let (mut a_chunk, mut duration, mut number) = (0, 0, 0);
        for (chunk, mut offset) in (1u32..).zip(short.chain(long)) {
            while let Some((_, samples)) = runs.next_if(|(first, _)| *first <= chunk) {
                a_chunk = samples;
            }
            for _ in 0..a_chunk {
                let Some(size) = sizes.next() else { return };
                number += 1;
                duration = durations.next().unwrap_or(duration);
                while syncs.next_if(|sync| *sync < number).is_some() {}
                let is_sync = stss.is_none() || syncs.peek() == Some(&number);
                let cts = offsets.next().unwrap_or(0) as i32;
                self.push(Sample { offset, dts: 0, cts, duration, size, is_sync });
                offset = offset.saturating_add(size.into());
            }
        }
    }

    /// Takes a track run (section 8.8.8) whose data begin at `from` when it says nothing; the byte after its data.
    fn run(&mut self, trun: &[u8], base: u64, from: u64, defaults: [u32; 3]) -> u64 {
        let (flags, count) = (u32_at(trun, 0).unwrap_or(0), u32_at(trun, 4).unwrap_or(0));
        let (mut place, mut offset) = (8, from);
        let mut next = |has: u32| {
            let value = (flags & has > 0).then(|| u32_at(trun, place));
            place += if value.is_some() { 4 } else { 0 };
            value
        };
        if let Some(Some(moved)) = next(0x01) {
            offset = base.saturating_add_signed(i64::from(moved as i32));
        }
        let mut first = next(0x04).flatten();
        for _ in 0..count {
            // A field that should be there and is not: the run was cut.
            let (Some(duration), Some(size), Some(flags), Some(cts)) = (
                next(0x100).unwrap_or(Some(defaults[0])),
                next(0x200).unwrap_or(Some(defaults[1])),
                next(0x400).unwrap_or(Some(first.take().unwrap_or(defaults[2]))),
                next(0x800).unwrap_or(Some(0)),
            ) else {
                break;
            };
            // sample_is_non_sync_sample, section 8.8.3.1.
            let is_sync = flags >> 16 & 1 == 0;
            self.push(Sample { offset, dts: 0, cts: cts as i32, duration, size, is_sync });
            offset = offset.saturating_add(size.into());
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn words(values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    fn track(stbl: &[u8]) -> Track {
        let audio = AudioParams {
            sample_rate: 8_000,
            channels: 1,
            rfc6381: String::new(),
            config: Default::default(),
        };
        let codec = Codec::Audio(audio);
        let mut track = Track { id: 1, scale: 1, codec, samples: Vec::new(), skipped: 10, defaults: [0; 3] };
        track.table(stbl);
        track
    }

    #[test]
    fn puts_the_sample_tables_together() {
        let stbl = [
            a_box(b"stts", &words(&[0, 2, 3, 100, 1, 50])),
            a_box(b"ctts", &words(&[0, 1, 2, 7])),
            a_box(b"stss", &words(&[0, 2, 1, 4])),
            a_box(b"stsc", &words(&[0, 2, 1, 1, 1, 2, 2, 1])),
            a_box(b"stsz", &words(&[0, 0, 4, 11, 12, 13, 14])),
            a_box(b"stco", &words(&[0, 3, 1_000, 2_000, 3_000])),
        ];
        let samples = track(&stbl.concat()).samples;
        let of = |n: usize| {
            (samples[n].offset, samples[n].dts, samples[n].cts, samples[n].size, samples[n].is_sync)
        };
        assert_eq!(of(0), (1_000, -10, 7, 11, true));
        assert_eq!(of(1), (2_000, 90, 7, 12, false));
        assert_eq!(of(2), (2_012, 190, 0, 13, false));
        assert_eq!(of(3), (3_000, 290, 0, 14, true));
        assert_eq!((samples.len(), samples[3].duration), (4, 50));
    }

    #[test]
    fn refuses_a_count_beyond_its_budget_before_it_allocates() {
        let mut tables = Tables::default();
        assert!(tables.spend(2_000_000).is_ok());
        assert!(tables.spend(1).unwrap_err().contains("2000000"));
    }

    proptest! {
        #[test]
        fn survives_any_tables(values in proptest::collection::vec(prop_oneof![0u32..6, any::<u32>()], 0..60), cut in 0usize..200) {
            let kinds: [&[u8; 4]; 6] = [b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco"];
            let mut stbl: Vec<u8> = values.chunks(10).zip(kinds).flat_map(|(values, kind)| a_box(kind, &words(values))).collect();
            stbl.truncate(cut.max(8));
            // The count of equal sizes is the one thing that Tables::spend bounds.
            let stsz = at(&stbl, &[b"stsz"]).and_then(|stsz| u32_at(stsz, 8)).unwrap_or(0);
            if stsz < 10_000 {
                let mut track = track(&stbl);
                track.run(&words(&values[..values.len().min(1)]), 0, 0, [1, 1, 1]);
                track.begin_at(-5);
            }
        }

        #[test]
        fn survives_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut tables = Tables::default();
            let _ = tables.moov(&data);
            let _ = tables.moof(&data, 77);
        }
    }
}
