//! A list of Python packages → an environment of its own below `target/` that has them.

use crate::place::{Place, read, write};
use crate::run;
use anyhow::Result;
use std::process::Command;

/// An environment.
pub(super) struct Environment {
    /// Its folder below `target/`.
    pub(super) folder: &'static str,
    /// The list, from the root of the work tree.
    pub(super) list: &'static str,
    /// What the packages are, for people.
    pub(super) packages: &'static str,
    /// The oldest Python that will do.
    pub(super) python: &'static str,
    /// One of the packages, to try the index with.
    pub(super) probe: &'static str,
}

impl Environment {
    /// Makes it; false: it was there.
    pub(super) fn make(&self, place: &Place) -> Result<bool> {
        let list = place.at(self.list);
        let wanted = read(&list)?;
        let folder = place.target(self.folder);
        let stamp = folder.join("requirements.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            return Ok(false);
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&folder);
        let mend = format!("install Python {} or newer with venv (python3-venv)", self.python);
        run::quiet(place, &format!("python environment for {}", self.packages), &mut make, &mend)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list);
        let mend = format!("see whether pip reaches its index: `python3 -m pip download {}`", self.probe);
        run::quiet(place, self.packages, &mut pip, &mend)?;
        write(&stamp, &wanted)?;
        Ok(true)
    }
}
