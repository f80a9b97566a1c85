//! Inputs, and whether the device is armed → JSON; arming and disarming it.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use axum::extract::State;
use axum::{Extension, Json};
use nightjar_types::status::{ArmView, InputStatus};
use serde::Deserialize;
use std::sync::Arc;

type Shared = State<Arc<App>>;

pub(crate) async fn inputs(State(app): Shared) -> Json<Vec<InputStatus>> {
    Json(app.desk.inputs())
}

pub(crate) async fn arm(State(app): Shared) -> Json<ArmView> {
    Json(app.desk.arm())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArmForm {
    armed: bool,
}

pub(crate) async fn set_armed(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<ArmForm>,
) -> Result<Json<ArmView>, ApiError> {
    Ok(Json(within("arming", app.desk.set_armed(form.armed, &who.to_string())).await?))
}
