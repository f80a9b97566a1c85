//! What the firewall said last → are cameras kept apart, and who tried what, in words.
//!
//! Asking the firewall needs rights that the recorder does not have: `nightjar-isolation-report.timer` asks, and leaves what
//! `nft -j list table` printed (libnftables-json(5)) in a file.

use nightjar_types::Mono;
use nightjar_types::config::Config;
use nightjar_types::status::{Attempt, Isolation};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The report below `/run`.
const REPORT: &str = "nightjar-isolation/table.json";
/// A report is not longer, bytes: two full sets are about 50 KiB.
const MOST: u64 = 256 << 10;
/// It comes every half minute; older is none.
const STALE: Duration = Duration::from_secs(300);
/// Whether the kernel hands packets on, below `/proc/sys`.
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

/// Reads the reports.
pub(crate) struct Reports {
    report: PathBuf,
    /// When the newest report was written, and when it was first seen: the clock on the wall may jump.
    newest: Option<(SystemTime, Mono)>,
    shown: Option<Isolation>,
}

impl Reports {
    /// Of this machine. The folder in place of `/run` may be named by `NIGHTJAR_RUN`, as for the programs of the image.
    pub(crate) fn of_machine() -> Self {
        let run = std::env::var_os("NIGHTJAR_RUN").map_or_else(|| PathBuf::from("/run"), PathBuf::from);
        Self { report: run.join(REPORT), newest: None, shown: None }
    }

    /// As last looked; `None` on a board that has no camera side.
    pub(crate) fn shown(&self) -> Option<&Isolation> {
        self.shown.as_ref()
    }

    /// Looks again.
    pub(crate) fn look(&mut self, config: &Config, now: Mono) {
        let written = std::fs::metadata(&self.report).and_then(|meta| meta.modified()).ok();
        if written != self.newest.map(|(written, _)| written) {
            self.newest = written.map(|written| (written, now));
        }
        self.shown = self.newest.map(|(_, since)| {
            let is_forwarding = FORWARDING.iter().any(|path| is_on(&Path::new("/proc/sys").join(path)));
            view(&read(&self.report), now.since(since) > STALE, is_forwarding, config)
        });
    }
}

/// What needs a person about it.
pub(crate) fn problem(shown: &Isolation) -> Option<String> {
    (!shown.in_force).then(|| shown.words.clone())
}

fn is_on(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

fn read(path: &Path) -> Value {
    let is_small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= MOST);
    let bytes = std::fs::read(path).ok().filter(|_| is_small).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn view(report: &Value, is_stale: bool, is_forwarding: bool, config: &Config) -> Isolation {
    let items = report["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |kind: &str, name: &str| items.iter().map(|i| &i[kind]).find(|item| item["name"] == name);
    let shut = named("chain", "through").is_some_and(|chain| chain["policy"] == "drop");
    let guarded = named("chain", "arriving").is_some_and(|chain| chain["hook"] == "prerouting");
    let refused = named("counter", "refused").and_then(|c| c["packets"].as_u64()).unwrap_or(0);
    let elements =
        |name: &str| named("set", name).and_then(|set| set["elem"].as_array()).into_iter().flatten();
    let mut attempts: Vec<Attempt> = elements("blocked").filter_map(|e| attempt(e, config)).collect();
    attempts.extend(elements("spoofed").filter_map(spoofing));
    attempts.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.words.cmp(&b.words)));
    let why = if is_stale {
        Some(
            "nobody has asked the firewall for minutes: \"systemctl status nightjar-isolation-report.timer\" says why",
        )
    } else if !shut || !guarded {
        Some(
            "the firewall's rules are not loaded: \"systemctl restart nightjar-isolation\", its log says more",
        )
    } else if is_forwarding {
        Some("this board hands packets on: set net.ipv4.ip_forward and net.ipv6.conf.all.forwarding to 0")
    } else {
        None
    };
    let words = match (why, refused) {
        (Some(why), _) => format!("It is not sure that cameras are kept apart from the network: {why}."),
        (None, 0) => "Cameras are kept apart from the network; nothing tried to get through.".into(),
        (None, n) => format!("Cameras are kept apart from the network; {n} packets were refused."),
    };
    Isolation { in_force: why.is_none(), words, refused, attempts }
}

