//! Sights of things that match rules → how long each was there, what it crossed; firings → which of them are cooling down.
//!
//! A *presence* is one thing matching one rule, seen again within the rule's *patience* each time: [`MISS_US`], its `away`, or
//! [`PATH_US`] when it follows a path. Time counts from sight to sight when less than [`MISS_US`] lies between.
//!
//! Invariants: one watch for each (rule, camera, track); `spent ≤ seen − since`; one cool-down for each (rule, camera, class).

use crate::{CameraIx, ClassId, Direction, Micros, Path, Rule, Thing};
use heapless::Vec;

/// A thing unseen for this long, microseconds, is gone; missed for less, it still counts as present.
pub const MISS_US: u64 = 1_000_000;
/// A path goes on straight over a break of less than this, microseconds: longer than any eye keeps a track unseen.
pub const PATH_US: u64 = 5_000_000;

/// How long a presence of this rule survives unseen.
fn patience_us(rule: &Rule) -> u64 {
    if rule.crossing.is_some() { PATH_US } else { MISS_US.max(rule.away_us) }
}

/// One presence.
#[derive(Debug)]
pub(crate) struct Watch {
    rule: u8,
    camera: CameraIx,
    track: u32,
    since: Micros,
    seen: Micros,
    /// Time that it was there, microseconds.
    pub(crate) spent: u64,
    /// The rule fired on it.
    pub(crate) fired: bool,
    path: Option<Path>,
}

/// Up to `N` presences.
#[derive(Debug)]
pub(crate) struct Watches<const N: usize> {
    all: Vec<Watch, N>,
    pub(crate) evicted: u64,
}

impl<const N: usize> Watches<N> {
    pub(crate) const fn new() -> Self {
        const { assert!(N > 0, "one presence must fit") };
        Self { all: Vec::new(), evicted: 0 }
    }

    /// A thing matches a rule now: its presence, continued or begun, and how it crossed the rule's line just now.
    pub(crate) fn see(
        &mut self,
        number: u8,
        rule: &Rule,
        camera: CameraIx,
        now: Micros,
        thing: &Thing,
    ) -> (&mut Watch, Option<Direction>) {
        let track = thing.track;
        let path = rule.crossing.map(|c| Path::begin(&c.line, thing));
        let fresh =
            Watch { rule: number, camera, track, since: now, seen: now, spent: 0, fired: false, path };
        let known = self.all.iter().position(|w| (w.rule, w.camera, w.track) == (number, camera, track));
        let Some(place) = known else {
            let place = self.put(fresh);
            return (&mut self.all[place], None);
        };
        let watch = &mut self.all[place];
        let unseen = now.since(watch.seen);
        if unseen >= patience_us(rule) {
            *watch = fresh;
            return (watch, None);
        }
        if unseen < MISS_US {
            watch.spent = watch.spent.saturating_add(unseen);
        }
        watch.seen = watch.seen.max(now);
        let crossed = rule.crossing.zip(watch.path.as_mut()).and_then(|(c, path)| path.go_on(&c.line, thing));
        (watch, crossed)
    }

    /// Forgets what was unseen for too long.
    pub(crate) fn tick<'a>(&mut self, now: Micros, rule: impl Fn(u8) -> Option<&'a Rule>) {
        self.all.retain(|w| rule(w.rule).is_some_and(|rule| now.since(w.seen) < patience_us(rule)));
    }

    pub(crate) fn check_invariants(&self) {
        for (i, w) in self.all.iter().enumerate() {
            assert!(w.since <= w.seen, "a presence begins before it is last seen");
            assert!(w.spent <= w.seen.since(w.since), "nobody is there longer than since he came");
            let twin = |o: &Watch| (o.rule, o.camera, o.track) == (w.rule, w.camera, w.track);
            assert!(!self.all[i + 1..].iter().any(twin), "one watch for each rule, camera and track");
        }
    }

    /// The numbers of the rules that have presences.
    pub(crate) fn rules(&self) -> impl Iterator<Item = u8> {
        self.all.iter().map(|w| w.rule)
    }

    fn put(&mut self, fresh: Watch) -> usize {
        if self.all.is_full() {
            self.evicted += 1;
            let ages = self.all.iter().enumerate().min_by_key(|(_, w)| w.seen);
            let place = ages.map(|(place, _)| place).expect("a full table is not empty: N > 0");
            self.all[place] = fresh;
            return place;
        }
        let pushed = self.all.push(fresh);
        debug_assert!(pushed.is_ok(), "the table is not full");
        self.all.len() - 1
    }
}

#[derive(Debug, Clone, Copy)]
struct Cooling {
    rule: u8,
    camera: CameraIx,
    class: ClassId,
    until: Micros,
}

/// Firings that keep others of the same rule, camera and class quiet; up to `N` at a time.
#[derive(Debug)]
pub(crate) struct Cooldowns<const N: usize> {
    all: Vec<Cooling, N>,
    pub(crate) evicted: u64,
}

impl<const N: usize> Cooldowns<N> {
    pub(crate) const fn new() -> Self {
        Self { all: Vec::new(), evicted: 0 }
    }

    /// A rule fired.
    pub(crate) fn begin(&mut self, rule: u8, camera: CameraIx, class: ClassId, now: Micros, until: Micros) {
        self.all.retain(|c| c.until > now && (c.rule, c.camera, c.class) != (rule, camera, class));
        if until <= now {
            return;
        }
        if self.all.is_full() {
            self.evicted += 1;
            let first = self.all.iter().enumerate().min_by_key(|(_, c)| c.until).map(|(place, _)| place);
            self.all.swap_remove(first.expect("a full table is not empty: N > 0"));
        }
        let pushed = self.all.push(Cooling { rule, camera, class, until });
        debug_assert!(pushed.is_ok(), "there is room for one more");
    }

    /// The rule keeps quiet about things of this class on this camera.
    pub(crate) fn is_cooling(&self, rule: u8, camera: CameraIx, class: ClassId, now: Micros) -> bool {
        self.all.iter().any(|c| (c.rule, c.camera, c.class) == (rule, camera, class) && c.until > now)
    }

    pub(crate) fn check_invariants(&self) {
        for (i, c) in self.all.iter().enumerate() {
            let twin = |o: &Cooling| (o.rule, o.camera, o.class) == (c.rule, c.camera, c.class);
            assert!(!self.all[i + 1..].iter().any(twin), "one cool-down for each rule, camera and class");
        }
    }
}
