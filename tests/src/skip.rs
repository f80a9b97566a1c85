//! A check that cannot run here → a line for people and for `cargo xtask test`, which prints all of them at its end.

use std::io::Write;

/// Prints `SKIP name: why`, and appends it to the file that `NIGHTJAR_SKIPS` names.
pub fn skip(name: &str, why: &str) {
    let line = format!("SKIP {name}: {why}");
    println!("{line}");
    if let Some(path) = std::env::var_os("NIGHTJAR_SKIPS") {
        let list = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let written = list.and_then(|mut list| writeln!(list, "{line}"));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.to_string_lossy()));
    }
}