/// An element of `blocked`: `{"elem": {"val": {"concat": [from, to]}, "counter": {"packets": n}}}`.
fn attempt(element: &Value, config: &Config) -> Option<Attempt> {
    let (from, to) = (&element["elem"]["val"]["concat"][0], &element["elem"]["val"]["concat"][1]);
    let (from, to) = (from.as_str()?, to.as_str()?);
    let times = element["elem"]["counter"]["packets"].as_u64()?;
    let words = format!("{} tried {}: blocked {times} times", who(from, config), who(to, config));
    Some(Attempt { from: from.into(), to: to.into(), times, words })
}

/// An element of `spoofed`, by hardware address.
fn spoofing(element: &Value) -> Option<Attempt> {
    let from = element["elem"]["val"].as_str()?;
    let times = element["elem"]["counter"]["packets"].as_u64()?;
    let words = format!("device {from} sent with addresses that are not its own: blocked {times} times");
    Some(Attempt { from: from.into(), to: String::new(), times, words })
}

fn who(address: &str, config: &Config) -> String {
    let is_there = |source: &str| {
        let after = source.split_once("://").map(|(_, rest)| rest);
        after.and_then(|rest| rest.split(['/', ':', '?']).next()) == Some(address)
    };
    let camera = config.cameras.iter().find(|camera| is_there(&camera.main.text));
    camera.map_or_else(|| address.to_owned(), |camera| format!("camera {} ({address})", camera.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(blocked: Value) -> Value {
        json!({"nftables": [
            {"table": {"name": "nightjar"}},
            {"counter": {"name": "refused", "packets": 43}},
            {"chain": {"name": "arriving", "hook": "prerouting", "policy": "accept"}},
            {"chain": {"name": "through", "hook": "forward", "policy": "drop"}},
            {"set": {"name": "blocked", "elem": blocked}},
            {"set": {"name": "spoofed", "elem": [{"elem": {"val": "02:00:00:00:00:07", "counter": {"packets": 2}}}]}},
        ]})
    }

    fn config() -> Config {
        let text =
            "[[camera]]\nid = \"front\"\nname = \"Front door\"\nmain = \"rtsp://10.9.0.12:554/main\"\n";
        Config::from_toml(text, "test").unwrap()
    }

    #[test]
    fn says_which_camera_tried_what_and_how_often() {
        let element = |from: &str, to: &str, packets: u64| json!({"elem": {"val": {"concat": [from, to]}, "expires": 9, "counter": {"packets": packets}}});
        let blocked = json!([element("10.9.0.13", "10.9.0.1", 1), element("10.9.0.12", "8.8.8.8", 41)]);
        let seen = view(&report(blocked), false, false, &config());
        assert!(seen.in_force && problem(&seen).is_none());
        let words: Vec<&str> = seen.attempts.iter().map(|a| a.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "camera Front door (10.9.0.12) tried 8.8.8.8: blocked 41 times",
                "device 02:00:00:00:00:07 sent with addresses that are not its own: blocked 2 times",
                "10.9.0.13 tried 10.9.0.1: blocked 1 times",
            ]
        );
    }

    #[test]
    fn what_is_not_sure_is_a_problem_with_its_mend() {
        let said = |report: &Value, is_stale, is_forwarding| {
            problem(&view(report, is_stale, is_forwarding, &config())).unwrap_or_default()
        };
        let good = report(json!([]));
        assert!(said(&json!({}), false, false).contains("systemctl restart nightjar-isolation"));
        assert!(said(&good, true, false).contains("report.timer"));
        assert!(said(&good, false, true).contains("ip_forward"));
        let mut open = good.clone();
        open["nftables"][3]["chain"]["policy"] = "accept".into();
        assert!(said(&open, false, false).contains("not loaded"));
        assert_eq!(said(&good, false, false), "");
    }

    #[test]
    fn a_board_without_a_camera_side_shows_nothing_and_garbage_is_no_rules() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table.json");
        let mut reports = Reports { report: path.clone(), newest: None, shown: None };
        reports.look(&config(), Mono(0));
        assert_eq!(reports.shown(), None);
        for garbage in ["", "{", "[]", r#"{"nftables": 7}"#] {
            std::fs::write(&path, garbage).unwrap();
            reports.look(&config(), Mono(0));
            assert!(!reports.shown().unwrap().in_force, "{garbage}");
        }
    }
}
