//! Path and query → what the desk says, as JSON or JPEG. The one command, an output's test, is here too.

use crate::app::{App, within};
use crate::asked::{Asked, Moment, Sent, Stretch, main};
use crate::audit::AuditView;
use crate::auth::Who;
use crate::desk::{DeskError, DeviceKeyView, EventQuery};
use crate::error::ApiError;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use nightjar_types::status::{CameraStatus, Coverage, EventView, Health, OutputStatus, RuleView};
use nightjar_types::{EventId, StreamKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest stretch of one coverage question: a month and a day.
const MAX_COVERAGE_S: i64 = 32 * 86_400;
/// Most events in one answer.
const MAX_EVENTS: usize = 500;

type Shared = State<Arc<App>>;
type Answer<T> = Result<Json<T>, ApiError>;

pub(crate) async fn cameras(State(app): Shared) -> Json<Vec<CameraStatus>> {
    Json(app.desk.cameras())
}

pub(crate) async fn outputs(State(app): Shared) -> Json<Vec<OutputStatus>> {
    Json(app.desk.outputs())
}

pub(crate) async fn rules(State(app): Shared) -> Json<Vec<RuleView>> {
    Json(app.desk.rules())
}

pub(crate) async fn health(State(app): Shared) -> Json<Health> {
    Json(app.desk.health())
}

pub(crate) async fn device_key(State(app): Shared) -> Answer<DeviceKeyView> {
    let none = || ApiError::NotFound("this recorder has no key: its footage is not signed".into());
    app.desk.device_key().map(Json).ok_or_else(none)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedSnapshot {
    stream: Option<StreamKind>,
}

/// The small picture unless asked otherwise: a grid of cameras fetches one each.
pub(crate) async fn camera_snapshot(
    State(app): Shared,
    Path(camera): Path<String>,
    Asked(asked): Asked<AskedSnapshot>,
) -> Result<Response, ApiError> {
    let stream = app.stream_or_main(&camera, asked.stream.unwrap_or(StreamKind::Sub))?;
    within("the picture", app.desk.still(&camera, stream, None)).await.map(jpeg)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedStill {
    #[serde(default = "main")]
    stream: StreamKind,
    at: Option<Moment>,
}

pub(crate) async fn still(
    State(app): Shared,
    Path(camera): Path<String>,
    Asked(asked): Asked<AskedStill>,
) -> Result<Response, ApiError> {
    let at = asked.at.map(|moment| moment.0);
    within("the picture", app.desk.still(&camera, asked.stream, at)).await.map(jpeg)
}

fn jpeg(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response()
}

pub(crate) async fn coverage(
    State(app): Shared,
    Path(camera): Path<String>,
    Asked(asked): Asked<Stretch>,
) -> Answer<Coverage> {
    let (from, to) = asked.range(MAX_COVERAGE_S)?;
    within("the coverage", app.desk.coverage(&camera, asked.stream, from, to)).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedEvents {
    camera: Option<String>,
    label: Option<String>,
    from: Option<Moment>,
    to: Option<Moment>,
    before: Option<String>,
    #[serde(default = "fifty")]
    limit: usize,
}

fn fifty() -> usize {
    50
}

/// One page of events.
#[derive(Serialize)]
pub(crate) struct EventPage {
    events: Vec<EventView>,
    /// `before` of the next page.
    next: Option<String>,
}

pub(crate) async fn events(State(app): Shared, Asked(asked): Asked<AskedEvents>) -> Answer<EventPage> {
    if !(1..=MAX_EVENTS).contains(&asked.limit) {
        return Err(ApiError::BadRequest(format!("query: limit is 1 to {MAX_EVENTS}, not {}", asked.limit)));
    }
    let query = EventQuery {
        // An empty field of a form means no condition.
        camera: asked.camera.filter(|text| !text.is_empty()),
        label: asked.label.filter(|text| !text.is_empty()),
        from: asked.from.map(|moment| moment.0),
        to: asked.to.map(|moment| moment.0),
        before: asked.before.as_deref().map(event_id).transpose()?,
        limit: asked.limit + 1,
    };
    // One more than asked shows whether there is a next page.
    let mut events = within("the events", app.desk.events(query)).await?;
    let more = events.len() > asked.limit;
    events.truncate(asked.limit);
    let next = events.last().filter(|_| more).map(|event| event.id.clone());
    Ok(Json(EventPage { events, next }))
}

pub(crate) async fn event(State(app): Shared, Path(id): Path<String>) -> Answer<EventView> {
    within("the event", app.desk.event(event_id(&id)?)).await.map(Json)
}

pub(crate) async fn event_snapshot(State(app): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    within("the picture", app.desk.event_snapshot(event_id(&id)?)).await.map(jpeg)
}

fn event_id(text: &str) -> Result<EventId, ApiError> {
    text.parse().map_err(|words| ApiError::BadRequest(format!("\"{text}\": {words}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestForm {
    confirm: String,
    ms: u32,
}

pub(crate) async fn test_output(
    State(app): Shared,
    Path(output): Path<String>,
    Extension(who): Extension<Who>,
    Sent(form): Sent<TestForm>,
) -> Result<Response, ApiError> {
    if !app.desk.outputs().iter().any(|known| known.id == output) {
        return Err(DeskError::UnknownOutput(output).into());
    }
    if form.confirm != output {
        return Err(ApiError::BadRequest(format!(
            "confirm is \"{}\"; it has to be \"{output}\"",
            form.confirm
        )));
    }
    if !(100..=5_000).contains(&form.ms) {
        return Err(ApiError::BadRequest(format!("ms is 100 to 5000, not {}", form.ms)));
    }
    let who = who.to_string();
    let moved = within("the output", app.desk.test_output(&output, form.ms, &who)).await;
    match &moved {
        Ok(_) => app.audit.record(&who, &format!("tested output {output} for {} ms", form.ms)),
        Err(error) => app.audit.record(&who, &format!("could not test output {output}: {error}")),
    }
    Ok((StatusCode::ACCEPTED, Json(moved?)).into_response())
}

/// An output goes to its safe level, whatever drives it.
pub(crate) async fn switch_off(
    State(app): Shared,
    Path(output): Path<String>,
    Extension(who): Extension<Who>,
) -> Result<Json<OutputStatus>, ApiError> {
    Ok(Json(within("the output", app.desk.switch_off(&output, &who.to_string())).await?))
}

/// A camera whose pictures ended the eye is looked at again.
pub(crate) async fn release_camera(
    State(app): Shared,
    Path(camera): Path<String>,
    Extension(who): Extension<Who>,
) -> Result<StatusCode, ApiError> {
    let who = who.to_string();
    let released = app.desk.release_camera(&camera);
    match &released {
        Ok(()) => app.audit.record(&who, &format!("let camera {camera} out of the detector's quarantine")),
        Err(DeskError::UnknownCamera(_)) => {}
        Err(error) => app.audit.record(&who, &format!("could not let camera {camera} out: {error}")),
    }
    released?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedAudit {
    #[serde(default = "hundred")]
    limit: usize,
}

fn hundred() -> usize {
    100
}

pub(crate) async fn audit(State(app): Shared, Asked(asked): Asked<AskedAudit>) -> Json<Vec<AuditView>> {
    Json(app.audit.newest(asked.limit))
}

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], crate::OPENAPI).into_response()
}

pub(crate) async fn healthz() -> &'static str {
    "ok"
}
