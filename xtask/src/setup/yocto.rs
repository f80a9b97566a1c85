//! `yocto/requirements.txt` → the tools that check the layer, in a Python environment of their own.

use super::python::Environment;
use crate::place::Place;
use crate::run;
use anyhow::Result;
use std::path::PathBuf;

const ENVIRONMENT: Environment = Environment {
    folder: "yocto-venv",
    list: "yocto/requirements.txt",
    packages: "oelint-adv and kas",
    python: "3.11",
    probe: "kas",
};

/// One of the tools.
pub(crate) fn program(place: &Place, name: &str) -> PathBuf {
    place.target(ENVIRONMENT.folder).join("bin").join(name)
}

/// Makes the environment, unless it is there.
pub(super) fn install(place: &Place) -> Result<()> {
    if !ENVIRONMENT.make(place)? {
        run::done("tools of the Yocto layer", "there");
    }
    Ok(())
}
