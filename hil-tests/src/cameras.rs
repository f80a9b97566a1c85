//! A clip → two RTSP cameras on this machine: the RTSP server of the tests, which is GStreamer's and not our code.

use crate::bed::Bed;
use crate::program::{lasting, run};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A part of the pedestrian clip, eight times as slow, one picture a second: people are as near as before a door, and none has passed
/// before an emulated processor, which takes seconds for one look, has looked three times.
const SLOWLY: &[&str] =
    &["-vf", "crop=384:288:360:120,setpts=8*PTS,fps=1", "-t", "240", "-g", "2", "-bf", "0"];

/// People who walk by a door, made from the clip that `cargo xtask setup` makes.
pub(crate) fn at_a_door(workspace: &Path, clip: &Path) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-y", "-i"]).arg(workspace.join("target/clips/vtest.mp4"));
    ffmpeg
        .args(SLOWLY)
        .args(["-an", "-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuv420p"])
        .arg(clip);
    run(&mut ffmpeg).with_context(|| format!("{} can't be made", clip.display()))
}

/// Cameras that serve until this is dropped.
pub(crate) struct Cameras {
    process: Child,
    port: u16,
}

impl Cameras {
    /// `workspace` holds the server and the clip that `cargo xtask setup` makes.
    pub(crate) fn start(workspace: &Path, clip: &Path) -> Result<Self> {
        if !clip.exists() {
            bail!("{} is missing: run `cargo xtask hil`, which makes it", clip.display());
        }
        // Debian's Python, which has the `gi` package: another one in PATH has not.
        let mut command = lasting("/usr/bin/python3");
        command.arg(workspace.join("tests/rtsp/server.py")).args(["--cameras", "2", "--main"]).arg(clip);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn().context("/usr/bin/python3 can't be started")?;
        let out = process.stdout.take().context("the cameras say nothing")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("the cameras say nothing")?;
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        Ok(Self { process, port: port.with_context(|| format!("the cameras did not start: {line}"))? })
    }

    /// Address of a camera from 1 on, for a board.
    pub(crate) fn url(&self, bed: &dyn Bed, camera: u8) -> String {
        format!("rtsp://{}/cam{camera:02}/main", bed.lend(self.port))
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
