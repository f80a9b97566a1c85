//! ffmpeg's test sources, and people → clips under `target/bench/footage`, and each clip's pictures as the RTP packets of a camera
//! (RFC 6184, interleaved as RFC 2326 10.12).

use crate::place::{Place, make_dir};
use crate::run;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A clip's length, s: whole groups of pictures, and longer than any gap that is to be recognised.
const LENGTH_S: u32 = 64;
/// Between key frames, s.
pub(super) const GOP_S: u32 = 2;
/// Payload of one RTP packet, as cameras do it over TCP too.
const PACKET: usize = 1_400;
const PAYLOAD_TYPE: u8 = 96;
pub(super) const SSRC: u32 = 0x6e6a_0001;
/// `$`, channel, length, then the twelve bytes of an RTP head.
const HEAD: usize = 16;

/// A kind of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    /// 1080p25, 4 Mbit/s.
    Main,
    /// 360p10, 400 kbit/s.
    Sub,
    /// The same of a place where nothing moves, with a sensor's noise.
    Still,
    /// The pedestrian clip's 480p10, 400 kbit/s: its camera is fixed, and always somebody walks.
    People,
}

/// Every kind.
pub(super) const STREAMS: [Stream; 4] = [Stream::Main, Stream::Sub, Stream::Still, Stream::People];

impl Stream {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Sub => "sub",
            Self::Still => "still",
            Self::People => "people",
        }
    }

    pub(super) fn fps(self) -> u32 {
        match self {
            Self::Main => 25,
            Self::Sub | Self::Still | Self::People => 10,
        }
    }

    fn picture(self) -> (&'static str, u32) {
        match self {
            Self::Main => ("1920x1080", 4_000),
            Self::Sub | Self::Still => ("640x360", 400),
            Self::People => ("640x480", 400),
        }
    }
}

/// One picture, ready to send.
pub(super) struct Picture {
    /// Interleaved packets with channel, sequence and time left at zero.
    pub(super) packets: Vec<u8>,
    /// Where each packet begins.
    pub(super) starts: Vec<usize>,
    pub(super) is_key: bool,
    /// Bytes of the elementary stream.
    pub(super) bytes: u64,
}

/// A clip, to be sent round and round.
pub(super) struct Clip {
    pub(super) stream: Stream,
    pub(super) path: PathBuf,
    pub(super) pictures: Vec<Picture>,
    /// Packets before each picture.
    before: Vec<u64>,
    packets: u64,
    /// Session description of a camera that sends it.
    pub(super) sdp: String,
}

impl Clip {
    /// Makes the clip if it is not there yet, and cuts it into packets.
    pub(super) fn load(place: &Place, stream: Stream) -> Result<Self> {
        let path = place.target(&format!("bench/footage/{}.h264", stream.name()));
        if !path.exists() {
            make(place, stream, &path)?;
        }
        let data = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        let units = pictures(&data);
        let find = |kind: u8| units.iter().flat_map(|unit| &unit.nals).find(|nal| nal[0] & 31 == kind);
        let (Some(sps), Some(pps)) = (find(7), find(8)) else {
            bail!("{} has no parameter sets; remove it, it is made again", path.display());
        };
        let sdp = sdp(stream, sps, pps);
        let pictures: Vec<Picture> = units.iter().map(packetise).collect();
        let (mut before, mut packets) = (Vec::new(), 0);
        for picture in &pictures {
            before.push(packets);
            packets += picture.starts.len() as u64;
        }
        Ok(Self { stream, path, pictures, before, packets, sdp })
    }

    fn index(&self, n: u64) -> usize {
        (n % self.pictures.len() as u64) as usize
    }

    /// Picture `n` of an endless stream.
    pub(super) fn picture(&self, n: u64) -> &Picture {
        &self.pictures[self.index(n)]
    }

    /// The first key frame from `n` on.
    pub(super) fn key_from(&self, n: u64) -> u64 {
        (n..n + self.pictures.len() as u64).find(|n| self.picture(*n).is_key).unwrap_or(n)
    }

