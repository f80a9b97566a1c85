//! [`ROUTES`]: every address of the server with the least role it needs → the router. There is no other way to add a route, and
//! the gate of each is made from its row.

use crate::app::App;
use crate::error::ApiError;
use crate::gate::{Gate, gate, outer};
use crate::{
    Role, alarms, arm, hls, live, metrics, night, page, rules, session, sight, sse, storage, update, video,
    views,
};
use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, on};
use std::sync::Arc;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// Everybody, without a login.
    Open,
    /// Who is logged in with at least [`Role::Viewer`].
    Viewer,
    /// At least [`Role::Operator`].
    Operator,
    /// [`Role::Admin`].
    Admin,
}

impl Least {
    /// The role; `None` is everybody.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Open => None,
            Self::Viewer => Some(Role::Viewer),
            Self::Operator => Some(Role::Operator),
            Self::Admin => Some(Role::Admin),
        }
    }

    /// As in `x-least-role` of the OpenAPI file.
    pub fn as_str(self) -> &'static str {
        self.role().map_or("open", Role::as_str)
    }
}

/// One address.
#[derive(Debug)]
pub struct Route {
    /// GET rows answer HEAD too.
    pub method: Method,
    /// With `{name}` for one segment and `{*name}` for the rest, as axum writes it.
    pub path: &'static str,
    /// Who may.
    pub least: Least,
    bind: fn(MethodFilter) -> MethodRouter<Arc<App>>,
}

impl Route {
    /// The path as OpenAPI writes it.
    pub fn openapi_path(&self) -> String {
        self.path.replace("{*", "{")
    }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;
use Least::{Admin, Open, Operator, Viewer};

macro_rules! rows {
    ($($method:ident $path:literal $least:ident $handler:path;)*) => {
        &[$(Route { method: $method, path: $path, least: $least, bind: |filter| on(filter, $handler) }),*]
    };
}

/// Every route of the server.
pub static ROUTES: &[Route] = rows! {
    GET  "/healthz"                              Open     views::healthz;
    GET  "/"                                     Open     page::page;
    GET  "/assets/{*file}"                       Open     page::page;
    GET  "/manifest.webmanifest"                 Open     page::page;
    GET  "/icon.svg"                             Open     page::page;
    GET  "/sw.js"                                Open     page::page;
    POST "/api/v1/setup"                         Open     session::setup;
    POST "/api/v1/login"                         Open     session::login;
    POST "/api/v1/logout"                        Viewer   session::logout;
    GET  "/api/v1/session"                       Viewer   session::session;
    GET  "/api/v1/cameras"                       Viewer   views::cameras;
    GET  "/api/v1/cameras/{id}/snapshot.jpg"     Viewer   views::camera_snapshot;
    GET  "/api/v1/cameras/{id}/live/{stream}"    Viewer   live::live;
    GET  "/api/v1/cameras/{id}/coverage"         Viewer   views::coverage;
    GET  "/api/v1/cameras/{id}/video.mp4"        Viewer   video::video;
    GET  "/api/v1/cameras/{id}/recorded.m3u8"    Viewer   hls::playlist;
    GET  "/api/v1/cameras/{id}/timelapse.mp4"    Viewer   video::timelapse;
    GET  "/api/v1/cameras/{id}/still.jpg"        Viewer   views::still;
    POST "/api/v1/cameras/{id}/eye/release"      Operator views::release_camera;
    GET  "/api/v1/cameras/{id}/sight"            Operator sight::sight;
    POST "/api/v1/cameras/{id}/sight"            Admin    sight::save;
    POST "/api/v1/cameras/{id}/sight/rehearse"   Operator sight::rehearse;
    GET  "/api/v1/events"                        Viewer   views::events;
    GET  "/api/v1/events/{id}"                   Viewer   views::event;
    GET  "/api/v1/events/{id}/snapshot.jpg"      Viewer   views::event_snapshot;
    GET  "/api/v1/outputs"                       Viewer   views::outputs;
    POST "/api/v1/outputs/{id}/test"             Operator views::test_output;
    POST "/api/v1/outputs/{id}/off"              Operator views::switch_off;
    GET  "/api/v1/inputs"                        Viewer   arm::inputs;
    GET  "/api/v1/arm"                           Viewer   arm::arm;
    POST "/api/v1/arm"                           Operator arm::set_armed;
    GET  "/api/v1/alarms"                        Viewer   alarms::alarms;
    POST "/api/v1/alarms/{id}/test"              Operator alarms::test;
    POST "/api/v1/alarms/{id}/messages/{message}/again" Operator alarms::again;
    GET  "/api/v1/push"                          Viewer   alarms::push;
    POST "/api/v1/push"                          Viewer   alarms::subscribe;
    DELETE "/api/v1/push"                        Viewer   alarms::unsubscribe;
    GET  "/api/v1/rules"                         Viewer   views::rules;
    POST "/api/v1/rules"                         Admin    rules::save;
    GET  "/api/v1/rules/text"                    Operator rules::text;
    POST "/api/v1/rules/rehearse"                Operator rules::rehearse;
    GET  "/api/v1/storage"                       Viewer   storage::storage;
    GET  "/api/v1/holds"                         Viewer   storage::holds;
    POST "/api/v1/holds"                         Operator storage::hold;
    DELETE "/api/v1/holds/{id}"                  Operator storage::release;
    GET  "/api/v1/night"                         Viewer   night::night;
    POST "/api/v1/night"                         Operator night::ask;
    DELETE "/api/v1/night/{id}"                  Operator night::drop_job;
    POST "/api/v1/clock"                         Admin    storage::set_clock;
    GET  "/api/v1/audit"                         Admin    views::audit;
    GET  "/api/v1/update/status"                 Admin    update::status;
    GET  "/api/v1/update/history"                Admin    update::history;
    POST "/api/v1/update/install"                Admin    update::install;
    PUT  "/api/v1/update/bundle"                 Admin    update::bundle;
    POST "/api/v1/update/cancel"                 Admin    update::cancel;
    POST "/api/v1/update/reboot"                 Admin    update::reboot;
    GET  "/api/v1/device-key"                    Viewer   views::device_key;
    GET  "/api/v1/health"                        Viewer   views::health;
    GET  "/api/v1/updates"                       Viewer   sse::updates;
    GET  "/api/v1/openapi.json"                  Viewer   views::openapi;
    GET  "/metrics"                              Viewer   metrics::metrics;
};

/// The router, every row behind its gate. What has no row needs a login too, and then is not there.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let behind = |least| from_fn_with_state(Gate { app: Arc::clone(app), least }, gate);
    let mut router = Router::new();
    for route in ROUTES {
        let filter =
            MethodFilter::try_from(route.method.clone()).expect("GET, POST, PUT and DELETE are filters");
        router = router.route(route.path, (route.bind)(filter).layer(behind(route.least)));
    }
    router
        .fallback_service(nowhere.layer(behind(Viewer)).with_state(()))
        .layer(from_fn(outer))
        .with_state(Arc::clone(app))
}

async fn nowhere(request: Request) -> ApiError {
    ApiError::NotFound(format!(
        "there is nothing at {}; GET /api/v1/openapi.json lists what there is",
        request.uri().path()
    ))
}
