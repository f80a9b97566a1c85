//! The page's files, embedded gzip-compressed by `build.rs` → answers with a tag, long caching for hashed names.

use crate::error::ApiError;
use crate::range::{Asked, Portion, decide};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::io::Read;

/// One embedded file.
#[derive(Debug)]
struct PageFile {
    /// URL path.
    path: &'static str,
    mime: &'static str,
    gzip: &'static [u8],
    /// Bytes uncompressed.
    len: usize,
    /// Checksum and length of the uncompressed bytes.
    tag: &'static str,
}

static FILES: &[PageFile] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

const NOT_BUILT: &str = "The page is not built into this recorder. Run `cargo xtask web`, then build again.\n\
                         The API works: see /api/v1/openapi.json (with a token).\n";

/// (files, bytes compressed, bytes uncompressed) of the embedded page; zeros when it is not built.
pub fn page_size() -> (usize, usize, usize) {
    let sum = |size: fn(&PageFile) -> usize| FILES.iter().map(size).sum();
    (FILES.len(), sum(|f| f.gzip.len()), sum(|f| f.len))
}

/// Serves the file at the request's path; `/` is `/index.html`.
pub(crate) async fn page(uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let path = if uri.path() == "/" { "/index.html" } else { uri.path() };
    if let Some(file) = FILES.iter().find(|file| file.path == path) {
        return Ok(serve(file, &headers));
    }
    if path == "/index.html" && FILES.is_empty() {
        return Ok((StatusCode::OK, NOT_BUILT).into_response());
    }
    Err(ApiError::NotFound(format!("the page has no file {path}")))
}

fn serve(file: &PageFile, headers: &HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let packed = accepts_gzip(text(header::ACCEPT_ENCODING).unwrap_or_default());
    let etag = format!("\"{}{}\"", file.tag, if packed { "-gz" } else { "" });
    let asked = Asked { if_none_match: text(header::IF_NONE_MATCH), ..Asked::default() };
    let known = decide(asked, &etag, 0) == Portion::NotModified;
    let mut answer = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if packed {
        file.gzip.into_response()
    } else {
        plain(file).into_response()
    };
    let answers = answer.headers_mut();
    answers.insert(header::ETAG, HeaderValue::try_from(etag).expect("hexadecimal digits and dashes"));
    answers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // The build puts a hash into the names below /assets, so such a file never changes.
    let cache =
        if file.path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    answers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if !known {
        answers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.mime));
        if packed {
            answers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    answer
}

fn plain(file: &PageFile) -> Vec<u8> {
    let mut plain = Vec::with_capacity(file.len);
    flate2::read::GzDecoder::new(file.gzip).read_to_end(&mut plain).expect("build.rs wrote valid gzip");
    plain
}

/// RFC 9110, section 12.5.3, for one encoding: named or `*`, and not with q=0.
fn accepts_gzip(text: &str) -> bool {
    let mut any = false;
    for coding in text.split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused =
            parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0)));
        if name.eq_ignore_ascii_case("gzip") {
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_who_can_unpack() {
        for yes in ["gzip", "deflate, GZIP;q=0.5", "*", "br, gzip, zstd"] {
            assert!(accepts_gzip(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip;q=0, *", "*;q=0", "br"] {
            assert!(!accepts_gzip(no), "{no}");
        }
    }

    /// The issue's bound for the page.
    #[test]
    fn the_page_is_small_and_unpacks() {
        let (files, packed, plain_len) = page_size();
        println!("page: {files} files, {packed} bytes gzip, {plain_len} bytes plain");
        assert!(packed <= 100_000, "{packed}: more than a phone on a bad line should wait for"); // web-mini holds it far below
        for file in FILES {
            assert_eq!(plain(file).len(), file.len, "{}", file.path);
        }
    }
}
