//! The sandbox from within and from without: everything that it forbids is tried in a process that closed it by the same
//! function, and the kernel is asked how the real `nightjar-eye serve` runs.
#![allow(clippy::unwrap_used)] // All of it is test code.

#[path = "../src/sandbox/mod.rs"]
mod sandbox;
mod support;

use nightjar_types::VideoCodec;
use nightjar_types::eye::{FromEye, PROTOCOL, ToEye};
use rustix::process::{Resource, Rlimit, Signal};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Recorder, models, run};

/// The folder in which the process within the sandbox tries itself.
const FOLDER: &str = "NIGHTJAR_TEST_SANDBOX_FOLDER";
const MEMORY: u64 = 192 << 20;

/// Its name, and what gives whether it was done.
type Attempt = (&'static str, Box<dyn FnOnce() -> bool>);

/// What is tried.
fn attempts(folder: &Path, port: u16) -> Vec<Attempt> {
    let at = |name: &str| folder.join(name);
    let (old, secret, socket, new) = (at("old"), at("secret"), at("socket"), at("new"));
    let renamed = old.clone();
    let (truncated, moded, linked, removed) = (old.clone(), old.clone(), old.clone(), old.clone());
    let (dir, soft, hard, listening) = (at("dir"), at("soft"), at("hard"), at("listening"));
    let parent = rustix::process::getppid().unwrap();
    vec![
        ("listen on TCP", Box::new(|| TcpListener::bind("127.0.0.1:0").is_ok())),
        ("connect by TCP", Box::new(move || TcpStream::connect(("127.0.0.1", port)).is_ok())),
        ("bind UDP", Box::new(|| UdpSocket::bind("127.0.0.1:0").is_ok())),
        ("connect by a path", Box::new(move || UnixStream::connect(socket).is_ok())),
        ("listen on a path", Box::new(move || UnixListener::bind(listening).is_ok())),
        ("make any socket", Box::new(|| UnixDatagram::unbound().is_ok())),
        ("create a file", Box::new(move || File::create(new).is_ok())),
        ("create a file in /dev/shm", Box::new(|| File::create("/dev/shm/nightjar-eye-test").is_ok())),
        ("write a file", Box::new(move || OpenOptions::new().write(true).open(truncated).is_ok())),
        (
            "write through /proc",
            Box::new(|| OpenOptions::new().write(true).open("/proc/self/oom_score_adj").is_ok()),
        ),
        (
            "change a file's mode",
            Box::new(move || fs::set_permissions(moded, fs::Permissions::from_mode(0o777)).is_ok()),
        ),
        ("rename", Box::new(move || fs::rename(renamed, folder_of(&hard).join("elsewhere")).is_ok())),
        ("link", Box::new(move || fs::hard_link(&linked, folder_of(&linked).join("hard")).is_ok())),
        ("symlink", Box::new(move || std::os::unix::fs::symlink("/etc", soft).is_ok())),
        ("make a folder", Box::new(move || fs::create_dir(dir).is_ok())),
        ("remove", Box::new(move || fs::remove_file(removed).is_ok())),
        ("read a secret", Box::new(move || fs::read(secret).is_ok())),
        ("read the system's users", Box::new(|| fs::read("/etc/passwd").is_ok())),
        ("look around in /", Box::new(|| fs::read_dir("/").is_ok())),
        (
            "read another process's environment",
            Box::new(move || fs::read(format!("/proc/{}/environ", parent.as_raw_nonzero())).is_ok()),
        ),
        ("run a program", Box::new(|| Command::new("/bin/true").status().is_ok())),
        ("run itself", Box::new(|| Command::new("/proc/self/exe").arg("--list").output().is_ok())),
        (
            "end its parent",
            Box::new(move || {
                rustix::process::test_kill_process(parent).is_ok()
                    || rustix::process::kill_process(parent, Signal::WINCH).is_ok()
            }),
        ),
        (
            "raise its limits",
            Box::new(|| {
                let none = Rlimit { current: None, maximum: None };
                rustix::process::setrlimit(Resource::Data, none).is_ok()
            }),
        ),
        (
            "take more memory than allowed",
            Box::new(|| {
                let mut taken: Vec<u8> = Vec::new();
                taken.try_reserve_exact(MEMORY as usize).is_ok()
            }),
        ),
    ]
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}

/// What must still work.
fn needs() -> Vec<(&'static str, bool)> {
    vec![
        ("a thread", std::thread::spawn(|| 7).join().is_ok_and(|n| n == 7)),
        ("memory", vec![1u8; 32 << 20].iter().map(|b| u64::from(*b)).sum::<u64>() == 32 << 20),
        ("libraries", fs::read_dir("/usr/lib").is_ok_and(|mut files| files.next().is_some())),
        (
            "its own file",
            rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC)
                .is_ok_and(|fd| File::from(fd).write_all_at(b"x", 9).is_ok()),
        ),
    ]
}

