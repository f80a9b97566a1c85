//! The log of a serial line → what was said since a mark. The log only grows.

use crate::clock;
use anyhow::{Context, Result};
use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A log and how far it was read.
#[derive(Debug)]
pub(crate) struct Console {
    log: PathBuf,
    mark: Cell<u64>,
}

impl Console {
    pub(crate) fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), mark: Cell::new(0) }
    }

    /// Forgets what was said so far.
    pub(crate) fn skip(&self) {
        self.mark.set(self.end());
    }

    /// Where what is said next will begin, for [`Self::has_said_from`].
    pub(crate) fn end(&self) -> u64 {
        self.log.metadata().map(|data| data.len()).unwrap_or(0)
    }

    /// Waits until one of `words` is said, goes on from behind it, and gives which it was.
    pub(crate) fn expect<'a>(&self, words: &[&'a str], seconds: u64) -> Result<&'a str> {
        let what = format!("{words:?} on the serial line");
        let found = clock::until(&what, seconds, || {
            let text = self.since()?;
            let first = words.iter().filter_map(|word| Some((find(&text, word.as_bytes())?, *word))).min();
            Ok(first.map(|(at, word)| (at + word.len(), word)))
        });
        let (end, word) = found.with_context(|| format!("it said last: {}", self.last_words()))?;
        self.mark.set(self.mark.get() + end as u64);
        Ok(word)
    }

    /// Whether this was said since the mark.
    pub(crate) fn has_said(&self, word: &str) -> bool {
        self.has_said_from(self.mark.get(), word)
    }

    /// Which of `words` was said last since the mark.
    pub(crate) fn said_last<'a>(&self, words: &[&'a str]) -> Option<&'a str> {
        let text = self.since().ok()?;
        let last = |word: &'a str| Some((find_last(&text, word.as_bytes())?, word));
        words.iter().filter_map(|word| last(word)).max().map(|(_, word)| word)
    }

    /// Whether this was said from a place on, whatever was skipped since.
    pub(crate) fn has_said_from(&self, place: u64, word: &str) -> bool {
        self.from(place).is_ok_and(|text| find(&text, word.as_bytes()).is_some())
    }

    /// The last lines, for a person.
    pub(crate) fn last_words(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(1500)..]).into_owned();
        text.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    fn since(&self) -> Result<Vec<u8>> {
        self.from(self.mark.get())
    }

    fn from(&self, place: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let Ok(mut file) = File::open(&self.log) else { return Ok(bytes) };
        file.seek(SeekFrom::Start(place)).context("can't read on in the serial line's log")?;
        file.read_to_end(&mut bytes).context("can't read the serial line's log")?;
        Ok(bytes)
    }
}

fn find_last(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).rposition(|window| window == word)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn each_word_is_heard_once_and_the_first_of_several_counts() {
        let path = std::env::temp_dir().join(format!("nightjar-console-{}", std::process::id()));
        let mut log = File::create(&path).unwrap();
        log.write_all(b"slot A\r\nbooting\r\nslot B\r\n").unwrap();
        let console = Console::new(&path);
        assert_eq!(console.said_last(&["slot B", "slot A", "slot C"]), Some("slot B"));
        assert_eq!(console.expect(&["slot B", "slot A"], 1).unwrap(), "slot A");
        assert_eq!(console.expect(&["slot A", "slot B"], 1).unwrap(), "slot B");
        assert!(console.expect(&["slot"], 0).is_err());
        log.write_all(b"slot A").unwrap();
        let place = console.end();
        log.write_all(b"cycle").unwrap();
        console.skip();
        assert!(console.expect(&["slot"], 0).is_err());
        assert!(console.has_said_from(place, "cycle") && !console.has_said_from(place, "slot"));
        std::fs::remove_file(&path).unwrap();
    }
}
