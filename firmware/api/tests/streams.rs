//! Live over WebSocket, updates over SSE, TLS and the redirect to it: connections that stay open.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use axum::body::Bytes;
use common::{Answer, Bench, ask, send};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use nightjar_api::{LiveMessage, Role, TlsMode};
use nightjar_types::status::{Notice, Update};
use nightjar_types::{StreamKind, Wall};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

async fn open(bench: &Bench, path: &str) -> Result<WebSocketStream<TcpStream>, u16> {
    let mut request = format!("ws://{}{path}", bench.addr).into_client_request().unwrap();
    let bearer = format!("Bearer {}", bench.token(Role::Viewer));
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let stream = TcpStream::connect(bench.addr).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

async fn text(socket: &mut WebSocketStream<TcpStream>) -> Value {
    serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn live_sends_what_the_feed_says_in_order() {
    let mut bench = Bench::start(TlsMode::Auto).await;
    let mut socket = open(&bench, "/api/v1/cameras/front/live/sub").await.unwrap();
    let (camera, stream, feed) = bench.feeds.recv().await.unwrap();
    assert_eq!((camera.as_str(), stream), ("front", StreamKind::Sub));
    let mime = "video/mp4; codecs=\"avc1.64001f\"".to_owned();
    let bytes = Bytes::from_static(b"ftypmoov");
    feed.send(LiveMessage::Init { mime, width: 640, height: 360, origin: Wall(5_000_000), bytes })
        .await
        .unwrap();
    feed.send(LiveMessage::Fragment(Bytes::from(vec![7; 300_000]))).await.unwrap();
    feed.send(LiveMessage::Skipped { units: 12 }).await.unwrap();
    feed.send(LiveMessage::Ended { error: "the camera went silent".into() }).await.unwrap();
    let init = json!({
        "type": "init", "mime": "video/mp4; codecs=\"avc1.64001f\"", "width": 640, "height": 360, "origin_ms": 5_000
    });
    assert_eq!(text(&mut socket).await, init);
    assert_eq!(next(&mut socket).await, Message::Binary(Bytes::from_static(b"ftypmoov")));
    assert_eq!(next(&mut socket).await.into_data().len(), 300_000);
    assert_eq!(text(&mut socket).await, json!({ "type": "skipped", "units": 12 }));
    assert_eq!(text(&mut socket).await, json!({ "type": "ended", "error": "the camera went silent" }));
    assert!(matches!(next(&mut socket).await, Message::Close(_)));
    feed.closed().await;
}

#[tokio::test]
async fn live_takes_main_where_there_is_no_sub_and_ends_with_the_viewer() {
    let mut bench = Bench::start(TlsMode::Auto).await;
    let mut socket = open(&bench, "/api/v1/cameras/yard/live/sub").await.unwrap();
    let (_, stream, feed) = bench.feeds.recv().await.unwrap();
    assert_eq!(stream, StreamKind::Main);
    socket.close(None).await.unwrap();
    feed.closed().await;
    let mut socket = open(&bench, "/api/v1/cameras/yard/live/main").await.unwrap();
    let (_, _, feed) = bench.feeds.recv().await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(text(&mut socket).await["type"], "ended");
    feed.closed().await;
    assert_eq!(open(&bench, "/api/v1/cameras/nobody/live/main").await.err(), Some(404));
}

#[tokio::test]
async fn there_are_sixteen_places_for_viewers() {
    let bench = Bench::start(TlsMode::Auto).await;
    let mut sockets = Vec::new();
    for _ in 0..16 {
        sockets.push(open(&bench, "/api/v1/cameras/front/live/main").await.unwrap());
    }
    assert_eq!(open(&bench, "/api/v1/cameras/front/live/main").await.err(), Some(503));
    drop(sockets.pop());
    assert!(open(&bench, "/api/v1/cameras/front/live/main").await.is_ok());
}

#[tokio::test]
async fn stopping_tells_the_viewers() {
    let mut bench = Bench::start(TlsMode::Auto).await;
    let mut socket = open(&bench, "/api/v1/cameras/front/live/main").await.unwrap();
    let (_, _, _feed) = bench.feeds.recv().await.unwrap();
    let told = tokio::spawn(async move { text(&mut socket).await });
    bench.stop().await;
    assert_eq!(told.await.unwrap(), json!({ "type": "ended", "error": "the recorder is stopping" }));
}

struct Sse {
    body: hyper::body::Incoming,
    text: String,
}

impl Sse {
    async fn open(bench: &Bench) -> Self {
        let stream = TcpStream::connect(bench.addr).await.unwrap();
        let bearer = format!("Bearer {}", bench.token(Role::Viewer));
        let headers = [("authorization", bearer.as_str())];
        let answer = send(stream, "x", "GET", "/api/v1/updates", &headers, "").await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next (event, data).
    async fn next(&mut self) -> (String, Value) {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return (event.to_owned(), serde_json::from_str(data).unwrap());
                }
            }
            let frame = self.body.frame().await.unwrap().unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }
}

fn notice(n: i64) -> Update {
    let (event, camera, input, rule) = (None, None, None, None);
    Update::Notice(Notice { at_ms: n, text: "a\nb".into(), event, camera, input, rule })
}

/// What a reader is told first: how everything is.
const GREETING: [&str; 7] =
    ["camera front", "camera yard", "output siren", "output gate", "input door", "arm -", "health -"];

#[tokio::test]
async fn updates_begin_with_the_state_and_go_on_with_changes() {
    let bench = Bench::start(TlsMode::Auto).await;
    let mut sse = Sse::open(&bench).await;
    let mut events = Vec::new();
    for _ in 0..GREETING.len() {
        let (event, data) = sse.next().await;
        events.push(format!("{event} {}", data["id"].as_str().unwrap_or("-")));
    }
    assert_eq!(events, GREETING);
    bench.desk.updates.send(notice(1)).unwrap();
    assert_eq!(
        sse.next().await,
        (
            "notice".into(),
            json!({ "at_ms": 1, "text": "a\nb", "event": null, "camera": null, "input": null, "rule": null })
        )
    );
    bench.desk.updates.send(Update::Event(common::MemoryDesk::event(1))).unwrap();
    let (event, data) = sse.next().await;
    assert_eq!((event.as_str(), &data["label"]), ("event", &json!("person")));
}

#[tokio::test]
async fn a_reader_that_lags_is_told_to_fetch_again() {
    let bench = Bench::start(TlsMode::Auto).await;
    let mut sse = Sse::open(&bench).await;
    for _ in GREETING {
        sse.next().await;
    }
    // One runtime thread and no await between: the reader cannot run while nine updates go into room for four.
    for n in 0..9 {
        bench.desk.updates.send(notice(n)).unwrap();
    }
    assert_eq!(sse.next().await, ("resync".into(), json!({ "lost": 5 })));
    assert_eq!(sse.next().await.1["at_ms"], 5);
}

async fn tls(bench: &Bench, name: &'static str) -> Answer {
    let ca = std::fs::read(bench.folder.path().join("tls/ca.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(bench.addr).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let body = json!({ "code": bench.code, "username": "ada", "password": common::PASSWORD }).to_string();
    ask(stream, "nightjar.local", "POST", "/api/v1/setup", &[("content-type", "application/json")], &body)
        .await
}

#[tokio::test]
async fn who_trusts_the_device_ca_trusts_the_server() {
    let bench = Bench::start(TlsMode::On).await;
    let answer = tls(&bench, "nightjar.local").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(tls(&bench, name).await.status, 409);
    }
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_sent_to_https() {
    let bench = Bench::start(TlsMode::On).await;
    for path in ["/", "/api/v1/cameras?x=1"] {
        let stream = TcpStream::connect(bench.addr).await.unwrap();
        let answer = ask(stream, "nightjar.local:8080", "GET", path, &[], "").await;
        assert_eq!(answer.status, 308);
        assert_eq!(answer.header("location"), format!("https://nightjar.local:8080{path}"));
    }
}
