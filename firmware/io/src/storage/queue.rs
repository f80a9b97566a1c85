//! The hop recorder → card: units in, bounded by bytes; when full, whole groups of pictures are left out and counted.

use crate::beat::Beat;
use nightjar_record::Trigger;
use nightjar_types::{AccessUnit, GapCause, Mono, StreamParams};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What reaches the card.
#[derive(Debug)]
pub(super) enum Message {
    Params(StreamParams),
    Unit(AccessUnit),
    /// The session ended.
    Ended(GapCause),
    /// Units were left out here, back to a key frame.
    Skipped,
    /// Bytes of an event for the slab.
    Event(super::index::EventRow),
    /// Something happened before the camera.
    Trigger(Trigger, Mono),
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<(u16, Message)>,
    bytes: usize,
    is_stopping: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    /// Bytes that may wait for the card, all streams together.
    budget: usize,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Of those who read the cameras.
    pub(super) reading: Arc<Beat>,
    pub(super) dropped_units: AtomicU64,
}

impl Queue {
    pub(super) fn new(budget: u64) -> Self {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        Self {
            budget,
            waiting: Mutex::default(),
            wake: Condvar::new(),
            reading: Arc::default(),
            dropped_units: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits a beat, or less when much has come in; then for what has arrived at this machine. True: this beat is the last.
    pub(super) fn wait(&self, beat: Duration) -> bool {
        let is_calm = |w: &mut Waiting| w.bytes < self.budget / 2 && !w.is_stopping;
        let is_stopping = match self.wake.wait_timeout_while(self.lock(), beat, is_calm) {
            Ok((guard, _)) => guard.is_stopping,
            Err(poisoned) => poisoned.into_inner().0.is_stopping,
        };
        if !is_stopping {
            self.reading.drain();
        }
        is_stopping
    }

    /// Waits a beat, whatever comes in. True: this beat is the last.
    pub(super) fn wait_out(&self, beat: Duration) -> bool {
        match self.wake.wait_timeout_while(self.lock(), beat, |w| !w.is_stopping) {
            Ok((guard, _)) => guard.is_stopping,
            Err(poisoned) => poisoned.into_inner().0.is_stopping,
        }
    }

    /// Takes all that waits.
    pub(super) fn take(&self, into: &mut VecDeque<(u16, Message)>) {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.messages, into);
        waiting.bytes = 0;
    }

    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.wake.notify_all();
    }

    fn push(&self, stream: u16, message: Message, bytes: usize, or_refuse: bool) -> bool {
        let mut waiting = self.lock();
        if or_refuse && waiting.bytes + bytes > self.budget {
            return false;
        }
        waiting.bytes += bytes;
        waiting.messages.push_back((stream, message));
        if waiting.bytes >= self.budget / 2 {
            self.wake.notify_all();
        }
        true
    }
}

/// One stream's way to the card. Never blocks.
#[derive(Debug)]
pub struct CardSender {
    queue: Arc<Queue>,
    stream: u16,
    is_skipping: bool,
}

impl CardSender {
    pub(super) fn new(queue: Arc<Queue>, stream: u16) -> Self {
        Self { queue, stream, is_skipping: false }
    }

    /// How to decode what follows.
    pub fn params(&mut self, params: StreamParams) {
        self.queue.push(self.stream, Message::Params(params), 0, false);
    }

    /// One unit; false when it was left out because the card is too slow.
    pub fn unit(&mut self, unit: AccessUnit) -> bool {
        let is_start = unit.is_key && unit.media == nightjar_types::Media::Video;
        if self.is_skipping && !is_start {
            self.queue.dropped_units.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let bytes = unit.data.len() + 64;
        if self.queue.push(self.stream, Message::Unit(unit), bytes, true) {
            self.is_skipping = false;
            return true;
        }
        if !self.is_skipping {
            self.is_skipping = true;
            self.queue.push(self.stream, Message::Skipped, 0, false);
        }
        self.queue.dropped_units.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// The session ended.
    pub fn ended(&mut self, cause: GapCause) {
        self.is_skipping = false;
        self.queue.push(self.stream, Message::Ended(cause), 0, false);
    }
}

/// The way of events to the card.
#[derive(Debug, Clone)]
pub struct EventSender {
    queue: Arc<Queue>,
}

impl EventSender {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    pub(super) fn push(&self, stream: u16, row: super::index::EventRow) {
        let bytes = row.jpeg.len();
        self.queue.push(stream, Message::Event(row), bytes, false);
    }

    /// Something happened before the camera of stream `n`: it is recorded if it is to be recorded then.
    pub fn trigger(&self, n: usize, what: Trigger, at: Mono) {
        self.queue.push(n as u16, Message::Trigger(what, at), 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nightjar_types::{Media, Mono, Wall};

    fn unit(len: usize, is_key: bool) -> AccessUnit {
        let data = Bytes::from(vec![0; len]);
        AccessUnit { media: Media::Video, is_key, dts: 0, cts: 0, arrived: Mono(0), wall: Wall(0), data }
    }

    #[test]
    fn a_full_queue_drops_whole_groups_of_pictures_and_counts() {
        const BUDGET: usize = 4 << 20;
        let queue = Arc::new(Queue::new(BUDGET as u64));
        let mut sender = CardSender::new(queue.clone(), 3);
        assert!(sender.unit(unit(BUDGET / 2, true)));
        assert!(!sender.unit(unit(BUDGET, false)), "does not fit");
        assert!(!sender.unit(unit(10, false)), "would fit, but its group is broken");
        assert!(sender.unit(unit(10, true)), "the next group begins");
        let mut got = VecDeque::new();
        assert!(!queue.wait(Duration::ZERO));
        queue.take(&mut got);
        let kinds: Vec<bool> = got.iter().map(|(_, m)| matches!(m, Message::Skipped)).collect();
        assert_eq!(kinds, [false, true, false]);
        assert_eq!(queue.dropped_units.load(Ordering::Relaxed), 2);
    }
}
