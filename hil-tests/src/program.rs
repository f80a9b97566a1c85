//! Programs of this machine: one that must end well, one that ends when we do.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Runs a program of this machine that must end well.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("can't start {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// One that ends when we do, however that is: a board or a camera that stays would keep a processor from whatever comes next.
pub(crate) fn lasting(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", name]);
    command
}
