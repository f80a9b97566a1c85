//! This process → one that can decode, infer and answer on its socket, and nothing else. What is in force comes back in words.
//!
//! Landlock (<https://docs.kernel.org/userspace-api/landlock.html>): libraries and hardware can be read, nothing else; no
//! network; no signals to others. seccomp: a list of system calls; no socket, program or process can be made. Limits:
//! memory, files, no core dump. A kernel that lacks a part is told of, and the rest holds.
//!
//! Landlock binds the thread that asks for it and those that it starts: call this while there is only one.

#[cfg(target_pointer_width = "64")]
mod seccomp;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nightjar_types::eye::Sandbox;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::path::{Path, PathBuf};

/// Open files: a hardware decoder shares some dozen buffers a stream, each a file.
const FILES: u64 = 1024;

/// What decoders load while they run: plugins, drivers and their settings. Never the recorder's configuration or footage.
const READABLE: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/opt/vc",
    "/etc/ld.so.cache",
    "/etc/drirc",
    "/sys",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/dev/null",
    "/dev/urandom",
];

/// Beginnings of names in `/dev`: V4L2 decoders, their media controllers and memory; VA; Rockchip's and the Pi's own.
const HARDWARE: &[&str] =
    &["video", "media", "v4l-subdev", "dri", "dma_heap", "mpp_service", "rga", "vchiq", "vcsm-cma"];

/// Adds what can be had. `plugins` are further folders of GStreamer plugins and libraries.
pub(crate) fn close(memory: Option<u64>, plugins: &[PathBuf]) -> Sandbox {
    let mut report = Sandbox::default();
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        report.missing.push(format!("landlock for {} threads that run already", threads - 1));
    }
    let devices = hardware();
    let mut tell = |what: &str, done: Result<String, String>| match done {
        Ok(words) => report.in_force.push(words),
        Err(why) => report.missing.push(format!("{what}: {why}")),
    };
    tell("landlock", landlock(&devices, plugins));
    tell("memory limit", limit_memory(memory));
    tell("no core dumps", limit(Resource::Core, 0).map(|()| "no core dumps".into()));
    tell("files", limit(Resource::Nofile, FILES).map(|()| format!("{FILES} files")));
    // The last: it forbids what the others need.
    #[cfg(target_pointer_width = "64")]
    tell("seccomp", seccomp::install(!devices.is_empty()).map(|()| "seccomp".into()));
    #[cfg(not(target_pointer_width = "64"))]
    tell("seccomp", Err("not written for 32-bit processors".into()));
    report
}

/// Bytes of memory that this process may write to. Not address space: that counts every library and every reservation,
/// so a limit on it would have to be several times what is used.
fn limit_memory(memory: Option<u64>) -> Result<String, String> {
    let bytes = memory.ok_or("none was asked for")?;
    limit(Resource::Data, bytes).map(|()| format!("memory {} MiB", bytes >> 20))
}

fn limit(what: Resource, most: u64) -> Result<(), String> {
    let most = rustix::process::getrlimit(what).maximum.map_or(most, |hard| hard.min(most));
    setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) }).map_err(|e| e.to_string())
}

fn hardware() -> Vec<PathBuf> {
    let nodes = std::fs::read_dir("/dev").into_iter().flatten().flatten().map(|node| node.path());
    let is_ours = |path: &Path| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|n| HARDWARE.iter().any(|h| n.starts_with(h)))
    };
    nodes.filter(|path| is_ours(path)).collect()
}

fn landlock(devices: &[PathBuf], plugins: &[PathBuf]) -> Result<String, String> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let drive = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::IoctlDev;
    let readable = READABLE.iter().map(PathBuf::from).chain(plugins.iter().cloned());
    let there = |paths: Vec<PathBuf>| paths.into_iter().filter(|path| path.exists());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|r| r.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|r| r.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(|r| r.add_rules(path_beneath_rules(there(readable.collect()), read)))
        .and_then(|r| r.add_rules(path_beneath_rules(devices, drive)))
        .and_then(|r| r.restrict_self())
        .map_err(|e| e.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err("this kernel has none, or it is not switched on".into()),
        (RulesetStatus::FullyEnforced, _) => Ok("landlock".into()),
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            Ok(format!("landlock (of an older kernel, {effective_abi:?})"))
        }
        _ => Ok("landlock (in part)".into()),
    }
}
