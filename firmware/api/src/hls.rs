//! Camera and time range → an HLS playlist of byte ranges of the same MP4 that `video.mp4` gives.

use crate::app::{App, MAX_EXPORTS, planned};
use crate::asked::{Asked as Query, Stretch};
use crate::desk::{ExportQuery, Form};
use crate::error::ApiError;
use crate::video::MAX_VIDEO_S;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use nightjar_types::Wall;
use std::sync::Arc;

pub(crate) async fn playlist(
    State(app): State<Arc<App>>,
    Path(camera): Path<String>,
    Query(stretch): Query<Stretch>,
) -> Result<Response, ApiError> {
    let (from, to) = stretch.range(MAX_VIDEO_S)?;
    let _place = app.place(&app.exports, "places for playing recordings", MAX_EXPORTS).await?;
    // chapters and proof may change with time; what is left depends on the footage alone, so the ranges stay right
    let form = Form::Clip { chapters: false, proof: false };
    let stream = stretch.stream;
    let asked = |from, to| ExportQuery { camera: camera.clone(), stream, from, to, form };
    let whole = planned(app.desk.export(asked(from, to))).await?;
    // the file by its own first and last moment: that stays one file when recording goes on
    let (from, to) = (whole.start(), whole.end());
    let export = planned(app.desk.export(asked(from, to))).await?;
    let uri = format!(
        "video.mp4?stream={}&from={}&to={}&chapters=0&proof=0&tag={}",
        stream.as_str(),
        exact(from),
        exact(to),
        export.etag()
    );
    let text =
        export.playlist(&uri).ok_or_else(|| ApiError::NotFound("there is no playlist of that".into()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.apple.mpegurl")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, text).into_response())
}

/// RFC 3339 to the microsecond.
fn exact(wall: Wall) -> String {
    jiff::Timestamp::from_microsecond(wall.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_keeps_its_microseconds_and_needs_no_escape() {
        let text = exact(Wall(1_795_255_200_250_001));
        assert_eq!(text, "2026-11-21T10:00:00.250001Z");
    }
}
