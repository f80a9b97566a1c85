//! `rtsp://host/path` → access units, through retina, RTP over the RTSP connection (RFC 2326 section 10.12).
//!
//! H.264 and H.265, and AAC when the camera sends it; other sound is left out.

mod fault;
mod timeline;

use super::{Ended, Item, Login, Opened, Opening, Sink, Source};
use crate::clock;
use bytes::Bytes;
use fault::Camera;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::StreamExt;
use nightjar_media::nal;
use nightjar_types::config::SourceUrl;
use nightjar_types::{AccessUnit, AudioParams, GapCause, Media, Mono, StreamParams, VideoCodec, VideoParams};
use retina::client::{self, Demuxed, Described, Session, SessionOptions, SetupOptions};
use retina::codec::{AudioFrame, CodecItem, FrameFormat, ParametersRef, VideoFrame};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use timeline::Timeline;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

/// Largest picture that is taken: a 4K key frame at 60 Mbit/s has about 2 MB.
const MOST_BYTES: usize = 8 << 20;
/// Sessions in a row that odd packets may end before the sound is left out: it must not cost the picture.
const PATIENCE_WITH_SOUND: u8 = 2;
/// Frames of sound that may come after the time for the next picture was over: five seconds at 48 kHz.
const MOST_SOUND_BEFORE_PICTURE: u32 = 256;
/// A session that ran this long was not ended by sound that never made sense.
const STEADY: Duration = Duration::from_secs(30);
/// retina panicked: its fault, but brought about by what the camera sent, so the session ends and the next begins.
const UNREADABLE: &str =
    "the camera sent what can't be read: is this an RTSP address? update the camera's firmware";

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    /// Connect and DESCRIBE together, each SETUP, PLAY.
    step: Duration,
    /// From one picture to the next.
    picture: Duration,
    /// From PLAY to the first key frame. The smart codecs of some makers send one in ten seconds.
    key: Duration,
}

const DEADLINES: Deadlines =
    Deadlines { step: Duration::from_secs(5), picture: Duration::from_secs(5), key: Duration::from_secs(20) };

struct Rtsp {
    url: Url,
    login: Option<Login>,
    camera: Camera,
    deadlines: Deadlines,
    /// Sessions in a row that ended by packets that make no sense, with sound.
    faults_with_sound: u8,
}

pub(super) fn open(opening: &Opening<'_>) -> Opened {
    Ok(Box::new(Rtsp::new(opening.url, opening.login.clone())?))
}

impl Rtsp {
    fn new(url: &SourceUrl, login: Option<Login>) -> Result<Self, String> {
        let url = Url::parse(&url.text).map_err(|e| format!("no RTSP address: {e}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("write user and password as keys username and password, not in the address".into());
        }
        if url.host().is_none_or(|host| host.to_string().is_empty()) {
            return Err("the RTSP address names no host".into());
        }
        let camera = Camera::new(&url, login.as_ref());
        Ok(Self { url, login, camera, deadlines: DEADLINES, faults_with_sound: 0 })
    }
}

impl Source for Rtsp {
    fn session<'a>(&'a mut self, sink: Sink<'a>) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            let Err(ended) = self.run(sink).await;
            ended
        })
    }
}

/// Never made: a session only ends with an error.
enum Never {}

impl Rtsp {
    async fn run(&mut self, sink: Sink<'_>) -> Result<Never, Ended> {
        let with_sound = self.faults_with_sound < PATIENCE_WITH_SOUND;
        let (mut stream, tracks) = self.start(with_sound).await?;
        let mut take = Take { camera: &self.camera, tracks, params: None, start: None, sound: None };
        let deadlines = self.deadlines;
        let begun = Instant::now();
        let (mut alive, mut overdue) = (begun, 0);
        loop {
            // Only a picture is a sign of life.
            let until = alive + deadlines.picture;
            let next = AssertUnwindSafe(stream.next()).catch_unwind();
            let item = match timeout_at(until, next).await {
                Err(_) => return Err(self.camera.stalled(deadlines.picture)),
                Ok(Ok(None)) => return Err(self.camera.closed()),
                Ok(failed @ (Err(_) | Ok(Some(Err(_))))) => {
                    let ended = match failed {
                        Ok(Some(Err(error))) => self.camera.failed(&error),
                        _ => self.camera.garbage(UNREADABLE),
                    };
                    let is_odd = ended.cause == GapCause::Garbage && tracks.audio.is_some();
                    let before = if begun.elapsed() < STEADY { self.faults_with_sound } else { 0 };
                    self.faults_with_sound = before.saturating_add(u8::from(is_odd));
                    return Err(ended);
                }
                Ok(Ok(Some(Ok(item)))) => item,
            };
            match item {
                CodecItem::VideoFrame(frame) => {
                    (alive, overdue) = (Instant::now(), 0);
                    take.picture(frame, &stream, sink)?;
                    if take.start.is_none() && alive >= begun + deadlines.key {
                        let words =
                            "the camera sends no key frame: set its I-frame interval to a few seconds";
                        return Err(self.camera.garbage(words));
                    }
                }
                // Sound that is always ready keeps the timer from being asked. A little of it may lie before the next
                // picture when this thread, not the camera, was late.
                CodecItem::AudioFrame(frame) => {
                    overdue += u32::from(Instant::now() >= until);
                    if overdue > MOST_SOUND_BEFORE_PICTURE {
                        return Err(self.camera.stalled(deadlines.picture));
                    }
                    take.frame_of_sound(&frame, sink);
                }
                _ => {}
            }
        }
    }

