//! Nothing but this machine → every test run once, the sum of their results, and what was skipped and why.

use crate::clock::Stopwatch;
use crate::options::Options;
use crate::place::Place;
use crate::setup::{self, node};
use crate::{lanes, run, web, yocto};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Results added up over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Ends the process itself: a last line `N passed, N failed, N skipped` is what a build server reads.
pub(crate) fn run(place: &Place, _: &Options) -> Result<()> {
    let watch = Stopwatch::start();
    let list = place.target("skips.txt");
    if list.exists() {
        std::fs::remove_file(&list).context("can't clear target/skips.txt")?;
    }
    let mut sum = Sum::default();
    let ended = everything(place, &mut sum);
    let mut skips: Vec<String> =
        std::fs::read_to_string(&list).unwrap_or_default().lines().map(str::to_owned).collect();
    skips.sort();
    skips.dedup();

    run::say(&format!("all tests, {}", watch.words()));
    for skip in &skips {
        println!("   {skip}");
    }
    if let Err(error) = &ended {
        println!("\n{error:#}");
        // A step that broke off, or a program that died before it could count, is a failure of its own.
        sum.failed = sum.failed.max(1);
    }
    println!("\n{} passed, {} failed, {} skipped", sum.passed, sum.failed, skips.len() as u64 + sum.ignored);
    std::process::exit(match ended {
        Ok(()) if sum.failed == 0 => 0,
        _ => 1,
    })
}

fn everything(place: &Place, sum: &mut Sum) -> Result<()> {
    setup::for_verb(place, "test")?;
    run::say("page");
    web::build(place)?;
    web::script(place, "check")?;
    let mut tests = node::npm(place, "web-mini");
    let page = run::watched("page tests", tests.args(["test", "--silent"]), |line| sum.look(line))?;
    web::script(place, "size")?;

    run::say("units and Yocto layer");
    yocto::units(place)?;
    yocto::check(place)?;

    run::say("build (some minutes the first time), then tests");
    let (skips, path) = (place.target("skips.txt"), node::path(place));
    let env = |command: &mut Command| {
        command.env("NIGHTJAR_SKIPS", &skips).env("PATH", &path);
    };
    if !lanes::run(place, &env, |line| sum.look(line))? || !page {
        bail!(
            "tests failed: look for `FAILED` and `failures:` above; pictures of the browser test are in test-output/"
        );
    }
    if sum.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

impl Sum {
    /// Takes in one line of output: libtest's `test result:` or the counts of Node's test runner.
    fn look(&mut self, line: &str) {
        if let Some((_, counts)) = line.split_once("test result: ") {
            for (count, word) in counts.split(['.', ';']).filter_map(|part| part.trim().split_once(' ')) {
                let count: u64 = count.parse().unwrap_or(0);
                match word {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" => self.ignored += count,
                    _ => {}
                }
            }
        } else if let Some((word, count)) =
            line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")).and_then(|rest| rest.split_once(' '))
        {
            let count: u64 = count.trim().parse().unwrap_or(0);
            match word {
                "pass" => self.passed += count,
                "fail" | "cancelled" => self.failed += count,
                "skipped" | "todo" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &str) -> Sum {
        let mut sum = Sum::default();
        text.lines().for_each(|line| sum.look(line));
        sum
    }

    #[test]
    fn adds_up_rusts_and_nodes_results() {
        let text = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\
                    # tests 5\n# pass 4\n# fail 1\nℹ pass 2\nunrelated 99 passed";
        assert_eq!(sum(text), Sum { passed: 21, failed: 3, ignored: 1 });
    }
}
