//! Every row of `SOURCES` keeps the same promises; RTSP against GStreamer's server, which is not our code.

use nightjar_io::source::{self, Captures, Ended, Item, Kind, Login, Opening, Pause, Retry, SOURCES, Source};
use nightjar_media::nal;
use nightjar_types::config::SourceUrl;
use nightjar_types::{GapCause, Media, Secret, VideoCodec};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// Enough for every clip here to be seen; a machine that is busy takes longer, which is no fault.
const PATIENCE: Duration = Duration::from_secs(60);
const SETUP: &str = "run \"cargo xtask test\", which installs it";

/// A clip by ffmpeg with AAC: 25 pictures a second, a key frame a second.
fn clip(folder: &Path, name: &str, codec: &str) -> PathBuf {
    let path = folder.join(name);
    let line = format!(
        "-v error -y -f lavfi -i testsrc2=size=320x180:rate=25:duration=4 -f lavfi -i sine=sample_rate=16000:duration=4 \
         -g 25 -pix_fmt yuv420p {codec} -c:a aac"
    );
    let made = Command::new("ffmpeg").args(line.split_whitespace()).arg(&path).status();
    assert!(made.unwrap_or_else(|e| panic!("ffmpeg: {e}: {SETUP}")).success());
    path
}

/// GStreamer's RTSP server on a clip; dropping it ends it.
struct Server {
    child: Child,
    port: String,
}

/// A server of one H.265 clip, which the script in `tests/` does not know.
const H265_SERVER: &str = r#"
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( filesrc location={sys.argv[1]} ! qtdemux ! h265parse ! rtph265pay name=pay0 config-interval=-1 )")
server.get_mount_points().add_factory("/cam01/main", factory)
server.attach(None)
print("ready", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"#;

impl Server {
    fn start(clip: &Path, more: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rtsp/server.py");
        // Debian's Python, which has the `gi` package: another one in PATH has not.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args(["--port", "0", "--main"]).arg(clip).args(more);
        Self::run(command)
    }

    fn of_h265(clip: &Path) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", H265_SERVER]).arg(clip);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("/usr/bin/python3: {e}: {SETUP}"));
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(lines.next()));
        let mut server = Self { child, port: String::new() };
        let said = receiver.recv_timeout(PATIENCE).ok().flatten().and_then(Result::ok).unwrap_or_default();
        let port =
            said.strip_prefix("ready ").unwrap_or_else(|| panic!("the RTSP server says {said:?}: {SETUP}"));
        server.port = port.trim().to_string();
        server
    }

    fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/cam01/main", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(text: &str) -> SourceUrl {
    SourceUrl { scheme: text.split(':').next().unwrap_or_default().into(), text: text.into() }
}

fn login(password: &str) -> Option<Login> {
    Some(Login { username: "admin".into(), password: Secret::new(password.to_string()) })
}

/// A source of a camera of its own.
fn opened(address: &str, login: Option<Login>) -> Box<dyn Source> {
    let (url, captures) = (url(address), Captures::new(eye()));
    let opening = Opening { url: &url, camera: "cam01", login, captures: &captures };
    source::open(&opening).unwrap_or_else(|why| panic!("{address}: {why}"))
}

/// `nightjar-eye`, which lies beside the tests' folder.
fn eye() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows where it is");
    let program = here.parent().and_then(Path::parent).expect("target/debug").join("nightjar-eye");
    assert!(
        program.exists(),
        "{}: run \"cargo build -p nightjar-eye\" or \"cargo xtask test\"",
        program.display()
    );
    program
}

/// A check that can't run here.
fn skip(what: &str, why: &str) {
    let line = format!("SKIP {what}: {why}");
    println!("{line}");
    if let Some(path) = std::env::var_os("NIGHTJAR_SKIPS") {
        let list = std::fs::OpenOptions::new().create(true).append(true).open(path);
        list.and_then(|mut list| writeln!(list, "{line}")).expect("the list of skipped checks takes a line");
    }
}

/// Addresses of cameras that are plugged into this machine.
fn plugged_in(kind: &Kind) -> Vec<String> {
    let listed = Command::new(eye()).args(["cameras", "--json"]).output().expect("nightjar-eye starts");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("it prints JSON");
    let usable =
        listed["cameras"].as_array().into_iter().flatten().filter(|camera| camera["usable"] != false);
    let address = |camera: &serde_json::Value| camera["address"].as_str().unwrap_or_default().to_string();
    usable.map(address).filter(|address| address.split(':').next() == Some(kind.scheme)).collect()
}

