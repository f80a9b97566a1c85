//! Command line → one job: `serve` the recorder, `detect` in a file, `bench` the model, `capture` a camera, list `cameras`.
#![forbid(unsafe_code)]

mod bench;
mod capture;
mod choice;
mod cli;
mod clock;
mod counters;
mod decoder;
mod detect;
mod detector;
mod error;
mod frame;
mod golden;
mod governor;
mod inference;
mod jpeg;
mod looker;
mod marks;
mod measure;
mod model;
mod outbox;
mod pacing;
mod pipeline;
mod probe;
mod sandbox;
mod serve;
mod still;
mod stream;
mod watch;

use clap::Parser;
use error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_logging();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nightjar-eye: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: cli::Command) -> Result<(), Error> {
    match command {
        cli::Command::Detect(args) => detect::run(&args),
        cli::Command::Serve(args) => serve::run(&args),
        cli::Command::Bench(args) => bench::run(&args),
        cli::Command::Cameras(args) => capture::cameras(&args),
        cli::Command::Capture(args) => capture::run(&args),
    }
}

/// Logs to standard error; `RUST_LOG` filters.
fn start_logging() {
    let usual = Targets::new().with_default(Level::INFO).with_target("tract", Level::WARN);
    let asked = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(asked.unwrap_or(usual))).init();
}
