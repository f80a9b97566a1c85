//! Starts GStreamer's RTSP server (`rtsp/server.py`) on clips; out: the URLs of its cameras.

use crate::probe::{self, Track, Unit};
use crate::{clock, parts};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A running server; dropping it ends it.
pub struct RtspServer {
    child: Child,
    port: u16,
}

impl RtspServer {
    /// Serves `main.mp4` and `sub.mp4` as `cameras` cameras.
    pub fn start(cameras: u8) -> Self {
        Self::start_with(cameras, &[])
    }

    /// As [`RtspServer::start`], with digest authentication.
    pub fn start_with_password(cameras: u8, user: &str, password: &str) -> Self {
        Self::start_with(cameras, &["--user", user, "--password", password])
    }

    fn start_with(cameras: u8, more: &[&str]) -> Self {
        // Debian's Python, which has the `gi` package: another one in PATH has not.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(parts::ours("rtsp/server.py")).args(["--cameras", &cameras.to_string()]).args(more);
        command.arg("--main").arg(parts::clip("main.mp4")).arg("--sub").arg(parts::clip("sub.mp4"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("/usr/bin/python3 is installed: run \"cargo xtask test\"");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server = Self { child, port: 0 };
        let line = receiver.recv_timeout(Duration::from_secs(30));
        let line = line.expect("the RTSP server says that it is ready; its reason is above");
        server.port = line.strip_prefix("ready ").and_then(|port| port.parse().ok()).expect("\"ready PORT\"");
        clock::until("the RTSP server listens", 10, || server.connects().then_some(()));
        server
    }

    fn connects(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// URL of one stream, e.g. `url(1, "sub")`.
    pub fn url(&self, camera: u8, stream: &str) -> String {
        format!("rtsp://127.0.0.1:{}/cam{camera:02}/{stream}", self.port)
    }
}

/// The units of a clip that the server sends round and round.
pub fn served(clip: &str, track: Track) -> Vec<Unit> {
    let mut units = probe::units(&parts::clip(clip), track);
    if track == Track::Audio {
        // GStreamer's demuxer leaves out what the edit list leaves out: the encoder's priming and the cut last frame.
        units.remove(0);
        units.pop();
    }
    units
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
