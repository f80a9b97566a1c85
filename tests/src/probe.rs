//! A video file → what FFmpeg says of it: the coded units one by one, their size, errors of a full decode.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One coded unit as FFmpeg read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Presentation time in microseconds from the file's zero.
    pub pts_us: i64,
    /// MD5 of the payload, hexadecimal; of a picture only its slices count, since parameter sets may be repeated
    /// or moved to the sample entry on the way.
    pub hash: String,
}

/// Which track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

fn ffmpeg(words: &[&str], file: &Path, rest: &[&str]) -> Output {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(words).arg("-i").arg(file).args(rest);
    command.stdin(Stdio::null()).output().expect("ffmpeg is installed: run \"cargo xtask test\"")
}

/// Every coded unit of one track, in decode order; panics when FFmpeg complains.
#[track_caller]
pub fn units(file: &Path, track: Track) -> Vec<Unit> {
    let take: &[&str] = match track {
        Track::Video => &["-map", "0:v:0", "-c", "copy", "-bsf:v", "filter_units=pass_types=1-5"],
        Track::Audio => &["-map", "0:a:0", "-c", "copy"],
    };
    let rest = [take, &["-copyts", "-f", "framemd5", "-"]].concat();
    let out = ffmpeg(&["-ignore_editlist", "1"], file, &rest);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "{}: {errors}", file.display());
    parse_framemd5(&String::from_utf8_lossy(&out.stdout))
}

/// `stream, dts, pts, duration, size, hash` a line, times in the time base that a `#tb` line names.
fn parse_framemd5(text: &str) -> Vec<Unit> {
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: "));
    let (num, den) = base.and_then(|base| base.split_once('/')).expect("framemd5 names its time base");
    let number = |text: &str| text.trim().parse::<i64>().expect("framemd5 writes whole numbers");
    let (num, den) = (number(num), number(den));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            Unit { pts_us: number(fields[2]) * num * 1_000_000 / den, hash: fields[5].to_string() }
        })
        .collect()
}

/// Only the hashes.
pub fn hashes(units: &[Unit]) -> Vec<&str> {
    units.iter().map(|unit| unit.hash.as_str()).collect()
}

/// Decodes all of it and gives back what FFmpeg complained about: empty when every picture and sound is whole.
pub fn decode_errors(file: &Path) -> String {
    let out = ffmpeg(&["-xerror", "-err_detect", "explode"], file, &["-f", "null", "-"]);
    let mut errors = String::from_utf8_lossy(&out.stderr).into_owned();
    if !out.status.success() {
        errors.push_str(&format!("ffmpeg ended with {}", out.status));
    }
    errors
}

/// Panics when the file does not play from its first to its last picture.
#[track_caller]
pub fn assert_plays(file: &Path) {
    let errors = decode_errors(file);
    assert!(errors.is_empty(), "{} does not play: {errors}", file.display());
}

/// Width and height of the picture, in pixels.
#[track_caller]
pub fn size(file: &Path) -> (u32, u32) {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height"]);
    let out = command.args(["-of", "csv=p=0"]).arg(file).output().expect("ffprobe is installed");
    let text = String::from_utf8_lossy(&out.stdout);
    let (width, height) =
        text.trim().split_once(',').unwrap_or_else(|| panic!("{}: no picture", file.display()));
    (width.parse().expect("a number"), height.trim_end_matches(',').parse().expect("a number"))
}

/// Where `part` stands in `whole` read round and round: `part[i] == whole[(start + i) % whole.len()]` for every `i`.
pub fn place_in_loop(part: &[&str], whole: &[&str]) -> Option<usize> {
    let fits =
        |start: usize| part.iter().enumerate().all(|(i, hash)| *hash == whole[(start + i) % whole.len()]);
    (0..whole.len()).find(|start| !part.is_empty() && fits(*start))
}

/// As [`place_in_loop`], but a misfit ends the test and says how far the best try came.
#[track_caller]
pub fn assert_unbroken(what: &str, part: &[&str], whole: &[&str]) -> usize {
    if let Some(start) = place_in_loop(part, whole) {
        return start;
    }
    assert!(!part.is_empty(), "{what}: there is nothing");
    let run = |start: usize| {
        part.iter().enumerate().take_while(|(i, hash)| **hash == whole[(start + i) % whole.len()]).count()
    };
    let best = (0..whole.len()).map(|start| (run(start), start)).max().expect("the clip is not empty");
    let there = part[best.0..].iter().take(3).map(|hash| whole.iter().position(|one| one == hash));
    panic!(
        "{what}: {} units, only the first {} follow the clip from its unit {}; then come its units {:?}",
        part.len(),
        best.0,
        best.1,
        there.collect::<Vec<_>>()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_part_across_the_seam() {
        let whole = ["a", "b", "c", "d"];
        assert_eq!(place_in_loop(&["d", "a", "b"], &whole), Some(3));
        assert_eq!(place_in_loop(&["d", "b"], &whole), None);
        assert_eq!(place_in_loop(&[], &whole), None);
        assert_eq!(place_in_loop(&["b", "c", "d", "a", "b", "c"], &whole), Some(1));
    }

    #[test]
    fn reads_framemd5() {
        let units = parse_framemd5("#tb 0: 1/90000\n#x\n0,  0,  9000, 9000,  114665, df96\n");
        assert_eq!(units, [Unit { pts_us: 100_000, hash: "df96".into() }]);
    }

    #[test]
    fn a_clip_plays_and_a_torn_one_does_not() {
        let clip = crate::parts::clip("sub.mp4");
        assert_plays(&clip);
        assert_eq!(size(&clip), (640, 480));
        let units = units(&clip, Track::Video);
        assert!(units.len() > 700 && units.windows(2).all(|two| two[1].pts_us > two[0].pts_us));
        let dir = tempfile::tempdir().unwrap();
        let torn = dir.path().join("torn.mp4");
        let mut bytes = std::fs::read(&clip).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4000].fill(0x55);
        std::fs::write(&torn, bytes).unwrap();
        assert!(!decode_errors(&torn).is_empty());
    }
}
