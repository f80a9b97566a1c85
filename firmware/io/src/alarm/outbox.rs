//! Letters → the same letters, in order, to one courier. Bounded; what is not delivered is counted and named, never just gone.
//!
//! It lives in memory. Every event is on the card already, in the slab in which it happens: what a power cut takes from here
//! can be asked for again. On the card a queue would cost a page and a flush a message, which the card is not there for.

use crate::clock;
use bytes::Bytes;
use nightjar_types::world::Told;
use nightjar_types::{EventId, Mono};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What is older than this helps nobody any more.
const KEPT: Duration = Duration::from_secs(86_400);
/// Messages whose fate is remembered, with their bodies for another try.
const HISTORY: usize = 32;
/// Failures in a row after which an alarm counts as broken.
pub(super) const BROKEN: u32 = 5;
/// What a letter takes beside its texts, roughly.
const OVERHEAD: usize = 96;

/// How a letter is treated when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// How something is now. Only the newest of a subject counts, and it is told anew in every session.
    State,
    /// What happened. Kept until it is delivered; the oldest goes when only such are left and there is no room.
    News,
    /// What one picture shows: the first to go.
    Sight,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its topic, or what it is about in a word.
    pub subject: String,
    /// What is sent, or what that is made of.
    pub body: Bytes,
    /// What goes first when there is no room.
    pub class: Class,
    /// The event whose picture may go along.
    pub event: Option<EventId>,
}

impl Letter {
    fn weight(&self) -> usize {
        self.subject.len() + self.body.len() + OVERHEAD
    }
}

/// A letter on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What to call it when it arrived or was refused.
    pub id: u64,
    /// The letter.
    pub letter: Letter,
}

struct Waiting {
    parcel: Parcel,
    since: Mono,
    at_ms: i64,
    tries: u32,
    is_out: bool,
}

struct Newest {
    body: Bytes,
    /// `None`: told. 0: to be told. Else the parcel in which it is under way.
    due: Option<u64>,
}

/// What an outbox counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Letters that wait or are under way.
    pub waiting: u64,
    /// Letters that arrived.
    pub delivered: u64,
    /// Letters that were refused or got too old.
    pub failed: u64,
    /// News that were pushed out.
    pub dropped: u64,
    /// Sights that were pushed out.
    pub dropped_sights: u64,
    /// Failures since something arrived last.
    pub failures: u32,
    /// The newest error; `None` once something arrived.
    pub error: Option<String>,
    /// Since when nothing arrives.
    pub failing_since: Option<Mono>,
    /// When something was pushed out last.
    pub dropped_at: Option<Mono>,
}

#[derive(Default)]
struct Inner {
    states: BTreeMap<String, Newest>,
    queue: VecDeque<Waiting>,
    bytes: usize,
    last_id: u64,
    counts: Counts,
    history: VecDeque<(Told, Letter)>,
}

/// The bounded hop to one courier.
pub struct Outbox {
    inner: Mutex<Inner>,
    room: usize,
    news: Notify,
    empty: Notify,
}

