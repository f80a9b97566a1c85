//! HTTP requests on loopback → status, headers, body. Written for the tests; knows nothing of the daemon's code.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use ureq::{Agent, http};

const DEADLINE: Duration = Duration::from_secs(60);
/// More than any answer here.
const BODY_LIMIT: u64 = 512 << 20;

/// An answer, whatever its status.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP headers.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body when it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header as text, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Panics when the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// How a client proves who it is.
#[derive(Debug, Clone)]
enum Proof {
    Nothing,
    Cookie(String),
    Token(String),
}

/// A client of one daemon.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    base: String,
    proof: Proof,
}

impl Api {
    /// A client without login, e.g. of `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE));
        // No connection is kept: the daemon may be another one at the next request.
        let config = config.max_idle_connections(0).build();
        Self { agent: config.into(), base: base.to_string(), proof: Proof::Nothing }
    }

    /// The same client with an API token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { proof: Proof::Token(token.trim().to_string()), ..self.clone() }
    }

    /// The same client with the session that `answer` set.
    #[track_caller]
    fn with_session(&self, answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").split(';').next().expect("split gives one part");
        assert!(cookie.starts_with("nj_session="), "no session cookie: {:?}", answer.headers);
        Self { proof: Proof::Cookie(cookie.to_string()), ..self.clone() }
    }

    /// Makes the first admin with the one-time setup code.
    #[track_caller]
    pub fn set_up(&self, code: &str, username: &str, password: &str) -> Self {
        let body = serde_json::json!({"code": code, "username": username, "password": password});
        let answer = self.post("/api/v1/setup", &body).expect(201);
        self.with_session(&answer)
    }

    /// Logs in.
    #[track_caller]
    pub fn log_in(&self, username: &str, password: &str) -> Self {
        let body = serde_json::json!({"username": username, "password": password});
        let answer = self.post("/api/v1/login", &body).expect(200);
        self.with_session(&answer)
    }

    /// The secret part of the session cookie, empty without one.
    pub fn session(&self) -> &str {
        match &self.proof {
            Proof::Cookie(cookie) => cookie.trim_start_matches("nj_session="),
            _ => "",
        }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("origin", self.base.clone())];
        match &self.proof {
            Proof::Nothing => {}
            Proof::Cookie(cookie) => headers.push(("cookie", cookie.clone())),
            Proof::Token(token) => headers.push(("authorization", format!("Bearer {token}"))),
        }
        headers
    }

    /// GET; an error when nobody answers.
    pub fn try_get(&self, path: &str, more: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        read(request.call()?)
    }

    /// GET; panics when nobody answers.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path, &[]).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// GET of JSON with status 200.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// GET of bytes `first..=last`.
    #[track_caller]
    pub fn get_range(&self, path: &str, first: usize, last: usize) -> Answer {
        let range = format!("bytes={first}-{last}");
        self.try_get(path, &[("range", &range)]).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// POST of JSON; panics when nobody answers.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        let answer = request.send(body.to_string()).and_then(read);
        answer.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// DELETE; panics when nobody answers.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        let mut request = self.agent.delete(format!("{}{path}", self.base));
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        request.call().and_then(read).unwrap_or_else(|error| panic!("DELETE {path}: {error}"))
    }

    /// The event stream from now on: name and data of each event. Ends with the daemon or the receiver.
    #[track_caller]
    pub fn updates(&self) -> Receiver<(String, Value)> {
        let mut request = self.agent.get(format!("{}/api/v1/updates", self.base));
        for (name, value) in self.headers() {
            request = request.header(name, value);
        }
        // The stream has no end, so only the answer's head has a deadline.
        let request = request.config().timeout_global(None).timeout_recv_response(Some(DEADLINE)).build();
        let answer = request.call().unwrap_or_else(|error| panic!("GET /api/v1/updates: {error}"));
        assert_eq!(answer.status(), 200);
        let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut name = String::new();
            while let Some(Ok(line)) = lines.next() {
                if let Some(word) = line.strip_prefix("event:") {
                    name = word.trim().to_string();
                } else if let Some(data) = line.strip_prefix("data:") {
                    let data = serde_json::from_str(data).unwrap_or(Value::Null);
                    if sender.send((name.clone(), data)).is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }
}

fn read(answer: http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let (head, body) = answer.into_parts();
    let body = body.into_with_config().limit(BODY_LIMIT).read_to_vec()?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}
