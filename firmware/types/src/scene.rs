//! What a camera sees as a whole: light, colour, and whether somebody or something keeps it from seeing.

use crate::Mono;
use serde::{Deserialize, Serialize};

/// The class under which rules know every kind of tampering.
pub const TAMPER_CLASS: &str = "tamper";
/// The track number of a stream's tampering in frames, snapshots and events; the tracker never gives it out.
pub const TAMPER_TRACK: u32 = u32::MAX;

/// What keeps a camera from seeing what it used to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tamper {
    /// The known scene is gone and nothing is in its place: a hand, a cloth, paint.
    Covered,
    /// Another scene for good: the camera was turned or moved.
    Moved,
    /// The known scene, but its edges are soft: focus, a dirty lens.
    Blurred,
    /// No picture at all though the stream runs: black, one colour or frozen.
    Lost,
}

impl Tamper {
    /// The label of its events.
    pub fn label(self) -> &'static str {
        match self {
            Self::Covered => "tamper-covered",
            Self::Moved => "tamper-moved",
            Self::Blurred => "tamper-blurred",
            Self::Lost => "tamper-lost",
        }
    }

    /// What a person reads of a camera: `covered`, and what to look at.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Covered => ("covered", "look at the lens"),
            Self::Moved => ("turned or moved", "look whether it still points where it should"),
            Self::Blurred => ("blurred", "clean the lens or focus it"),
            Self::Lost => (
                "sending a black, one-coloured or frozen picture",
                "switch it off and on, then check its cable",
            ),
        }
    }
}

/// A stream's scene, told when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SceneState {
    /// What keeps it from seeing, and since when.
    pub tamper: Option<(Tamper, Mono)>,
    /// No colour: the camera's night mode.
    pub is_grey: bool,
    /// Hardly any light.
    pub is_dark: bool,
    /// Mean luma when this was told, 0..=255.
    pub level: u8,
}
