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
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,tract=warn"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false)
        .init();
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
