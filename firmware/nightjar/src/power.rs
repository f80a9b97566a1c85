//! An input that says "the mains is gone" → a problem with a time, and when that has come, a board that is asked to shut down.
//!
//! The recorder may not shut a board down. It closes all that it records, then leaves a file that `nightjar-power.path` waits
//! for. Where nobody waits for it the recorder begins again: better on the last of a battery than not at all.

use crate::{stage, supervisor};
use nightjar_io::clock;
use nightjar_types::config::{Config, InputKind};
use nightjar_types::{Mono, Wall};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

/// The level of an input is looked at so often: a battery lasts for minutes.
const EVERY: Duration = Duration::from_millis(500);
/// The file, in the folder that systemd gave the recorder.
const REQUEST: &str = "power-off";
/// A board that was asked to shut down does so within this time.
const PATIENCE: Duration = Duration::from_secs(90);

/// The mains is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    since: Mono,
    since_wall: Wall,
    due: Mono,
}

impl Gone {
    /// For a person, with what happens next.
    pub(crate) fn problem(&self) -> String {
        let clock = |at: Wall| {
            let (_, _, _, hour, minute, second) = at.civil();
            format!("{hour:02}:{minute:02}:{second:02}")
        };
        let due = self.since_wall.plus_micros(self.due.0 as i64 - self.since.0 as i64);
        format!(
            "The mains is gone since {} UTC. Unless it comes back, all recordings are closed and the board shuts down at {}; see to \
             the fuse and the supply.",
            clock(self.since_wall),
            clock(due)
        )
    }
}

/// Shared with the health page.
pub(crate) type Shown = Arc<Mutex<Option<Gone>>>;

/// What the level of the input means at a moment.
fn see(before: Option<Gone>, is_gone: bool, now: Mono, wall: Wall, after: Duration) -> Option<Gone> {
    let begin = Gone { since: now, since_wall: wall, due: Mono(now.0 + after.as_micros() as u64) };
    is_gone.then(|| before.unwrap_or(begin))
}

/// Looks at the inputs of this kind until `stop` says true, and tells `too_long` when the board is to be shut down.
pub(crate) async fn watch(
    config: &Config,
    stage: Arc<Mutex<stage::Shown>>,
    shown: Shown,
    too_long: &Notify,
    mut stop: watch::Receiver<bool>,
) {
    let is_one = |n: &usize| config.inputs[*n].kind == InputKind::AcFail;
    let inputs: Vec<usize> = (0..config.inputs.len()).filter(is_one).collect();
    let mut gone = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY), if !inputs.is_empty() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let is_gone = {
            let stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            inputs.iter().any(|n| stage.inputs.get(*n).is_some_and(|input| input.active))
        };
        let now = clock::mono();
        gone = see(gone, is_gone, now, clock::wall(), config.power.shutdown_after);
        *shown.lock().unwrap_or_else(PoisonError::into_inner) = gone;
        if gone.is_some_and(|gone| gone.due <= now) {
            too_long.notify_one();
        }
    }
}

/// Asks for the board to be shut down, and waits for it. Called when all is on the card. False: nobody did, so go on.
pub(crate) fn off() -> anyhow::Result<bool> {
    let Some(folder) = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from) else {
        tracing::error!("without systemd nobody shuts the board down; recording goes on");
        return Ok(false);
    };
    if let Err(e) = ask(&folder) {
        tracing::error!(error = %e, folder = %folder.display(), "the board cannot be asked to shut down; recording goes on");
        return Ok(false);
    }
    tracing::warn!("the mains is gone; the board was asked to shut down");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let is_told = runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        for _ in 0..PATIENCE.as_secs() {
            tokio::select! {
                _ = term.recv() => return Ok::<_, std::io::Error>(true),
                () = tokio::time::sleep(Duration::from_secs(1)) => supervisor::alive(),
            }
        }
        Ok(false)
    })?;
    if !is_told {
        std::fs::remove_file(folder.join(REQUEST))?; // whoever comes later must not find it
        tracing::error!("nobody shut the board down: is nightjar-power.path enabled? Recording goes on");
    }
    Ok(is_told)
}

fn ask(folder: &Path) -> std::io::Result<()> {
    std::fs::write(folder.join(REQUEST), "the mains is gone\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    #[test]
    fn a_board_shuts_down_when_the_mains_stays_away_and_counts_anew_when_it_was_back() {
        let s = |s: u64| Mono(s * 1_000_000);
        let at = |before, is_gone, t| see(before, is_gone, s(t), Wall::from_ms(t as i64 * 1000), AFTER);
        let first = at(None, true, 10);
        assert_eq!(first.unwrap().due, s(70));
        assert_eq!(at(first, true, 40), first);
        assert_eq!(at(first, false, 50), None);
        assert_eq!(at(None, true, 55).unwrap().due, s(115));
        let words = first.unwrap().problem();
        assert!(words.contains("since 00:00:10 UTC") && words.contains("shuts down at 00:01:10"), "{words}");
    }

    #[test]
    fn the_request_is_a_file_that_a_unit_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        ask(dir.path()).unwrap();
        assert!(dir.path().join(REQUEST).exists());
        assert!(ask(&dir.path().join("nowhere")).is_err());
    }
}
