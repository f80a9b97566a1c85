//! Every alarm at once: updates in, each written down by its scribe; one task a courier, which goes out again and again.

use super::outbox::BROKEN;
use super::{Alarm, Courier, Outbox, Scribe};
use crate::clock;
use crate::sessions::random;
use crate::source::Pause;
use nightjar_types::Mono;
use nightjar_types::status::{Notice, Update};
use nightjar_types::world::{AlarmView, Problem, ProblemKind, ProblemView, Told};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// On stop the couriers may still carry what waits for this long.
const FAREWELL: Duration = Duration::from_secs(2);
/// An alarm that reaches nobody for this long is a problem: it may be the network's for a moment.
const UNREACHED: Duration = Duration::from_secs(60);
/// A queue that pushed something out is a problem for so long.
const FULL: Duration = Duration::from_secs(600);

struct Post {
    id: String,
    kind: &'static str,
    target: String,
    offline: &'static str,
    scribe: Mutex<Box<dyn Scribe>>,
    outbox: Outbox,
}

/// The configured alarms. Without any it costs nothing.
#[derive(Clone, Default)]
pub struct World(Arc<[Post]>);

/// The couriers' tasks.
pub struct Couriers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    /// Starts every courier.
    pub fn start(alarms: Vec<(&'static str, Alarm)>) -> (Self, Couriers) {
        let (stop, stopped) = watch::channel(false);
        let mut couriers = Vec::new();
        let posts = alarms.into_iter().map(|(kind, alarm)| {
            let Alarm { id, target, offline, room, longest, mut scribe, courier } = alarm;
            couriers.push((courier, longest));
            let outbox = Outbox::new(room);
            scribe.first().into_iter().for_each(|letter| outbox.put(letter));
            Post { id, kind, target, offline, scribe: Mutex::new(scribe), outbox }
        });
        let world = Self(posts.collect());
        let start = |(n, (courier, longest)): (usize, (Box<dyn Courier>, Duration))| {
            let (world, stopped): (Self, _) = (world.clone(), stopped.clone());
            tokio::spawn(async move { world.0[n].run(courier, longest, stopped).await })
        };
        let tasks = couriers.into_iter().enumerate().map(start).collect();
        (world, Couriers { stop, tasks })
    }

    /// Nobody is told anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has every scribe write down what there is to tell of it. Never waits.
    pub fn tell(&self, update: &Update) {
        for post in self.0.iter() {
            post.write(update);
        }
    }

    /// How every alarm does.
    pub fn views(&self) -> Vec<AlarmView> {
        self.0.iter().map(Post::view).collect()
    }

    /// What about the alarms needs a person.
    pub fn problems(&self) -> Vec<Problem> {
        self.0.iter().filter_map(Post::problem).collect()
    }

    /// Letters that were pushed out of full outboxes, then those that were refused or got too old.
    pub fn lost(&self) -> (u64, u64) {
        let counts = self.0.iter().map(|post| post.outbox.counts());
        counts
            .fold((0, 0), |(dropped, failed), c| (dropped + c.dropped + c.dropped_sights, failed + c.failed))
    }

    /// Tries message `id` of an alarm again. `None`: there is no such alarm; an error says in words why not.
    pub fn again(&self, alarm: &str, id: u64) -> Option<Result<Told, String>> {
        self.find(alarm).map(|post| post.outbox.again(id))
    }

    /// Tells an alarm that this is a test. `None`: there is no such alarm.
    pub fn test(&self, alarm: &str, who: &str) -> Option<AlarmView> {
        let post = self.find(alarm)?;
        let (at_ms, text) = (clock::wall().as_ms(), format!("Test by {who}. All is well."));
        let (event, camera, input, rule) = (None, None, None, None);
        let notice = Update::Notice(Notice { at_ms, text: text.clone(), event, camera, input, rule });
        let (kind, subject) = (ProblemKind::Alarm, post.id.clone());
        let problem = ProblemView { kind, subject, words: text, start_ms: at_ms, end_ms: Some(at_ms) };
        if post.write(&notice) == 0 {
            post.write(&Update::Problem(problem));
        }
        Some(post.view())
    }

    fn find(&self, alarm: &str) -> Option<&Post> {
        self.0.iter().find(|post| post.id == alarm)
    }
}

