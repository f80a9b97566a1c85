//! What the board did → feedback as hawkBit reads it. The server's limits are kept here, so that it refuses no report.

use serde::Serialize;

/// The longest line that hawkBit keeps (`ActionStatus`), characters.
const MAX_LINE: usize = 500;
/// Lines of one report that it keeps (`maxMessagesPerActionStatus`).
const MAX_LINES: usize = 50;

/// Where an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// It goes on.
    Proceeding,
    /// It was seen and waits.
    Scheduled,
    /// It goes on after a power cut.
    Resumed,
    /// Bytes are being fetched.
    Download,
    /// All bytes are there.
    Downloaded,
    /// A warning: the action stays open. For a cancel: it is refused.
    Rejected,
    /// It was stopped.
    Canceled,
    /// It is over.
    Closed,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finished {
    /// As wanted.
    Success,
    /// Otherwise.
    Failure,
    /// Not yet.
    None,
}

/// One report about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it is.
    pub execution: Execution,
    /// How it ended.
    pub finished: Finished,
    /// So many of so many steps, such as per cent.
    pub progress: Option<(u32, u32)>,
    /// A number of the board's own, which the server shows and rollouts can be filtered by.
    pub code: Option<i32>,
    /// Lines for people.
    pub details: Vec<String>,
}

impl Report {
    /// It goes on: `execution`, and a line for people.
    pub fn of(execution: Execution, words: impl Into<String>) -> Self {
        let details = vec![words.into()];
        Self { execution, finished: Finished::None, progress: None, code: None, details }
    }

    /// It is over.
    pub fn closed(is_good: bool, words: impl Into<String>) -> Self {
        let finished = if is_good { Finished::Success } else { Finished::Failure };
        Self { finished, ..Self::of(Execution::Closed, words) }
    }

    /// As the server wants it. It stamps the time itself: a board's clock may be wrong.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Feedback<'a> {
            status: Status<'a>,
        }
        #[derive(Serialize)]
        struct Status<'a> {
            execution: Execution,
            result: Outcome,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<i32>,
            details: Vec<&'a str>,
        }
        #[derive(Serialize)]
        struct Outcome {
            finished: Finished,
            #[serde(skip_serializing_if = "Option::is_none")]
            progress: Option<Progress>,
        }
        #[derive(Serialize)]
        struct Progress {
            cnt: u32,
            of: u32,
        }
        let progress = self.progress.map(|(cnt, of)| Progress { cnt, of });
        let details = lines(&self.details);
        let result = Outcome { finished: self.finished, progress };
        let status = Status { execution: self.execution, result, code: self.code, details };
        serde_json::to_vec(&Feedback { status }).expect("texts and numbers are JSON")
    }
}

/// Lines that the server keeps.
pub(crate) fn lines(all: &[String]) -> Vec<&str> {
    let cut = |line: &'_ String| line.char_indices().nth(MAX_LINE).map_or(line.len(), |(at, _)| at);
    all.iter().take(MAX_LINES).map(|line| &line[..cut(line)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(report: &Report) -> Value {
        serde_json::from_slice(&report.to_json()).expect("it is JSON")
    }

    #[test]
    fn says_it_in_the_servers_words() {
        let report = Report { progress: Some((3, 10)), ..Report::of(Execution::Downloaded, "all there") };
        assert_eq!(
            read(&report),
            json!({"status": {"execution": "downloaded", "result": {"finished": "none", "progress": {"cnt": 3, "of": 10}},
                   "details": ["all there"]}})
        );
        assert_eq!(read(&Report::closed(false, "x"))["status"]["result"]["finished"], "failure");
    }

    #[test]
    fn a_long_story_is_cut_where_the_server_would_refuse_it() {
        let details = vec!["ü".repeat(2_000); 200];
        let told = read(&Report { details, ..Report::closed(true, "") });
        let lines = told["status"]["details"].as_array().expect("a list");
        assert_eq!(lines.len(), MAX_LINES);
        assert!(lines.iter().all(|line| line.as_str().is_some_and(|l| l.chars().count() == MAX_LINE)));
    }
}
