//! SIGHUP: the configuration file is read again → a new quota at once, other changed keys named, a bad file told and left.
//!
//! Rules, inputs and outputs wait for a restart too: it puts every relay to its safe level before the new ones take over.

use crate::load;
use nightjar_api::Audit;
use nightjar_io::storage::Library;
use nightjar_types::config::Config;
use std::path::Path;

/// Who did it, in the audit.
const WHO: &str = "signal HUP";

/// Reads `file` again. `started` is what the recorder was started with. Blocks on the disk.
pub(crate) fn run(file: Option<&Path>, started: &Config, library: &Library, audit: &Audit) {
    let told =
        match file.ok_or_else(|| anyhow::anyhow!("the recorder was started without a configuration file")) {
            Err(e) => Err(e),
            Ok(file) => load::config(Some(file)).and_then(|fresh| {
                load::tried(&fresh)?;
                apply(&fresh, started, library)
            }),
        };
    match told {
        Ok(told) => {
            for words in &told {
                tracing::info!("configuration: {words}");
                audit.record(WHO, words);
            }
        }
        Err(e) => {
            tracing::error!("the configuration was not taken, nothing is changed: {e:#}");
            audit.record(WHO, &format!("the configuration was not taken, nothing is changed: {e:#}"));
        }
    }
}

/// What was done with it, in sentences.
fn apply(fresh: &Config, started: &Config, library: &Library) -> anyhow::Result<Vec<String>> {
    let (old, new) = (library.status().quota_bytes, fresh.storage.quota);
    let mut told = Vec::new();
    if old != new {
        let held = library.held().bytes;
        let budget = (new as f64 * f64::from(started.storage.holds)) as u64;
        if new < old && held > budget {
            anyhow::bail!(
                "[storage] quota: {} MiB would leave {} MiB for held footage, but {} MiB are held; let a hold go first",
                new >> 20,
                budget >> 20,
                held >> 20
            );
        }
        library.set_quota(new)?;
        told.push(format!("[storage] quota changed from {} to {} MiB", old >> 20, new >> 20));
    }
    let changed = changed(started, fresh);
    if !changed.is_empty() {
        told.push(format!("needs a restart: {}; until then all of it stays as it was", changed.join(", ")));
    }
    if told.is_empty() {
        told.push("read again, nothing is changed".into());
    }
    Ok(told)
}

/// The keys and tables that differ, but for the quota.
fn changed(old: &Config, new: &Config) -> Vec<String> {
    // taken apart, so that a new field cannot be forgotten here
    let Config {
        device,
        storage,
        record,
        keep,
        web,
        board,
        eye,
        night,
        cameras,
        outputs,
        inputs,
        arm,
        power,
        rules,
        world,
    } = old;
    let mut changed = Vec::new();
    let mut differs = |name: &str, differs: bool| {
        if differs {
            changed.push(name.to_string());
        }
    };
    differs("[device]", *device != new.device);
    differs("[arm]", *arm != new.arm);
    differs("[power]", *power != new.power);
    differs("[storage] path", storage.path != new.storage.path);
    differs("[storage] sync", storage.sync != new.storage.sync);
    differs("[storage] memory", storage.memory != new.storage.memory);
    differs("[storage] holds", storage.holds != new.storage.holds);
    differs("[storage] volume", storage.volume != new.storage.volume);
    differs("[storage] endurance", storage.endurance != new.storage.endurance);
    differs("[record]", *record != new.record);
    differs("[keep]", *keep != new.keep);
    differs("[web]", *web != new.web);
    differs("[board]", *board != new.board);
    differs("[eye]", *eye != new.eye);
    differs("[night]", *night != new.night);
    differs("[mqtt]", world.mqtt != new.world.mqtt);
    differs("[ntfy]", world.ntfy != new.world.ntfy);
    differs("[email]", world.email != new.world.email);
    differs("[push]", world.push != new.world.push);
    let webhooks = items("webhook", &world.webhooks, &new.world.webhooks, |w| w.id.as_str());
    changed.extend(webhooks);
    changed.extend(items("camera", cameras, &new.cameras, |c| c.id.as_str()));
    changed.extend(items("output", outputs, &new.outputs, |o| o.id.as_str()));
    changed.extend(items("input", inputs, &new.inputs, |i| i.id.as_str()));
    changed.extend(items("rule", rules, &new.rules, |r| r.id.as_str()));
    changed
}

