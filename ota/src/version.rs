//! Words of a version, e.g. `1.4.2-rc.1+g5a1` → an order, as semantic versioning has it, with any number of numbers.

use std::cmp::Ordering;

/// A version that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: Vec<u64>,
    /// Words after a `-`: before the release they lead to.
    early: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// `None`: no such order is in these words.
    pub fn parse(words: &str) -> Option<Self> {
        let words = words.trim();
        let words = words.strip_prefix('v').unwrap_or(words);
        let without_build = words.split('+').next().unwrap_or_default();
        let (release, early) = match without_build.split_once('-') {
            Some((release, early)) => (release, Some(early)),
            None => (without_build, None),
        };
        let mut numbers = release.split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?;
        // 1.2 is 1.2.0
        while numbers.len() > 1 && numbers.last() == Some(&0) {
            numbers.pop();
        }
        let part = |p: &str| p.parse().map(Part::Number).unwrap_or_else(|_| Part::Word(p.into()));
        let early = early.map(|e| e.split('.').map(part).collect()).unwrap_or_default();
        Some(Self { numbers, early })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let released = |v: &Self| v.early.is_empty();
        let early = || released(self).cmp(&released(other)).then_with(|| self.early.cmp(&other.early));
        self.numbers.cmp(&other.numbers).then_with(early)
    }
}

/// Why a bundle of this version must not be installed over that floor; `None`: it may.
pub fn below_floor(version: &str, floor: Option<&str>) -> Option<String> {
    let floor = floor?;
    let Some(least) = Version::parse(floor) else {
        return Some(format!("the floor \"{floor}\" is no version, so nothing can be compared with it"));
    };
    match Version::parse(version) {
        None => Some(format!("its version \"{version}\" cannot be compared with the floor {floor}")),
        Some(v) if v < least => Some(format!("its version {version} is older than the floor {floor}")),
        Some(_) => None,
    }
}

/// The higher of two floors; what is no version counts for nothing.
pub fn higher(a: Option<String>, b: Option<String>) -> Option<String> {
    let known = |words: Option<String>| words.and_then(|w| Version::parse(&w).map(|v| (v, w)));
    match (known(a), known(b)) {
        (Some(a), Some(b)) => Some(if a.0 < b.0 { b.1 } else { a.1 }),
        (a, b) => a.or(b).map(|(_, words)| words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_in_order() {
        let order =
            ["0.9", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-beta", "1.0", "1.0.1", "1.10", "2026.11"];
        for pair in order.windows(2) {
            assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
        }
        assert_eq!(Version::parse("v1.2.0+g5a1"), Version::parse("1.2"));
        assert_eq!(Version::parse("latest"), None);
        assert_eq!(Version::parse("1..2"), None);
    }

    #[test]
    fn the_floor_says_why() {
        assert_eq!(below_floor("1.2", None), None);
        assert_eq!(below_floor("1.2", Some("1.2.0")), None);
        assert_eq!(below_floor("1.1", Some("1.2")).unwrap(), "its version 1.1 is older than the floor 1.2");
        assert!(below_floor("new", Some("1.2")).unwrap().contains("cannot be compared"));
        assert_eq!(higher(Some("1.9".into()), Some("1.10".into())).as_deref(), Some("1.10"));
        assert_eq!(higher(None, Some("x".into())), None);
    }

    proptest! {
        #[test]
        fn any_words_are_a_version_or_none(words in ".{0,24}") {
            if let Some(v) = Version::parse(&words) {
                prop_assert_eq!(v.cmp(&v), Ordering::Equal);
            }
        }
    }
}
