//! web-mini's sources → `web-mini/dist`, unless it is newer than all of them; and its gzipped size.

use crate::options::Options;
use crate::place::Place;
use crate::run;
use crate::setup::{self, node};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Folders of web-mini that are made, not written.
const MADE: &[&str] = &["node_modules", "dist", ".test", "test"];

pub(crate) fn run(place: &Place, _: &Options) -> Result<()> {
    setup::for_verb(place, "web")?;
    build(place)
}

/// Builds the page if a source is newer than the built one.
pub(crate) fn build(place: &Place) -> Result<()> {
    let dist = place.at("web-mini/dist/index.html");
    let built = dist.metadata().and_then(|data| data.modified()).ok();
    let newest = newest(&place.at("web-mini"))?;
    if built.is_some_and(|built| newest < built) {
        run::done("page", &format!("up to date, {}", size_words(place)));
        return Ok(());
    }
    let mend = "read the log: TypeScript or the build tool names the file and the line";
    run::quiet(place, "page build", node::npm(place, "web-mini").args(["run", "build"]), mend)?;
    run::done("page", &size_words(place));
    Ok(())
}

/// Runs one of web-mini's scripts with its output in a log.
pub(crate) fn script(place: &Place, name: &str) -> Result<()> {
    let mend = format!("run `npm run {name}` in web-mini");
    run::quiet(place, &format!("page {name}"), node::npm(place, "web-mini").args(["run", name]), &mend)
}

/// Bytes of the built page, each file gzipped as a server would send it.
pub(crate) fn gzipped(place: &Place) -> Result<u64> {
    let mut sum = 0;
    let mut folders = vec![place.at("web-mini/dist")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("can't list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "map") {
                let out =
                    Command::new("gzip").args(["-9", "--stdout"]).arg(&path).output().context("gzip")?;
                sum += out.stdout.len() as u64;
            }
        }
    }
    Ok(sum)
}

fn size_words(place: &Place) -> String {
    gzipped(place).map_or_else(
        |error| format!("size unknown: {error}"),
        |bytes| format!("{:.1} kB gzipped", bytes as f64 / 1e3),
    )
}

fn newest(dir: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(dir).with_context(|| format!("can't list {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if MADE.iter().any(|made| name == *made) {
            continue;
        }
        let changed = if entry.path().is_dir() {
            self::newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        newest = newest.max(changed);
    }
    Ok(newest)
}
