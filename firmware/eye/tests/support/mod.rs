//! What the eye's tests share: clips made by ffmpeg as coded units, and a recorder's end of the socket.
#![allow(dead_code, unreachable_pub)] // Each test file uses its own part.

use bytes::Bytes;
use nightjar_types::eye::{EyeCounters, FromEye, ModelInfo, PROTOCOL, ToEye, body_len, decode, encode};
use nightjar_types::{Mono, VideoCodec};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// No answer takes this long on the slowest machine that builds this.
const DEADLINE: Duration = Duration::from_secs(60);

pub fn eye() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar-eye"));
    command.env_remove("NIGHTJAR_MODELS");
    command
}

/// `target` of the checkout, where `cargo xtask setup` puts models and clips.
fn prepared(what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(what);
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}

pub fn models() -> PathBuf {
    prepared("models/ssdlite-mnv2-coco12-w8.onnx").parent().unwrap().to_owned()
}

/// People walking past a fixed camera, 768×576, 10 frames a second, a key frame every 20.
pub fn pedestrians() -> PathBuf {
    prepared("clips/vtest.mp4")
}

pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}: run `cargo xtask setup`"))
}

pub fn ffmpeg(args: &[&str]) {
    let out = run(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(args));
    assert!(out.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// A coded clip as the recorder has it.
pub struct Clip {
    pub codec: VideoCodec,
    pub config: Bytes,
    /// Is it a key frame, and its NAL units with length prefixes.
    pub units: Vec<(bool, Bytes)>,
}

impl Clip {
    /// A moving test picture of 320×240, ten frames between key frames.
    pub fn made(codec: VideoCodec, frames: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mp4 = folder.path().join("made.mp4");
        let source = format!("testsrc=size=320x240:rate=10,trim=end_frame={frames}");
        let coder: &[&str] = match codec {
            VideoCodec::H264 => &["-c:v", "libx264", "-bf", "0", "-g", "10"],
            VideoCodec::H265 => &["-c:v", "libx265", "-x265-params", "bframes=0:keyint=10:log-level=none"],
        };
        let mp4 = mp4.to_str().unwrap();
        ffmpeg(&[&["-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"], coder, &[mp4]].concat());
        Self::read(Path::new(mp4), codec, frames)
    }

    /// The first frames of an MP4. A filter of ffmpeg marks where each access unit begins.
    pub fn read(mp4: &Path, codec: VideoCodec, frames: u32) -> Self {
        let (record, to_annex_b, form) = match codec {
            VideoCodec::H264 => (b"avcC", "h264_mp4toannexb,h264_metadata=aud=insert", "h264"),
            VideoCodec::H265 => (b"hvcC", "hevc_mp4toannexb,hevc_metadata=aud=insert", "hevc"),
        };
        let file = std::fs::read(mp4).unwrap();
        let at = file.windows(4).position(|w| w == record).expect("an MP4 of that codec");
        let len = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        let config = Bytes::copy_from_slice(&file[at + 4..at - 4 + len]);
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        let (input, raw) = (mp4.to_str().unwrap(), raw.to_str().unwrap());
        let frames = frames.to_string();
        ffmpeg(&["-i", input, "-c", "copy", "-bsf:v", to_annex_b, "-frames:v", &frames, "-f", form, raw]);
        let mut units: Vec<(bool, Vec<u8>)> = Vec::new();
        for nal in nal_units(&std::fs::read(raw).unwrap()) {
            let (delimiter, key) = match codec {
                VideoCodec::H264 => (nal[0] & 31 == 9, nal[0] & 31 == 5),
                VideoCodec::H265 => (nal[0] >> 1 & 63 == 35, (16..=21).contains(&(nal[0] >> 1 & 63))),
            };
            if delimiter {
                units.push((false, Vec::new()));
            }
            let (is_key, unit) = units.last_mut().expect("a delimiter comes first");
            *is_key |= key;
            unit.extend((nal.len() as u32).to_be_bytes());
            unit.extend(nal);
        }
        let units = units.into_iter().map(|(key, unit)| (key, unit.into())).collect();
        Self { codec, config, units }
    }

    pub fn key(&self) -> Bytes {
        self.units.iter().find(|(key, _)| *key).expect("a key frame").1.clone()
    }
}

/// Annex B (ISO/IEC 14496-10) → NAL units.
fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (0..bytes.len().saturating_sub(3)).filter(|&i| bytes[i..i + 3] == [0, 0, 1]).map(|i| i + 3).collect();
    let ends = starts.iter().skip(1).map(|s| s - 3).chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&s, e)| {
            let unit = &bytes[s..e];
            let zeros = unit.iter().rev().take_while(|&&b| b == 0).count();
            &unit[..unit.len() - zeros]
        })
        .collect()
}

