//! What people ask, what the keeper of the lines says, and what the rules are shown → the journal, the audit, the page.

use super::{Command, STALE, Stage, now, wall_of};
use crate::journal::{Person, Record, SeenThing, What};
use crate::relays::{FromKeeper, Heard, InputEdge, words};
use nightjar_io::clock;
use nightjar_rules::{CameraIx, InputIx, Micros, Thing};
use nightjar_types::status::Update;
use nightjar_types::{Mono, Wall};
use std::sync::PoisonError;

impl Stage {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Move { ask, who, answer } => {
                if let Some(person) = Person::of(ask) {
                    let output = self.names.outputs[usize::from(ask.output().0)].to_string();
                    self.note(What::Asked(output, person));
                }
                self.outputs.ask_for(ask, &who, answer);
            }
            Command::Arm { armed, who, answer } => {
                if self.arming.say(armed, &who, clock::wall()) {
                    self.armed();
                }
                let _ = answer.send(self.arming.view()); // whoever asked may have gone
            }
        }
    }

    /// The device was armed or disarmed: rules learn it in the next round, which follows at once.
    pub(super) fn armed(&mut self) {
        let view = self.arming.view();
        self.books
            .audit
            .record(&view.by, if view.armed { "armed the device" } else { "disarmed the device" });
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).arm = Some(view.clone());
        self.note(What::Armed(view.armed));
        self.updates.send(Update::Arm(view));
    }

    /// Puts into the journal what happened now.
    pub(super) fn note(&self, what: What) {
        self.note_at(clock::wall(), what);
    }

    fn note_at(&self, wall: Wall, what: What) {
        if let Some(journal) = &self.books.journal {
            journal.add(Record { mono: clock::mono(), wall, what });
        }
    }

    pub(super) fn heard(&mut self, heard: Heard) {
        let why = &self.why;
        let why = |rule: u8| why.get(usize::from(rule)).cloned().unwrap_or_default();
        match &heard {
            Heard::Said(FromKeeper::Moved(moved)) if moved.error.is_none() => {
                let output = self.names.outputs[usize::from(moved.output.0)].to_string();
                let (on, cause) = (moved.on, words(moved.cause, why));
                self.note_at(moved.at, What::Moved { output, on, cause });
                if let Some(arrived) = self.outputs.picture(moved) {
                    let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                    shown.latency.moved(arrived, clock::mono());
                }
            }
            Heard::Down(why) => {
                for (output, on) in self.outputs.away() {
                    self.note(What::Moved { output, on: !on, cause: why.clone() });
                }
            }
            _ => {}
        }
        if let Some(edge) = self.outputs.take(heard, why) {
            self.sense(edge);
        }
    }

    fn sense(&mut self, edge: InputEdge) {
        let InputEdge { input, active, at, is_edge } = edge;
        let is_edge = is_edge && self.is_fresh(at);
        let status = {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(status) = shown.inputs.get_mut(usize::from(input)) else { return };
            if is_edge {
                status.changed_ms = Some(wall_of(at).as_ms());
            }
            status.active = active;
            status.clone()
        };
        tracing::debug!(input = status.id, active, is_edge, "input");
        if self.arming.sense(input, active, is_edge, clock::wall()) {
            self.armed();
            self.book.set_present(self.arming.present(clock::wall()));
        }
        self.note(What::Input { input: status.id.clone(), active, is_edge });
        self.order(|book, out| book.sense(InputIx(input), active, is_edge, now(), &mut |x| out.push(x)));
        self.updates.send(Update::Input(status));
    }

    /// It is not from so long ago that nobody expects anything of it any more.
    pub(super) fn is_fresh(&self, at: Mono) -> bool {
        let is_fresh = clock::mono().since(at) < STALE;
        if !is_fresh {
            self.shown.lock().unwrap_or_else(PoisonError::into_inner).stale += 1;
        }
        is_fresh
    }

    /// The rules look at what is seen on a camera now.
    pub(super) fn look(&mut self, camera: CameraIx, now: Micros, things: &[Thing]) {
        if let Some(journal) = self.books.journal.as_ref().filter(|_| !things.is_empty()) {
            let thing = |t: &Thing| SeenThing {
                class: self.names.class_name(t.class).to_string(),
                track: t.track,
                score: t.score.thousandths(),
                bbox: [t.bbox.x, t.bbox.y, t.bbox.w, t.bbox.h],
            };
            let camera = self.names.cameras[usize::from(camera.0)].to_string();
            let what = What::Seen { camera, things: things.iter().map(thing).collect() };
            journal.add(Record { mono: Mono(now.0), wall: clock::wall(), what });
        }
        self.order(|book, out| book.observe(camera, now, things, &mut |x| out.push(x)));
    }
}
