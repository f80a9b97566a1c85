//! The hop night shift → eye: pictures of before, as a stream of its own that comes after every live one; and what the eye says to them.

use super::Shared;
use bytes::Bytes;
use nightjar_types::eye::{ARCHIVE, FromEye, ToEye};
use nightjar_types::{Mono, VideoParams, Wall};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Messages that may wait for the socket: who feeds waits for answers long before.
const WAITING: usize = 64;
/// Answers that may wait for who feeds; beyond them they are dropped, since the link must not wait.
const ANSWERS: usize = 256;

#[derive(Default)]
struct Inner {
    is_wanted: bool,
    out: VecDeque<ToEye>,
    answers: Option<mpsc::Sender<FromEye>>,
}

/// What waits between the night shift and the link.
#[derive(Default)]
pub(super) struct ArchiveBox(Mutex<Inner>);

impl ArchiveBox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The eye is needed although no camera needs it.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().is_wanted
    }

    /// What waits to be told.
    pub(super) fn take(&self) -> VecDeque<ToEye> {
        std::mem::take(&mut self.lock().out)
    }

    /// Another eye has said hello: it knows nothing of what was told before.
    pub(super) fn renew(&self, hello: &FromEye) {
        let mut inner = self.lock();
        inner.out.clear();
        inner.answer(hello.clone());
    }

    /// Takes what is meant for the night shift; gives back what is not.
    pub(super) fn sort(&self, message: FromEye) -> Option<FromEye> {
        let stream = match &message {
            FromEye::Frame { stream, .. }
            | FromEye::Snapshot { stream, .. }
            | FromEye::Lost { stream, .. }
            | FromEye::Decoder { stream, .. } => *stream,
            _ => return Some(message),
        };
        if stream < ARCHIVE {
            return Some(message);
        }
        self.lock().answer(message);
        None
    }
}

impl Inner {
    fn answer(&mut self, message: FromEye) {
        if let Some(answers) = &self.answers {
            let _ = answers.try_send(message); // who feeds asks again when nothing comes
        }
    }

    fn push(&mut self, message: ToEye) {
        if self.out.len() < WAITING {
            self.out.push_back(message);
        }
    }
}

/// The way of pictures of before to the eye. Their time is the wall clock's: what comes back carries it.
#[derive(Clone)]
pub struct ArchiveFeed {
    shared: Arc<Shared>,
}

impl ArchiveFeed {
    pub(super) fn new(shared: Arc<Shared>) -> (Self, mpsc::Receiver<FromEye>) {
        let (send, answers) = mpsc::channel(ANSWERS);
        shared.archive.lock().answers = Some(send);
        (Self { shared }, answers)
    }

    /// Whether an eye must run for this.
    pub fn want(&self, is_wanted: bool) {
        self.shared.archive.lock().is_wanted = is_wanted;
        self.shared.wake.notify_one();
    }

    /// Pictures of another time or camera follow, beginning with a key frame. Tracks of before end.
    pub fn open(&self, camera: &str, params: &VideoParams, min_score: f32) {
        let (codec, config) = (params.codec, params.config.clone());
        self.tell(ToEye::Open { stream: ARCHIVE, camera: camera.into(), codec, config, min_score });
    }

    /// One picture.
    pub fn picture(&self, at: Wall, is_key: bool, data: Bytes) {
        self.tell(ToEye::Unit { stream: ARCHIVE, mono: Mono(at.0.max(0) as u64), is_key, data });
    }

    /// No more for now.
    pub fn close(&self) {
        self.tell(ToEye::Close { stream: ARCHIVE });
    }

    fn tell(&self, message: ToEye) {
        self.shared.archive.lock().push(message);
        self.shared.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_who_fed_and_never_hold_up_the_link() {
        let archive = ArchiveBox::default();
        let (send, mut answers) = mpsc::channel(2);
        archive.lock().answers = Some(send);
        let lost = |stream| FromEye::Lost { stream, track: 1, mono: Mono(5) };
        assert_eq!(archive.sort(lost(3)), Some(lost(3)), "a live stream's");
        for _ in 0..5 {
            assert_eq!(archive.sort(lost(ARCHIVE)), None);
        }
        assert_eq!(answers.try_recv().unwrap(), lost(ARCHIVE));
        assert!(answers.try_recv().is_ok() && answers.try_recv().is_err(), "two are kept");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut inner = Inner::default();
        (0..1_000).for_each(|_| inner.push(ToEye::Close { stream: ARCHIVE }));
        assert_eq!(inner.out.len(), WAITING);
    }
}
