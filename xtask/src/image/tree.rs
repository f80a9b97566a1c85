//! Debian's system, its kernel, our programs and files → the tree of a root slot. Does what maintainer scripts would do, since
//! none of them ran.

use super::firmware::{self, Filling};
use super::users::Users;
use super::{Parts, QEMU, Variant};
use crate::bundle;
use crate::cross;
use crate::place::{Place, make_dir, read, set_mode, write};
use crate::run;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

/// Rules of udev that this board needs. The others ask every device for what nobody wants to know.
const UDEV_RULES: &[&str] = &[
    "50-udev-default.rules",
    "60-block.rules",
    "60-nightjar-ota.rules",
    "60-nightjar-setup.rules",
    "60-nightjar.rules",
    "60-persistent-storage.rules",
    "60-persistent-v4l.rules",
    "75-net-description.rules",
    "80-drivers.rules",
    "80-net-setup-link.rules",
    "99-systemd.rules",
];

/// What no board reads.
const DROPPED: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/bash-completion",
    "usr/lib/udev/hwdb.d",
    "usr/lib/udev/hwdb.bin",
    // a list of modules by hand, empty, for which a program would be started
    "etc/modules-load.d/modules.conf",
    // character sets other than Unicode's, names of languages, and Perl, which nothing on the board is written in
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/share/iso-codes",
    "usr/share/xml/iso-codes",
    "usr/lib/aarch64-linux-gnu/perl-base",
    // two of iproute2's programs that are linked to libbpf as its `ip` is, for which the image has BusyBox's: where systemd finds that
    // library it tries what the kernel can do with it, which is a second of each start, emulated
    "usr/bin/ss",
    "usr/sbin/tc",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/cache",
];

/// How the names of units begin that a board has no use for: a first stage by systemd, a TPM, sleep, passwords asked on a console,
/// nodes of modules that nothing loads. systemd would read them all before it starts anything.
const UNITS_LEFT_OUT: &[&str] = &[
    "getty-static",
    "hibernate",
    "hybrid-sleep",
    "initrd",
    "kexec",
    "kmod-static-nodes",
    "sleep",
    "soft-reboot",
    "suspend",
    "systemd-ask-password",
    "systemd-battery-check",
    "systemd-bsod",
    "systemd-confext",
    "systemd-creds",
    "systemd-fsck-root",
    "systemd-hibernate",
    "systemd-hybrid-sleep",
    "systemd-initctl",
    "systemd-journald-audit",
    "systemd-kexec",
    "systemd-machine-id-commit",
    "systemd-pcr",
    "systemd-soft-reboot",
    "systemd-suspend",
    "systemd-sysext",
    "systemd-sysusers",
    "systemd-tmpfiles-setup-dev-early",
    "systemd-tpm2",
    "tpm2",
];

pub(super) fn make(place: &Place, parts: &Parts, variant: &Variant, root: &Path) -> Result<()> {
    if root.exists() {
        std::fs::remove_dir_all(root).with_context(|| format!("can't clear {}", root.display()))?;
    }
    make_dir(root)?;
    let mut unpack = Command::new("tar");
    unpack.arg("xpf").arg(&parts.base).args(["--numeric-owner", "--exclude=./dev/*", "-C"]).arg(root);
    run::quiet(
        place,
        &format!("unpack into {}", place.short(root)),
        &mut unpack,
        "run this as root: the system's files belong to its users",
    )?;
    copy(&parts.picked, root)?;
    copy(&parts.kernel.modules.join("lib"), &root.join("usr/lib"))?;
    for path in DROPPED {
        remove(&root.join(path))?;
    }
    cross::install(place, cross::ARM64, &cross::programs(place)?, root)?;
    boot(parts, root)?;
    let floor = bundle::floor(place)?;
    let filling = Filling { compatible: bundle::compatible(QEMU), floor };
    let entries = firmware::list(place)?;
    firmware::install(place, &entries.iter().collect::<Vec<_>>(), &filling, root)?;
    let keyring = bundle::keyring(place)?;
    std::fs::copy(keyring, root.join("etc/rauc/keyring.pem")).context("can't copy the keyring")?;
    settings(root, variant)?;
    users(root)?;
    let begins_so =
        |starts: &'static [&str]| move |name: &str| starts.iter().any(|start| name.starts_with(start));
    trim(&root.join("usr/lib/udev/rules.d"), &|name| !UDEV_RULES.contains(&name))?;
    trim(&root.join("usr/lib/systemd/system"), &begins_so(UNITS_LEFT_OUT))?;
    trim(&root.join("usr/bin"), &begins_so(&["perl"]))?;
    trim(&root.join("usr/lib/aarch64-linux-gnu"), &begins_so(&["libbpf.so", "libelf"]))?;
    presets(root)?;
    // After the presets, which would take masks of instances away.
    firmware::mask(&entries, root)?;
    if !variant.changes.is_empty() {
        let words = &variant.changes;
        let status =
            Command::new("sh").args(["-euc", words]).current_dir(root).status().context("can't start sh")?;
        if !status.success() {
            bail!("`{words}` {status}");
        }
    }
    linked(root)
}

/// Kernel and first stage lie in the slot: an update replaces them with the system that belongs to them.
fn boot(parts: &Parts, root: &Path) -> Result<()> {
    make_dir(&root.join("boot"))?;
    std::fs::copy(&parts.kernel.image, root.join("boot/Image")).context("can't copy the kernel")?;
    std::fs::copy(&parts.kernel.initrd, root.join("boot/initrd.img"))
        .context("can't copy the first stage")?;
    Ok(())
}

