//! The eye's program → a running process and its socket; its end → why, in words, and what was in work.

use super::EyeConfig;
use nightjar_types::black_box::{self, Mark};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How the C library hands out the eye's memory. Each arena is a reservation that its memory limit would count; with a
/// single one a thread that hangs in it holds up all others. Weights and pictures are mapped one by one, so what a loaded
/// model no longer needs goes back: 20 MB of 140.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "524288")];
/// GStreamer's plugins that hold what the eye's pipelines are made of (decoder.rs and pipeline.rs there), in any folder. It
/// would keep a list of all elements of all plugins of the system in memory: 3 MB of 120.
const PLUGINS: (&str, &str) = (
    "GST_PLUGIN_LOADING_WHITELIST",
    "coreelements,app,videoparsersbad,videoconvert,videoconvertscale,video4linux2,v4l2codecs,va,libav,openh264,de265@/",
);
/// Its exit codes when something that it needs is missing or wrong, and when the detector beside it failed: it said what
/// on standard error.
const TOLD_WHY: [i32; 2] = [3, 5];
/// Its exit code after a bug.
const PANICKED: i32 = 101;
/// How long its exit code and last line may take after the connection broke.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often it is looked whether it has ended meanwhile.
const LOOK: Duration = Duration::from_millis(5);
/// How long the kernel may take to end a killed process.
const KILLED: Duration = Duration::from_secs(5);
/// Niceness: recording goes first.
const NICE: i32 = 10;
/// Letters of a line of its log that are passed on, and lines a second.
const LINE: u64 = 1024;
const LINES: u32 = 50;
/// What of our environment it gets: where code and models are, and how much it logs. Nothing else, e.g. no secrets.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "NIGHTJAR_MODELS",
    "LD_LIBRARY_PATH",
    "LIBVA_DRIVER_NAME",
    "GST_DEBUG",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GST_PLUGIN_SCANNER",
    "GST_REGISTRY",
];

/// One eye.
pub(super) struct Process {
    child: Child,
    said: Option<JoinHandle<String>>,
    black_box: Option<File>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct End {
    /// For people.
    pub(super) why: String,
    /// It crashed by itself: what was in work is evidence.
    pub(super) is_own_doing: bool,
    /// What was in work.
    pub(super) marks: Vec<Mark>,
}

impl Process {
    pub(super) fn start(config: &EyeConfig) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // A kernel without anonymous files leaves us without the evidence, not without the eye.
        let black_box =
            rustix::fs::memfd_create("nightjar-eye-at-work", MemfdFlags::CLOEXEC).map(File::from).ok();
        let theirs_too = black_box.as_ref().and_then(|file| file.try_clone().ok());
        let mut command = Command::new(&config.program);
        command
            .arg("serve")
            .args(&config.args)
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(ALLOCATOR)
            .envs([PLUGINS])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(theirs_too.map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0); // a Ctrl-C on the console is the recorder's to obey
        if let Some(registry) =
            config.registry.as_ref().filter(|_| std::env::var_os("GST_REGISTRY").is_none())
        {
            command.env("GST_REGISTRY", registry);
        }
        let mut child = command.spawn()?;
        if let Some(pid) = pid(&child) {
            // only makes a bad day better; a kernel that refuses is no reason not to see
            let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), "800");
        }
        let said = child.stderr.take().map(|from| tokio::spawn(pass_on(from)));
        Ok((Self { child, said, black_box }, UnixStream::from_std(ours)?))
    }

    /// It is ready, and gives way to the recording from now on, whatever it started with it. Not before: a start that has
    /// to wait for everybody else can take minutes on a busy board.
    pub(super) fn settle(&self) {
        if let Some(group) = pid(&self.child) {
            let _ = rustix::process::setpriority_pgrp(Some(group), NICE); // as above
        }
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it and whatever it started. `why` is what was seen of it; when it `is_gone` it may say more while it ends.
    pub(super) async fn end(mut self, why: String, is_gone: bool) -> End {
        // Not reaped yet, so its number, which is its group's, is nobody else's.
        let has_ended = is_gone && timeout(LAST_WORDS, self.ended()).await.is_ok();
        if let Some(pid) = pid(&self.child) {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL); // fails when all are gone
        }
        let status = timeout(KILLED, self.child.wait()).await.ok().and_then(Result::ok).filter(|_| has_ended);
        let marks = self.black_box.as_ref().map(read).unwrap_or_default();
        let (why, is_own_doing) = match status {
            None => (why, false),
            Some(status) if status.code().is_some_and(|code| TOLD_WHY.contains(&code)) => {
                (self.last_words().await.unwrap_or(why), false)
            }
            Some(status) => (describe(why, status), is_crash(status)),
        };
        End { why, is_own_doing, marks }
    }

    /// Until it is dead; it stays to be reaped.
    async fn ended(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Some(pid) = pid(&self.child) {
            if !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn last_words(&mut self) -> Option<String> {
        timeout(LAST_WORDS, self.said.take()?).await.ok().and_then(Result::ok).filter(|said| !said.is_empty())
    }
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|pid| Pid::from_raw(pid as i32))
}

