//! First boot, or a new version: what can this board do? A `nightjar-eye bench` of lowest priority finds out, then the eye reads it.

use crate::load;
use nightjar_io::eye_link::Eye;
use nightjar_types::config::Config;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tokio::process::Command;
use tokio::sync::watch;

/// File in the state folder.
const FILE: &str = "eye-choice.json";
/// The first minute belongs to the cameras.
const AFTER: Duration = Duration::from_secs(60);
/// A bench that is not done by then is ended; the next start tries again.
const DEADLINE: Duration = Duration::from_secs(600);
/// Niceness: after everything else.
const NICE: i32 = 19;

/// Where the measurement is kept.
pub(crate) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Measures, when something is to be detected and there is no measurement of this version on this board, and lets the eye read it.
pub(crate) async fn run(config: &Config, state_dir: &Path, eye: Eye, mut stop: watch::Receiver<bool>) {
    if !config.cameras.iter().any(|camera| camera.detect) {
        return; // nothing to choose for
    }
    let Ok(program) = load::eye_program(config) else { return };
    tokio::select! {
        () = tokio::time::sleep(AFTER) => {}
        _ = stop.wait_for(|stop| *stop) => return,
    }
    let file = file(state_dir);
    let before = changed(&file);
    let mut bench = Command::new(program);
    bench
        .arg("bench")
        .arg("--remember")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if let Some(models) = &config.eye.models {
        bench.arg("--models").arg(models);
    }
    let mut child = match bench.process_group(0).spawn() {
        Ok(child) => child,
        Err(error) => return tracing::warn!(%error, "this board cannot be measured"),
    };
    if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
        // A kernel that refuses measures at the usual priority.
        let _ = rustix::process::setpriority_process(Some(pid), NICE);
    }
    let ended = tokio::select! {
        ended = tokio::time::timeout(DEADLINE, child.wait()) => ended,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    match ended {
        Ok(Ok(status)) if status.success() && changed(&file) != before => {
            tracing::info!(file = %file.display(), "this board was measured; the eye takes the fastest that is right");
            eye.renew();
        }
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => {
            tracing::warn!(%status, "measuring this board failed; the eye keeps its safe choice")
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "measuring this board failed; the eye keeps its safe choice")
        }
        Err(_) => tracing::warn!("measuring this board took too long; the eye keeps its safe choice"),
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}
