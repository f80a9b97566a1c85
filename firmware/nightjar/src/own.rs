//! What was saved on the phone page, in place of parts of the configuration for as long as it is there: `rules.toml` in place of its
//! `[[rule]]`s, `sights.json` in place of what it says counts in some cameras' pictures. Both are files of the state folder.

use crate::arming::LocalTime;
use crate::rehearse::{self, Fate};
use crate::resight::Resight;
use crate::{journal, load, story};
use anyhow::{Context, bail};
use nightjar_api::{Draft, MoveView, Rehearsal, RulesText, SightView};
use nightjar_io::clock;
use nightjar_io::storage::disk;
use nightjar_types::config::{Config, ConfigError, Sights, Written};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Moves that one answer holds.
const MOVES: usize = 500;
/// In the state folder.
const RULES: &str = "rules.toml";
const SIGHTS: &str = "sights.json";
/// Two that save at once would each forget what the other saves.
static SAVING: Mutex<()> = Mutex::new(());

/// What is saved, or would be.
#[derive(Debug, Clone, Default, PartialEq)]
struct Saved {
    rules: Option<String>,
    /// Empty: none.
    sights: Sights,
}

impl Saved {
    fn read(state_dir: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = state_dir.join(name);
            match fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
                Err(e) => Err(e).with_context(|| format!("{}: cannot be read", path.display())),
            }
        };
        let sights = text(SIGHTS)?.map(|text| serde_json::from_str(&text)).transpose();
        let sights = sights.with_context(|| {
            let path = state_dir.join(SIGHTS);
            format!(
                "{} was saved on the page and is damaged; without it the zones and limits of the configuration count",
                path.display()
            )
        });
        Ok(Self { rules: text(RULES)?, sights: sights?.unwrap_or_default() })
    }

    fn with(mut self, draft: &Draft) -> Self {
        match draft.clone() {
            Draft::Rules(rules) => self.rules = rules,
            Draft::Sight { camera, sight: Some(sight) } => drop(self.sights.insert(camera, sight)),
            Draft::Sight { camera, sight: None } => drop(self.sights.remove(&camera)),
        }
        self
    }

    /// In place of what `written` says itself; `name` gives a file its name in messages.
    fn put_into(&self, written: &mut Written, name: impl Fn(&str) -> String) -> Result<(), ConfigError> {
        if let Some(rules) = &self.rules {
            written.put_rules(rules, &name(RULES))?;
        }
        if !self.sights.is_empty() {
            written.put_sights(&self.sights, &name(SIGHTS));
        }
        Ok(())
    }

    /// The files that there are.
    fn names(&self) -> Vec<&'static str> {
        let all = [(RULES, self.rules.is_some()), (SIGHTS, !self.sights.is_empty())];
        all.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
    }
}

/// The configuration's text with what was saved on the page, if anything was, in place of parts of it.
pub(crate) fn read(text: &str, name: &str) -> anyhow::Result<Config> {
    with_rules(text, name, None)
}

/// The same, with the rules of another text and file in place of all others.
pub(crate) fn with_rules(text: &str, name: &str, rules: Option<(&str, &str)>) -> anyhow::Result<Config> {
    let mut written = Written::parse(text, name)?;
    let state_dir = load::state_dir_of(&written);
    let mut saved = Saved::read(&state_dir)?;
    if let Some((text, file)) = rules {
        written.put_rules(text, file)?;
        saved.rules = None;
    }
    let names = saved.names();
    let put = saved.put_into(&mut written, |name| state_dir.join(name).display().to_string());
    let error = match put.and_then(|()| written.check()) {
        Ok(config) => return Ok(config),
        Err(error) if names.is_empty() => return Err(error.into()),
        Err(error) => error,
    };
    let alone = Written::parse(text, name)?.check().map_or_else(|e| e.faults, |_| Vec::new());
    if error.faults.iter().all(|fault| alone.contains(fault)) {
        return Err(ConfigError { file: name.into(), ..error }.into()); // it has them by itself
    }
    Err(error).with_context(|| {
        format!(
            "{} in {} was saved on the page and no longer fits; without it what {name} says itself counts",
            names.join(" and "),
            state_dir.display()
        )
    })
}

