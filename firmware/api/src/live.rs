//! A camera's live feed → one WebSocket: JSON as text, segments as binary. A viewer that does not read is closed.

use crate::app::{App, MAX_VIEWERS};
use crate::auth::Who;
use crate::desk::{LiveFeed, LiveMessage};
use crate::error::ApiError;
use axum::Extension;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use nightjar_types::StreamKind;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// A viewer that takes nothing for so long is closed.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How often the viewer is pinged, and its login looked at again.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Pings without any answer before the viewer counts as gone.
const SILENT_PINGS: u32 = 3;
/// The viewer has nothing to say; pongs are short.
const MAX_FROM_VIEWER: usize = 1_024;

pub(crate) async fn live(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Who>,
    Path((camera, stream)): Path<(String, String)>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let stream = match stream.as_str() {
        "main" => StreamKind::Main,
        "sub" => StreamKind::Sub,
        other => return Err(ApiError::NotFound(format!("there is no stream \"{other}\"; use main or sub"))),
    };
    let stream = app.stream_or_main(&camera, stream)?;
    let upgrade = upgrade.map_err(|_| ApiError::BadRequest("open this address as a WebSocket".into()))?;
    let place = app.place(&app.viewers, "places for live viewers", MAX_VIEWERS).await?;
    let feed = app.desk.live(&camera, stream)?;
    let upgrade = upgrade.max_message_size(MAX_FROM_VIEWER).max_frame_size(MAX_FROM_VIEWER);
    Ok(upgrade.on_upgrade(async move |socket| show(app, who, socket, feed, place).await))
}

/// Why showing ended.
enum End {
    /// The viewer left or is gone: nobody to tell.
    Gone,
    /// It did not read.
    TooSlow,
    /// Tell it these words.
    Told(String),
}

async fn show(app: Arc<App>, who: Who, mut socket: WebSocket, feed: LiveFeed, place: OwnedSemaphorePermit) {
    let end = pump(&app, &who, &mut socket, feed).await;
    drop(place);
    match end {
        End::Gone => {}
        End::TooSlow => app.tally.too_slow(),
        End::Told(error) => {
            let text = json!({ "type": "ended", "error": error }).to_string();
            let close = CloseFrame { code: close_code::NORMAL, reason: "ended".into() };
            let farewell = async {
                socket.send(Message::Text(text.into())).await?;
                socket.send(Message::Close(Some(close))).await
            };
            // It ends either way; the viewer may have left first.
            let _ = timeout(SEND_WITHIN, farewell).await;
        }
    }
}

async fn pump(app: &App, who: &Who, socket: &mut WebSocket, mut feed: LiveFeed) -> End {
    let mut stop = app.stop.subscribe();
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let messages = tokio::select! {
            message = feed.messages.recv() => match message {
                Some(LiveMessage::Ended { error }) => return End::Told(error),
                Some(message) => frames(message),
                None => return End::Told("the stream ended; open it again".into()),
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => { unanswered = 0; continue }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    return End::Told("this stream takes no messages".into());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
            },
            _ = ping.tick() => {
                if !app.auth.holds(who) {
                    return End::Told("the session has ended; log in again".into());
                }
                if unanswered == SILENT_PINGS {
                    return End::Gone;
                }
                unanswered += 1;
                [Some(Message::Ping(bytes::Bytes::new())), None]
            },
            _ = stop.wait_for(|stop| *stop) => return End::Told("the recorder is stopping".into()),
        };
        for message in messages.into_iter().flatten() {
            match timeout(SEND_WITHIN, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return End::Gone,
                Err(_) => return End::TooSlow,
            }
        }
    }
}

fn frames(message: LiveMessage) -> [Option<Message>; 2] {
    match message {
        LiveMessage::Init { mime, width, height, origin, bytes } => {
            let origin_ms = origin.as_ms();
            let text = json!({
                "type": "init", "mime": mime, "width": width, "height": height, "origin_ms": origin_ms
            });
            [Some(Message::Text(text.to_string().into())), Some(Message::Binary(bytes))]
        }
        LiveMessage::Fragment(bytes) => [Some(Message::Binary(bytes)), None],
        LiveMessage::Skipped { units } => {
            [Some(Message::Text(json!({ "type": "skipped", "units": units }).to_string().into())), None]
        }
        LiveMessage::Ended { error } => {
            [Some(Message::Text(json!({ "type": "ended", "error": error }).to_string().into())), None]
        }
    }
}
