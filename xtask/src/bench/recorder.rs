//! A kind of recorder and streams to record → its processes, running, and the files they leave.

use super::footage::Stream;
use super::table::{OURS, RIVAL};
use super::tree::{children_of, has_ended};
use crate::clock::Stopwatch;
use crate::place::{Place, make_dir, write};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// After this long a recorder that was asked to stop is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours, detection off.
    Nightjar,
    /// Ours, with the detector on the sub stream.
    NightjarDetecting,
    /// The same, with a relay for each camera that a person moves.
    NightjarSwitching,
    /// One `ffmpeg -c copy` into fragmented MP4 for each stream, a file a minute.
    Ffmpeg,
    /// The same, going round over so many files of so many seconds.
    FfmpegRing { files: u32, seconds: u32 },
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nightjar => OURS,
            Self::NightjarDetecting => "nightjar, detecting",
            Self::NightjarSwitching => "nightjar, switching",
            Self::Ffmpeg | Self::FfmpegRing { .. } => RIVAL,
        }
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Nightjar | Self::NightjarDetecting | Self::NightjarSwitching)
    }
}

/// One stream and where it comes from.
pub(super) struct Source {
    pub(super) camera: u32,
    pub(super) stream: Stream,
    pub(super) url: String,
}

/// What is recorded, and where to.
pub(super) struct Setup {
    pub(super) sources: Vec<Source>,
    pub(super) quota_mib: u64,
    /// Footage and state.
    pub(super) work: PathBuf,
    /// Logs.
    pub(super) logs: PathBuf,
    /// A command that runs another; `%I` is the number of the process.
    pub(super) under: Vec<String>,
}

/// A recorder at work. Dropping it kills what still runs.
pub(super) struct Recorder {
    children: Vec<Child>,
    kind: Kind,
    setup: Setup,
}

impl Recorder {
    /// Starts the recorder; `setup.work` is empty, or what it left there the last time.
    pub(super) fn start(place: &Place, kind: Kind, setup: Setup) -> Result<Self> {
        let mut recorder = Self { children: Vec::new(), kind, setup };
        recorder.start_again(place)?;
        Ok(recorder)
    }

    /// Starts it on what it left.
    pub(super) fn start_again(&mut self, place: &Place) -> Result<()> {
        self.children.clear();
        make_dir(&self.setup.logs)?;
        make_dir(&self.footage())?;
        if self.kind.is_ours() {
            let config = self.setup.work.join("nightjar.toml");
            write(&config, &config_of(place, self.kind, &self.setup, &self.footage()))?;
            let mut command = self.command(&place.target("release/nightjar"));
            command.arg("run").arg("--config").arg(&config);
            return self.spawn(command, "nightjar.log");
        }
        for n in 0..self.setup.sources.len() {
            let Source { camera, stream, url } = &self.setup.sources[n];
            let dir = self.folder(*camera, *stream);
            make_dir(&dir)?;
            let mut command = self.command(Path::new("ffmpeg"));
            command.args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-rtsp_transport", "tcp"]);
            command.args(["-i", url, "-map", "0", "-c", "copy", "-f", "segment", "-reset_timestamps", "1"]);
            command.args(["-segment_format", "mp4", "-segment_format_options"]);
            command.arg("movflags=+frag_keyframe+empty_moov+default_base_moof");
            if let Kind::FfmpegRing { files, seconds } = self.kind {
                command.args(["-segment_time", &seconds.to_string(), "-segment_wrap", &files.to_string()]);
                command.arg(dir.join("%05d.mp4"));
            } else {
                command.args(["-segment_time", "60", "-strftime", "1"]).arg(dir.join("%Y%m%dT%H%M%S.mp4"));
            }
            let log = format!("cam{camera:02}-{}.log", stream.name());
            self.spawn(command, &log)?;
        }
        Ok(())
    }

    fn command(&self, program: &Path) -> Command {
        let n = self.children.len().to_string();
        let mut words = self.setup.under.iter().map(|word| word.replace("%I", &n));
        let Some(first) = words.next() else { return Command::new(program) };
        let mut command = Command::new(first);
        command.args(words).arg(program);
        command
    }

