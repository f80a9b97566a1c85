//! A kind of recorder and its cameras → its processes, running, and the files they leave.

use super::cameras::Cameras;
use super::tree::has_ended;
use crate::clock::Stopwatch;
use crate::place::{Place, make_dir, write};
use crate::run;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// After this long a recorder that was asked to stop is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours, recording the main stream only, detection off.
    Nightjar,
    /// Ours, recording main and sub, with the detector on the sub stream.
    NightjarDetecting,
    /// One `ffmpeg -c copy` into fragmented MP4 for each camera.
    Ffmpeg,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nightjar => "nightjar",
            Self::NightjarDetecting => "nightjar, detecting, main + sub",
            Self::Ffmpeg => "ffmpeg -c copy",
        }
    }
}

/// A recorder at work. Dropping it kills what still runs.
pub(super) struct Recorder {
    children: Vec<Child>,
    footage: PathBuf,
}

impl Recorder {
    /// Starts the recorder with an empty folder `work`.
    pub(super) fn start(place: &Place, cameras: &Cameras, kind: Kind, work: &Path) -> Result<Self> {
        let footage = work.join("footage");
        make_dir(&footage)?;
        let mut recorder = Self { children: Vec::new(), footage: footage.clone() };
        if kind == Kind::Ffmpeg {
            for camera in 1..=cameras.count {
                let dir = footage.join(format!("cam{camera:02}"));
                make_dir(&dir)?;
                let mut command = Command::new("ffmpeg");
                command.args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-rtsp_transport", "tcp"]);
                command.args(["-i", &cameras.url(camera, "main"), "-map", "0", "-c", "copy"]);
                command.args(["-f", "segment", "-segment_time", "60", "-reset_timestamps", "1"]);
                command.args(["-segment_format", "mp4", "-segment_format_options"]);
                command.arg("movflags=+frag_keyframe+empty_moov+default_base_moof").arg(dir.join("%05d.mp4"));
                recorder.spawn(command, &work.join(format!("cam{camera:02}.log")))?;
            }
        } else {
            let config = work.join("nightjar.toml");
            write(&config, &self::config(place, cameras, kind, work))?;
            let mut command = Command::new(place.target("release/nightjar"));
            command.arg("run").arg("--config").arg(&config);
            recorder.spawn(command, &work.join("nightjar.log"))?;
        }
        Ok(recorder)
    }

    fn spawn(&mut self, mut command: Command, log: &Path) -> Result<()> {
        let out = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
        let err = out.try_clone().context("can't share the log between both outputs")?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        self.children
            .push(child.with_context(|| format!("can't start {}", command.get_program().to_string_lossy()))?);
        Ok(())
    }

    /// Process ids of the top processes.
    pub(super) fn roots(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Whether every top process still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.children.iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The recorded files so far.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.footage.clone()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    // What a recorder keeps in reserve lies in hidden folders and is no footage yet.
                    if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "mp4") {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// Asks all to stop and waits; what does not stop in time is killed. `last_look` sees them ended but not collected.
    pub(super) fn stop(&mut self, last_look: impl FnOnce()) -> Result<()> {
        for child in &self.children {
            run::succeeds(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &child.id().to_string()]));
        }
        let watch = Stopwatch::start();
        while watch.elapsed() < PATIENCE && !self.children.iter().all(|child| has_ended(child.id())) {
            std::thread::sleep(Duration::from_millis(20));
        }
        last_look();
        for child in &mut self.children {
            child.kill().ok();
            child.wait().context("can't wait for a recorder")?;
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn config(place: &Place, cameras: &Cameras, kind: Kind, work: &Path) -> String {
    let detecting = kind == Kind::NightjarDetecting;
    let mut text = format!(
        "[device]\nstate_dir = {state:?}\n\n[storage]\npath = {footage:?}\nquota = \"2GiB\"\n\n\
         [web]\nlisten = \"127.0.0.1:0\"\ntls = \"off\"\n\n[board]\nname = \"sim\"\n\n\
         [eye]\nmodels = {models:?}\nprogram = {eye:?}\n",
        state = work.join("state"),
        footage = work.join("footage"),
        models = place.target("models"),
        eye = place.target("release/nightjar-eye"),
    );
    for camera in 1..=cameras.count {
        text +=
            &format!("\n[[camera]]\nid = \"cam{camera:02}\"\nmain = \"{}\"\n", cameras.url(camera, "main"));
        if detecting {
            text += &format!("sub = \"{}\"\n", cameras.url(camera, "sub"));
        }
        text += &format!("detect = {detecting}\n");
    }
    text
}
