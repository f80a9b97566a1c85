//! What can go wrong outside the machine. Each says what its owner does next.

use std::io;
use std::path::PathBuf;

/// Why the agent cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum OtaError {
    /// A file of the state folder cannot be read or written: the agent ends and is started again, with what is on the disk.
    #[error("cannot {doing} {}: {source}; the state partition must be mounted and writable", path.display())]
    State {
        /// `read`, `write`, …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration is not good.
    #[error("{0}")]
    Config(String),
    /// RAUC or the bus does not answer: asked again.
    #[error("RAUC: {0}")]
    Rauc(String),
    /// The socket cannot be made.
    #[error("cannot listen on {}: {source}; its folder must be there (RuntimeDirectory of the unit)", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl From<zbus::Error> for OtaError {
    fn from(error: zbus::Error) -> Self {
        match error {
            // what the other side says is for people; its D-Bus name is not
            zbus::Error::MethodError(_, Some(words), _) => Self::Rauc(words),
            other => Self::Rauc(other.to_string()),
        }
    }
}
