//! The tables of packages → a tar of Debian's system as its packages hold it, and a folder of single files beside it. No
//! program of the board is run: what maintainer scripts would do is done in `tree.rs`.

use super::archive::{self, Archive};
use super::recipe::{LEFT_OUT, PACKAGES, PICKED, SUITE};
use super::{EPOCH, QEMU};
use crate::place::{Place, make_dir, read, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

/// The system, made again when the table of packages changes.
pub(super) fn tar(place: &Place) -> Result<PathBuf> {
    let tar = place.target(&format!("image/{QEMU}-base.tar"));
    let recipe = tar.with_extension("recipe");
    let words = format!("{SUITE} {}\n", PACKAGES.join(","));
    if tar.exists() && read(&recipe).is_ok_and(|made| made == words) {
        run::done("system packages of the board", "there");
        return Ok(tar);
    }
    let mut command = Command::new("mmdebstrap");
    command.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    command.args(["--mode=root", "--variant=extract", "--architectures=arm64", "--skip=check/qemu"]);
    command.arg(format!("--include={}", PACKAGES.join(",")));
    command.args(LEFT_OUT.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
    command.arg(SUITE).arg(&tar).arg(archive::source(SUITE));
    run::quiet(
        place,
        "system packages of the board",
        &mut command,
        "run this as root; see whether mmdebstrap reaches Debian's archive",
    )?;
    write(&recipe, &words)?;
    Ok(tar)
}

/// A folder with the files of [`PICKED`], made anew.
pub(super) fn picked(place: &Place) -> Result<PathBuf> {
    let dir = place.target(&format!("image/{QEMU}-picked"));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).context("can't clear the picked files")?;
    }
    make_dir(&dir)?;
    for suite in [SUITE, "sid"] {
        let rows: Vec<_> = PICKED.iter().filter(|(_, of, _)| *of == suite).collect();
        let names: Vec<&str> = rows.iter().map(|(package, _, _)| *package).collect();
        let debs = Archive::open(place, suite)?.download(&names)?;
        for ((package, _, files), deb) in rows.into_iter().zip(debs) {
            let inner = place.target("image/picked.tar");
            let out = File::create(&inner).with_context(|| format!("can't write {}", inner.display()))?;
            let status = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb).stdout(out).status();
            if !status.is_ok_and(|status| status.success()) {
                bail!("dpkg-deb can't read {}: remove it and run this again", deb.display());
            }
            let mut tar = Command::new("tar");
            tar.arg("xpf").arg(&inner).arg("-C").arg(&dir).arg("--wildcards").args(*files);
            run::capture(&mut tar)
                .with_context(|| format!("{package} holds no longer what was picked of it"))?;
        }
    }
    Ok(dir)
}
