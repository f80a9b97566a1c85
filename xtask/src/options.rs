//! `--key value` or `--key=value` words → a small map, checked against the keys a verb knows. `-n` is short for `--n`.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The options of one call.
#[derive(Debug, Default)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(words: &[String], known: &[&str]) -> Result<Self> {
        let mut map = BTreeMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(key) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                bail!("`{word}` is not an option; {}", list(known));
            };
            let (key, inline) = match key.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (key, None),
            };
            if !known.contains(&key) {
                bail!("there is no option `--{key}`; {}", list(known));
            }
            let value = match inline {
                Some(value) => value,
                None => words.next().with_context(|| format!("`--{key}` needs a value"))?.clone(),
            };
            map.insert(key.to_owned(), value);
        }
        Ok(Self(map))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value as a number, or `otherwise` if it was not given.
    pub(crate) fn number<T: FromStr>(&self, key: &str, otherwise: T) -> Result<T> {
        match self.text(key) {
            None => Ok(otherwise),
            Some(text) => {
                text.trim().parse().ok().with_context(|| format!("`--{key} {text}`: not a number that fits"))
            }
        }
    }
}

fn list(known: &[&str]) -> String {
    if known.is_empty() {
        return "this verb takes no options".to_owned();
    }
    format!("known: {}", known.iter().map(|key| format!("--{key}")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), &["port", "n"])
    }

    #[test]
    fn takes_both_spellings() {
        let options = parse("--port=81 -n 1,8").expect("both are known");
        assert_eq!(options.number("port", 8080).expect("a number"), 81);
        assert_eq!(options.text("n"), Some("1,8"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("--prt 81").expect_err("typo").to_string().contains("--port"));
        assert!(parse("--port").expect_err("no value").to_string().contains("needs a value"));
        assert!(parse("--port x").expect("kept as text").number("port", 1u16).is_err());
    }
}
