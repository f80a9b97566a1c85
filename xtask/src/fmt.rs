//! The work tree's Rust sources → formatted by rustfmt.

use crate::options::Options;
use crate::place::Place;
use crate::run;
use anyhow::Result;

pub(crate) fn run(place: &Place, _: &Options) -> Result<()> {
    cargo_fmt(place, &["fmt", "--all"])
}

/// Fails if a file is not formatted.
pub(crate) fn check(place: &Place) -> Result<()> {
    cargo_fmt(place, &["fmt", "--all", "--check"])
}

fn cargo_fmt(place: &Place, words: &[&str]) -> Result<()> {
    let mut cargo = run::cargo(place);
    cargo.args(words);
    run::loud("rustfmt", &mut cargo, "run `cargo xtask fmt`; without rustfmt: `rustup component add rustfmt`")
}
