//! Who may do what until when ⇄ `nj1.<payload>.<signature>`, signed with the device's key. Sessions and API tokens have keys of
//! their own, so that neither passes for the other.

use crate::error::OpenError;
use crate::state_file;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use nightjar_types::Wall;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREFIX: &str = "nj1";
/// Longest text that is looked at.
const MAX_LEN: usize = 1_024;
/// Length of the device's key, bytes.
const KEY_LEN: usize = 32;
/// Longest life of an API token, seconds.
const MAX_TOKEN_S: u64 = 10 * 366 * 86_400;

/// What someone may do; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Also move outputs.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// As in configuration, command line and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("\"{text}\" is no role: use viewer, operator or admin"))
    }
}

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A login in a browser; travels as a cookie.
    #[serde(rename = "s")]
    Session,
    /// For scripts; travels as a bearer token.
    #[serde(rename = "t")]
    Token,
}

/// What is signed. Times in seconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Statement {
    #[serde(rename = "k")]
    pub(crate) kind: Kind,
    /// 32 hexadecimal digits; revocation names it.
    #[serde(rename = "i")]
    pub(crate) id: String,
    /// The user's name, or the token's label.
    #[serde(rename = "u")]
    pub(crate) user: String,
    #[serde(rename = "r")]
    pub(crate) role: Role,
    /// First login; renewing does not move it.
    #[serde(rename = "b")]
    pub(crate) born_s: i64,
    #[serde(rename = "x")]
    pub(crate) expires_s: i64,
    /// Raised when all statements of a user (session) or of the device (token) shall end.
    #[serde(rename = "e")]
    pub(crate) epoch: u64,
}

/// The signing keys.
#[derive(Debug)]
pub(crate) struct Keys {
    session: hmac::Key,
    token: hmac::Key,
}

impl Keys {
    fn derive(device_key: &[u8]) -> Self {
        let device = hmac::Key::new(hmac::HMAC_SHA256, device_key);
        let derive =
            |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&device, purpose).as_ref());
        Self { session: derive(b"nightjar 1 session"), token: derive(b"nightjar 1 token") }
    }

    /// Reads `device.key`, makes it first when `make` is set.
    pub(crate) fn open(state_dir: &Path, make: bool) -> Result<Self, OpenError> {
        let path = key_path(state_dir);
        let key = match state_file::read(&path)? {
            Some(key) => key,
            None if make => {
                let key = state_file::random::<KEY_LEN>()?;
                state_file::replace(&path, &key)?;
                key.to_vec()
            }
            None => return Err(OpenError::NoKey { path }),
        };
        if key.len() != KEY_LEN {
            return Err(OpenError::Damaged {
                path,
                why: format!("{} bytes instead of {KEY_LEN}", key.len()),
                mend: "remove it and start again: everybody has to log in anew",
            });
        }
        Ok(Self::derive(&key))
    }

    fn of(&self, kind: Kind) -> &hmac::Key {
        match kind {
            Kind::Session => &self.session,
            Kind::Token => &self.token,
        }
    }

    /// The text that proves the statement.
    pub(crate) fn sign(&self, statement: &Statement) -> String {
        let payload = serde_json::to_vec(statement).expect("strings and numbers always serialise");
        let body = format!("{PREFIX}.{}", BASE64.encode(payload));
        let tag = hmac::sign(self.of(statement.kind), body.as_bytes());
        format!("{body}.{}", BASE64.encode(tag))
    }

    /// The statement, when the signature is ours, of this kind, and it has not expired. Nothing is parsed before that.
    pub(crate) fn verify(&self, kind: Kind, text: &str, now: Wall) -> Option<Statement> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (body, tag) = text.rsplit_once('.')?;
        let tag = BASE64.decode(tag).ok()?;
        hmac::verify(self.of(kind), body.as_bytes(), &tag).ok()?;
        let payload = BASE64.decode(body.strip_prefix(PREFIX)?.strip_prefix('.')?).ok()?;
        let statement: Statement = serde_json::from_slice(&payload).ok()?;
        (statement.kind == kind && now_s(now) < statement.expires_s).then_some(statement)
    }
}

