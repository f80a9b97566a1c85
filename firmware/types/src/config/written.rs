//! TOML text → [`Written`]: parsed, not checked yet, so that what was saved on the page can take the place of parts of it first. Both
//! are then checked as one.

use super::sight::{TypedLimits, TypedLine, TypedMask};
use super::typed::{self, Typed};
use super::{Config, ConfigError, Fault, check, error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What counts in a camera's picture, as it is written: the keys of `[[camera]]` that have these names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sight {
    classes: Vec<String>,
    filter: BTreeMap<String, TypedLimits>,
    mask: Vec<TypedMask>,
    line: Vec<TypedLine>,
    zone: Vec<typed::Zone>,
}

/// What counts in the pictures of some cameras, by their ids.
pub type Sights = BTreeMap<String, Sight>;

/// A configuration as it is written.
#[derive(Debug, Clone)]
pub struct Written {
    typed: Typed,
    file: String,
    /// Where parts of it came from that are not its own.
    others: Vec<String>,
    faults: Vec<Fault>,
}

impl Written {
    /// Parses. `file` only names the source in messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let typed = parse(text, file)?;
        Ok(Self { typed, file: file.into(), others: Vec::new(), faults: Vec::new() })
    }

    /// `[device] state_dir`, and `[storage] path`, below which it is where there is none.
    pub fn folders(&self) -> (Option<&str>, &str) {
        (self.typed.device.state_dir.as_deref(), &self.typed.storage.path)
    }

    /// Of a camera; `None`: there is no such camera.
    pub fn sight(&self, camera: &str) -> Option<Sight> {
        let found = self.typed.camera.iter().find(|c| c.id == camera)?.clone();
        let typed::Camera { classes, filter, mask, line, zone, .. } = found;
        Some(Sight { classes, filter, mask, line, zone })
    }

    /// Puts the `[[rule]]` tables of another text in place of its own.
    pub fn put_rules(&mut self, text: &str, file: &str) -> Result<(), ConfigError> {
        self.typed.rule = parse(text, file)?.rule;
        self.others.push(file.into());
        Ok(())
    }

    /// Puts what counts in the pictures of some cameras in place of what it says itself.
    pub fn put_sights(&mut self, sights: &Sights, file: &str) {
        for (id, sight) in sights {
            let Some(camera) = self.typed.camera.iter_mut().find(|c| c.id == *id) else {
                let text = format!(
                    "there is no camera \"{id}\" any more, whose zones and limits are kept here; give it this id again, or take \"{id}\" out"
                );
                self.faults.push(Fault { line: None, text });
                continue;
            };
            let Sight { classes, filter, mask, line, zone } = sight.clone();
            *camera = typed::Camera { classes, filter, mask, line, zone, ..camera.clone() };
        }
        self.others.push(file.into());
    }

    /// Every range, reference and name; all faults at once.
    pub fn check(self) -> Result<Config, ConfigError> {
        let file = if self.others.is_empty() { self.file } else { self.others.join(" and ") };
        let mut faults = self.faults;
        match check::resolve(self.typed) {
            Ok(config) if faults.is_empty() => return Ok(config),
            Ok(_) => {}
            Err(more) => faults.extend(more),
        }
        Err(ConfigError { file, faults })
    }
}

fn parse(text: &str, file: &str) -> Result<Typed, ConfigError> {
    toml::from_str(text).map_err(|e| error::from_toml(&e, text, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [storage]
        path = "/footage"
        [[camera]]
        id = "front"
        main = "synthetic:"
        classes = ["person"]
        [camera.filter.person]
        min_score = 0.6
        [[camera.zone]]
        id = "door"
        points = [[0, 0], [0.5, 0], [0.5, 1]]
        [[camera]]
        id = "yard"
        main = "synthetic:"
        [[rule]]
        id = "somebody"
        when = { camera = "front", zone = "door" }
        do = { notify = "somebody is there" }
    "#;

    fn written() -> Written {
        Written::parse(FILE, "nightjar.toml").unwrap()
    }

    #[test]
    fn rules_of_another_text_take_the_place_of_its_own() {
        let mut with = written();
        with.put_rules("[[rule]]\nid = \"new\"\ndo = { notify = \"x\" }\n", "new.toml").unwrap();
        let config = with.check().unwrap();
        assert_eq!((config.rules.len(), config.rules[0].id.as_str(), config.cameras.len()), (1, "new", 2));
        let mut with = written();
        with.put_rules("[[rule]]\nid = \"new\"\ndo = { pulse = \"siren\" }\n", "new.toml").unwrap();
        let wrong = with.check().unwrap_err().to_string();
        assert!(wrong.starts_with("new.toml: rule \"new\": there is no output \"siren\""), "{wrong}");
        assert!(
            written().put_rules("[[rule]", "new.toml").unwrap_err().to_string().starts_with("new.toml:1: ")
        );
    }

    #[test]
    fn what_counts_in_a_picture_takes_the_place_of_all_that_was_said_of_it() {
        let mut sight = written().sight("front").unwrap();
        assert_eq!(written().sight("back"), None);
        sight.zone[0].id = "gate".into();
        sight.filter.clear();
        let sights = |id: &str| Sights::from([(id.to_string(), sight.clone())]);
        let with = |sights: &Sights| {
            let mut with = written();
            with.put_sights(sights, "sights");
            with
        };
        // the rule asks for a zone that is no longer there
        let wrong = with(&sights("front")).check().unwrap_err().to_string();
        assert_eq!(wrong, "sights: rule \"somebody\": camera \"front\" has no zone \"door\"");
        let mut good = with(&sights("front"));
        good.put_rules("", "rules").unwrap();
        let camera = &good.check().unwrap().cameras[0];
        assert_eq!((camera.zones[0].id.as_str(), camera.filter.limits.len()), ("gate", 0));
        assert_eq!(camera.filter.classes, ["person"]);
        let wrong = with(&sights("back")).check().unwrap_err().to_string();
        assert!(wrong.starts_with("sights: there is no camera \"back\" any more"), "{wrong}");
    }

    #[test]
    fn says_where_it_keeps_things_before_it_is_checked() {
        assert_eq!(written().folders(), (None, "/footage"));
        let bad = Written::parse("[device]\nstate_dir = \"/state\"\n[storage]\nquota = \"1B\"", "x").unwrap();
        assert_eq!(bad.folders().0, Some("/state"));
        assert!(bad.check().is_err());
    }
}
