//! Setup, login, logout, "who am I" → a session and its cookie.

use crate::app::App;
use crate::asked::Sent;
use crate::auth::{Issued, Role, Who};
use crate::error::ApiError;
use crate::gate::set_cookie;
use crate::serve::Peer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use nightjar_types::Secret;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Answer of setup, login and `GET /api/v1/session`.
#[derive(Debug, Serialize)]
struct Session {
    username: String,
    role: Role,
    device: String,
    version: String,
    now_ms: i64,
}

impl Session {
    fn of(app: &App, who: &Who) -> Json<Self> {
        Json(Self {
            username: who.name.clone(),
            role: who.role,
            device: app.device.clone(),
            version: app.version.clone(),
            now_ms: app.now().as_ms(),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupForm {
    code: Secret<String>,
    username: String,
    password: Secret<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginForm {
    username: String,
    password: Secret<String>,
}

pub(crate) async fn setup(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Sent(form): Sent<SetupForm>,
) -> Result<Response, ApiError> {
    let from = peer.addr.ip();
    let done = app.auth.setup(from, form.code.reveal(), &form.username, form.password.reveal().clone()).await;
    match &done {
        Ok(issued) => {
            app.audit.record(&issued.who.to_string(), &format!("set up the first admin, from {from}"))
        }
        Err(ApiError::Forbidden(_)) => {
            app.audit.record("nobody", &format!("tried a wrong setup code, from {from}"))
        }
        Err(_) => {}
    }
    Ok(enter(&app, StatusCode::CREATED, peer, done?))
}

pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Sent(form): Sent<LoginForm>,
) -> Result<Response, ApiError> {
    let from = peer.addr.ip();
    let done = app.auth.login(from, &form.username, form.password.reveal().clone()).await;
    match &done {
        Ok(issued) => app.audit.record(&issued.who.to_string(), &format!("logged in, from {from}")),
        // The name is not written down: people type passwords into the wrong field.
        Err(ApiError::NotLoggedIn { .. }) => {
            app.audit.record("nobody", &format!("failed to log in, from {from}"));
        }
        Err(_) => {}
    }
    Ok(enter(&app, StatusCode::OK, peer, done?))
}

fn enter(app: &App, status: StatusCode, peer: Peer, issued: Issued) -> Response {
    let cookie = set_cookie(&issued.cookie, peer.tls);
    (status, [(header::SET_COOKIE, cookie)], Session::of(app, &issued.who)).into_response()
}

pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    Extension(who): Extension<Who>,
) -> Result<Response, ApiError> {
    app.auth.logout(&who).await?;
    app.audit.record(&who.to_string(), "logged out");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie("", peer.tls))]).into_response())
}

pub(crate) async fn session(State(app): State<Arc<App>>, Extension(who): Extension<Who>) -> Response {
    Session::of(&app, &who).into_response()
}
