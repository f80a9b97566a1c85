//! `Range`, `If-Range` and `If-None-Match` against a tag and a length → which bytes to send (RFC 9110, sections 13 and 14).

/// What a request for a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// 200, all bytes.
    Whole,
    /// 206, these bytes.
    Part {
        /// First byte.
        first: u64,
        /// Last byte, inclusive; below the length.
        last: u64,
    },
    /// 416.
    Unsatisfiable,
    /// 304.
    NotModified,
}

/// The preconditions of a request, header values as sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

/// Decides. `etag` is a strong tag with its quotes. What is not a single valid byte range counts as not sent
/// (RFC 9110 allows that), so a stranger's header never makes an error but 416.
pub fn decide(asked: Asked<'_>, etag: &str, len: u64) -> Portion {
    if let Some(tags) = asked.if_none_match
        && tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    {
        return Portion::NotModified;
    }
    // A date or a weak tag never proves that the bytes are the same.
    if asked.if_range.is_some_and(|tag| tag.trim() != etag) {
        return Portion::Whole;
    }
    asked.range.map_or(Portion::Whole, |range| one_range(range, len))
}

fn one_range(text: &str, len: u64) -> Portion {
    let parsed = text
        .split_once('=')
        .filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"))
        .and_then(|(_, set)| set.trim().split_once('-'));
    let Some((first, last)) = parsed else { return Portion::Whole };
    match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(0) => Portion::Unsatisfiable,
            Some(_) if len == 0 => Portion::Unsatisfiable,
            Some(n) => Portion::Part { first: len - n.min(len), last: len - 1 },
            None => Portion::Whole,
        },
        (first, last) => {
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match (number(first), last) {
                (Some(first), Some(last)) if first > last => Portion::Whole,
                (Some(first), Some(_)) if first >= len => Portion::Unsatisfiable,
                (Some(first), Some(last)) => Portion::Part { first, last: last.min(len - 1) },
                _ => Portion::Whole,
            }
        }
    }
}

/// Digits only: no sign, no comma (which would be a second range). More than u64 holds is as good as its end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG: &str = "\"a\"";

    fn range(text: &str, len: u64) -> Portion {
        decide(Asked { range: Some(text), ..Asked::default() }, TAG, len)
    }

    #[test]
    fn follows_the_examples_of_the_rfc() {
        assert_eq!(range("bytes=0-499", 10_000), Portion::Part { first: 0, last: 499 });
        assert_eq!(range("bytes=500-999", 10_000), Portion::Part { first: 500, last: 999 });
        assert_eq!(range("bytes=-500", 10_000), Portion::Part { first: 9_500, last: 9_999 });
        assert_eq!(range("bytes=9500-", 10_000), Portion::Part { first: 9_500, last: 9_999 });
        assert_eq!(range("bytes=0-0", 10_000), Portion::Part { first: 0, last: 0 });
    }

    #[test]
    fn ignores_what_is_no_single_range() {
        for text in [
            "bytes=0-1,4-5",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "items=0-1",
            "bytes=a-b",
            "bytes 0-1",
            "bytes=+1-2",
            "",
        ] {
            assert_eq!(range(text, 10), Portion::Whole, "{text}");
        }
    }

    #[test]
    fn refuses_what_starts_after_the_end() {
        for text in ["bytes=10-", "bytes=10-20", "bytes=99999999999999999999-", "bytes=-0"] {
            assert_eq!(range(text, 10), Portion::Unsatisfiable, "{text}");
        }
        assert_eq!(range("bytes=-5", 0), Portion::Unsatisfiable);
        assert_eq!(range("bytes=0-", 0), Portion::Unsatisfiable);
    }

    #[test]
    fn sends_all_when_the_file_changed_meanwhile() {
        let asked = |if_range| {
            decide(Asked { range: Some("bytes=1-2"), if_range: Some(if_range), if_none_match: None }, TAG, 10)
        };
        assert_eq!(asked(TAG), Portion::Part { first: 1, last: 2 });
        for other in ["\"b\"", "W/\"a\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(asked(other), Portion::Whole, "{other}");
        }
    }

    #[test]
    fn says_nothing_new_for_a_known_tag() {
        for tags in [TAG, "W/\"a\"", "\"b\", \"a\"", "*"] {
            let asked = Asked { if_none_match: Some(tags), ..Asked::default() };
            assert_eq!(decide(asked, TAG, 10), Portion::NotModified, "{tags}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_the_file(first in 0u64..2_000, extra in 0u64..2_000, len in 0u64..1_000) {
            match range(&format!("bytes={first}-{}", first + extra), len) {
                Portion::Part { first: a, last: b } => {
                    prop_assert!(a <= b && b < len);
                    prop_assert_eq!(a, first);
                    prop_assert_eq!(b, (first + extra).min(len - 1));
                }
                Portion::Unsatisfiable => prop_assert!(first >= len),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn a_suffix_is_the_end_of_the_file(n in 1u64..2_000, len in 1u64..1_000) {
            prop_assert_eq!(range(&format!("bytes=-{n}"), len), Portion::Part { first: len - n.min(len), last: len - 1 });
        }

        #[test]
        fn no_header_makes_a_panic(text in "\\PC{0,40}", len in any::<u64>()) {
            if let Portion::Part { first, last } = range(&text, len) {
                prop_assert!(first <= last && last < len);
            }
        }
    }
}
