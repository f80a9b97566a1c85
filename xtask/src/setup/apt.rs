//! Missing rows of `PACKAGES` → installed by apt-get, or listed for a person on a distribution without it.

use super::packages::{PACKAGES, Package};
use crate::place::Place;
use crate::run;
use anyhow::{Result, bail};
use std::io::IsTerminal;
use std::process::Command;

/// Installs what `verb` needs and is not there.
pub(super) fn install(place: &Place, verb: &str) -> Result<()> {
    let wanted: Vec<&Package> = PACKAGES.iter().filter(|package| package.verbs.contains(&verb)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let missing: Vec<&Package> = wanted.iter().copied().filter(|package| !package.is_there(place)).collect();
    if missing.is_empty() {
        run::done("system packages", &format!("all {} there", wanted.len()));
        return Ok(());
    }
    for package in &missing {
        println!("   missing: {:<34} {}", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !is_debian() {
        bail!(
            "this is no Debian or Ubuntu, so nothing was installed; install what carries the same things here and \
             run this again (Debian's names): {}",
            names.join(" ")
        );
    }
    for architecture in ["arm64", "armhf"] {
        if names.iter().any(|name| name.ends_with(&format!(":{architecture}"))) {
            let mut add = as_root(&["dpkg", "--add-architecture", architecture]);
            let mend = format!("run `dpkg --add-architecture {architecture}` as root");
            run::quiet(place, &format!("dpkg add {architecture}"), &mut add, &mend)?;
        }
    }
    update(place)?;
    let mut words =
        vec!["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
    words.extend(&names);
    let mend = format!("run `apt-get install {}` as root and look at what it says", names.join(" "));
    run::quiet(place, "apt-get install", &mut as_root(&words), &mend)?;
    let still: Vec<&str> =
        missing.iter().filter(|package| !package.is_there(place)).map(|p| p.name).collect();
    if !still.is_empty() {
        bail!(
            "installed, and yet what they bring is not seen: {}; is another version in PATH before it?",
            still.join(" ")
        );
    }
    Ok(())
}

/// Fetches apt's lists.
pub(super) fn update(place: &Place) -> Result<()> {
    let mut command = as_root(&["apt-get", "update", "-o", "DPkg::Lock::Timeout=300"]);
    run::quiet(place, "apt-get update", &mut command, "run `apt-get update` as root and look at what it says")
}

/// Whether apt-get of Debian's family is here.
pub(super) fn is_debian() -> bool {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let family = |line: &str| line.starts_with("ID") && (line.contains("debian") || line.contains("ubuntu"));
    release.lines().any(family) && run::in_path("apt-get")
}

/// `words` as a command with root's rights: plain for root, else through sudo, which may ask only at a terminal.
pub(super) fn as_root(words: &[&str]) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("env");
    } else {
        command = Command::new("sudo");
        if !std::io::stdin().is_terminal() {
            command.arg("-n");
        }
        command.arg("env");
    }
    command.arg("DEBIAN_FRONTEND=noninteractive").args(words);
    command
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|line| line.split_whitespace().nth(1)) == Some("0")
}
