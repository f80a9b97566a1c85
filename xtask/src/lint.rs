//! The work tree → every check that runs no test of behaviour: formatting, clippy, licences, house rules, page types.

use crate::options::Options;
use crate::place::Place;
use crate::{fmt, run, setup, web, yocto};
use anyhow::{Result, bail};
use std::process::Command;

type Check = fn(&Place) -> Result<()>;

/// The checks of `cargo xtask lint`. All of them run, also after one failed.
const CHECKS: &[(&str, Check)] = &[
    ("formatting", fmt::check),
    ("page types", |place| web::script(place, "check")),
    ("clippy", clippy),
    ("licences, bans and sources", deny),
    ("house rules", house),
    ("sandbox of the units", yocto::units),
    ("Yocto layer", yocto::check),
];

pub(crate) fn run(place: &Place, _: &Options) -> Result<()> {
    setup::for_verb(place, "lint")?;
    web::build(place)?;
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        run::say(name);
        if let Err(error) = check(place) {
            eprintln!("{error:#}");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        println!("\nall {} checks passed", CHECKS.len());
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn clippy(place: &Place) -> Result<()> {
    let mut cargo = run::cargo(place);
    cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run::loud("clippy", &mut cargo, "each warning above names its file, its line and the lint")
}

/// cargo-deny without its list of advisories, which lies on a server that not every build machine reaches.
fn deny(place: &Place) -> Result<()> {
    let own = place.target("tools/bin/cargo-deny");
    let program = if run::in_path("cargo-deny") { "cargo-deny".into() } else { own.clone() };
    if program == own && !own.exists() {
        let mut cargo = run::cargo(place);
        cargo.args(["install", "cargo-deny", "--locked", "--root"]).arg(place.target("tools"));
        cargo.arg("--target-dir").arg(place.target("tools/build"));
        run::quiet(place, "cargo install cargo-deny", &mut cargo, "run `cargo install cargo-deny --locked`")?;
    }
    let mut command = Command::new(program);
    command
        .args(["--workspace", "--all-features", "check", "licenses", "bans", "sources"])
        .current_dir(place.root());
    run::loud("cargo-deny", &mut command, "deny.toml says what is allowed and why")
}

fn house(place: &Place) -> Result<()> {
    let mut cargo = run::cargo(place);
    cargo.args(["test", "--quiet", "-p", "nightjar-tests", "--test", "house"]);
    run::loud(
        "house rules",
        &mut cargo,
        "each failure above names the file and the rule; ARCHITECTURE.md explains them",
    )
}
