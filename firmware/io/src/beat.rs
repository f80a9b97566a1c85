//! How often the sources' runtime wakes up. What a recorder pays for is wake-ups, not bytes: while nobody waits for
//! pictures the kernel holds the bytes and every session is drained once a beat, and right before the card writes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nobody waits. The kernel holds a sixth of a megabyte a 4 Mbit/s camera meanwhile; what a kill can cost is bounded by the
/// card's beat, which has the sessions drained.
const CALM: Duration = Duration::from_millis(300);
/// Somebody waits: a viewer, an eye that sees something move, a camera that is just connecting.
const QUICK: Duration = Duration::from_millis(20);
/// How long the card waits for what has arrived: several times what draining 24 cameras takes. With no camera that sends
/// anything nobody answers.
const DRAINED_WITHIN: Duration = Duration::from_millis(30);

/// The beat of the one runtime that reads all cameras.
#[derive(Debug, Default)]
pub struct Beat {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Who waits for pictures.
    waiting: usize,
    drain: Drain,
    /// A runtime keeps this beat.
    is_kept: bool,
}

/// Whether the card waits for what has arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Drain {
    #[default]
    Idle,
    Asked,
    /// The runtime is up: when it has nothing left to do, everything is in the card's queue.
    UnderWay,
}

/// The beat is quick as long as this lives.
#[derive(Debug)]
pub(crate) struct Quick {
    beat: Arc<Beat>,
}

impl Beat {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for pictures.
    pub(crate) fn quicken(self: &Arc<Self>) -> Quick {
        self.lock().waiting += 1;
        self.changed.notify_all();
        Quick { beat: self.clone() }
    }

    /// Somebody waits now.
    #[cfg(test)]
    pub(crate) fn is_quick(&self) -> bool {
        self.lock().waiting > 0
    }

    /// The runtime has nothing left to do: sleeps until the next beat. Ends at once when somebody begins to wait, or the card
    /// wants what has arrived.
    pub(crate) fn sleep(&self) {
        let mut state = self.lock();
        state.is_kept = true;
        if state.drain == Drain::UnderWay {
            state.drain = Drain::Idle;
            self.changed.notify_all();
        }
        let is_quick = state.waiting > 0;
        let pause = if is_quick { QUICK } else { CALM };
        let goes_on = |s: &mut State| s.drain == Drain::Idle && (is_quick || s.waiting == 0);
        let mut state = match self.changed.wait_timeout_while(state, pause, goes_on) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        };
        if state.drain == Drain::Asked {
            state.drain = Drain::UnderWay;
        }
    }

    /// Has every session drained: what has arrived at this machine by now is with the card when this returns, or it took longer
    /// than a drain takes.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        if !state.is_kept {
            return; // nobody reads
        }
        state.drain = Drain::Asked;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, DRAINED_WITHIN, |s| s.drain != Drain::Idle));
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        self.beat.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_has_a_calm_beat_cut_short_and_waits_until_the_runtime_is_idle_again() {
        let beat = Arc::new(Beat::default());
        beat.drain(); // nobody reads: returns
        beat.lock().is_kept = true;
        let reader = std::thread::spawn({
            let beat = beat.clone();
            move || {
                while beat.lock().drain != Drain::Asked {
                    std::thread::yield_now();
                }
                beat.sleep(); // cut short
                assert_eq!(beat.lock().drain, Drain::UnderWay);
                beat.lock().waiting = 1; // so that the next one is a quick one
                beat.sleep(); // all sessions are drained
            }
        });
        beat.lock().drain = Drain::Asked;
        reader.join().unwrap();
        assert_eq!(beat.lock().drain, Drain::Idle);
    }
}
