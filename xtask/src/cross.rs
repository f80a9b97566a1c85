//! The work tree → both programs for aarch64 in `target/cross`, their sizes and libraries, and their `--version`
//! under emulation. No compiler target is fetched: Debian's cross tool chain and a folder of arm64 libraries do it.

use crate::options::Options;
use crate::place::Place;
use crate::{run, setup, web};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const TRIPLE: &str = "aarch64-unknown-linux-gnu";
const GNU: &str = "aarch64-linux-gnu";
/// What the folder of arm64 libraries is made of; all else comes as their dependencies.
const LIBRARIES: &str = "libc6-dev,libgcc-12-dev,libgstreamer1.0-dev,libgstreamer-plugins-base1.0-dev";
/// All that `nightjar` may be linked to: what every Linux system has.
const PLAIN: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-aarch64.so.1",
];

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    match options.text("target") {
        None | Some("aarch64") | Some(TRIPLE) => {}
        Some(other) => bail!("`--target {other}`: only aarch64 is known"),
    }
    setup::for_verb(place, "web")?;
    setup::for_verb(place, "cross")?;
    let sysroot = sysroot(place)?;
    run::say("page");
    web::build(place)?;
    run::say("release build for aarch64 (many minutes the first time)");
    build(place, &sysroot)?;

    run::say("result");
    for program in ["nightjar", "nightjar-eye"] {
        let path = built(place, program);
        let size = path.metadata().with_context(|| format!("{} is not there", path.display()))?.len();
        let needed = needed(&path)?;
        run::done(program, &format!("{:.1} MB, needs {}", size as f64 / 1e6, needed.join(" ")));
        if program == "nightjar" {
            let more: Vec<&String> = needed.iter().filter(|name| !PLAIN.contains(&name.as_str())).collect();
            if !more.is_empty() {
                bail!("nightjar is linked to {more:?}: it must run on a system with a C library alone");
            }
        }
        let mut emulator = Command::new("qemu-aarch64-static");
        let version = run::capture(emulator.arg("-L").arg(&sysroot).arg(&path).arg("--version"))
            .with_context(|| format!("{program} does not start under qemu-aarch64-static"))?;
        run::done("", &format!("runs under emulation: {}", version.lines().next().unwrap_or_default()));
    }
    Ok(())
}

/// Where a program built for aarch64 lies.
pub(crate) fn built(place: &Place, program: &str) -> PathBuf {
    place.target(&format!("cross/{TRIPLE}/release/{program}"))
}

/// The folder of arm64 libraries, made once.
fn sysroot(place: &Place) -> Result<PathBuf> {
    let dir = place.target("sysroot-aarch64");
    if dir.join("usr/lib").join(GNU).join("pkgconfig").exists() {
        run::done("arm64 libraries", "there");
        return Ok(dir);
    }
    let unfinished = place.target("sysroot-aarch64.part");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).context("can't clear target/sysroot-aarch64.part")?;
    }
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=extract", "--arch=arm64", &format!("--include={LIBRARIES}"), "bookworm"]);
    command.arg(&unfinished);
    run::quiet(place, "arm64 libraries", &mut command, "see whether mmdebstrap reaches Debian's archive")?;
    std::fs::rename(&unfinished, &dir).context("can't name target/sysroot-aarch64")?;
    Ok(dir)
}

fn build(place: &Place, sysroot: &Path) -> Result<()> {
    let root = sysroot.display();
    let libraries = format!("{root}/usr/lib/{GNU}");
    let flags = format!(
        "-C link-arg=--sysroot={root} -C link-arg=-L{libraries} -C link-arg=-Wl,-rpath-link,{libraries} \
         -C link-arg=-Wl,-rpath-link,{root}/lib/{GNU}"
    );
    let under = TRIPLE.replace('-', "_");
    let upper = under.to_uppercase();
    let mut cargo = run::cargo(place);
    cargo.args(["build", "--release", "--target", TRIPLE, "-p", "nightjar", "-p", "nightjar-eye"]);
    cargo
        .env("CARGO_TARGET_DIR", place.target("cross"))
        .env("RUSTC", "/usr/bin/rustc")
        .env(format!("CARGO_TARGET_{upper}_LINKER"), format!("{GNU}-gcc"))
        .env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), flags)
        .env("PKG_CONFIG_ALLOW_CROSS", "1")
        .env("PKG_CONFIG_SYSROOT_DIR", sysroot)
        .env("PKG_CONFIG_LIBDIR", format!("{libraries}/pkgconfig:{root}/usr/share/pkgconfig"))
        .env(format!("CC_{under}"), format!("{GNU}-gcc"))
        .env(format!("CXX_{under}"), format!("{GNU}-g++"))
        .env(format!("AR_{under}"), format!("{GNU}-ar"))
        // The kernel's headers for Video4Linux, of the board and not of this machine.
        .env("BINDGEN_EXTRA_CLANG_ARGS", format!("--sysroot={root}"));
    run::loud(
        "release build for aarch64",
        &mut cargo,
        "the compiler's message above names what did not build or link",
    )
}

/// The shared libraries that an ELF file asks for.
fn needed(path: &Path) -> Result<Vec<String>> {
    let text = run::capture(Command::new(format!("{GNU}-readelf")).arg("-d").arg(path))?;
    let line = |line: &str| {
        let name = line.contains("(NEEDED)").then(|| line.split(['[', ']']).nth(1)).flatten()?;
        Some(name.to_owned())
    };
    Ok(text.lines().filter_map(line).collect())
}
