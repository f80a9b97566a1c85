//! Levels of a contact as they come → levels that it settled at.

use crate::Micros;

/// One input. A level counts once it has stayed for `settle_us`; what is shorter was a bounce or a spike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    settle_us: u64,
    level: bool,
    raw: bool,
    since: Micros,
}

impl Debounce {
    /// An input that is at `level` and has been.
    pub const fn new(settle_us: u64, level: bool) -> Self {
        Self { settle_us, level, raw: level, since: Micros(0) }
    }

    /// The contact is at `raw` from `now` on.
    pub fn see(&mut self, raw: bool, now: Micros) {
        if raw != self.raw {
            (self.raw, self.since) = (raw, now);
        }
    }

    /// The level that it settled at, if that is news.
    pub fn tick(&mut self, now: Micros) -> Option<bool> {
        self.next_deadline().filter(|due| *due <= now)?;
        self.level = self.raw;
        Some(self.level)
    }

    /// When `tick` has something to say, if the contact stays as it is.
    pub fn next_deadline(&self) -> Option<Micros> {
        (self.raw != self.level).then(|| self.since.plus(self.settle_us))
    }

    /// The level that it settled at last.
    pub const fn level(&self) -> bool {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_is_no_edge_and_a_level_that_stays_is_one() {
        let mut d = Debounce::new(50, false);
        for (at, raw) in [(100, true), (110, false), (120, true), (140, false), (149, true)] {
            d.see(raw, Micros(at));
            assert_eq!(d.tick(Micros(at)), None);
        }
        assert_eq!((d.next_deadline(), d.tick(Micros(198)), d.level()), (Some(Micros(199)), None, false));
        assert_eq!((d.tick(Micros(199)), d.tick(Micros(200))), (Some(true), None));
        d.see(false, Micros(300));
        d.see(true, Micros(320));
        assert_eq!((d.next_deadline(), d.tick(Micros(999))), (None, None), "a spike");
    }

    #[test]
    fn without_a_time_to_settle_every_edge_counts() {
        let mut d = Debounce::new(0, true);
        d.see(false, Micros(5));
        assert_eq!(d.tick(Micros(5)), Some(false));
        d.see(true, Micros(6));
        assert_eq!(d.tick(Micros(6)), Some(true));
    }
}
