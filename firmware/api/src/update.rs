//! `/api/v1/update/…` of an administrator → the same question at the update agent's socket, audited; its answer as it is.

use crate::app::App;
use crate::asked::MAX_BODY;
use crate::auth::Who;
use crate::error::ApiError;
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Where bundles are sent to.
pub(crate) const BUNDLE: &str = "/api/v1/update/bundle";
/// The agent may take this long; shorter than the gate's deadline.
const ANSWER_WITHIN: Duration = Duration::from_secs(18);
/// For a whole bundle from a slow phone. The agent gives up on its own as soon as nothing comes for a while.
pub(crate) const BUNDLE_WITHIN: Duration = Duration::from_secs(3_600);
/// Bytes of an answer.
const MAX_ANSWER: usize = 1 << 20;

type Shared = State<Arc<App>>;

pub(crate) async fn status(State(app): Shared) -> Result<Response, ApiError> {
    Ok(shown(forward(&app, Method::GET, "/v1/status", Sent::Nothing).await?))
}

pub(crate) async fn history(State(app): Shared) -> Result<Response, ApiError> {
    Ok(shown(forward(&app, Method::GET, "/v1/history", Sent::Nothing).await?))
}

pub(crate) async fn install(
    State(app): Shared,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, ApiError> {
    let body = to_bytes(request.into_body(), MAX_BODY).await;
    let body = body.map_err(|_| ApiError::TooLarge(MAX_BODY))?;
    let what = format!("asks for an update from {}", host(&body));
    let answer = forward(&app, Method::POST, "/v1/install", Sent::Json(body)).await;
    audited(&app, &who, &what, answer)
}

pub(crate) async fn bundle(
    State(app): Shared,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, ApiError> {
    let len = request.headers().get(header::CONTENT_LENGTH).cloned();
    let words = len.as_ref().and_then(|l| l.to_str().ok()).unwrap_or("unknown").to_owned();
    let what = format!("sends an update of {words} bytes");
    let answer = forward(&app, Method::PUT, "/v1/bundle", Sent::Stream(request.into_body(), len)).await;
    audited(&app, &who, &what, answer)
}

pub(crate) async fn cancel(State(app): Shared, Extension(who): Extension<Who>) -> Result<Response, ApiError> {
    let answer = forward(&app, Method::POST, "/v1/cancel", Sent::Nothing).await;
    audited(&app, &who, "cancels the update", answer)
}

pub(crate) async fn reboot(State(app): Shared, Extension(who): Extension<Who>) -> Result<Response, ApiError> {
    let answer = forward(&app, Method::POST, "/v1/reboot", Sent::Nothing).await;
    audited(&app, &who, "starts the new system", answer)
}

/// An address may hold a password or a token; the audit names the host alone.
fn host(body: &[u8]) -> String {
    let form: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let url = form["url"].as_str().and_then(|url| url.parse::<axum::http::Uri>().ok());
    url.and_then(|url| url.host().map(str::to_owned)).unwrap_or_else(|| "an address that is none".into())
}

/// What the agent answered, as it is.
type Answer = (StatusCode, Bytes);

fn shown((status, body): Answer) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

fn audited(app: &App, who: &Who, what: &str, answer: Result<Answer, ApiError>) -> Result<Response, ApiError> {
    let answer = answer.inspect_err(|why| app.audit.record(&who.to_string(), &format!("{what}: {why}")))?;
    let said: serde_json::Value = serde_json::from_slice(&answer.1).unwrap_or_default();
    let outcome = match said["error"].as_str() {
        Some(why) => format!("refused: {why}"),
        None => "begun".into(),
    };
    app.audit.record(&who.to_string(), &format!("{what}: {outcome}"));
    Ok(shown(answer))
}

enum Sent {
    Nothing,
    Json(Bytes),
    Stream(Body, Option<HeaderValue>),
}

async fn forward(app: &App, method: Method, path: &str, sent: Sent) -> Result<Answer, ApiError> {
    let within = if matches!(sent, Sent::Stream(..)) { BUNDLE_WITHIN } else { ANSWER_WITHIN };
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    let request = match sent {
        Sent::Nothing => request.body(Body::empty()),
        Sent::Json(json) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(json)),
        Sent::Stream(body, Some(len)) => request.header(header::CONTENT_LENGTH, len).body(body),
        Sent::Stream(body, None) => request.body(body),
    };
    let request = request.map_err(|e| ApiError::BadRequest(e.to_string()))?;
    timeout(within, ask(app, request)).await.map_err(|_| ApiError::TimedOut("the update agent"))?
}

async fn ask(app: &App, request: Request) -> Result<Answer, ApiError> {
    let stream = UnixStream::connect(&app.update_agent).await.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ApiError::NoAgent(
            "this board has no update agent that runs: start nightjar-ota.service, or update it by hand"
                .into(),
        ),
        _ => ApiError::NoAgent(format!("the update agent does not answer: {e}")),
    })?;
    let broke = |e: &dyn std::fmt::Display| ApiError::NoAgent(format!("the update agent broke off: {e}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| broke(&e))?;
    // it ends with its stream, which ends with the answer
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|e| broke(&e))?;
    let status = answer.status();
    let body = to_bytes(Body::new(answer.into_body()), MAX_ANSWER).await.map_err(|e| broke(&e))?;
    connection.abort();
    Ok((status, body))
}