impl Outbox {
    /// One that holds up to `room` bytes of letters, states aside: of those there are as many as subjects.
    pub fn new(room: usize) -> Self {
        Self { inner: Mutex::default(), room, news: Notify::new(), empty: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a letter. Never waits.
    pub fn put(&self, letter: Letter) {
        self.put_at(letter, clock::mono(), clock::wall().as_ms());
    }

    fn put_at(&self, letter: Letter, since: Mono, at_ms: i64) {
        let mut inner = self.lock();
        if letter.class == Class::State {
            match inner.states.get_mut(&letter.subject) {
                Some(newest) if newest.body == letter.body => return,
                Some(newest) => *newest = Newest { body: letter.body, due: Some(0) },
                None => {
                    inner.states.insert(letter.subject, Newest { body: letter.body, due: Some(0) });
                }
            }
        } else {
            inner.bytes += letter.weight();
            let id = inner.next_id();
            let parcel = Parcel { id, letter };
            inner.queue.push_back(Waiting { parcel, since, at_ms, tries: 0, is_out: false });
            while inner.bytes > self.room {
                inner.counts.dropped_at = Some(since);
                inner.push_out(at_ms);
            }
        }
        drop(inner);
        self.news.notify_one();
    }

    /// The next letter: states first, then the oldest. It stays here until [`done`](Self::done) or [`refused`](Self::refused).
    /// Safe to drop at any await.
    pub async fn next(&self) -> Parcel {
        loop {
            let more = self.news.notified();
            if let Some(parcel) = self.lock().take(clock::mono(), clock::wall().as_ms()) {
                return parcel;
            }
            more.await;
        }
    }

    /// A letter arrived; `words` is what the other side said.
    pub fn done(&self, id: u64, words: &str) {
        let mut inner = self.lock();
        (inner.counts.failures, inner.counts.error, inner.counts.failing_since) = (0, None, None);
        inner.settle(id, "delivered", words, clock::wall().as_ms());
        self.tell_empty(inner);
    }

    /// The other side will never take this letter.
    pub fn refused(&self, id: u64, words: &str) {
        let mut inner = self.lock();
        inner.fail(words);
        inner.settle(id, "refused", words, clock::wall().as_ms());
        self.tell_empty(inner);
    }

    /// A session ended: what was under way is to be told again, and how everything is now.
    pub fn reopen(&self, words: &str) {
        let mut inner = self.lock();
        inner.fail(words);
        inner.queue.iter_mut().for_each(|w| w.is_out = false);
        inner.states.values_mut().for_each(|s| s.due = Some(0));
    }

    /// Until nothing waits any more.
    pub async fn emptied(&self) {
        loop {
            let empty = self.empty.notified();
            if self.lock().waiting() == 0 {
                return;
            }
            empty.await;
        }
    }

    fn tell_empty(&self, inner: MutexGuard<'_, Inner>) {
        if inner.waiting() == 0 {
            self.empty.notify_one();
        }
    }

    /// Puts a letter of the past in again. In words why not.
    pub fn again(&self, id: u64) -> Result<Told, String> {
        let found = self.lock().history.iter().find(|(told, _)| told.id == id).cloned();
        let (told, letter) =
            found.ok_or_else(|| format!("message {id} is not among the newest {HISTORY} any more"))?;
        self.put(letter);
        Ok(told)
    }

    /// What it counts.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts { waiting: inner.waiting(), ..inner.counts.clone() }
    }

    /// What became of the newest letters, newest first.
    pub fn history(&self) -> Vec<Told> {
        self.lock().history.iter().rev().map(|(told, _)| told.clone()).collect()
    }
}

impl Inner {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn waiting(&self) -> u64 {
        (self.queue.len() + self.states.values().filter(|s| s.due.is_some()).count()) as u64
    }

    fn fail(&mut self, words: &str) {
        self.counts.failures = self.counts.failures.saturating_add(1);
        self.counts.error = Some(words.into());
        self.counts.failing_since.get_or_insert(clock::mono());
    }

    fn take(&mut self, now: Mono, now_ms: i64) -> Option<Parcel> {
        let state = self.states.iter().find(|(_, s)| s.due == Some(0)).map(|(subject, _)| subject.clone());
        if let Some(subject) = state {
            let id = self.next_id();
            let newest = self.states.get_mut(&subject)?;
            newest.due = Some(id);
            let body = newest.body.clone();
            return Some(Parcel { id, letter: Letter { subject, body, class: Class::State, event: None } });
        }
        let is_old = |w: &Waiting| !w.is_out && now.since(w.since) > KEPT;
        while let Some(old) = self.queue.front().filter(|w| is_old(w)).map(|w| w.parcel.id) {
            self.settle(old, "too-old", "it waited for a day", now_ms);
        }
        let next = self.queue.iter_mut().find(|w| !w.is_out)?;
        next.is_out = true;
        next.tries += 1;
        Some(next.parcel.clone())
    }

    /// The oldest of what matters least.
    fn push_out(&mut self, now_ms: i64) {
        let sight = self.queue.iter().position(|w| w.parcel.letter.class == Class::Sight);
        let Some(id) = self.queue.get(sight.unwrap_or(0)).map(|w| w.parcel.id) else { return };
        self.settle(id, "pushed-out", "too much waited before it", now_ms);
    }

