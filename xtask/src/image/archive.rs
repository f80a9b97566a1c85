//! Names of Debian packages and a release → files, through a view of apt of its own: this machine's lists stay as they are.

use crate::place::{Place, make_dir, write};
use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const PUBLIC: &str = "http://deb.debian.org/debian";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One release of Debian for arm64.
pub(super) struct Archive<'a> {
    place: &'a Place,
    suite: &'static str,
    dir: PathBuf,
}

impl<'a> Archive<'a> {
    /// Fetches the release's lists, once.
    pub(super) fn open(place: &'a Place, suite: &'static str) -> Result<Self> {
        let archive = Self { place, suite, dir: place.target(&format!("image/apt/{suite}")) };
        if archive.dir.join("there").exists() {
            return Ok(archive);
        }
        make_dir(&archive.dir.join("lists/partial"))?;
        make_dir(&archive.dir.join("cache/archives/partial"))?;
        write(&archive.dir.join("sources.list"), &format!("{}\n", source(suite)))?;
        let mut update = archive.apt("apt-get");
        run::quiet(
            place,
            &format!("lists of {suite}"),
            update.arg("update"),
            "see whether apt-get reaches Debian's archive",
        )?;
        write(&archive.dir.join("there"), "")?;
        Ok(archive)
    }

    /// The `.deb` files of `names`, in the order asked for.
    pub(super) fn download(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("debs");
        make_dir(&dir)?;
        let mut missing = Vec::new();
        for name in names {
            if find(&dir, name)?.is_none() {
                missing.push(*name);
            }
        }
        if !missing.is_empty() {
            let mut get = self.apt("apt-get");
            get.current_dir(&dir).arg("download").args(&missing);
            run::quiet(
                self.place,
                &format!("packages of {}", self.suite),
                &mut get,
                "see whether apt-get reaches Debian's archive",
            )?;
        }
        names
            .iter()
            .map(|name| find(&dir, name)?.with_context(|| format!("apt-get gave no {name}")))
            .collect()
    }

    /// What a package depends on first, e.g. the kernel behind `linux-image-arm64`.
    pub(super) fn stands_for(&self, name: &str) -> Result<String> {
        let text = run::capture(self.apt("apt-cache").args(["depends", name]))?;
        let first = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        first.map(str::to_owned).with_context(|| format!("{name} of {} depends on nothing", self.suite))
    }

    fn apt(&self, program: &str) -> Command {
        let dir = self.dir.display();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::SourceList={dir}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={dir}/lists"),
            format!("Dir::Cache={dir}/cache"),
            "Dir::State::status=/dev/null".to_owned(),
            "APT::Architectures=arm64".to_owned(),
            "APT::Architecture=arm64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// A line of apt's sources for `suite`, from where this machine takes its own packages if that is an archive of Debian.
pub(crate) fn source(suite: &str) -> String {
    let mut texts = vec![std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    for entry in std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten() {
        texts.push(std::fs::read_to_string(entry.path()).unwrap_or_default());
    }
    let mirror = mirror(&texts).unwrap_or_else(|| PUBLIC.to_owned());
    format!("deb [signed-by={KEYS}] {mirror} {suite} main")
}

/// The first address that ends in `/debian`, in either of apt's two formats.
fn mirror(texts: &[String]) -> Option<String> {
    let words = texts.iter().flat_map(|text| text.lines()).filter(|line| {
        let line = line.trim_start();
        line.starts_with("deb ") || line.starts_with("URIs:")
    });
    let mut addresses = words.flat_map(str::split_whitespace).filter(|word| word.contains("://"));
    addresses.find(|word| word.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

/// `NAME_VERSION_ARCH.deb` in a folder.
fn find(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    let start = format!("{name}_");
    for entry in std::fs::read_dir(dir).with_context(|| format!("can't list {}", dir.display()))? {
        let path = entry?.path();
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        if file.starts_with(&start) && file.ends_with(".deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_formats() {
        let new = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n".to_owned();
        let old = "# a comment http://no.example/debian\ndeb http://security.example/debian-security x main\n\
                   deb [arch=amd64] https://old.example/debian/ bookworm main\n";
        assert_eq!(mirror(&[new]).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror(&[old.to_owned()]).as_deref(), Some("https://old.example/debian/"));
        assert_eq!(mirror(&["Types: deb\n".to_owned()]), None);
    }
}
