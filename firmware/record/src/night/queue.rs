//! Ranges that are to be looked at → jobs, joined where they touch, with how far each is. Plain data: the shell writes it down
//! after each change, and what was written last is what goes on after a crash.
//!
//! Invariants: ids are unique and below `next_id`; `from ≤ done < to`; at most [`MAX_JOBS`] jobs, and [`MAX_SPAN_US`] each.

use nightjar_types::{CameraId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Jobs that may wait. People's are refused beyond it, others drop the oldest of their kind.
pub const MAX_JOBS: usize = 64;
/// Longest job, µs: 31 days.
pub const MAX_SPAN_US: i64 = 31 * 86_400 * 1_000_000;

/// Why a range is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A person wants it.
    Asked,
    /// The eye did not look when it was recorded.
    Unwatched,
    /// The eye was told to look at this camera only later.
    Enabled,
}

/// One range of one camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u32,
    /// Whose footage.
    pub camera: CameraId,
    /// First moment.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
    /// Only things of this class; `None`: all.
    pub label: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Who asked.
    pub by: String,
    /// Everything before was looked at.
    pub done: Wall,
    /// Events found in it.
    pub found: u32,
}

/// Why a range is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NightError {
    /// It has no length.
    #[error("from ({0}) is not before to ({1})")]
    Empty(Wall, Wall),
    /// It is longer than [`MAX_SPAN_US`].
    #[error("the range is longer than 31 days; ask in parts")]
    TooLong,
    /// Too many wait.
    #[error("{MAX_JOBS} ranges wait already; drop one or wait until some are done")]
    Full,
}

/// All jobs, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    next_id: u32,
    jobs: Vec<Job>,
    /// Up to when the eye has looked at each camera as it was recorded.
    watched: BTreeMap<CameraId, Wall>,
}

impl Queue {
    /// What was read back, if it can be what was written down.
    pub fn sound(self) -> Option<Self> {
        self.is_sound().then_some(self)
    }

    /// Every job, in order.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// One more range, unless what is left of another holds it already. Gives the id of the job that does.
    pub fn add(
        &mut self,
        camera: &CameraId,
        (from, to): (Wall, Wall),
        label: Option<String>,
        reason: Reason,
        by: &str,
    ) -> Result<u32, NightError> {
        if from >= to {
            return Err(NightError::Empty(from, to));
        }
        if to - from > MAX_SPAN_US {
            return Err(NightError::TooLong);
        }
        let fits = |j: &&mut Job| j.camera == *camera && (j.label.is_none() || j.label == label);
        for job in self.jobs.iter_mut().filter(fits) {
            let is_begun_in = job.done <= from && from <= job.to;
            if is_begun_in && to <= job.to {
                return Ok(job.id);
            }
            if is_begun_in && job.reason == reason && job.label == label && to - job.from <= MAX_SPAN_US {
                job.to = to;
                return Ok(job.id);
            }
        }
        if self.jobs.len() >= MAX_JOBS {
            let oldest = self.jobs.iter().position(|j| j.reason != Reason::Asked);
            self.jobs.remove(oldest.ok_or(NightError::Full)?);
        }
        self.next_id += 1;
        let (id, camera, by) = (self.next_id, camera.clone(), by.to_string());
        self.jobs.push(Job { id, camera, from, to, label, reason, by, done: from, found: 0 });
        Ok(id)
    }

    /// What is next: what people asked for, then the rest, each in order.
    pub fn next(&self) -> Option<&Job> {
        self.jobs.iter().min_by_key(|j| (j.reason != Reason::Asked, j.id))
    }

    /// A job has come so far and found so many more. At its end it is gone.
    pub fn advance(&mut self, id: u32, done: Wall, found: u32) {
        let Some(place) = self.jobs.iter().position(|j| j.id == id) else { return };
        let job = &mut self.jobs[place];
        job.done = job.done.max(done);
        job.found = job.found.saturating_add(found);
        if job.done >= job.to {
            self.jobs.remove(place);
        }
    }

