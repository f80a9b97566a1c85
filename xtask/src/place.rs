//! This crate's own folder → where everything of the work tree lies.

use anyhow::{Context, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The work tree. All paths it gives are absolute.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// The work tree that this program was started in: cargo names the crate's folder, else the one it was built in.
    pub(crate) fn find() -> Result<Self> {
        let here =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).parent().context("xtask lies in the work tree")?.to_owned();
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root of the work tree.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A path below `target/`.
    pub(crate) fn target(&self, path: &str) -> PathBuf {
        self.root.join("target").join(path)
    }

    /// The interpreter of the virtual environment that prepares models.
    pub(crate) fn python(&self) -> PathBuf {
        self.target("venv/bin/python")
    }

    /// A path as a person would write it: relative to the root if it lies below.
    pub(crate) fn short(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// Makes a folder with all above it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("can't make the folder {}", path.display()))
}

pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
}

/// Copies a file, with the folders above its new place.
pub(crate) fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_dir(to.parent().context("a file lies in a folder")?)?;
    std::fs::copy(from, to).with_context(|| format!("can't copy {}", from.display()))?;
    set_mode(to, mode)
}

/// Says who may do what with a file or folder.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("can't set the mode of {}", path.display()))
}
