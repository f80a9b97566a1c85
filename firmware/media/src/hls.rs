//! Byte ranges of one MP4 → an HLS media playlist (RFC 8216, version 7: fragmented MP4 with `EXT-X-MAP`).

use nightjar_types::Wall;
use std::fmt::Write;

/// One run of fragments that starts with a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the file.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// 90 kHz ticks.
    pub duration: u64,
    /// When it was recorded.
    pub wall: Wall,
    /// Something is missing in front of it, or the picture's parameters are others than before.
    pub is_discontinuous: bool,
}

/// The playlist of a recording that is complete. `uri` is where the file is, seen from the playlist; its first `init_len`
/// bytes are the initialisation.
pub fn playlist(uri: &str, init_len: u64, segments: &[Segment]) -> String {
    let longest = segments.iter().map(|s| s.duration.div_ceil(90_000)).max().unwrap_or(1);
    let mut text = String::with_capacity(256 + segments.len() * (64 + uri.len()));
    let written = write_all(&mut text, uri, init_len, longest, segments);
    written.expect("a string takes all");
    text
}

fn write_all(
    text: &mut String,
    uri: &str,
    init_len: u64,
    longest: u64,
    segments: &[Segment],
) -> std::fmt::Result {
    writeln!(text, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{longest}")?;
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS")?;
    writeln!(text, "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{init_len}@0\"")?;
    for (n, s) in segments.iter().enumerate() {
        if n > 0 && s.is_discontinuous {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if n == 0 || s.is_discontinuous {
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", s.wall)?;
        }
        writeln!(text, "#EXTINF:{:.5},", s.duration as f64 / 90_000.0)?;
        writeln!(text, "#EXT-X-BYTERANGE:{}@{}\n{uri}", s.len, s.at)?;
    }
    text.write_str("#EXT-X-ENDLIST\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_each_thing_once_and_in_order() {
        let a = Segment { at: 1_000, len: 50, duration: 180_000, wall: Wall(0), is_discontinuous: true };
        let b = Segment { at: 1_050, duration: 181_000, wall: Wall(2_000_000), is_discontinuous: false, ..a };
        let c = Segment { at: 1_100, wall: Wall(9_000_000), ..a };
        let text = playlist("v.mp4?a=1", 900, &[a, b, c]);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            "#EXT-X-TARGETDURATION:3",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-MAP:URI=\"v.mp4?a=1\",BYTERANGE=\"900@0\"",
            "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z",
            "#EXTINF:2.00000,",
            "#EXT-X-BYTERANGE:50@1000",
            "v.mp4?a=1",
            "#EXTINF:2.01111,",
            "#EXT-X-BYTERANGE:50@1050",
            "v.mp4?a=1",
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:09.000Z",
            "#EXTINF:2.00000,",
            "#EXT-X-BYTERANGE:50@1100",
            "v.mp4?a=1",
            "#EXT-X-ENDLIST",
        ];
        assert_eq!(lines, expected);
    }
}
