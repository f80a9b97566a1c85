//! A running recorder's console → its address and setup code → what it says of itself over HTTP.

use super::recorder::Recorder;
use crate::clock::Stopwatch;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A recorder answers within this long after its start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its first administrator.
pub(super) struct Admin {
    address: String,
    cookie: String,
}

impl Admin {
    /// Waits for the recorder and sets it up.
    pub(super) fn of(recorder: &Recorder) -> Result<Self> {
        let watch = Stopwatch::start();
        loop {
            let log = std::fs::read_to_string(recorder.log()).unwrap_or_default();
            let after = |key: &str| log.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            if let (Some(address), Some(code)) = (after("open http://"), after("setup code: ")) {
                return Self::set_up(address.trim(), code.trim());
            }
            if watch.elapsed() > PATIENCE {
                bail!("the recorder printed no address and setup code; see {}", recorder.log().display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn set_up(address: &str, code: &str) -> Result<Self> {
        let body = serde_json::json!({"code": code, "username": "bench", "password": "only for this run"});
        let body = body.to_string();
        let request = format!(
            "POST /api/v1/setup HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let (head, _) = ask(address, &request)?;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).context("setup gave no session")?;
        Ok(Self { address: address.to_owned(), cookie: cookie.to_owned() })
    }

    /// `/api/v1/health`.
    pub(super) fn health(&self) -> Result<serde_json::Value> {
        self.get("/api/v1/health")
    }

    pub(super) fn get(&self, path: &str) -> Result<serde_json::Value> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            self.address, self.cookie
        );
        let (_, body) = ask(&self.address, &request)?;
        serde_json::from_str(&body).with_context(|| format!("{path} is no JSON: {body}"))
    }
}

/// Head in lower-case names, and body, of a connection that ends with the answer.
fn ask(address: &str, request: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("nobody answers at {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    if !head.starts_with("HTTP/1.1 2") {
        bail!("the recorder answered: {answer}");
    }
    Ok((head.to_owned(), body.to_owned()))
}