impl Couriers {
    /// Lets what waits go out, for a moment, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true); // every task listens
        for task in self.tasks {
            if let Err(e) = task.await {
                tracing::error!(error = %e, "an alarm's task failed");
            }
        }
    }
}

impl Post {
    /// How many letters it was.
    fn write(&self, update: &Update) -> usize {
        let letters = self.scribe.lock().unwrap_or_else(PoisonError::into_inner).write(update);
        let count = letters.len();
        letters.into_iter().for_each(|letter| self.outbox.put(letter));
        count
    }

    async fn run(&self, courier: Box<dyn Courier>, longest: Duration, mut stop: watch::Receiver<bool>) {
        let mut farewell = stop.clone();
        let until = async {
            drop(farewell.wait_for(|stop| *stop).await);
            drop(tokio::time::timeout(FAREWELL, self.outbox.emptied()).await);
        };
        tokio::select! {
            () = until => {}
            () = self.go_out(courier, longest, &mut stop) => {}
        }
    }

    /// Session after session, until `stop` says true between two of them.
    async fn go_out(
        &self,
        mut courier: Box<dyn Courier>,
        longest: Duration,
        stop: &mut watch::Receiver<bool>,
    ) {
        let mut pause = Pause::up_to(longest);
        let mut before = self.outbox.counts();
        loop {
            let began = clock::mono();
            let ended = courier.session(&self.outbox).await;
            let lasted = clock::mono().since(began);
            let delivered = self.outbox.counts().delivered;
            if before.failures == 0 || delivered > before.delivered {
                tracing::warn!(alarm = self.id, why = ended.words, "does not reach the world");
            }
            if delivered > before.delivered {
                pause.forget();
            }
            self.outbox.reopen(&ended.words);
            before = self.outbox.counts();
            let wait = pause.next(ended.retry, lasted, random());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn view(&self) -> AlarmView {
        let counts = self.outbox.counts();
        AlarmView {
            id: self.id.clone(),
            kind: self.kind,
            target: self.target.clone(),
            state: match counts.failures {
                0 if counts.delivered == 0 => "idle",
                0 => "working",
                1..BROKEN => "retrying",
                BROKEN.. => "broken",
            },
            waiting: counts.waiting,
            delivered: counts.delivered,
            failed: counts.failed,
            dropped: counts.dropped,
            dropped_detections: counts.dropped_sights,
            error: counts.error,
            offline: self.offline,
            history: self.outbox.history(),
        }
    }

    fn problem(&self) -> Option<Problem> {
        let (counts, now) = (self.outbox.counts(), clock::mono());
        let is_within = |since: Option<Mono>, time| since.is_some_and(|since| now.since(since) < time);
        let is_unreached = counts.failures >= BROKEN
            || counts.failing_since.is_some() && !is_within(counts.failing_since, UNREACHED);
        let is_full = is_within(counts.dropped_at, FULL);
        if !is_unreached && !is_full {
            return None;
        }
        let mut words = format!("Alarm {}", self.id);
        match &counts.error {
            Some(error) => {
                words += &format!(" does not reach the world: {error}; {} messages wait", counts.waiting)
            }
            None => words += &format!(" is slower than what happens; {} messages wait", counts.waiting),
        }
        if is_full {
            let (dropped, boxes) = (counts.dropped, counts.dropped_sights);
            words +=
                &format!(". Its queue is full: {dropped} messages and {boxes} pictures' boxes were lost");
        }
        Some(Problem { kind: ProblemKind::Alarm, subject: self.id.clone(), words: words + "." })
    }
}
