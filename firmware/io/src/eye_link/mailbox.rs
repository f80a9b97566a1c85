//! The hop source → eye: units of one stream wait here for the socket. Holds one group of pictures; when a new one begins
//! behind an unread one, the old one is left out.

use nightjar_types::{AccessUnit, Media, StreamParams, VideoParams};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of one group of pictures that may wait.
const BUDGET: usize = 4 << 20;

#[derive(Debug, Default)]
struct Inner {
    params: Option<VideoParams>,
    /// The newest there were, also after the session that had them.
    known: Option<VideoParams>,
    has_news: bool,
    units: VecDeque<AccessUnit>,
    bytes: usize,
    /// The next unit that is taken in must be a key frame.
    needs_key: bool,
    /// The eye must be told that something was left out.
    has_skipped: bool,
}

/// One stream's mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    wake: Arc<Notify>,
    pub(super) skipped_gops: AtomicU64,
}

/// What the link takes out at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// New parameters, or none any more.
    pub(super) params: Option<Option<VideoParams>>,
    pub(super) has_skipped: bool,
    pub(super) units: VecDeque<AccessUnit>,
}

impl Mailbox {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self { inner: Mutex::default(), wake, skipped_gops: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when the stream is not the one of before.
    pub(super) fn params(&self, params: Option<&StreamParams>) -> bool {
        let mut inner = self.lock();
        inner.params = params.map(|p| p.video.clone());
        let is_other = inner.params.is_some() && inner.params != inner.known;
        if is_other {
            inner.known = inner.params.clone();
        }
        inner.has_news = true;
        inner.forget();
        self.wake.notify_one();
        is_other
    }

    pub(super) fn unit(&self, unit: &AccessUnit) {
        if unit.media != Media::Video {
            return;
        }
        let mut inner = self.lock();
        let is_over = inner.bytes + unit.data.len() > BUDGET;
        if (unit.is_key && !inner.units.is_empty()) || is_over {
            inner.forget();
            inner.has_skipped = true;
            self.skipped_gops.fetch_add(1, Relaxed);
        }
        if inner.needs_key && !unit.is_key {
            return;
        }
        inner.needs_key = false;
        inner.bytes += unit.data.len();
        inner.units.push_back(unit.clone());
        self.wake.notify_one();
    }

    /// A new eye: it must be told everything.
    pub(super) fn renew(&self) {
        let mut inner = self.lock();
        inner.has_news = true;
        inner.forget();
    }

    pub(super) fn take(&self) -> Taken {
        let mut inner = self.lock();
        inner.bytes = 0;
        let params = std::mem::take(&mut inner.has_news).then(|| inner.params.clone());
        let has_skipped = std::mem::take(&mut inner.has_skipped);
        Taken { params, has_skipped, units: std::mem::take(&mut inner.units) }
    }
}

impl Inner {
    fn forget(&mut self) {
        self.units.clear();
        self.bytes = 0;
        self.needs_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nightjar_types::{Mono, Wall};

    fn unit(dts: i64, is_key: bool) -> AccessUnit {
        let data = Bytes::from(vec![0; 1 << 10]);
        AccessUnit { media: Media::Video, is_key, dts, cts: 0, arrived: Mono(0), wall: Wall(0), data }
    }

    #[test]
    fn a_busy_eye_jumps_to_the_newest_key_frame() {
        let box_ = Mailbox::new(Arc::default());
        (0..10).for_each(|n| box_.unit(&unit(n, n % 4 == 0)));
        let taken = box_.take();
        assert_eq!(taken.units.iter().map(|u| u.dts).collect::<Vec<_>>(), [8, 9]);
        assert!(taken.has_skipped);
        assert_eq!(box_.skipped_gops.load(Relaxed), 2);
        box_.unit(&unit(10, false));
        assert_eq!(box_.take().units.len(), 1, "the group goes on");
        box_.renew();
        box_.unit(&unit(11, false));
        assert!(box_.take().units.is_empty(), "a new eye begins at a key frame");
    }
}
