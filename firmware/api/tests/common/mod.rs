//! The desk in memory behind a real server on a real socket, and a small HTTP client.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test code; each test file uses another part of it"
)]

mod desk;

pub use desk::MemoryDesk;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use nightjar_api::*;
use nightjar_types::{StreamKind, Wall};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot};

pub const NOW: i64 = 1_795_255_200_000_000;
pub const PASSWORD: &str = "correct horse battery";

/// A running server.
pub struct Bench {
    pub addr: SocketAddr,
    pub desk: Arc<MemoryDesk>,
    pub folder: tempfile::TempDir,
    pub audit: Audit,
    pub code: Option<String>,
    pub feeds: mpsc::UnboundedReceiver<(String, StreamKind, mpsc::Sender<LiveMessage>)>,
    time: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<Result<(), OpenError>>,
}

impl Bench {
    pub async fn start(tls: TlsMode) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), tls).await
    }

    pub async fn start_in(folder: tempfile::TempDir, tls: TlsMode) -> Self {
        Self::start_with(folder, tls, false).await
    }

    pub async fn start_with(folder: tempfile::TempDir, tls: TlsMode, clock_is_sure: bool) -> Self {
        let time = Arc::new(AtomicI64::new(NOW));
        let clock: Clock = {
            let time = Arc::clone(&time);
            Arc::new(move || Wall(time.load(Ordering::Relaxed)))
        };
        let (auth, code) = Auth::open(folder.path(), Arc::clone(&clock)).unwrap();
        let audit = Audit::open(folder.path(), Arc::clone(&clock)).unwrap();
        let (feed_sender, feeds) = mpsc::unbounded_channel();
        let desk = Arc::new(MemoryDesk {
            updates: broadcast::Sender::new(4),
            feeds: feed_sender,
            tested: Mutex::default(),
            armed: Mutex::default(),
            rules: Mutex::default(),
            sight: Mutex::default(),
            footage: (0..300_000u32).map(|n| (n % 251) as u8).collect(),
            events: (0..7).rev().map(MemoryDesk::event).collect(),
            held: Mutex::default(),
            jobs: Mutex::default(),
            clock_is_sure,
        });
        let options = Options {
            device: "porch".into(),
            version: "9.9.9".into(),
            state_dir: folder.path().to_owned(),
            tls,
            names: vec!["nightjar.local".into()],
            ips: vec![],
            update_agent: folder.path().join("agent.sock"),
        };
        let board = bind_board(&folder.path().join("board.sock"));
        let web = Web {
            options,
            desk: Arc::clone(&desk) as Arc<dyn Desk>,
            auth: Arc::new(auth),
            audit: audit.clone(),
            clock,
            board,
        };
        let server = Server::open(bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap(), web).unwrap();
        let addr = server.addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let code = code.map(|code| code.reveal().to_owned());
        Self { addr, desk, folder, audit, code, feeds, time, stop: Some(stop), running }
    }

    pub fn pass(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub fn token(&self, role: Role) -> String {
        let now = Wall(self.time.load(Ordering::Relaxed));
        mint_token(self.folder.path(), role, Duration::from_secs(3_600), "kit", now).unwrap()
    }

    pub async fn stop(mut self) -> tempfile::TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap().unwrap();
        self.folder
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        ask(stream, &self.addr.to_string(), method, path, headers, body).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    /// Sends JSON the way the page does.
    pub async fn post(&self, path: &str, extra: (&str, &str), body: serde_json::Value) -> Answer {
        let origin = format!("http://{}", self.addr);
        let headers = [("content-type", "application/json"), ("origin", &origin), extra];
        self.ask("POST", path, &headers, &body.to_string()).await
    }

    /// Makes the admin; gives the cookie header's value.
    pub async fn set_up(&self) -> String {
        let body = serde_json::json!({ "code": self.code, "username": "ada", "password": PASSWORD });
        let answer = self.post("/api/v1/setup", ("x-none", ""), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.cookie()
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
    pub fn header(&self, name: impl TryInto<HeaderName>) -> &str {
        let name = name.try_into().ok().unwrap();
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

pub async fn send<S>(
    stream: S,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(conn);
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
}

/// A request with a token, as scripts send it.
pub async fn with_token(
    bench: &Bench,
    role: Role,
    method: &str,
    path: &str,
    body: serde_json::Value,
) -> Answer {
    let bearer = format!("Bearer {}", bench.token(role));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    bench.ask(method, path, &headers, &body.to_string()).await
}

pub async fn ask<S>(
    stream: S,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = send(stream, host, method, path, headers, body).await;
    let (head, body) = answer.into_parts();
    Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
}
