//! The table of system packages: what, why, for which verbs, and how its presence is seen on any distribution.

use crate::place::Place;
use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One package under its Debian name.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) verbs: &'static [&'static str],
    probe: Probe,
}

/// What is looked at to see whether a package's content is there, whoever installed it.
enum Probe {
    /// A program in PATH.
    Program(&'static str),
    /// A library with headers that pkg-config knows.
    Library(&'static str),
    /// A GStreamer plugin's file.
    Plugin(&'static str),
    /// Words that the system's own Python runs without an error.
    Python(&'static str),
    /// `libclang` where bindgen looks for it.
    Clang,
    /// A file or folder.
    File(&'static str),
    /// `venv` and `ensurepip` of the `python3` in PATH.
    Venv,
}

const HOST: &[&str] = &["demo", "test", "lint", "bench", "cross", "cross-armv7", "image", "hil", "fleet"];
const BUILD: &[&str] = &["demo", "test", "lint", "bench"];
const RUN: &[&str] = &["demo", "test", "bench", "hil"];
const TEST: &[&str] = &["test", "bench", "hil"];
const BENCH: &[&str] = &["bench"];
const CROSS: &[&str] = &["cross", "cross-armv7"];
const IMAGE: &[&str] = &["image", "hil"];
/// Fetch packages for a board.
const ARCHIVE: &[&str] = &["cross", "cross-armv7", "image", "hil"];
const HIL: &[&str] = &["hil"];
const FLEET: &[&str] = &["fleet"];

macro_rules! packages {
    ($($name:literal, $verbs:expr, $probe:ident $(($arg:literal))?, $why:literal;)*) => {
        &[$(Package { name: $name, why: $why, verbs: $verbs, probe: Probe::$probe $(($arg))? }),*]
    };
}

#[rustfmt::skip]
pub(super) const PACKAGES: &[Package] = packages! {
    "build-essential",                    HOST,   Program("cc"), "linker, and the C parts of ring";
    "pkg-config",                         HOST,   Program("pkg-config"), "finds GStreamer for the eye";
    "libgstreamer1.0-dev",                BUILD, Library("gstreamer-1.0"), "the eye decodes with GStreamer";
    "libgstreamer-plugins-base1.0-dev",   BUILD, Library("gstreamer-app-1.0"), "the eye's way into and out of GStreamer";
    "libclang-dev",                       HOST,   Clang, "the eye's Video4Linux types are made from the kernel's headers";
    "gstreamer1.0-plugins-base",          RUN,   Plugin("libgstapp.so"), "appsrc, appsink, videoconvert";
    "gstreamer1.0-plugins-good",          RUN,   Plugin("libgstrtp.so"), "RTP payloads of the test server";
    "gstreamer1.0-plugins-bad",           RUN,   Plugin("libgstvideoparsersbad.so"), "h264parse";
    "gstreamer1.0-libav",                 RUN,   Plugin("libgstlibav.so"), "H.264 decoder where no hardware decodes";
    "ffmpeg",                             RUN,   Program("ffmpeg"), "makes the clips; checks recordings; the rival in bench";
    "strace",                             BENCH,  Program("strace"), "counts write-outs and changed files in bench";
    "python3-venv",                       BUILD, Venv, "prepares the detector's model; checks of the Yocto layer";
    "python3-gi",                         TEST,  Python("import gi"), "runs the RTSP server of the tests";
    "gir1.2-gst-plugins-base-1.0",        TEST,  Python("import gi; gi.require_version('GstApp', '1.0')"), "the same";
    "gir1.2-gst-rtsp-server-1.0",         TEST,  Python("import gi; gi.require_version('GstRtspServer', '1.0')"), "the RTSP server of the tests, not our code";
    "mosquitto",                          TEST,  File("/usr/sbin/mosquitto"), "the MQTT broker of the tests, not our code";
    "mosquitto-clients",                  TEST,  Program("mosquitto_sub"), "who listens at it";
    "rauc",                               &["test", "bench", "image", "hil"], Program("rauc"), "signs bundles, and installs them in the tests of the update agent: not our code";
    "squashfs-tools",                     &["test", "bench", "image", "hil"], File("/usr/bin/mksquashfs"), "packs bundles";
    "dbus-daemon",                        TEST,  Program("dbus-daemon"), "the bus between the two";
    "openssl",                            &["test", "bench", "image", "hil"], Program("openssl"), "keys that sign bundles";
    "iproute2",                           TEST,  Program("ip"), "network namespaces of the isolation test";
    "nftables",                           TEST,  File("/usr/sbin/nft"), "the firewall of the image";
    "dnsmasq-base",                       TEST,  File("/usr/sbin/dnsmasq"), "the image's DHCP server for cameras";
    "chrony",                             TEST,  File("/usr/sbin/chronyd"), "the image's time server for cameras, and a client";
    "hostapd",                            TEST,  File("/usr/sbin/hostapd"), "the image's access point: its settings are tried without a radio";
    "busybox",                            TEST,  Program("busybox"), "a DHCP client that is not dnsmasq's";
    "systemd",                            &["test", "lint", "image", "hil"], Program("systemctl"), "judges what units may do, enables them in a board's tree";
    "chromium",                           &["test"], Program("chromium"), "the browser of the page's test";
    "fonts-dejavu-core",                  &["test"], File("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"), "letters in the screenshots";
    "rustc-web",                          CROSS, File("/usr/bin/rustc"), "a compiler that fits the libraries below";
    "libstd-rust-web-dev:arm64",          &["cross"], File("/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib"), "Rust's standard library for aarch64";
    "gcc-aarch64-linux-gnu",              &["cross"], Program("aarch64-linux-gnu-gcc"), "cross linker";
    "g++-aarch64-linux-gnu",              &["cross"], Program("aarch64-linux-gnu-g++"), "C++ parts of dependencies";
    "libstd-rust-web-dev:armhf",          &["cross-armv7"], File("/usr/lib/rustlib/armv7-unknown-linux-gnueabihf/lib"), "Rust's standard library for armv7";
    "gcc-arm-linux-gnueabihf",            &["cross-armv7"], Program("arm-linux-gnueabihf-gcc"), "cross linker";
    "g++-arm-linux-gnueabihf",            &["cross-armv7"], Program("arm-linux-gnueabihf-g++"), "C++ parts of dependencies";
    "qemu-user-static",                   CROSS, Program("qemu-aarch64-static"), "runs the result";
    "mmdebstrap",                         ARCHIVE, Program("mmdebstrap"), "makes folders of a board's packages";
    "arch-test",                          CROSS, Program("arch-test"), "tells mmdebstrap that the emulator runs";
    "debian-archive-keyring",             ARCHIVE, File("/usr/share/keyrings/debian-archive-keyring.gpg"), "whose packages they are";
    "kmod",                               IMAGE, Program("depmod"), "a board's kernel modules";
    "cpio",                               IMAGE, Program("cpio"), "the first stage of a board's boot";
    "gdisk",                              IMAGE, Program("sgdisk"), "partitions of an image";
    "e2fsprogs",                          &["bench", "image", "hil"], Program("mkfs.ext4"), "file systems of slots; the one that loses its power in bench";
    "dosfstools",                         IMAGE, Program("mkfs.vfat"), "an image's boot partition";
    "mtools",                             IMAGE, Program("mcopy"), "files on it";
    "u-boot-tools",                       IMAGE, Program("mkimage"), "the boot loader's script";
    "qemu-system-arm",                    HIL, Program("qemu-system-aarch64"), "the board";
    "qemu-utils",                         HIL, Program("qemu-img"), "its card as it was at a moment";
    "u-boot-qemu",                        HIL, File("/usr/lib/u-boot/qemu_arm64/u-boot.bin"), "its boot loader";
    "openssh-client",                     HIL, Program("ssh"), "a shell on a board";
    "curl",                               HIL, Program("curl"), "asks its page over TLS";
    "default-jdk-headless",               FLEET, Program("javac"), "builds and runs hawkBit, the fleet server";
    "maven",                              FLEET, Program("mvn"), "builds hawkBit";
};

impl Package {
    pub(super) fn is_there(&self, place: &Place) -> bool {
        match self.probe {
            Probe::Program(name) => run::in_path(name),
            Probe::Library(name) => run::succeeds(Command::new("pkg-config").args(["--exists", name])),
            Probe::Plugin(file) => has_plugin(file),
            Probe::Python(words) => run::succeeds(Command::new("/usr/bin/python3").args(["-c", words])),
            Probe::Clang => std::env::var_os("LIBCLANG_PATH").is_some() || has_libclang(),
            Probe::File(path) => Path::new(path).exists(),
            Probe::Venv => {
                place.python().exists()
                    || run::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
            }
        }
    }
}

/// What a folder holds; nothing where there is none.
fn list(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// A file among GStreamer's plugins: where its headers' description says, or beside its libraries, of which a distribution may have a
/// folder for each processor.
fn has_plugin(file: &str) -> bool {
    let told = Command::new("pkg-config").args(["--variable=pluginsdir", "gstreamer-1.0"]).output().ok();
    let told = told.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let told = told.filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let libraries = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = libraries.iter().flat_map(|dir| list(dir));
    let beside = libraries.iter().cloned().chain(below).map(|dir| dir.join("gstreamer-1.0"));
    beside.chain(told).any(|dir| dir.join(file).exists())
}

/// `libclang*.so*` in the folders of libraries, of which LLVM has one a version.
fn has_libclang() -> bool {
    let of_llvm = list(Path::new("/usr/lib")).map(|dir| dir.join("lib"));
    let plain = list(Path::new("/usr/lib")).chain([Path::new("/usr/lib64").to_owned()]);
    of_llvm.chain(plain).any(|dir| {
        list(&dir).any(|file| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libclang.so")
                || name.starts_with("libclang-") && name.contains(".so") && !name.contains("cpp")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_package_is_listed_twice_and_each_says_why() {
        let names: BTreeSet<&str> = PACKAGES.iter().map(|package| package.name).collect();
        assert_eq!(names.len(), PACKAGES.len());
        assert!(PACKAGES.iter().all(|package| !package.why.is_empty() && !package.verbs.is_empty()));
    }
}
