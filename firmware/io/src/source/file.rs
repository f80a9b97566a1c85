//! `file:/path/clip.mp4?offset=SECONDS` → the clip in real time, over and over, on one time line.
//!
//! The path is taken as it is written; a relative one counts from the daemon's working directory.

mod clip;
mod entry;
mod tables;

use super::pace::Pace;
use super::{Ended, Item, Opened, Opening, Retry, Sink, Source};
use crate::clock;
use bytes::Bytes;
use clip::{Clip, Entry};
use futures_util::future::BoxFuture;
use nightjar_media::nal;
use nightjar_types::{AccessUnit, GapCause, Media};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const TICKS: i64 = 90_000;
/// Reading the tables of the longest clip that is taken, from a slow card.
const TABLES_WITHIN: Duration = Duration::from_secs(30);
/// Reading one lump: a disk that takes longer has died.
const LUMP_WITHIN: Duration = Duration::from_secs(5);
/// A lump ends before the next key frame, or earlier when it has become this large.
const LUMP_BYTES: usize = 1 << 20;
const LUMP_UNITS: usize = 256;

struct Replay {
    path: PathBuf,
    /// Where the first round begins, in the clip.
    offset: Duration,
}

pub(super) fn open(opening: &Opening<'_>) -> Opened {
    Ok(Box::new(parse(&opening.url.text)?))
}

fn parse(text: &str) -> Result<Replay, String> {
    let (_, rest) = text.split_once(':').ok_or("a file's address begins with file:")?;
    let (path, offset) = match rest.rsplit_once("?offset=") {
        None => (rest, Duration::ZERO),
        Some((path, seconds)) => {
            let parsed = seconds.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
            (path, parsed.ok_or(format!("file: offset is a number of seconds, not \"{seconds}\""))?)
        }
    };
    // file:///path is the same as file:/path (RFC 8089).
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    if path.is_empty() {
        return Err("file: names no file: write file:/path/clip.mp4".into());
    }
    Ok(Replay { path: path.into(), offset })
}

impl Source for Replay {
    fn session<'a>(&'a mut self, sink: Sink<'a>) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let Err(ended) = self.run(sink).await;
            ended
        })
    }
}

/// The first lumps of a replay without their bytes, for the fuzz target `clip` alone: of each unit whether it is a picture,
/// its decode time, its place in the file and its bytes.
#[doc(hidden)]
pub fn rehearse(path: &Path, offset: Duration, lumps: usize) -> Result<Vec<(bool, i64, u64, u32)>, String> {
    let clip = Clip::load(path).map_err(|fault| fault.words)?;
    let mut round = Round::begin(&clip, offset);
    let planned = (0..lumps).flat_map(|_| round.lump(&clip));
    Ok(planned.map(|p| (p.entry.media == Media::Video, p.dts, p.entry.offset, p.entry.size)).collect())
}

/// Never made: a session only ends with an error.
enum Never {}

impl Replay {
    async fn run(&self, sink: Sink<'_>) -> Result<Never, Ended> {
        let path = self.path.clone();
        let load = tokio::task::spawn_blocking(move || Clip::load(&path));
        let clip = match timeout(TABLES_WITHIN, load).await {
            Err(_) => return Err(self.ended(GapCause::Stalled, "the disk takes too long to read its tables")),
            Ok(Err(_)) => return Err(self.ended(GapCause::Garbage, "it could not be read")), // the runtime is ending
            Ok(Ok(Err(fault))) => return Err(self.ended(fault.cause, &fault.words)),
            Ok(Ok(Ok(clip))) => clip,
        };
        let file = clip.file.clone();
        let mut round = Round::begin(&clip, self.offset);
        sink(Item::Params(clip.params.clone()));
        let mut pace = Pace::start();
        // The disk is read on a thread for blocking work, a group of pictures ahead: a card that is busy for a
        // second (cards are, while they clean up) delays nobody, least of all the cameras that share this task's thread.
        let mut ahead = read(&file, round.lump(&clip));
        loop {
            let lump = match timeout(LUMP_WITHIN, &mut ahead).await {
                Err(_) => return Err(self.ended(GapCause::Stalled, "the disk does not answer")),
                Ok(Err(_)) => return Err(self.ended(GapCause::Garbage, "it could not be read")), // as above
                Ok(Ok(Err(e))) => {
                    return Err(self.ended(GapCause::Garbage, &format!("it changed while it played: {e}")));
                }
                Ok(Ok(Ok(lump))) => lump,
            };
            ahead = read(&file, round.lump(&clip));
            for (planned, data) in lump {
                pace.until(planned.at).await;
                sink(Item::Unit(AccessUnit {
                    media: planned.entry.media,
                    is_key: planned.entry.is_key,
                    dts: planned.dts,
                    cts: planned.entry.cts,
                    arrived: clock::mono(),
                    wall: clock::wall(),
                    data,
                }));
            }
        }
    }

