//! Model cards → the model files in `target/models`, made by `models/tools/prepare.sh`, which checks their sha256.

use super::node;
use super::python::Environment;
use crate::place::Place;
use crate::run;
use anyhow::Result;
use std::process::Command;

const ENVIRONMENT: Environment = Environment {
    folder: "venv",
    list: "models/tools/requirements.txt",
    packages: "python packages",
    python: "3.10",
    probe: "numpy",
};

/// Makes the virtual environment and the model files, unless they are there.
pub(super) fn prepare(place: &Place) -> Result<()> {
    // The tool ends well at once when every file has its card's hash, else it first asks for Python's packages, and
    // `false` has none: so this only looks.
    if run::succeeds(tool(place).env("PYTHON", "false")) {
        run::done("model", "there, sha256 as on its card");
        return Ok(());
    }
    ENVIRONMENT.make(place)?;
    let mend = "read models/README.md; a hash that differs means that another file was fetched or made";
    run::quiet(place, "model", tool(place).env("PYTHON", place.python()).env("PATH", node::path(place)), mend)
}

fn tool(place: &Place) -> Command {
    let mut command = Command::new("sh");
    command.arg(place.at("models/tools/prepare.sh")).arg(place.target("models"));
    command
}
