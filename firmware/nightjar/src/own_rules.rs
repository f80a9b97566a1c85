//! Rules that were written on the phone page: `rules.toml` in the state folder, which stands in place of the `[[rule]]` tables of
//! the configuration for as long as it is there.

use crate::arming::LocalTime;
use crate::rehearse::{self, Fate};
use crate::{journal, load, story};
use anyhow::{Context, bail};
use nightjar_api::{MoveView, Rehearsal, RulesText};
use nightjar_io::clock;
use nightjar_io::storage::disk;
use nightjar_types::config::Config;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Moves that one answer holds.
const MOVES: usize = 500;

/// Where they are.
pub(crate) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("rules.toml")
}

/// The configuration's text with these rules, if there are any, in place of its own.
pub(crate) fn read(text: &str, name: &str) -> anyhow::Result<Config> {
    let config = Config::from_toml(text, name)?;
    let own = file(&load::state_dir(&config));
    match fs::read_to_string(&own) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(config),
        Err(e) => Err(e).with_context(|| format!("{}: cannot be read", own.display())),
        Ok(rules) => {
            Config::with_rules_of((text, name), (&rules, &own.display().to_string())).with_context(|| {
                format!(
                    "{} was written on the page and no longer fits; without it the rules of {name} count",
                    own.display()
                )
            })
        }
    }
}

/// What the page asks about the rules of one recorder.
#[derive(Debug, Clone)]
pub(crate) struct OwnRules {
    /// Where its configuration came from.
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
}

impl OwnRules {
    fn configuration(&self) -> anyhow::Result<(String, String)> {
        let Some(path) = &self.config else { bail!("the recorder was started without a configuration file") };
        let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Ok((text, path.display().to_string()))
    }

    /// As they are written. Of the configuration's file only the tables of its rules.
    pub(crate) fn text(&self) -> anyhow::Result<RulesText> {
        match fs::read_to_string(file(&self.state_dir)) {
            Ok(text) => Ok(RulesText { text, is_own: true }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = self.config.is_some().then(|| self.configuration()).transpose()?;
                let text = text.map_or(String::new(), |(text, _)| tables_of_rules(&text));
                Ok(RulesText { text, is_own: false })
            }
            Err(e) => Err(e).context("rules.toml: cannot be read"),
        }
    }

    /// The whole configuration with these rules, as it would run.
    fn with(&self, rules: &str) -> anyhow::Result<Config> {
        let (text, name) = self.configuration()?;
        let config = Config::with_rules_of((&text, &name), (rules, "rules"))?;
        load::tried(&config)?;
        Ok(config)
    }

    /// What they would have done in the last hours.
    pub(crate) fn rehearse(&self, rules: &str, hours: u32) -> anyhow::Result<Rehearsal> {
        let config = self.with(rules)?;
        let to = clock::wall();
        let from = to.plus_micros(-i64::from(hours) * 3_600_000_000);
        let mut records = journal::read(&self.state_dir).peekable();
        let since_ms = records.peek().map(|first| first.wall.max(from).as_ms());
        let told = rehearse::told(&config, LocalTime::of(&config)?, records, from, to)?;
        let left_out = told.len().saturating_sub(MOVES);
        let view = |(fate, edge): (Fate, rehearse::Edge)| MoveView {
            at_ms: edge.at.as_ms(),
            output: edge.output,
            on: edge.on,
            fate: fate.name(),
            cause: edge.cause,
        };
        let rules = config.rules.iter().map(|r| story::view(&config, r)).collect();
        Ok(Rehearsal {
            rules,
            moves: told.into_iter().skip(left_out).map(view).collect(),
            since_ms,
            left_out,
        })
    }

    /// Keeps them, or with `None` lets go of them. What the recorder would not start with is refused.
    pub(crate) fn save(&self, rules: Option<&str>) -> anyhow::Result<Result<(), std::io::Error>> {
        let own = file(&self.state_dir);
        let Some(rules) = rules else {
            let (text, name) = self.configuration()?;
            Config::from_toml(&text, &name)?;
            return Ok(match fs::remove_file(&own) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                _ => disk::sync_folder(&own),
            });
        };
        self.with(rules)?;
        Ok(disk::replace(&own, rules.as_bytes(), disk::READABLE))
    }
}

