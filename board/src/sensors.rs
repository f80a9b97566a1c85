//! `/sys` → how hot the board is and whether its supply is too weak; with the board's limits → how much the eye may do.
//!
//! Temperatures: `class/thermal/thermal_zone*/temp`, thousandths of a degree (kernel, sysfs-class-thermal). Supply: the
//! Raspberry Pi's `rpi_volt` sensor, `in0_lcrit_alarm` (kernel, drivers/hwmon/raspberrypi-hwmon.c, asks its firmware every 2 s).

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Temperatures from which on the eye does less, °C. A few degrees below where the board slows itself down: recording
/// comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heat {
    /// Half the looks.
    pub reduce_c: u8,
    /// Only stills that are asked for.
    pub stills_c: u8,
}

impl Heat {
    /// Why these can't be a board's limits.
    pub(crate) fn check(self) -> Result<(), String> {
        if !(40..=110).contains(&self.reduce_c) || self.stills_c <= self.reduce_c {
            return Err("heat: reduce_c must be from 40 to 110, and stills_c above it".into());
        }
        Ok(())
    }
}

/// Where the sensors of this machine are; any may be missing.
#[derive(Debug, Clone, Default)]
pub struct Sensors {
    zones: Vec<PathBuf>,
    supply: Option<PathBuf>,
}

/// What they say now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// The hottest zone.
    pub celsius: Option<f32>,
    /// The supply was too weak within the last seconds.
    pub is_undervolted: bool,
}

impl Sensors {
    /// Looks for them below `sys`, which is `/sys` on a board.
    pub fn find(sys: &Path) -> Self {
        let in_folder = |folder: PathBuf, start: &'static str| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|e| e.path()).filter(move |path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
            })
        };
        let zones =
            in_folder(sys.join("class/thermal"), "thermal_zone").map(|zone| zone.join("temp")).collect();
        let is_supply = |path: &PathBuf| {
            fs::read_to_string(path.join("name")).is_ok_and(|name| name.trim() == "rpi_volt")
        };
        let supply = in_folder(sys.join("class/hwmon"), "hwmon").find(is_supply);
        Self { zones, supply: supply.map(|path| path.join("in0_lcrit_alarm")) }
    }

    /// Reads them. A zone that is switched off or tells nonsense does not count.
    pub fn read(&self) -> Reading {
        let degrees = |path: &PathBuf| {
            let milli: i32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
            (-40_000..150_000).contains(&milli).then_some(milli as f32 / 1000.0)
        };
        let alarm = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
        Reading {
            celsius: self.zones.iter().filter_map(degrees).reduce(f32::max),
            is_undervolted: self.supply.as_ref().is_some_and(alarm),
        }
    }
}

/// How much detection a board can bear, from nothing to all; the names are those of the eye's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Bearing {
    /// All of it.
    #[default]
    Normal,
    /// Half.
    Reduced,
    /// Stills on demand.
    Stills,
}

/// A limit is left again only this far below it, °C: the board cools because less is done.
const HYSTERESIS_C: f32 = 5.0;
/// After the last sign of a weak supply the load stays low for this long: it is the load that pulls the voltage down.
const SUPPLY_HOLD: Duration = Duration::from_secs(120);

/// Readings one after the other → how much the board bears. Time is an argument.
#[derive(Debug, Clone, Default)]
pub struct Strain {
    heat: Option<Heat>,
    by_heat: Bearing,
    undervolted: Option<Duration>,
    reading: Reading,
}

impl Strain {
    /// On a board with these limits, or without any.
    pub fn new(heat: Option<Heat>) -> Self {
        Self { heat, ..Self::default() }
    }

    /// A reading at `now`, since any beginning.
    pub fn see(&mut self, now: Duration, reading: Reading) -> Bearing {
        self.reading = reading;
        if let (Some(heat), Some(celsius)) = (self.heat, reading.celsius) {
            let limit = |c: u8, is_there: bool| f32::from(c) - if is_there { HYSTERESIS_C } else { 0.0 };
            self.by_heat = if celsius >= limit(heat.stills_c, self.by_heat >= Bearing::Stills) {
                Bearing::Stills
            } else if celsius >= limit(heat.reduce_c, self.by_heat >= Bearing::Reduced) {
                Bearing::Reduced
            } else {
                Bearing::Normal
            };
        }
        if reading.is_undervolted {
            self.undervolted = Some(now);
        } else if self.undervolted.is_some_and(|then| now.saturating_sub(then) > SUPPLY_HOLD) {
            self.undervolted = None;
        }
        let by_supply = self.undervolted.map_or(Bearing::Normal, |_| Bearing::Reduced);
        self.by_heat.max(by_supply)
    }

    /// Why it is not normal, for people: `83 °C`, `weak power supply`.
    pub fn why(&self) -> Option<String> {
        let heat = self.reading.celsius.filter(|_| self.by_heat > Bearing::Normal);
        let words: Vec<String> = heat
            .map(|celsius| format!("{celsius:.0} °C"))
            .into_iter()
            .chain(self.undervolted.map(|_| "weak power supply".into()))
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAT: Heat = Heat { reduce_c: 75, stills_c: 80 };

    fn at(seconds: u64, celsius: f32) -> (Duration, Reading) {
        (Duration::from_secs(seconds), Reading { celsius: Some(celsius), is_undervolted: false })
    }

    #[test]
    fn detection_is_shed_in_steps_and_comes_back_when_it_is_clearly_cooler() {
        let mut strain = Strain::new(Some(HEAT));
        let mut see = |s, c| {
            let (now, reading) = at(s, c);
            (strain.see(now, reading), strain.why())
        };
        assert_eq!(see(0, 74.9), (Bearing::Normal, None));
        assert_eq!(see(1, 75.2), (Bearing::Reduced, Some("75 °C".into())));
        assert_eq!(see(2, 83.4), (Bearing::Stills, Some("83 °C".into())));
        assert_eq!(see(3, 76.0).0, Bearing::Stills, "not yet clearly cooler");
        assert_eq!(see(4, 74.0).0, Bearing::Reduced);
        assert_eq!(see(5, 70.1).0, Bearing::Reduced);
        assert_eq!(see(6, 69.0), (Bearing::Normal, None));
    }

    #[test]
    fn a_weak_supply_reduces_for_a_while_without_any_limit_of_heat() {
        let mut strain = Strain::new(None);
        let weak = Reading { celsius: Some(99.0), is_undervolted: true };
        let fine = Reading { is_undervolted: false, ..weak };
        let s = Duration::from_secs;
        assert_eq!(strain.see(s(10), weak), Bearing::Reduced);
        assert_eq!(strain.why().as_deref(), Some("weak power supply"));
        assert_eq!(strain.see(s(130), fine), Bearing::Reduced);
        assert_eq!((strain.see(s(131), fine), strain.why()), (Bearing::Normal, None));
    }

    #[test]
    fn sensors_are_found_where_the_kernel_shows_them() {
        let sys = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(Sensors::find(sys.path()).read(), Reading::default(), "a machine without any");
        write("class/thermal/thermal_zone0/temp", "61323\n");
        write("class/thermal/thermal_zone1/temp", "-274000\n");
        write("class/thermal/cooling_device0/cur_state", "0\n");
        write("class/hwmon/hwmon0/name", "cpu_thermal\n");
        write("class/hwmon/hwmon1/name", "rpi_volt\n");
        write("class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        let sensors = Sensors::find(sys.path());
        let reading = sensors.read();
        assert_eq!((reading.celsius.map(|c| c.round()), reading.is_undervolted), (Some(61.0), false));
        write("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        assert!(sensors.read().is_undervolted);
    }
}
