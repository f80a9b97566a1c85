//! The command line's questions → the agent's socket.

use crate::http::{self, Answer};
use crate::state::from_json;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request};
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// Bytes that are read from a bundle at a time.
const CHUNK: usize = 256 * 1024;
/// For a whole bundle from a slow stick onto a slow card.
const SEND_WITHIN: Duration = Duration::from_secs(3_600);
/// Between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// RAUC may look at a bundle for so long.
const LOOKED_AT_WITHIN: Duration = Duration::from_secs(180);

/// Asks; what the agent refuses is the error, in its words.
pub async fn ask(socket: &Path, method: Method, path: &str, json: Option<String>) -> Result<Value, String> {
    let answer = http::ask(socket, method, path, json).await;
    understood(answer.map_err(|why| {
        format!("the update agent does not answer: {why}; is nightjar-ota.service running?")
    })?)
}

fn understood(answer: Answer) -> Result<Value, String> {
    let value: Value = from_json(&answer.body)?;
    match answer.status {
        200..300 => Ok(value),
        status => Err(value["error"].as_str().map_or_else(|| format!("status {status}"), str::to_owned)),
    }
}

/// Sends a file; gives the update's action.
pub async fn send(socket: &Path, file: &Path, origin: &str) -> Result<String, String> {
    let fault = |e: io::Error| format!("{}: {e}", file.display());
    let opened = tokio::fs::File::open(file).await.map_err(fault)?;
    let meta = opened.metadata().await.map_err(fault)?;
    if !meta.is_file() {
        return Err(format!("{} is no file", file.display()));
    }
    let chunks = futures_util::stream::try_unfold(opened, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let n = file.read(&mut chunk).await?;
        chunk.truncate(n);
        Ok::<_, io::Error>((n > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
    });
    let request = Request::builder()
        .method(Method::PUT)
        .uri(format!("/v1/bundle?origin={origin}"))
        .header("host", "localhost")
        .header("content-length", meta.len())
        .body(StreamBody::new(Box::pin(chunks)));
    let stream = UnixStream::connect(socket).await;
    let stream =
        stream.map_err(|e| format!("the update agent does not answer: {}: {e}", socket.display()))?;
    let sent = timeout(SEND_WITHIN, http::talk(stream, request)).await;
    let answer = sent.map_err(|_| format!("it could not be sent within {} s", SEND_WITHIN.as_secs()))?;
    action_of(&understood(answer?)?)
}

/// The action in an answer to a wish.
pub fn action_of(answer: &Value) -> Result<String, String> {
    answer["action"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("the answer names no action: {answer}"))
}

/// Waits until a bundle was looked at. The inner error says why it is not installed.
pub async fn until_taken(socket: &Path, action: &str) -> Result<Result<String, String>, String> {
    let looked_at = async {
        loop {
            let status = ask(socket, Method::GET, "/v1/status", None).await?;
            if let Some(entry) = over(&status, action) {
                return Ok(entry);
            }
            if status["action"] == *action && status["step"] != "checking" {
                return Ok(Ok(status["words"].as_str().unwrap_or_default().to_owned()));
            }
            if status["action"] != *action {
                return Ok(Err("it was cancelled".into()));
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(LOOKED_AT_WITHIN, looked_at)
        .await
        .unwrap_or_else(|_| Err("RAUC did not look at it in time".into()))
}

/// Follows an update to its end or the board's; `show` gets each new state of it.
pub async fn follow(socket: &Path, action: &str, mut show: impl FnMut(&str)) -> Result<String, String> {
    let mut shown = String::new();
    loop {
        let status = ask(socket, Method::GET, "/v1/status", None).await?;
        if let Some(done) = over(&status, action) {
            return done;
        }
        let words = status["words"].as_str().unwrap_or_default();
        let percent = status["progress"]["percent"].as_i64().map(|p| format!(" ({p} %)")).unwrap_or_default();
        let line = format!("{words}{percent}");
        if line != shown {
            show(&line);
            shown = line;
        }
        if status["step"] == "installed" && status["can_cancel"] == true {
            return Ok(words.to_owned());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What became of it, when it is over.
fn over(status: &Value, action: &str) -> Option<Result<String, String>> {
    let last = status.get("last").filter(|last| last["action"] == *action)?;
    let reason = last["reason"].as_str().unwrap_or_default().to_owned();
    Some(if last["result"] == "kept" { Ok(reason) } else { Err(reason) })
}
