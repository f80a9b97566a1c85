//! Camera and time range → one MP4 with byte ranges, read from the desk's virtual file while it is sent: all footage, or a
//! key frame for each step as a time-lapse.

use crate::app::{App, MAX_EXPORTS, planned, within};
use crate::asked::{Asked as Query, Moment, flag, main, range, yes};
use crate::desk::{Export, ExportQuery, Form};
use crate::error::ApiError;
use crate::range::{Asked, Portion, decide};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use nightjar_types::StreamKind;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Longest export.
pub(crate) const MAX_VIDEO_S: i64 = 24 * 3_600;
/// Longest range of a time-lapse.
const MAX_LAPSE_S: i64 = 366 * 24 * 3_600;
/// Most pictures of a time-lapse.
const MAX_PICTURES: i64 = 20_000;
/// Bytes asked of the desk at a time: one read of a card is that cheap, and four exports hold half a megabyte.
const CHUNK: usize = 128 * 1024;

/// What a clip is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipQuery {
    #[serde(default = "main")]
    stream: StreamKind,
    from: Moment,
    to: Moment,
    /// Save as a file.
    #[serde(default, deserialize_with = "flag")]
    download: bool,
    #[serde(default = "yes", deserialize_with = "flag")]
    chapters: bool,
    #[serde(default = "yes", deserialize_with = "flag")]
    proof: bool,
    /// Only if its tag is still this: a playlist's ranges fit no other file.
    #[serde(default)]
    tag: Option<String>,
}

/// What a time-lapse is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LapseQuery {
    #[serde(default = "main")]
    stream: StreamKind,
    from: Moment,
    to: Moment,
    /// Seconds from picture to picture.
    #[serde(default = "a_minute")]
    every: u32,
    #[serde(default = "usual_fps")]
    fps: u32,
    #[serde(default, deserialize_with = "flag")]
    download: bool,
}

fn a_minute() -> u32 {
    60
}

fn usual_fps() -> u32 {
    25
}

pub(crate) async fn video(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path(camera): Path<String>,
    Query(query): Query<ClipQuery>,
) -> Result<Response, ApiError> {
    let (from, to) = range(query.from, query.to, MAX_VIDEO_S)?;
    let place = app.place(&app.exports, "places for playing recordings", MAX_EXPORTS).await?;
    let form = Form::Clip { chapters: query.chapters, proof: query.proof };
    let asked = ExportQuery { camera, stream: query.stream, from, to, form };
    let export = planned(app.desk.export(asked)).await?;
    if query.tag.is_some_and(|tag| tag != export.etag()) {
        let words = "the recording has changed since its playlist was made; load the playlist again";
        return Err(ApiError::Conflict(words.into()));
    }
    Ok(send(export, place, &method, &headers, query.download))
}

pub(crate) async fn timelapse(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Path(camera): Path<String>,
    Query(query): Query<LapseQuery>,
) -> Result<Response, ApiError> {
    let (from, to) = range(query.from, query.to, MAX_LAPSE_S)?;
    if query.every == 0 || !(1..=60).contains(&query.fps) {
        let words = "query: every is 1 second or more, fps is 1 to 60";
        return Err(ApiError::BadRequest(words.into()));
    }
    let every_us = i64::from(query.every) * 1_000_000;
    let pictures = (to - from) / every_us + 1;
    if pictures > MAX_PICTURES {
        return Err(ApiError::BadRequest(format!(
            "query: that would be {pictures} pictures, at most {MAX_PICTURES} can be had; ask for a longer \"every\""
        )));
    }
    let place = app.place(&app.exports, "places for playing recordings", MAX_EXPORTS).await?;
    let form = Form::Film { every_us, fps: query.fps };
    let asked = ExportQuery { camera, stream: query.stream, from, to, form };
    let export = planned(app.desk.export(asked)).await?;
    Ok(send(export, place, &method, &headers, query.download))
}

/// The part of the file that was asked for.
fn send(
    export: Arc<dyn Export>,
    place: OwnedSemaphorePermit,
    method: &Method,
    headers: &HeaderMap,
    download: bool,
) -> Response {
    let len = export.len();
    let etag = quoted(&export.etag());
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let asked = Asked {
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        if_none_match: text(header::IF_NONE_MATCH),
    };
    let portion = decide(asked, &etag, len);

    let (status, first, end) = match portion {
        Portion::Whole => (StatusCode::OK, 0, len),
        Portion::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Portion::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        Portion::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
    };
    let mut answer = Response::new(if *method == Method::HEAD || first == end {
        Body::empty()
    } else {
        Body::from_stream(chunks(Reading { export: Arc::clone(&export), at: first, end, _place: place }))
    });
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, ascii(&etag));
    // Private footage: only the viewer's own cache, and only after asking whether it is still the same.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if portion == Portion::NotModified {
        return answer;
    }
    match portion {
        Portion::Part { first, last } => {
            headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes {first}-{last}/{len}")));
        }
        Portion::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, ascii(&format!("bytes */{len}")));
            return answer;
        }
        Portion::Whole | Portion::NotModified => {}
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(START, HeaderValue::from(export.start().as_ms()));
    headers.insert(END, HeaderValue::from(export.end().as_ms()));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    let how = if download { "attachment" } else { "inline" };
    let disposition = format!("{how}; filename=\"{}\"", plain_name(&export.file_name()));
    headers.insert(header::CONTENT_DISPOSITION, ascii(&disposition));
    answer.into_response()
}

/// Milliseconds since 1970 of the first picture: where a player's time zero is.
const START: HeaderName = HeaderName::from_static("x-nightjar-start-ms");
/// Of the end of the last picture: earlier than what was asked for where the footage ends.
const END: HeaderName = HeaderName::from_static("x-nightjar-end-ms");

struct Reading {
    export: Arc<dyn Export>,
    at: u64,
    end: u64,
    /// Given back when the body is sent or its viewer is gone.
    _place: OwnedSemaphorePermit,
}

/// The bytes in chunks. An error breaks the connection off, so that a short file never looks whole.
fn chunks(reading: Reading) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(reading, async |mut reading| {
        let left = reading.end - reading.at;
        if left == 0 {
            return Ok(None);
        }
        let max = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let read = within("reading footage", reading.export.read(reading.at, max)).await;
        let mut bytes = read.map_err(|error| {
            tracing::warn!(%error, offset = reading.at, "an export broke off");
            io::Error::other(error.to_string())
        })?;
        if bytes.is_empty() {
            tracing::error!(offset = reading.at, end = reading.end, "an export gave no bytes before its end");
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.truncate(max);
        reading.at += bytes.len() as u64;
        Ok(Some((bytes, reading)))
    })
}

fn quoted(tag: &str) -> String {
    let tag: String = tag.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    format!("\"{tag}\"")
}

/// A file name that is safe in a header and on any disk.
fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().take(120).map(plain).collect()
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("only printable ASCII was put in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_cannot_break_out_of_their_header() {
        assert_eq!(plain_name("front \"x\"\r\n2026:11.mp4"), "front__x___2026_11.mp4");
        assert_eq!(quoted("\"a\r\nb\""), "\"ab\"");
    }
}