/// The first items of a session, until `enough` pictures; then the session is dropped, as when the daemon stops.
async fn first_items(source: &mut dyn source::Source, enough: usize) -> Vec<Item> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut sink = move |item| {
        let _ = sender.send(item);
    };
    let session = source.session(&mut sink);
    let mut items = Vec::new();
    let collect = async {
        let mut pictures = 0;
        while pictures < enough {
            let Some(item) = receiver.recv().await else { return };
            pictures += usize::from(matches!(&item, Item::Unit(unit) if unit.media == Media::Video));
            items.push(item);
        }
    };
    tokio::select! {
        ended = session => panic!("ended: {ended}"),
        () = collect => {}
        () = tokio::time::sleep(PATIENCE) => panic!("too few pictures came"),
    }
    items
}

/// What a session hands over when it fails before any picture.
async fn end(address: &str, login: Option<Login>) -> Ended {
    let mut source = opened(address, login);
    source.session(&mut |item| panic!("{item:?}")).await
}

/// What every source promises. A decoder that starts at the first item understands all that follows.
fn check(items: &[Item], address: &str) {
    let Some(Item::Params(params)) = items.first() else {
        panic!("{address} begins with {:?}", items.first())
    };
    assert!(
        params.video.width > 0 && params.video.height > 0 && !params.video.config.is_empty(),
        "{address}"
    );
    let wanted = if params.video.codec == VideoCodec::H264 { "avc1." } else { "h" };
    assert!(params.video.rfc6381.starts_with(wanted), "{address}: {}", params.video.rfc6381);
    let (mut last_video, mut last_audio): (Option<i64>, Option<i64>) = (None, None);
    for item in &items[1..] {
        let Item::Unit(unit) = item else {
            assert!(matches!(item, Item::Loss(_)), "{address}: {item:?}");
            continue;
        };
        let last = if unit.media == Media::Video { &mut last_video } else { &mut last_audio };
        match *last {
            None if unit.media == Media::Video => assert_eq!((unit.is_key, unit.dts), (true, 0), "{address}"),
            None => assert!(unit.dts >= 0, "{address}"),
            Some(before) => assert!(unit.dts > before, "{address}: {} after {before}", unit.dts),
        }
        *last = Some(unit.dts);
        assert!(!unit.data.is_empty(), "{address}");
        match unit.media {
            Media::Audio => {
                assert!(params.audio.is_some() && last_video.is_some() && unit.is_key, "{address}")
            }
            Media::Video => {
                let units: Vec<_> =
                    nal::units(&unit.data).collect::<Result<_, _>>().expect("the lengths add up");
                assert!(!units.is_empty(), "{address}");
                let is_key = units.iter().any(|unit| nal::is_key(params.video.codec, unit));
                assert_eq!(unit.is_key, is_key, "{address}");
            }
        }
    }
    // Picture and sound share one origin.
    if let (Some(picture), Some(sound), Some(audio)) = (last_video, last_audio, &params.audio) {
        let (picture_ms, sound_ms) = (picture / 90, sound * 1_000 / i64::from(audio.sample_rate));
        assert!(
            (picture_ms - sound_ms).abs() < 700,
            "{address}: picture {picture_ms} ms, sound {sound_ms} ms"
        );
    }
}

