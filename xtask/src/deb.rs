//! Built programs, units and models → `target/deb/nightjar_VERSION_ARCH.deb`, for people who run Raspberry Pi OS or Debian. It
//! makes the user and its groups, and leaves partitions, updates and the firewall to whoever owns the system. `--check` does with it
//! what a person does, on a Debian system of the processor that is made for it.

use crate::cross::{self, Target};
use crate::image::firmware::{self, Filling, Part};
use crate::image::{EPOCH, archive, version};
use crate::options::Options;
use crate::place::{Place, copy, make_dir, set_mode, write};
use crate::{run, setup};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// What the programs and their units are made to work with: Debian 12's and 13's names.
const DEPENDS: &str = "libc6 (>= 2.36), libgcc-s1, libgstreamer1.0-0 (>= 1.22), libgstreamer-plugins-base1.0-0 (>= 1.22), \
                       libglib2.0-0 | libglib2.0-0t64, gstreamer1.0-plugins-base, gstreamer1.0-plugins-good, \
                       gstreamer1.0-plugins-bad, systemd";
const RECOMMENDS: &str = "gstreamer1.0-libav, smartmontools";
/// Of cameras on a side of their own, which /etc/nightjar/network.env switches on.
const SUGGESTS: &str = "chrony, dnsmasq-base, nftables";

/// The recorder's file of settings: a person's, so an upgrade asks before it changes it.
const SETTINGS: &str = "etc/nightjar/nightjar.toml";

/// Programs that need what a plain Debian system has not: RAUC and two slots.
const LEFT_OUT: &[&str] = &["nightjar-ota"];

/// Runs after the files are in place: the user first, then the units that run as it.
const POSTINST: &str = "#!/bin/sh\n\
set -e\n\
if [ \"$1\" = configure ]; then\n\
\tsystemd-sysusers nightjar.conf\n\
\tchown root:nightjar /etc/nightjar /etc/nightjar/nightjar.toml\n\
\tchmod 0750 /etc/nightjar\n\
\tchmod 0640 /etc/nightjar/nightjar.toml\n\
\tif [ -d /run/systemd/system ]; then\n\
\t\tsystemctl daemon-reload\n\
\t\tudevadm control --reload && udevadm trigger --subsystem-match=gpio || true\n\
\t\tif [ -n \"$2\" ]; then\n\
\t\t\tsystemctl try-restart nightjar.service\n\
\t\telse\n\
\t\t\techo 'Nightjar: edit /etc/nightjar/nightjar.toml, then: systemctl enable --now nightjar nightjar-smart.timer'\n\
\t\tfi\n\
\tfi\n\
fi\n";
const PRERM: &str = "#!/bin/sh\n\
set -e\n\
if [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then\n\
\tsystemctl disable --now nightjar.service nightjar-smart.timer\n\
fi\n";
/// Footage, state and the user stay, also on purge: they are not the package's.
const POSTRM: &str = "#!/bin/sh\n\
set -e\n\
if [ -d /run/systemd/system ]; then\n\
\tsystemctl daemon-reload\n\
fi\n";

