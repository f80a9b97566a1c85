//! Views of one stream, about one a second → covered, moved, blurred or lost, and since when. Time is an argument.
//!
//! The scene is remembered by its edges, apart for colour and for night mode. What has the scene's edges in some part of
//! the picture is neither covered nor moved, however dark it is or whatever stands in front. What goes slowly is evening:
//! the memory goes with it.

use crate::view::{Flat, Match, Memory, View};
use nightjar_types::{Mono, Tamper};
use std::time::Duration;

/// Views are taken this far apart.
pub const EVERY: Duration = Duration::from_secs(1);
/// How long a state must last until it is told, by kind; a hand that cleans the lens is gone by then.
pub const COVERED_AFTER: Duration = Duration::from_secs(8);
/// A lorry that fills all of the picture passes or parks within this.
pub const MOVED_AFTER: Duration = Duration::from_secs(15);
/// Rain on the lens runs off, autofocus hunts.
pub const BLURRED_AFTER: Duration = Duration::from_secs(30);
/// Cameras that start or switch modes are black for some seconds.
pub const LOST_AFTER: Duration = Duration::from_secs(8);
/// Encoders repeat a still night picture exactly for some groups of pictures.
pub const FROZEN_AFTER: Duration = Duration::from_secs(60);
/// How long all must be well until a state is over.
pub const WELL_AFTER: Duration = Duration::from_secs(5);
/// A camera that was turned on purpose: its new scene is the scene after this long.
pub const ACCEPTED_AFTER: Duration = Duration::from_secs(600);
/// Night takes longer than this to fall, a hand does not: between the last sight of the scene at [`LIT`] and nothing.
const SUDDEN: Duration = Duration::from_secs(20);
/// Mean luma from which on a picture is lit. The last that a falling night shows is darker.
const LIT: u8 = 28;
/// Views until a scene is known, and until a sharpness is.
const KNOWN: u32 = 20;
/// Views that differ from the one before, of the last minute, that show a live camera.
const ALIVE: u32 = 30;
/// How fast the newest views, the scene and its sharpness are learnt, as right shifts: 2, 32 and 128 views.
const NOW: u32 = 1;
const SCENE: u32 = 5;
const SHARPNESS: u32 = 7;
/// Sharpness below this share (of 100) of the usual is blur; from [`SHARP`] on it is not.
const BLUR: u32 = 55;
const SHARP: u32 = 75;
/// Parts of the light's range that have a sharpness of their own.
const LEVELS: usize = 4;
/// Mean luma below which it is dark, and above which no longer.
const DARK: u8 = 40;
const LIGHT: u8 = 56;
/// The scene is gone when fewer than 1/n of the blocks show it, and back when more than half do.
const GONE_PART: u32 = 4;
/// Blocks that must be able to tell.
const LEAST_BLOCKS: u32 = 3;

/// One way to look: colour or night mode.
#[derive(Debug, Clone, Default)]
struct Mode {
    scene: Memory,
    views: u32,
    sharpness: [Option<(u32, u32)>; LEVELS],
}

/// A condition that must last.
#[derive(Debug, Clone, Copy, Default)]
struct Lasting {
    since: Option<Mono>,
}

impl Lasting {
    /// Since when it has held, once that is `after` ago.
    fn feed(&mut self, now: Mono, holds: bool, after: Duration) -> Option<Mono> {
        if !holds {
            self.since = None;
        }
        let since = holds.then(|| *self.since.get_or_insert(now))?;
        (now.since(since) >= after).then_some(since)
    }
}

/// The guard of one stream. It outlives reconnections: a camera may be turned while it is unplugged.
#[derive(Debug, Clone, Default)]
pub struct TamperGuard {
    modes: [Mode; 2],
    /// The newest views, averaged: what passes and noise are small in it.
    now: Memory,
    was_grey: Option<bool>,
    seen: Option<Mono>,
    print: u64,
    /// When the picture last changed, and how alive it was, in views.
    changed: Option<Mono>,
    alive: u32,
    is_dark: bool,
    covered: Lasting,
    moved: Lasting,
    blurred: Lasting,
    black: Lasting,
    well: Lasting,
    tamper: Option<(Tamper, Mono)>,
}

