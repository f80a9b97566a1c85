//! `cargo xtask crash --runs N`: the seeded crash simulation of firmware/io/tests/crash.rs, as often as asked.

use crate::options::Options;
use crate::place::Place;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs it; its own lines say runs, calls, crash points and faults by kind, and violations.
pub(crate) fn run(_: &Place, options: &Options) -> Result<()> {
    let runs: u64 = options.text("runs").unwrap_or("1000").parse().context("--runs takes a number")?;
    let status = Command::new(env!("CARGO"))
        .args(["test", "-p", "nightjar-io", "--test", "crash", "--", "--nocapture", "nothing_is_missing"])
        .env("NIGHTJAR_CRASH_RUNS", runs.to_string())
        .status()
        .context("can't start cargo")?;
    if !status.success() {
        bail!("the recorder lost, invented or could not explain footage: the seeds are above");
    }
    Ok(())
}
