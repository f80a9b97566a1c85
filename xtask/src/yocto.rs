//! Cargo.lock → `nightjar-crates.inc`, what bitbake fetches; the layer, its kas files and the units → faults.

use crate::options::Options;
use crate::place::{Place, read, write};
use crate::run;
use crate::setup;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const RECIPES: &str = "yocto/meta-nightjar/recipes-nightjar/nightjar";
const CRATES: &str = "nightjar-crates.inc";
/// Of oelint-adv's rules two do not fit: one asks the network whether HOMEPAGE is there, one wants a licence's file to be remote,
/// while this layer builds the tree that it lies in.
const OELINT: &[&str] = &[
    "--quiet",
    "--hide=info",
    "--mode=all",
    "--release=wrynose",
    "--suppress=oelint.vars.homepageping",
    "--suppress=oelint.var.licenseremotefile",
    "--extra-layer=meta-raspberrypi",
    "--extra-layer=meta-rauc",
];
/// kas's own reading of a file, schema and all; its `dump` would fetch the layers.
const KAS: &str = "\
import sys
from kas.includehandler import ConfigFile
for name in sys.argv[1:]:
    ConfigFile.load(name)
";
/// A shell for whoever has the key is there to do everything.
const UNBOUND: &str = "nightjar-shell.service";
/// What `systemd-analyze security` may say of a unit of ours, at most.
const EXPOSURE: f32 = 3.0;

/// Writes the list of crates.
pub(crate) fn run(place: &Place, _: &Options) -> Result<()> {
    let path = place.at(RECIPES).join(CRATES);
    write(&path, &crates(&read(&place.at("Cargo.lock"))?)?)?;
    run::done(&place.short(&path), "as in Cargo.lock");
    Ok(())
}

/// The layer's list of crates is Cargo.lock's; oelint-adv finds nothing; kas understands every board.
pub(crate) fn check(place: &Place) -> Result<()> {
    let path = place.at(RECIPES).join(CRATES);
    if read(&path)? != crates(&read(&place.at("Cargo.lock"))?)? {
        bail!("{} is not what Cargo.lock says: run `cargo xtask yocto`", place.short(&path));
    }
    let mut lint = Command::new(setup::yocto::program(place, "oelint-adv"));
    lint.args(OELINT).args([
        "--constantmods",
        &format!("+{}", place.at("yocto/oelint.json").display()),
        "--",
    ]);
    lint.args(files(place, "yocto/meta-nightjar", &["bb", "bbappend"])?).current_dir(place.root());
    run::loud("oelint-adv", &mut lint, "each line above names the file, the line and the rule")?;
    let mut read = Command::new(setup::yocto::program(place, "python"));
    read.args(["-c", KAS]).args(files(place, "yocto/kas", &["yml"])?);
    run::loud("kas", &mut read, "each line above says which key of which file is wrong")
}

/// No unit of ours may do more than it has to, and none may ask for what Debian 12's systemd silently leaves out.
pub(crate) fn units(place: &Place) -> Result<()> {
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(files(place, RECIPES, &["service", "timer", "path"])?);
    // Its exit code speaks of programs that are not installed here, too.
    let said = verify.output().context("can't start systemd-analyze")?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    // It reads units of this machine, too, and says what is wrong with those.
    let is_ours = |line: &&str| line.contains(RECIPES) && line.contains("ignoring");
    let left_out: Vec<&str> = said.lines().filter(is_ours).collect();
    if !left_out.is_empty() {
        bail!(
            "what systemd does not know it leaves out; ask for it in its oldest words:\n{}",
            left_out.join("\n")
        );
    }
    let mut faults = Vec::new();
    for unit in files(place, RECIPES, &["service"])?.iter().filter(|unit| !unit.ends_with(UNBOUND)) {
        let mut ask = Command::new("systemd-analyze");
        ask.args(["security", "--offline=true", "--no-pager"]).arg(unit);
        let said = run::capture(&mut ask)?;
        let exposure =
            exposure(&said).with_context(|| format!("systemd-analyze says nothing of {}", unit.display()))?;
        if exposure > EXPOSURE {
            faults.push(format!("{}: {exposure}", place.short(unit)));
        }
    }
    if !faults.is_empty() {
        let mend = "`systemd-analyze security --offline=true FILE` says which lines would help";
        bail!("units that may do more than {EXPOSURE}: {}; {mend}", faults.join(", "));
    }
    Ok(())
}

