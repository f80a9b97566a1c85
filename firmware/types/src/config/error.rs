//! Faults of a config file: each names the place, what is wrong and the mend.

use std::fmt;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1, when known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub text: String,
}

/// Why a config file was refused: all faults that could be found at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// One or more.
    pub faults: Vec<Fault>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            match fault.line {
                Some(line) => write!(f, "{}:{line}: {}", self.file, fault.text)?,
                None => write!(f, "{}: {}", self.file, fault.text)?,
            }
        }
        Ok(())
    }
}

pub(super) fn from_toml(e: &toml::de::Error, text: &str, file: &str) -> ConfigError {
    let line = e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let typed = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    // a parser's message may repeat the value
    let is_set = |key: &str| typed.split(key).skip(1).any(|rest| rest.trim_start().starts_with('='));
    let secret = ["password", "token", "key"].into_iter().find(|key| is_set(key));
    if let Some(key) = secret.filter(|_| !e.message().starts_with("unknown field")) {
        let text = format!("a {key} must be text in quotes: {key} = \"…\"");
        return ConfigError { file: file.into(), faults: vec![Fault { line, text }] };
    }
    let message = near_name(e.message()).unwrap_or_else(|| e.message().trim().replace('\n', "; "));
    ConfigError { file: file.into(), faults: vec![Fault { line, text: message }] }
}

/// "unknown field `nmae`, expected one of `id`, `name`" → the same with "did you mean".
fn near_name(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (typed, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let hint = match known.iter().map(|k| (strsim::damerau_levenshtein(typed, k), *k)).min() {
        Some((distance, name)) if distance <= 1 + name.len() / 3 => format!("; did you mean \"{name}\"?"),
        _ => format!("; known here: {}", known.join(", ")),
    };
    Some(format!("unknown key \"{typed}\"{hint}"))
}

/// The known name that differs from `typed` in the fewest letters, in `most` at most.
pub(super) fn near<'a>(typed: &str, known: &[&'a str], most: usize) -> Option<&'a str> {
    let distances = known.iter().map(|k| (strsim::damerau_levenshtein(typed, k), *k));
    distances.min().filter(|(distance, _)| *distance <= most).map(|(_, name)| name)
}
