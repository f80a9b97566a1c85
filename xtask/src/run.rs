//! A command and its mend → done, or an error that names the command, its last words and the mend.

use crate::clock::Stopwatch;
use crate::place::{Place, make_dir};
use anyhow::{Context, Result, anyhow, bail};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A sign of life is printed this often while a quiet command runs.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Words of apt, npm, pip, cargo and curl for "the other end can't be reached".
const NETWORK_WORDS: &[&str] = &[
    "Could not resolve",
    "Temporary failure",
    "Failed to fetch",
    "Could not connect",
    "Couldn't connect",
    "Connection timed out",
    "Connection refused",
    "Network is unreachable",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "NewConnectionError",
    "failed to download",
    "spurious network error",
];

/// Prints the heading of a step that shows its own output.
pub(crate) fn say(words: &str) {
    println!("\n== {words}");
}

/// One finished thing.
pub(crate) fn done(what: &str, how: &str) {
    println!("   {what:<34} {how}");
}

/// Runs `command` with its output in a log under `target/xtask/`; every ten seconds a line shows that it goes on.
pub(crate) fn quiet(place: &Place, what: &str, command: &mut Command, mend: &str) -> Result<()> {
    let slug: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let log = place.target(&format!("xtask/{slug}.log"));
    make_dir(&place.target("xtask"))?;
    let out = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
    let err = out.try_clone().context("can't share the log between both outputs")?;
    let watch = Stopwatch::start();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .with_context(|| format!("{what}: can't start {}\n  mend: {mend}", name(command)))?;
    let mut next = SIGN_OF_LIFE;
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| format!("{what}: lost sight of it"))? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(100));
        if watch.elapsed() >= next {
            next += SIGN_OF_LIFE;
            let last = tail(&log, 1).trim().chars().take(90).collect::<String>();
            println!("   {what:<34} … {}  {last}", watch.words());
        }
    };
    if status.success() {
        done(what, &watch.words());
        return Ok(());
    }
    let words = tail(&log, 15);
    Err(failure(what, command, &format!("{status} after {}", watch.words()), mend, &words)
        .context(format!("the whole output is in {}", place.short(&log))))
}

/// Runs `command` with its output on the terminal.
pub(crate) fn loud(what: &str, command: &mut Command, mend: &str) -> Result<()> {
    let watch = Stopwatch::start();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("{what}: can't start {}\n  mend: {mend}", name(command)))?;
    if status.success() {
        done(what, &watch.words());
        return Ok(());
    }
    Err(failure(what, command, &format!("{status} after {}", watch.words()), mend, ""))
}

/// Runs `command`, shows every line that it prints on stdout and hands it to `look`. Gives whether it ended well.
pub(crate) fn watched(what: &str, command: &mut Command, mut look: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: can't start {}", name(command)))?;
    let out = child.stdout.take().with_context(|| format!("{what}: its output was not piped"))?;
    for line in BufReader::new(out).split(b'\n') {
        let line = line.with_context(|| format!("{what}: can't read its output"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        look(&line);
    }
    Ok(child.wait().with_context(|| format!("{what}: lost sight of it"))?.success())
}

/// `cargo` as a person would call it.
pub(crate) fn cargo(place: &Place) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_crate(&mut command);
    command.current_dir(place.root()).env("CARGO_TARGET_DIR", place.target(""));
    command
}

/// Without what the outer cargo told this program about the crate `xtask`: build scripts that look at those variables would
/// run again at every change between inner and outer cargo.
pub(crate) fn forget_crate(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        let text = key.to_string_lossy();
        let outer = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if text == "CARGO" || outer.iter().any(|start| text.starts_with(start)) {
            command.env_remove(&key);
        }
    }
}

/// What `command` printed, trimmed; an error if it can't start or does not end well.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("can't start {}", name(command)))?;
    if !output.status.success() {
        bail!("{} {}: {}", name(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether `command` can be started and ends well. Its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Where `program` is found in PATH.
pub(crate) fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn failure(what: &str, command: &Command, how: &str, mend: &str, words: &str) -> anyhow::Error {
    let mut text = format!("{what} failed: {} {how}\n", name(command));
    for line in words.lines() {
        text += &format!("  | {line}\n");
    }
    if NETWORK_WORDS.iter().any(|word| words.contains(word)) {
        text += "  the network: a server could not be reached; check the connection or the proxy and run this again\n";
    }
    text += &format!("  mend: {mend}");
    anyhow!(text)
}

fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let first = command.get_args().take(3).map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(program).chain(first).collect::<Vec<_>>().join(" ")
}

fn tail(log: &Path, lines: usize) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    // Progress bars overwrite their line with carriage returns: the last piece is the current state.
    let now = |line: &'_ str| line.rsplit('\r').find(|piece| !piece.trim().is_empty()).map(str::to_owned);
    let all: Vec<String> = text.lines().filter_map(now).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_the_network_and_the_mend() {
        let mut command = Command::new("npm");
        command.args(["ci", "--no-audit"]);
        let text =
            failure("web packages", &command, "exit 1", "fix it", "npm ERR! ENOTFOUND host").to_string();
        assert!(text.contains("npm ci") && text.contains("the network") && text.contains("mend: fix it"));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_with_its_name() {
        let error = capture(&mut Command::new("no-such-program-here")).expect_err("not there");
        assert!(format!("{error:#}").contains("no-such-program-here"));
        assert!(!in_path("no-such-program-here") && in_path("sh"));
    }
}
