//! Local cameras over the real `nightjar-eye capture`: killed, stopped, shared, missing, of another version. The camera is
//! GStreamer's test picture, which takes the same way as a webcam.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use nightjar_io::source::{self, Captures, Ended, Item, Opening, Retry, Source};
use nightjar_types::config::SourceUrl;
use nightjar_types::{AccessUnit, GapCause};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// A machine that is busy takes long, which is no fault.
const PATIENCE: Duration = Duration::from_secs(60);
const SMALL: &str = "test:?size=160x120&fps=25&gop=1s";

/// `nightjar-eye` under a name of this test's own, so that its processes are known by it.
struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn eye() -> Self {
        let here = std::env::current_exe().unwrap();
        let program = here.parent().and_then(Path::parent).unwrap().join("nightjar-eye");
        assert!(
            program.exists(),
            "{}: run \"cargo build -p nightjar-eye\" or \"cargo xtask test\"",
            program.display()
        );
        let own = Self { folder: tempfile::tempdir().unwrap() };
        symlink(program, own.path()).unwrap();
        own
    }

    /// Some other program in its place.
    fn script(text: &str) -> Self {
        let own = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(own.path(), format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(own.path(), PermissionsExt::from_mode(0o755)).unwrap();
        own
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("nightjar-eye")
    }

    fn captures(&self) -> Captures {
        Captures::new(self.path())
    }

    /// Its processes that run now.
    fn pids(&self) -> Vec<Pid> {
        let path = self.path();
        let is_ours = |pid: &str| {
            let read =
                |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let is_zombie = read("stat").rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
            read("cmdline").split('\0').next() == path.to_str() && !is_zombie
        };
        let names =
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().into_string().ok());
        names.filter(|pid| is_ours(pid)).filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    async fn until_gone(&self) {
        let gone = async {
            while !self.pids().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("no capture process outlives its sessions");
    }
}

fn opened(captures: &Captures, address: &str) -> Box<dyn Source> {
    let url = SourceUrl { scheme: address.split(':').next().unwrap().into(), text: address.into() };
    source::open(&Opening { url: &url, camera: "cam01", login: None, captures }).unwrap()
}

/// A session that runs beside the test.
struct Running {
    items: UnboundedReceiver<Item>,
    task: JoinHandle<(Box<dyn Source>, Ended)>,
}

impl Running {
    fn start(mut source: Box<dyn Source>) -> Self {
        let (sender, items) = unbounded_channel();
        let task = tokio::spawn(async move {
            let mut sink = |item| drop(sender.send(item));
            let ended = source.session(&mut sink).await;
            (source, ended)
        });
        Self { items, task }
    }

    /// The next pictures; the first item of a session must be its parameters.
    async fn pictures(&mut self, count: usize) -> Vec<AccessUnit> {
        let mut units = Vec::new();
        while units.len() < count {
            let item = tokio::time::timeout(PATIENCE, self.items.recv()).await.expect("pictures come");
            match item.expect("the session runs") {
                Item::Unit(unit) => units.push(unit),
                Item::Params(params) => assert_eq!((params.video.width, params.audio), (160, None)),
                Item::Loss(_) => {}
            }
        }
        units
    }

    async fn ended(self) -> (Box<dyn Source>, Ended) {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the session notices").unwrap()
    }
}

async fn end(program: &Program, address: &str) -> Ended {
    opened(&program.captures(), address).session(&mut |item| panic!("{item:?}")).await
}

#[tokio::test]
async fn a_killed_capture_ends_the_session_and_the_next_begins_anew() {
    let program = Program::eye();
    let mut session = Running::start(opened(&program.captures(), SMALL));
    let units = session.pictures(60).await;
    assert!(units[0].is_key && units[0].dts == 0);
    assert!(units.windows(2).all(|two| two[1].dts > two[0].dts && two[1].arrived > two[0].arrived));
    let keys: Vec<usize> =
        units.iter().enumerate().filter_map(|(n, unit)| unit.is_key.then_some(n)).collect();
    assert!(keys.windows(2).all(|two| two[1] - two[0] <= 25), "a key frame every second: {keys:?}");
    let [pid] = program.pids()[..] else { panic!("{:?}", program.pids()) };
    kill_process(pid, Signal::KILL).unwrap();
    let (source, ended) = session.ended().await;
    assert_eq!((ended.cause, ended.retry), (GapCause::Disconnected, Retry::Soon));
    assert!(ended.words.contains("test:ball: ") && ended.words.contains("signal: 9"), "{ended}");
    let mut again = Running::start(source);
    let units = again.pictures(5).await;
    assert!(units[0].is_key && units[0].dts == 0);
    again.task.abort();
    program.until_gone().await;
}

#[tokio::test]
async fn a_capture_that_hangs_is_noticed_and_replaced() {
    let program = Program::eye();
    let mut session = Running::start(opened(&program.captures(), SMALL));
    session.pictures(5).await;
    let [hung] = program.pids()[..] else { panic!("{:?}", program.pids()) };
    kill_process(hung, Signal::STOP).unwrap();
    let (source, ended) = session.ended().await;
    assert_eq!(ended.cause, GapCause::Stalled, "{ended}");
    assert!(ended.words.contains("no picture"), "{ended}");
    let mut again = Running::start(source);
    again.pictures(5).await;
    let pids = program.pids();
    assert!(pids.len() == 1 && pids[0] != hung, "one process a device: {pids:?}, the old one was {hung:?}");
    again.task.abort();
    program.until_gone().await;
}

#[tokio::test]
async fn main_and_sub_share_a_process_that_lives_as_long_as_one_of_them() {
    let program = Program::eye();
    let captures = program.captures();
    let main = opened(&captures, "test:?size=320x240&fps=25");
    let sub = opened(&captures, "test:?size=160x120&fps=25");
    let (mut sub, main) = (Running::start(sub), Running::start(main));
    sub.pictures(10).await;
    let pids = program.pids();
    assert_eq!(pids.len(), 1, "{pids:?}");
    main.task.abort();
    sub.pictures(30).await;
    assert_eq!(program.pids(), pids, "the other stream goes on");
    kill_process(pids[0], Signal::KILL).unwrap();
    let (source, ended) = sub.ended().await;
    assert_eq!(ended.cause, GapCause::Disconnected, "{ended}");
    let mut sub = Running::start(source);
    sub.pictures(5).await;
    sub.task.abort();
    program.until_gone().await;
    drop(captures);
}

#[tokio::test]
async fn a_third_stream_of_a_device_is_refused() {
    let captures = Program::eye().captures();
    let open = || {
        let url = SourceUrl { scheme: "test".into(), text: "test:".into() };
        source::open(&Opening { url: &url, camera: "cam01", login: None, captures: &captures }).err()
    };
    assert_eq!((open(), open()), (None, None));
    assert!(open().unwrap().contains("2 streams at most"));
}

#[tokio::test]
async fn a_camera_that_can_not_be_had_is_said() {
    let program = Program::eye();
    for (address, cause, words) in [
        ("v4l2:by-id/usb-no-such-camera", GapCause::Disconnected, "plugged in"),
        ("csi:200", GapCause::Disconnected, "libcamera"),
    ] {
        let ended = end(&program, address).await;
        // Without libcamera's plugin there is nothing to ask, which is another fault.
        assert!(ended.cause == cause || ended.words.contains("install gstreamer1.0-libcamera"), "{ended}");
        assert!(ended.words.starts_with(address) && ended.words.contains(words), "{ended}");
    }
    program.until_gone().await;
}

#[tokio::test]
async fn a_program_that_is_no_capture_is_said() {
    let missing = Captures::new("/nonexistent/nightjar-eye".into());
    let ended = opened(&missing, SMALL).session(&mut |item| panic!("{item:?}")).await;
    assert!(ended.words.contains("/nonexistent/nightjar-eye cannot be started"), "{ended}");
    for (text, words) in [
        ("exit 2", "install both programs from one release"),
        ("exit 7", "exit status: 7"),
        ("printf '\\377\\377\\377\\377' >&0; exec sleep 60", "larger than"),
        ("printf '\\002\\000\\000\\000\\011\\011' >&0; exec sleep 60", "not a message"),
    ] {
        let ended = end(&Program::script(text), SMALL).await;
        assert_eq!(ended.cause, GapCause::Disconnected, "{ended}");
        assert!(ended.words.contains(words), "{text}: {ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_says_nothing_does_not_hold_the_session() {
    let begun = tokio::time::Instant::now();
    let ended = end(&Program::script("exec sleep 600"), SMALL).await;
    assert!(ended.words.contains("hello"), "{ended}");
    // In paused time, which only moves when everybody waits.
    assert!(begun.elapsed() <= Duration::from_secs(20));
}
