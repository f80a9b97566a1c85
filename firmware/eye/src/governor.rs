//! This process's processor time and what the recorder asks → how far apart looks are, and whether streams are decoded at all.

use crate::clock::{Stopwatch, cpu};
use nightjar_detect::Budget;
use nightjar_detect::budget::WINDOW;
use nightjar_types::eye::Ease;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Least time between two looks at a stream of an eye that was asked to do less: someone who walks through is in the
/// picture for longer.
const REDUCED: Duration = Duration::from_secs(1);
/// Of its budget, an eye that was asked to do less has this share.
const REDUCED_SHARE: f32 = 0.5;

/// Shared by all streams. Measures itself when it is asked after a look; no thread wakes up for it.
pub(crate) struct Governor {
    usual: Duration,
    share: f32,
    state: Mutex<State>,
    spacing_us: AtomicU64,
}

struct State {
    budget: Budget,
    ease: Ease,
    since: Stopwatch,
    used: Duration,
}

impl Governor {
    /// `share` of a core; `usual` is the least time between two looks at a stream.
    pub(crate) fn new(share: f32, usual: Duration) -> Self {
        let state = State {
            budget: Budget::new(share),
            ease: Ease::Normal,
            // What it took to start is not part of it.
            since: Stopwatch::start(),
            used: cpu(),
        };
        Self { usual, share, state: Mutex::new(state), spacing_us: AtomicU64::new(usual.as_micros() as u64) }
    }

    /// Least time between two looks at a stream now.
    pub(crate) fn spacing(&self) -> Duration {
        Duration::from_micros(self.spacing_us.load(Relaxed))
    }

    /// The recorder asks for less or more.
    pub(crate) fn ease(&self, ease: Ease) {
        self.change(|state| {
            let share = if ease == Ease::Normal { self.share } else { self.share * REDUCED_SHARE };
            state.budget.set_share(share);
            state.ease = ease;
        });
    }

    /// Measures, when a while has passed; gives the load in thousandths of a core.
    pub(crate) fn measure(&self) -> u32 {
        self.change(|state| {
            let passed = state.since.passed();
            if passed >= WINDOW {
                let used = cpu();
                state.budget.spent(used.saturating_sub(state.used), passed);
                (state.since, state.used) = (Stopwatch::start(), used);
            }
            (state.budget.load() * 1000.0) as u32
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let out = change(&mut state);
        let least = if state.ease == Ease::Normal { Duration::ZERO } else { REDUCED };
        let spacing = state.budget.spacing(self.usual).max(least);
        self.spacing_us.store(spacing.as_micros() as u64, Relaxed);
        out
    }
}
