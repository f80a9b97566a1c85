//! Who wants an update, the time of the week, what the recorder says goes on → whether it may begin now, or why not. Pure.

use crate::slots::Origin;
use nightjar_types::config::Schedule;
use nightjar_types::gate::GateReport;

/// Why an update must not begin now; `None`: it may.
///
/// An alarm holds up everybody: an update stops the recorder for half a minute. Windows hold up the fleet alone: a person who
/// stands before the board knows what suits.
pub fn held_up(
    origin: Origin,
    windows: Option<&Schedule>,
    minute_of_week: u16,
    report: Option<&GateReport>,
) -> Option<String> {
    if let Some(alarm) = report.and_then(|r| r.alarm.as_ref()) {
        return Some(format!("an alarm is on: {alarm}; try again when it is over"));
    }
    let windows = windows.filter(|_| origin == Origin::Fleet)?;
    let is_open = windows.covers(minute_of_week);
    (!is_open).then(|| format!("outside the maintenance windows ({})", windows.words.join(", ")))
}

/// The minute of the week on the clock on the wall, from Monday 00:00 on. The zone is that of the machine, else UTC.
pub fn minute_of_week(wall_ms: i64) -> u16 {
    let zone = std::fs::read("/etc/localtime").ok();
    let zone = zone.and_then(|bytes| jiff::tz::TimeZone::tzif("", &bytes).ok());
    let at = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let there = at.to_zoned(zone.unwrap_or(jiff::tz::TimeZone::UTC));
    let day = u16::from(there.weekday().to_monday_zero_offset().unsigned_abs());
    let [hour, minute] = [there.hour(), there.minute()].map(|n| u16::from(n.unsigned_abs()));
    day * 1_440 + hour * 60 + minute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_up_the_fleet_and_alarms_everybody() {
        let windows = Schedule::parse("windows", vec!["sun 23:00-02:00".into()]).unwrap().unwrap();
        let (sunday_2330, monday_0130, monday_0300) = (6 * 1_440 + 23 * 60 + 30, 90, 180);
        let may = |origin, minute, report| held_up(origin, Some(&windows), minute, report);
        assert_eq!(may(Origin::Fleet, sunday_2330, None), None);
        assert_eq!(may(Origin::Fleet, monday_0130, None), None, "a window goes over the end of the week");
        assert!(may(Origin::Fleet, monday_0300, None).unwrap().contains("sun 23:00-02:00"));
        assert_eq!(may(Origin::Page, monday_0300, None), None);
        let alarm = GateReport { alarm: Some("output \"siren\" is on".into()), ..Default::default() };
        for origin in [Origin::Fleet, Origin::Page, Origin::Usb, Origin::Console] {
            assert!(may(origin, sunday_2330, Some(&alarm)).unwrap().contains("siren"), "{origin:?}");
        }
        assert_eq!(held_up(Origin::Fleet, None, 0, Some(&GateReport::default())), None);
    }
}