/// The lines of every `[[rule]]` and what is below it, with the comments between them.
fn tables_of_rules(text: &str) -> String {
    let mut is_rule = false;
    let mut told = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            is_rule =
                line.starts_with("[[rule]]") || line.starts_with("[rule.") || line.starts_with("[[rule.");
        }
        if is_rule {
            told.push_str(line);
            told.push('\n');
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Record, What};
    use nightjar_types::Mono;

    const CONFIG: &str = "[[output]]\nid = \"siren\"\nline = \"sim:1\"\n[[output]]\nid = \"lamp\"\nline = \"sim:2\"\n\
        [[input]]\nid = \"panic\"\nline = \"sim:3\"\nkind = \"panic\"\n\
        [[rule]]\nid = \"alarm\" # loud\nwhen = { input = \"panic\" }\ndo = { hold = \"siren\", linger = \"0s\" }\n\
        [web]\ntls = \"off\"\n";

    fn rules() -> (tempfile::TempDir, OwnRules) {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("nightjar.toml");
        let state_dir = dir.path().join("state");
        fs::create_dir_all(&state_dir).unwrap();
        fs::write(&config, format!("[device]\nstate_dir = {:?}\n{CONFIG}", state_dir.display().to_string()))
            .unwrap();
        (dir, OwnRules { config: Some(config), state_dir })
    }

    fn in_force(rules: &OwnRules) -> Vec<String> {
        let config = load::config(rules.config.as_deref()).unwrap();
        config.rules.iter().map(|r| r.id.to_string()).collect()
    }

    #[test]
    fn rules_of_the_page_stand_in_place_of_the_configurations_until_they_are_let_go() {
        let (_dir, rules) = rules();
        let first = rules.text().unwrap();
        assert!(
            !first.is_own && first.text.starts_with("[[rule]]\nid = \"alarm\" # loud\n"),
            "{}",
            first.text
        );
        assert!(!first.text.contains("[web]") && !first.text.contains("[[input]]"), "{}", first.text);
        let other = first.text.replace("alarm", "light").replace("siren", "lamp");
        rules.save(Some(&other)).unwrap().unwrap();
        assert_eq!(rules.text().unwrap(), RulesText { text: other, is_own: true });
        assert_eq!(in_force(&rules), ["light"]);
        rules.save(None).unwrap().unwrap();
        rules.save(None).unwrap().unwrap(); // there is nothing to let go
        assert_eq!((rules.text().unwrap(), in_force(&rules)), (first, vec!["alarm".to_string()]));
    }

    #[test]
    fn what_the_recorder_would_not_start_with_is_refused_and_nothing_is_changed() {
        let (_dir, rules) = rules();
        let bad = rules.text().unwrap().text.replace("siren", "sirene");
        let why = format!("{:#}", rules.save(Some(&bad)).unwrap_err());
        assert!(why.contains("sirene") && why.contains("rules"), "{why}");
        assert!(rules.rehearse(&bad, 1).is_err() && rules.save(Some("id =")).is_err());
        assert!(!rules.text().unwrap().is_own);
        // A configuration that has changed since is not run with other rules than those that are shown.
        rules.save(Some(&rules.text().unwrap().text)).unwrap().unwrap();
        let config = rules.config.clone().unwrap();
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("panic", "button").replace("kind = \"button\"", "kind = \"panic\""))
            .unwrap();
        let why = format!("{:#}", load::config(Some(&config)).unwrap_err());
        assert!(why.contains("rules.toml") && why.contains("no longer fits"), "{why}");
    }

    #[test]
    fn a_rehearsal_tells_the_rules_in_sentences() {
        let (_dir, rules) = rules();
        assert_eq!(rules.rehearse("", 24).unwrap().since_ms, None, "nothing was seen yet");
        let journal = Journal::open(&rules.state_dir).unwrap();
        journal.add(Record { mono: Mono(1), wall: clock::wall(), what: What::Began { armed: false } });
        drop(journal);
        let told = rules.rehearse(&rules.text().unwrap().text, 24).unwrap();
        assert!(told.since_ms.is_some());
        assert_eq!((told.moves.len(), told.left_out, told.rules[0].id.as_str()), (0, 0, "alarm"));
        assert!(told.rules[0].sentence.contains("siren"), "{}", told.rules[0].sentence);
    }
}