    /// A job is not wanted any more.
    pub fn remove(&mut self, id: u32) -> Option<Job> {
        let place = self.jobs.iter().position(|j| j.id == id)?;
        Some(self.jobs.remove(place))
    }

    /// Up to when the eye looked at a camera live; `None`: it never did.
    pub fn watched(&self, camera: &CameraId) -> Option<Wall> {
        self.watched.get(camera).copied()
    }

    /// The eye has looked at a camera until now.
    pub fn watch(&mut self, camera: &CameraId, until: Wall) {
        self.watched.insert(camera.clone(), until);
    }

    /// Only these cameras are to be looked at live; one that is no more will be new when it is again.
    pub fn watch_only(&mut self, cameras: &[CameraId]) {
        self.watched.retain(|camera, _| cameras.contains(camera));
    }

    fn is_sound(&self) -> bool {
        let mut ids: Vec<u32> = self.jobs.iter().map(|j| j.id).collect();
        ids.sort_unstable();
        ids.windows(2).all(|two| two[0] < two[1])
            && ids.last().is_none_or(|last| *last <= self.next_id)
            && self.jobs.len() <= MAX_JOBS
            && self.jobs.iter().all(|j| j.from <= j.done && j.done < j.to && j.to - j.from <= MAX_SPAN_US)
    }

    /// Panics when an invariant of this file does not hold.
    pub fn check_invariants(&self) {
        assert!(self.is_sound(), "{self:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn camera(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    fn ask(queue: &mut Queue, from: i64, to: i64) -> Result<u32, NightError> {
        queue.add(&camera("front"), (Wall(from), Wall(to)), None, Reason::Asked, "ada")
    }

    #[test]
    fn the_same_range_is_one_job_and_a_longer_one_makes_it_longer() {
        let mut q = Queue::default();
        assert_eq!(ask(&mut q, 10, 20), Ok(1));
        assert_eq!((ask(&mut q, 10, 20), ask(&mut q, 12, 18), ask(&mut q, 15, 30)), (Ok(1), Ok(1), Ok(1)));
        assert_eq!((q.jobs()[0].from, q.jobs()[0].to, q.jobs().len()), (Wall(10), Wall(30), 1));
        q.advance(1, Wall(25), 2);
        assert_eq!(ask(&mut q, 12, 18), Ok(2), "once more, since it was looked at already");
        let cats = q.add(&camera("front"), (Wall(26), Wall(28)), Some("cat".into()), Reason::Asked, "ada");
        assert_eq!(cats, Ok(1), "who looks for all looks for cats");
        assert_eq!(ask(&mut q, 9, 9), Err(NightError::Empty(Wall(9), Wall(9))));
        assert_eq!(ask(&mut q, 0, MAX_SPAN_US + 1), Err(NightError::TooLong));
    }

    #[test]
    fn people_go_first_and_are_never_dropped() {
        let mut q = Queue::default();
        let front = camera("front");
        for n in 0..MAX_JOBS as i64 + 3 {
            q.add(&front, (Wall(n * 10), Wall(n * 10 + 5)), None, Reason::Unwatched, "nightjar").unwrap();
        }
        assert_eq!((q.jobs().len(), q.jobs()[0].id), (MAX_JOBS, 4), "the oldest are given up");
        assert_eq!(ask(&mut q, 5_000, 6_000), Ok(MAX_JOBS as u32 + 4));
        assert_eq!(q.next().unwrap().reason, Reason::Asked);
        for n in 1..MAX_JOBS as i64 {
            ask(&mut q, 10_000 * n, 10_000 * n + 1).unwrap();
        }
        assert_eq!(ask(&mut q, 1, 2), Err(NightError::Full));
        let refused = q.add(&front, (Wall(1), Wall(2)), None, Reason::Enabled, "nightjar");
        assert_eq!(refused, Err(NightError::Full));
        q.check_invariants();
    }

    #[test]
    fn a_camera_that_was_switched_off_is_new_when_it_is_on_again() {
        let mut q = Queue::default();
        let (front, yard) = (camera("front"), camera("yard"));
        q.watch(&front, Wall(5));
        q.watch(&yard, Wall(6));
        q.watch_only(std::slice::from_ref(&front));
        assert_eq!((q.watched(&front), q.watched(&yard)), (Some(Wall(5)), None));
    }

    #[test]
    fn what_is_no_queue_is_not_taken_for_one() {
        let mut q = Queue::default();
        ask(&mut q, 10, 20).unwrap();
        assert_eq!(read(&bytes(&q)), Some(q.clone()));
        let with = |change: &dyn Fn(&mut Queue)| {
            let mut q = q.clone();
            change(&mut q);
            q.sound()
        };
        assert_eq!(with(&|q| q.jobs[0].done = Wall(20)), None);
        assert_eq!(with(&|q| q.jobs[0].from = Wall(11)), None);
        assert_eq!(with(&|q| q.next_id = 0), None);
        assert_eq!(with(&|q| q.jobs.push(q.jobs[0].clone())), None);
    }

    fn bytes(q: &Queue) -> Vec<u8> {
        postcard::to_allocvec(q).unwrap()
    }

    fn read(bytes: &[u8]) -> Option<Queue> {
        postcard::from_bytes::<Queue>(bytes).unwrap().sound()
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Add(i64, i64, bool),
        Advance(i64),
        Remove(usize),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            3 => (0..400i64, 1..80i64, any::<bool>()).prop_map(|(from, len, asked)| Deed::Add(from, from + len, asked)),
            4 => (1..60i64).prop_map(Deed::Advance),
            1 => (0..9usize).prop_map(Deed::Remove),
        ]
    }

