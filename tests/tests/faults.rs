//! Seeded kills, hangs, exhausted memory and garbage answers of the eye: no picture is lost, another eye is back, every
//! restart is explained. `NIGHTJAR_FAULT_RUNS` says how many (12), `NIGHTJAR_SEED` which; `cargo xtask faults` runs 1,000.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_io::eye_link::Limits;
use nightjar_tests::clock;
use nightjar_tests::daemon::signal;
use nightjar_tests::parts;
use nightjar_tests::rig::{Restart, Rig};
use nightjar_tests::seed::Seed;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::path::PathBuf;
use std::time::Duration;

/// How soon an eye must be back, in the report of `cargo xtask faults`.
const BACK: Duration = Duration::from_secs(3);
/// What the recorder may grow by over all faults, bytes: queues, an index, the allocator's crumbs.
const GROWTH: u64 = 96 << 20;

/// The eye as it is shipped where `cargo xtask faults` says so, since there it counts how soon it is back.
fn eye() -> PathBuf {
    std::env::var_os("NIGHTJAR_EYE").map_or_else(|| parts::program("nightjar-eye"), PathBuf::from)
}

fn runs() -> u64 {
    std::env::var("NIGHTJAR_FAULT_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// Every run counts as good, since here deaths come by plan; all else as shipped.
fn limits() -> Limits {
    Limits { good: Duration::ZERO, ..Limits::default() }
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// A line of `/proc/PID/status` in KiB.
fn kib(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// A table by kind of fault; fails on a restart without words, or late ones when that is what is measured.
fn report(what: &str, restarts: &[Restart], pictures: &[usize], grown: u64) {
    let mut kinds: Vec<&str> = restarts.iter().map(|r| r.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    println!(
        "\n{what}: {} faults; pictures on the card {pictures:?}, 0 lost; recorder grew by {} KiB",
        restarts.len(),
        grown >> 10
    );
    println!(
        "{:<28} {:>5} {:>12} {:>10} {:>10} {:>12}   last words",
        "fault", "times", "noticed max", "back p50", "back max", "seeing max"
    );
    let ms = |d: Duration| format!("{} ms", d.as_millis());
    for kind in kinds {
        let of: Vec<&Restart> = restarts.iter().filter(|r| r.kind == kind).collect();
        let mut back: Vec<Duration> = of.iter().map(|r| r.back).collect();
        back.sort_unstable();
        let noticed = of.iter().map(|r| r.noticed).max().unwrap();
        let seeing = of.iter().filter_map(|r| r.seeing).max().map_or("–".into(), ms);
        let words: String = of.last().unwrap().words.chars().take(110).collect();
        println!(
            "{kind:<28} {:>5} {:>12} {:>10} {:>10} {seeing:>12}   {words}",
            of.len(),
            ms(noticed),
            ms(back[back.len() / 2]),
            ms(*back.last().unwrap())
        );
    }
    let unexplained: Vec<_> = restarts.iter().filter(|r| r.words.trim().is_empty()).collect();
    assert!(unexplained.is_empty(), "restarts without words: {unexplained:?}");
    let late: Vec<_> = restarts.iter().filter(|r| r.back > BACK).collect();
    println!("back within {} s: {} of {}", BACK.as_secs(), restarts.len() - late.len(), restarts.len());
    // How fast is the business of `cargo xtask faults`, on a machine that does nothing else.
    if std::env::var_os("NIGHTJAR_FAULT_CHECK").is_some() {
        assert!(late.is_empty(), "late: {late:?}");
    }
    assert!(grown < GROWTH, "the recorder grew by {grown} bytes");
}

#[test]
fn kills_hangs_and_exhausted_memory_of_the_real_eye_cost_no_picture() {
    let mut seed = Seed::from_env(41);
    let count = (runs() / 3).max(3);
    let models = parts::models().to_str().unwrap().to_owned();
    let args = ["--models", &models, "--memory", "384"].map(String::from).to_vec();
    let rig = Rig::start((256 + count * 2) << 20, eye(), args, limits());
    rig.until_seeing(None);
    let before = resident();
    let (mut restarts, mut survived) = (Vec::new(), 0);
    for n in 0..count {
        clock::pass(seed.between(0, 1000));
        // Each kind once before the seed chooses.
        let restart = match if n < 3 { n } else { seed.between(0, 4) } {
            0 | 3 => rig.restart("kill -9", |pid| signal(pid, Signal::KILL)),
            1 => rig.restart("SIGSTOP (hangs)", |pid| signal(pid, Signal::STOP)),
            _ => rig.restart("memory exhausted", |pid| {
                let now = kib(pid, "VmData:").unwrap() << 10;
                let most = Some(now);
                let process = Pid::from_raw(pid as i32);
                prlimit(process, Resource::Data, Rlimit { current: most, maximum: most }).unwrap();
                // A picture that needs no more than the one before is no reason to die.
                if clock::within(5, || (!nightjar_tests::daemon::is_alive(pid)).then_some(())).is_none() {
                    survived += 1;
                    signal(pid, Signal::KILL);
                }
            }),
        };
        restarts.push(restart);
        rig.until_seeing(None);
        // As a person would: here whoever was in work when memory ended is innocent.
        for n in 0..2 {
            rig.eye.release(n);
        }
    }
    let grown = resident().saturating_sub(before);
    let more = rig.eye.state().restarts - count;
    let ends = rig.ends();
    let pictures = rig.stop_and_count();
    report("the real eye", &restarts, &pictures, grown);
    println!("lived on with the memory they had: {survived}; restarts that nobody caused: {more}");
    // A machine that gives the eye no time at all makes it look as if it hung.
    assert!(
        std::env::var_os("NIGHTJAR_FAULT_CHECK").is_none() || more == 0,
        "{more} restarts that nobody caused, among: {ends:#?}"
    );
}

#[test]
fn garbage_answers_of_a_false_eye_cost_no_picture() {
    let seed = Seed::from_env(42).bits();
    let count = (runs() * 2 / 3).max(22);
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan");
    let args = ["--plan", plan.to_str().unwrap(), "--seed", &seed.to_string()].map(String::from).to_vec();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_false_eye"));
    let rig = Rig::start((256 + count) << 20, program, args, limits());
    let before = resident();
    let named = |n: u64| {
        let lines = std::fs::read_to_string(&plan).unwrap_or_default();
        lines.lines().nth(n as usize).unwrap_or("ended before it had a plan").to_owned()
    };
    let restarts = rig.follow(count, named);
    let grown = resident().saturating_sub(before);
    let pictures = rig.stop_and_count();
    report("a false eye", &restarts, &pictures, grown);
}
