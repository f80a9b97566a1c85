//! What went wrong → words that name the server, its answer and the mend, and what the board does next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings cannot be used.
    #[error("fleet {what}: {why}")]
    Setup {
        /// Which setting.
        what: &'static str,
        /// What is wrong, and the mend.
        why: String,
    },
    /// No connection, or it broke.
    #[error("{server} is not reached: {why}")]
    Unreachable {
        /// Scheme, host and port.
        server: String,
        /// What the network or TLS said, and the mend.
        why: String,
    },
    /// A deadline passed.
    #[error("{server} did not answer {asked} within {seconds} s: is it overloaded, or the network bad?")]
    Silent {
        /// Scheme, host and port.
        server: String,
        /// The request.
        asked: String,
        /// The deadline.
        seconds: u64,
    },
    /// An answer other than yes.
    #[error("{server} answers {status} to {asked}{said}: {}", mend(*status))]
    Refused {
        /// Scheme, host and port.
        server: String,
        /// The request.
        asked: String,
        /// HTTP status.
        status: u16,
        /// The beginning of what it said, or nothing.
        said: String,
        /// It wants to be left alone for this long.
        after: Option<Duration>,
    },
    /// An answer that makes no sense.
    #[error(
        "{server} answers {asked} with what cannot be understood: {why}; is it a hawkBit server, and is nothing in between?"
    )]
    Garbled {
        /// Scheme, host and port.
        server: String,
        /// The request.
        asked: String,
        /// Which part of it.
        why: String,
    },
    /// A file that is not what the server said it would be.
    #[error("{file} is not what the fleet server announced: {why}; upload it again there")]
    Artifact {
        /// Its name.
        file: String,
        /// Size or hash.
        why: String,
    },
    /// The board's own disk.
    #[error("{}: {why}; is there room, and may it be written?", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: io::Error,
    },
}

/// What to do after an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Poll again after a pause.
    Retry,
    /// Poll again after a pause; a person has to mend something before it can work.
    Mend,
    /// The server knows nothing of this action any more: forget it.
    Forget,
    /// This artifact will never be right: close the action as failed.
    Fail,
}

impl Error {
    /// What to do now.
    pub fn next(&self) -> Next {
        match self {
            Self::Setup { .. } | Self::Disk { .. } => Next::Mend,
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Garbled { .. } => Next::Retry,
            Self::Refused { status, .. } => match status {
                404 | 410 => Next::Forget,
                408 | 425 | 429 | 500.. => Next::Retry,
                _ => Next::Mend,
            },
            Self::Artifact { .. } => Next::Fail,
        }
    }

    /// The server wants to be left alone for this long.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// Another try may reach further: the way was bad, not the answer.
    pub(crate) fn is_of_the_way(&self) -> bool {
        self.next() == Next::Retry && !matches!(self, Self::Garbled { .. })
    }
}

fn mend(status: u16) -> &'static str {
    match status {
        300..=399 => "a redirect, which is not followed; write the address that it leads to",
        401 => {
            "compare this board's token with the one under Targets, and look whether the server takes such tokens (System Config)"
        }
        403 => "this login may not do that; is the board's id that of its certificate?",
        404 | 410 => "the action is over or was withdrawn there",
        429 => "too many requests from this address; the board waits",
        500.. => "the server is not well; look at its log",
        _ => "do server and board speak the same version of DDI?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Error {
        let (server, asked) = ("https://fleet".to_string(), "GET base".to_string());
        Error::Refused { server, asked, status, said: String::new(), after: None }
    }

    #[test]
    fn an_answer_names_server_status_and_mend_and_what_follows() {
        for (status, word, next) in [
            (401, "token", Next::Mend),
            (410, "withdrawn", Next::Forget),
            (429, "waits", Next::Retry),
            (503, "log", Next::Retry),
            (302, "redirect", Next::Mend),
        ] {
            let words = refused(status).to_string();
            assert!(words.contains("https://fleet") && words.contains(&status.to_string()), "{words}");
            assert!(words.contains(word), "{words}");
            assert_eq!(refused(status).next(), next, "{status}");
        }
    }
}
