//! What each thread is at → the recorder's watchdog (in `Pong`) and the black box that outlives this process.

use crate::clock::Stopwatch;
use nightjar_types::Mono;
use nightjar_types::black_box::{self, Mark};
use nightjar_types::eye::{Busy, Work};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that is in work.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    slots: Mutex<Vec<Option<(Mark, Stopwatch)>>>,
    file: Option<File>,
}

impl Marks {
    /// Standard output is the black box when the recorder made it one: a file, not a terminal or a pipe.
    pub(crate) fn on_stdout() -> Arc<Self> {
        let file = std::io::stdout().as_fd().try_clone_to_owned().ok().map(File::from);
        let file = file.filter(|f| f.metadata().is_ok_and(|m| m.is_file()));
        Arc::new(Self { slots: Mutex::default(), file })
    }

    /// Something is in work until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>, work: Work, on: u32, mono: Mono) -> InWork {
        let entry = (Mark { work, on, mono }, Stopwatch::start());
        let mut slots = self.lock();
        let free = slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        slots[slot] = Some(entry);
        // Still locked: a slot's bytes must be those of its newest mark.
        self.write(slot, Some(entry.0));
        InWork { marks: self.clone(), slot }
    }

    /// What is in work, for how long.
    pub(crate) fn busy(&self) -> Vec<Busy> {
        let busy = |(mark, since): &(Mark, Stopwatch)| {
            let Mark { work, on, mono } = *mark;
            Busy { work, on, mono, ms: u32::try_from(since.passed().as_millis()).unwrap_or(u32::MAX) }
        };
        self.lock().iter().flatten().map(busy).collect()
    }

    fn write(&self, slot: usize, mark: Option<Mark>) {
        if let Some(file) = self.file.as_ref().filter(|_| slot < black_box::SLOTS) {
            // Nothing to be done about a refusal: the recorder then knows less of a death that may never come.
            let _ = file.write_all_at(&black_box::encode(mark), (slot * black_box::SLOT) as u64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<(Mark, Stopwatch)>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work going on; ends when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct InWork {
    marks: Arc<Marks>,
    slot: usize,
}

impl Drop for InWork {
    fn drop(&mut self) {
        let mut slots = self.marks.lock();
        slots[self.slot] = None;
        self.marks.write(self.slot, None);
    }
}

/// Who marks what a pipeline's thread is at: the newest unit in work, or none.
#[derive(Debug, Clone)]
pub(crate) struct Marker {
    marks: Arc<Marks>,
    work: Work,
    on: u32,
}

impl Marker {
    /// Of one stream or one still.
    pub(crate) fn new(marks: &Arc<Marks>, work: Work, on: u32) -> Self {
        Self { marks: marks.clone(), work, on }
    }

    /// The unit of that time is in work.
    pub(crate) fn begin(&self, mono: Mono) -> InWork {
        self.marks.begin(self.work, self.on, mono)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_work_stands_in_the_black_box() {
        let file = tempfile::tempfile().unwrap();
        let marks = Arc::new(Marks { slots: Mutex::default(), file: Some(file.try_clone().unwrap()) });
        let written = || {
            let mut bytes = vec![0; black_box::SIZE];
            let n = file.read_at(&mut bytes, 0).unwrap();
            black_box::decode(&bytes[..n])
        };
        let mark = |work, on| Mark { work, on, mono: Mono(9) };
        let decoding = marks.begin(Work::Decoding, 1, Mono(9));
        let looking = marks.begin(Work::Looking, 2, Mono(9));
        assert_eq!(written(), [mark(Work::Decoding, 1), mark(Work::Looking, 2)]);
        drop(decoding);
        assert_eq!(written(), [mark(Work::Looking, 2)]);
        let still = Marker::new(&marks, Work::Still, 7).begin(Mono(9));
        assert_eq!(written(), [mark(Work::Still, 7), mark(Work::Looking, 2)], "the slot is used again");
        assert_eq!(marks.busy().iter().map(|b| b.on).collect::<Vec<_>>(), [7, 2]);
        drop((still, looking));
        assert!(written().is_empty() && marks.busy().is_empty());
    }
}
