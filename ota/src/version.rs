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

/// The highest of some floors, the first of equal ones; what is no version counts for nothing.
pub fn highest(floors: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let known = floors.into_iter().flatten().filter_map(|words| Some((Version::parse(&words)?, words)));
    known.reduce(|high, next| if high.0 < next.0 { next } else { high }).map(|(_, words)| words)
}

/// The floor that an image brings in RAUC's settings, which RAUC itself keeps to.
pub fn floor_of_image(rauc: &str) -> Option<String> {
    let words = rauc
        .lines()
        .find_map(|line| line.trim().strip_prefix("min-bundle-version")?.trim_start().strip_prefix('='));
    words.map(|words| words.trim().to_owned())
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
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(highest([words("1.9"), words("1.10"), None]), words("1.10"));
        assert_eq!(highest([words("1.2"), words("1.2.0")]), words("1.2"));
        assert_eq!(highest([None, words("x")]), None);
        let rauc = include_str!("../../yocto/meta-nightjar/recipes-nightjar/nightjar/files/rauc.conf.in");
        assert_eq!(floor_of_image(&rauc.replace("@FLOOR@", "1.2")), words("1.2"));
        assert_eq!(floor_of_image("# min-bundle-version=9\n[system]\ncompatible=x\n"), None);
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
