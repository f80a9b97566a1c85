//! Words of people, key-switches and the schedule → whether the device is armed; the last one counts, over restarts too.
//!
//! The schedule speaks when it begins and when it ends. If that was while the recorder did not run, it speaks at the start.

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightjar_io::storage::disk;
use nightjar_rules::{Present, Schedule};
use nightjar_types::Wall;
use nightjar_types::config::{Config, InputKind};
use nightjar_types::status::ArmView;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Armed or not, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    armed: bool,
    since_ms: i64,
    by: String,
    /// What the schedule said last.
    scheduled: Option<bool>,
}

/// The clock on the wall: where the device is.
#[derive(Debug, Clone)]
pub(crate) struct LocalTime(TimeZone);

impl LocalTime {
    /// Of a configuration. Fails when it names a zone that is not known here.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let Some(name) = &config.device.timezone else { return Ok(Self(systems_zone())) };
        zone(name).map(Self).with_context(|| {
            format!(
                "[device] timezone: \"{name}\" is not known here; write a name such as Europe/Berlin (package tzdata), or a rule \
                 such as CET-1CEST,M3.5.0,M10.5.0/3"
            )
        })
    }

    /// `None`: nothing in this configuration asks for it, and it is not looked for.
    fn if_asked_for(config: &Config) -> anyhow::Result<Option<Self>> {
        let is_asked_for = config.device.timezone.is_some()
            || config.arm.schedule.is_some()
            || config.rules.iter().any(|r| r.when.circumstances.during.is_some());
        is_asked_for.then(|| Self::of(config)).transpose()
    }

    /// A moment as people write it: `2026-11-21T10:00:00Z`, or there `2026-11-21 10:00`.
    pub(crate) fn moment(&self, text: &str) -> anyhow::Result<Wall> {
        let absolute = text.parse::<Timestamp>();
        let there = || text.parse::<jiff::civil::DateTime>().and_then(|at| at.to_zoned(self.0.clone()));
        let at = absolute.or_else(|_| there().map(|at| at.timestamp()));
        at.map(|at| Wall(at.as_microsecond())).map_err(|_| {
            anyhow::anyhow!("\"{text}\" is no moment such as 2026-11-21T10:00:00Z or \"2026-11-21 10:00\"")
        })
    }

    /// Minute of the week there, from Monday 00:00 on.
    pub(crate) fn minute_of_week(&self, at: Wall) -> u16 {
        let there =
            Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.0.clone());
        let day = u16::from(there.weekday().to_monday_zero_offset().unsigned_abs());
        let [hour, minute] = [there.hour(), there.minute()].map(|n| u16::from(n.unsigned_abs()));
        day * 1_440 + hour * 60 + minute
    }
}

/// The zone of `TZ`, or else of the machine; UTC where neither says one.
fn systems_zone() -> TimeZone {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    let found = named
        .map_or_else(|| zone_file(Path::new("/etc/localtime")), |name| zone(name.trim_start_matches(':')));
    found.unwrap_or(TimeZone::UTC)
}

/// A name of the tz database or a POSIX rule.
fn zone(name: &str) -> Option<TimeZone> {
    zone_file(&Path::new("/usr/share/zoneinfo").join(name)).or_else(|| TimeZone::posix(name).ok())
}

/// jiff's own look-up reads the names of all the zones there are, and keeps them.
fn zone_file(path: &Path) -> Option<TimeZone> {
    TimeZone::tzif("", &std::fs::read(path).ok()?).ok()
}

/// Whether the device is armed, and why.
pub(crate) struct Arming {
    /// `None`: nothing asks what time it is there.
    local: Option<LocalTime>,
    schedule: Option<Schedule>,
    /// By input: it is a key-switch of this name.
    keys: Vec<Option<String>>,
    kept: Arc<Mutex<Kept>>,
    file: Arc<Mutex<PathBuf>>,
}