/// What a person does with the package and how it must end: installed with all that it needs, its settings read by the
/// recorder's user and by nobody else; a changed file of settings outlives an upgrade and a removal, nothing a purge.
const TRIAL: &str = "set -e\n\
apt() { DEBIAN_FRONTEND=noninteractive apt-get -y -q \"$@\"; }\n\
apt install --no-install-recommends /var/cache/nightjar.deb\n\
settings=/etc/nightjar/nightjar.toml\n\
test \"$(stat --format='%U:%G %a' $settings)\" = 'root:nightjar 640'\n\
runuser -u nightjar -- nightjar config check $settings\n\
nightjar-eye --version\n\
systemd-analyze verify nightjar.service nightjar-smart.timer 2> said\n\
if grep ignoring said; then exit 1; fi\n\
echo '# a line of mine' >> $settings\n\
apt install --reinstall /var/cache/nightjar.deb\n\
grep -q '# a line of mine' $settings\n\
runuser -u nightjar -- nightjar config check $settings\n\
apt remove nightjar\n\
grep -q '# a line of mine' $settings\n\
apt purge nightjar\n\
test ! -e $settings && test ! -e /usr/bin/nightjar\n";

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let target = cross::target(options)?;
    let programs: Vec<String> =
        cross::programs(place)?.into_iter().filter(|name| !LEFT_OUT.contains(&name.as_str())).collect();
    cross::make(place, options, &programs)?;
    let name = format!("nightjar_{}_{}", version(), target.debian);
    let root = place.target(&format!("deb/{name}"));
    if root.exists() {
        std::fs::remove_dir_all(&root).context("can't clear the package's folder")?;
    }
    content(place, target, &programs, &root)?;
    control(target, &root)?;
    let package = place.target(&format!("deb/{name}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).args(["--root-owner-group", "--build"]);
    run::capture(build.arg(&root).arg(&package))?;
    std::fs::remove_dir_all(&root).context("can't remove the package's folder")?;
    let bytes = package.metadata().context("dpkg-deb wrote nothing")?.len();
    run::done(&place.short(&package), &format!("{:.1} MB", bytes as f64 / 1e6));
    if run::in_path("lintian") {
        let said = Command::new("lintian")
            .args(["--fail-on", "error", "--no-tag-display-limit"])
            .arg(&package)
            .output();
        let said = said.context("can't start lintian")?;
        print!("{}", String::from_utf8_lossy(&said.stdout));
        anyhow::ensure!(said.status.success(), "lintian found an error");
    }
    if options.has("check") { check(place, target, &package) } else { Ok(()) }
}

/// [`TRIAL`] on a new system of the oldest Debian that the programs run on.
fn check(place: &Place, target: &Target, package: &Path) -> Result<()> {
    setup::for_verb(place, target.verb())?;
    let trial = place.target("deb/trial.sh");
    write(&trial, TRIAL)?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", "--format=null"]);
    command.arg(format!("--architectures={}", target.debian));
    for (file, name) in [(package, "nightjar.deb"), (&trial, "trial.sh")] {
        command.arg(format!("--customize-hook=upload '{}' /var/cache/{name}", file.display()));
    }
    command.arg("--customize-hook=chroot \"$1\" sh /var/cache/trial.sh");
    command.args([cross::SUITE, "-"]).arg(archive::source(cross::SUITE));
    let mend = "run this as root; is the emulator known to the kernel (`systemctl restart systemd-binfmt`)?";
    run::quiet(place, &format!("install, upgrade, purge on {}", target.debian), &mut command, mend)
}

fn content(place: &Place, target: &Target, programs: &[String], root: &Path) -> Result<()> {
    cross::install(place, target, programs, root)?;
    let entries = firmware::list(place)?;
    let ours: Vec<_> = entries.iter().filter(|entry| entry.part == Part::All).collect();
    // Nothing of these is filled in.
    firmware::install(place, &ours, &Filling { compatible: String::new(), floor: String::new() }, root)?;
    copy(&place.at("firmware/nightjar/nightjar.toml"), &root.join(SETTINGS), 0o644)?;
    let doc = root.join("usr/share/doc/nightjar");
    make_dir(&doc)?;
    let licence = "Nightjar is licensed under Apache-2.0 or MIT, as you like.\n\
                   Apache-2.0: /usr/share/common-licenses/Apache-2.0. MIT:\n\n";
    let mit = std::fs::read_to_string(place.at("LICENSE-MIT")).context("LICENSE-MIT")?;
    write(
        &doc.join("copyright"),
        &format!("{licence}{mit}\nThe models' licences lie beside them in /usr/share/nightjar/models.\n"),
    )?;
    let changes = doc.join("changelog");
    std::fs::copy(place.at("CHANGELOG.md"), &changes).context("CHANGELOG.md")?;
    run::capture(Command::new("gzip").args(["-9", "--no-name"]).arg(&changes)).map(|_| ())
}

fn control(target: &Target, root: &Path) -> Result<()> {
    let kib = run::capture(
        Command::new("du").args(["--summarize", "--apparent-size", "--block-size=1K"]).arg(root),
    )?;
    let kib = kib.split_whitespace().next().unwrap_or("0").to_owned();
    let dir = root.join("DEBIAN");
    make_dir(&dir)?;
    let text = format!(
        "Package: nightjar\nVersion: {}\nArchitecture: {}\nMaintainer: Nightjar <nightjar@example.org>\nInstalled-Size: {kib}\n\
         Depends: {DEPENDS}\nRecommends: {RECOMMENDS}\nSuggests: {SUGGESTS}\nSection: video\nPriority: optional\n\
         Homepage: https://github.com/nightjar-nvr/nightjar\n\
         Description: video recorder for single-board computers\n \
         Records the streams of cameras into a ring on the card, looks for people, cars\n \
         and animals on the device, switches relays when a rule says so, and shows all\n \
         of it to a phone. Needs no server and no cloud.\n",
        version(),
        target.debian
    );
    write(&dir.join("control"), &text)?;
    write(&dir.join("conffiles"), &format!("/{SETTINGS}\n"))?;
    for (name, text) in [("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)] {
        write(&dir.join(name), text)?;
        set_mode(&dir.join(name), 0o755)?;
    }
    Ok(())
}
