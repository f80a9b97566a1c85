//! What counts in a camera's picture (masks, lines, zones, classes, limits) → JSON; trying and saving another, as with rules.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use crate::rules::{Draft, Rehearsal, attempt, put_in_force};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use nightjar_types::config::Sight;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What counts in a camera's picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SightView {
    /// As it is written.
    pub sight: Sight,
    /// It was saved here, and stands in place of what the configuration says.
    pub is_own: bool,
}

/// One to try.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TryForm {
    sight: Sight,
    hours: u32,
}

/// One to put in force. `None`: what the configuration says again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveForm {
    sight: Option<Sight>,
}

type Shared = State<Arc<App>>;

pub(crate) async fn sight(
    State(app): Shared,
    Path(camera): Path<String>,
) -> Result<Json<SightView>, ApiError> {
    Ok(Json(within("the camera's zones and limits", app.desk.sight(&camera)).await?))
}

pub(crate) async fn rehearse(
    State(app): Shared,
    Path(camera): Path<String>,
    Sent(form): Sent<TryForm>,
) -> Result<Json<Rehearsal>, ApiError> {
    attempt(&app, Draft::Sight { camera, sight: Some(form.sight) }, form.hours).await
}

/// Answers before the recorder starts again with it.
pub(crate) async fn save(
    State(app): Shared,
    Path(camera): Path<String>,
    Extension(who): Extension<Who>,
    Sent(form): Sent<SaveForm>,
) -> Result<StatusCode, ApiError> {
    let what = match form.sight {
        Some(_) => format!("other zones and limits of camera {camera}"),
        None => format!("the configuration's zones and limits of camera {camera}"),
    };
    put_in_force(&app, &who, &what, Draft::Sight { camera, sight: form.sight }).await
}
