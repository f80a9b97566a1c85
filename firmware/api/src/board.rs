//! A Unix socket → `GET /gate` for programs of this board that may open it: how the recorder is, as JSON. No login, no TLS.

use crate::app::{App, within};
use crate::asked::Asked;
use crate::error::ApiError;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use nightjar_types::Wall;
use nightjar_types::gate::GateReport;
use serde::Deserialize;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

/// Listens, for root and this process's group. Without it the recorder records all the same; why there is none is logged.
pub fn bind(path: &Path) -> Option<UnixListener> {
    let bound = || {
        if !path.parent().is_some_and(Path::is_dir) {
            tracing::debug!(path = %path.display(), "there is no folder for the board's socket");
            return Ok(None);
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::other("another recorder answers there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        listener.set_nonblocking(true)?;
        Ok(Some(listener))
    };
    bound().unwrap_or_else(|error| {
        tracing::warn!(%error, path = %path.display(), "programs of this board cannot ask; an update will not be kept. [device] socket");
        None
    })
}

/// What is answered there; `page` is where this board reaches the page.
pub(crate) fn router(app: &Arc<App>, page: String) -> Router {
    Router::new().route("/gate", get(gate)).with_state((Arc::clone(app), page))
}

/// Where this board itself reaches what listens on `addr`.
pub(crate) fn page(scheme: &str, addr: SocketAddr) -> String {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("{scheme}://{}/", SocketAddr::new(ip, addr.port()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    since_ms: Option<i64>,
}

async fn gate(
    State((app, page)): State<(Arc<App>, String)>,
    Asked(query): Asked<Query>,
) -> Result<Json<GateReport>, ApiError> {
    let report = within("the recorder", app.desk.gate(query.since_ms.map(Wall::from_ms))).await?;
    Ok(Json(GateReport { page, ..report }))
}
