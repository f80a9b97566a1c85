//! Updates through the page: for administrators alone, passed on as they are, audited; and the socket for programs of the board.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post, put};
use common::{Bench, ask, with_token};
use nightjar_api::{Role, TlsMode};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};

/// What speaks at the agent's socket here says what it heard.
fn agent(bench: &Bench) {
    let listener = UnixListener::bind(bench.folder.path().join("agent.sock")).unwrap();
    let heard = |headers: HeaderMap, body: Bytes| async move {
        let len = headers.get("content-length").map(|l| l.to_str().unwrap().to_owned());
        (StatusCode::ACCEPTED, axum::Json(json!({ "action": "page-1", "bytes": body.len(), "length": len })))
    };
    let busy = || async { (StatusCode::CONFLICT, axum::Json(json!({ "error": "no update goes on" }))) };
    let routes = Router::new()
        .route("/v1/status", get(|| async { axum::Json(json!({ "step": "idle" })) }))
        .route("/v1/install", post(heard))
        .route("/v1/bundle", put(heard))
        .route("/v1/cancel", post(busy))
        .layer(DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

#[tokio::test]
async fn an_administrator_reaches_the_agent_and_the_audit_knows() {
    let bench = Bench::start(TlsMode::Off).await;
    agent(&bench);
    let admin = |method, path, body| with_token(&bench, Role::Admin, method, path, body);
    let status = admin("GET", "/api/v1/update/status", json!(null)).await;
    assert_eq!((status.status.as_u16(), status.json()), (200, json!({ "step": "idle" })));
    let form = json!({ "url": "https://ada:secret@updates.example/x.raucb?token=secret" });
    let begun = admin("POST", "/api/v1/update/install", form).await;
    assert_eq!((begun.status.as_u16(), begun.json()["action"].clone()), (202, json!("page-1")));
    let refused = admin("POST", "/api/v1/update/cancel", json!(null)).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].clone()), (409, json!("no update goes on")));

    // larger than any other body may be
    let bundle = "x".repeat(300_000);
    let bearer = format!("Bearer {}", bench.token(Role::Admin));
    let sent = bench.ask("PUT", "/api/v1/update/bundle", &[("authorization", &bearer)], &bundle).await;
    assert_eq!(sent.json(), json!({ "action": "page-1", "bytes": 300_000, "length": "300000" }));

    let said: Vec<String> = bench.audit.newest(10).into_iter().map(|line| line.what).collect();
    assert_eq!(
        said,
        [
            "sends an update of 300000 bytes: begun",
            "cancels the update: refused: no update goes on",
            "asks for an update from updates.example: begun",
        ]
    );
}

#[tokio::test]
async fn nobody_else_does_and_a_board_without_an_agent_says_so() {
    let bench = Bench::start(TlsMode::Off).await;
    let none = with_token(&bench, Role::Admin, "GET", "/api/v1/update/status", json!(null)).await;
    assert_eq!(none.status, 503);
    assert!(none.text().contains("start nightjar-ota.service"), "{}", none.text());
    agent(&bench);
    for (method, path) in [("GET", "status"), ("POST", "install"), ("PUT", "bundle"), ("POST", "reboot")] {
        let path = format!("/api/v1/update/{path}");
        let answer = with_token(&bench, Role::Operator, method, &path, json!({})).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
}

#[tokio::test]
async fn programs_of_the_board_ask_without_a_login_how_it_is() {
    let bench = Bench::start(TlsMode::Off).await;
    let board = bench.folder.path().join("board.sock");
    let get = async |path: &str| {
        ask(UnixStream::connect(&board).await.unwrap(), "localhost", "GET", path, &[], "").await
    };
    let report = get("/gate").await.json();
    assert_eq!(report["cameras"][0]["recording"], true);
    assert_eq!(report["page"], format!("http://{}/", bench.addr));
    assert_eq!(get("/gate?since_ms=5000").await.json()["cameras"][0]["missing_ms"], 5_000);
    assert_eq!(get("/gate?since=5000").await.status, 400);
    assert_eq!(get("/api/v1/cameras").await.status, 404, "the web is not there");
    let mode = std::fs::metadata(&board).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o660);
}
