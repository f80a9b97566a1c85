//! `yocto/requirements.txt` → the tools that check the layer, in a Python environment of their own.

use crate::place::{Place, read, write};
use crate::run;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// One of the tools.
pub(crate) fn program(place: &Place, name: &str) -> PathBuf {
    place.target("yocto-venv/bin").join(name)
}

/// Makes the environment, unless it is there.
pub(super) fn install(place: &Place) -> Result<()> {
    let list = place.at("yocto/requirements.txt");
    let wanted = read(&list)?;
    let stamp = place.target("yocto-venv/requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        run::done("tools of the Yocto layer", "there");
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(place.target("yocto-venv"));
    run::quiet(
        place,
        "python environment of the Yocto layer",
        &mut make,
        "install Python 3.11 or newer with venv (python3-venv)",
    )?;
    let mut pip = Command::new(program(place, "python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
    run::quiet(
        place,
        "oelint-adv and kas",
        &mut pip,
        "see whether pip reaches its index: `python3 -m pip download kas`",
    )?;
    write(&stamp, &wanted)
}