impl TamperGuard {
    /// Takes the view of `now`; gives what keeps the camera from seeing, and since when.
    pub fn see(&mut self, now: Mono, view: &View) -> Option<(Tamper, Mono)> {
        self.is_dark = view.level < if self.is_dark { LIGHT } else { DARK };
        if self.was_grey.replace(view.is_grey) != Some(view.is_grey) {
            self.now.clear();
        }
        self.now.learn(view, NOW);
        let found = self.find();
        let is_known = found.judged >= LEAST_BLOCKS;
        let is_same = is_known && found.same * GONE_PART >= found.judged;
        if is_same && view.level >= LIT {
            self.seen = Some(now);
        }
        let is_sudden = |lasting: &Lasting, seen: Option<Mono>| {
            lasting.since.is_some() || seen.is_some_and(|seen| now.since(seen) <= SUDDEN)
        };

        let is_frozen = self.is_frozen(now, view);
        let is_black = view.flat == Some(Flat::Black) && is_sudden(&self.black, self.seen);
        let is_nothing = is_black || view.flat == Some(Flat::Colour);
        let is_blind = is_known && !is_same && found.blind * 4 >= found.judged * 3;
        let is_covered =
            !is_nothing && (is_blind || view.flat == Some(Flat::Grey)) && is_sudden(&self.covered, self.seen);
        let is_moved = is_known && !is_same && !is_blind && !is_nothing && view.flat.is_none();
        let is_blurred = is_same && self.is_blurred(view);

        let lost = self.black.feed(now, is_nothing, LOST_AFTER);
        let lost = lost.or_else(|| self.changed.filter(|_| is_frozen));
        let covered = self.covered.feed(now, is_covered, COVERED_AFTER);
        let moved = self.moved.feed(now, is_moved, MOVED_AFTER);
        let blurred = self.blurred.feed(now, is_blurred, BLURRED_AFTER);
        let told = [
            (Tamper::Lost, lost),
            (Tamper::Covered, covered),
            (Tamper::Moved, moved),
            (Tamper::Blurred, blurred),
        ];
        let told = told.into_iter().find_map(|(kind, since)| Some((kind, since?)));
        let is_well = !(is_nothing || is_frozen || is_covered || is_moved || is_blurred)
            && found.same * 2 >= found.judged
            && view.flat.is_none();
        let well = self.well.feed(now, is_well, WELL_AFTER).is_some();
        match (told, self.tamper) {
            // One kind's since may be another's: a hand that comes nearer.
            (Some((kind, since)), before) if before.is_none_or(|(was, _)| was != kind) => {
                self.tamper = Some((kind, before.map_or(since, |(_, first)| first.min(since))));
            }
            (None, Some(_)) if well => self.tamper = None,
            _ => {}
        }
        self.learn(now, view, is_same);
        self.tamper
    }

    /// There is a known scene: what is said means something.
    pub fn is_known(&self) -> bool {
        self.modes.iter().any(|m| m.views >= KNOWN)
    }

    /// Hardly any light.
    pub fn is_dark(&self) -> bool {
        self.is_dark
    }

    fn mode(&self) -> usize {
        usize::from(self.was_grey.unwrap_or(false))
    }

    /// The known scene in the newest views. A mode that has not been seen before can tell blindness by the other's scene,
    /// nothing else: infrared makes another picture of one place.
    fn find(&self) -> Match {
        let (own, other) = (&self.modes[self.mode()], &self.modes[1 - self.mode()]);
        if own.views >= KNOWN {
            return own.scene.compare(&self.now);
        }
        if other.views < KNOWN {
            return Match::default();
        }
        let found = other.scene.compare(&self.now);
        if found.blind * 4 >= found.judged * 3 { found } else { Match::default() }
    }

    fn is_frozen(&mut self, now: Mono, view: &View) -> bool {
        if std::mem::replace(&mut self.print, view.print) != view.print || self.changed.is_none() {
            self.changed = Some(now);
            self.alive = (self.alive + 1).min(2 * ALIVE);
            return false;
        }
        let for_long = self.changed.is_some_and(|changed| now.since(changed) >= FROZEN_AFTER);
        if !for_long && self.alive < ALIVE {
            // A picture that often stands still is drawn, not taken: only an unbroken life counts.
            self.alive = 0;
        }
        for_long && self.alive >= ALIVE && view.flat.is_none() && view.level >= LIT
    }

    fn is_blurred(&self, view: &View) -> bool {
        let usual = self.modes[self.mode()].sharpness[level(view)].filter(|(_, views)| *views >= KNOWN);
        let (Some((usual, _)), Some(sharp)) = (usual, view.sharpness) else { return false };
        let least = if self.tamper.is_some_and(|(kind, _)| kind == Tamper::Blurred) { SHARP } else { BLUR };
        (u32::from(sharp) << 8) * 100 < usual * least
    }

    fn learn(&mut self, now: Mono, view: &View, is_same: bool) {
        let (at, is_well) = (self.mode(), self.tamper.is_none());
        let mode = &mut self.modes[at];
        if mode.views < KNOWN {
            // A scene that does not stay the same is none yet.
            let found = mode.scene.compare(&self.now);
            if found.same * 2 < found.judged {
                (mode.views, mode.scene) = (0, Memory::default());
            }
            if view.flat.is_none() {
                mode.scene.learn(view, if mode.views < 8 { 2 } else { 4 });
                mode.views += 1;
            }
            return;
        }
        let is_alright = is_same && is_well && self.blurred.since.is_none();
        let is_fading = !is_same && self.moved.since.is_none() && self.covered.since.is_none();
        if is_alright || (is_fading && is_well) {
            mode.scene.learn(view, SCENE);
        }
        if let (true, Some(sharp)) = (is_alright, view.sharpness) {
            let sharp = u32::from(sharp) << 8;
            let usual = mode.sharpness[level(view)].get_or_insert((sharp, 0));
            let shift = if usual.1 < KNOWN { 3 } else { SHARPNESS };
            usual.0 = (i64::from(usual.0) + ((i64::from(sharp) - i64::from(usual.0)) >> shift)) as u32;
            usual.1 = (usual.1 + 1).min(KNOWN);
        }
        if self
            .tamper
            .is_some_and(|(kind, since)| kind == Tamper::Moved && now.since(since) >= ACCEPTED_AFTER)
        {
            mode.scene.become_like(&self.now);
            mode.sharpness = [None; LEVELS];
        }
    }
}

fn level(view: &View) -> usize {
    usize::from(view.level) * LEVELS / 256
}

#[cfg(test)]
#[path = "tamper_tests.rs"]
mod tests;