impl Arming {
    /// As it was left, with what the schedule has said since.
    pub(crate) fn open(config: &Config, state_dir: &Path, now: Wall) -> anyhow::Result<Self> {
        let key = |i: &nightjar_types::config::Input| {
            (i.kind == InputKind::KeySwitch).then(|| format!("input {}", i.id))
        };
        let schedule = config.arm.schedule.as_ref().map(|s| Schedule::new(&s.spans)).transpose();
        let file = state_dir.join("arm.json");
        let never = Kept { armed: false, since_ms: now.as_ms(), by: "nobody yet".into(), scheduled: None };
        let kept = match std::fs::read(&file) {
            Err(_) => never,
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|e| {
                tracing::error!(error = %e, file = %file.display(), "cannot be read; the device is not armed");
                never
            }),
        };
        let mut arming = Self {
            local: LocalTime::if_asked_for(config)?,
            schedule: schedule.context("[arm] schedule")?,
            keys: config.inputs.iter().map(key).collect(),
            kept: Arc::new(Mutex::new(kept)),
            file: Arc::new(Mutex::new(file)),
        };
        arming.tick(now);
        Ok(arming)
    }

    /// What the rules must know.
    pub(crate) fn present(&self, now: Wall) -> Present {
        let is_armed = self.kept.lock().unwrap_or_else(PoisonError::into_inner).armed;
        Present { is_armed, minute: self.local.as_ref().map_or(0, |local| local.minute_of_week(now)) }
    }

    /// What is shown.
    pub(crate) fn view(&self) -> ArmView {
        let Kept { armed, since_ms, by, .. } =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ArmView { armed, since_ms, by }
    }

    /// Listens to the schedule. True: the device was armed or disarmed.
    pub(crate) fn tick(&mut self, now: Wall) -> bool {
        let Some((schedule, local)) = self.schedule.as_ref().zip(self.local.as_ref()) else { return false };
        let says = schedule.contains(local.minute_of_week(now));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.scheduled == Some(says) {
            return false;
        }
        kept.scheduled = Some(says);
        drop(kept);
        self.say(says, "schedule", now)
    }

    /// An input is at this level. True: it is a key-switch, and the device was armed or disarmed.
    pub(crate) fn sense(&mut self, input: u8, active: bool, is_edge: bool, now: Wall) -> bool {
        let key = self.keys.get(usize::from(input)).cloned().flatten();
        // A level that was there before is no word of anybody.
        key.filter(|_| is_edge).is_some_and(|key| self.say(active, &key, now))
    }

    /// Somebody says so. True: it was not so before.
    pub(crate) fn say(&mut self, armed: bool, by: &str, now: Wall) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = kept.armed != armed;
        (kept.armed, kept.by) = (armed, by.into());
        if is_news {
            kept.since_ms = now.as_ms();
        }
        drop(kept);
        self.write();
        is_news
    }

    /// Writes it down without waiting for the disk: always the newest, one writer at a time.
    fn write(&self) {
        let (kept, file) = (self.kept.clone(), self.file.clone());
        let write = move || {
            let file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let now = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Err(e) = save(&file, &now) {
                tracing::error!(error = %e, file = %file.display(), "whether it is armed cannot be written down");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(write)),
            Err(_) => write(),
        }
    }
}

