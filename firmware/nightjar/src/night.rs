//! Past recordings → events that nobody was there to see. Idle and cool only, resumable, never a relay or a notice.
//!
//! `record::night` plans; here is its shell: the queue in the state folder, the library's pictures to the eye one at a time,
//! what the eye says back into events. Everything waits for the live pictures.

mod found;
mod idle;
mod watch;
mod work;

use nightjar_api::{DeskError, JobView, NightForm, NightView};
use nightjar_io::clock;
use nightjar_io::storage::disk::{Disk, Folder, Place};
use nightjar_record::night::{Job, NightError, Queue, Reason, Wait};
use nightjar_types::{CameraId, Mono, Wall};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

pub(crate) use work::{Parts, Worker};

/// The queue, in the state folder.
const FILE: &str = "night.json";
/// Progress is written down this often at most: a crash costs that much looking.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// What the night shift is to do, shared by those who ask and the one who works.
pub(crate) struct Night {
    inner: Mutex<Inner>,
    /// Who holds it writes; what is asked meanwhile is answered from memory.
    writing: Mutex<()>,
    disk: Arc<dyn Disk>,
    is_enabled: bool,
    /// Rings when a job came or went.
    bell: Notify,
}

struct Inner {
    queue: Queue,
    saved: Mono,
    /// What it waits for; `None` while it works or has nothing to do.
    wait: Option<Wait>,
    /// Footage looked at a second of work, as it was lately.
    pace: f64,
}

