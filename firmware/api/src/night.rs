//! The night shift's queue → JSON; asking for a range and dropping one, audited with who did it.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use nightjar_types::Wall;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// All of `/api/v1/night`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NightView {
    /// `off`, `idle`, `working`, or what it waits for: `storage`, `eye`, `motion`, `load`, `heat`.
    pub state: &'static str,
    /// The state, and how much longer it may take, in words.
    pub words: String,
    /// Seconds of work left at the pace so far; `None`: not known yet.
    pub left_s: Option<u64>,
    /// What is and will be looked at, in order.
    pub jobs: Vec<JobView>,
}

/// One range that is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// Its number.
    pub id: u32,
    /// Camera id.
    pub camera: String,
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last.
    pub to_ms: i64,
    /// Everything before was looked at.
    pub done_ms: i64,
    /// Only things of this class.
    pub label: Option<String>,
    /// `asked`, `unwatched`, `enabled`.
    pub reason: &'static str,
    /// Who asked.
    pub by: String,
    /// Events found so far.
    pub found: u32,
}

/// A range that is to be looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NightForm {
    /// Camera id.
    pub camera: String,
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last.
    pub to_ms: i64,
    /// Only things of this class.
    #[serde(default)]
    pub label: Option<String>,
}

type Shared = State<Arc<App>>;

pub(crate) async fn night(State(app): Shared) -> Json<NightView> {
    Json(app.desk.night())
}

pub(crate) async fn ask(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<NightForm>,
) -> Result<Response, ApiError> {
    let who = who.to_string();
    let words = sentence(&form.camera, form.from_ms, form.to_ms, form.label.as_deref());
    let job = within("the night shift", app.desk.look_again(form, &who)).await;
    match &job {
        Ok(job) => app.audit.record(&who, &format!("asked to look again at {words}: job {}", job.id)),
        Err(error) => app.audit.record(&who, &format!("could not ask to look again at {words}: {error}")),
    }
    Ok((StatusCode::CREATED, Json(job?)).into_response())
}

pub(crate) async fn drop_job(
    State(app): Shared,
    Path(id): Path<String>,
    Extension(who): Extension<Who>,
) -> Result<Json<JobView>, ApiError> {
    let wrong =
        |_| ApiError::BadRequest(format!("\"{id}\" is no job's number; GET /api/v1/night lists them"));
    let (id, who) = (id.parse().map_err(wrong)?, who.to_string());
    let job = within("the night shift", app.desk.drop_job(id)).await;
    match &job {
        Ok(j) => {
            let words = sentence(&j.camera, j.from_ms, j.to_ms, j.label.as_deref());
            app.audit.record(&who, &format!("dropped job {id} to look again at {words}"));
        }
        Err(error) => app.audit.record(&who, &format!("could not drop job {id}: {error}")),
    }
    job.map(Json)
}

/// `front from … to …, only person`.
fn sentence(camera: &str, from_ms: i64, to_ms: i64, label: Option<&str>) -> String {
    let only = label.map_or(String::new(), |label| format!(", only {label}"));
    format!("{camera} from {} to {}{only}", Wall::from_ms(from_ms), Wall::from_ms(to_ms))
}