fn settings(root: &Path, variant: &Variant) -> Result<()> {
    for folder in ["state", "data", "mnt", "media", "srv", "opt", "root", "etc/ssl/certs"] {
        make_dir(&root.join(folder))?;
    }
    for folder in ["var/run", "var/lock"] {
        remove(&root.join(folder))?;
    }
    let version = variant.version();
    let release = format!(
        "ID=nightjar\nID_LIKE=debian\nNAME=Nightjar\nPRETTY_NAME=\"Nightjar {version}\"\nVERSION_ID={version}\n\
         IMAGE_ID={}\nIMAGE_VERSION={version}\n",
        bundle::compatible(QEMU)
    );
    remove(&root.join("etc/os-release"))?;
    write(&root.join("etc/os-release"), &release)?;
    write(&root.join("etc/hostname"), "nightjar\n")?;
    write(&root.join("etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 nightjar\n::1 localhost ip6-localhost\n")?;
    write(&root.join("etc/machine-id"), "")?;
    write(&root.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")?;
    write(&root.join("etc/shells"), "/bin/sh\n/bin/bash\n")?;
    link("../state/etc", &root.join("etc/nightjar"))?;
    link("../run/systemd/resolve/stub-resolv.conf", &root.join("etc/resolv.conf"))?;
    link("../usr/share/zoneinfo/Etc/UTC", &root.join("etc/localtime"))?;
    link("dash", &root.join("usr/bin/sh"))?;
    link("gawk", &root.join("usr/bin/awk"))?;
    link("busybox", &root.join("usr/bin/ip"))?;
    let chrony = root.join("etc/chrony/chrony.conf");
    std::fs::copy(root.join("usr/share/chrony/chrony.conf"), &chrony)
        .context("can't give chrony its settings")?;
    // Whom the system trusts: all that Debian's list of authorities holds.
    let mut trusted = String::new();
    let authorities = root.join("usr/share/ca-certificates/mozilla");
    let mut names = std::fs::read_dir(&authorities)
        .with_context(|| format!("can't list {}", authorities.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort();
    for name in names {
        trusted += &read(&name)?;
    }
    write(&root.join("etc/ssl/certs/ca-certificates.crt"), &trusted)
}

fn users(root: &Path) -> Result<()> {
    let masters = root.join("usr/share/base-passwd");
    let mut users =
        Users::from_masters(&read(&masters.join("passwd.master"))?, &read(&masters.join("group.master"))?);
    let mut files = BTreeMap::new();
    let dir = root.join("usr/lib/sysusers.d");
    for entry in std::fs::read_dir(&dir).with_context(|| format!("can't list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        files.insert(name, read(&path)?);
    }
    // Debian makes these two in scripts of their packages.
    files.insert(
        "zz-debian".to_owned(),
        "u _chrony - - /var/lib/chrony\nu messagebus - - /nonexistent\n".to_owned(),
    );
    // The recorder first: its number is that of footage on the card, whatever another version brings.
    let own = files.remove_entry("nightjar.conf").context("the recorder's user is missing")?;
    users.add(&BTreeMap::from([own]))?;
    users.add(&files)?;
    write(&root.join("etc/passwd"), &users.passwd())?;
    write(&root.join("etc/group"), &users.group_file())?;
    write(&root.join("etc/shadow"), &users.shadow())?;
    set_mode(&root.join("etc/shadow"), 0o640)?;
    chown(root.join("etc/shadow"), Some(0), users.number_of_group("shadow"))
        .context("can't give etc/shadow its group")?;
    // D-Bus starts programs for others by this one, which only it may run.
    let helper = root.join("usr/lib/dbus-1.0/dbus-daemon-launch-helper");
    chown(&helper, Some(0), users.number_of_group("messagebus")).context("can't give D-Bus its helper")?;
    set_mode(&helper, 0o4754)
}

/// Removes from a folder, and from those in it, what has a name that is left out.
fn trim(folder: &Path, is_left_out: &dyn Fn(&str) -> bool) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))? {
        let path = entry?.path();
        if is_left_out(path.file_name().and_then(|name| name.to_str()).unwrap_or_default()) {
            remove(&path)?;
        } else if path.is_dir() && !path.is_symlink() {
            trim(&path, is_left_out)?;
        }
    }
    Ok(())
}

/// Enables what the preset file names and nothing else.
fn presets(root: &Path) -> Result<()> {
    run::capture(Command::new("systemctl").arg("--root").arg(root).args(["--preset-mode=full", "preset-all"]))
        .map(|_| ())
}

/// Whether every library that a program or plug-in of the tree asks for is in it.
fn linked(root: &Path) -> Result<()> {
    let libraries: BTreeSet<String> =
        ["usr/lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu/systemd", "usr/lib"]
            .iter()
            .flat_map(|dir| std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
    let plugins = root.join("usr/lib/aarch64-linux-gnu/gstreamer-1.0");
    for dir in [root.join("usr/bin"), root.join("usr/sbin"), plugins] {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("can't list {}", dir.display()))? {
            let path = entry?.path();
            let is_elf = std::fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
            if !is_elf || path.is_symlink() {
                continue;
            }
            for library in cross::needed(cross::ARM64, &path)? {
                if !libraries.contains(&library) {
                    bail!(
                        "{} asks for {library}, which no package of the image brings: add it to PACKAGES",
                        path.display()
                    );
                }
            }
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run::capture(Command::new("cp").args(["-a", "--no-preserve=ownership"]).arg(from.join(".")).arg(to))
        .map(|_| ())
}

fn remove(path: &Path) -> Result<()> {
    let done = match path.symlink_metadata() {
        Err(_) => return Ok(()),
        Ok(data) if data.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    };
    done.with_context(|| format!("can't remove {}", path.display()))
}

fn link(to: &str, at: &Path) -> Result<()> {
    remove(at)?;
    symlink(to, at).with_context(|| format!("can't link {}", at.display()))
}