    fn ended(&self, cause: GapCause, words: &str) -> Ended {
        Ended { cause, words: format!("{}: {words}", self.path.display()), retry: Retry::Soon }
    }
}

/// One unit of the clip at its place on the session's time line.
struct Planned {
    entry: Entry,
    dts: i64,
    /// Since the session's start.
    at: Duration,
}

type Lump = Vec<(Planned, Bytes)>;

fn read(file: &Arc<File>, wanted: Vec<Planned>) -> JoinHandle<io::Result<Lump>> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || wanted.into_iter().map(|planned| read_one(&file, planned)).collect())
}

fn read_one(file: &File, planned: Planned) -> io::Result<(Planned, Bytes)> {
    let mut data = vec![0; planned.entry.size as usize];
    file.read_exact_at(&mut data, planned.entry.offset)?;
    if planned.entry.media == Media::Video && !nal::units(&data).all(|unit| unit.is_ok()) {
        return Err(io::Error::other(format!("no NAL units at byte {}", planned.entry.offset)));
    }
    Ok((planned, data.into()))
}

/// Walks the clip round and round. Ticks are 90 kHz for video, the sample rate for audio.
struct Round {
    next: usize,
    /// Ticks of video from the session's start to the beginning of this round of the clip; negative in the first.
    began: i64,
    rate: i64,
    last_video: i64,
    last_audio: i64,
}

impl Round {
    /// Begins at the last key frame that is not after `offset`.
    fn begin(clip: &Clip, offset: Duration) -> Self {
        let asked = (offset.as_millis() as i64).saturating_mul(TICKS / 1000) % clip.length;
        let is_start = |entry: &Entry| entry.media == Media::Video && entry.is_key && entry.dts <= asked;
        let next = clip.entries.iter().rposition(is_start).unwrap_or(0);
        let began = clip.entries.get(next).map_or(0, |entry| -entry.dts);
        let rate = clip.params.audio.as_ref().map_or(1, |audio| i64::from(audio.sample_rate));
        Self { next, began, rate, last_video: -1, last_audio: -1 }
    }

    /// What to read next: at least one unit.
    fn lump(&mut self, clip: &Clip) -> Vec<Planned> {
        let (mut lump, mut bytes) = (Vec::new(), 0);
        while lump.len() < LUMP_UNITS && bytes < LUMP_BYTES {
            let Some(&entry) = clip.entries.get(self.next) else {
                self.next = 0;
                self.began += clip.length;
                continue;
            };
            if !lump.is_empty() && entry.is_key && entry.media == Media::Video {
                break;
            }
            self.next += 1;
            bytes += entry.size as usize;
            lump.push(self.place(entry));
        }
        lump
    }

    fn place(&mut self, entry: Entry) -> Planned {
        let (ticks, last, start) = match entry.media {
            Media::Video => (TICKS, &mut self.last_video, self.began),
            Media::Audio => (self.rate, &mut self.last_audio, clip::rescale(self.began, TICKS, self.rate)),
        };
        let dts = (start + entry.dts).max(*last + 1);
        *last = dts;
        Planned { entry, dts, at: Duration::from_micros(clip::rescale(dts, ticks, 1_000_000).max(0) as u64) }
    }
}

#[cfg(test)]
mod tests;
