//! The simulated board from outside, as with a meter and a wire: levels that the recorder's lines had, inputs that are driven.

use crate::clock;
use crate::home::Home;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// The bench of a home's simulated board.
pub struct Wires {
    folder: PathBuf,
}

/// What happened to a line, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It was opened at this level: high or not.
    Opened(bool),
    /// It was driven to it.
    Driven(bool),
}

impl Level {
    /// Electrically high.
    pub fn is_high(self) -> bool {
        let (Self::Opened(high) | Self::Driven(high)) = self;
        high
    }
}

impl Wires {
    /// Has the recorders of this home put their simulated board where it can be met.
    pub fn of(home: &mut Home) -> Self {
        let folder = home.path("bench");
        std::fs::create_dir_all(&folder).expect("the temporary folder takes it");
        home.environment("NIGHTJAR_SIM", folder.to_str().expect("a temporary folder has a plain name"));
        Self { folder }
    }

    /// All that happened to line `sim:n`.
    pub fn levels(&self, n: u32) -> Vec<Level> {
        let text = std::fs::read_to_string(self.folder.join("levels")).unwrap_or_default();
        let line = format!("sim:{n}");
        let of = |words: &str| {
            let mut words = words.split(' ');
            let high = (words.next()? == line).then(|| words.next())?? == "high";
            Some(if words.next().is_some() { Level::Opened(high) } else { Level::Driven(high) })
        };
        text.lines().filter_map(of).collect()
    }

    /// Line `sim:n` is electrically high now.
    pub fn is_high(&self, n: u32) -> bool {
        self.levels(n).last().is_some_and(|level| level.is_high())
    }

    /// Waits until a line is at a level.
    #[track_caller]
    pub fn until(&self, what: &str, n: u32, high: bool) {
        clock::until(what, 60, || (self.is_high(n) == high).then_some(()));
    }

    /// Connects the input `sim:n` to a level. Waits until somebody has it open.
    #[track_caller]
    pub fn drive(&self, n: u32, high: bool) {
        let wire = UnixDatagram::unbound().expect("a socket");
        let (level, path) = (if high { b"1" } else { b"0" }, self.folder.join(format!("sim-{n}")));
        clock::until("the input is open", 30, || wire.send_to(level, &path).ok());
    }
}
