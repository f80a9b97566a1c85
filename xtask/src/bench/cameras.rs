//! A number of cameras → a running RTSP server of GStreamer's with as many paths, on a port of its own.

use crate::place::Place;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The server; it ends when this is dropped.
pub(super) struct Cameras {
    child: Child,
    port: u16,
    pub(super) count: u32,
}

impl Cameras {
    pub(super) fn start(place: &Place, count: u32) -> Result<Self> {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(place.at("tests/rtsp/server.py")).args(["--port", "0", "--cameras", &count.to_string()]);
        command
            .arg("--main")
            .arg(place.target("clips/main.mp4"))
            .arg("--sub")
            .arg(place.target("clips/sub.mp4"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start tests/rtsp/server.py with /usr/bin/python3")?;
        let mut line = String::new();
        let out = child.stdout.take().context("the server's output was not piped")?;
        BufReader::new(out).read_line(&mut line).context("can't read the server's first line")?;
        let Some(port) = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok()) else {
            child.kill().ok();
            bail!("tests/rtsp/server.py said `{}` instead of `ready PORT`", line.trim());
        };
        Ok(Self { child, port, count })
    }

    /// Address of one stream; cameras count from 1.
    pub(super) fn url(&self, camera: u32, stream: &str) -> String {
        format!("rtsp://127.0.0.1:{}/cam{camera:02}/{stream}", self.port)
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
