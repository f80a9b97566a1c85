//! What happened → running totals and the median time in the model.

use crate::governor::Governor;
use nightjar_types::eye::EyeCounters;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The median is over this many newest inferences.
const TIMES: usize = 101;

/// Shared by every thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) decoded: Count,
    pub(crate) key_only: Count,
    pub(crate) left_out: Count,
    pub(crate) superseded: Count,
    pub(crate) quiet: Count,
    pub(crate) undecodable: Count,
    inferred: Count,
    times_us: Mutex<VecDeque<u32>>,
}

/// One total.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
}

impl Counters {
    /// The model ran and took `ms`.
    pub(crate) fn inferred(&self, ms: f32) {
        self.inferred.add(1);
        let mut times = self.times_us.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() == TIMES {
            times.pop_front();
        }
        times.push_back((ms * 1000.0) as u32);
    }

    /// All of them now, with what the governor knows.
    pub(crate) fn read(&self, governor: &Governor) -> EyeCounters {
        let mut times: Vec<u32> =
            self.times_us.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        times.sort_unstable();
        EyeCounters {
            decoded: self.decoded.0.load(Relaxed),
            key_only: self.key_only.0.load(Relaxed),
            left_out: self.left_out.0.load(Relaxed),
            inferred: self.inferred.0.load(Relaxed),
            superseded: self.superseded.0.load(Relaxed),
            quiet: self.quiet.0.load(Relaxed),
            undecodable: self.undecodable.0.load(Relaxed),
            inference_p50_us: times.get(times.len() / 2).copied().unwrap_or(0),
            cpu_permille: governor.measure(),
            spacing_ms: governor.spacing().as_millis() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_newest() {
        let counters = Counters::default();
        let governor = Governor::new(1.0, std::time::Duration::from_millis(200));
        assert_eq!(counters.read(&governor).inference_p50_us, 0);
        for ms in [500.0; TIMES].into_iter().chain([40.0; TIMES]) {
            counters.inferred(ms);
        }
        let read = counters.read(&governor);
        assert_eq!((read.inference_p50_us, read.inferred, read.spacing_ms), (40_000, 2 * TIMES as u64, 200));
    }
}
