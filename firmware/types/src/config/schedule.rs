//! `"mon-fri 22:00-06:00"` → spans of the week, in minutes since Monday 00:00 on the clock on the wall.

/// Minutes of a week.
pub const WEEK_MIN: u16 = 7 * DAY_MIN;
const DAY_MIN: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Spans of one schedule at most.
const MAX_SPANS: usize = 32;

/// Times of the week; a span may go over midnight, and over the end of the week. On the day on which clocks are put forward
/// an hour of it is not there, on the day on which they are put back an hour is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// From (0..10 080) until just before (1..=20 160): more than a week means the next one.
    pub spans: Vec<(u16, u16)>,
    /// As it was written.
    pub words: Vec<String>,
}

impl Schedule {
    /// Of entries such as `"mon-fri 22:00-06:00"`. The error says in words which one is none.
    pub fn parse(what: &str, entries: Vec<String>) -> Result<Option<Self>, String> {
        let mut faults = Vec::new();
        let parsed = schedule(what, entries, &mut |words| faults.push(words));
        if faults.is_empty() { Ok(parsed) } else { Err(faults.join("; ")) }
    }

    /// A minute since Monday 00:00 lies in one of the spans.
    pub fn covers(&self, minute: u16) -> bool {
        let within = |m: u16| self.spans.iter().any(|(from, until)| (*from..*until).contains(&m));
        within(minute) || within(minute + WEEK_MIN)
    }
}

/// Reads the entries; says in words what is wrong with one.
pub(super) fn schedule(what: &str, entries: Vec<String>, fault: &mut dyn FnMut(String)) -> Option<Schedule> {
    let mut spans = Vec::new();
    for entry in &entries {
        match entry_spans(entry) {
            Some(more) => spans.extend(more),
            None => fault(format!(
                "{what}: \"{entry}\" is no time of the week such as \"22:00-06:00\", \"mon-fri 18:00-07:00\" or \"sat,sun\""
            )),
        }
    }
    if spans.len() > MAX_SPANS {
        fault(format!(
            "{what}: these are {} spans of the week; at most {MAX_SPANS} are possible",
            spans.len()
        ));
    }
    (!entries.is_empty()).then_some(Schedule { spans, words: entries })
}

/// `[days] [from-to]`, at least one of them.
fn entry_spans(entry: &str) -> Option<Vec<(u16, u16)>> {
    let lower = entry.trim().to_ascii_lowercase();
    let parts: Vec<&str> = lower.split_whitespace().collect();
    let (days, times) = match parts[..] {
        [one] => match times(one) {
            Some(times) => ([true; 7], times),
            None => (days(one)?, (0, DAY_MIN)),
        },
        [first, second] => (days(first)?, times(second)?),
        _ => return None,
    };
    let starts = (0u16..7).filter(|day| days[usize::from(*day)]).map(|day| day * DAY_MIN);
    Some(starts.map(|start| (start + times.0, start + times.1)).collect())
}

/// `mon-fri`, `sat,sun`, `fri-mon`.
fn days(text: &str) -> Option<[bool; 7]> {
    let mut wanted = [false; 7];
    let day = |name: &str| DAYS.iter().position(|known| *known == name);
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut at, to) = (day(from)?, day(to)?);
        wanted[at] = true;
        while at != to {
            at = (at + 1) % 7;
            wanted[at] = true;
        }
    }
    Some(wanted)
}

/// `22:00-06:00` → minutes of the day, the second on the next day when it is not later.
fn times(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (clock(from)?, clock(to)?);
    (from < DAY_MIN).then(|| (from, if to > from { to } else { to + DAY_MIN }))
}

fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |t: &str| (1..=2).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= DAY_MIN).then_some(of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_and_times() {
        assert_eq!(entry_spans("mon 08:00-09:30"), Some(vec![(480, 570)]));
        assert_eq!(entry_spans("Sun 22:00-06:00"), Some(vec![(6 * 1440 + 1320, 6 * 1440 + 1800)]));
        assert_eq!(entry_spans("sat,sun"), Some(vec![(5 * 1440, 6 * 1440), (6 * 1440, 7 * 1440)]));
        assert_eq!(entry_spans("00:00-24:00").map(|s| s.len()), Some(7));
        assert_eq!(entry_spans("fri-mon 7:05-7:06").map(|s| s.len()), Some(4));
        assert_eq!(entry_spans("tue 12:00-12:00"), Some(vec![(1440 + 720, 2880 + 720)]), "a whole day");
        for wrong in [
            "",
            "noon",
            "mon-",
            "mon 25:00-26:00",
            "mon 8-9",
            "24:00-06:00",
            "mon 08:00-09:00 x",
            "08:60-09:00",
        ] {
            assert_eq!(entry_spans(wrong), None, "{wrong}");
        }
    }
}
