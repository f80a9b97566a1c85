//! The rules as text → JSON; trying a draft on what happened, and putting one in force, audited with who did it.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use nightjar_types::config::Sight;
use nightjar_types::status::RuleView;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest stretch that rules are tried on, hours: what a person looks through on a phone.
const MAX_HOURS: u32 = 7 * 24;

/// The rules in force, as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RulesText {
    /// `[[rule]]` tables in TOML.
    pub text: String,
    /// They were written here, and stand in place of those in the configuration.
    pub is_own: bool,
}

/// What somebody wants in place of a part of the configuration. `None` in it: what the configuration says again.
#[derive(Debug, Clone, PartialEq)]
pub enum Draft {
    /// `[[rule]]` tables in TOML.
    Rules(Option<String>),
    /// What counts in a camera's picture.
    Sight {
        /// The camera.
        camera: String,
        /// Its masks, lines, zones, classes and limits.
        sight: Option<Sight>,
    },
}

/// What the rules are under a draft, and would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    /// The rules, in sentences; none of them has fired.
    pub rules: Vec<RuleView>,
    /// Every move that was or would have been, in the order of time; the newest when there are too many.
    pub moves: Vec<MoveView>,
    /// From when on it is known what was seen and heard, ms since 1970 UTC. `None`: nothing is.
    pub since_ms: Option<i64>,
    /// Moves that are left out of `moves`.
    pub left_out: usize,
}

/// One move of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveView {
    /// When, ms since 1970 UTC.
    pub at_ms: i64,
    /// Output id.
    pub output: String,
    /// To this.
    pub on: bool,
    /// `same`: it was and would be again; `new`: it would be; `gone`: it was and would not be.
    pub fate: &'static str,
    /// Why.
    pub cause: String,
}

/// Rules to try.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TryForm {
    text: String,
    hours: u32,
}

/// Rules to put in force. `None`: those of the configuration again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveForm {
    text: Option<String>,
}

type Shared = State<Arc<App>>;

pub(crate) async fn text(State(app): Shared) -> Result<Json<RulesText>, ApiError> {
    Ok(Json(within("the rules", app.desk.rules_text()).await?))
}

pub(crate) async fn rehearse(
    State(app): Shared,
    Sent(form): Sent<TryForm>,
) -> Result<Json<Rehearsal>, ApiError> {
    attempt(&app, Draft::Rules(Some(form.text)), form.hours).await
}

/// Answers before the recorder starts again with them.
pub(crate) async fn save(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<SaveForm>,
) -> Result<StatusCode, ApiError> {
    let what = if form.text.is_some() { "other rules" } else { "the rules of the configuration" };
    put_in_force(&app, &who, what, Draft::Rules(form.text)).await
}

/// Runs a draft over the last hours.
pub(crate) async fn attempt(app: &App, draft: Draft, hours: u32) -> Result<Json<Rehearsal>, ApiError> {
    if !(1..=MAX_HOURS).contains(&hours) {
        return Err(ApiError::BadRequest(format!("body: hours is 1 to {MAX_HOURS}, not {hours}")));
    }
    Ok(Json(within("the rehearsal", app.desk.rehearse(draft, hours)).await?))
}

/// Saves a draft on behalf of `who`; `what` says in the audit what it is.
pub(crate) async fn put_in_force(
    app: &App,
    who: &Who,
    what: &str,
    draft: Draft,
) -> Result<StatusCode, ApiError> {
    let (who, saved) = (who.to_string(), within("the saving", app.desk.save(draft)).await);
    match &saved {
        Ok(()) => {
            app.audit.record(&who, &format!("put {what} in force; the recorder starts again with them"))
        }
        Err(error) => app.audit.record(&who, &format!("could not put {what} in force: {error}")),
    }
    saved.map(|()| StatusCode::ACCEPTED)
}
