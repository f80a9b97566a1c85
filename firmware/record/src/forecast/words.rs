//! Durations and byte counts → words.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

/// Exact to the second unit: `12 days 4 h`, `1 h 30 min`, `45 s`. From 100 days on, days alone.
pub fn time_in_words(time: Duration) -> String {
    let s = time.as_secs();
    let days = |n: u64| if n == 1 { "1 day".to_owned() } else { format!("{n} days") };
    let (whole, rest) = match s {
        0..MINUTE => (format!("{s} s"), None),
        MINUTE..HOUR => (format!("{} min", s / MINUTE), Some((s % MINUTE, "s"))),
        HOUR..DAY => (format!("{} h", s / HOUR), Some((s % HOUR / MINUTE, "min"))),
        _ if s < 100 * DAY => (days(s / DAY), Some((s % DAY / HOUR, "h"))),
        _ => (days(s / DAY), None),
    };
    match rest {
        Some((n, unit)) if n > 0 => format!("{whole} {n} {unit}"),
        _ => whole,
    }
}

/// One unit, rounded: `4 years`, `3 months`, `12 days`, `3 h`, `20 min`.
pub(super) fn about(time: Duration) -> String {
    let s = time.as_secs();
    let (unit, name, names) = match s {
        _ if s >= 2 * YEAR => (YEAR, "year", "years"),
        _ if s >= 2 * MONTH => (MONTH, "month", "months"),
        _ if s >= 2 * DAY => (DAY, "day", "days"),
        _ if s >= 2 * HOUR => (HOUR, "h", "h"),
        _ => (MINUTE, "min", "min"),
    };
    let n = (s + unit / 2) / unit;
    format!("{n} {}", if n == 1 { name } else { names })
}

/// `60 TB`, `3.2 GB`, `512 kB`: powers of a thousand, as cards are sold; one decimal below ten.
pub fn bytes_in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut n, mut unit) = (bytes as f64, 0);
    // what would be written as 1000 is 1.0 of the next
    while n >= 999.5 && unit + 1 < UNITS.len() {
        (n, unit) = (n / 1_000.0, unit + 1);
    }
    let is_whole = unit == 0 || n >= 9.95 || (n - n.round()).abs() < 0.05;
    if is_whole { format!("{n:.0} {}", UNITS[unit]) } else { format!("{n:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        let words = |s| time_in_words(Duration::from_secs(s));
        assert_eq!(words(12 * DAY + 4 * HOUR + 59), "12 days 4 h");
        assert_eq!(words(DAY), "1 day");
        assert_eq!(words(90 * MINUTE), "1 h 30 min");
        assert_eq!(words(45), "45 s");
        assert_eq!(words(61), "1 min 1 s");
        assert_eq!(words(400 * DAY + HOUR), "400 days");
        let about = |s| about(Duration::from_secs(s));
        assert_eq!(about(4 * YEAR + 100 * DAY), "4 years");
        assert_eq!(about(100 * DAY), "3 months");
        assert_eq!(about(3 * HOUR + 20 * MINUTE), "3 h");
        assert_eq!(about(30), "1 min");
        assert_eq!(bytes_in_words(0), "0 bytes");
        assert_eq!(bytes_in_words(999), "999 bytes");
        assert_eq!(bytes_in_words(999_999), "1 MB");
        assert_eq!(bytes_in_words(3_240_000_000), "3.2 GB");
        assert_eq!(bytes_in_words(210_000_000_000), "210 GB");
        assert_eq!(bytes_in_words(60_000_000_000_000), "60 TB");
        assert_eq!(bytes_in_words(u64::MAX), "18446744 TB");
    }
}
