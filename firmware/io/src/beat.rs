//! How often the sources' runtime wakes up. What a recorder pays for is wake-ups, not bytes: while nobody waits for
//! pictures the kernel holds the bytes and every session is drained once a beat.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nobody waits. With the card's own beat and the length of a fragment this bounds what a kill can cost.
const CALM: Duration = Duration::from_millis(150);
/// Somebody waits: a viewer, an eye that sees something move, a camera that is just connecting.
const QUICK: Duration = Duration::from_millis(20);

/// The beat of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Beat {
    waiting: Mutex<usize>,
    changed: Condvar,
}

/// The beat is quick as long as this lives.
#[derive(Debug)]
pub(crate) struct Quick {
    beat: std::sync::Arc<Beat>,
}

impl Beat {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for pictures.
    pub(crate) fn quicken(self: &std::sync::Arc<Self>) -> Quick {
        *self.lock() += 1;
        self.changed.notify_all();
        Quick { beat: self.clone() }
    }

    /// Somebody waits now.
    #[cfg(test)]
    pub(crate) fn is_quick(&self) -> bool {
        *self.lock() > 0
    }

    /// Sleeps until the next beat. A calm beat ends at once when somebody begins to wait.
    pub(crate) fn sleep(&self) {
        let waiting = self.lock();
        if *waiting > 0 {
            drop(waiting);
            std::thread::sleep(QUICK);
        } else {
            let _ = self.changed.wait_timeout_while(waiting, CALM, |n| *n == 0);
        }
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        *self.beat.lock() -= 1;
    }
}