    /// RTP sequence number of the first packet of picture `n`.
    pub(super) fn sequence(&self, n: u64) -> u16 {
        let rounds = n / self.pictures.len() as u64;
        (rounds * self.packets + self.before[self.index(n)]) as u16
    }

    /// RTP time of picture `n`, 90 kHz.
    pub(super) fn rtp_time(&self, n: u64) -> u32 {
        (n * u64::from(90_000 / self.stream.fps())) as u32
    }

    /// Puts the packets of picture `n` for `channel` into `out`.
    pub(super) fn write(&self, n: u64, channel: u8, out: &mut Vec<u8>) {
        let picture = self.picture(n);
        out.clear();
        out.extend_from_slice(&picture.packets);
        let (sequence, time) = (self.sequence(n), self.rtp_time(n));
        for (i, start) in picture.starts.iter().enumerate() {
            out[start + 1] = channel;
            out[start + 6..start + 8].copy_from_slice(&sequence.wrapping_add(i as u16).to_be_bytes());
            out[start + 8..start + 12].copy_from_slice(&time.to_be_bytes());
        }
    }
}

fn make(place: &Place, stream: Stream, path: &Path) -> Result<()> {
    make_dir(&place.target("bench/footage"))?;
    let ((size, kbit), fps) = (stream.picture(), stream.fps());
    let gop = fps * GOP_S;
    // noise with a fixed seed makes every picture unlike all others, so that a recorded one can be recognised;
    // one thread, since x264 with more gives another stream each time
    let held = if stream == Stream::Still { ",loop=loop=-1:size=1" } else { "" };
    let source = format!(
        "testsrc2=size={size}:rate={fps}{held},trim=duration={LENGTH_S},noise=c0s=5:c0f=t:c0_seed=11,format=yuv420p"
    );
    let part = path.with_extension("part");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    if stream == Stream::People {
        ffmpeg.arg("-i").arg(place.target("clips/sub.mp4")).args(["-c:v", "copy", "-f", "h264"]).arg(&part);
        run::quiet(place, "clip people", &mut ffmpeg, "`cargo xtask setup` makes target/clips/sub.mp4")?;
        return std::fs::rename(&part, path).with_context(|| format!("can't make {}", path.display()));
    }
    ffmpeg.args(["-f", "lavfi", "-i", &source]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "superfast", "-profile:v", "main"]);
    ffmpeg.args(["-bf", "0", "-threads", "1"]);
    ffmpeg.args(["-b:v", &format!("{kbit}k"), "-maxrate", &format!("{}k", kbit * 5 / 4)]);
    ffmpeg.args(["-bufsize", &format!("{kbit}k"), "-x264-params"]);
    ffmpeg.arg(format!("keyint={gop}:min-keyint={gop}:scenecut=0:sliced-threads=0"));
    ffmpeg.args(["-f", "h264"]).arg(&part);
    run::quiet(place, &format!("clip {}", stream.name()), &mut ffmpeg, "see the log; ffmpeg needs libx264")?;
    std::fs::rename(&part, path).with_context(|| format!("can't make {}", path.display()))
}

struct Unit<'a> {
    nals: Vec<&'a [u8]>,
    is_key: bool,
}

