//! The work tree → our programs for another processor in `target/cross`, their sizes and libraries, and their `--version`
//! under emulation. No compiler target is fetched: Debian's cross tool chain and a folder of the processor's libraries do it.

use crate::image::archive;
use crate::options::Options;
use crate::place::{Place, copy};
use crate::{run, setup, web};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A processor that programs are built for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it is typed, and as the folder of libraries is called.
    name: &'static str,
    /// Rust's word.
    triple: &'static str,
    /// The C tool chain's word.
    gnu: &'static str,
    /// Debian's word.
    pub(crate) debian: &'static str,
    emulator: &'static str,
    loader: &'static str,
}

/// Raspberry Pi 3 and newer, Zero 2 W, Rock 5B with a 64-bit system.
pub(crate) const ARM64: &Target = &Target {
    name: "aarch64",
    triple: "aarch64-unknown-linux-gnu",
    gnu: "aarch64-linux-gnu",
    debian: "arm64",
    emulator: "qemu-aarch64-static",
    loader: "ld-linux-aarch64.so.1",
};

impl Target {
    /// The verb of [`setup`] that brings its tools.
    pub(crate) fn verb(&self) -> &'static str {
        if self == ARM64 { "cross" } else { "cross-armv7" }
    }
}

const TARGETS: &[&Target] = &[
    ARM64,
    // The same boards with a 32-bit system.
    &Target {
        name: "armv7",
        triple: "armv7-unknown-linux-gnueabihf",
        gnu: "arm-linux-gnueabihf",
        debian: "armhf",
        emulator: "qemu-arm-static",
        loader: "ld-linux-armhf.so.3",
    },
];

/// What is shipped, as far as the workspace has it.
const PROGRAMS: &[&str] = &["nightjar", "nightjar-eye", "nightjar-ota"];
/// What the folder of libraries is made of; all else comes as their dependencies.
const LIBRARIES: &str = "libc6-dev,libgcc-12-dev,libgstreamer1.0-dev,libgstreamer-plugins-base1.0-dev";
/// The oldest Debian that the programs are to run on.
pub(crate) const SUITE: &str = "bookworm";
/// All that `nightjar` may be linked to: what every Linux system has, and the loader.
const PLAIN: &[&str] =
    &["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"];

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let target = target(options)?;
    let programs = programs(place)?;
    let sysroot = make(place, options, &programs)?;
    run::say("result");
    for program in &programs {
        let path = built(place, target, program);
        let size = path.metadata().with_context(|| format!("{} is not there", path.display()))?.len();
        let needed = needed(target, &path)?;
        run::done(program, &format!("{:.1} MB, needs {}", size as f64 / 1e6, needed.join(" ")));
        if program == "nightjar" {
            let is_plain = |name: &&String| PLAIN.contains(&name.as_str()) || name.as_str() == target.loader;
            let more: Vec<&String> = needed.iter().filter(|name| !is_plain(name)).collect();
            if !more.is_empty() {
                bail!("nightjar is linked to {more:?}: it must run on a system with a C library alone");
            }
        }
        let mut emulator = Command::new(target.emulator);
        let version = run::capture(emulator.arg("-L").arg(&sysroot).arg(&path).arg("--version"))
            .with_context(|| format!("{program} does not start under {}", target.emulator))?;
        run::done("", &format!("runs under emulation: {}", version.lines().next().unwrap_or_default()));
    }
    Ok(())
}

/// Builds these programs from what the sources are now, and the page in them; gives the folder of the processor's libraries.
pub(crate) fn make(place: &Place, options: &Options, programs: &[String]) -> Result<PathBuf> {
    let target = target(options)?;
    setup::for_verb(place, "web")?;
    setup::for_verb(place, target.verb())?;
    let sysroot = sysroot(place, target)?;
    run::say("page");
    web::build(place)?;
    run::say(&format!("release build for {} (many minutes the first time)", target.name));
    build(place, target, &sysroot, programs)?;
    Ok(sysroot)
}

/// Built programs and prepared models → their places below `root`.
pub(crate) fn install(place: &Place, target: &Target, programs: &[String], root: &Path) -> Result<()> {
    for name in programs {
        copy(&built(place, target, name), &root.join("usr/bin").join(name), 0o755)
            .with_context(|| format!("{name} is not built: run `cargo xtask cross`"))?;
    }
    let models = std::fs::read_dir(place.target("models"))
        .context("models are not prepared: run `cargo xtask setup`")?;
    for entry in models {
        let entry = entry?;
        copy(&entry.path(), &root.join("usr/share/nightjar/models").join(entry.file_name()), 0o644)?;
    }
    Ok(())
}

/// The target that `--target` names.
pub(crate) fn target(options: &Options) -> Result<&'static Target> {
    let Some(name) = options.text("target") else { return Ok(ARM64) };
    let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" and ");
    let found = TARGETS.iter().find(|target| [target.name, target.triple].contains(&name)).copied();
    found.with_context(|| format!("`--target {name}`: known are {}", known()))
}

