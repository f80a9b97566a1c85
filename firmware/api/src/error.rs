//! What can go wrong: [`OpenError`] stops the start, `ApiError` becomes a status and `{"error": words}`.

use crate::desk::DeskError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the web cannot start. The daemon prints it and stops.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another program listens there.
    #[error("web: {addr} is already in use: another program listens there; set [web] listen to a free port")]
    PortInUse {
        /// The address.
        addr: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("web: cannot listen on {addr}: {source}; set [web] listen to an address of this device")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the state folder cannot be read or written.
    #[error("web: cannot {doing} {}: {source}; make the state folder writable for the recorder", path.display())]
    State {
        /// `read`, `write`, …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the state folder does not say what it should.
    #[error("web: {} is damaged: {why}; {mend}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        mend: &'static str,
    },
    /// The key for tokens is not there yet.
    #[error("web: {} does not exist yet; start the recorder once, it makes the key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("web: no random bytes from the system: {0}")]
    Random(String),
    /// A certificate cannot be made or loaded.
    #[error("web: tls: {0}; remove the folder tls in the state folder to have it made again")]
    Tls(String),
    /// A lifetime that makes no sense.
    #[error("a token lives from 1 second to 10 years, not {0} seconds")]
    Lifetime(u64),
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No or no good login: 401.
    #[error("{why}")]
    NotLoggedIn {
        /// In words.
        why: &'static str,
        /// There is no admin yet.
        setup_needed: bool,
    },
    /// Logged in, not allowed: 403.
    #[error("{0}")]
    Forbidden(String),
    /// The request is wrong: 400.
    #[error("{0}")]
    BadRequest(String),
    /// A body that is not JSON: 415.
    #[error("send the body as Content-Type: application/json")]
    NotJson,
    /// A body over the limit: 413.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// No such thing: 404.
    #[error("{0}")]
    NotFound(String),
    /// Not in this state: 409.
    #[error("{0}")]
    Conflict(String),
    /// Too many tries: 429 with `Retry-After`.
    #[error("too many tries; wait {0} s and try again")]
    TooMany(u64),
    /// All places are taken: 503.
    #[error("{0}")]
    Full(String),
    /// It took too long: 504.
    #[error("{0} took too long; try again")]
    TimedOut(&'static str),
    /// Nobody updates this board: 503.
    #[error("{0}")]
    NoAgent(String),
    /// The state folder does not take it: 500.
    #[error("the recorder cannot store this: {0}")]
    State(String),
    /// The daemon says no.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl ApiError {
    /// The one place where an error becomes a status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotLoggedIn { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full(_) | Self::NoAgent(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::State(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Desk(error) => match error {
                DeskError::UnknownCamera(_)
                | DeskError::UnknownOutput(_)
                | DeskError::UnknownAlarm(_)
                | DeskError::UnknownEvent(_)
                | DeskError::UnknownHold(_)
                | DeskError::UnknownJob(_)
                | DeskError::NoFootage { .. }
                | DeskError::NoPicture(_) => StatusCode::NOT_FOUND,
                DeskError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
                DeskError::Busy(_) | DeskError::Conflict(_) => StatusCode::CONFLICT,
                DeskError::Storage(_) | DeskError::NotPermitted(_) => StatusCode::SERVICE_UNAVAILABLE,
                DeskError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = serde_json::json!({ "error": self.to_string() });
        if let Self::NotLoggedIn { setup_needed, .. } = self {
            body["setup_needed"] = setup_needed.into();
        }
        let mut answer = (self.status(), Json(body)).into_response();
        if let Self::TooMany(seconds) = self {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
