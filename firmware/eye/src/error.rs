//! Why the eye stops, or skips something, in words for the person who reads the log.

use std::path::PathBuf;

/// What failed. The model, the protocol and a detector of somebody else's have their own exit codes; the rest is code 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No card, no file, or a file with another hash: nothing was started.
    #[error(transparent)]
    Card(#[from] nightjar_models::Error),
    /// The model file is nowhere.
    #[error("model file {file}: expected sha256 {expected}, found no such file in {}; run `cargo xtask setup`", list(.places))]
    NoModel {
        /// File name from the card.
        file: String,
        /// The card's hash.
        expected: String,
        /// Folders that were searched.
        places: Vec<PathBuf>,
    },
    /// The model file is there but cannot be read, or is no graph that the runtime takes.
    #[error("model file {}: {why}", .path.display())]
    BadModel {
        /// The file.
        path: PathBuf,
        /// What the system or the runtime said.
        why: String,
    },
    /// What was measured cannot be kept.
    #[error("{}: {why}; what was measured is not remembered", .path.display())]
    Choice {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// No detector runtime has this name.
    #[error("no detector runtime \"{name}\": there is {known}")]
    NoRuntime {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The runtime failed on one picture.
    #[error("model: {0}")]
    Inference(String),
    /// Somebody else's detector failed; the process ends, and both are started again.
    #[error("detector {}: {why}", .program.display())]
    Detector {
        /// Its path.
        program: PathBuf,
        /// What it did, or said.
        why: String,
    },
    /// Pixels or model output do not fit.
    #[error(transparent)]
    Picture(#[from] nightjar_detect::Error),
    /// GStreamer lacks something or refuses.
    #[error("GStreamer: {0}")]
    Gstreamer(String),
    /// A file cannot be decoded.
    #[error("{}: {why}", .path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What GStreamer said.
        why: String,
    },
    /// Coded bytes did not become a picture.
    #[error("{0}")]
    Decode(String),
    /// JPEG encoding failed.
    #[error("JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// A local camera cannot be had, or its address makes no sense.
    #[error("{0}")]
    Camera(String),
    /// Standard input is not the recorder.
    #[error(
        "standard input is not a socket: `nightjar` starts this; people use `nightjar-eye detect` and `nightjar-eye capture ADDRESS`"
    )]
    NotASocket,
    /// The socket broke, or what came is no message.
    #[error("recorder's socket: {0}")]
    Socket(#[from] std::io::Error),
    /// A message does not decode, or is too long.
    #[error("recorder's socket: {0}")]
    Wire(#[from] nightjar_types::eye::WireError),
    /// The recorder is of another version.
    #[error(
        "the recorder speaks protocol {theirs}, this nightjar-eye speaks {ours}: install both from one release"
    )]
    Protocol {
        /// The recorder's.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
}

fn list(places: &[PathBuf]) -> String {
    places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The process's exit code for it: 3 the model, 4 the protocol, 5 another's detector, 1 the rest.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Card(_) | Self::NoModel { .. } | Self::BadModel { .. } | Self::NoRuntime { .. } => 3,
            Self::Protocol { .. } => 4,
            Self::Detector { .. } => 5,
            _ => 1,
        }
    }
}

impl From<gstreamer::glib::BoolError> for Error {
    fn from(e: gstreamer::glib::BoolError) -> Self {
        Self::Gstreamer(e.message.to_string())
    }
}

impl From<gstreamer::StateChangeError> for Error {
    fn from(_: gstreamer::StateChangeError) -> Self {
        Self::Gstreamer("the pipeline does not start".into())
    }
}
