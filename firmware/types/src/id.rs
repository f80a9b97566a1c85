//! Text → ids that are safe as a folder name, a URL segment and an MQTT topic level.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest id, in bytes.
pub const MAX_ID_LEN: usize = 32;

/// A lower-case word of `a-z 0-9 _ -`, 1 to 32 bytes, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A camera's id.
pub type CameraId = Name;
/// An output's id.
pub type OutputId = Name;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a valid id: use 1 to 32 of a-z 0-9 _ - and start with a letter or digit")]
pub struct BadName(pub String);

impl Name {
    /// Checks and wraps.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts && text.len() <= MAX_ID_LEN && text.chars().all(fits) {
            Ok(Self(text))
        } else {
            Err(BadName(text))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of a camera's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// Full resolution: what is recorded for evidence.
    Main,
    /// Small picture: what is detected on and shown live.
    Sub,
}

impl StreamKind {
    /// Folder and URL name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Sub => "sub",
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_leave_its_folder() {
        for bad in ["", "..", "a/b", "Front", "-x", "a b", "é", &"x".repeat(33)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        for good in ["front", "cam-01", "0_a", &"x".repeat(32)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
    }
}
