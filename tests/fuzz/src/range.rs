//! Header values and a file's length → which bytes are sent. They lie in the file, whatever was asked.

use crate::draw::Draw;
use nightjar_api::{Asked, Portion, decide};
use nightjar_types::EventId;

/// Words that mean something here.
pub(crate) const WORDS: &[&str] =
    &["bytes=", "bytes=0-", "bytes=-1", "W/", "\"tag\"", "*", ",", "-", "18446744073709551615"];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let header = |len: u64, lines: &str| [&len.to_le_bytes()[..], lines.as_bytes()].concat();
    vec![
        header(10_000, "bytes=0-499"),
        header(10_000, "bytes=-500\n\"tag\""),
        header(10_000, "bytes=9500-\n\"other\"\n"),
        header(0, "bytes=0-0,5-\n\nW/\"tag\", *"),
        header(u64::MAX, "bytes=18446744073709551614-99999999999999999999"),
        header(1, "00065e8a0d3f54800001"),
    ]
}

/// Eight bytes of length, then `Range`, `If-Range` and `If-None-Match`, a line each; absent lines were not sent.
pub(crate) fn range(data: &[u8]) {
    let mut draw = Draw::new(data);
    let len = draw.u64();
    let Ok(text) = std::str::from_utf8(draw.rest()) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next();
    let asked = Asked { range: line(), if_range: line(), if_none_match: line() };
    match decide(asked, "\"tag\"", len) {
        Portion::Part { first, last } => {
            assert!(first <= last && last < len, "{first}..={last} of {len} bytes");
            assert!(
                asked.if_range.is_none_or(|tag| tag.trim() == "\"tag\""),
                "a part of a file that changed"
            );
        }
        Portion::NotModified => assert!(asked.if_none_match.is_some()),
        Portion::Unsatisfiable => assert!(asked.range.is_some()),
        Portion::Whole => {}
    }
    // The other thing that stands in an address of the API.
    if let Ok(id) = text.parse::<EventId>() {
        assert!(id.to_string().eq_ignore_ascii_case(text));
    }
}