/// The figure in `→ Overall exposure level for x.service: 2.5 OK`.
fn exposure(said: &str) -> Option<f32> {
    let (_, rest) = said.rsplit_once("exposure level for ")?;
    rest.split_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

/// Files below a folder of the work tree by their ends, in order.
fn files(place: &Place, folder: &str, ends: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![place.at(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| ends.iter().any(|e| end == *e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Every crate of crates.io with its hash, for bitbake's crate fetcher.
fn crates(lock: &str) -> Result<String> {
    let (mut addresses, mut hashes) = (String::new(), String::new());
    for package in lock.split("[[package]]").skip(1) {
        let key = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"'))
        };
        let (Some(name), Some(version)) = (key("name"), key("version")) else {
            bail!("Cargo.lock has a package without name or version:{package}");
        };
        match (key("source"), key("checksum")) {
            (None, None) => {} // ours
            (Some("registry+https://github.com/rust-lang/crates.io-index"), Some(hash)) => {
                writeln!(addresses, "    crate://crates.io/{name}/{version} \\")?;
                writeln!(hashes, "SRC_URI[{name}-{version}.sha256sum] = \"{hash}\"")?;
            }
            (source, _) => {
                bail!("{name} {version} comes from {source:?}; bitbake is told of crates.io alone")
            }
        }
    }
    Ok(format!(
        "# Written by `cargo xtask yocto` from Cargo.lock.\n\nSRC_URI += \"\\\n{addresses}\"\n\n{hashes}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"00ff\"\ndependencies = [\n \"b\",\n]\n\n\
        [[package]]\nname = \"nightjar\"\nversion = \"0.1.0\"\n";

    #[test]
    fn crates_of_others_are_listed_with_their_hash() {
        let text = crates(LOCK).unwrap();
        assert!(text.contains("SRC_URI += \"\\\n    crate://crates.io/a/1.2.3 \\\n\"\n"), "{text}");
        assert!(
            text.ends_with("SRC_URI[a-1.2.3.sha256sum] = \"00ff\"\n") && !text.contains("nightjar/"),
            "{text}"
        );
        let strange = LOCK
            .replace("registry+https://github.com/rust-lang/crates.io-index", "git+https://example.org/a");
        assert!(crates(&strange).unwrap_err().to_string().contains("comes from"));
    }

    #[test]
    fn the_boot_script_is_one_for_boards_without_a_first_stage() {
        let place = Place::find().expect("xtask lies in the work tree");
        let recipe = place.at("yocto/meta-nightjar/recipes-bsp/u-boot/nightjar-uboot-script_0.1.0.bb");
        let text = read(&recipe).expect("the recipe is there");
        let from = text.find("do_compile() {").expect("it compiles");
        let body =
            text[from..].lines().skip(1).take_while(|line| *line != "}").collect::<Vec<_>>().join("\n");
        let folder = std::env::temp_dir().join(format!("nightjar-boot-script-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // As bitbake does with the names that it knows.
        let files = place.at(RECIPES).join("files");
        let body = body
            .replace("${S}", &files.display().to_string())
            .replace("${B}", &folder.display().to_string())
            .replace("${NIGHTJAR_CONSOLE}", "ttyS2");
        let words = format!("bbfatal() {{ echo \"$1\"; exit 1; }}; mkimage() {{ :; }}; {body}");
        let output = Command::new("sh").args(["-ec", &words]).output().unwrap();
        let script = read(&folder.join("boot.cmd"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(output.status.success(), "{output:?}");
        let script = script.unwrap();
        assert!(script.contains("/boot/Image && booti ${kernel_addr_r} - ${fdt_addr}"), "{script}");
        assert!(script.contains("part number ${devtype} ${devnum} ") && script.contains("console=ttyS2"));
    }

    #[test]
    fn the_exposure_is_read() {
        let said = "  NAME  DESCRIPTION\n\n→ Overall exposure level for nightjar.service: 2.5 OK 🙂\n";
        assert_eq!(exposure(said), Some(2.5));
        assert_eq!(exposure("nothing"), None);
    }
}