fn save(file: &Path, kept: &Kept) -> std::io::Result<()> {
    disk::replace(file, &serde_json::to_vec_pretty(kept)?, disk::READABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central Europe, without asking the system for its zones.
    const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const MINUTE: i64 = 60_000_000;

    fn config(schedule: &str) -> Config {
        let text = format!(
            "[device]\ntimezone = \"{ZONE}\"\n[arm]\nschedule = {schedule}\n\
             [[input]]\nid = \"key\"\nline = \"sim:4\"\nkind = \"key-switch\"\n[[input]]\nid = \"door\"\nline = \"sim:5\"\n"
        );
        Config::from_toml(&text, "test").unwrap()
    }

    fn wall(text: &str) -> Wall {
        Wall(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    /// Minutes that the schedule is on between two moments.
    fn armed_minutes(schedule: &str, from: &str, to: &str) -> u32 {
        let config = config(schedule);
        let (local, spans) = (LocalTime::of(&config).unwrap(), config.arm.schedule.unwrap().spans);
        let schedule = Schedule::new(&spans).unwrap();
        let (from, to) = (wall(from), wall(to));
        let minutes = (from.0..to.0).step_by(MINUTE as usize);
        minutes.filter(|at| schedule.contains(local.minute_of_week(Wall(*at)))).count() as u32
    }

    #[test]
    fn a_night_is_an_hour_shorter_in_spring_and_longer_in_autumn() {
        let night = "\"22:00-06:00\"";
        assert_eq!(armed_minutes(night, "2026-03-21T12:00:00Z", "2026-03-22T12:00:00Z"), 480);
        assert_eq!(armed_minutes(night, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), 420);
        assert_eq!(armed_minutes(night, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"), 540);
        let lost = "\"sun 02:00-03:00\"";
        assert_eq!(
            armed_minutes(lost, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"),
            0,
            "that hour is not there"
        );
        assert_eq!(
            armed_minutes(lost, "2026-10-25T00:00:00Z", "2026-10-25T12:00:00Z"),
            120,
            "it is there twice"
        );
    }

    #[test]
    fn the_last_word_counts_over_a_restart_too() {
        let dir = tempfile::tempdir().unwrap();
        let config = config("[\"mon-fri 22:00-06:00\"]");
        let open = |at: &str| Arming::open(&config, dir.path(), wall(at)).unwrap();
        let mut arming = open("2026-11-23T20:59:00Z");
        assert!(!arming.view().armed);
        assert!(arming.tick(wall("2026-11-23T21:00:00Z")), "22:00 there");
        assert_eq!((arming.view().armed, arming.view().by.as_str()), (true, "schedule"));
        assert!(arming.say(false, "user ada", wall("2026-11-23T21:05:00Z")));
        assert!(!arming.tick(wall("2026-11-23T21:06:00Z")), "the schedule has spoken already");
        drop(arming);
        let mut arming = open("2026-11-23T23:00:00Z");
        assert_eq!((arming.view().armed, arming.view().by.as_str()), (false, "user ada"), "as it was left");
        arming.say(true, "user ada", wall("2026-11-23T23:01:00Z"));
        drop(arming);
        let arming = open("2026-11-24T12:00:00Z");
        assert_eq!(
            (arming.view().armed, arming.view().by.as_str()),
            (false, "schedule"),
            "it ended meanwhile"
        );
    }

    #[test]
    fn a_key_switch_arms_when_it_is_turned_and_other_inputs_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = wall("2026-11-23T12:00:00Z");
        let mut arming = Arming::open(&config("[]"), dir.path(), now).unwrap();
        assert!(!arming.sense(1, true, true, now) && !arming.sense(0, true, false, now));
        assert!(arming.sense(0, true, true, now));
        assert_eq!((arming.view().by.as_str(), arming.present(now).is_armed), ("input key", true));
        assert!(arming.sense(0, false, true, now) && !arming.view().armed);
    }

    #[test]
    fn a_zone_is_read_from_the_systems_files() {
        // version 2 of RFC 8536 with nothing but its rule: no transitions, one type, the empty name
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        [0, 0, 0, 0, 1, 1].iter().for_each(|count: &u32| block.extend(count.to_be_bytes()));
        block.extend([0, 0, 0, 0, 0, 0, 0]);
        let text = [&block[..], &block, b"\n", ZONE.as_bytes(), b"\n"].concat();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("zone"), text).unwrap();
        let there = LocalTime(zone_file(&dir.path().join("zone")).unwrap());
        for (at, minute) in [("2026-06-15T10:00:00Z", 12 * 60), ("2026-12-14T10:00:00Z", 11 * 60)] {
            assert_eq!(there.minute_of_week(wall(at)), minute, "{at}");
        }
        assert!(zone_file(&dir.path().join("none")).is_none());
    }

    #[test]
    fn a_device_without_schedules_does_not_look_for_its_zone() {
        let asks =
            |text: &str| LocalTime::if_asked_for(&Config::from_toml(text, "x").unwrap()).unwrap().is_some();
        assert!(!asks("[[output]]\nid = \"siren\"\nline = \"sim:1\""));
        assert!(asks("[arm]\nschedule = \"22:00-06:00\""));
        assert!(asks(&format!("[device]\ntimezone = \"{ZONE}\"")));
    }

    #[test]
    fn a_zone_that_is_not_there_is_named_with_the_mend() {
        let wrong = Config::from_toml("[device]\ntimezone = \"Europe/Bärlin\"", "x").unwrap();
        let said = format!("{:#}", LocalTime::of(&wrong).unwrap_err());
        assert!(said.starts_with("[device] timezone: \"Europe/Bärlin\" is not known here"), "{said}");
    }
}
