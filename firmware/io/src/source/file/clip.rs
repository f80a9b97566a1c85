//! MP4 file → what is in it and where: parameters and one [`Entry`] a sample. Reads tables only, never holds the media.

use super::tables::{Codec, Sample, Tables, Track};
use nightjar_media::walk;
use nightjar_types::{GapCause, Media, StreamParams};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Most bytes of `moov`, and of one `moof`.
const MOST_TABLE: u64 = 64 << 20;
/// Most boxes on the file's top level: two a fragment, and a fragment has a sample at least.
const MOST_BOXES: u64 = 4_000_000;
/// Most bytes of one sample, as for every source.
const MOST_SAMPLE: u32 = 8 << 20;
const TICKS: i64 = 90_000;

/// One coded picture or audio frame of the clip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Byte in the file.
    pub(super) offset: u64,
    /// Decode time from the first picture's: 90 kHz, or the sample rate.
    pub(super) dts: i64,
    pub(super) size: u32,
    /// Presentation minus decode time.
    pub(super) cts: i32,
    pub(super) media: Media,
    pub(super) is_key: bool,
}

/// A clip that can be replayed.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) file: Arc<File>,
    pub(super) params: StreamParams,
    /// In decode order of both tracks. The first is a key frame.
    pub(super) entries: Vec<Entry>,
    /// How long one round takes, 90 kHz, at least 0.1 s.
    pub(super) length: i64,
}

/// Why a file is no such clip.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) cause: GapCause,
    pub(super) words: String,
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        let words = match e.kind() {
            io::ErrorKind::NotFound => "there is no such file: check the camera's address".into(),
            io::ErrorKind::PermissionDenied => {
                "the recorder may not read it: check the file's permissions".into()
            }
            io::ErrorKind::UnexpectedEof => return garbage("it is cut short: copy the clip again"),
            _ => e.to_string(),
        };
        Fault { cause: GapCause::Disconnected, words }
    }
}

fn garbage(words: impl Into<String>) -> Fault {
    Fault { cause: GapCause::Garbage, words: words.into() }
}

/// `value` in ticks of `from` a second as ticks of `to`, rounded down.
pub(super) fn rescale(value: i64, from: i64, to: i64) -> i64 {
    (i128::from(value) * i128::from(to)).div_euclid(i128::from(from)) as i64
}

impl Clip {
    /// Reads the tables. Blocks.
    pub(super) fn load(path: &Path) -> Result<Self, Fault> {
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(garbage("it is not a plain file"));
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let tables = scan(&file, size)?;
        let picture = tables.tracks.iter().find_map(|track| match &track.codec {
            Codec::Video(params) => Some((track, params.clone())),
            Codec::Audio(_) => None,
        });
        let Some((picture, video)) = picture else {
            return Err(garbage("it has no H.264 or H.265 picture: convert it with ffmpeg -c:v libx264"));
        };
        let (mut entries, start, length) = picture_entries(picture)?;
        let sound = tables.tracks.iter().find_map(|track| match &track.codec {
            Codec::Audio(params) => Some((track, params.clone())),
            Codec::Video(_) => None,
        });
        let audio = sound.map(|(track, params)| {
            entries.extend(sound_entries(track, i64::from(params.sample_rate), start, length));
            params
        });
        let rate = audio.as_ref().map_or(1, |audio| i64::from(audio.sample_rate));
        entries.sort_by_key(|entry| match entry.media {
            Media::Video => (rescale(entry.dts, TICKS, 1_000_000), 0),
            Media::Audio => (rescale(entry.dts, rate, 1_000_000), 1),
        });
        if entries.iter().any(|entry| entry.offset.saturating_add(u64::from(entry.size)) > size) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Self { file: file.into(), params: StreamParams { video, audio }, entries, length })
    }
}

