//! `users.json` and `revoked.json` ⇄ who exists, and which statements no longer count.

use super::token::{Role, now_s};
use crate::error::OpenError;
use crate::state_file;
use nightjar_types::Wall;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::HashMap;
use std::path::Path;

/// Revoked statements kept; more than that and the user's epoch is raised instead, which ends all of theirs.
const MAX_REVOKED: usize = 4_096;

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// argon2id, PHC string.
    pub(crate) password: String,
    /// Sessions of an older epoch do not count.
    #[serde(default)]
    pub(crate) epoch: u64,
}

/// `users.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Users {
    /// API tokens of an older epoch do not count.
    #[serde(default)]
    pub(crate) epoch: u64,
    #[serde(default)]
    pub(crate) users: Vec<User>,
}

impl Users {
    /// Nobody when there is no file. A damaged file is an error: it must not open the door to a new setup.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, OpenError> {
        let mend = "restore it from a backup, or remove it to set up the first admin anew";
        load(&state_dir.join("users.json"), mend)
    }

    pub(crate) fn save(&self, state_dir: &Path) -> Result<(), OpenError> {
        save(&state_dir.join("users.json"), self)
    }

    /// Case does not matter: a phone's keyboard likes to start with a capital.
    pub(crate) fn find(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn has_admin(&self) -> bool {
        self.users.iter().any(|user| user.role == Role::Admin)
    }
}

/// `revoked.json`: id of a statement → until when it would have counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    ids: HashMap<String, i64>,
}

impl Revoked {
    pub(crate) fn open(state_dir: &Path) -> Result<Self, OpenError> {
        load(
            &state_dir.join("revoked.json"),
            "remove device.key and revoked.json: everybody has to log in anew",
        )
    }

    pub(crate) fn save(&self, state_dir: &Path) -> Result<(), OpenError> {
        save(&state_dir.join("revoked.json"), self)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    /// Adds, after forgetting what has expired. `false`: the list is full, raise the epoch.
    pub(crate) fn add(&mut self, id: &str, until_s: i64, now: Wall) -> bool {
        self.ids.retain(|_, until| *until > now_s(now));
        if self.ids.len() >= MAX_REVOKED {
            return false;
        }
        self.ids.insert(id.to_owned(), until_s);
        true
    }
}

fn load<T: DeserializeOwned + Default>(path: &Path, mend: &'static str) -> Result<T, OpenError> {
    let Some(bytes) = state_file::read(path)? else { return Ok(T::default()) };
    serde_json::from_slice(&bytes).map_err(|error| OpenError::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
        mend,
    })
}

fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), OpenError> {
    let bytes = serde_json::to_vec_pretty(value).expect("strings and numbers always serialise");
    state_file::replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_no_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Users::open(folder.path()).unwrap(), Users::default());
        std::fs::write(folder.path().join("users.json"), "{\"users\": [").unwrap();
        let error = Users::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("users.json is damaged"), "{error}");
    }

    #[test]
    fn revocation_lasts_as_long_as_the_statement() {
        let mut revoked = Revoked::default();
        assert!(revoked.add("a", 10, Wall(0)));
        assert!(revoked.contains("a"));
        assert!(revoked.add("b", 30, Wall(10_000_000)));
        assert!(!revoked.contains("a") && revoked.contains("b"));
        for n in 0..MAX_REVOKED {
            revoked.add(&n.to_string(), 30, Wall(0));
        }
        assert!(!revoked.add("one too many", 30, Wall(0)));
    }
}