#[tokio::test]
async fn every_source_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    let plain = clip(folder.path(), "plain.mp4", "-c:v libx264 -bf 0");
    let reordered = clip(folder.path(), "b-frames.mp4", "-c:v libx264 -bf 2");
    let hevc = clip(folder.path(), "hevc.mp4", "-c:v libx265 -x265-params log-level=error -tag:v hvc1");
    let (server, of_b_frames) = (Server::start(&plain, &[]), Server::start(&reordered, &[]));
    let of_hevc = Server::of_h265(&hevc);
    let locked = Server::start(&plain, &["--user", "admin", "--password", "secret"]);
    for kind in SOURCES {
        let cases: Vec<(String, Option<Login>)> = match kind.scheme {
            "rtsp" => vec![
                (server.url(), None),
                (of_b_frames.url(), None),
                (of_hevc.url(), None),
                (locked.url(), login("secret")),
            ],
            "file" => {
                [&plain, &reordered, &hevc].map(|path| (format!("file:{}", path.display()), None)).into()
            }
            "synthetic" => vec![("synthetic:?fps=25".into(), None)],
            // As a camera that gives samples, JPEG, and one that codes itself.
            "test" => ["raw", "mjpeg", "h264"]
                .map(|format| (format!("test:?size=320x180&fps=25&gop=1s&format={format}"), None))
                .into(),
            "v4l2" | "csi" => plugged_in(kind).into_iter().map(|address| (address, None)).collect(),
            other => panic!("{other}: has no case in this suite"),
        };
        if cases.is_empty() {
            skip(
                kind.scheme,
                "plug a camera into this machine, or load the kernel's test driver: modprobe vivid",
            );
        }
        for (address, login) in cases {
            let mut source = opened(&address, login);
            // Twice: a source can begin again after a session was dropped.
            for _ in 0..2 {
                let items = first_items(source.as_mut(), 40).await;
                check(&items, &address);
                let has_audio =
                    items.iter().any(|item| matches!(item, Item::Unit(unit) if unit.media == Media::Audio));
                let is_mute = !matches!(kind.scheme, "rtsp" | "file") || address == of_hevc.url();
                assert_eq!(has_audio, !is_mute, "{address}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_over_rtsp_is_the_clip_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "clip.mp4", "-c:v libx264 -bf 0");
    let server = Server::start(&path, &[]);
    let mut replayed = opened(&format!("file:{}", path.display()), None);
    let mut streamed = opened(&server.url(), None);
    // Parameter sets and SEI travel differently; the slices are the pictures.
    let slices = |items: Vec<Item>| -> Vec<Vec<u8>> {
        let units =
            items.into_iter().filter_map(|item| if let Item::Unit(unit) = item { Some(unit) } else { None });
        let pictures = units.filter(|unit| unit.media == Media::Video);
        let slices = pictures.map(|unit| {
            let of_picture =
                nal::units(&unit.data).map(Result::unwrap).filter(|u| matches!(u[0] & 0x1f, 1 | 5));
            of_picture.flatten().copied().collect()
        });
        slices.collect()
    };
    let whole = slices(first_items(replayed.as_mut(), 100).await);
    let part = slices(first_items(streamed.as_mut(), 40).await);
    let begin =
        whole.iter().position(|picture| *picture == part[0]).expect("the first picture is one of the clip");
    for (number, picture) in part.iter().enumerate() {
        assert!(*picture == whole[(begin + number) % whole.len()], "picture {number} differs");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_tried_again_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "clip.mp4", "-c:v libx264");
    let server = Server::start(&path, &["--user", "admin", "--password", "secret"]);
    for (with, words) in
        [(login("guess"), "check username and password"), (None, "set username and password")]
    {
        let ended = end(&server.url(), with).await;
        assert_eq!((ended.cause, ended.retry), (GapCause::AuthFailed, Retry::Slow), "{ended}");
        assert!(ended.words.contains(words) && !ended.words.contains("guess"), "{ended}");
        assert!(Pause::default().next(ended.retry, Duration::ZERO, 0.5) >= Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_wrong_path_and_a_server_that_dies_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "clip.mp4", "-c:v libx264");
    let mut server = Server::start(&path, &[]);
    let ended = end(&server.url().replace("/cam01/main", "/nothing"), None).await;
    assert_eq!(ended.cause, GapCause::Disconnected, "{ended}");
    assert!(ended.words.contains("no stream at this path"), "{ended}");

    let mut source = opened(&server.url(), None);
    let mut pictures = 0;
    let mut sink = |item| {
        pictures += usize::from(matches!(item, Item::Unit(_)));
        if pictures == 10 {
            let _ = server.child.kill();
        }
    };
    let ended = source.session(&mut sink).await;
    assert_eq!((ended.cause, ended.retry), (GapCause::Disconnected, Retry::Soon), "{ended}");
}

#[tokio::test]
async fn what_is_no_camera_is_said() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let ended = end(&format!("rtsp://127.0.0.1:{port}/"), None).await;
    assert_eq!(ended.cause, GapCause::Disconnected);
    assert!(ended.words.contains("refused"), "{ended}");

    // A real web server, as on the port that people type in first.
    let mut web = Command::new("/usr/bin/python3")
        .args(["-u", "-c", "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); print(s.server_port); s.serve_forever()"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("/usr/bin/python3: {e}: {SETUP}"));
    let mut digits = Vec::new();
    let mut said = web.stdout.take().unwrap();
    let mut byte = [0];
    while said.read_exact(&mut byte).is_ok() && byte != *b"\n" {
        digits.push(byte[0]);
    }
    let ended = end(&format!("rtsp://127.0.0.1:{}/", String::from_utf8(digits).unwrap()), None).await;
    let _ = web.kill();
    let _ = web.wait();
    assert_eq!(ended.cause, GapCause::Garbage, "{ended}");
    assert!(ended.words.contains("is this an RTSP address"), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_does_not_hold_the_session() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.flush().await;
        std::future::pending::<()>().await;
    });
    let begun = tokio::time::Instant::now();
    let ended = end(&format!("rtsp://127.0.0.1:{port}/"), None).await;
    assert!(matches!(ended.cause, GapCause::Disconnected | GapCause::Stalled), "{ended}");
    // In paused time, which only moves when everybody waits.
    assert!(begun.elapsed() <= Duration::from_secs(6));
    silent.abort();
}

#[test]
fn an_unknown_scheme_is_refused_by_name() {
    let (url, captures) = (url("gopher://host/"), Captures::default());
    let opening = Opening { url: &url, camera: "cam01", login: None, captures: &captures };
    assert!(source::open(&opening).err().unwrap().contains("gopher:"));
}
