//! Units in, units to record out: all of them, or those around a trigger, with pre-roll from memory and post-roll.

use nightjar_types::config::Mode;
use nightjar_types::{AccessUnit, Media, Mono, Wall};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of pre-roll that a stream may hold in memory.
pub const PRE_ROLL_BYTES: usize = 8 << 20;

/// What sets off a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Something moved.
    Motion,
    /// An event goes on.
    Event,
}

/// What the pre-roll cannot do, told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// One group of pictures is longer than the pre-roll asked for: the recording begins up to so long before.
    LongGop {
        /// Its length.
        gop: Duration,
    },
    /// One group of pictures is larger than [`PRE_ROLL_BYTES`]: there is no pre-roll.
    LargeGop,
}

/// One stream's gate.
#[derive(Debug)]
pub struct Roll {
    mode: Mode,
    pre_us: i64,
    post: Duration,
    ring: VecDeque<AccessUnit>,
    bytes: usize,
    /// Records until then.
    until: Option<Mono>,
    is_open: bool,
    /// Nothing is kept until the next key frame: the group is broken.
    is_waiting: bool,
    shortfall: Option<Shortfall>,
    is_told: bool,
}

impl Roll {
    /// A gate with these rolls.
    pub fn new(mode: Mode, pre: Duration, post: Duration) -> Self {
        let pre_us = pre.as_micros().min(i64::MAX as u128) as i64;
        let (ring, is_open) = (VecDeque::new(), mode == Mode::Continuous);
        Self {
            mode,
            pre_us,
            post,
            ring,
            bytes: 0,
            until: None,
            is_open,
            is_waiting: true,
            shortfall: None,
            is_told: false,
        }
    }

    /// What is being recorded now goes to the card.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Bytes of pre-roll held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something happened at `at`. True when the gate opens now: then [`drain`](Self::drain) gives the pre-roll.
    pub fn trigger(&mut self, what: Trigger, at: Mono) -> bool {
        let wanted = match self.mode {
            Mode::Continuous => return false,
            Mode::Motion => true,
            Mode::Event => what == Trigger::Event,
        };
        if !wanted {
            return false;
        }
        let until = at + self.post;
        self.until = Some(self.until.map_or(until, |u| u.max(until)));
        !std::mem::replace(&mut self.is_open, true)
    }

    /// The pre-roll, oldest first; it begins with a key frame.
    pub fn drain(&mut self) -> impl Iterator<Item = AccessUnit> {
        if let Some(newest) = self.ring.back().map(|u| u.wall) {
            self.shed(newest);
        }
        self.bytes = 0;
        std::mem::take(&mut self.ring).into_iter()
    }

    /// The post-roll is over at `now`. True when the gate closes now: then a gap begins.
    pub fn close_if_over(&mut self, now: Mono) -> bool {
        let is_over = self.is_open && self.until.is_some_and(|until| now >= until);
        if is_over {
            (self.is_open, self.until, self.is_waiting) = (false, None, true);
        }
        is_over
    }

    /// The session ended: what is held belongs to no recording.
    pub fn end_session(&mut self) {
        self.ring.clear();
        (self.bytes, self.is_waiting) = (0, true);
    }

    /// The wall clock was set by so much: what is held moves with it.
    pub fn clock_set(&mut self, shift_us: i64) {
        for unit in &mut self.ring {
            unit.wall = unit.wall.plus_micros(shift_us);
        }
    }

    /// One unit: given back when it is to be recorded, else held for the pre-roll.
    pub fn unit(&mut self, unit: AccessUnit) -> Option<AccessUnit> {
        if self.is_open {
            return Some(unit);
        }
        let is_key = unit.is_key && unit.media == Media::Video;
        if self.is_waiting && !is_key {
            return None;
        }
        self.is_waiting = false;
        let now = unit.wall;
        self.bytes += unit.data.len();
        self.ring.push_back(unit);
        if is_key {
            self.shed(now);
        }
        while self.bytes > PRE_ROLL_BYTES {
            if self.drop_group() == 0 {
                self.tell(Shortfall::LargeGop);
                self.end_session();
            }
        }
        None
    }

