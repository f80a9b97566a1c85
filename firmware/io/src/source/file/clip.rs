//! MP4 file → what is in it and where: parameters and one [`Entry`] a sample. Reads tables only, never holds the media.
//!
//! ISO/IEC 14496-12; the sample tables are resolved by `re_mp4`. Its input is counted first, since it believes any count.

use nightjar_media::walk::{self, Boxes};
use nightjar_types::{AudioParams, GapCause, Media, StreamParams, VideoCodec, VideoParams};
use re_mp4::{Mp4, StsdBoxContent, Track};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Most samples of all tracks: 24 hours at 25 pictures a second fit with some. About 200 MB while loading, 80 MB after.
const MOST_SAMPLES: u64 = 2_000_000;
/// Most bytes of `moov`, and of one `moof`.
const MOST_TABLE: u64 = 64 << 20;
/// Most bytes of one sample, as for every source.
const MOST_SAMPLE: u64 = 8 << 20;
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
            io::ErrorKind::PermissionDenied => "the recorder may not read it: check the file's permissions".into(),
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
    /// Reads the tables. Blocks; may panic on damaged tables.
    pub(super) fn load(path: &Path) -> Result<Self, Fault> {
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(garbage("it is not a plain file"));
        }
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let found = scan(&file, size)?;
        if found.samples > MOST_SAMPLES {
            return Err(garbage(format!("it has {} samples, more than {MOST_SAMPLES}: cut it", found.samples)));
        }
        let mp4 = Mp4::read(BufReader::new(&file), size).map_err(|e| garbage(format!("no MP4 file: {e}")))?;
        let video = |track: &&Track| video_params(track, &mp4).is_some();
        let Some(picture) = mp4.tracks().values().find(video) else {
            return Err(garbage("it has no H.264 or H.265 picture: convert it with ffmpeg -c:v libx264"));
        };
        let params = video_params(picture, &mp4).expect("found by this very question")?;
        let (mut entries, start, length) = picture_entries(picture)?;
        let audio = found.audio_config.and_then(|config| {
            let sound = mp4.tracks().values().find(|track| is_aac(track, &mp4))?;
            let params = audio_params(sound, &mp4, config)?;
            entries.extend(sound_entries(sound, i64::from(params.sample_rate), start, length));
            Some(params)
        });
        let rate = audio.as_ref().map_or(1, |audio| i64::from(audio.sample_rate));
        entries.sort_by_key(|entry| match entry.media {
            Media::Video => (rescale(entry.dts, TICKS, 1_000_000), 0),
            Media::Audio => (rescale(entry.dts, rate, 1_000_000), 1),
        });
        if entries.iter().any(|entry| entry.offset.saturating_add(u64::from(entry.size)) > size) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Self { file: file.into(), params: StreamParams { video: params, audio }, entries, length })
    }
}

/// The codec parameters of a track of H.264 or H.265; `None` when it is something else.
fn video_params(track: &Track, mp4: &Mp4) -> Option<Result<VideoParams, Fault>> {
    let stsd = &track.trak(mp4).mdia.minf.stbl.stsd.contents;
    let (codec, width, height, lengths_at) = match stsd {
        StsdBoxContent::Avc1(b) => (VideoCodec::H264, b.width, b.height, 4),
        StsdBoxContent::Hvc1(b) | StsdBoxContent::Hev1(b) => (VideoCodec::H265, b.width, b.height, 21),
        _ => return None,
    };
    let config = track.raw_codec_config(mp4)?;
    // lengthSizeMinusOne, ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1.
    if config.get(lengths_at).is_none_or(|byte| byte & 3 != 3) {
        return Some(Err(garbage("its NAL units have no four-byte lengths: convert it with ffmpeg -c copy")));
    }
    let mut rfc6381 = stsd.codec_string()?;
    if codec == VideoCodec::H264 {
        rfc6381.make_ascii_lowercase();
    }
    Some(Ok(VideoParams { codec, width, height, rfc6381, config: config.into() }))
}

