//! `--key value` or `--key=value` words → a small map, checked against the keys a verb knows. `-n` is short for `--n`.
//! A verb that knows the key `""` takes words without dashes as well; a key that it knows with a `!` behind takes no value.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The options of one call.
#[derive(Debug, Default)]
pub(crate) struct Options {
    keys: BTreeMap<String, String>,
    words: Vec<String>,
}

impl Options {
    pub(crate) fn parse(words: &[String], known: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(key) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                if known.contains(&"") {
                    options.words.push(word.clone());
                    continue;
                }
                bail!("`{word}` is not an option; {}", list(known));
            };
            let (key, inline) = match key.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (key, None),
            };
            let is_flag = known.iter().any(|known| known.strip_suffix('!') == Some(key));
            if is_flag && inline.is_none() {
                options.keys.insert(key.to_owned(), String::new());
                continue;
            }
            if key.is_empty() || !known.contains(&key) {
                bail!("there is no option `--{key}`; {}", list(known));
            }
            let value = match inline {
                Some(value) => value,
                None => words.next().with_context(|| format!("`--{key}` needs a value"))?.clone(),
            };
            options.keys.insert(key.to_owned(), value);
        }
        Ok(options)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// Whether the key was given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// The words without dashes, in order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
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
    let named = known.iter().filter(|key| !key.is_empty());
    let keys = named.map(|key| format!("--{}", key.trim_end_matches('!')));
    format!("known: {}", keys.collect::<Vec<_>>().join(", "))
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
    fn takes_words_for_a_verb_that_wants_them() {
        let words = ["slab", "--seconds", "5", "fmp4"].map(str::to_owned);
        let options = Options::parse(&words, &["", "seconds"]).expect("all are known");
        assert_eq!(options.words().collect::<Vec<_>>(), ["slab", "fmp4"]);
        assert!(parse("slab").expect_err("this verb takes none").to_string().contains("`slab`"));
    }

    #[test]
    fn a_flag_takes_no_value() {
        let words = ["--check", "run"].map(str::to_owned);
        let options = Options::parse(&words, &["", "check!"]).expect("both are known");
        assert!(options.has("check") && options.words().eq(["run"]));
        assert!(Options::parse(&["--check=1".to_owned()], &["check!"]).is_err());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("--prt 81").expect_err("typo").to_string().contains("--port"));
        assert!(parse("--port").expect_err("no value").to_string().contains("needs a value"));
        assert!(parse("--port x").expect("kept as text").number("port", 1u16).is_err());
    }
}