    /// Drops whole groups from the front while what is left still reaches back far enough.
    fn shed(&mut self, now: Wall) {
        while self.second_key().is_some_and(|(_, next)| now - next >= self.pre_us) {
            self.drop_group();
        }
        if let (Some(first), Some((_, second))) = (self.ring.front(), self.second_key()) {
            let gop = second - first.wall;
            if gop > self.pre_us {
                self.tell(Shortfall::LongGop { gop: Duration::from_micros(gop as u64) });
            }
        }
    }

    fn tell(&mut self, what: Shortfall) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.shortfall = Some(what);
        }
    }

    fn second_key(&self) -> Option<(usize, Wall)> {
        let keys = self.ring.iter().enumerate().skip(1);
        keys.filter(|(_, u)| u.is_key && u.media == Media::Video).map(|(n, u)| (n, u.wall)).next()
    }

    /// Drops the first group when another follows it. Gives the units dropped.
    fn drop_group(&mut self) -> usize {
        let Some((n, _)) = self.second_key() else { return 0 };
        self.bytes -= self.ring.drain(..n).map(|u| u.data.len()).sum::<usize>();
        n
    }

    /// What the pre-roll cannot do, once.
    pub fn shortfall(&mut self) -> Option<Shortfall> {
        self.shortfall.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn unit(ms: i64, is_key: bool, size: usize) -> AccessUnit {
        let (dts, data) = (ms * 90, Bytes::from(vec![0; size]));
        let (arrived, wall) = (Mono(ms as u64 * 1_000), Wall(ms * 1_000));
        AccessUnit { media: Media::Video, is_key, dts, cts: 0, arrived, wall, data }
    }

    /// 25 pictures a second with a key frame every `gop` of them, all held.
    fn fed(roll: &mut Roll, frames: i64, gop: i64, size: usize) {
        for n in 0..frames {
            assert_eq!(roll.unit(unit(n * 40, n % gop == 0, size)), None);
        }
    }

    #[test]
    fn a_trigger_brings_the_pre_roll_and_the_gate_closes_after_the_post_roll() {
        let mut roll = Roll::new(Mode::Motion, Duration::from_secs(3), Duration::from_secs(5));
        fed(&mut roll, 500, 50, 100);
        assert!(roll.trigger(Trigger::Motion, Mono(20_000_000)));
        let pre: Vec<_> = roll.drain().collect();
        assert!(
            pre[0].is_key && pre[0].wall <= Wall(17_000_000) && pre[0].wall >= Wall(14_000_000),
            "{}",
            pre[0].wall
        );
        assert_eq!(pre.last().map(|u| u.wall), Some(Wall(19_960_000)));
        assert!(roll.unit(unit(20_000, true, 100)).is_some());
        assert!(!roll.close_if_over(Mono(24_999_999)));
        assert!(!roll.trigger(Trigger::Motion, Mono(24_000_000)), "is open already");
        assert!(!roll.close_if_over(Mono(28_999_999)) && roll.close_if_over(Mono(29_000_000)));
        assert_eq!(roll.unit(unit(29_000, false, 100)), None);
        assert_eq!(roll.shortfall(), None);
    }

    #[test]
    fn motion_does_not_open_a_gate_for_events_and_continuous_needs_no_trigger() {
        let mut roll = Roll::new(Mode::Event, Duration::ZERO, Duration::ZERO);
        assert!(!roll.trigger(Trigger::Motion, Mono(0)) && roll.trigger(Trigger::Event, Mono(0)));
        let mut always = Roll::new(Mode::Continuous, Duration::ZERO, Duration::ZERO);
        assert!(always.unit(unit(0, false, 1)).is_some() && !always.close_if_over(Mono(u64::MAX)));
    }

    #[test]
    fn a_long_group_of_pictures_is_told_and_a_huge_one_held_within_the_budget() {
        let mut roll = Roll::new(Mode::Event, Duration::from_secs(3), Duration::ZERO);
        fed(&mut roll, 600, 250, 100);
        assert_eq!(roll.shortfall(), Some(Shortfall::LongGop { gop: Duration::from_secs(10) }));
        assert_eq!(roll.shortfall(), None);
        let mut roll = Roll::new(Mode::Event, Duration::from_secs(3), Duration::ZERO);
        fed(&mut roll, 100, 1_000, 1 << 20);
        assert!(roll.bytes() <= PRE_ROLL_BYTES);
        assert_eq!(roll.shortfall(), Some(Shortfall::LargeGop));
    }
}