fn read(black_box: &File) -> Vec<Mark> {
    let mut bytes = vec![0; black_box::SIZE];
    let n = black_box.read_at(&mut bytes, 0).unwrap_or(0);
    black_box::decode(&bytes[..n])
}

/// Signals that a program earns by what it does itself.
fn is_crash(status: ExitStatus) -> bool {
    let earned =
        [Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP, Signal::SYS];
    status.code() == Some(PANICKED)
        || status.signal().is_some_and(|signal| earned.iter().any(|earned| earned.as_raw() == signal))
}

fn describe(why: String, status: ExitStatus) -> String {
    let meaning = match (status.code(), status.signal()) {
        (Some(PANICKED), _) => "a bug of its own",
        (_, Some(signal)) if signal == Signal::ABORT.as_raw() => {
            "it gave up, as when it may have no more memory"
        }
        (_, Some(signal)) if signal == Signal::KILL.as_raw() => {
            "it was killed, by a person or for want of memory"
        }
        _ => "",
    };
    let comma = if meaning.is_empty() { "" } else { ", " };
    format!("{why} ({status}{comma}{meaning})")
}

/// Its log lines go where ours go, some a second; the last one is kept, or rather the last that says why it ends.
async fn pass_on(from: ChildStderr) -> String {
    let mut from = BufReader::new(from);
    let (mut last, mut bytes) = (String::new(), Vec::new());
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    let (mut lines, mut is_cut, mut is_its_own) = (0, false, false);
    loop {
        bytes.clear();
        tokio::select! {
            biased;
            _ = beat.tick() => {
                if lines > LINES {
                    eprintln!("nightjar-eye: {} lines more", lines - LINES);
                }
                lines = 0;
                continue;
            }
            read = from.fill_buf() => if !matches!(read, Ok(bytes) if !bytes.is_empty()) { break },
        }
        // A line has begun, so the rest of it is waited for: nothing of it can be lost to the beat.
        if !matches!((&mut from).take(LINE).read_until(b'\n', &mut bytes).await, Ok(n) if n > 0) {
            break;
        }
        let was_cut = std::mem::replace(&mut is_cut, bytes.last() != Some(&b'\n'));
        if was_cut {
            continue; // the rest of a line that is too long
        }
        lines += 1;
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        if lines <= LINES {
            eprintln!("{line}");
        }
        match line.strip_prefix("nightjar-eye: ") {
            Some(why) => (last, is_its_own) = (why.to_owned(), true),
            // What a detector beside it says at its end must not hide why.
            None if !is_its_own => last = line.to_owned(),
            None => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(raw: i32) -> ExitStatus {
        ExitStatus::from_raw(raw)
    }

    #[test]
    fn a_kill_from_outside_is_no_evidence_and_a_crash_is() {
        for (raw, crash) in
            [(9, false), (15, false), (6, true), (11, true), (101 << 8, true), (1 << 8, false)]
        {
            assert_eq!(is_crash(ended(raw)), crash, "{raw}");
        }
        let why = describe("the connection broke".into(), ended(6));
        assert!(why.contains("SIGABRT") && why.contains("memory"), "{why}");
    }
}
