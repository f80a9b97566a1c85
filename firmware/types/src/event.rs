//! What happened: an event is one tracked thing from its first to its last sight; a gap is footage that is not there.

use crate::{BBox, CameraId, StreamKind, Wall};
use serde::{Deserialize, Serialize};

/// Start time in microseconds and a serial: sorts by time, unique on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// When the event began.
    pub start: Wall,
    /// Tells apart events that began in the same microsecond.
    pub serial: u16,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:04x}", self.start.0, self.serial)
    }
}

impl std::str::FromStr for EventId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an event id is 20 hexadecimal digits";
        if text.len() != 20 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        let start = u64::from_str_radix(&text[..16], 16).map_err(|_| WRONG)?;
        let serial = u16::from_str_radix(&text[16..], 16).map_err(|_| WRONG)?;
        Ok(Self { start: Wall(start as i64), serial })
    }
}

/// One tracked thing on one camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique on this device.
    pub id: EventId,
    /// Where it was seen.
    pub camera: CameraId,
    /// Class name, e.g. `person`.
    pub label: String,
    /// Best confidence so far, 0..1.
    pub score: f32,
    /// The box at the best confidence.
    pub bbox: BBox,
    /// The tracker's number.
    pub track: u32,
    /// Last sight; `None` while it is still in the picture.
    pub end: Option<Wall>,
    /// Ids of the rules that fired on it.
    pub rules: Vec<String>,
    /// SHA-256 of the model file that said so, hexadecimal.
    pub model: String,
    /// When it was found, if that was in a recording: nobody was told, no rule looked at it. Kept beside the event, not in it.
    #[serde(skip)]
    pub found: Option<Wall>,
}

impl Event {
    /// The same event with all its times moved by `micros`.
    pub fn moved(mut self, micros: i64) -> Self {
        self.id.start = self.id.start.plus_micros(micros);
        self.end = self.end.map(|end| end.plus_micros(micros));
        self
    }
}

/// Why footage is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// The camera refused or broke the connection.
    Disconnected,
    /// The camera went silent.
    Stalled,
    /// The camera refused the password.
    AuthFailed,
    /// The camera sent what is not video.
    Garbage,
    /// The recorder was stopped on purpose.
    Stopped,
    /// The recorder was killed or the power failed.
    PowerCut,
    /// The disk was too slow or failed.
    Storage,
    /// Nothing happened, and the mode is to record only then.
    Quiet,
    /// The footage was on the card and is not any more, or it is damaged.
    Lost,
}

impl GapCause {
    /// What a person reads.
    pub fn words(self) -> &'static str {
        match self {
            Self::Disconnected => "the camera could not be reached",
            Self::Stalled => "the camera went silent",
            Self::AuthFailed => "the camera refused the password",
            Self::Garbage => "the camera sent what is not video",
            Self::Stopped => "the recorder was stopped",
            Self::PowerCut => "power cut or crash of the recorder",
            Self::Storage => "the storage was too slow or failed",
            Self::Quiet => "nothing happened, and only events or motion are recorded",
            Self::Lost => "the footage was removed from the card or is damaged",
        }
    }
}

/// A span of one stream with no footage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The camera.
    pub camera: CameraId,
    /// The stream.
    pub stream: StreamKind,
    /// Last recorded moment before it.
    pub from: Wall,
    /// First recorded moment after it; `None` while it lasts.
    pub to: Option<Wall>,
    /// Why.
    pub cause: GapCause,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let id = EventId { start: Wall(1_795_000_000_123_456), serial: 7 };
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        assert!(id.to_string() < EventId { start: Wall(id.start.0 + 1), serial: 0 }.to_string());
        assert!("zz".parse::<EventId>().is_err());
    }
}
