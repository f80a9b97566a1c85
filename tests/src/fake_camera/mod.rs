//! An RTSP camera of our own that misbehaves on command; out: H.264 over interleaved TCP, and a log of what was sent when.
//!
//! RFC 2326 (RTSP 1.0), RFC 6184 (H.264 in RTP), RFC 7617 and 7616 (basic and digest authentication).

mod auth;
mod clip;
mod not_a_camera;
mod rtp;
mod session;
mod wire;

pub use auth::{Login, Scheme};
pub use clip::{Clip, Frame};
pub use not_a_camera::NotACamera;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

/// What the camera sends while it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Pictures, as it should.
    Play,
    /// Nothing, on a connection that stays open. Its encoder goes on meanwhile.
    Stall,
    /// RTP packets with proper headers and random payloads.
    GarbagePayload,
    /// Random bytes where interleaved frames should be.
    GarbageFraming,
}

/// What the owner asks for; each change reaches every connection.
#[derive(Debug, Clone, Copy)]
struct Command {
    mode: Mode,
    /// Which of the clips is in front of the lens.
    clip: usize,
    /// How often all connections were cut.
    drops: u64,
}

/// One picture that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Number of the connection, from 1.
    pub connection: u64,
    /// When its last byte was given to the socket, milliseconds since 1970.
    pub at_ms: i64,
    /// As [`crate::probe::Unit::hash`].
    pub hash: String,
}

/// What the camera saw and did.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// TCP connections taken.
    pub connections: u64,
    /// Requests refused although they carried a password.
    pub refused: u64,
    /// Sessions that came to PLAY.
    pub plays: u64,
    /// Pictures that went out.
    pub sent: Vec<Sent>,
}

/// What every connection shares.
struct Shared {
    clips: Vec<Clip>,
    login: Option<Login>,
    start_delay: Duration,
    command: watch::Sender<Command>,
    log: Mutex<Log>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics while writing the log")
    }
}

/// How a camera is to be.
#[derive(Default)]
pub struct Settings {
    /// Ask for this user name and password.
    pub login: Option<Login>,
    /// How long DESCRIBE takes: cameras that start slowly.
    pub start_delay: Duration,
    /// Where it is; without: 127.0.0.1.
    pub address: Option<Ipv4Addr>,
}

/// A running camera; dropping it closes its port and its connections.
pub struct FakeCamera {
    address: SocketAddrV4,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeCamera {
    /// A camera that plays the first of `clips` as soon as it is asked.
    pub fn start(clips: Vec<Clip>, settings: Settings) -> Self {
        Self::start_on(0, clips, settings)
    }

    /// As [`FakeCamera::start`], on a given port: a camera that comes back.
    pub fn start_on(port: u16, clips: Vec<Clip>, settings: Settings) -> Self {
        let command = Command { mode: Mode::Play, clip: 0, drops: 0 };
        let shared = Arc::new(Shared {
            clips,
            login: settings.login,
            start_delay: settings.start_delay,
            command: watch::Sender::new(command),
            log: Mutex::default(),
        });
        let address = SocketAddrV4::new(settings.address.unwrap_or(Ipv4Addr::LOCALHOST), port);
        let (stop, stopped) = oneshot::channel();
        let (report, bound) = mpsc::channel();
        let ours = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(serve(address, ours, report, stopped));
        });
        let address = bound.recv().expect("the camera's thread binds a port");
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it plays.
    pub fn url(&self) -> String {
        format!("rtsp://{}/live", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Behaves differently from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.command.send_modify(|command| command.mode = mode);
    }

    /// Closes every connection.
    pub fn drop_connections(&self) {
        self.shared.command.send_modify(|command| command.drops += 1);
    }

    /// Puts another clip in front of the lens: in mid-stream, with its own parameter sets.
    pub fn switch_clip(&self, clip: usize) {
        assert!(clip < self.shared.clips.len(), "the camera has no clip {clip}");
        self.shared.command.send_modify(|command| command.clip = clip);
    }

    /// What it saw and did until now.
    pub fn log(&self) -> Log {
        self.shared.log().clone()
    }
}

impl Drop for FakeCamera {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections until `stopped`; ending the runtime ends their tasks and closes their sockets.
async fn serve(
    address: SocketAddrV4,
    shared: Arc<Shared>,
    report: mpsc::Sender<SocketAddrV4>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    report.send(SocketAddrV4::new(*address.ip(), port)).expect("the owner waits for it");
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let connection = {
            let mut log = shared.log();
            log.connections += 1;
            log.connections
        };
        // An error is the client's end of the connection, which is its right.
        tokio::spawn(session::run(stream, connection, Arc::clone(&shared)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parts, probe};
    use std::path::Path;
    use std::process::Command;

    fn capture(url: &str, seconds: &str, file: &Path) -> bool {
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-v",
            "fatal",
            "-y",
            "-rtsp_transport",
            "tcp",
            "-timeout",
            "5000000",
            "-i",
            url,
        ]);
        command.args(["-t", seconds, "-c", "copy"]).arg(file).status().unwrap().success()
    }

    fn url_with(camera: &FakeCamera, user: &str, password: &str) -> String {
        camera.url().replace("rtsp://", &format!("rtsp://{user}:{password}@"))
    }

    #[test]
    fn ffmpeg_gets_what_was_sent_and_needs_the_right_password() {
        let clip = Clip::read(&parts::clip("sub.mp4"), 10);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("got.mp4");
        for scheme in [Scheme::Basic, Scheme::Digest, Scheme::DigestQop] {
            let login = Some(Login::new(scheme, "root", "pass"));
            let camera = FakeCamera::start(vec![clip.clone()], Settings { login, ..Settings::default() });
            assert!(
                !capture(&url_with(&camera, "root", "nope"), "1", &file),
                "{scheme:?} takes a wrong password"
            );
            assert!(camera.log().refused > 0);
            assert!(
                capture(&url_with(&camera, "root", "pass"), "3", &file),
                "{scheme:?} refuses the right password"
            );
            probe::assert_plays(&file);
            let got = probe::units(&file, probe::Track::Video);
            let log = camera.log();
            let sent: Vec<&str> = log.sent.iter().map(|sent| sent.hash.as_str()).collect();
            assert!(got.len() >= 20 && sent.starts_with(&probe::hashes(&got)), "{scheme:?}: {}", got.len());
        }
    }

    #[test]
    fn a_switched_clip_has_another_size() {
        let clips = vec![Clip::read(&parts::clip("sub.mp4"), 10), Clip::read(&parts::clip("main.mp4"), 10)];
        let sizes = clips.iter().map(|clip| clip.sps.clone()).collect::<Vec<_>>();
        assert_ne!(sizes[0], sizes[1]);
        let camera = FakeCamera::start(clips, Settings::default());
        camera.switch_clip(1);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("got.mp4");
        assert!(capture(&camera.url(), "1", &file));
        assert_eq!(probe::size(&file), (1152, 864));
    }
}