fn is_aac(track: &Track, mp4: &Mp4) -> bool {
    matches!(&track.trak(mp4).mdia.minf.stbl.stsd.contents, StsdBoxContent::Mp4a(_))
}

fn audio_params(track: &Track, mp4: &Mp4, config: Vec<u8>) -> Option<AudioParams> {
    let StsdBoxContent::Mp4a(mp4a) = &track.trak(mp4).mdia.minf.stbl.stsd.contents else { return None };
    let sample_rate = match mp4a.samplerate.value() {
        0 => track.timescale as u32, // above 65,535 it does not fit into the field
        rate => u32::from(rate),
    };
    // audioObjectType, ISO/IEC 14496-3 section 1.6.2.1; 31 escapes to types that no camera sends.
    let object_type = config.first()? >> 3;
    (sample_rate > 0 && object_type < 31 && track.timescale > 0).then(|| AudioParams {
        sample_rate,
        channels: mp4a.channelcount.max(1),
        rfc6381: format!("mp4a.40.{object_type}"),
        config: config.into(),
    })
}

/// A moment of a track: ticks and how many of them make a second.
type Moment = (i64, i64);

/// The pictures from the first key frame on, that frame's decode time, and how long they last in 90 kHz.
fn picture_entries(track: &Track) -> Result<(Vec<Entry>, Moment, i64), Fault> {
    let scale = i64::try_from(track.timescale).ok().filter(|scale| *scale > 0);
    let scale = scale.ok_or_else(|| garbage("its picture has no time scale"))?;
    let begin = track.samples.iter().position(|sample| sample.is_sync && sample.size > 0);
    let samples = &track.samples[begin.ok_or_else(|| garbage("it has no key frame"))?..];
    let first = samples[0].decode_timestamp;
    let mut entries = Vec::with_capacity(samples.len());
    for sample in samples.iter().filter(|sample| sample.size > 0) {
        if sample.size > MOST_SAMPLE {
            return Err(garbage(format!("one picture has {} bytes, more than {MOST_SAMPLE}", sample.size)));
        }
        let dts = rescale(sample.decode_timestamp - first, scale, TICKS);
        let pts = rescale(sample.composition_timestamp - first, scale, TICKS);
        entries.push(Entry {
            offset: sample.offset,
            dts,
            size: sample.size as u32,
            cts: (pts - dts).clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            media: Media::Video,
            is_key: sample.is_sync,
        });
    }
    // The last sample lasts as long as the table says, or as the one before when that is nothing or absurd.
    let before = samples.len().checked_sub(2).map_or(0, |at| samples[at].duration);
    let last = samples.last().expect("it begins with a key frame");
    let duration = if (1..=10 * scale as u64).contains(&last.duration) { last.duration } else { before };
    let end = last.decode_timestamp - first + duration as i64;
    Ok((entries, (first, scale), rescale(end, scale, TICKS).max(TICKS / 10)))
}

/// The audio frames that lie wholly within the pictures' `length`: so a round joins the next without overlap.
/// `start` is the first picture's decode time.
fn sound_entries(track: &Track, rate: i64, start: Moment, length: i64) -> impl Iterator<Item = Entry> {
    let scale = track.timescale as i64;
    let (start, end) = (rescale(start.0, start.1, rate), rescale(length, TICKS, rate));
    track.samples.iter().filter_map(move |sample| {
        let dts = rescale(sample.decode_timestamp, scale, rate) - start;
        let until = dts + rescale(sample.duration as i64, scale, rate);
        let fits = dts >= 0 && until <= end && (1..=MOST_SAMPLE).contains(&sample.size);
        fits.then_some(Entry {
            offset: sample.offset,
            dts,
            size: sample.size as u32,
            cts: 0,
            media: Media::Audio,
            is_key: true,
        })
    })
}

/// What `re_mp4` does not say, or only after it has allocated.
#[derive(Default)]
struct Found {
    samples: u64,
    /// AudioSpecificConfig of the first AAC track.
    audio_config: Option<Vec<u8>>,
}

