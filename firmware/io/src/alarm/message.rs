//! Updates → [`Message`]s, as JSON, for alarms that tell people or programs; each carried by one request.

use super::http::Failure;
use super::{Class, Courier, Ended, Letter, Opening, Outbox, Pictures, Scribe};
use crate::clock;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use nightjar_types::config::Tells;
use nightjar_types::status::{EventView, Notice, Update};
use nightjar_types::world::ProblemView;
use nightjar_types::{EventId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Version of the message.
const SCHEMA: u32 = 1;
/// Events that are remembered as begun: as many as may go on, and some.
const BEGUN: usize = 256;

/// Bytes of messages that may wait for one alarm.
pub(super) const ROOM: usize = 256 << 10;
/// The longest pause between two tries of a target that fails.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// How often, and after how long again, a picture is asked for.
const PICTURE_TRIES: u32 = 4;
const PICTURE_EVERY: Duration = Duration::from_millis(500);

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) schema: u32,
    /// The same however often it is sent.
    pub(super) id: String,
    /// The device's name.
    pub(super) device: String,
    /// `notice`, `event`, `problem`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// `begin`, `end`; none for a notice.
    pub(super) step: Option<String>,
    /// In a line, for people.
    pub(super) title: String,
    /// The rest, for people.
    pub(super) text: String,
    /// When it happened, RFC 3339.
    pub(super) at: String,
    pub(super) camera: Option<String>,
    pub(super) event: Option<String>,
    pub(super) label: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) input: Option<String>,
    /// What a problem is about.
    pub(super) problem: Option<String>,
}

/// Writes messages.
pub(super) struct Writer {
    device: String,
    cameras: HashMap<String, String>,
    tells: Tells,
    begun: VecDeque<String>,
    serial: u16,
}

impl Writer {
    pub(super) fn new(opening: &Opening<'_>, tells: Tells) -> Self {
        let names = opening.config.cameras.iter().map(|c| (c.id.to_string(), c.name.clone()));
        let device = opening.config.device.name.clone();
        Self { device, cameras: names.collect(), tells, begun: VecDeque::new(), serial: 0 }
    }

    fn camera(&self, id: &str) -> String {
        self.cameras.get(id).map_or_else(|| id.to_string(), Clone::clone)
    }

    fn message(&mut self, kind: &str, title: String, text: String, at_ms: i64) -> Message {
        self.serial = self.serial.wrapping_add(1);
        Message {
            schema: SCHEMA,
            id: EventId { start: clock::wall(), serial: self.serial }.to_string(),
            device: self.device.clone(),
            kind: kind.into(),
            step: None,
            title,
            text,
            at: Wall::from_ms(at_ms).to_string(),
            camera: None,
            event: None,
            label: None,
            rule: None,
            input: None,
            problem: None,
        }
    }

    fn notice(&mut self, notice: &Notice) -> Message {
        let title = match &notice.camera {
            Some(camera) => self.camera(camera),
            None => self.device.clone(),
        };
        let message = self.message("notice", title, notice.text.clone(), notice.at_ms);
        let Notice { camera, input, event, rule, .. } = notice.clone();
        Message { camera, input, event, rule, ..message }
    }

    fn event(&mut self, event: &EventView) -> Option<Message> {
        if event.found_ms.is_some() {
            return None; // of the past: nobody is there any more
        }
        let begun = self.begun.iter().position(|id| *id == event.id);
        let (step, at_ms, doing) = match (begun, event.end_ms) {
            (None, None) => ("begin", event.start_ms, "is seen"),
            (_, Some(end_ms)) => ("end", end_ms, "is gone"),
            (Some(_), None) => return None,
        };
        match begun {
            Some(n) => drop(self.begun.remove(n)),
            None if step == "begin" => {
                if self.begun.len() == BEGUN {
                    self.begun.pop_front();
                }
                self.begun.push_back(event.id.clone());
            }
            None => {}
        }
        let text = format!("{} {doing} ({:.0} %)", event.label, event.score * 100.0);
        let message = self.message("event", self.camera(&event.camera), text, at_ms);
        Some(Message {
            step: Some(step.into()),
            camera: Some(event.camera.clone()),
            event: Some(event.id.clone()),
            label: Some(event.label.clone()),
            ..message
        })
    }

    fn problem(&mut self, problem: &ProblemView) -> Message {
        let (step, what, at_ms) = match problem.end_ms {
            None => ("begin", "needs you", problem.start_ms),
            Some(end_ms) => ("end", "is well again", end_ms),
        };
        let text = match problem.end_ms {
            None => problem.words.clone(),
            Some(_) => format!("Over: {}", problem.words),
        };
        let message = self.message("problem", format!("{} {what}", self.device), text, at_ms);
        let problem = Some(problem.kind.as_str().to_string());
        Message { step: Some(step.into()), problem, ..message }
    }
}

impl Scribe for Writer {
    fn write(&mut self, update: &Update) -> Vec<Letter> {
        let message = match update {
            Update::Notice(notice) if self.tells.notices => Some(self.notice(notice)),
            Update::Event(event) if self.tells.events => self.event(event),
            Update::Problem(problem) if self.tells.problems => Some(self.problem(problem)),
            _ => None,
        };
        let letter = |message: Message| {
            let step = message.step.as_deref().map_or(String::new(), |step| format!(" {step}"));
            let body = serde_json::to_vec(&message).expect("texts are JSON");
            let event = message.event.as_ref().and_then(|id| id.parse().ok());
            Letter {
                subject: format!("{}{step}", message.kind),
                body: body.into(),
                class: Class::News,
                event,
            }
        };
        message.map(letter).into_iter().collect()
    }
}

