//! What went wrong between us and a camera → [`Ended`]: a cause for the gap record, words with the mend, when to try again.

use super::super::{Ended, Retry};
use nightjar_types::GapCause;
use std::time::Duration;
use url::Url;

/// The mend of most of what is no video.
const IS_RTSP: &str = "is this an RTSP address? try it in a player such as VLC";

/// Which camera the words are about: host and port alone, since paths and queries of some makers hold the password.
#[derive(Debug, Clone)]
pub(super) struct Camera {
    name: String,
    /// What must not appear in words.
    private: Vec<String>,
    has_login: bool,
}

impl Camera {
    pub(super) fn new(url: &Url, login: Option<&super::Login>) -> Self {
        let host = url.host_str().unwrap_or("?");
        let path = url[url::Position::BeforePath..].to_string();
        let mut private = vec![url.to_string(), path];
        private.extend(login.map(|login| login.password.reveal().clone()));
        // Replacing one or two letters would only garble the words, and say more than it hides.
        private.retain(|text| text.len() > 2);
        Self { name: format!("{host}:{}", url.port().unwrap_or(554)), private, has_login: login.is_some() }
    }

    fn ended(&self, cause: GapCause, words: String) -> Ended {
        let words = self.private.iter().fold(words, |words, private| words.replace(private.as_str(), "…"));
        let retry = if cause == GapCause::AuthFailed { Retry::Slow } else { Retry::Soon };
        Ended { cause, words: format!("{}: {words}", self.name), retry }
    }

    /// A step of the handshake took too long.
    pub(super) fn silent(&self, step: &str, within: Duration) -> Ended {
        let words = format!(
            "no answer to {step} within {} s: check the camera's address, power and network",
            within.as_secs()
        );
        self.ended(GapCause::Disconnected, words)
    }

    /// No picture came.
    pub(super) fn stalled(&self, within: Duration) -> Ended {
        let words = format!("no picture for {} s: the camera or the network hangs", within.as_secs());
        self.ended(GapCause::Stalled, words)
    }

    /// The camera closed the connection.
    pub(super) fn closed(&self) -> Ended {
        let words = "the camera closed the connection: it restarts, or has too many viewers".to_string();
        self.ended(GapCause::Disconnected, words)
    }

    /// It streams something, but nothing that can be recorded.
    pub(super) fn no_video(&self, encodings: &[String]) -> Ended {
        let words = match encodings {
            [] => format!("the camera offers no video: {IS_RTSP}"),
            _ => format!("the camera sends {}: set it to H.264 or H.265", encodings.join(", ")),
        };
        self.ended(GapCause::Garbage, words)
    }

    /// It sends what is not as it should be.
    pub(super) fn garbage(&self, words: &str) -> Ended {
        self.ended(GapCause::Garbage, words.to_string())
    }

    /// What retina says.
    pub(super) fn failed(&self, error: &retina::Error) -> Ended {
        // An answer with status 2xx whose content makes no sense comes as a response error too.
        match error.status_code() {
            Some(status @ 300..) => self.refused(status),
            _ => self.unanswered(&error.to_string()),
        }
    }

    /// A status of RFC 2326 section 7.1.1.
    fn refused(&self, status: u16) -> Ended {
        let (cause, words) = match status {
            401 | 403 if self.has_login => (
                GapCause::AuthFailed,
                "the camera refused the login: check username and password of this camera".to_string(),
            ),
            401 | 403 => (
                GapCause::AuthFailed,
                "the camera wants a login: set username and password of this camera".to_string(),
            ),
            404 => (
                GapCause::Disconnected,
                "the camera has no stream at this path: check the part of the address after the port"
                    .to_string(),
            ),
            453 | 503 => (
                GapCause::Disconnected,
                "the camera has too many viewers: close one, or use its sub stream".to_string(),
            ),
            461 => (
                GapCause::Disconnected,
                "the camera does not stream over TCP: allow RTP over RTSP in its settings".to_string(),
            ),
            _ => (
                GapCause::Disconnected,
                format!("the camera refused with status {status}: look at its own page or restart it"),
            ),
        };
        self.ended(cause, words)
    }

    /// retina's errors have no kinds in public; these openings of their texts tell them apart (0.4.21, its `error.rs`).
    fn unanswered(&self, text: &str) -> Ended {
        let line = text.lines().next().unwrap_or_default();
        let line: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
        let after = |opening: &str| line.strip_prefix(opening).map(str::to_string);
        if let Some(why) = after("Unable to connect to RTSP server: ") {
            let refused = why.contains("refused");
            let mend = if refused {
                "check its port, and that RTSP is switched on"
            } else {
                "check its address, power and network"
            };
            return self
                .ended(GapCause::Disconnected, format!("the camera can't be reached ({why}): {mend}"));
        }
        if line.starts_with("Error reading from RTSP peer") || line.starts_with("Error writing to RTSP peer")
        {
            return self.closed();
        }
        let why = after("RTSP framing error: ").unwrap_or(line);
        self.ended(GapCause::Garbage, format!("what came is not RTSP ({why}): {IS_RTSP}"))
    }
}
