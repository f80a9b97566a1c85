//! The update agent on a board → what it does with a bundle, and what it wrote into its history, by the board's page.

use crate::bed::Bed;
use crate::clock;
use crate::page::Page;
use anyhow::{Result, bail};
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

/// How the agent is.
#[derive(Debug)]
pub(crate) struct Status {
    /// `idle` when no update goes on.
    pub(crate) step: String,
    /// The slot that runs: A or B.
    pub(crate) slot: String,
    /// The version that runs.
    pub(crate) version: String,
    /// The newest line of the history, if there is one.
    pub(crate) last: Option<Entry>,
}

/// Its own words, once it knows what runs.
pub(crate) fn status(page: &Page) -> Result<Status> {
    let status = page.json("/api/v1/update/status")?;
    if status["step"] == "starting" {
        bail!("the agent starts");
    }
    Ok(read(&status))
}

fn read(status: &Value) -> Status {
    let word = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    Status { step: word("step"), slot: word("slot"), version: word("version"), last: entry(&status["last"]) }
}

fn entry(line: &Value) -> Option<Entry> {
    let word = |key: &str| line[key].as_str().map(str::to_owned);
    Some(Entry {
        action: word("action")?,
        result: word("result")?,
        reason: word("reason").unwrap_or_default(),
        gap_s: line["gap_s"].as_u64(),
    })
}

/// Begins an update in the background of the board, as soon as none goes on, and listens to the serial line. Gives how the agent was
/// before.
pub(crate) fn begin(bed: &dyn Bed, page: &Page, url: &str) -> Result<Status> {
    let before = idle(page, 300)?;
    listen(bed);
    bed.run(&format!("systemd-run --quiet --collect --unit=wish nightjar-ota install {url}"))?;
    Ok(before)
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
pub(crate) fn idle(page: &Page, seconds: u64) -> Result<Status> {
    clock::until_told("the update agent is idle", seconds, || {
        Ok(status(page).ok().filter(|status| status.step == "idle"))
    })
}

/// Waits for another newest line than `before`, across restarts of the board, and gives it.
pub(crate) fn over(page: &Page, before: Option<&Entry>, seconds: u64) -> Result<Entry> {
    clock::until_told("the agent enters what became of the update", seconds, || {
        let Some(entry) = status(page).ok().and_then(|status| status.last) else { return Ok(None) };
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
    fn the_last_line_is_read_with_what_runs() {
        let text = r#"{"step":"idle","slot":"A","version":"0.1.0","last":{"action":"b","result":"rolled-back","reason":"gate: camera yard","gap_s":41}}"#;
        let status = read(&serde_json::from_str(text).unwrap());
        let entry = status.last.unwrap();
        assert_eq!((status.slot.as_str(), entry.action.as_str(), entry.gap_s), ("A", "b", Some(41)));
        assert!(expect(&entry, "rolled-back", &["yard"]).is_ok());
        assert!(expect(&entry, "rolled-back", &["gate2"]).is_err() && expect(&entry, "kept", &[]).is_err());
        assert_eq!(read(&serde_json::json!({ "step": "idle", "last": null })).last, None);
    }
}