impl Night {
    /// The queue as it was left in the state folder. One that cannot be read is begun anew: what it held can be asked for again.
    pub(crate) fn open(state_dir: &Path, is_enabled: bool) -> std::io::Result<Arc<Self>> {
        let disk = Folder(state_dir.into()).mount()?;
        let kept = disk.read_small(FILE).ok();
        let read =
            kept.as_deref().map(|bytes| serde_json::from_slice::<Queue>(bytes).ok().and_then(Queue::sound));
        if read == Some(None) {
            tracing::warn!(file = FILE, "the night shift's queue cannot be read; it begins anew");
        }
        let queue = read.flatten().unwrap_or_default();
        let inner = Inner { queue, saved: clock::mono(), wait: None, pace: 0.0 };
        Ok(Arc::new(Self {
            inner: Mutex::new(inner),
            writing: Mutex::default(),
            disk,
            is_enabled,
            bell: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue and writes it down. Blocks on the disk.
    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> Result<T, DeskError> {
        let answer = change(&mut self.lock().queue);
        let written = tokio::task::block_in_place(|| {
            let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            // the newest, which may have what others changed meanwhile
            let bytes = {
                let mut inner = self.lock();
                inner.saved = clock::mono();
                serde_json::to_vec_pretty(&inner.queue).expect("a queue is plain data")
            };
            self.disk.write_small(FILE, &bytes)
        });
        written.map_err(|e| DeskError::Storage(format!("{FILE}: {e}")))?;
        Ok(answer)
    }

    /// The same when it is time to, or when it `must` be; else only in memory.
    fn note(&self, must: bool, change: impl FnOnce(&mut Queue)) {
        let is_due = must || clock::mono().since(self.lock().saved) >= SAVE_EVERY;
        if is_due {
            if let Err(e) = self.change(change) {
                tracing::warn!(error = %e, "the night shift's progress is not written down");
            }
        } else {
            change(&mut self.lock().queue);
        }
    }

    fn next(&self) -> Option<Job> {
        self.lock().queue.next().cloned()
    }

    fn is_wanted(&self, id: u32) -> bool {
        self.lock().queue.jobs().iter().any(|j| j.id == id)
    }

    /// Takes a range that somebody asks for. Blocks on the disk.
    pub(crate) fn ask(&self, form: NightForm, by: &str) -> Result<JobView, DeskError> {
        if !self.is_enabled {
            return Err(DeskError::Conflict(
                "the night shift is off; set [night] enabled = true and restart the recorder".into(),
            ));
        }
        let camera = CameraId::new(form.camera).map_err(|e| DeskError::Refused(e.to_string()))?;
        let range = (Wall::from_ms(form.from_ms), Wall::from_ms(form.to_ms));
        let label = form.label.filter(|l| !l.is_empty());
        // as it is now: it may be done before this is answered
        let added = self.change(|queue| {
            let id = queue.add(&camera, range, label, Reason::Asked, by)?;
            Ok((id, queue.jobs().iter().find(|j| j.id == id).map(view)))
        })?;
        let (id, job) = added.map_err(|e: NightError| match e {
            NightError::Full => DeskError::Conflict(e.to_string()),
            NightError::Empty(..) | NightError::TooLong => DeskError::Refused(e.to_string()),
        })?;
        self.bell.notify_one();
        job.ok_or(DeskError::UnknownJob(id))
    }

    /// Drops a job. Blocks on the disk.
    pub(crate) fn drop_job(&self, id: u32) -> Result<JobView, DeskError> {
        let job = self.change(|queue| queue.remove(id))?;
        self.bell.notify_one();
        job.as_ref().map(view).ok_or(DeskError::UnknownJob(id))
    }

    /// As the web shows it.
    pub(crate) fn view(&self) -> NightView {
        let inner = self.lock();
        let jobs = inner.queue.jobs();
        let left_us: i64 = jobs.iter().map(|j| j.to - j.done).sum();
        let left_s = (inner.pace > 0.0).then(|| (left_us as f64 / 1e6 / inner.pace).ceil() as u64);
        let (state, mut words) = match (self.is_enabled, jobs.is_empty(), inner.wait) {
            (false, ..) => ("off", "The night shift is off.".to_string()),
            (true, true, _) => ("idle", "Nothing is to be looked at again.".into()),
            (true, false, Some(wait)) => (wait.as_str(), format!("It {}.", wait.words())),
            (true, false, None) => ("working", "It looks at recordings.".into()),
        };
        if let Some(left) = left_s.filter(|_| !jobs.is_empty() && self.is_enabled) {
            words += &format!(" About {} of work left.", lasting(left));
        }
        let mut shown: Vec<JobView> = jobs.iter().map(view).collect();
        shown.sort_by_key(|j| (j.reason != "asked", j.id));
        NightView { state, words, left_s: left_s.filter(|_| !jobs.is_empty()), jobs: shown }
    }
}

fn lasting(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{} s", seconds.max(1)),
        90..5_400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3_600)),
    }
}

fn view(job: &Job) -> JobView {
    JobView {
        id: job.id,
        camera: job.camera.to_string(),
        from_ms: job.from.as_ms(),
        to_ms: job.to.as_ms(),
        done_ms: job.done.as_ms(),
        label: job.label.clone(),
        reason: match job.reason {
            Reason::Asked => "asked",
            Reason::Unwatched => "unwatched",
            Reason::Enabled => "enabled",
        },
        by: job.by.clone(),
        found: job.found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(from_ms: i64, to_ms: i64) -> NightForm {
        NightForm { camera: "front".into(), from_ms, to_ms, label: None }
    }

    #[test]
    fn what_was_asked_for_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let night = Night::open(dir.path(), true).unwrap();
        assert_eq!(night.view().state, "idle");
        let job = night.ask(form(1_000, 61_000), "ada").unwrap();
        assert_eq!(night.view().state, "working");
        night.note(true, |queue| queue.advance(job.id, Wall::from_ms(21_000), 1));
        drop(night);
        let night = Night::open(dir.path(), true).unwrap();
        let jobs = night.view().jobs;
        assert_eq!((jobs[0].done_ms, jobs[0].found, jobs[0].by.as_str()), (21_000, 1, "ada"));
        night.drop_job(job.id).unwrap();
        assert!(matches!(night.drop_job(job.id), Err(DeskError::UnknownJob(1))));
        assert!(Night::open(dir.path(), true).unwrap().view().jobs.is_empty());
    }

    #[test]
    fn refusals_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let night = Night::open(dir.path(), true).unwrap();
        assert!(matches!(night.ask(form(2_000, 1_000), "ada"), Err(DeskError::Refused(_))));
        let off = Night::open(dir.path(), false).unwrap();
        let words = off.ask(form(1, 2), "ada").unwrap_err().to_string();
        assert!(words.contains("[night] enabled = true"), "{words}");
        assert_eq!(off.view().state, "off");
    }

    #[test]
    fn a_queue_that_cannot_be_read_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{\"jobs\": 7").unwrap();
        let night = Night::open(dir.path(), true).unwrap();
        assert!(night.view().jobs.is_empty());
        night.ask(form(1, 2), "ada").unwrap();
        assert_eq!(Night::open(dir.path(), true).unwrap().view().jobs.len(), 1);
    }
}