    proptest! {
        /// The shell writes the queue down after each deed and may die after any: what was asked for and not looked at is
        /// still in it, and nothing is looked at for ever.
        #[test]
        fn nothing_asked_for_is_lost_whenever_the_power_goes(deeds in prop::collection::vec(deed(), 1..60)) {
            let mut q = Queue::default();
            let mut on_card = bytes(&q);
            let mut wanted = std::collections::BTreeSet::new();
            for deed in deeds {
                q = read(&on_card).expect("what was written is read"); // the power went
                match deed {
                    Deed::Add(from, to, asked) => {
                        let reason = if asked { Reason::Asked } else { Reason::Unwatched };
                        if q.add(&camera("front"), (Wall(from), Wall(to)), None, reason, "x").is_ok() {
                            wanted.extend(from..to);
                        }
                    }
                    Deed::Advance(by) => {
                        let Some(job) = q.next().cloned() else { continue };
                        let done = job.done.plus_micros(by);
                        q.advance(job.id, done, 1);
                        (job.done.0..done.0.min(job.to.0)).for_each(|at| { wanted.remove(&at); });
                    }
                    Deed::Remove(n) => {
                        let Some(job) = q.jobs().get(n).cloned() else { continue };
                        q.remove(job.id);
                        (job.done.0..job.to.0).for_each(|at| { wanted.remove(&at); });
                    }
                }
                q.check_invariants();
                on_card = bytes(&q);
                let q = read(&on_card).unwrap();
                for at in &wanted {
                    let is_in = q.jobs().iter().any(|j| j.done.0 <= *at && *at < j.to.0);
                    prop_assert!(is_in, "{at} was asked for and is not looked at: {q:?}");
                }
            }
            let mut rounds = 0;
            while let Some(job) = q.next().cloned() {
                q.advance(job.id, job.done.plus_micros(1_000), 0);
                rounds += 1;
                prop_assert!(rounds <= MAX_JOBS);
            }
        }
    }
}
