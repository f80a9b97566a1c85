//! `synthetic:?width=320&height=180&fps=5` → a real H.264 stream that needs no camera, file or codec, in real time.

mod bits;
mod coder;
mod scene;

use super::pace::Pace;
use super::{Ended, Item, Opened, Opening, Sink, Source};
use crate::clock;
use bytes::Bytes;
use coder::Coder;
use futures_util::future::BoxFuture;
use nightjar_types::{AccessUnit, Media, StreamParams, VideoCodec, VideoParams};
use scene::Scene;
use std::time::Duration;

const TICKS: u64 = 90_000;
/// Seconds from one key frame to the next.
const GOP_S: u64 = 2;

struct Synthetic {
    coder: Coder,
    level: u8,
}

pub(super) fn open(opening: &Opening<'_>) -> Opened {
    Ok(Box::new(parse(&opening.url.text)?))
}

fn parse(text: &str) -> Result<Synthetic, String> {
    let (mut width, mut height, mut fps) = (320, 180, 5);
    let query = text.split_once('?').map_or("", |(_, query)| query);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let (place, least, most) = match &*key {
            "width" => (&mut width, 32, 1920),
            "height" => (&mut height, 32, 1088),
            "fps" => (&mut fps, 1, 30),
            _ => return Err(format!("synthetic: has no \"{key}\": it knows width, height and fps")),
        };
        *place = match value.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => return Err(format!("synthetic: {key} is {least} to {most}, not \"{value}\"")),
        };
    }
    if width % 2 + height % 2 > 0 {
        return Err(format!("synthetic: width and height are even numbers, not {width} and {height}"));
    }
    let scene = Scene { columns: width.div_ceil(16), rows: height.div_ceil(16), fps };
    let coder = Coder { scene, width, height, gop: GOP_S * u64::from(fps) };
    let level =
        coder.level().ok_or(format!("synthetic: {width}×{height} at {fps} fps is more than it can make"))?;
    Ok(Synthetic { coder, level })
}

impl Synthetic {
    fn params(&self) -> StreamParams {
        let video = VideoParams {
            codec: VideoCodec::H264,
            width: self.coder.width as u16,
            height: self.coder.height as u16,
            rfc6381: Coder::rfc6381(self.level),
            config: self.coder.config(self.level).into(),
        };
        StreamParams { video, audio: None }
    }

    /// Picture `number` with its length before it.
    fn picture(&self, number: u64) -> Bytes {
        let nal = self.coder.picture(number);
        let mut data = Vec::with_capacity(nal.len() + 4);
        data.extend((nal.len() as u32).to_be_bytes());
        data.extend(nal);
        data.into()
    }
}

impl Source for Synthetic {
    fn session<'a>(&'a mut self, sink: Sink<'a>) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            sink(Item::Params(self.params()));
            let mut pace = Pace::start();
            for number in 0u64.. {
                let dts = number * TICKS / u64::from(self.coder.scene.fps);
                pace.until(Duration::from_micros(dts * 1_000_000 / TICKS)).await;
                sink(Item::Unit(AccessUnit {
                    media: Media::Video,
                    is_key: self.coder.is_key(number),
                    dts: dts as i64,
                    cts: 0,
                    arrived: clock::mono(),
                    wall: clock::wall(),
                    data: self.picture(number),
                }));
            }
            unreachable!("2⁶⁴ pictures take longer than the universe has")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    const START: [u8; 4] = [0, 0, 0, 1];

    /// The pictures as ITU-T H.264 annex B has them.
    fn annex_b(source: &Synthetic, pictures: u64) -> Vec<u8> {
        let config = source.coder.config(source.level);
        let sps_len = usize::from(config[7]);
        let (sps, pps) = (&config[8..8 + sps_len], &config[8 + sps_len + 3..]);
        let mut stream = [&START, sps, &START, pps].concat();
        for number in 0..pictures {
            stream.extend(START);
            stream.extend(source.coder.picture(number));
        }
        stream
    }

    /// What ffmpeg makes of it: planar 4:2:0. It must find nothing to complain about.
    fn decoded(stream: Vec<u8>) -> Vec<u8> {
        let mut command = Command::new("ffmpeg");
        command.args(
            "-v error -xerror -err_detect explode -f h264 -i pipe:0 -f rawvideo -pix_fmt yuv420p pipe:1"
                .split(' '),
        );
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("ffmpeg is installed: run \"cargo xtask test\"");
        let mut stdin = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || stdin.write_all(&stream).unwrap());
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn ffmpeg_decodes_exactly_what_the_scene_says() {
        for (text, pictures) in [
            ("synthetic:", 23),
            ("synthetic:?width=34&height=50&fps=1", 7),
            ("synthetic:?width=640&height=360&fps=30", 61),
        ] {
            let source = parse(text).unwrap();
            let (w, h) = (source.coder.width as usize, source.coder.height as usize);
            let raw = decoded(annex_b(&source, pictures));
            let size = w * h + 2 * w.div_ceil(2) * h.div_ceil(2);
            assert_eq!(raw.len(), size * pictures as usize, "{text}");
            for (number, picture) in raw.chunks_exact(size).enumerate() {
                for row in 0..h {
                    for column in (0..w).step_by(16) {
                        let tile =
                            source.coder.scene.tile((column / 16) as u32, (row / 16) as u32, number as u64);
                        let wide = (w - column).min(16);
                        let wanted = &tile.samples()[row % 16 * 16..][..wide];
                        assert_eq!(
                            &picture[row * w + column..][..wide],
                            wanted,
                            "{text} {number} {column},{row}"
                        );
                    }
                }
                let cr_at = w * h + (w / 2) * (h / 2);
                for (plane_at, samples_at) in [(w * h, 256), (cr_at, 320)] {
                    for (x, y) in (0..h / 2).flat_map(|y| (0..w / 2).map(move |x| (x, y))) {
                        let tile = source.coder.scene.tile((x / 8) as u32, (y / 8) as u32, number as u64);
                        let wanted = tile.samples()[samples_at + y % 8 * 8 + x % 8];
                        assert_eq!(
                            picture[plane_at + y * (w / 2) + x],
                            wanted,
                            "{text} {number} chroma {x},{y}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn is_small() {
        let source = parse("synthetic:").unwrap();
        let bytes: usize = (0..10).map(|number| source.picture(number).len()).sum();
        assert!(bytes < 2 * 30_000, "two seconds take {bytes} bytes");
    }

    #[test]
    fn says_what_it_does_not_know() {
        for (text, wanted) in [
            ("synthetic:?widht=9", "it knows width, height and fps"),
            ("synthetic:?fps=0", "fps is 1 to 30, not \"0\""),
            ("synthetic:?width=99999999999", "width is 32 to 1920"),
            ("synthetic:?width=321", "even"),
        ] {
            assert!(parse(text).map(|_| ()).unwrap_err().contains(wanted), "{text}");
        }
        assert_eq!(parse("synthetic:?width=1920&height=1080&fps=30").unwrap().level, 40);
    }
}
