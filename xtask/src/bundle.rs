//! A root slot and a signer → `target/bundle/…raucb`, which boards install: signed, checked block by block, and with an index
//! of its blocks, so that a board fetches only those that it has not.

use crate::image::{self, Parts, QEMU, Variant};
use crate::options::Options;
use crate::pki::{Keys, Signer};
use crate::place::{Place, make_dir, read, write};
use crate::{run, setup};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    image::check_board(options)?;
    setup::for_verb(place, "image")?;
    let signer = signer(place, options)?;
    let parts = Parts::gather(place)?;
    let dir = place.target("bundle");
    let slot = parts.slot(place, &Variant::default(), &dir)?;
    let bundle = dir.join(format!("{}-{}.raucb", compatible(QEMU), image::version()));
    make(place, &Manifest::of(QEMU, image::version()), &slot, &signer, &bundle)?;
    std::fs::remove_file(&slot).context("can't remove the slot behind the bundle")?;
    let bytes = bundle.metadata().context("there is no bundle")?.len();
    run::done(&place.short(&bundle), &format!("{:.1} MB", bytes as f64 / 1e6));
    Ok(())
}

/// The key given on the command line, or the development key.
fn signer(place: &Place, options: &Options) -> Result<Signer> {
    let given = ["cert", "key", "authority", "root"].map(|key| options.text(key));
    match given {
        [None, None, None, None] => Ok(Keys::of(place)?.signer()),
        [Some(certificate), Some(key), Some(authority), Some(root)] => Ok(Signer {
            certificate: certificate.into(),
            key: key.to_owned(),
            authority: authority.into(),
            root: root.into(),
        }),
        _ => bail!(
            "a release wants all of --cert, --key, --authority and --root; without any the development key signs"
        ),
    }
}

/// What a board answers to: a bundle for another one is refused.
pub(crate) fn compatible(board: &str) -> String {
    format!("nightjar-{board}")
}

/// The oldest version that a board takes once it runs this one: `floor` of the workspace's metadata.
pub(crate) fn floor(place: &Place) -> Result<String> {
    let text = read(&place.at("Cargo.toml"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("floor = "));
    line.map(|value| value.trim_matches('"').to_owned())
        .context("Cargo.toml: [workspace.metadata.nightjar] has no floor")
}

/// What boards trust: the file that NIGHTJAR_KEYRING names, else the development keyring.
pub(crate) fn keyring(place: &Place) -> Result<PathBuf> {
    match std::env::var_os("NIGHTJAR_KEYRING") {
        Some(path) => Ok(path.into()),
        None => Ok(Keys::of(place)?.keyring()),
    }
}

/// The part of a bundle that says for whom it is.
pub(crate) struct Manifest {
    pub(crate) compatible: String,
    pub(crate) version: String,
}

impl Manifest {
    pub(crate) fn of(board: &str, version: &str) -> Self {
        Self { compatible: compatible(board), version: version.to_owned() }
    }

    fn text(&self) -> String {
        format!(
            "[update]\ncompatible={}\nversion={}\n\n[bundle]\nformat=verity\n\n\
             [image.rootfs]\nfilename=rootfs.ext4\nadaptive=block-hash-index\n",
            self.compatible, self.version
        )
    }
}

pub(crate) fn make(
    place: &Place,
    manifest: &Manifest,
    slot: &Path,
    signer: &Signer,
    out: &Path,
) -> Result<()> {
    let content = out.with_extension("content");
    if content.exists() {
        std::fs::remove_dir_all(&content).context("can't clear the bundle's folder")?;
    }
    make_dir(&content)?;
    write(&content.join("manifest.raucm"), &manifest.text())?;
    run::capture(
        Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(slot)
            .arg(content.join("rootfs.ext4")),
    )?;
    if out.exists() {
        std::fs::remove_file(out).context("can't replace the bundle")?;
    }
    let host = out.with_extension("conf");
    write(&host, &host_config(&signer.root))?;
    let mut rauc = Command::new("rauc");
    rauc.arg(format!("--conf={}", host.display())).arg("bundle");
    rauc.arg(format!("--cert={}", signer.certificate.display())).arg(format!("--key={}", signer.key));
    rauc.arg(format!("--intermediate={}", signer.authority.display()));
    rauc.arg(format!("--signing-keyring={}", signer.root.display()));
    rauc.arg("--mksquashfs-args=-comp zstd -Xcompression-level 3 -b 64k");
    rauc.arg(&content).arg(out);
    let name = out.file_stem().and_then(|name| name.to_str()).unwrap_or("bundle");
    run::quiet(place, &format!("bundle {name}"), &mut rauc, "rauc's words above name what it missed")?;
    std::fs::remove_dir_all(&content).context("can't remove the bundle's folder")?;
    std::fs::remove_file(&host).context("can't remove the bundle's config")
}

/// The signer's purpose is looked at when a bundle is made, too, not only by the board that would refuse it.
fn host_config(root: &Path) -> String {
    format!(
        "[system]\ncompatible=nightjar\nbootloader=noop\nbundle-formats=-plain\n\n\
         [keyring]\npath={}\ncheck-purpose=codesign\n",
        root.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_board_and_the_version() {
        let text = Manifest::of("rpi4", "1.2.3").text();
        assert!(text.contains("compatible=nightjar-rpi4\n") && text.contains("version=1.2.3\n"));
        assert!(text.contains("format=verity") && text.contains("adaptive=block-hash-index"));
    }

    #[test]
    fn the_floor_is_no_newer_than_the_version() {
        let place = Place::find().expect("xtask lies in the work tree");
        let number =
            |text: &str| text.split('.').map(|part| part.parse().expect("a number")).collect::<Vec<u32>>();
        assert!(number(&floor(&place).expect("Cargo.toml has it")) <= number(image::version()));
    }
}
