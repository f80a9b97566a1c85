//! When the eye looked at each camera → the ranges that it did not see, for the night shift's queue.

use super::Night;
use nightjar_record::night::Reason;
use nightjar_types::{CameraId, Mono, Wall};
use std::time::Duration;

/// A camera without a look for so long is unwatched: key frames of quiet streams may be 10 s apart.
const UNSEEN: Duration = Duration::from_secs(15);
/// An absence this long is queued although it lasts: of a stream that the eye will not take any more.
const LASTS: i64 = 600_000_000;
/// What is recorded of a camera when it is looked at first is looked at again that far back.
const BACK_US: i64 = 86_400_000_000;
/// How often it is written down that a camera is being watched: a crash makes that much be looked at twice.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Absences below this are not worth a look, µs.
const LEAST_US: i64 = 3_000_000;

/// Cameras that are to be looked at live.
pub(super) struct LiveWatch {
    cameras: Vec<CameraId>,
    /// Since when each is unwatched.
    since: Vec<Option<Wall>>,
    noted: Mono,
}

impl LiveWatch {
    /// What happened since the recorder ran last was not watched; a camera that never was is looked at from a day ago on.
    pub(super) fn new(night: &Night, cameras: Vec<CameraId>, now: Wall, mono: Mono) -> Self {
        night.note(true, |queue| queue.watch_only(&cameras));
        let since = cameras.iter().map(|camera| {
            let known = night.lock().queue.watched(camera);
            if known.is_none() {
                let range = (now.plus_micros(-BACK_US), now);
                add(night, camera, range, Reason::Enabled);
            }
            Some(known.unwrap_or(now))
        });
        Self { since: since.collect(), cameras, noted: mono }
    }

    /// `looked`: when the eye looked at each camera last, on this boot's clock.
    pub(super) fn tick(&mut self, night: &Night, looked: &[Option<Mono>], now: Wall, mono: Mono) {
        let is_due = mono.since(self.noted) >= NOTE_EVERY;
        for (n, camera) in self.cameras.iter().enumerate() {
            let age = looked.get(n).copied().flatten().map(|at| mono.since(at));
            let is_watched = age.is_some_and(|age| age < UNSEEN);
            match (is_watched, self.since[n]) {
                (true, Some(since)) => {
                    self.since[n] = None;
                    add(night, camera, (since, now), Reason::Unwatched);
                    night.note(true, |queue| queue.watch(camera, now));
                }
                (true, None) if is_due => night.note(true, |queue| queue.watch(camera, now)),
                (true, None) => {}
                (false, None) => {
                    let last = age.map_or(now, |age| now.plus_micros(-(age.as_micros() as i64)));
                    night.note(true, |queue| queue.watch(camera, last));
                    self.since[n] = Some(last);
                }
                (false, Some(since)) if now - since >= LASTS => {
                    add(night, camera, (since, now), Reason::Unwatched);
                    night.note(true, |queue| queue.watch(camera, now));
                    self.since[n] = Some(now);
                }
                (false, Some(_)) => {}
            }
        }
        if is_due {
            self.noted = mono;
        }
    }
}

fn add(night: &Night, camera: &CameraId, (from, to): (Wall, Wall), reason: Reason) {
    if to - from < LEAST_US {
        return;
    }
    let from = from.max(to.plus_micros(-nightjar_record::night::queue::MAX_SPAN_US));
    let added = night.change(|queue| queue.add(camera, (from, to), None, reason, "nightjar"));
    match added {
        Ok(Ok(_)) => night.bell.notify_one(),
        Ok(Err(e)) => tracing::warn!(%camera, %from, %to, error = %e, "is not looked at again"),
        Err(e) => tracing::warn!(error = %e, "the night shift's queue is not written down"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn ranges(night: &Night) -> Vec<(i64, i64, Reason)> {
        let inner = night.lock();
        inner.queue.jobs().iter().map(|j| (j.from.0 / S as i64, j.to.0 / S as i64, j.reason)).collect()
    }

    #[test]
    fn what_the_eye_did_not_see_is_looked_at_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let night = Night::open(dir.path(), true).unwrap();
        let front = CameraId::new("front").unwrap();
        let (wall, mono) = (|s: u64| Wall((1_000_000 + s) as i64 * S as i64), |s: u64| Mono(s * S));
        let mut watch = LiveWatch::new(&night, vec![front.clone()], wall(0), mono(0));
        assert_eq!(
            ranges(&night),
            [(913_600, 1_000_000, Reason::Enabled)],
            "it is looked at from now on: a day back"
        );
        for s in 0..100 {
            // the eye is away from 20 to 60
            let looked = if s < 20 {
                s
            } else if s < 60 {
                19
            } else {
                s
            };
            watch.tick(&night, &[Some(mono(looked))], wall(s), mono(s));
        }
        assert_eq!(ranges(&night)[1..], [(1_000_019, 1_000_060, Reason::Unwatched)]);
        // killed at 99: what was noted is that it was watched at 60; the next start is at 200
        drop(watch);
        let night = Night::open(dir.path(), true).unwrap();
        let mut watch = LiveWatch::new(&night, vec![front], wall(200), mono(0));
        watch.tick(&night, &[None], wall(201), mono(1));
        watch.tick(&night, &[Some(mono(5))], wall(205), mono(5));
        // joined with the one before
        assert_eq!(ranges(&night)[1..], [(1_000_019, 1_000_205, Reason::Unwatched)]);
    }

    #[test]
    fn a_stream_that_the_eye_never_takes_is_queued_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let night = Night::open(dir.path(), true).unwrap();
        let front = CameraId::new("front").unwrap();
        night.note(true, |queue| queue.watch(&front, Wall(0)));
        let mut watch = LiveWatch::new(&night, vec![front], Wall(0), Mono(0));
        for s in 0..1_300u64 {
            watch.tick(&night, &[None], Wall((s * S) as i64), Mono(s * S));
        }
        assert_eq!(ranges(&night), [(0, 1_200, Reason::Unwatched)], "in parts of ten minutes, joined");
    }
}
