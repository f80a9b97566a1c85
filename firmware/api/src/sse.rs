//! The desk's updates → server-sent events (HTML Living Standard, section 9.2): the state now, then what changes.

use crate::app::{App, MAX_READERS};
use crate::auth::Who;
use crate::error::ApiError;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use nightjar_types::status::Update;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a comment is sent when nothing happens, and the reader's login looked at again.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

pub(crate) async fn updates(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
) -> Result<Response, ApiError> {
    let place = app.place(&app.readers, "places for readers of updates", MAX_READERS).await?;
    // Subscribed before the state is read, so no change falls between the two.
    let updates = app.desk.updates();
    let mut now = String::from("retry: 2000\n\n");
    app.desk.cameras().into_iter().for_each(|camera| now.push_str(&text(&Update::Camera(camera))));
    app.desk.outputs().into_iter().for_each(|output| now.push_str(&text(&Update::Output(output))));
    app.desk.inputs().into_iter().for_each(|input| now.push_str(&text(&Update::Input(input))));
    now.push_str(&text(&Update::Arm(app.desk.arm())));
    now.push_str(&text(&Update::Health(app.desk.health())));
    let mut comment = interval(COMMENT_EVERY);
    comment.reset();
    comment.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = app.stop.subscribe();
    let reader = Reader { app, who, now: Some(now), updates, comment, stop, _place: place };
    let body = Body::from_stream(stream::unfold(reader, async |mut reader| {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), reader))
    }));
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response())
}

struct Reader {
    app: Arc<App>,
    who: Who,
    now: Option<String>,
    updates: Receiver<Update>,
    comment: Interval,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<String> {
        if let Some(now) = self.now.take() {
            return Some(now);
        }
        tokio::select! {
            update = self.updates.recv() => match update {
                Ok(update) => Some(text(&update)),
                Err(RecvError::Lagged(lost)) => Some(event("resync", &serde_json::json!({ "lost": lost }))),
                Err(RecvError::Closed) => None,
            },
            _ = self.comment.tick() => self.app.auth.holds(&self.who).then(|| ": still here\n\n".into()),
            _ = self.stop.wait_for(|stop| *stop) => None,
        }
    }
}

fn text(update: &Update) -> String {
    match update {
        Update::Camera(data) => event("camera", data),
        Update::Output(data) => event("output", data),
        Update::Input(data) => event("input", data),
        Update::Arm(data) => event("arm", data),
        Update::Event(data) => event("event", data),
        Update::Detections(data) => event("detections", data),
        Update::Health(data) => event("health", data),
        Update::Fired(data) => event("fired", data),
        Update::Notice(data) => event("notice", data),
        Update::Problem(data) => event("problem", data),
        Update::Day(data) => event("day", data),
    }
}

/// JSON has no raw line feeds, so one `data:` line holds it.
fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("status structs always serialise");
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_types::status::Notice;

    #[test]
    fn text_with_line_feeds_stays_one_event() {
        let (event, camera, input, rule) = (None, None, None, None);
        let notice = Notice { at_ms: 1, text: "a\n\ndata: b".into(), event, camera, input, rule };
        let told = text(&Update::Notice(notice));
        assert_eq!(
            told,
            "event: notice\ndata: {\"at_ms\":1,\"text\":\"a\\n\\ndata: b\",\"event\":null,\"camera\":null,\"input\":null,\"rule\":null}\n\n"
        );
    }
}