/// Annex B → its NAL units.
fn nals(data: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= data.len() {
        match data[at + 2] {
            1 if data[at] == 0 && data[at + 1] == 0 => {
                starts.push(at + 3);
                at += 3;
            }
            0 => at += 1,
            _ => at += 3, // no start code can touch this byte
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([data.len()]);
    let cut = |(start, end): (&usize, usize)| {
        let nal = &data[*start..end];
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        &nal[..nal.len() - zeros]
    };
    starts.iter().zip(ends).map(cut).filter(|nal| nal.len() > 1).collect()
}

/// Annex B → pictures. A picture begins with what stands before its first slice; delimiters are left out.
fn pictures(data: &[u8]) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut has_slice = true;
    for nal in nals(data) {
        let kind = nal[0] & 31;
        let is_slice = (1..=5).contains(&kind);
        // first_mb_in_slice = 0 is a single one-bit
        let begins = has_slice && (!is_slice || nal[1] & 0x80 != 0);
        if begins {
            units.push(Unit { nals: Vec::new(), is_key: false });
            has_slice = false;
        }
        has_slice |= is_slice;
        if let Some(unit) = units.last_mut().filter(|_| kind != 9) {
            unit.nals.push(nal);
            unit.is_key |= kind == 5;
        }
    }
    units.retain(|unit| !unit.nals.is_empty());
    units
}

fn packetise(unit: &Unit<'_>) -> Picture {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for nal in &unit.nals {
        if nal.len() <= PACKET {
            bodies.push(nal.to_vec());
            continue;
        }
        let (indicator, kind, rest) = ((nal[0] & 0xe0) | 28, nal[0] & 31, &nal[1..]);
        let pieces = rest.chunks(PACKET - 2);
        let last = pieces.len() - 1;
        for (i, piece) in pieces.enumerate() {
            let ends = u8::from(i == 0) << 7 | u8::from(i == last) << 6;
            bodies.push([&[indicator, ends | kind], piece].concat());
        }
    }
    let (mut packets, mut starts) = (Vec::new(), Vec::new());
    let last = bodies.len().saturating_sub(1);
    for (i, body) in bodies.iter().enumerate() {
        starts.push(packets.len());
        packets.extend([b'$', 0]);
        packets.extend(((HEAD - 4 + body.len()) as u16).to_be_bytes());
        packets.extend([0x80, u8::from(i == last) << 7 | PAYLOAD_TYPE, 0, 0, 0, 0, 0, 0]);
        packets.extend(SSRC.to_be_bytes());
        packets.extend(body);
    }
    let bytes = unit.nals.iter().map(|nal| nal.len() as u64).sum();
    Picture { packets, starts, is_key: unit.is_key, bytes }
}

fn sdp(stream: Stream, sps: &[u8], pps: &[u8]) -> String {
    let profile: String = sps[1..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/90000\r\n\
         a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={},{}\r\n\
         a=framerate:{}\r\na=control:track0\r\n",
        BASE64.encode(sps),
        BASE64.encode(pps),
        stream.fps()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_parameter_sets_and_lose_delimiters() {
        let data = [
            &[0u8, 0, 0, 1, 9, 16][..],
            &[0, 0, 0, 1, 0x67, 1, 2, 3],
            &[0, 0, 1, 0x68, 4],
            &[0, 0, 1, 0x65, 0x80, 7],
            &[0, 0, 1, 0x65, 0x40, 7], // second slice of the same picture
            &[0, 0, 0, 1, 9, 16],
            &[0, 0, 0, 1, 0x41, 0x80, 9],
        ]
        .concat();
        let units = pictures(&data);
        let shape: Vec<(usize, bool)> = units.iter().map(|unit| (unit.nals.len(), unit.is_key)).collect();
        assert_eq!(shape, [(4, true), (1, false)]);
    }

    #[test]
    fn a_large_unit_is_cut_and_only_its_last_packet_has_the_mark() {
        let nal: Vec<u8> = std::iter::once(0x65).chain((0..3_000).map(|n| n as u8)).collect();
        let picture = packetise(&Unit { nals: vec![&nal], is_key: true });
        assert_eq!(picture.starts.len(), 3);
        let marks: Vec<u8> = picture.starts.iter().map(|at| picture.packets[at + 5] >> 7).collect();
        assert_eq!(marks, [0, 0, 1]);
        let ends: Vec<u8> = picture.starts.iter().map(|at| picture.packets[at + HEAD + 1] >> 6).collect();
        assert_eq!(ends, [0b10, 0b00, 0b01]);
        assert_eq!(picture.bytes, 3_001);
    }
}
