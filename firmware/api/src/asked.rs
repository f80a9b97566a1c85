//! Request → typed query or body. What does not fit is told with the name of the field.

use crate::error::ApiError;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use nightjar_types::{StreamKind, Wall};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// Longest body, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Years 0001 to 9999 in milliseconds: what RFC 3339 can say.
const MS_RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// The query string as `T`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| ApiError::BadRequest(format!("query: {}", inner_words(&error))))
    }
}

/// A JSON body as `T`, at most [`MAX_BODY`].
pub(crate) struct Sent<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        // Forms cannot send this type across origins without asking first.
        let json =
            request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| {
                v.split(';').next().is_some_and(|mime| mime.trim().eq_ignore_ascii_case("application/json"))
            });
        if !json {
            return Err(ApiError::NotJson);
        }
        let bytes = to_bytes(request.into_body(), MAX_BODY).await.map_err(|error| {
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(inner) = source {
                if inner.to_string().contains("length limit") {
                    return ApiError::TooLarge(MAX_BODY);
                }
                source = inner.source();
            }
            ApiError::BadRequest("the body broke off".into())
        })?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::BadRequest(format!("body: {error}")))
    }
}

/// The innermost cause says what is wrong; the outer ones only that something is.
fn inner_words(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

/// A moment in a query: RFC 3339, or milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Wall);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            D::Error::custom(format!(
                "\"{text}\" is no time: use RFC 3339 (2026-11-21T10:00:00Z; write + as %2B) or milliseconds since 1970"
            ))
        };
        if let Ok(ms) = text.parse::<i64>() {
            return if MS_RANGE.contains(&ms) { Ok(Self(Wall::from_ms(ms))) } else { Err(wrong()) };
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        Ok(Self(Wall(time.as_microsecond())))
    }
}

/// A range and a stream in a query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stretch {
    #[serde(default = "main")]
    pub(crate) stream: StreamKind,
    from: Moment,
    to: Moment,
}

impl Stretch {
    /// `from..to`, not empty, at most `max_s` seconds.
    pub(crate) fn range(&self, max_s: i64) -> Result<(Wall, Wall), ApiError> {
        range(self.from, self.to, max_s)
    }
}

/// `from..to`, not empty, at most `max_s` seconds.
pub(crate) fn range(from: Moment, to: Moment, max_s: i64) -> Result<(Wall, Wall), ApiError> {
    let (from, to) = (from.0, to.0);
    if from >= to {
        return Err(ApiError::BadRequest(format!("query: from ({from}) is not before to ({to})")));
    }
    if to - from > max_s * 1_000_000 {
        let hours = max_s / 3_600;
        return Err(ApiError::BadRequest(format!("query: the range is longer than {hours} h; ask in parts")));
    }
    Ok((from, to))
}

/// `1` or `true`, `0` or `false`.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let text = String::deserialize(from)?;
    match text.as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(D::Error::custom(format!("\"{text}\" is neither 1 nor 0"))),
    }
}

pub(crate) fn yes() -> bool {
    true
}

pub(crate) fn main() -> StreamKind {
    StreamKind::Main
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Result<Moment, serde_json::Error> {
        serde_json::from_value(serde_json::Value::from(text))
    }

    #[test]
    fn reads_both_ways_to_write_a_time() {
        let expected = Moment(Wall(1_795_255_200_250_000));
        for text in ["1795255200250", "2026-11-21T10:00:00.25Z", "2026-11-21T11:00:00.25+01:00"] {
            assert_eq!(moment(text).unwrap(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-11-21", "2026-11-21T10:00:00", "9223372036854775807", "1e3"] {
            assert!(moment(text).unwrap_err().to_string().contains("RFC 3339"), "{text}");
        }
    }
}
