//! Liveness → systemd's watchdog; changes of state, numbers and problems → whoever is told; deletions and problems → the audit.

use crate::daily::{self, Daily};
use crate::health::Gauges;
use crate::keeping;
use crate::problems::Ongoing;
use crate::updates::Updates;
use nightjar_api::Audit;
use nightjar_io::clock;
use nightjar_types::status::Update;
use nightjar_types::world::ProblemView;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often numbers are looked at and sent.
const EVERY: Duration = Duration::from_secs(2);
/// A minute, in rounds of `EVERY`.
const ROUNDS_A_MINUTE: u64 = 30;
/// Between two looks at what was deleted, in rounds of `EVERY`: ten minutes, so that a stream has a line and not one a slab.
const ROUNDS_A_TELLING: u64 = 300;

/// Tells systemd that the start is over.
pub(crate) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells systemd that the stop has begun.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds systemd's watchdog.
pub(crate) fn alive() {
    notify(&[NotifyState::Watchdog]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(false, states) {
        tracing::warn!(error = %e, "systemd could not be told");
    }
}

fn in_words(problem: &ProblemView) -> String {
    let step = if problem.end_ms.is_some() { "over" } else { "problem" };
    format!("{step}: {}", problem.words)
}

/// Feeds the watchdog while the rules go round, and sends what changed.
pub(crate) async fn run(
    gauges: Arc<Gauges>,
    updates: Updates,
    audit: Audit,
    mut stop: watch::Receiver<bool>,
) {
    let (mut last, mut ongoing) = (Vec::new(), Ongoing::default());
    let (mut look, mut daily): (Option<JoinHandle<()>>, Daily) = (None, Daily::default());
    for round in 1u64.. {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if gauges.is_stage_alive() {
            alive();
        }
        if round % ROUNDS_A_MINUTE == 0 {
            gauges.library.forget_slowest();
        }
        // one look at a time: a disk that hangs must not take a thread a minute
        if round % ROUNDS_A_MINUTE == 1 && look.as_ref().is_none_or(JoinHandle::is_finished) {
            let gauges = gauges.clone();
            look = Some(tokio::task::spawn_blocking(move || gauges.look_around()));
        }
        if round % ROUNDS_A_TELLING == 0 {
            keeping::tell_deletions(&gauges.library, &audit);
        }
        let cameras = gauges.cameras();
        let problems = gauges.problems(&cameras);
        for problem in ongoing.take(clock::mono(), clock::wall(), problems.clone()) {
            audit.record("nightjar", &in_words(&problem));
            updates.send(Update::Problem(problem));
        }
        if !updates.are_heard() {
            continue;
        }
        if let Some(day) = daily.due(clock::wall(), clock::is_sure()) {
            let (gauges, updates) = (gauges.clone(), updates.clone());
            drop(tokio::task::spawn_blocking(move || {
                daily::proofs(&gauges, day).into_iter().for_each(|proof| updates.send(proof));
            }));
        }
        for camera in cameras.iter().filter(|c| !last.contains(*c)) {
            updates.send(Update::Camera(camera.clone()));
        }
        last = cameras;
        updates.send(Update::Health(gauges.health_with(problems)));
    }
}
