//! The table of tests → each run on a board, skipped with what to plug in, or failed with its reason; a table of results with figures.

use crate::bed::{Bed, Kept, Need};
use crate::cameras::Cameras;
use crate::clock::Stopwatch;
use crate::console::Console;
use crate::fleet::Fleet;
use crate::shelf::Shelf;
use crate::tests::Cards;
use anyhow::{Context, Result};
use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A board and what a test on it may use.
pub(crate) struct Lab {
    pub(crate) bed: Box<dyn Bed>,
    pub(crate) shelf: Shelf,
    /// Of this board alone: one that is cut off from its network keeps its cameras waiting.
    pub(crate) cameras: Cameras,
    pub(crate) common: Arc<Common>,
    /// What the page of this board takes, as long as its card remembers it.
    pub(crate) token: RefCell<String>,
    /// The test that is run, and since when, for [`Lab::say`].
    test: (&'static str, Stopwatch),
}

/// What all boards have in common.
pub(crate) struct Common {
    /// The work tree, with the clips in `target/clips`.
    pub(crate) workspace: PathBuf,
    /// Folder of the bundles that the shelves serve.
    pub(crate) bundles: PathBuf,
    /// Version of the bundles that are an update.
    pub(crate) next: String,
    /// A hawkBit server, if one runs.
    pub(crate) fleet: Option<Fleet>,
    /// What decides where power is cut.
    pub(crate) seed: u64,
    /// How often it is.
    pub(crate) cuts: usize,
    /// A flashed board that is up, whose recorder is not, put aside by whoever needed it first.
    pub(crate) aside: Mutex<Option<Aside>>,
    /// What was on the card at moments of an update, likewise.
    pub(crate) cards: Mutex<Option<Arc<Cards>>>,
}

/// A board that was put aside, and the token that its page takes.
pub(crate) struct Aside {
    pub(crate) board: Kept,
    pub(crate) token: String,
}

impl Common {
    /// What the two cameras show.
    pub(crate) fn clip(&self) -> PathBuf {
        self.workspace.join("target/clips/sub.mp4")
    }
}

impl Lab {
    pub(crate) fn new(bed: Box<dyn Bed>, shelf: Shelf, cameras: Cameras, common: Arc<Common>) -> Self {
        Self { bed, shelf, cameras, common, token: RefCell::default(), test: ("", Stopwatch::start()) }
    }

    /// Prints a line of the test that is run, with the seconds that it has taken.
    pub(crate) fn say(&self, words: &str) {
        let (test, since) = self.test;
        println!("{test}, {:.0} s: {words}", since.seconds());
    }

    /// The serial line, where somebody listens to it.
    pub(crate) fn console(&self) -> Result<&Console> {
        self.bed.console().context("this bed listens to no serial line")
    }

    fn has(&self, need: Need) -> bool {
        if need == Need::Fleet { self.common.fleet.is_some() } else { self.bed.has(need) }
    }
}

/// What boards share, for a moment, also when a test of another board broke off with it.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What systemd says when units are to wait for each other.
const CYCLE: &str = "Ordering cycle found";

/// One row of the table.
#[derive(Clone, Copy)]
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

type Row = (&'static str, f64, Outcome);

/// Runs the tests whose name contains one of the words of `only`, parted by commas, in order, each on whichever board is free. Gives
/// whether none failed.
pub(crate) fn run(labs: &mut [Lab], tests: &[Test], only: &str) -> bool {
    let Some(first) = labs.first() else { return false };
    println!("bed: {}\n", first.bed.name());
    let whole = Stopwatch::start();
    let is_wanted = |test: &Test| only.split(',').any(|words| test.name.contains(words));
    let rows = Mutex::new(Vec::<Row>::new());
    let left = Mutex::new(tests.iter().copied().filter(is_wanted).collect::<VecDeque<_>>());
    let take = || locked(&left).pop_front();
    // A board that breaks off ends all of it: a table without its tests would look good.
    std::thread::scope(|scope| {
        for lab in labs {
            scope.spawn(|| {
                while let Some(test) = take() {
                    let row = row(lab, &test);
                    locked(&rows).push(row);
                }
                let _ = lab.bed.rest(); // the other boards need the processors
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    // As in the table of tests.
    rows.sort_by_key(|(name, ..)| tests.iter().position(|test| test.name == *name));
    println!("\n{}", report(&rows, whole.seconds()));
    !rows.is_empty() && !rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)))
}

/// Runs a test on a board.
fn row(lab: &mut Lab, test: &Test) -> Row {
    let watch = Stopwatch::start();
    lab.test = (test.name, watch);
    lab.say("begins");
    let begin = lab.bed.console().map_or(0, Console::end);
    let missing = test.needs.iter().find(|need| !lab.has(**need));
    let outcome = match missing {
        Some(need) => Outcome::Skipped(need.mend().to_owned()),
        // A helper that panics fails its test, not all that follow.
        None => match catch_unwind(AssertUnwindSafe(|| (test.run)(lab)))
            .unwrap_or_else(|panic| Err(told(&*panic)))
        {
            // systemd leaves a unit out of a start or a stop, as a recorder that is not ended in good order.
            Ok(_) if lab.bed.console().is_some_and(|console| console.has_said_from(begin, CYCLE)) => {
                Outcome::Failed(format!("units wait for each other: the serial line says \"{CYCLE}\""))
            }
            Ok(figures) => Outcome::Passed(figures),
            Err(error) => {
                let heard = lab.bed.console().map(|console| console.last_words()).unwrap_or_default();
                lab.say(&format!("the serial line said last: {heard}"));
                Outcome::Failed(format!("{error:#}"))
            }
        },
    };
    lab.say(&line(&outcome));
    (test.name, watch.seconds(), outcome)
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

fn report(rows: &[Row], seconds: f64) -> String {
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
