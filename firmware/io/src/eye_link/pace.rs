//! Whether the eye waits for a stream's pictures → the beat of the sources' thread is quick for it, or calm.

use crate::beat::{Beat, Quick};
use std::sync::{Arc, Mutex, PoisonError};

/// One stream's.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    beat: Option<Arc<Beat>>,
    is_wanted: bool,
    quick: Option<Quick>,
}

impl Pace {
    /// The beat of the thread that reads the stream.
    pub(super) fn attach(&self, beat: Arc<Beat>) {
        self.change(|inner| inner.beat = Some(beat));
    }

    /// Whether something moves on the stream, as the eye says.
    pub(super) fn set(&self, is_wanted: bool) {
        self.change(|inner| inner.is_wanted = is_wanted);
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut inner);
        if !inner.is_wanted {
            inner.quick = None;
        } else if inner.quick.is_none() {
            inner.quick = inner.beat.as_ref().map(Beat::quicken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_is_quick_only_while_the_eye_waits() {
        let (pace, beat) = (Pace::default(), Arc::new(Beat::default()));
        pace.set(true);
        pace.attach(beat.clone());
        assert!(beat.is_quick(), "said before the stream ran");
        pace.set(true);
        pace.set(false);
        assert!(!beat.is_quick());
        pace.set(true);
        drop(pace);
        assert!(!beat.is_quick(), "an eye that is gone waits for nothing");
    }
}