/// What stands in place of parts of the configuration, in words.
pub(crate) fn in_place(config: &Config) -> anyhow::Result<Vec<String>> {
    let state_dir = load::state_dir(config);
    let words = |name: &str| {
        let (path, what) = (state_dir.join(name), if name == RULES { "rules" } else { "zones and limits" });
        format!("{} was saved on the page and counts in place of {what} written here", path.display())
    };
    Ok(Saved::read(&state_dir)?.names().into_iter().map(words).collect())
}

/// What the page asks about the configuration of one recorder and what was saved in place of parts of it.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    /// Where its configuration came from.
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
}

impl Own {
    fn configuration(&self) -> anyhow::Result<(String, String)> {
        let Some(path) = &self.config else { bail!("the recorder was started without a configuration file") };
        let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Ok((text, path.display().to_string()))
    }

    /// The rules as they are written. Of the configuration's file only the tables of its rules.
    pub(crate) fn rules(&self) -> anyhow::Result<RulesText> {
        if let Some(text) = Saved::read(&self.state_dir)?.rules {
            return Ok(RulesText { text, is_own: true });
        }
        let text = self.config.is_some().then(|| self.configuration()).transpose()?;
        let text = text.map_or(String::new(), |(text, _)| tables_of_rules(&text));
        Ok(RulesText { text, is_own: false })
    }

    /// What counts in a camera's picture, as it is written.
    pub(crate) fn sight(&self, camera: &str) -> anyhow::Result<SightView> {
        if let Some(sight) = Saved::read(&self.state_dir)?.sights.remove(camera) {
            return Ok(SightView { sight, is_own: true });
        }
        let (text, name) = self.configuration()?;
        let sight = Written::parse(&text, &name)?.sight(camera);
        let sight = sight.with_context(|| format!("{name}: there is no camera \"{camera}\" any more"))?;
        Ok(SightView { sight, is_own: false })
    }

    /// The whole configuration with a draft, as it would run, and what would be saved.
    fn with(&self, draft: &Draft) -> anyhow::Result<(Config, Saved)> {
        let (text, name) = self.configuration()?;
        let saved = Saved::read(&self.state_dir)?.with(draft);
        let mut written = Written::parse(&text, &name)?;
        saved.put_into(&mut written, |name| name.split('.').next().unwrap_or(name).to_string())?;
        let config = written.check()?;
        load::tried(&config)?;
        Ok((config, saved))
    }

    /// What it would have done in the last hours.
    pub(crate) fn rehearse(&self, draft: &Draft, hours: u32) -> anyhow::Result<Rehearsal> {
        let (config, _) = self.with(draft)?;
        let to = clock::wall();
        let from = to.plus_micros(-i64::from(hours) * 3_600_000_000);
        let mut records = journal::read(&self.state_dir).peekable();
        let since_ms = records.peek().map(|first| first.wall.max(from).as_ms());
        let mut resight = match draft {
            Draft::Sight { camera, .. } => Some(Resight::of(&config, camera)?),
            Draft::Rules(_) => None,
        };
        let records = records.map(|record| match &mut resight {
            Some(resight) => resight.see(record),
            None => record,
        });
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

    /// Keeps it, or lets go of what was kept in its place. What the recorder would not start with is refused.
    pub(crate) fn save(&self, draft: &Draft) -> anyhow::Result<io::Result<()>> {
        let _one = SAVING.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, saved) = self.with(draft)?;
        let (name, bytes) = match draft {
            Draft::Rules(_) => (RULES, saved.rules.map(String::into_bytes)),
            Draft::Sight { .. } if saved.sights.is_empty() => (SIGHTS, None),
            Draft::Sight { .. } => (SIGHTS, Some(serde_json::to_vec_pretty(&saved.sights)?)),
        };
        let path = self.state_dir.join(name);
        let Some(bytes) = bytes else {
            return Ok(match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                _ => disk::sync_folder(&path),
            });
        };
        Ok(disk::replace(&path, &bytes, disk::READABLE))
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
#[path = "own_tests.rs"]
mod tests;
