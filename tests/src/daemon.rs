//! A home → the running daemon in it: readiness, setup code, states, logs; SIGTERM and SIGKILL on command.

use crate::{api::Api, clock, home::Home, parts};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The first admin's name in tests.
pub const ADMIN: &str = "tester";
/// His password.
pub const ADMIN_PASSWORD: &str = "correct horse 42";

/// What a command that ended by itself left.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// All it printed, stdout first.
    pub said: String,
}

/// A running `nightjar run`; dropping it kills it.
pub struct Daemon<'h> {
    home: &'h Home,
    child: Child,
    /// A client without login.
    pub api: Api,
}

impl Home {
    /// Writes the config, starts the daemon and waits until it answers.
    #[track_caller]
    pub fn start(&self) -> Daemon<'_> {
        let mut daemon = self.spawn();
        clock::until("nightjar answers on /healthz", 60, || {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                panic!("nightjar ended at its start with {status}:\n{}", self.said());
            }
            let answer = daemon.api.try_get("/healthz", &[]).ok()?;
            (answer.status == 200).then_some(())
        });
        daemon
    }

    /// Writes the config and starts the daemon, ready or not.
    pub fn spawn(&self) -> Daemon<'_> {
        let config = self.write_config();
        let log = |name: &str| {
            let file = OpenOptions::new().create(true).append(true).open(self.path(name));
            Stdio::from(file.expect("the temporary folder takes it"))
        };
        let mut command = nightjar(&["run", "--config"], &config);
        command.envs(self.environment_pairs());
        command.stdin(Stdio::null()).stdout(log("stdout.log")).stderr(log("stderr.log"));
        let child = command.spawn().expect("nightjar starts");
        Daemon { home: self, child, api: Api::new(&self.base()) }
    }

    /// Runs `nightjar run` that is expected to give up by itself.
    #[track_caller]
    pub fn run_to_end(&self) -> Ended {
        let mut daemon = self.spawn();
        let status = clock::within(30, || daemon.child.try_wait().expect("our own child can be asked"));
        let said = self.said();
        let status = status.unwrap_or_else(|| panic!("nightjar runs, but should have given up:\n{said}"));
        Ended { code: status.code(), said }
    }

    /// Runs another verb to its end, e.g. `["config", "check"]`, with the config file as last word.
    #[track_caller]
    pub fn verb(&self, words: &[&str]) -> Ended {
        let out =
            nightjar(words, &self.write_config()).stdin(Stdio::null()).output().expect("nightjar starts");
        let said = [out.stdout, out.stderr].concat();
        Ended { code: out.status.code(), said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// Runs nightjar with exactly these words to its end.
    #[track_caller]
    pub fn plain(&self, words: &[&str]) -> Ended {
        let out = Command::new(parts::program("nightjar")).args(words).stdin(Stdio::null()).output();
        let out = out.expect("nightjar starts");
        let said = [out.stdout, out.stderr].concat();
        Ended { code: out.status.code(), said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// A token from `nightjar token new`.
    #[track_caller]
    pub fn token(&self, role: &str) -> String {
        let words = ["token", "new", "--role", role, "--ttl", "1h", "--config"];
        let out =
            nightjar(&words, &self.write_config()).stdin(Stdio::null()).output().expect("nightjar starts");
        assert!(out.status.success(), "token new: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("a token is text");
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        last.expect("token new prints the token").trim().to_string()
    }
}

fn nightjar(words: &[&str], config: &Path) -> Command {
    parts::program("nightjar-eye");
    let mut command = Command::new(parts::program("nightjar"));
    command.args(words).arg(config).env("RUST_BACKTRACE", "1");
    command
}

impl Daemon<'_> {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The one-time code that it printed at its first start.
    #[track_caller]
    pub fn setup_code(&self) -> String {
        clock::until("nightjar prints its setup code", 10, || {
            let said = std::fs::read_to_string(self.home.path("stdout.log")).ok()?;
            let (_, rest) = said.split_once("setup code: ")?;
            let (line, _) = rest.split_once('\n')?;
            Some(line.trim().to_string())
        })
    }

    /// Uses up the setup code; a client of the first admin.
    #[track_caller]
    pub fn admin(&self) -> Api {
        self.api.set_up(&self.setup_code(), ADMIN, ADMIN_PASSWORD)
    }

    /// Waits until the camera is in one of `states`, e.g. `["stalled"]`; gives back its status.
    #[track_caller]
    pub fn until_state(&self, api: &Api, camera: &str, states: &[&str], seconds: u64) -> Value {
        let mut last = Value::Null;
        let found = clock::within(seconds, || {
            last = camera_status(api, camera);
            let state = last["state"].as_str().unwrap_or_default();
            states.contains(&state).then_some(())
        });
        found.unwrap_or_else(|| panic!("after {seconds} s camera {camera} is not {states:?} but {last}"));
        last
    }

    /// SIGTERM, then the exit status.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        clock::until("nightjar ends after SIGTERM", 30, || {
            self.child.try_wait().expect("our own child can be asked")
        })
    }

    /// SIGKILL: what a power cut looks like to the files, but for the page cache.
    pub fn kill(mut self) {
        signal(self.pid(), Signal::KILL);
        self.child.wait().expect("a killed child ends");
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.home.said();
            let lines: Vec<&str> = said.lines().collect();
            eprintln!("--- nightjar said last:\n{}\n---", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// One camera's entry of `/api/v1/cameras`; null when it is not there.
pub fn camera_status(api: &Api, camera: &str) -> Value {
    let cameras = api.json("/api/v1/cameras");
    let entries = cameras.as_array().expect("a list of cameras");
    entries.iter().find(|entry| entry["id"] == camera).cloned().unwrap_or_default()
}

/// `/api/v1/cameras/{camera}/coverage` of all that there is.
pub fn coverage(api: &Api, camera: &str, stream: &str) -> Value {
    let to = clock::wall_ms() + 60_000;
    let from = to - 3_600_000;
    api.json(&format!("/api/v1/cameras/{camera}/coverage?stream={stream}&from={from}&to={to}"))
}

/// Milliseconds of playable footage.
pub fn covered_ms(coverage: &Value) -> i64 {
    let length = |span: &Value| span["to_ms"].as_i64().unwrap_or(0) - span["from_ms"].as_i64().unwrap_or(0);
    coverage["spans"].as_array().map_or(0, |spans| spans.iter().map(length).sum())
}

/// Causes of the gaps, in order.
pub fn gap_causes(coverage: &Value) -> Vec<String> {
    let gaps = coverage["gaps"].as_array().cloned().unwrap_or_default();
    gaps.iter().map(|gap| gap["cause"].as_str().unwrap_or_default().to_string()).collect()
}

/// Sends a signal to one process that this test started, itself or through the daemon.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // It may have ended by itself meanwhile, which the caller sees by what it waits for.
    let _ = kill_process(pid, signal);
}

/// Whether a process is there (a zombie is not).
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}
