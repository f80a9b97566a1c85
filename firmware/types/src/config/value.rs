//! Texts with units: `"64GiB"`, `"500ms"`; and a list that may be written as one item.

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// Bytes. Written as `"64GiB"`, `"500MB"` or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSize(pub(super) u64);

/// A length of time. Written as `"500ms"`, `"3s"`, `"10min"`, `"2h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    pub(super) const fn millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }
}

pub(super) const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

pub(super) const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("min", 60_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

pub(super) const BIT_RATES: &[(&str, u64)] = &[("k", 1_000), ("M", 1_000_000)];

/// `"1.5GiB"` → 1.5 × the unit's factor, when it is a finite number ≥ 0 that fits.
pub(super) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = (text[..at].parse::<f64>().ok()?, text[at..].trim());
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    let value = number * factor as f64;
    (value.is_finite() && value < (1u64 << 53) as f64).then_some(value as u64)
}

struct WithUnit {
    expects: &'static str,
    units: &'static [(&'static str, u64)],
}

impl Visitor<'_> for WithUnit {
    type Value = u64;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expects)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        with_unit(text, self.units).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
    fn visit_i64<E: de::Error>(self, n: i64) -> Result<u64, E> {
        if self.units.len() != SIZES.len() {
            return Err(E::invalid_value(de::Unexpected::Signed(n), &self));
        }
        u64::try_from(n).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let expects = "a size such as \"64GiB\" or \"500MB\"";
        d.deserialize_any(WithUnit { expects, units: SIZES }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let expects = "a time such as \"500ms\", \"3s\" or \"10min\"";
        d.deserialize_any(WithUnit { expects, units: TIMES }).map(Self::millis)
    }
}

/// `do = {…}` or `do = [{…}, {…}]`; `during = "…"` or `during = ["…", "…"]`. Not an untagged enum, so that an error inside still names the key.
#[derive(Debug, Clone)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for Either<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one item or a list of items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(all)
            }
            fn visit_str<E: de::Error>(self, one: &str) -> Result<Vec<T>, E> {
                T::deserialize(de::value::StrDeserializer::new(one)).map(|one| vec![one])
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| vec![one])
            }
        }
        d.deserialize_any(Either(PhantomData)).map(Self)
    }
}
