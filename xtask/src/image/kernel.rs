//! Debian's kernel package → the kernel, the modules of the table with what they need, and a first stage that mounts the
//! root. The first stage is BusyBox and one script.

use super::QEMU;
use super::archive::Archive;
use super::recipe::{FIRST_MODULES, MODULES, SUITE};
use crate::place::{Place, make_dir, set_mode, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts the root that the boot loader names by its partition's label, and hands over to it.
const INIT: &str = include_str!("init.sh");

/// Where its parts lie.
pub(super) struct Kernel {
    /// As `uname -r` says.
    pub(super) release: String,
    /// The kernel itself.
    pub(super) image: PathBuf,
    /// The first stage.
    pub(super) initrd: PathBuf,
    /// A folder that holds `lib/modules/RELEASE`.
    pub(super) modules: PathBuf,
}

pub(super) fn gather(place: &Place) -> Result<Kernel> {
    let archive = Archive::open(place, SUITE)?;
    let package = archive.stands_for("linux-image-arm64")?;
    let release = package.trim_start_matches("linux-image-").to_owned();
    let dir = place.target(&format!("image/{QEMU}-kernel"));
    let kernel = Kernel {
        image: dir.join(format!("package/boot/vmlinuz-{release}")),
        initrd: dir.join("initrd.img"),
        modules: dir.join("modules"),
        release,
    };
    let recipe = format!("{package} {MODULES:?} {FIRST_MODULES:?}\n{INIT}");
    if std::fs::read_to_string(dir.join("recipe")).is_ok_and(|made| made == recipe) {
        run::done("kernel", "there");
        return Ok(kernel);
    }
    if dir.exists() {
        std::fs::remove_dir_all(&dir).context("can't clear the kernel's folder")?;
    }
    make_dir(&dir)?;
    let debs = archive.download(&[&package, "busybox-static"])?;
    let package = dir.join("package");
    for deb in &debs {
        let mut unpack = Command::new("dpkg-deb");
        run::quiet(
            place,
            "unpack kernel",
            unpack.arg("-x").arg(deb).arg(&package),
            "remove target/image/apt and run this again",
        )?;
    }
    let all = dir.join("all");
    make_dir(&all.join("lib/modules"))?;
    let unpacked = package.join("usr/lib/modules").join(&kernel.release);
    std::fs::rename(&unpacked, all.join("lib/modules").join(&kernel.release))
        .with_context(|| format!("the kernel's package has no {}", unpacked.display()))?;
    depmod(&all, &kernel.release)?;
    take_modules(&kernel, &all)?;
    first_stage(&kernel, &package, &dir)?;
    std::fs::remove_dir_all(&all).context("can't remove the modules that are not taken")?;
    write(&dir.join("recipe"), &recipe)?;
    run::done("kernel", &kernel.release);
    Ok(kernel)
}

fn depmod(root: &Path, release: &str) -> Result<()> {
    run::capture(Command::new("depmod").arg("-b").arg(root).arg(release)).map(|_| ())
}

/// Paths of `names` and of what they need, in the order in which they are loaded.
fn needed(root: &Path, release: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for name in names {
        let mut ask = Command::new("modprobe");
        ask.arg("-d").arg(root).args(["-S", release, "--show-depends", name]);
        let text = run::capture(&mut ask).with_context(|| format!("this kernel has no module {name}"))?;
        for path in text.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = PathBuf::from(path.split_whitespace().next().unwrap_or_default());
            if seen.insert(path.clone()) {
                order.push(path);
            }
        }
    }
    Ok(order)
}

/// Copies the wanted modules, unpacked: the slot is compressed as a whole when it travels.
fn take_modules(kernel: &Kernel, all: &Path) -> Result<()> {
    let of = |root: &Path| root.join("lib/modules").join(&kernel.release);
    for from in needed(all, &kernel.release, MODULES)? {
        let inside =
            from.strip_prefix(of(all)).with_context(|| format!("{} is no module of it", from.display()))?;
        let to = of(&kernel.modules).join(inside);
        make_dir(to.parent().context("a module lies in a folder")?)?;
        std::fs::copy(&from, &to).with_context(|| format!("can't copy {}", from.display()))?;
        if to.extension().is_some_and(|extension| extension == "xz") {
            run::capture(Command::new("xz").args(["--decompress", "--force"]).arg(&to))?;
        }
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        std::fs::copy(of(all).join(list), of(&kernel.modules).join(list))
            .with_context(|| format!("can't copy {list}"))?;
    }
    depmod(&kernel.modules, &kernel.release)
}

fn first_stage(kernel: &Kernel, package: &Path, dir: &Path) -> Result<()> {
    let root = dir.join("initrd");
    for folder in ["bin", "dev", "proc", "sys", "newroot", "modules"] {
        make_dir(&root.join(folder))?;
    }
    std::fs::copy(package.join("usr/bin/busybox"), root.join("bin/busybox")).context("can't copy BusyBox")?;
    let mut order = String::new();
    for path in needed(&kernel.modules, &kernel.release, FIRST_MODULES)? {
        let name = path.file_name().and_then(|name| name.to_str()).context("a module has a name")?;
        std::fs::copy(&path, root.join("modules").join(name))
            .with_context(|| format!("can't copy {name}"))?;
        order += &format!("{name}\n");
    }
    write(&root.join("modules/order"), &order)?;
    write(&root.join("init"), INIT)?;
    set_mode(&root.join("init"), 0o755)?;
    let pack = format!(
        "find . -exec touch --no-dereference --date=@{} {{}} + && find . | LC_ALL=C sort | \
         cpio --create --format=newc --reproducible --owner=0:0 --quiet | gzip --no-name --fast > {:?}",
        super::EPOCH,
        kernel.initrd
    );
    let status =
        Command::new("sh").args(["-c", &pack]).current_dir(&root).status().context("can't start sh")?;
    if !status.success() {
        bail!("the first stage could not be packed: {status}");
    }
    Ok(())
}
