//! A recorder at work → what it costs over a window: processor, memory, wake-ups, and how idle the machine was.

use super::recorder::Recorder;
use super::table::Figures;
use super::tree::{Tree, idle_and_total};
use crate::clock::Stopwatch;
use anyhow::{Result, bail};
use std::time::Duration;

/// How often memory is looked at; PSS every eighth time.
const LOOK: Duration = Duration::from_millis(250);

/// Watches for so many seconds. `cpu` and `switches` are for one camera: a minute, and a second.
pub(super) fn watch(recorder: &mut Recorder, tree: &mut Tree, cameras: u32, seconds: u64) -> Result<Figures> {
    let (idle, total) = idle_and_total();
    let (cpu, switches, clock) = (tree.cpu(), tree.switches(), Stopwatch::start());
    let mut looks = 0u32;
    while clock.elapsed() < Duration::from_secs(seconds) {
        tree.sample(looks.is_multiple_of(8));
        looks += 1;
        std::thread::sleep(LOOK);
    }
    let window = clock.elapsed().as_secs_f64();
    let (cpu, switches) = (tree.cpu() - cpu, tree.switches() - switches);
    let (idle_after, total_after) = idle_and_total();
    if !recorder.is_alive() {
        bail!("{} ended while it was measured; its log is beside its footage", recorder.kind().name());
    }
    tree.sample(true);
    let cameras = f64::from(cameras);
    Ok(Figures::from([
        ("cpu", cpu * 60.0 / window / cameras),
        ("switches", switches as f64 / window / cameras),
        ("rss", tree.peak_rss as f64 / 1e6),
        ("pss", tree.peak_pss as f64 / 1e6),
        ("idle", 100.0 * (idle_after - idle) as f64 / (total_after - total).max(1) as f64),
    ]))
}
