//! Recorded files and what the cameras sent → which pictures are there, each known by the hash of its slices.

use super::farm::{Farm, Session};
use super::footage::{Clip, Stream};
use super::recorder::Recorder;
use crate::run;
use anyhow::{Result, bail};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

/// The pictures of a clip by hash.
pub(super) struct Book {
    by_hash: HashMap<String, u64>,
    len: u64,
}

impl Book {
    pub(super) fn of(clip: &Clip) -> Result<Self> {
        let Some(hashes) = hashes(&clip.path) else { bail!("ffmpeg can't read {}", clip.path.display()) };
        let len = hashes.len() as u64;
        let by_hash: HashMap<String, u64> = hashes.into_iter().zip(0..).collect();
        if by_hash.len() as u64 != len || len != clip.pictures.len() as u64 {
            bail!("{}: its pictures can't be told apart; remove it, it is made again", clip.path.display());
        }
        Ok(Self { by_hash, len })
    }
}

/// One hash a picture of what ffmpeg reads from a file: slices only, so that parameter sets may be anywhere. `None` when it
/// can't be opened or holds no video.
fn hashes(path: &Path) -> Option<Vec<String>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(path);
    ffmpeg.args(["-map", "0:v:0", "-c", "copy", "-copyts", "-bsf:v", "filter_units=pass_types=1-5"]);
    let text = run::capture(ffmpeg.args(["-f", "framehash", "-hash", "crc32", "-"])).ok()?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Some(lines.filter_map(|line| Some(line.rsplit_once(',')?.1.trim().to_owned())).collect())
}

/// Files of `recorder` that ffprobe can't open or finds no picture in.
pub(super) fn unreadable(recorder: &Recorder) -> u64 {
    let is_bad = |file: &&std::path::PathBuf| {
        let mut probe = Command::new("ffprobe");
        probe.args(["-v", "error", "-select_streams", "v:0", "-read_intervals", "%+#1"]);
        probe.args(["-show_entries", "packet=size", "-of", "csv=p=0"]).arg(file);
        run::capture(&mut probe).map_or(true, |text| text.is_empty())
    };
    recorder.files().iter().filter(is_bad).count() as u64
}

/// What became of the pictures of one run, all streams together.
#[derive(Debug, Default, Clone)]
pub(super) struct Verdict {
    pub(super) files: u64,
    pub(super) unreadable: u64,
    pub(super) sent: u64,
    pub(super) lost: u64,
    /// Of those lost: before the first recorded one, in between, after the last.
    pub(super) lost_head: u64,
    pub(super) lost_inside: u64,
    pub(super) lost_tail: u64,
    /// Recorded pictures that no camera sent: damaged.
    pub(super) foreign: u64,
    /// Recorded twice.
    pub(super) repeats: u64,
    /// Pictures that the recorder was too slow to take.
    pub(super) dropped: u64,
    /// Seconds of the first session of a stream that are missing: on average and at worst.
    pub(super) first_lost_s: f64,
    pub(super) first_lost_s_max: f64,
    /// The same in pictures, of all streams.
    pub(super) first_lost: u64,
    /// Streams that have pictures of a later session.
    pub(super) streams_again: u64,
    pub(super) streams: u64,
}

/// Compares what `recorder` has with what `farm` sent in these sessions. Of a stream's first, what was due by `cut_at` counts
/// as sent.
pub(super) fn verdict(
    farm: &Farm,
    recorder: &Recorder,
    books: &[(Stream, Book)],
    sessions: &[Session],
    cut_at: Option<f64>,
) -> Verdict {
    let mut verdict = Verdict::default();
    for camera in 1..=farm.cameras {
        for (stream, book) in books {
            let of: Vec<&Session> =
                sessions.iter().filter(|s| s.camera == camera && s.stream == *stream).collect();
            if let Some(track) = farm.track(camera, *stream) {
                let due = cut_at.map(|cut| track.after(cut));
                stream_verdict(&mut verdict, recorder, book, camera, *stream, &of, due);
            }
        }
    }
    let streams = verdict.streams.max(1) as f64;
    verdict.first_lost_s /= streams;
    verdict
}

fn stream_verdict(
    v: &mut Verdict,
    recorder: &Recorder,
    book: &Book,
    camera: u32,
    stream: Stream,
    sessions: &[&Session],
    due: Option<u64>,
) {
    v.streams += 1;
    let mut indices = Vec::new();
    for file in recorder.files_of(camera, stream) {
        v.files += 1;
        match hashes(&file) {
            Some(hashes) if !hashes.is_empty() => {
                for hash in hashes {
                    match book.by_hash.get(&hash) {
                        Some(index) => indices.push(*index),
                        None => v.foreign += 1,
                    }
                }
            }
            _ => v.unreadable += 1,
        }
    }
    let Some(first) = sessions.first() else { return };
    let (recorded, repeats) = unroll(&indices, book.len, first.first);
    v.repeats += repeats;
    let mut sent = BTreeSet::new();
    for (i, session) in sessions.iter().enumerate() {
        let end = due.filter(|_| i == 0).map_or(session.end, |due| due.max(session.first));
        sent.extend(session.first..end);
        v.dropped += session.dropped.len() as u64;
    }
    let fps = f64::from(stream.fps());
    let (low, high) = (recorded.first().copied(), recorded.last().copied());
    let missing: Vec<u64> = sent.difference(&recorded).copied().collect();
    let head = missing.iter().filter(|n| low.is_none_or(|low| **n < low)).count() as u64;
    let tail = missing.iter().filter(|n| high.is_some_and(|high| **n > high)).count() as u64;
    v.sent += sent.len() as u64;
    v.lost += missing.len() as u64;
    v.lost_head += head;
    v.lost_tail += tail;
    v.lost_inside += missing.len() as u64 - head - tail;
    let second = sessions.get(1).map_or(u64::MAX, |session| session.first);
    let of_first = missing.iter().filter(|n| **n < second).count() as u64;
    let first_lost = of_first as f64 / fps;
    v.first_lost += of_first;
    v.first_lost_s += first_lost;
    v.first_lost_s_max = v.first_lost_s_max.max(first_lost);
    v.streams_again += u64::from(recorded.iter().any(|n| *n >= second));
}

/// Places in a clip that goes round → picture numbers that only go up, from about `first` on; and how many were steps back.
fn unroll(indices: &[u64], len: u64, first: u64) -> (BTreeSet<u64>, u64) {
    let (mut out, mut repeats) = (BTreeSet::new(), 0);
    let mut at: Option<u64> = None;
    for index in indices {
        let base = at.unwrap_or(first);
        let step = (index + len - base % len) % len;
        if at.is_some() && (step == 0 || step > len / 8 * 7) {
            repeats += 1;
            continue;
        }
        at = Some(base + step);
        out.extend(at);
    }
    (out, repeats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_end_of_the_clip_and_over_gaps() {
        let (numbers, repeats) = unroll(&[8, 9, 0, 0, 1, 5, 4], 10, 28);
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [28, 29, 30, 31, 35]);
        assert_eq!(repeats, 2, "the same again, and one step back");
    }
}