impl Message {
    /// What a letter of a [`Writer`] says.
    pub(super) fn read(letter: &Letter) -> Result<Self, Failure> {
        serde_json::from_slice(&letter.body).map_err(|e| Failure::Never(format!("the message is none: {e}")))
    }

    /// Text and time, for people.
    pub(super) fn words(&self) -> String {
        format!("{}\n{}", self.text, self.at)
    }
}

/// The picture of a letter's event, where `pictures` are to go along. It is made a moment after the event begins.
pub(super) async fn picture(pictures: Option<&Pictures>, letter: &Letter) -> Option<Bytes> {
    let (pictures, event) = pictures.zip(letter.event)?;
    for _ in 0..PICTURE_TRIES {
        if let Some(jpeg) = pictures(event).await {
            return Some(jpeg);
        }
        tokio::time::sleep(PICTURE_EVERY).await;
    }
    None
}

/// Carries one letter.
pub(super) trait Post: Send {
    /// What the other side said, or why it has it not. Safe to drop at any await.
    fn post<'a>(&'a mut self, letter: &'a Letter) -> BoxFuture<'a, Result<String, Failure>>;
}

/// A courier that takes one letter at a time; each may take `deadline`.
pub(super) fn courier(post: impl Post + 'static, deadline: Duration) -> Box<dyn Courier> {
    Box::new(OneByOne { post, deadline })
}

struct OneByOne<P> {
    post: P,
    deadline: Duration,
}

impl<P: Post> Courier for OneByOne<P> {
    fn session<'a>(&'a mut self, outbox: &'a Outbox) -> BoxFuture<'a, Ended> {
        Box::pin(async move {
            loop {
                let parcel = outbox.next().await;
                match tokio::time::timeout(self.deadline, self.post.post(&parcel.letter)).await {
                    Ok(Ok(words)) => outbox.done(parcel.id, &words),
                    Ok(Err(Failure::Never(words) | Failure::Gone(words))) => {
                        outbox.refused(parcel.id, &words)
                    }
                    Ok(Err(Failure::Later(ended))) => return ended,
                    Err(_) => {
                        let ms = self.deadline.as_millis();
                        return Ended::soon(format!("no answer within {ms} ms"));
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::BBox;
    use nightjar_types::config::Config;
    use std::sync::Arc;

    fn writer() -> Writer {
        let text = "[device]\nname = \"Barn\"\n[[camera]]\nid = \"front\"\nname = \"Front door\"\nmain = \"synthetic:\"";
        let config = Config::from_toml(text, "x").unwrap();
        let opening = Opening {
            config: &config,
            reveal: &|_, _| Err("none".into()),
            pictures: Arc::new(|_| Box::pin(async { None })),
            book: None,
            deadline: Duration::from_secs(1),
        };
        Writer::new(&opening, Tells { notices: true, events: true, problems: true })
    }

    fn said(writer: &mut Writer, update: Update) -> Vec<(String, String, String)> {
        let letters = writer.write(&update);
        let message = |l: &Letter| serde_json::from_slice::<Message>(&l.body).unwrap();
        letters.iter().map(|l| (l.subject.clone(), message(l).title, message(l).text)).collect()
    }

    fn event(end_ms: Option<i64>, found_ms: Option<i64>) -> Update {
        Update::Event(EventView {
            id: "00065f3a1b2c3d4e0001".into(),
            camera: "front".into(),
            label: "person".into(),
            score: 0.87,
            bbox: BBox::default(),
            track: 1,
            start_ms: 1_000,
            end_ms,
            rules: vec![],
            snapshot: false,
            model: String::new(),
            found_ms,
        })
    }

    #[test]
    fn an_event_is_told_when_it_begins_and_when_it_is_over() {
        let mut writer = writer();
        let text = |said: Vec<(String, String, String)>| said.into_iter().map(|s| s.2).collect::<Vec<_>>();
        assert_eq!(
            said(&mut writer, event(None, None)),
            [("event begin".into(), "Front door".into(), "person is seen (87 %)".into())]
        );
        assert!(said(&mut writer, event(None, None)).is_empty(), "a better picture is no news");
        assert_eq!(text(said(&mut writer, event(Some(2_000), None))), ["person is gone (87 %)"]);
        assert!(said(&mut writer, event(Some(2_000), Some(9_000))).is_empty(), "found in a recording");
        assert!(writer.begun.is_empty());
    }

    #[test]
    fn people_read_a_line_and_the_mend() {
        let mut writer = writer();
        let problem = |end_ms| {
            Update::Problem(ProblemView {
                kind: nightjar_types::world::ProblemKind::Storage,
                subject: String::new(),
                words: "Storage is full.".into(),
                start_ms: 1,
                end_ms,
            })
        };
        let begin = said(&mut writer, problem(None)).remove(0);
        assert_eq!(begin, ("problem begin".into(), "Barn needs you".into(), "Storage is full.".into()));
        let end = said(&mut writer, problem(Some(2))).remove(0);
        assert_eq!(end, ("problem end".into(), "Barn is well again".into(), "Over: Storage is full.".into()));
    }
}
