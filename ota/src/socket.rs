//! A Unix socket → HTTP/1.1 with JSON: status, history, install, upload, cancel, reboot. Whoever may open the socket may do all of
//! it; the recorder, which asks for people, has asked who they are.

use crate::agent::Desk;
use crate::clock;
use crate::config::Config;
use crate::error::OtaError;
use crate::slots::{Origin, Tls};
use crate::state::State;
use crate::status::Wish;
use crate::upload::{self, UploadError};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};

/// Connections at once.
const MAX_CONNECTIONS: usize = 16;
/// For a request's head, and for a body that is no bundle.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a body that is no bundle.
const MAX_BODY: usize = 16 * 1024;

/// What a request needs.
pub struct Socket {
    config: Arc<Config>,
    state: State,
    desk: Desk,
    /// One upload at a time.
    uploading: Mutex<()>,
}

/// Listens; only root and the group of this process may ask.
pub fn listen(path: &Path) -> Result<UnixListener, OtaError> {
    let fault = |source| OtaError::Listen { path: path.into(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(fault)?;
    Ok(listener)
}

impl Socket {
    /// Of an agent.
    pub fn new(config: Arc<Config>, state: State, desk: Desk) -> Arc<Self> {
        Arc::new(Self { config, state, desk, uploading: Mutex::new(()) })
    }

    /// Answers for ever.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                // out of file descriptors: open connections have to end first
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let socket = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let socket = socket.clone();
                    async move { Ok::<_, Infallible>(socket.answer(request).await) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(WITHIN).max_buf_size(64 * 1024);
                let _ = http.serve_connection(TokioIo::new(stream), service).await; // the peer left
                drop(place);
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match (method, path.as_str()) {
            (Method::GET, "/v1/status") => json(StatusCode::OK, &self.desk.status()),
            (Method::GET, "/v1/history") => match self.state.history() {
                Ok(mut entries) => {
                    entries.reverse();
                    json(StatusCode::OK, &History { entries })
                }
                Err(why) => fault(StatusCode::INTERNAL_SERVER_ERROR, &why.to_string()),
            },
            (Method::POST, "/v1/install") => match self.install(request).await {
                Ok(wish) => begun(self.desk.install(wish).await),
                Err(why) => fault(StatusCode::BAD_REQUEST, &why),
            },
            (Method::PUT, "/v1/bundle") => self.bundle(request).await,
            (Method::POST, "/v1/cancel") => said(self.desk.cancel(None).await),
            (Method::POST, "/v1/reboot") => said(self.desk.reboot().await),
            (
                _,
                "/v1/status" | "/v1/history" | "/v1/install" | "/v1/bundle" | "/v1/cancel" | "/v1/reboot",
            ) => fault(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET status and history, POST install, cancel and reboot, PUT bundle",
            ),
            _ => fault(StatusCode::NOT_FOUND, &format!("there is nothing at {path}; see ota/README.md")),
        }
    }

    async fn install(&self, request: Request<Incoming>) -> Result<Wish, String> {
        let origin = origin(&request)?;
        let body = timeout(WITHIN, Limited::new(request.into_body(), MAX_BODY).collect()).await;
        let body = body.map_err(|_| "the body did not come in time".to_string())?;
        let body = body.map_err(|e| format!("the body cannot be read: {e}"))?.to_bytes();
        let form: InstallForm = serde_json::from_slice(&body).map_err(|e| format!("body: {e}"))?;
        if !["https://", "http://"].iter().any(|scheme| form.url.starts_with(scheme)) {
            return Err(format!(
                "body: url \"{}\" is no address that begins with https:// or http://",
                form.url
            ));
        }
        Ok(Wish { action: None, origin, bundle: form.url, headers: Vec::new(), tls: Tls::default() })
    }

    async fn bundle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let origin = match origin(&request) {
            Ok(origin) => origin,
            Err(why) => return fault(StatusCode::BAD_REQUEST, &why),
        };
        let Ok(_one) = self.uploading.try_lock() else {
            return fault(StatusCode::CONFLICT, "another bundle is being sent; wait for it");
        };
        let status = self.desk.status();
        if status.step != "idle" {
            return fault(StatusCode::CONFLICT, &format!("a bundle cannot be taken now: {}", status.words));
        }
        let taken = match length(&request) {
            Some(len) => {
                let Config { uploads, upload_most, upload_pause, .. } = &*self.config;
                let name = format!("upload-{}", clock::since_boot_ms());
                upload::take(request.into_body(), len, *upload_most, *upload_pause, uploads, &name).await
            }
            None => Err(UploadError::NoLength),
        };
        let file = match taken {
            Ok(file) => file,
            Err(why) => return fault(status_of(&why), &why.to_string()),
        };
        let bundle = file.display().to_string();
        let begun = self
            .desk
            .install(Wish { action: None, origin, bundle, headers: Vec::new(), tls: Tls::default() })
            .await;
        if begun.is_err() {
            let _ = std::fs::remove_file(&file); // the next sweep
        }
        self::begun(begun)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstallForm {
    url: String,
}

#[derive(Serialize)]
struct History {
    /// Newest first.
    entries: Vec<crate::slots::Entry>,
}

/// `?origin=usb` or `console`; without one it is the page.
fn origin(request: &Request<Incoming>) -> Result<Origin, String> {
    match request.uri().query() {
        None => Ok(Origin::Page),
        Some("origin=usb") => Ok(Origin::Usb),
        Some("origin=console") => Ok(Origin::Console),
        Some(other) => Err(format!("\"?{other}\" is not known; ?origin=usb and ?origin=console are")),
    }
}

fn length(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn status_of(error: &UploadError) -> StatusCode {
    match error {
        UploadError::NoLength => StatusCode::LENGTH_REQUIRED,
        UploadError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        UploadError::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
        UploadError::Short { .. } => StatusCode::BAD_REQUEST,
        UploadError::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
        UploadError::Disk { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn begun(done: Result<String, String>) -> Response<Full<Bytes>> {
    match done {
        Ok(action) => json(StatusCode::ACCEPTED, &serde_json::json!({ "action": action })),
        Err(why) => fault(StatusCode::CONFLICT, &why),
    }
}

fn said(done: Result<String, String>) -> Response<Full<Bytes>> {
    match done {
        Ok(words) => json(StatusCode::ACCEPTED, &serde_json::json!({ "words": words })),
        Err(why) => fault(StatusCode::CONFLICT, &why),
    }
}

fn fault(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "error": why }))
}

fn json<T: Serialize>(status: StatusCode, what: &T) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(what).expect("plain data becomes JSON");
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
