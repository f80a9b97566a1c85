//! Model cards → the model files in `target/models`, made by `models/tools/prepare.sh`, which checks their sha256.

use crate::place::{Place, read, write};
use crate::run;
use crate::setup::node;
use anyhow::Result;
use std::process::Command;

/// Makes the virtual environment and the model files, unless they are there.
pub(super) fn prepare(place: &Place) -> Result<()> {
    // The tool ends well at once when every file has its card's hash, else it first asks for Python's packages, and
    // `false` has none: so this only looks.
    if run::succeeds(tool(place).env("PYTHON", "false")) {
        run::done("model", "there, sha256 as on its card");
        return Ok(());
    }
    environment(place)?;
    let mend = "read models/README.md; a hash that differs means that another file was fetched or made";
    run::quiet(place, "model", tool(place).env("PYTHON", place.python()).env("PATH", node::path(place)), mend)
}

fn tool(place: &Place) -> Command {
    let mut command = Command::new("sh");
    command.arg(place.at("models/tools/prepare.sh")).arg(place.target("models"));
    command
}

fn environment(place: &Place) -> Result<()> {
    let list = place.at("models/tools/requirements.txt");
    let wanted = read(&list)?;
    let stamp = place.target("venv/requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(place.target("venv"));
    run::quiet(
        place,
        "python environment",
        &mut make,
        "install Python 3.10 or newer with venv (python3-venv)",
    )?;
    let mut pip = Command::new(place.python());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
    let mend = "see whether pip reaches its index: `python3 -m pip download numpy`";
    run::quiet(place, "python packages", &mut pip, mend)?;
    write(&stamp, &wanted)
}
