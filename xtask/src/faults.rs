//! `cargo xtask faults --runs N --seed N`: the seeded faults of the eye of tests/tests/faults.rs, as often as asked; prints a table.

use crate::demo;
use crate::options::Options;
use crate::place::Place;
use crate::run;
use anyhow::{Context, Result, bail};

/// Runs it: a third with the real eye as it is shipped, the rest with one that answers garbage.
pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let (runs, seed): (u64, u64) = (options.number("runs", 1000)?, options.number("seed", 1)?);
    let mut build = run::cargo(place);
    run::loud(
        "build",
        build.args(["build", "--workspace", "--bins", "--test", "faults"]),
        "the compiler's message above names the file and the line",
    )?;
    demo::release_build(place)?;
    let mut test = run::cargo(place);
    test.args(["test", "--workspace", "--test", "faults", "--", "--nocapture", "--test-threads=1"]);
    test.env("NIGHTJAR_FAULT_RUNS", runs.to_string()).env("NIGHTJAR_SEED", seed.to_string());
    test.env("NIGHTJAR_EYE", place.target("release/nightjar-eye"));
    let status = test.env("NIGHTJAR_FAULT_CHECK", "1").status().context("can't start cargo")?;
    if !status.success() {
        bail!(
            "a picture was lost, an eye came back late or a restart was not explained: it stands above (--seed {seed})"
        );
    }
    Ok(())
}