/// Those of [`PROGRAMS`] that the workspace has.
pub(crate) fn programs(place: &Place) -> Result<Vec<String>> {
    let text =
        run::capture(run::cargo(place).args(["metadata", "--no-deps", "--offline", "--format-version=1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata gives no JSON")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let is_program = |target: &&serde_json::Value| {
        target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
    };
    let names: Vec<&str> = targets.filter(is_program).filter_map(|target| target["name"].as_str()).collect();
    Ok(PROGRAMS.iter().filter(|name| names.contains(name)).map(|name| (*name).to_owned()).collect())
}

/// Where a program built for a target lies.
pub(crate) fn built(place: &Place, target: &Target, program: &str) -> PathBuf {
    place.target(&format!("cross/{}/release/{program}", target.triple))
}

/// The folder of the processor's libraries, made once.
fn sysroot(place: &Place, target: &Target) -> Result<PathBuf> {
    let name = format!("sysroot-{}", target.name);
    let dir = place.target(&name);
    let what = format!("libraries for {}", target.name);
    if dir.join("usr/lib").join(target.gnu).join("pkgconfig").exists() {
        run::done(&what, "there");
        return Ok(dir);
    }
    let unfinished = place.target(&format!("{name}.part"));
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).with_context(|| format!("can't clear target/{name}.part"))?;
    }
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=extract", &format!("--arch={}", target.debian)]);
    // Without security's archive: what is linked against here runs nowhere.
    command.args([&format!("--include={LIBRARIES}"), SUITE]).arg(&unfinished).arg(archive::source(SUITE));
    run::quiet(place, &what, &mut command, "see whether mmdebstrap reaches Debian's archive")?;
    std::fs::rename(&unfinished, &dir).with_context(|| format!("can't name target/{name}"))?;
    Ok(dir)
}

fn build(place: &Place, target: &Target, sysroot: &Path, programs: &[String]) -> Result<()> {
    let (root, gnu) = (sysroot.display(), target.gnu);
    let libraries = format!("{root}/usr/lib/{gnu}");
    let flags = format!(
        "-C link-arg=--sysroot={root} -C link-arg=-L{libraries} -C link-arg=-Wl,-rpath-link,{libraries} \
         -C link-arg=-Wl,-rpath-link,{root}/lib/{gnu}"
    );
    let under = target.triple.replace('-', "_");
    let upper = under.to_uppercase();
    let mut cargo = run::cargo(place);
    cargo.args(["build", "--release", "--target", target.triple]);
    cargo.args(programs.iter().flat_map(|program| ["-p", program]));
    cargo
        .env("CARGO_TARGET_DIR", place.target("cross"))
        .env("RUSTC", "/usr/bin/rustc")
        .env(format!("CARGO_TARGET_{upper}_LINKER"), format!("{gnu}-gcc"))
        .env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), flags)
        .env("PKG_CONFIG_ALLOW_CROSS", "1")
        .env("PKG_CONFIG_SYSROOT_DIR", sysroot)
        .env("PKG_CONFIG_LIBDIR", format!("{libraries}/pkgconfig:{root}/usr/share/pkgconfig"))
        .env(format!("CC_{under}"), format!("{gnu}-gcc"))
        .env(format!("CXX_{under}"), format!("{gnu}-g++"))
        .env(format!("AR_{under}"), format!("{gnu}-ar"))
        // The kernel's headers for Video4Linux, of the board and not of this machine.
        .env("BINDGEN_EXTRA_CLANG_ARGS", format!("--sysroot={root}"));
    run::loud(
        &format!("release build for {}", target.name),
        &mut cargo,
        "the compiler's message above names what did not build or link",
    )
}

/// The shared libraries that an ELF file asks for.
pub(crate) fn needed(target: &Target, path: &Path) -> Result<Vec<String>> {
    let text = run::capture(Command::new(format!("{}-readelf", target.gnu)).arg("-d").arg(path))?;
    let line = |line: &str| {
        let name = line.contains("(NEEDED)").then(|| line.split(['[', ']']).nth(1)).flatten()?;
        Some(name.to_owned())
    };
    Ok(text.lines().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_target_are_known_and_others_named() {
        let asked =
            |text: &str| target(&Options::parse(&[format!("--target={text}")], &["target"]).expect("known"));
        assert_eq!(asked("aarch64").expect("known"), ARM64);
        assert_eq!(asked("armv7-unknown-linux-gnueabihf").expect("known").debian, "armhf");
        assert!(asked("riscv").expect_err("not yet").to_string().contains("aarch64 and armv7"));
    }

    #[test]
    fn the_recorder_and_its_eye_are_shipped() {
        let place = Place::find().expect("xtask lies in the work tree");
        let programs = programs(&place).expect("cargo knows the workspace");
        assert!(programs.starts_with(&["nightjar".to_owned(), "nightjar-eye".to_owned()]), "{programs:?}");
    }
}
