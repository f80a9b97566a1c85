//! The update agent on a board → what it does with a bundle, and what it wrote into its history.

use crate::bed::Bed;
use crate::clock;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What the agent says on the serial line when it enters what became of an update.
pub(crate) const OVER: &str = "result=";

/// One line of the history.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) action: String,
    /// `kept`, `rolled-back`, `failed`, `refused` or `cancelled`.
    pub(crate) result: String,
    pub(crate) reason: String,
    /// Seconds that the worst camera lacks, if it could be found out.
    pub(crate) gap_s: Option<u64>,
}

/// The newest line of the history, if there is one.
pub(crate) fn newest(bed: &dyn Bed) -> Result<Option<Entry>> {
    let text = bed.run("nightjar-ota history --json")?;
    let history: Value =
        serde_json::from_str(&text).with_context(|| format!("the history is no JSON: {text}"))?;
    Ok(first(&history))
}

fn first(history: &Value) -> Option<Entry> {
    let newest = history["entries"].as_array()?.first()?;
    let word = |key: &str| newest[key].as_str().unwrap_or_default().to_owned();
    Some(Entry {
        action: word("action"),
        result: word("result"),
        reason: word("reason"),
        gap_s: newest["gap_s"].as_u64(),
    })
}

/// Begins an update in the background of the board; what the agent does with it is in its status and history.
pub(crate) fn begin(bed: &dyn Bed, url: &str) -> Result<()> {
    idle(bed, 300)?;
    bed.run(&format!("systemd-run --quiet --collect --unit=wish nightjar-ota install {url}")).map(|_| ())
}

/// An update from its wish to its line in the history.
pub(crate) fn update(bed: &dyn Bed, url: &str, seconds: u64) -> Result<Entry> {
    let before = newest(bed)?;
    listen(bed);
    begin(bed, url)?;
    heard(bed, seconds)?;
    over(bed, before.as_ref(), seconds)
}

/// From here on the serial line is listened to, if somebody does, for [`heard`].
pub(crate) fn listen(bed: &dyn Bed) {
    if let Some(console) = bed.console() {
        console.skip();
    }
}

/// Waits until the agent says on the serial line that an update is over: a question each second would take an emulated board longer
/// than its update. At once without such a line.
pub(crate) fn heard(bed: &dyn Bed, seconds: u64) -> Result<()> {
    bed.console().map_or(Ok(()), |console| console.expect(&[OVER], seconds).map(drop))
}

/// Waits until the agent has nothing to do, across restarts of the board.
pub(crate) fn idle(bed: &dyn Bed, seconds: u64) -> Result<()> {
    clock::until_told("the update agent is idle", seconds, || {
        let Ok(answer) = bed.ask("nightjar-ota status --json", 60) else { return Ok(None) };
        let status: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        Ok((status["step"] == "idle").then_some(()))
    })
}

/// Waits for another newest line than `before`, across restarts of the board, and gives it.
pub(crate) fn over(bed: &dyn Bed, before: Option<&Entry>, seconds: u64) -> Result<Entry> {
    clock::until_told("the agent enters what became of the update", seconds, || {
        let Ok(Some(entry)) = newest(bed) else { return Ok(None) };
        Ok((before.is_none_or(|before| before.action != entry.action)).then_some(entry))
    })
}

/// What must have become of an update.
pub(crate) fn expect(entry: &Entry, result: &str, words: &[&str]) -> Result<()> {
    if entry.result != result {
        bail!("the update is {} and not {result}: {}", entry.result, entry.reason);
    }
    if !words.is_empty() && !words.iter().any(|word| entry.reason.contains(word)) {
        bail!("the reason names none of {words:?}: {}", entry.reason);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_line_is_the_first() {
        let text = r#"{"entries":[{"action":"b","result":"rolled-back","reason":"gate: camera yard","gap_s":41},{"action":"a","result":"kept"}]}"#;
        let entry = first(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((entry.action.as_str(), entry.gap_s), ("b", Some(41)));
        assert!(expect(&entry, "rolled-back", &["yard"]).is_ok());
        assert!(expect(&entry, "rolled-back", &["gate2"]).is_err() && expect(&entry, "kept", &[]).is_err());
        assert_eq!(first(&serde_json::json!({"entries": []})), None);
    }
}
