//! Streams with a candidate picture → the model, one after the other in turn.

use crate::error::Error;
use crate::governor::Governor;
use crate::looker::Looker;
use crate::marks::Marks;
use crate::watch::{Candidate, Watch};
use nightjar_types::eye::Work;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who is next at the model.
#[derive(Default)]
pub(crate) struct Rota {
    turns: Mutex<Turns>,
    bell: Condvar,
}

#[derive(Default)]
struct Turns {
    watches: Vec<Arc<Watch>>,
    next: usize,
}

impl Rota {
    /// A stream joins; it stays for the life of the process.
    pub(crate) fn add(&self, watch: Arc<Watch>) {
        self.lock().watches.push(watch);
    }

    /// A stream has a candidate. Must not be called with a watch locked: turns are taken in the order rota, watch.
    pub(crate) fn ring(&self) {
        drop(self.lock());
        self.bell.notify_one();
    }

    /// Waits for the next candidate; streams take turns, live ones before pictures of the past.
    pub(crate) fn next(&self) -> (Arc<Watch>, Candidate) {
        let mut turns = self.lock();
        loop {
            let Turns { watches, next } = &mut *turns;
            let turns_of = |past| (0..watches.len()).map(move |i| (i, past));
            for (i, past) in turns_of(false).chain(turns_of(true)) {
                let at = (*next + i) % watches.len();
                if watches[at].is_archive() != past {
                    continue;
                }
                if let Some(candidate) = watches[at].take() {
                    *next = at + 1;
                    return (watches[at].clone(), candidate);
                }
            }
            turns = self.bell.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at candidates for as long as the process lives; gives why it must end when somebody else's detector failed.
pub(crate) fn run(rota: &Rota, mut looker: Looker, governor: &Governor, marks: &Arc<Marks>) -> Error {
    loop {
        let (watch, candidate) = rota.next();
        let in_work = marks.begin(Work::Looking, watch.stream(), candidate.mono());
        let look = looker.look_in(candidate.picture(), candidate.min_score(), candidate.views());
        drop(in_work);
        if let Err(error @ Error::Detector { .. }) = look {
            return error;
        }
        watch.looked(candidate, look);
        governor.measure();
        // A candidate that came while this one was in the model could not be taken then.
        rota.ring();
    }
}
