//! How the alarms do → JSON; testing one, trying a message again, browsers that want messages: audited with who did it.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use nightjar_types::world::{AlarmView, Told};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a browser needs to ask for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushView {
    /// The recorder's public key, URL-safe base64: `applicationServerKey`.
    pub public_key: String,
    /// Browsers that asked.
    pub browsers: u32,
}

/// A browser's `PushSubscription`, as its `toJSON()` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PushForm {
    /// Where its push service takes messages.
    pub endpoint: String,
    /// Its keys.
    pub keys: PushKeys,
}

/// Keys of a browser, URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PushKeys {
    /// Public key, 65 bytes.
    pub p256dh: String,
    /// Secret, 16 bytes.
    pub auth: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoint {
    endpoint: String,
}

type Shared = State<Arc<App>>;

pub(crate) async fn alarms(State(app): Shared) -> Json<Vec<AlarmView>> {
    Json(app.desk.alarms())
}

pub(crate) async fn test(
    State(app): Shared,
    Path(id): Path<String>,
    Extension(who): Extension<Who>,
) -> Result<Json<AlarmView>, ApiError> {
    let who = who.to_string();
    let view = app.desk.test_alarm(&id, &who)?;
    app.audit.record(&who, &format!("tests alarm {id}"));
    Ok(Json(view))
}

pub(crate) async fn again(
    State(app): Shared,
    Path((id, message)): Path<(String, String)>,
    Extension(who): Extension<Who>,
) -> Result<Json<Told>, ApiError> {
    let wrong = |_| {
        ApiError::BadRequest(format!("\"{message}\" is no message's number; GET /api/v1/alarms lists them"))
    };
    let (number, who) = (message.parse().map_err(wrong)?, who.to_string());
    let told = app.desk.tell_again(&id, number)?;
    app.audit.record(&who, &format!("has alarm {id} tell message {number} again"));
    Ok(Json(told))
}

pub(crate) async fn push(State(app): Shared) -> Result<Json<PushView>, ApiError> {
    let off = || ApiError::NotFound("Web Push is off: add [push] with a contact to the configuration".into());
    app.desk.push().map(Json).ok_or_else(off)
}

pub(crate) async fn subscribe(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<PushForm>,
) -> Result<StatusCode, ApiError> {
    let who = who.to_string();
    within("the browser's subscription", app.desk.subscribe(form, &who)).await?;
    app.audit.record(&who, "has messages sent to a browser");
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn unsubscribe(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<Endpoint>,
) -> Result<StatusCode, ApiError> {
    within("the browser's subscription", app.desk.unsubscribe(form.endpoint)).await?;
    app.audit.record(&who.to_string(), "has no more messages sent to a browser");
    Ok(StatusCode::NO_CONTENT)
}
