//! A verb and its options → the developer action behind it. The table [`VERBS`] is everything `cargo xtask` can do.

mod bench;
mod bundle;
mod clock;
mod crash;
mod cross;
mod deb;
mod demo;
mod faults;
mod fleet;
mod fmt;
mod fuzz;
mod hil;
mod image;
mod lanes;
mod lint;
mod options;
mod pair;
mod pki;
mod place;
mod run;
mod setup;
mod test;
mod web;
mod yocto;

use anyhow::{Result, bail};
use options::Options;
use place::Place;
use std::process::ExitCode;

/// One row of the help: what is typed, what it does, which options it takes, and the function.
struct Verb {
    name: &'static str,
    help: &'static str,
    options: &'static [(&'static str, &'static str)],
    run: fn(&Place, &Options) -> Result<()>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "setup",
        help: "find what is missing on this machine and install it",
        options: &[(
            "for",
            "only what this verb needs: demo, test, web, lint, cross, cross-armv7, image, hil, bench or fleet",
        )],
        run: setup::run,
    },
    Verb {
        name: "demo",
        help: "set up, build and run the recorder on two demo cameras",
        options: &[("port", "port of the web page (8080)")],
        run: demo::run,
    },
    Verb {
        name: "test",
        help: "set up and run every test; print what was skipped and why",
        options: &[],
        run: test::run,
    },
    Verb { name: "web", help: "build the phone page into web-mini/dist", options: &[], run: web::run },
    Verb {
        name: "yocto",
        help: "write the Yocto layer's list of crates from Cargo.lock",
        options: &[],
        run: yocto::run,
    },
    Verb { name: "fmt", help: "format all Rust code", options: &[], run: fmt::run },
    Verb {
        name: "lint",
        help: "formatting, clippy, licences and bans, house rules, page types, units, Yocto layer",
        options: &[],
        run: lint::run,
    },
    Verb {
        name: "cross",
        help: "build the programs for another processor and run them under emulation",
        options: &[("target", "aarch64 (the default) or armv7")],
        run: cross::run,
    },
    Verb {
        name: "image",
        help: "put together the disk of a board: Debian's packages, kernel, our programs (as root)",
        options: &[("board", "qemu-virt (the default)"), ("check!", "build it twice and compare")],
        run: image::run,
    },
    Verb {
        name: "bundle",
        help: "build the signed update of a board (as root)",
        options: &[
            ("board", "qemu-virt (the default)"),
            ("cert", "the signer's certificate (a development key signs without)"),
            ("key", "its key: a file or a pkcs11: address"),
            ("authority", "the certificate that signed it"),
            ("root", "the root above that, which boards trust"),
        ],
        run: bundle::run,
    },
    Verb {
        name: "hil",
        help: "the tests of a whole board: flash, record, update, break, cut its power (as root for --bed qemu)",
        options: &[
            ("bed", "qemu (the default), or ssh://USER@HOST for a real board (hil-tests/WIRING.md)"),
            ("only", "tests whose name contains one of these words, parted by commas (all)"),
            ("seed", "which moments power is cut at (1)"),
            ("cuts", "how often (20)"),
            ("boards", "how many boards in QEMU at a time (one for every two processors)"),
            ("power", "of a real board: a command that takes \"on\" and \"off\""),
            ("network", "the same for its network"),
            ("console", "the file that its serial line is logged to"),
            ("jar", "a hawkBit server that is built; else it is built"),
            ("source", "hawkBit's repository, an address or a folder (its own)"),
            ("as-built!", "take the image and the bundles of the last run"),
            ("slow!", "this machine is busy: QEMU's time goes by instructions, one emulated core"),
        ],
        run: hil::run,
    },
    Verb {
        name: "deb",
        help: "build a .deb of the programs for Raspberry Pi OS and Debian",
        options: &[
            ("target", "aarch64 (the default) or armv7"),
            ("check!", "install, upgrade and purge it on an emulated Debian of that processor (as root)"),
        ],
        run: deb::run,
    },
    Verb {
        name: "bench",
        help: "the recorder against ffmpeg in turns; writes BENCHMARKS.md",
        options: &[
            ("", "MODE…: run wrap kill cut sync restart rebuild memory (ring: these), sound sizes detector"),
            ("seconds", "measured seconds a run (60)"),
            ("n", "cameras of `run` and `sync`, as in 8,24,8+sub"),
            ("ring", "MiB of the ring in `wrap` (256)"),
            ("rounds", "rounds, of which the median counts (3)"),
            ("check!", "fail when a target is missed"),
            ("as-built!", "measure target/release as it is"),
        ],
        run: bench::run,
    },
    Verb {
        name: "crash",
        help: "seeded lives of a recorder that is cut off at any call of its disk",
        options: &[("runs", "lives (1000)")],
        run: crash::run,
    },
    Verb {
        name: "faults",
        help: "seeded kills, hangs, exhausted memory and garbage answers of the eye while it records",
        options: &[("runs", "faults (1000)"), ("seed", "which (1)")],
        run: faults::run,
    },
    Verb {
        name: "fleet",
        help: "simulated boards and rollouts at a real hawkBit server",
        options: &[
            ("boards", "how many (50)"),
            ("jar", "a server that is built; else it is built"),
            ("source", "hawkBit's repository, an address or a folder (its own)"),
            ("port", "port of the server (a free one)"),
            ("serve!", "only run the server, for a board from outside"),
        ],
        run: fleet::run,
    },
    Verb {
        name: "fuzz",
        help: "libFuzzer on every parser of bytes from outside",
        options: &[
            ("", "TARGET…: only these (all)"),
            ("seconds", "how long a target is run (60)"),
            ("corpus", "folder that keeps inputs from run to run (target/fuzz/corpus)"),
        ],
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(mut words: Vec<String>) -> Result<()> {
    if words.is_empty() || matches!(words[0].as_str(), "help" | "-h" | "--help") {
        print!("{}", help());
        return Ok(());
    }
    let name = words.remove(0);
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        bail!("there is no verb `{name}`\n\n{}", help());
    };
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", help_for(verb));
        return Ok(());
    }
    let known: Vec<&str> = verb.options.iter().map(|(key, _)| *key).collect();
    let options = Options::parse(&words, &known).map_err(|error| error.context(format!("`{name}`")))?;
    (verb.run)(&Place::find()?, &options)
}

fn help() -> String {
    let mut text = String::from("cargo xtask VERB: every developer action of Nightjar\n\n");
    for verb in VERBS {
        text += &help_for(verb);
    }
    text
}

fn help_for(verb: &Verb) -> String {
    let mut text = format!("  {:<7} {}\n", verb.name, verb.help);
    for (key, meaning) in verb.options {
        let dashes = if key.is_empty() { "" } else { "--" };
        let key = key.trim_end_matches('!');
        text += &format!("          {}\n", format!("{dashes}{key} {meaning}").trim());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_in_the_help() {
        let text = help();
        assert!(VERBS.iter().all(|verb| text.contains(verb.name) && !verb.help.is_empty()));
    }

    #[test]
    fn an_unknown_verb_is_refused_with_the_table() {
        let error = dispatch(vec!["dmeo".into()]).expect_err("no such verb").to_string();
        assert!(error.contains("dmeo") && error.contains("demo"));
    }
}