    fn spawn(&mut self, mut command: Command, log: &str) -> Result<()> {
        let log = self.setup.logs.join(log);
        let out = File::options().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("can't write {}", log.display()))?;
        let err = out.try_clone().context("can't share the log between both outputs")?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let name = command.get_program().to_string_lossy().into_owned();
        self.children.push(child.with_context(|| format!("can't start {name}"))?);
        Ok(())
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says on its console.
    pub(super) fn log(&self) -> PathBuf {
        self.setup.logs.join("nightjar.log")
    }

    fn footage(&self) -> PathBuf {
        self.setup.work.join("footage")
    }

    fn folder(&self, camera: u32, stream: Stream) -> PathBuf {
        self.footage().join(format!("cam{camera:02}/{}", stream.name()))
    }

    /// Process ids of what was started: the recorder's top processes, or what they run under, which takes over their
    /// counters when it collects them.
    pub(super) fn tops(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// Process ids of the recorder's own top processes.
    pub(super) fn roots(&self) -> Vec<u32> {
        let tops = self.tops();
        if self.setup.under.is_empty() { tops } else { tops.into_iter().flat_map(children_of).collect() }
    }

    /// Whether every top process still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.children.iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The recorded files so far.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        files_below(&self.footage())
    }

    /// Those of one stream, in the order of time.
    pub(super) fn files_of(&self, camera: u32, stream: Stream) -> Vec<PathBuf> {
        files_below(&self.folder(camera, stream))
    }

    /// Asks all to stop and waits; what does not stop in time is killed. `last_look` sees them ended but not collected.
    pub(super) fn stop(&mut self, last_look: impl FnOnce()) -> Result<()> {
        for root in self.roots() {
            signal(root, Signal::TERM);
        }
        let watch = Stopwatch::start();
        while watch.elapsed() < PATIENCE && !self.tops().into_iter().all(has_ended) {
            std::thread::sleep(Duration::from_millis(20));
        }
        last_look();
        self.kill()
    }

    /// Ends all at once, with no chance to write anything.
    pub(super) fn kill(&mut self) -> Result<()> {
        for root in self.roots() {
            signal(root, Signal::KILL);
        }
        for child in &mut self.children {
            child.kill().ok();
        }
        for child in &mut self.children {
            child.wait().context("can't wait for a recorder")?;
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.kill().ok();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok(); // it has ended already
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                // what a recorder keeps in reserve lies in hidden folders and is no footage yet
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

fn config_of(place: &Place, kind: Kind, setup: &Setup, footage: &Path) -> String {
    let detecting = kind != Kind::Nightjar;
    let mut text = format!(
        "[device]\nstate_dir = {state:?}\n\n[storage]\npath = {footage:?}\nquota = \"{quota}MiB\"\n\n\
         [web]\nlisten = \"127.0.0.1:0\"\ntls = \"off\"\n\n[board]\nname = \"sim\"\n\n\
         [eye]\nmodels = {models:?}\nprogram = {eye:?}\n",
        state = setup.work.join("state"),
        quota = setup.quota_mib,
        models = place.target("models"),
        eye = place.target("release/nightjar-eye"),
    );
    let mut cameras: Vec<u32> = setup.sources.iter().map(|source| source.camera).collect();
    cameras.dedup();
    for camera in cameras {
        write!(text, "\n[[camera]]\nid = \"cam{camera:02}\"\n").ok();
        let sources = setup.sources.iter().filter(|source| source.camera == camera);
        for (key, source) in ["main", "sub"].into_iter().zip(sources) {
            writeln!(text, "{key} = \"{}\"", source.url).ok();
        }
        writeln!(text, "detect = {detecting}").ok();
        if kind == Kind::NightjarSwitching {
            text += &relay(camera);
        }
    }
    text
}

/// A relay that every person before the camera moves, also when they come one right after the other.
fn relay(camera: u32) -> String {
    format!(
        "\n[[output]]\nid = \"relay{camera}\"\nline = \"sim:{camera}\"\nmin_off = \"0s\"\n\
         [[rule]]\nid = \"person{camera}\"\nwhen = {{ class = \"person\", camera = \"cam{camera:02}\" }}\n\
         do = {{ pulse = \"relay{camera}\", for = \"100ms\" }}\ncooldown = \"0s\"\n"
    )
}