    /// One step of the handshake, within its time.
    async fn step<T>(
        &self,
        name: &str,
        step: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, Ended> {
        match timeout(self.deadlines.step, AssertUnwindSafe(step).catch_unwind()).await {
            Err(_) => Err(self.camera.silent(name, self.deadlines.step)),
            Ok(Err(_)) => Err(self.camera.garbage(UNREADABLE)),
            Ok(Ok(result)) => result.map_err(|error| self.camera.failed(&error)),
        }
    }

    /// DESCRIBE, SETUP, PLAY. Dropping the session sends TEARDOWN from a task of its own, which gives up after 5 s.
    async fn start(&self, with_sound: bool) -> Result<(Demuxed, Tracks), Ended> {
        let creds = self.login.as_ref().map(|login| client::Credentials {
            username: login.username.clone(),
            password: login.password.reveal().clone(),
        });
        // Cameras that send on channels nobody asked for, or change the session's id between SETUPs, are tolerated.
        let options = SessionOptions::default()
            .creds(creds)
            .user_agent(concat!("nightjar/", env!("CARGO_PKG_VERSION")).to_string())
            .unassigned_channel_data(client::UnassignedChannelDataPolicy::Ignore)
            .session_id(client::SessionIdPolicy::UseFirst);
        let mut session = self.step("DESCRIBE", Session::describe(self.url.clone(), options)).await?;
        let tracks = self.tracks(&session, with_sound)?;
        let setup = || SetupOptions::default().frame_format(FrameFormat::MP4);
        self.step("SETUP", session.setup(tracks.video, setup())).await?;
        if let Some(sound) = tracks.audio {
            self.step("SETUP", session.setup(sound, setup())).await?;
        }
        // Without usable RTP-Info each stream counts from its own first packet; the time line puts them together.
        let options = client::PlayOptions::default()
            .initial_timestamp(client::InitialTimestampPolicy::Permissive)
            .unknown_rtcp_ssrc(client::UnknownRtcpSsrcPolicy::DropPackets);
        let stream = self.step("PLAY", async { session.play(options).await?.demuxed() }).await?;
        Ok((stream, tracks))
    }

    fn tracks(&self, session: &Session<Described>, with_sound: bool) -> Result<Tracks, Ended> {
        let streams = session.streams();
        let codec = |encoding: &str| match encoding {
            "h264" => Some(VideoCodec::H264),
            "h265" => Some(VideoCodec::H265),
            _ => None,
        };
        let video = |s: &client::Stream| (s.media() == "video").then(|| codec(s.encoding_name())).flatten();
        let Some((video, codec)) = streams.iter().enumerate().find_map(|(at, s)| Some((at, video(s)?)))
        else {
            let of_video = streams.iter().filter(|s| s.media() == "video");
            let encodings: Vec<String> = of_video.map(|s| s.encoding_name().to_uppercase()).collect();
            return Err(self.camera.no_video(&encodings));
        };
        let aac = |s: &client::Stream| s.media() == "audio" && audio_params(s).is_some();
        let audio = streams.iter().position(aac).filter(|_| with_sound);
        Ok(Tracks { codec, video, audio })
    }
}

/// Which of the session's streams are recorded.
#[derive(Debug, Clone, Copy)]
struct Tracks {
    codec: VideoCodec,
    video: usize,
    audio: Option<usize>,
}

/// AAC alone has both a configuration and an `mp4a` name.
fn audio_params(stream: &client::Stream) -> Option<AudioParams> {
    let Some(ParametersRef::Audio(audio)) = stream.parameters() else { return None };
    let rfc6381 = audio.rfc6381_codec().filter(|name| name.starts_with("mp4a.40"))?;
    (audio.clock_rate() > 0 && !audio.extra_data().is_empty()).then(|| AudioParams {
        sample_rate: audio.clock_rate(),
        channels: audio.channels().get(),
        rfc6381: rfc6381.to_string(),
        config: Bytes::copy_from_slice(audio.extra_data()),
    })
}

fn video_params(stream: &client::Stream, codec: VideoCodec) -> Option<VideoParams> {
    let Some(ParametersRef::Video(video)) = stream.parameters() else { return None };
    let (width, height) = video.pixel_dimensions();
    Some(VideoParams {
        codec,
        width: width.try_into().ok()?,
        height: height.try_into().ok()?,
        rfc6381: video.rfc6381_codec().to_string(),
        config: Bytes::copy_from_slice(video.extra_data()),
    })
}

/// The first picture handed over.
#[derive(Clone, Copy)]
struct Start {
    stamp: i64,
    arrived: Mono,
}

/// One session's frames → items.
struct Take<'a> {
    camera: &'a Camera,
    tracks: Tracks,
    params: Option<StreamParams>,
    start: Option<(Start, Timeline)>,
    sound: Option<Timeline>,
}

