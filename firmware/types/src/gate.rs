//! What the recorder says of itself to programs of its own board: JSON of `GET /gate` on its Unix socket, for the program
//! that judges an update. Readers take what they know and leave the rest: the two may be of different versions.

use serde::{Deserialize, Serialize};

/// Everything that an update is judged by, and whether one may begin.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GateReport {
    /// Version of the recorder.
    pub version: String,
    /// The wall clock, ms since 1970 UTC.
    pub now_ms: i64,
    /// Something that knows the time keeps the clock.
    pub clock_sure: bool,
    /// Every camera, in the order of the configuration.
    pub cameras: Vec<GateCamera>,
    /// The newest fragment, read back from the disk.
    pub slab: GateSlab,
    /// Every output, in the order of the configuration.
    pub relays: Vec<GateRelay>,
    /// The detector.
    pub eye: GateEye,
    /// Where this board itself reaches the page, e.g. `https://127.0.0.1:8443/`.
    pub page: String,
    /// What goes on that an update must not cut off, in words; `None`: all is quiet.
    pub alarm: Option<String>,
}

/// `… rauc.slot=A …` of the kernel's command line → `A`: the slot that the boot loader started, where there are two.
pub fn booted_slot(command_line: &str) -> Option<&str> {
    command_line.split_whitespace().find_map(|word| word.strip_prefix("rauc.slot="))
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GateCamera {
    /// Its id.
    pub id: String,
    /// All its streams arrive and are written.
    pub recording: bool,
    /// It is to be on the card all the time, and not only when something happens.
    pub continuous: bool,
    /// What is wrong when it does not record.
    pub why: String,
    /// Begin of the newest stretch of footage without a hole, ms since 1970 UTC.
    pub since_ms: Option<i64>,
    /// Age of the newest footage that is on the card.
    pub last_age_ms: Option<u64>,
    /// Footage missing from the moment that was asked about to the newest that is there.
    pub missing_ms: Option<u64>,
}

/// A fragment that went to the disk and came back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GateSlab {
    /// Something was written since the recorder started.
    pub written: bool,
    /// The newest of it was read from the disk, past the kernel's cache, and its checksum is right.
    pub read_back: bool,
    /// When what was read back had been recorded, ms since 1970 UTC.
    pub at_ms: Option<i64>,
    /// What went wrong.
    pub why: String,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GateRelay {
    /// Its id.
    pub id: String,
    /// It is at its safe level, or where a rule or a person put it.
    pub ok: bool,
    /// What is wrong with it.
    pub why: String,
}

/// The detector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GateEye {
    /// At least one camera is to be looked at.
    pub wanted: bool,
    /// It runs.
    pub running: bool,
    /// How long ago it last said what it saw.
    pub answered_age_ms: Option<u64>,
}