/// A running `nightjar-eye serve` and the recorder's end of its socket.
pub struct Recorder {
    pub socket: UnixStream,
    pub child: Child,
    /// Messages that came while another was waited for.
    pub heard: Vec<FromEye>,
}

impl Recorder {
    /// Starts the eye, without any hello.
    pub fn start(models: &Path, more: &[&str]) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        let child = eye()
            .args(["serve", "--models", models.to_str().unwrap()])
            .args(more)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { socket, child, heard: Vec::new() }
    }

    /// Starts the eye and shakes hands.
    pub fn greeted() -> (Self, ModelInfo) {
        let mut recorder = Self::start(&models(), &["--rate", "10"]);
        recorder.say(&ToEye::Hello { protocol: PROTOCOL });
        let FromEye::Hello { protocol, model, .. } = recorder.hear() else { panic!("no hello") };
        assert_eq!(protocol, PROTOCOL);
        (recorder, model)
    }

    pub fn say(&mut self, message: &ToEye) {
        self.socket.write_all(&encode(message).unwrap()).unwrap();
    }

    pub fn hear(&mut self) -> FromEye {
        let mut prefix = [0; 4];
        self.socket.read_exact(&mut prefix).expect("the eye answers");
        let mut body = vec![0; body_len(prefix).unwrap()];
        self.socket.read_exact(&mut body).expect("the eye answers");
        decode(&body).unwrap()
    }

    /// Reads until a message is what is waited for; keeps the others in `heard`.
    pub fn until<T>(&mut self, mut wanted: impl FnMut(&FromEye) -> Option<T>) -> T {
        loop {
            let message = self.hear();
            if let Some(found) = wanted(&message) {
                self.heard.push(message);
                return found;
            }
            self.heard.push(message);
        }
    }

    pub fn open(&mut self, stream: u32, clip: &Clip, min_score: f32) {
        let camera = format!("camera-{stream}");
        let (codec, config) = (clip.codec, clip.config.clone());
        self.say(&ToEye::Open { stream, camera, codec, config, min_score });
    }

    pub fn unit(&mut self, stream: u32, mono: Mono, is_key: bool, data: &Bytes) {
        self.say(&ToEye::Unit { stream, mono, is_key, data: data.clone() });
    }

    /// Waits for the frame of that time.
    pub fn frame(&mut self, stream: u32, mono: Mono) -> FromEye {
        self.until(|m| match m {
            FromEye::Frame { stream: s, mono: t, .. } if *s == stream && *t == mono => Some(m.clone()),
            _ => None,
        })
    }

    pub fn counters(&mut self) -> EyeCounters {
        self.say(&ToEye::Ping { nonce: 77 });
        self.until(|m| match m {
            FromEye::Pong { nonce: 77, counters, .. } => Some(*counters),
            _ => None,
        })
    }

    pub fn still(&mut self, clip: &Clip, config: &Bytes, data: &Bytes) -> Result<Bytes, String> {
        let (codec, config, data) = (clip.codec, config.clone(), data.clone());
        self.say(&ToEye::Still { request: 5, codec, config, data });
        self.until(|m| match m {
            FromEye::Still { request: 5, jpeg } => Some(jpeg.clone()),
            _ => None,
        })
    }

    /// Hangs up; gives the exit code and what stood on standard error.
    pub fn hang_up(self) -> (Option<i32>, String) {
        let Self { socket, child, .. } = self;
        drop(socket);
        finish(child)
    }
}

/// Waits for the end of a process.
pub fn finish(child: Child) -> (Option<i32>, String) {
    let out = child.wait_with_output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Width and height of a picture as ffprobe reads it, when all of it decodes.
pub fn picture_size(jpeg: &[u8]) -> (u32, u32) {
    let file = tempfile::Builder::new().suffix(".jpg").tempfile().unwrap();
    std::fs::write(file.path(), jpeg).unwrap();
    let path = file.path().to_str().unwrap();
    ffmpeg(&["-xerror", "-i", path, "-f", "null", "-"]);
    let what = ["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", path];
    let out = run(Command::new("ffprobe").args(what));
    let text = String::from_utf8(out.stdout).unwrap();
    let (width, height) = text.trim().split_once(',').expect("width,height");
    (width.parse().unwrap(), height.parse().unwrap())
}

pub fn at(ms: u64) -> Mono {
    // As on a machine that has been up for days.
    Mono(500_000_000_000 + ms * 1000)
}
