//! Two time lines, never mixed by accident: [`Mono`] since boot, [`Wall`] since 1970-01-01 UTC. Both in microseconds.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds on the monotonic boot clock. Never jumps, means nothing on another boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mono(pub u64);

/// Microseconds since 1970-01-01T00:00:00Z. May jump when the clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Mono {
    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(d.as_micros() as u64))
    }
}

impl Wall {
    /// The whole milliseconds, as the API speaks.
    pub fn as_ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// From the API's milliseconds.
    pub fn from_ms(ms: i64) -> Self {
        Wall(ms.saturating_mul(1_000))
    }

    /// Microseconds from `earlier` to `self`, negative when `earlier` is later.
    pub fn micros_since(self, earlier: Wall) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved by `micros`.
    pub fn plus_micros(self, micros: i64) -> Wall {
        Wall(self.0.saturating_add(micros))
    }

    /// UTC civil date and time: (year, month, day, hour, minute, second).
    ///
    /// Proleptic Gregorian calendar; days-to-civil after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    pub fn civil(self) -> (i64, u32, u32, u32, u32, u32) {
        let seconds = self.0.div_euclid(1_000_000);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
        let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
        let year = yoe + era * 400 + i64::from(month <= 2);
        (year, month, day, of_day / 3_600, of_day / 60 % 60, of_day % 60)
    }
}

impl Sub<Wall> for Wall {
    type Output = i64;
    fn sub(self, earlier: Wall) -> i64 {
        self.micros_since(earlier)
    }
}

impl std::fmt::Display for Wall {
    /// RFC 3339 with milliseconds, UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (y, mo, d, h, mi, s) = self.civil();
        let ms = self.0.rem_euclid(1_000_000) / 1_000;
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{ms:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_utc() {
        assert_eq!(Wall(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Wall(951_782_400_123_000).to_string(), "2000-02-29T00:00:00.123Z");
        assert_eq!(Wall(-1_000).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
