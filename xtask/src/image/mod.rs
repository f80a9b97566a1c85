//! A board's name → `target/image/BOARD/nightjar.img`, a disk that is flashed as it is: boot, U-Boot's environment, two root
//! slots, state, footage. The same inputs give the same bytes; `--check` builds it twice and compares.

pub(crate) mod archive;
mod base;
pub(crate) mod disk;
mod ext4;
pub(crate) mod firmware;
mod index;
mod kernel;
mod recipe;
pub(crate) mod slot;
mod tree;
mod users;

use crate::clock::Stopwatch;
use crate::options::Options;
use crate::place::{Place, make_dir};
use crate::{cross, run, setup};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Time stamp of every file in an image. One for all versions: an update fetches the blocks that differ, and a new time
/// in every inode would be a difference.
pub(crate) const EPOCH: u64 = 1_767_225_600;

/// The one board that is put together here; the others are built by the Yocto layer.
pub(crate) const QEMU: &str = "qemu-virt";

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    check_board(options)?;
    setup::for_verb(place, "image")?;
    let parts = Parts::gather(place)?;
    cross::make(place, &Options::default(), &cross::programs(place)?)?;
    let watch = Stopwatch::start();
    let image = parts.image(place, &Variant::default(), "")?;
    let hash = sha256(&image)?;
    run::done(&place.short(&image), &format!("{} after the programs, sha256 {hash}", watch.words()));
    if options.has("check") {
        let again = parts.image(place, &Variant::default(), "-again")?;
        let second = sha256(&again)?;
        if second != hash {
            bail!("a second build gave {second}: {} and {} differ", place.short(&image), place.short(&again));
        }
        std::fs::remove_dir_all(folder(place, "-again")).context("can't remove the second build")?;
        run::done("built twice", "the same bytes");
    }
    Ok(())
}

/// Whether `--board` names one that is put together here.
pub(crate) fn check_board(options: &Options) -> Result<()> {
    match options.text("board") {
        None | Some(QEMU) => Ok(()),
        Some(other) => {
            bail!("`--board {other}`: only {QEMU} is put together here, yocto/README.md tells of the others")
        }
    }
}

/// The version of what is built: the workspace's.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// What all images of a board are made of, fetched once.
pub(crate) struct Parts {
    base: PathBuf,
    kernel: kernel::Kernel,
    picked: PathBuf,
}

/// How an image differs from the plain one. The board tests make versions that fail in one way each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variant {
    /// Instead of the workspace's.
    pub(crate) version: Option<String>,
    /// Shell words that are run in the tree's folder before it becomes a file system.
    pub(crate) changes: String,
}

impl Variant {
    fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(version())
    }
}

impl Parts {
    /// Fetches what is not there.
    pub(crate) fn gather(place: &Place) -> Result<Self> {
        run::say(&format!("parts of the image for {QEMU}"));
        make_dir(&folder(place, ""))?;
        Ok(Self { base: base::tar(place)?, kernel: kernel::gather(place)?, picked: base::picked(place)? })
    }

    /// The file system of a root slot, made anew.
    pub(crate) fn slot(&self, place: &Place, variant: &Variant, dir: &Path) -> Result<PathBuf> {
        make_dir(dir)?;
        let root = dir.join("rootfs");
        tree::make(place, self, variant, &root)?;
        let slot = dir.join("rootfs.ext4");
        slot::make(&root, variant.version(), &slot)?;
        std::fs::remove_dir_all(&root).context("can't remove the unpacked slot")?;
        Ok(slot)
    }

    /// The whole disk, made anew.
    pub(crate) fn image(&self, place: &Place, variant: &Variant, suffix: &str) -> Result<PathBuf> {
        let dir = folder(place, suffix);
        let slot = self.slot(place, variant, &dir)?;
        let image = dir.join("nightjar.img");
        disk::make(place, &slot, &image)?;
        Ok(image)
    }
}

/// `target/image/qemu-virt` with a suffix.
pub(crate) fn folder(place: &Place, suffix: &str) -> PathBuf {
    place.target(&format!("image/{QEMU}{suffix}"))
}

pub(crate) fn sha256(path: &Path) -> Result<String> {
    let line = run::capture(Command::new("sha256sum").arg(path))?;
    line.split_whitespace().next().map(str::to_owned).context("sha256sum printed nothing")
}
