//! `/proc/stat`, thermal zones, the other stages → the [`Conditions`] that the night shift works under.

use crate::stage::Shown;
use nightjar_io::clock;
use nightjar_io::eye_link::Eye;
use nightjar_io::storage::Library;
use nightjar_record::night::Conditions;
use nightjar_types::Mono;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Reads them. The processor's use is that between two looks.
pub(super) struct Gauge {
    eye: Eye,
    library: Library,
    stage: Arc<Mutex<Shown>>,
    /// Ticks spent for others and in all, at the last look.
    ticks: (u64, u64),
    load: f32,
    /// The last look at all but the cameras, and when.
    known: Option<(Mono, Conditions)>,
}

/// All but the cameras is looked at so often at most: a look sums up the whole card.
const FRESH: Duration = Duration::from_millis(500);
/// Ticks between two looks at least: fewer say nothing.
const LEAST_TICKS: u64 = 50;

impl Gauge {
    pub(super) fn new(eye: Eye, library: Library, stage: Arc<Mutex<Shown>>) -> Self {
        Self { eye, library, stage, ticks: ticks(), load: 0.0, known: None }
    }

    pub(super) fn look(&mut self) -> Conditions {
        let now = clock::mono();
        let stirred = self.stage.lock().unwrap_or_else(PoisonError::into_inner).stirred;
        let quiet_for = stirred.map(|at| now.since(at));
        if let Some((_, known)) = self.known.filter(|(at, _)| now.since(*at) < FRESH) {
            return Conditions { quiet_for, ..known };
        }
        let (busy, all) = ticks();
        let passed = all.saturating_sub(self.ticks.1);
        if passed >= LEAST_TICKS {
            self.load = busy.saturating_sub(self.ticks.0) as f32 / passed as f32;
            self.ticks = (busy, all);
        }
        let known = Conditions {
            has_storage: matches!(self.library.status().state, "ok" | "slow"),
            has_eye: self.eye.state().is_running,
            quiet_for,
            load: self.load,
            temperature: temperature(),
        };
        self.known = Some((now, known));
        known
    }
}

/// Ticks of all processors since boot: those that others used, and all. What runs niced, as the eye does, is nobody's loss.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let numbers = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let n: Vec<u64> = numbers.map(|n| n.parse().unwrap_or(0)).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = n[..] else { return (0, 0) };
    let busy = user + system + irq + softirq + steal;
    (busy, busy + nice + idle + iowait)
}

/// The hottest of the kernel's thermal zones, °C.
fn temperature() -> Option<f32> {
    let zones = std::fs::read_dir("/sys/class/thermal").ok()?;
    let read = |zone: std::fs::DirEntry| {
        let text = std::fs::read_to_string(zone.path().join("temp")).ok()?;
        text.trim().parse::<f32>().ok()
    };
    zones.filter_map(|zone| read(zone.ok()?)).map(|milli| milli / 1_000.0).reduce(f32::max)
}