impl Take<'_> {
    fn picture(&mut self, frame: VideoFrame, stream: &Demuxed, sink: Sink<'_>) -> Result<(), Ended> {
        if frame.data().len() > MOST_BYTES {
            return Err(self.camera.garbage("a picture has more than 8 MiB: lower the camera's bit rate"));
        }
        let (arrived, wall) = (clock::mono(), clock::wall());
        let (stamp, lost) = (frame.timestamp().elapsed(), frame.loss());
        // retina's flag knows IDR alone; open GOPs of H.265 have CRA pictures, where a decoder can start as well.
        let is_key = nal::units(frame.data()).flatten().any(|unit| nal::is_key(self.tracks.codec, unit));
        if is_key {
            self.parameters(stream, sink);
        }
        if self.params.is_none() || self.start.is_none() && !is_key {
            return Ok(()); // a decoder could not start here
        }
        let first = || (Start { stamp, arrived }, Timeline::video(stamp));
        let (_, line) = self.start.get_or_insert_with(first);
        if lost > 0 {
            sink(Item::Loss(lost));
        }
        let placed = line.place(stamp, arrived);
        if placed.is_jump {
            tracing::warn!(dts = placed.dts, "the camera's time stamps jumped: going on by arrival");
        }
        sink(Item::Unit(AccessUnit {
            media: Media::Video,
            is_key,
            dts: placed.dts,
            cts: placed.cts,
            arrived,
            wall,
            data: frame.into_data().into(),
        }));
        Ok(())
    }

    /// Hands over the parameters when they really differ. retina reports new ones whenever a camera repeats them a
    /// little differently; and they only count from a key frame on, so that is when they are looked at.
    fn parameters(&mut self, stream: &Demuxed, sink: Sink<'_>) {
        let streams = stream.streams();
        let Some(video) = streams.get(self.tracks.video).and_then(|s| video_params(s, self.tracks.codec))
        else {
            return;
        };
        let audio = self.tracks.audio.and_then(|at| audio_params(streams.get(at)?));
        let params = StreamParams { video, audio };
        if self.params.as_ref() != Some(&params) {
            sink(Item::Params(params.clone()));
            self.params = Some(params);
        }
    }

    fn frame_of_sound(&mut self, frame: &AudioFrame, sink: Sink<'_>) {
        let Some((start, _)) = &self.start else { return };
        let Some(audio) = self.params.as_ref().and_then(|params| params.audio.as_ref()) else { return };
        let (arrived, wall) = (clock::mono(), clock::wall());
        let stamp = frame.timestamp().elapsed();
        let rate = audio.sample_rate;
        let line = self.sound.get_or_insert_with(|| {
            let zero = (i128::from(start.stamp) * i128::from(rate) / 90_000) as i64;
            Timeline::audio(rate, zero, stamp, arrived.since(start.arrived))
        });
        let placed = line.place(stamp, arrived);
        if placed.dts < 0 || frame.data().is_empty() {
            return; // from before the first picture
        }
        let data = Bytes::copy_from_slice(frame.data());
        sink(Item::Unit(AccessUnit {
            media: Media::Audio,
            is_key: true,
            dts: placed.dts,
            cts: 0,
            arrived,
            wall,
            data,
        }));
    }
}

#[cfg(test)]
mod tests;
