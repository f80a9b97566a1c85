//! Words for curl and an address → the body of an answer with a good status. curl is not our code.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// Errors name `path`, the part of the address that says what was asked.
pub(crate) fn ask(words: &[&str], base: &str, path: &str) -> Result<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body"]).args(words).arg(format!("{base}{path}"));
    let output = command.output().context("can't start curl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{path}: {} {text}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(text)
}