/// Walks the top level of the file and reads `moov` and every `moof`.
fn scan(file: &File, size: u64) -> Result<Tables, Fault> {
    let mut tables = Tables::default();
    let (mut at, mut boxes, mut is_mp4) = (0, 0, false);
    while at < size && size - at >= 8 {
        let mut head = [0; 16];
        let known = (size - at).min(16) as usize;
        file.read_exact_at(&mut head[..known], at)?;
        let (short, kind) = (walk::u32_at(&head, 0).unwrap_or(0), &head[4..8]);
        let (len, skip) = match short {
            0 => (size - at, 8),
            1 => (walk::u64_at(&head, 8).unwrap_or(0), 16),
            _ => (u64::from(short), 8),
        };
        boxes += 1;
        is_mp4 |= kind == b"ftyp";
        if !is_mp4 || len < skip || boxes > MOST_BOXES {
            return Err(garbage("no MP4 file: give an .mp4 with H.264 or H.265"));
        }
        if kind == b"moov" || kind == b"moof" {
            if len > MOST_TABLE {
                return Err(garbage(format!("its tables have {len} bytes, more than {MOST_TABLE}: cut it")));
            }
            if len > size - at {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let mut table = vec![0; (len - skip) as usize];
            file.read_exact_at(&mut table, at + skip)?;
            let taken = if kind == b"moov" { tables.moov(&table) } else { tables.moof(&table, at) };
            taken.map_err(garbage)?;
        }
        at = at.saturating_add(len);
    }
    match is_mp4 {
        true => Ok(tables),
        false => Err(garbage("no MP4 file: it is empty")),
    }
}

/// A moment of a track: ticks and how many of them make a second.
type Moment = (i64, i64);

/// The pictures from the first key frame on, that frame's decode time, and how long they last in 90 kHz.
fn picture_entries(track: &Track) -> Result<(Vec<Entry>, Moment, i64), Fault> {
    let Track { scale, samples, .. } = track;
    let begin = samples.iter().position(|sample| sample.is_sync && sample.size > 0);
    let samples = &samples[begin.ok_or_else(|| garbage("it has no key frame"))?..];
    let (first, last) = (samples[0].dts, samples[samples.len() - 1]);
    let entries = samples.iter().filter(|sample| sample.size > 0).map(|sample| {
        if sample.size > MOST_SAMPLE {
            return Err(garbage(format!("one picture has {} bytes, more than {MOST_SAMPLE}", sample.size)));
        }
        let dts = rescale(sample.dts.saturating_sub(first), *scale, TICKS);
        let cts = rescale(sample.cts.into(), *scale, TICKS).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let Sample { offset, size, is_sync, .. } = *sample;
        Ok(Entry { offset, dts, size, cts, media: Media::Video, is_key: is_sync })
    });
    let entries = entries.collect::<Result<_, _>>()?;
    // The last picture lasts as long as the table says, or as the one before when that is nothing or absurd.
    let before = samples.len().checked_sub(2).map_or(0, |at| samples[at].duration);
    let fits = (1..=10 * scale).contains(&last.duration.into());
    let end = last.dts.saturating_sub(first).saturating_add(if fits { last.duration } else { before }.into());
    Ok((entries, (first, *scale), rescale(end, *scale, TICKS).max(TICKS / 10)))
}

/// The audio frames that lie wholly within the pictures' `length`: so a round joins the next without overlap.
/// `start` is the first picture's decode time.
fn sound_entries(track: &Track, rate: i64, start: Moment, length: i64) -> impl Iterator<Item = Entry> {
    let (start, end) = (rescale(start.0, start.1, rate), rescale(length, TICKS, rate));
    // The table cuts the last frame short where the sound ended; decoded it is as long as the others.
    let whole = track.samples.first().map_or(0, |frame| frame.duration);
    track.samples.iter().filter_map(move |sample| {
        let dts = rescale(sample.dts, track.scale, rate).saturating_sub(start);
        let until = dts.saturating_add(rescale(sample.duration.max(whole).into(), track.scale, rate));
        let fits = dts >= 0 && until <= end && (1..=MOST_SAMPLE).contains(&sample.size);
        let Sample { offset, size, .. } = *sample;
        fits.then_some(Entry { offset, dts, size, cts: 0, media: Media::Audio, is_key: true })
    })
}
