//! Seeded lives of a recorder on a disk that loses what was not written out: after every crash nothing is missing, wrong
//! or unexplained.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test: a panic is its verdict"
)]

#[path = "crash/check.rs"]
mod check;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/frame.rs"]
mod frame;
#[path = "crash/log.rs"]
mod log;
#[path = "crash/rng.rs"]
mod rng;
#[path = "crash/world.rs"]
mod world;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Runs of a plain `cargo test`; `NIGHTJAR_CRASH_RUNS` asks for more.
const RUNS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A folder in memory where there is one: sled's own fsyncs would only wait for the machine's disk.
fn home() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

#[test]
fn nothing_is_missing_wrong_or_unexplained_after_a_crash_at_any_call() {
    log::print();
    let first = number("NIGHTJAR_CRASH_SEED").unwrap_or(1);
    let runs = number("NIGHTJAR_CRASH_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(first);
    let all = Mutex::new(world::Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    let home = home();
                    let run = std::panic::catch_unwind(|| world::run(seed, home.path()));
                    let mut all = all.lock().unwrap();
                    match run {
                        Ok(run) => all.add(run),
                        Err(words) => {
                            let words = words.downcast_ref::<String>().cloned().unwrap_or_default();
                            all.violations.push(format!("seed {seed}: panic: {words}"));
                        }
                    }
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!(
        "runs {runs} from seed {first}, calls of the disk {}, frames {}, slabs recycled {}, checks {}, longest loss {} ms, violations {}",
        all.calls,
        all.frames,
        all.slabs,
        all.checks,
        all.longest_loss_ms,
        all.violations.len()
    );
    println!("crashes at {:?}", all.struck);
    println!("faults {:?}", all.faults);
    let list: Vec<&String> = all.violations.iter().take(40).collect();
    assert!(all.violations.is_empty(), "{list:#?}");
}