    fn settle(&mut self, id: u64, outcome: &'static str, words: &str, now_ms: i64) {
        if let Some(state) = self.states.values_mut().find(|s| s.due == Some(id)) {
            state.due = None; // one that changed under way is due again already
            return;
        }
        let Some(n) = self.queue.iter().position(|w| w.parcel.id == id) else { return };
        let Some(Waiting { parcel, at_ms, tries, .. }) = self.queue.remove(n) else { return };
        self.bytes -= parcel.letter.weight();
        let is_sight = parcel.letter.class == Class::Sight;
        match outcome {
            "delivered" => self.counts.delivered += 1,
            "pushed-out" if is_sight => self.counts.dropped_sights += 1,
            "pushed-out" => self.counts.dropped += 1,
            _ => self.counts.failed += 1,
        }
        if is_sight {
            return;
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let subject = parcel.letter.subject.clone();
        let told = Told { id, subject, at_ms, done_ms: now_ms, tries, outcome, words: words.into() };
        self.history.push_back((told, parcel.letter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn letter(class: Class, subject: &str, body: &str) -> Letter {
        Letter { subject: subject.into(), body: Bytes::copy_from_slice(body.as_bytes()), class, event: None }
    }

    fn next(outbox: &Outbox) -> Option<(u64, String)> {
        let text = |p: Parcel| (p.id, String::from_utf8(p.letter.body.to_vec()).unwrap());
        outbox.next().now_or_never().map(text)
    }

    #[test]
    fn keeps_order_and_gives_again_what_did_not_arrive() {
        let outbox = Outbox::new(10_000);
        for body in ["a", "b", "c"] {
            outbox.put(letter(Class::News, "x", body));
        }
        let (a, _) = next(&outbox).unwrap();
        let (_, b) = next(&outbox).unwrap();
        assert_eq!(b, "b");
        outbox.done(a, "taken");
        outbox.reopen("cut");
        let again: Vec<String> = std::iter::from_fn(|| next(&outbox)).map(|(_, body)| body).collect();
        assert_eq!(again, ["b", "c"]);
        let counts = outbox.counts();
        assert_eq!((counts.waiting, counts.delivered, counts.failures), (2, 1, 1));
        assert_eq!(counts.error.as_deref(), Some("cut"));
    }

    #[test]
    fn of_a_state_only_the_newest_counts_and_every_session_is_told_it() {
        let outbox = Outbox::new(10_000);
        outbox.put(letter(Class::News, "x", "event"));
        outbox.put(letter(Class::State, "door", "ON"));
        outbox.put(letter(Class::State, "door", "OFF"));
        let (id, body) = next(&outbox).unwrap();
        assert_eq!(body, "OFF", "states go first");
        outbox.put(letter(Class::State, "door", "ON"));
        outbox.done(id, "");
        let (id, body) = next(&outbox).unwrap();
        assert_eq!(body, "ON", "it changed while the older one was under way");
        outbox.done(id, "");
        outbox.put(letter(Class::State, "door", "ON"));
        assert_eq!(next(&outbox).unwrap().1, "event", "what is told already is not told again");
        outbox.reopen("cut");
        assert_eq!(next(&outbox).unwrap().1, "ON", "the other side may have forgotten");
    }

    #[test]
    fn without_room_boxes_go_first_then_the_oldest_and_all_of_it_is_counted() {
        let room = 4 * letter(Class::News, "x", "0").weight();
        let outbox = Outbox::new(room);
        outbox.put(letter(Class::News, "x", "0"));
        for n in 1..4 {
            outbox.put(letter(Class::Sight, "x", &n.to_string()));
        }
        for n in 4..9 {
            outbox.put(letter(Class::News, "x", &n.to_string()));
        }
        let left: Vec<String> = std::iter::from_fn(|| next(&outbox)).map(|(_, body)| body).collect();
        assert_eq!(left, ["5", "6", "7", "8"]);
        let counts = outbox.counts();
        assert_eq!((counts.dropped, counts.dropped_sights), (2, 3));
        assert!(outbox.history().iter().all(|told| told.outcome == "pushed-out"));
    }

    #[test]
    fn what_waited_for_a_day_is_given_up_and_can_be_tried_again() {
        let outbox = Outbox::new(10_000);
        outbox.put_at(letter(Class::News, "x", "old"), Mono(0), 7);
        let now = Mono(KEPT.as_micros() as u64 + 1);
        assert_eq!(outbox.lock().take(now, 9), None);
        let told = outbox.history().remove(0);
        assert_eq!((told.outcome, told.at_ms, told.done_ms), ("too-old", 7, 9));
        assert!(outbox.again(99).unwrap_err().contains("newest 32"));
        outbox.again(told.id).unwrap();
        assert_eq!(next(&outbox).unwrap().1, "old");
    }

    #[test]
    fn a_refused_letter_does_not_hold_up_the_others() {
        let outbox = Outbox::new(10_000);
        outbox.put(letter(Class::News, "x", "a"));
        outbox.put(letter(Class::News, "x", "b"));
        let (a, _) = next(&outbox).unwrap();
        outbox.refused(a, "answered 400");
        let (b, _) = next(&outbox).unwrap();
        outbox.done(b, "answered 200");
        let outcomes: Vec<&str> = outbox.history().iter().map(|told| told.outcome).collect();
        assert_eq!(outcomes, ["delivered", "refused"]);
        let counts = outbox.counts();
        assert_eq!((counts.failed, counts.failures, counts.error), (1, 0, None));
        assert!(outbox.emptied().now_or_never().is_some());
    }
}