/// Whole seconds since 1970.
pub(crate) fn now_s(now: Wall) -> i64 {
    now.0.div_euclid(1_000_000)
}

/// A new id for a statement.
pub(crate) fn fresh_id() -> Result<String, OpenError> {
    Ok(state_file::random::<16>()?.iter().map(|b| format!("{b:02x}")).collect())
}

fn key_path(state_dir: &Path) -> PathBuf {
    state_dir.join("device.key")
}

/// Makes an API token. Needs only the state folder, so it works beside a running daemon; the daemon must have been started
/// once, since it makes the key. `label` says in the audit who it was.
pub fn mint_token(
    state_dir: &Path,
    role: Role,
    ttl: Duration,
    label: &str,
    now: Wall,
) -> Result<String, OpenError> {
    let ttl_s = ttl.as_secs();
    if !(1..=MAX_TOKEN_S).contains(&ttl_s) {
        return Err(OpenError::Lifetime(ttl_s));
    }
    let keys = Keys::open(state_dir, false)?;
    let label: String = label.chars().filter(|c| !c.is_control()).take(64).collect();
    Ok(keys.sign(&Statement {
        kind: Kind::Token,
        id: fresh_id()?,
        user: if label.is_empty() { "unnamed".into() } else { label },
        role,
        born_s: now_s(now),
        expires_s: now_s(now).saturating_add_unsigned(ttl_s),
        epoch: super::users::Users::open(state_dir)?.epoch,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statement(kind: Kind) -> Statement {
        let (id, user) = ("00ff".into(), "ada".into());
        Statement { kind, id, user, role: Role::Viewer, born_s: 0, expires_s: 1_000, epoch: 0 }
    }

    const NOW: Wall = Wall(999_999_999);

    #[test]
    fn holds_until_the_second_it_expires() {
        let keys = Keys::derive(b"key");
        let text = keys.sign(&statement(Kind::Token));
        assert_eq!(keys.verify(Kind::Token, &text, NOW), Some(statement(Kind::Token)));
        assert_eq!(keys.verify(Kind::Token, &text, Wall(1_000_000_000)), None);
    }

    #[test]
    fn a_session_is_no_token_and_another_device_no_friend() {
        let keys = Keys::derive(b"key");
        let text = keys.sign(&statement(Kind::Session));
        assert_eq!(keys.verify(Kind::Token, &text, NOW), None);
        assert_eq!(Keys::derive(b"other").verify(Kind::Session, &text, NOW), None);
    }

    #[test]
    fn a_token_needs_a_key_and_a_life() {
        let folder = tempfile::tempdir().unwrap();
        let mint = |ttl| mint_token(folder.path(), Role::Viewer, ttl, "x", NOW);
        let error = mint(Duration::from_secs(60)).unwrap_err().to_string();
        assert!(error.contains("start the recorder once"), "{error}");
        let keys = Keys::open(folder.path(), true).unwrap();
        assert!(matches!(mint(Duration::ZERO), Err(OpenError::Lifetime(0))));
        assert!(matches!(mint(Duration::MAX), Err(OpenError::Lifetime(_))));
        let text = mint(Duration::from_secs(60)).unwrap();
        assert_eq!(keys.verify(Kind::Token, &text, NOW).unwrap().role, Role::Viewer);
        std::fs::write(key_path(folder.path()), "short").unwrap();
        assert!(matches!(Keys::open(folder.path(), true), Err(OpenError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn one_changed_sign_spoils_it(at in 0usize..300, with in "[A-Za-z0-9_.-]") {
            let keys = Keys::derive(b"key");
            let text = keys.sign(&statement(Kind::Token));
            let at = at % text.len();
            let mut other = text.clone();
            other.replace_range(at..=at, &with);
            prop_assert_eq!(keys.verify(Kind::Token, &other, NOW).is_some(), other == text);
        }

        #[test]
        fn no_text_makes_a_panic(text in "\\PC{0,80}") {
            prop_assert_eq!(Keys::derive(b"key").verify(Kind::Session, &text, NOW), None);
        }
    }
}