/// Items that came, went or changed, by their ids.
fn items<T: PartialEq>(kind: &str, old: &[T], new: &[T], id: impl Fn(&T) -> &str) -> Vec<String> {
    let find = |list: &[T], item: &T| list.iter().position(|other| id(other) == id(item));
    let went_or_changed = old.iter().filter(|item| find(new, item).is_none_or(|n| new[n] != **item));
    let came = new.iter().filter(|item| find(old, item).is_none());
    went_or_changed.chain(came).map(|item| format!("{kind} \"{}\"", id(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nightjar_io::storage::{Options, Storage};

    fn config(text: &str) -> Config {
        Config::from_toml(text, "test").unwrap()
    }

    #[test]
    fn names_what_needs_a_restart() {
        let old = config(
            "[[camera]]\nid = \"a\"\nmain = \"synthetic:\"\n[[camera]]\nid = \"b\"\nmain = \"synthetic:\"",
        );
        let new = config(
            "[storage]\nquota = \"9GiB\"\nholds = 0.5\n[web]\ntls = \"off\"\n[[camera]]\nid = \"b\"\nmain = \"synthetic:?fps=9\"\n\
             [[camera]]\nid = \"c\"\nmain = \"synthetic:\"",
        );
        let names = ["[storage] holds", "[web]", "camera \"a\"", "camera \"b\"", "camera \"c\""];
        assert_eq!(changed(&old, &new), names);
        assert!(changed(&old, &old).is_empty());
    }

    #[test]
    fn rules_and_lines_need_a_restart_too() {
        let lines = |pulse: &str, line: u32, extra: &str| {
            config(&format!(
                "{extra}[[input]]\nid = \"door\"\nline = \"sim:{line}\"\n[[output]]\nid = \"siren\"\nline = \"sim:1\"\n\
                 [[rule]]\nid = \"alarm\"\nwhen = {{ input = \"door\" }}\ndo = {{ pulse = \"siren\", for = \"{pulse}\" }}\n"
            ))
        };
        let old = lines("3s", 4, "");
        assert_eq!(changed(&old, &lines("5s", 4, "")), ["rule \"alarm\""]);
        assert_eq!(changed(&old, &lines("3s", 5, "")), ["input \"door\""]);
        let more = "[arm]\nschedule = \"22:00-06:00\"\n[[output]]\nid = \"lamp\"\nline = \"sim:2\"\n";
        assert_eq!(changed(&old, &lines("3s", 4, more)), ["[arm]", "output \"lamp\""]);
    }

    #[test]
    fn a_good_quota_is_taken_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::open(dir.path(), std::sync::Arc::new(nightjar_io::clock::wall)).unwrap();
        let options = Options::folder(&dir.path().join("footage"), 64 << 20, vec![]);
        std::fs::create_dir_all(dir.path().join("footage")).unwrap();
        let storage = Storage::open(options).unwrap();
        let (library, file) = (storage.library(), dir.path().join("nightjar.toml"));
        let started = config("[storage]\nquota = \"64MiB\"");
        let told = |text: &str| {
            std::fs::write(&file, text).unwrap();
            run(Some(&file), &started, &library, &audit);
            (library.status().quota_bytes >> 20, audit.newest(1).remove(0).what)
        };
        assert_eq!(
            told("[storage]\nquota = \"96MiB\""),
            (96, "[storage] quota changed from 64 to 96 MiB".into())
        );
        assert_eq!(told("[storage]\nquota = \"96MiB\""), (96, "read again, nothing is changed".into()));
        let (quota, words) = told("[storage]\nquotta = \"128MiB\"");
        assert!(quota == 96 && words.contains("nothing is changed") && words.contains("quotta"), "{words}");
        let (quota, words) = told("[storage]\nquota = \"900TiB\"");
        assert!(quota == 96 && words.contains("only"), "{words}");
        // a password that a restart would ask for in vain
        let (quota, words) = told(
            "[storage]\nquota = \"64MiB\"\n[ntfy]\nurl = \"https://ntfy.sh/barn\"\ntoken_file = \"/nowhere\"",
        );
        assert!(
            quota == 96
                && words.contains("nothing is changed")
                && words.contains("[ntfy] token_file /nowhere"),
            "{words}"
        );
        // a line that the board does not have: a restart would not get through
        let (quota, words) =
            told("[storage]\nquota = \"64MiB\"\n[[output]]\nid = \"siren\"\nline = \"sim:999\"");
        assert!(quota == 96 && words.contains("nothing is changed") && words.contains("siren"), "{words}");
        run(None, &started, &library, &audit);
        assert!(audit.newest(1)[0].what.contains("without a configuration file"));
        storage.stop().unwrap();
    }
}
