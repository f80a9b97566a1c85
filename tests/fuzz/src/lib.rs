//! Bytes that nobody expects → every parser of the recorder that takes bytes from outside. A panic is a fault.
//!
//! A target is a plain function. `tests/sample.rs` feeds it with seeded mutations in every `cargo test`; `src/bin/fuzz.rs`
//! lets libFuzzer choose the bytes by coverage (`cargo xtask fuzz`).
#![forbid(unsafe_code)]

mod clip;
mod config;
mod draw;
mod edit;
mod eye_protocol;
mod fmp4;
mod nal;
mod range;
mod slab;

/// One parser, or a few that share their input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As `cargo xtask fuzz` knows it.
    pub name: &'static str,
    /// Panics when a property does not hold. Takes any bytes.
    pub run: fn(&[u8]),
    /// Inputs that reach far into the parser: where mutations begin.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that mean something to the parser.
    pub words: &'static [&'static str],
    /// Longest input that finds anything new, bytes.
    pub max_len: usize,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "slab", run: slab::slab, seeds: slab::seeds, words: &[], max_len: 4_096 },
    Target { name: "fmp4", run: fmp4::fmp4, seeds: fmp4::seeds, words: fmp4::WORDS, max_len: 4_096 },
    Target { name: "clip", run: clip::clip, seeds: clip::seeds, words: fmp4::WORDS, max_len: 4_096 },
    Target { name: "nal", run: nal::nal, seeds: nal::seeds, words: &[], max_len: 1_024 },
    Target {
        name: "eye_protocol",
        run: eye_protocol::eye_protocol,
        seeds: eye_protocol::seeds,
        words: &[],
        max_len: 2_048,
    },
    Target {
        name: "config",
        run: config::config,
        seeds: config::seeds,
        words: config::WORDS,
        max_len: 2_048,
    },
    Target { name: "range", run: range::range, seeds: range::seeds, words: range::WORDS, max_len: 256 },
];
