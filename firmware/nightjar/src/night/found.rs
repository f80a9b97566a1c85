//! What the eye saw in a recorded picture → events, each written once into the slab that is written now. No rule looks at them.

use super::work::{Shift, Worker};
use crate::stage::view;
use nightjar_io::clock;
use nightjar_rules::{CameraIx, Change, EventWhat, Micros};
use nightjar_types::status::Update;
use nightjar_types::{BBox, Detection, Event, EventId, Wall};

/// Share of the picture that must move to count as motion; the same as live.
const MOVES: f32 = 0.002;
/// Serial numbers of events found later begin here, so that they meet none of a live one.
const SERIALS: u16 = 0x8000;
/// Longest event that is looked for when it is asked whether one is known, µs.
const BEFORE_US: i64 = 3_600_000_000;
/// A thing that is found again begins at most this much earlier or later, µs: two groups of pictures.
const ABOUT_US: i64 = 5_000_000;

/// One camera a shift.
pub(super) const CAMERA: CameraIx = CameraIx(0);

impl Worker {
    pub(super) fn frame(&mut self, shift: &mut Shift, at: Micros, motion: f32, mut found: Vec<Detection>) {
        let sight = &self.parts.sights[shift.camera];
        let events = &shift.events;
        let is_live = |track| events.live(CAMERA, track).is_some();
        let things = sight.filter(&mut self.parts.names, &mut found, is_live);
        let news = sight.news(&things, is_live);
        shift.stirs |= motion > MOVES || !found.is_empty();
        let mut changes = Vec::new();
        shift.events.observe(CAMERA, at, &news, &mut |c| changes.push(c));
        self.write(shift, changes);
    }

    /// Ends the events that are over at a moment of the footage; all of them without one.
    pub(super) fn end_events(&mut self, shift: &mut Shift, at: Option<Wall>) {
        let mut ended = Vec::new();
        match at {
            Some(at) => shift.events.tick(Micros(at.0.max(0) as u64), &mut |c| ended.push(c)),
            None => shift.events.close(&mut |c| ended.push(c)),
        }
        self.write(shift, ended);
    }

    /// Writes what ended, unless it is known or not looked for.
    pub(super) fn write(&mut self, shift: &mut Shift, changes: Vec<Change>) {
        for Change { event: s, .. } in changes.into_iter().filter(|c| c.what == EventWhat::End) {
            let label = self.parts.names.class_name(s.class).to_string();
            let (start, end) = (Wall(s.first.0 as i64), Wall(s.last.0 as i64));
            let is_asked = shift.job.label.as_ref().is_none_or(|wanted| *wanted == label);
            let is_inside = start < shift.job.to && end >= shift.job.from;
            if !is_asked || !is_inside || self.is_known(shift, &label, start, end) {
                continue;
            }
            let jpeg = shift.pictures.remove(&s.track);
            let now = clock::wall();
            let [x, y, w, h] = s.bbox.as_unit();
            let event = Event {
                id: EventId { start, serial: SERIALS | (s.track as u16 & (SERIALS - 1)) },
                camera: shift.job.camera.clone(),
                label,
                score: s.score.as_unit(),
                bbox: BBox { x, y, w, h },
                track: s.track,
                end: Some(end),
                rules: Vec::new(),
                model: self.model.clone(),
                found: Some(now),
            };
            tracing::info!(event = %event.id, camera = %event.camera, label = event.label, "found later");
            self.parts.updates.send(Update::Event(view(&event, jpeg.is_some())));
            self.parts.card.found_later(shift.main, event, jpeg, now);
            shift.fresh.push((clock::mono(), start));
            shift.found += 1;
        }
    }

    /// It was seen live, or found before: an event of this class goes over half of its time. Several things of one class at a
    /// time are several events, so one that was found by this very work tells nothing.
    fn is_known(&self, shift: &Shift, label: &str, start: Wall, end: Wall) -> bool {
        let span = (end - start).max(1);
        let wanted = |e: &Event| {
            let (from, to) = (e.id.start.max(start), e.end.unwrap_or(end).min(end));
            let is_same = (to - from).saturating_mul(2) >= span || e.id.start == start;
            let is_near = (e.id.start - start).abs() <= ABOUT_US;
            let counts = e.found.is_none_or(|found| found < shift.began && is_near);
            e.camera == shift.job.camera && e.label == label && is_same && counts
        };
        let (from, to) = (start.plus_micros(-BEFORE_US), end.plus_micros(1));
        !self.parts.library.events(from, to, None, 1, wanted).is_empty()
    }
}
