//! The board's page over TLS → what it says of cameras and footage.

use crate::bed::Bed;
use crate::clock;
use crate::curl;
use anyhow::{Context, Result};
use serde_json::Value;

/// Written on the board; tests change it as they need.
pub(crate) const CONFIG: &str = "/etc/nightjar/nightjar.toml";

/// How long an answer may take, s: the board may be gone after it took the question.
const PATIENCE: f64 = 30.0;

/// Makes a token for everything, on the board as its owner would.
pub(crate) fn new_token(bed: &dyn Bed) -> Result<String> {
    let told = bed.run(&format!(
        "setpriv --reuid=nightjar --regid=nightjar --init-groups \
         nightjar token new --config {CONFIG} --role admin --ttl 1d --label board-tests"
    ))?;
    Ok(told.lines().next_back().unwrap_or_default().to_owned())
}

/// A client of the board's API.
pub(crate) struct Page {
    base: String,
    token: String,
    /// By how much the board's clock is ahead of this machine's, ms.
    ahead: i64,
}

impl Page {
    /// Without a token: only the page itself is open.
    pub(crate) fn open(bed: &dyn Bed) -> Self {
        Self { base: bed.page(), token: String::new(), ahead: 0 }
    }

    /// With a token for everything, if the board takes it.
    pub(crate) fn with(bed: &dyn Bed, token: &str) -> Result<Self> {
        let mut page = Self { token: token.to_owned(), ..Self::open(bed) };
        let now = page.json("/api/v1/storage")?["clock"]["now_ms"].clone();
        page.ahead = now.as_i64().with_context(|| format!("the board's clock is {now}"))? - page.now()?;
        Ok(page)
    }

    pub(crate) fn json(&self, path: &str) -> Result<Value> {
        let text = self.curl(PATIENCE, &[], path)?;
        serde_json::from_str(&text).with_context(|| format!("{path} gives no JSON: {text}"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Result<String> {
        self.curl(PATIENCE, &["--header", "Content-Type: application/json", "--data", body], path)
    }

    fn curl(&self, seconds: f64, more: &[&str], path: &str) -> Result<String> {
        let login = format!("Authorization: Bearer {}", self.token);
        let login: &[&str] = if self.token.is_empty() { &[] } else { &["--header", &login] };
        // The board's certificate is its own: the page shows its fingerprint, nobody else vouches for it.
        curl::ask(
            &[&["--insecure", "--max-time", &seconds.to_string()], login, more].concat(),
            &self.base,
            path,
        )
    }

    /// Ids of the cameras that record.
    pub(crate) fn recording(&self) -> Result<Vec<String>> {
        let cameras = self.json("/api/v1/cameras")?;
        let recording =
            cameras.as_array().into_iter().flatten().filter(|camera| camera["state"] == "recording");
        Ok(recording.filter_map(|camera| camera["id"].as_str().map(str::to_owned)).collect())
    }

    /// Moment of the newest footage of a camera that can be played, ms since 1970 UTC.
    pub(crate) fn newest(&self, camera: &str) -> Result<u64> {
        Ok(self.spans(camera)?.into_iter().map(|(_, to)| to).max().unwrap_or(0))
    }

    /// Seconds from a moment to the first footage of a camera after it, by the footage's own time; the moment is `seconds` ago.
    pub(crate) fn footage_after(&self, seconds: f64, camera: &str) -> Result<f64> {
        let moment = self.now()? - (seconds * 1e3) as i64;
        let after = |(from, _): (u64, u64)| i64::try_from(from).ok().filter(|from| *from >= moment);
        let first = self.spans(camera)?.into_iter().filter_map(after).min();
        let first = first.with_context(|| format!("no footage of {camera} began since then"))?;
        Ok((first - moment) as f64 / 1e3)
    }

    /// Pieces of footage of a camera in the last day.
    fn spans(&self, camera: &str) -> Result<Vec<(u64, u64)>> {
        let now = self.now()?;
        let from = now - 86_400_000;
        let path =
            format!("/api/v1/cameras/{camera}/coverage?stream=main&from={from}&to={}", now + 3_600_000);
        let coverage = self.json(&path)?;
        let spans = coverage["spans"].as_array().into_iter().flatten();
        Ok(spans.filter_map(|span| Some((span["from_ms"].as_u64()?, span["to_ms"].as_u64()?))).collect())
    }

    /// Seconds that a camera lacks between its first and its last footage since `from`.
    pub(crate) fn lacks(&self, camera: &str, from: u64) -> Result<f64> {
        let mut spans = self.spans(camera)?;
        spans.retain(|(_, to)| *to > from);
        spans.sort_unstable();
        let holes = spans.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].1));
        Ok(holes.sum::<u64>() as f64 / 1e3)
    }

    /// The board's clock, ms since 1970 UTC.
    fn now(&self) -> Result<i64> {
        Ok(i64::try_from(clock::now()?).context("this machine's clock is far ahead")? * 1000 + self.ahead)
    }
}

/// How long the first answers may take, s: QEMU takes a connection before the board has a network, and then asks the board ever more
/// seldom.
const SHORT: f64 = 4.0;
/// After so many seconds the board has one, and is but slow.
const SLOW_AFTER: f64 = 45.0;
/// So many seconds, unless it says before that the recorder is up.
const LISTENED_TO: f64 = 12.0;
/// What the serial line says when systemd has heard from the recorder that it is there.
const RECORDER_IS_UP: &str = "Started \u{1b}[0;1;39mnightjar.service";

/// Waits until the page answers.
pub(crate) fn answers(bed: &dyn Bed, seconds: u64) -> Result<()> {
    let (page, watch) = (Page::open(bed), clock::Stopwatch::start());
    let is_up = || bed.console().is_none_or(|console| console.has_said(RECORDER_IS_UP));
    let mut silent = None::<clock::Stopwatch>;
    clock::until("the page answers over TLS", seconds, || {
        // A board without a network yet is listened to before it is asked again.
        if silent.is_some_and(|since| since.seconds() < LISTENED_TO) && !is_up() {
            return Ok(None);
        }
        let patience = if watch.seconds() < SLOW_AFTER { SHORT } else { PATIENCE };
        let question = clock::Stopwatch::start();
        let answer = page.curl(patience, &[], "/healthz");
        silent = (question.seconds() >= SHORT).then(clock::Stopwatch::start);
        Ok(answer.ok().filter(|text| text.trim() == "ok"))
    })?;
    Ok(())
}

/// Waits until all of `cameras` record, and more footage of each can be played than before.
pub(crate) fn records(page: &Page, cameras: &[&str], seconds: u64) -> Result<()> {
    let state = || page.json("/api/v1/cameras").map_or_else(|error| error.to_string(), |all| all.to_string());
    let are_on = || {
        let on = page.recording().unwrap_or_default();
        Ok(cameras.iter().all(|camera| on.iter().any(|id| id == camera)).then_some(()))
    };
    clock::until_told(&format!("cameras {cameras:?} record"), seconds, are_on).with_context(state)?;
    let before = cameras.iter().map(|camera| page.newest(camera)).collect::<Result<Vec<_>>>()?;
    for (camera, before) in cameras.iter().zip(before) {
        let grows = || Ok(page.newest(camera).ok().filter(|newest| *newest > before));
        clock::until_told(&format!("footage of {camera} grows"), seconds, grows).with_context(state)?;
    }
    Ok(())
}
