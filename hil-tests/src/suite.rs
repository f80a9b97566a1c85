//! The table of tests → each run, skipped with what to plug in, or failed with its reason; a table of results with figures.

use crate::bed::{Bed, Need};
use crate::cameras::Cameras;
use crate::clock::Stopwatch;
use crate::fleet::Fleet;
use crate::shelf::Shelf;
use anyhow::Result;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// What every test may use.
pub(crate) struct Lab {
    pub(crate) bed: Box<dyn Bed>,
    /// The work tree, with the clips in `target/clips`.
    pub(crate) workspace: PathBuf,
    pub(crate) cameras: Cameras,
    pub(crate) shelf: Shelf,
    /// Folder of the bundles that the shelf serves.
    pub(crate) bundles: PathBuf,
    /// Version of the bundles that are an update.
    pub(crate) next: String,
    /// A hawkBit server, if one runs.
    pub(crate) fleet: Option<Fleet>,
    /// What decides where power is cut.
    pub(crate) seed: u64,
    /// How often it is.
    pub(crate) cuts: u32,
    /// Length of a good update on this bed, s, when it was measured.
    pub(crate) update: Option<f64>,
}

impl Lab {
    fn has(&self, need: Need) -> bool {
        if need == Need::Fleet { self.fleet.is_some() } else { self.bed.has(need) }
    }
}

/// One row of the table.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    /// Gives figures for the table of results.
    pub(crate) run: fn(&mut Lab) -> Result<String>,
}

/// What became of a test.
#[derive(Debug, PartialEq)]
enum Outcome {
    Passed(String),
    Skipped(String),
    Failed(String),
}

/// Runs the tests whose name contains one of the words of `only`, parted by commas, in order; gives whether none failed.
pub(crate) fn run(lab: &mut Lab, tests: &[Test], only: &str) -> bool {
    println!("bed: {}\n", lab.bed.name());
    let whole = Stopwatch::start();
    let mut rows = Vec::new();
    let is_wanted = |test: &&Test| only.split(',').any(|words| test.name.contains(words));
    for test in tests.iter().filter(is_wanted) {
        let watch = Stopwatch::start();
        println!("── {}", test.name);
        let missing = test.needs.iter().find(|need| !lab.has(**need));
        let outcome = match missing {
            Some(need) => Outcome::Skipped(need.mend().to_owned()),
            // A helper that panics fails its test, not all that follow.
            None => match catch_unwind(AssertUnwindSafe(|| (test.run)(lab)))
                .unwrap_or_else(|panic| Err(told(&*panic)))
            {
                Ok(figures) => Outcome::Passed(figures),
                Err(error) => {
                    let heard = lab.bed.console().map(|console| console.last_words()).unwrap_or_default();
                    println!("   the serial line said last: {heard}");
                    Outcome::Failed(format!("{error:#}"))
                }
            },
        };
        println!("   {}\n", line(&outcome));
        rows.push((test.name, watch.seconds(), outcome));
    }
    println!("{}", report(&rows, whole.seconds()));
    !rows.is_empty() && !rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)))
}

/// The words of a panic.
fn told(panic: &(dyn Any + Send)) -> anyhow::Error {
    let words =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    anyhow::Error::msg(words.unwrap_or("a panic without words").to_owned())
}

fn line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed(words) => format!("ok: {words}"),
        Outcome::Skipped(words) => format!("SKIP, plug in {words}"),
        Outcome::Failed(words) => format!("FAILED: {words}"),
    }
}

fn report(rows: &[(&str, f64, Outcome)], seconds: f64) -> String {
    let mut text = String::from("| test | s | result |\n|---|---|---|\n");
    for (name, seconds, outcome) in rows {
        text +=
            &format!("| {name} | {seconds:.0} | {} |\n", line(outcome).replace('|', "/").replace('\n', " "));
    }
    let count = |wanted: fn(&Outcome) -> bool| rows.iter().filter(|(_, _, outcome)| wanted(outcome)).count();
    text += &format!(
        "\n{} passed, {} failed, {} skipped in {:.0} min {:.0} s",
        count(|outcome| matches!(outcome, Outcome::Passed(_))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        (seconds / 60.0).floor(),
        seconds % 60.0
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_and_keeps_to_one_row_a_test() {
        let rows = [
            ("boot", 41.2, Outcome::Passed("41 s".to_owned())),
            ("relay", 0.0, Outcome::Skipped("a wire".to_owned())),
            ("update", 9.0, Outcome::Failed("no | answer\nat all".to_owned())),
        ];
        let text = report(&rows, 130.0);
        assert!(text.contains("| update | 9 | FAILED: no / answer at all |"), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 1 skipped in 2 min 10 s"), "{text}");
    }
}
