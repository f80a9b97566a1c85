//! `install.list` of the layer's folder of files → those files at their places in a tree. The Yocto recipe reads the same list.

use crate::place::{Place, make_dir, read, set_mode, write};
use anyhow::{Context, Result, bail};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The layer's folder.
const FILES: &str = "yocto/meta-nightjar/recipes-nightjar/nightjar/files";

/// For which systems a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Every system.
    All,
    /// Only one that we make as a whole.
    Image,
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) part: Part,
    /// `-` masks the unit or the generator that `place` names.
    pub(crate) file: String,
    pub(crate) place: String,
}

/// What `.in` files are filled in with.
pub(crate) struct Filling {
    pub(crate) compatible: String,
    pub(crate) floor: String,
}

pub(crate) fn list(place: &Place) -> Result<Vec<Entry>> {
    parse(&read(&file(place, "install.list"))?)
}

/// A file of the layer's folder.
pub(crate) fn file(place: &Place, name: &str) -> PathBuf {
    place.at(FILES).join(name)
}

/// Installs the files among `entries`.
pub(crate) fn install(place: &Place, entries: &[&Entry], filling: &Filling, root: &Path) -> Result<()> {
    for entry in entries.iter().filter(|entry| entry.file != "-") {
        let from = file(place, &entry.file);
        let to = root.join(entry.place.trim_start_matches('/'));
        make_dir(to.parent().with_context(|| format!("{} is no file", entry.place))?)?;
        let text = read(&from)?;
        let text = if entry.file.ends_with(".in") {
            text.replace("@COMPATIBLE@", &filling.compatible).replace("@FLOOR@", &filling.floor)
        } else {
            text
        };
        write(&to, &text)?;
        set_mode(&to, if text.starts_with("#!") { 0o755 } else { 0o644 })?;
    }
    Ok(())
}

/// Masks the units and generators among `entries`.
pub(crate) fn mask(entries: &[Entry], root: &Path) -> Result<()> {
    for entry in entries.iter().filter(|entry| entry.file == "-") {
        let is_generator = entry.place.ends_with("-generator");
        let folder = root.join("etc/systemd").join(if is_generator { "system-generators" } else { "system" });
        make_dir(&folder)?;
        symlink("/dev/null", folder.join(&entry.place))
            .with_context(|| format!("can't mask {}", entry.place))?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [part, file, place] = words[..] else { bail!("install.list: `{line}` has not three words") };
        let part = match part {
            "all" => Part::All,
            "image" => Part::Image,
            other => bail!("install.list: `{other}` is no part; known are all and image"),
        };
        if (file == "-") == place.starts_with('/') {
            bail!(
                "install.list: `{line}`: a file wants a place from / on, a masked unit or generator its name alone"
            );
        }
        entries.push(Entry { part, file: file.to_owned(), place: place.to_owned() });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_layer_is_listed_or_is_read_by_name() {
        let place = Place::find().expect("xtask lies in the work tree");
        let entries = list(&place).expect("the list is good");
        let by_name = ["install.list", "uboot-ab.cmd", "rauc.tryboot.conf"];
        for entry in std::fs::read_dir(place.at(FILES)).expect("the folder is there") {
            let name = entry.expect("it can be listed").file_name().into_string().expect("plain names");
            let is_listed = entries.iter().any(|entry| entry.file == name);
            assert!(is_listed || by_name.contains(&name.as_str()), "{name} is installed nowhere");
        }
        for entry in entries.iter().filter(|entry| entry.file != "-") {
            assert!(file(&place, &entry.file).is_file(), "{} is listed and not there", entry.file);
        }
    }

    #[test]
    fn settings_to_begin_with_are_missed_when_they_are_not_there() {
        let place = Place::find().expect("xtask lies in the work tree");
        let unit = read(&file(&place, "nightjar-data.service")).expect("it is there");
        let entries = list(&place).expect("the list is good");
        let places = entries.iter().filter_map(|entry| entry.place.strip_prefix("/usr/share/nightjar/etc/"));
        let missed = places.map(|name| unit.contains(&format!("ConditionPathExists=|!/state/etc/{name}\n")));
        assert_eq!(missed.collect::<Vec<_>>(), [true, true]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for line in ["all nightjar.service", "some a /b", "all - /x", "image a b"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
