//! Bytes that libFuzzer chooses by coverage → the target that `NIGHTJAR_FUZZ` names. Its arguments are libFuzzer's.
//!
//! `NIGHTJAR_FUZZ=list` prints every target and its longest input instead. `NIGHTJAR_FUZZ_SEEDS` is a folder that gets the
//! target's seeds, and beside it, with `.dict` behind its name, its words.
#![no_main]

use nightjar_fuzz::{TARGETS, Target};
use std::path::Path;
use std::sync::OnceLock;
use std::{env, fs, process};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let name = env::var("NIGHTJAR_FUZZ").unwrap_or_default();
    if name == "list" {
        TARGETS.iter().for_each(|target| println!("{} {}", target.name, target.max_len));
        process::exit(0);
    }
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("NIGHTJAR_FUZZ=\"{name}\" names no target: set it to one of {}", known.join(", "));
        process::exit(2);
    };
    if let Some(folder) = env::var_os("NIGHTJAR_FUZZ_SEEDS") {
        lay_out(target, Path::new(&folder)).expect("the folder of seeds can be written to");
    }
    CHOSEN.get_or_init(|| *target);
}

fn lay_out(target: &Target, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), seed)?;
    }
    let quoted = |word: &&str| format!("\"{}\"\n", word.replace('\\', "\\\\").replace('"', "\\\""));
    // libFuzzer refuses an empty file.
    let words: String = target.words.iter().map(quoted).collect();
    fs::write(folder.with_extension("dict"), format!("# {}\n{words}", target.name))
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    (CHOSEN.get().expect("chosen at the start").run)(data)
});