/// Walks the top level of the file and counts samples in `moov` and every `moof`.
fn scan(file: &File, size: u64) -> Result<Found, Fault> {
    let mut found = Found::default();
    let (mut at, mut boxes, mut is_mp4) = (0, 0, false);
    while at + 8 <= size && found.samples <= MOST_SAMPLES {
        let mut head = [0; 16];
        let known = (size - at).min(16) as usize;
        file.read_exact_at(&mut head[..known], at)?;
        let (short, kind) = (walk::u32_at(&head, 0).unwrap_or(0), &head[4..8]);
        let long = if short == 1 { walk::u64_at(&head, 8).unwrap_or(0) } else { u64::from(short) };
        let len = if short == 0 { size - at } else { long };
        boxes += 1;
        is_mp4 |= kind == b"ftyp";
        if !is_mp4 || len < 8 || boxes > MOST_SAMPLES {
            return Err(garbage("no MP4 file: give an .mp4 with H.264 or H.265"));
        }
        if kind == b"moov" || kind == b"moof" {
            if len > MOST_TABLE {
                return Err(garbage(format!("its tables have {len} bytes, more than {MOST_TABLE}: cut it")));
            }
            if len > size - at {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let mut table = vec![0; len as usize];
            file.read_exact_at(&mut table, at)?;
            let body = table.get(if short == 1 { 16 } else { 8 }..).unwrap_or_default();
            found.table(kind, body);
        }
        at = at.saturating_add(len);
    }
    Ok(found)
}

/// The boxes of one kind.
fn all<'a>(data: &'a [u8], kind: &'static [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    Boxes::new(data).map_while(Result::ok).filter(|found| found.kind == *kind).map(|found| found.body)
}

impl Found {
    fn table(&mut self, kind: &[u8], body: &[u8]) {
        if kind == b"moof" {
            let runs = all(body, b"traf").flat_map(|traf| all(traf, b"trun"));
            self.samples += runs.filter_map(|run| walk::u32_at(run, 4)).map(u64::from).sum::<u64>();
            return;
        }
        for trak in all(body, b"trak") {
            let path: [&[u8; 4]; 3] = [b"mdia", b"minf", b"stbl"];
            let stbl = path.into_iter().try_fold(trak, |body, kind| walk::find(body, kind).map(|(_, body)| body));
            let Some(stbl) = stbl else { continue };
            let count = walk::find(stbl, b"stsz").and_then(|(_, stsz)| walk::u32_at(stsz, 8));
            self.samples += u64::from(count.unwrap_or(0));
            let stsd = walk::find(stbl, b"stsd").and_then(|(_, stsd)| stsd.get(8..));
            let mp4a = stsd.and_then(|entries| walk::find(entries, b"mp4a"));
            if self.audio_config.is_none() {
                self.audio_config = mp4a.and_then(|(_, mp4a)| audio_config(mp4a));
            }
        }
    }
}

/// AudioSampleEntry → AudioSpecificConfig (ISO/IEC 14496-1 section 7.2.6, 14496-14 section 5.6).
fn audio_config(mp4a: &[u8]) -> Option<Vec<u8>> {
    // QuickTime's version 1 has 16 bytes more.
    let head = if mp4a.get(8..10)? == [0, 1] { 44 } else { 28 };
    let (_, esds) = walk::find(mp4a.get(head..)?, b"esds")?;
    let stream = descriptor(esds.get(4..)?, 3)?;
    let decoder = descriptor(stream.get(3..)?, 4)?;
    // objectTypeIndication 0x40: MPEG-4 audio.
    if *decoder.first()? != 0x40 {
        return None;
    }
    let config = descriptor(decoder.get(13..)?, 5)?;
    (config.len() >= 2).then(|| config.to_vec())
}

/// The body of the descriptor at the start of `data`, when it has this tag.
fn descriptor(data: &[u8], tag: u8) -> Option<&[u8]> {
    let (&found, mut rest) = data.split_first()?;
    let mut len = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        (len, rest) = (len << 7 | usize::from(byte & 0x7f), after);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (found == tag).then(|| rest.get(..len)).flatten()
}