/// The other side of the test below: does nothing unless that started it.
#[test]
fn within() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let port = fs::read_to_string(folder.join("port")).unwrap().parse().unwrap();
    let attempts = attempts(&folder, port);
    let report = sandbox::close(Some(MEMORY), &[]);
    let mut out = std::io::stdout();
    writeln!(out, "\nin force: {}", report.in_force.join(", ")).unwrap();
    writeln!(out, "missing: {}", report.missing.join("; ")).unwrap();
    for (name, attempt) in attempts {
        // The memory that a thread's stack takes is within the limit, and the filter holds for threads, too.
        let done = attempt();
        writeln!(out, "{name}: {}", if done { "DONE" } else { "refused" }).unwrap();
    }
    for (name, works) in needs() {
        writeln!(out, "{name}: {}", if works { "works" } else { "BROKEN" }).unwrap();
    }
    let in_thread =
        std::thread::spawn(|| UdpSocket::bind("127.0.0.1:0").is_ok() || File::create("/tmp/x").is_ok());
    writeln!(
        out,
        "a thread's socket or file: {}",
        if in_thread.join().unwrap() { "DONE" } else { "refused" }
    )
    .unwrap();
}

#[test]
fn what_is_forbidden_is_refused_and_what_is_needed_works() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    fs::write(folder.path().join("old"), "old").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    fs::write(folder.path().join("port"), listener.local_addr().unwrap().port().to_string()).unwrap();
    // Outside the sandbox each can be done, or its refusal within would prove nothing.
    let port = listener.local_addr().unwrap().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(UnixStream::connect(folder.path().join("socket")).is_ok() && fs::read("/etc/passwd").is_ok());

    let mut within = Command::new(std::env::current_exe().unwrap());
    within.args(["--exact", "within", "--nocapture", "--test-threads=1"]).env(FOLDER, folder.path());
    let out = run(within.stderr(Stdio::inherit()));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}");
    let lines: BTreeMap<&str, &str> = said.lines().filter_map(|l| l.split_once(": ")).collect();
    println!("{said}");
    for (name, _) in attempts(folder.path(), port) {
        assert_eq!(lines.get(name), Some(&"refused"), "{name}: {said}");
    }
    assert_eq!(lines.get("a thread's socket or file"), Some(&"refused"));
    for (name, _) in needs() {
        assert_eq!(lines.get(name), Some(&"works"), "{name}: {said}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "old");
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 4, "nothing came and nothing went");
}

/// The value of a line of a file in `/proc/PID`.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(&format!("{name}:"))).unwrap_or_default();
    line.trim().to_owned()
}

#[test]
fn the_real_program_is_held_in_before_it_says_hello() {
    let mut recorder = Recorder::start(&models(), &["--memory", "256"]);
    recorder.say(&ToEye::Hello { protocol: PROTOCOL });
    let FromEye::Hello { sandbox, .. } = recorder.hear() else { panic!("no hello") };
    println!("{sandbox:?}");
    recorder.counters(); // now every thread runs
    let pid = recorder.child.id();
    for part in ["memory 256 MiB", "no core dumps", "seccomp", "landlock"] {
        let is_told = sandbox.in_force.iter().chain(&sandbox.missing).any(|words| words.starts_with(part));
        assert!(is_told, "{part}: {sandbox:?}");
    }
    let has = |part: &str| sandbox.in_force.iter().any(|words| words.starts_with(part));
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let filtered: Vec<String> = threads
        .map(|t| fs::read_to_string(t.unwrap().path().join("status")).unwrap())
        .map(|text| text.lines().find_map(|l| l.strip_prefix("Seccomp:")).unwrap_or("").trim().to_owned())
        .collect();
    assert!(filtered.len() >= 4, "{filtered:?}");
    if has("seccomp") {
        assert!(filtered.iter().all(|mode| mode == "2"), "every thread has a filter: {filtered:?}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().unwrap_or_default().to_owned()
    };
    assert_eq!(limit("Max data size"), (256u64 << 20).to_string());
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max open files"), "1024");
    let kb = |name: &str| status(pid, name).split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    println!("idle: VmData {:?} kB, VmRSS {:?} kB, VmSize {:?} kB", kb("VmData"), kb("VmRSS"), kb("VmSize"));
    let clip = support::Clip::made(VideoCodec::H264, 10);
    recorder.open(1, &clip, 0.5);
    for (i, (is_key, data)) in clip.units.iter().enumerate() {
        let mono = support::at(100 * i as u64);
        recorder.unit(1, mono, *is_key, data);
        recorder.frame(1, mono);
    }
    println!("at work: VmData {:?} kB, VmRSS {:?} kB", kb("VmData"), kb("VmRSS"));
    let (code, said) = recorder.hang_up();
    assert_eq!(code, Some(0));
    // What GStreamer says when it is refused something that it cannot do without.
    assert!(!said.contains("CRITICAL") && !said.contains("WARN"), "{said}");
}

#[test]
fn a_program_that_wants_more_memory_than_it_may_ends() {
    let recorder = Recorder::start(&models(), &["--memory", "32"]);
    let (code, said) = support::finish(recorder.child);
    assert!(code != Some(0), "{said}");
}
