//! The recorder's command line: `run`, `config check`, `token new`. Everything else is wiring in the modules below.

mod cli;
mod clip;
mod console;
mod daemon;
mod desk;
mod health;
mod load;
mod names;
mod outputs;
mod stage;
mod story;
mod supervisor;

use anyhow::Context;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nightjar: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: cli::Args) -> anyhow::Result<()> {
    match args.verb {
        cli::Verb::Run { config } => {
            console::start_logging();
            daemon::run(load::config(config.as_deref())?)
        }
        cli::Verb::Config { what: cli::ConfigVerb::Check { file } } => {
            let config = load::config(Some(&file))?;
            stage::compile(&config).with_context(|| file.display().to_string())?;
            outputs::resolve(&config, &load::board(&config)?).with_context(|| file.display().to_string())?;
            println!("{}: good: {}", file.display(), console::summary(&config));
            Ok(())
        }
        cli::Verb::Token { what: cli::TokenVerb::New { config, role, ttl, label } } => {
            let config = load::config(Some(&config))?;
            let state = load::state_dir(&config);
            println!(
                "{}",
                nightjar_api::mint_token(&state, role.into(), ttl, &label, nightjar_io::clock::wall())?
            );
            Ok(())
        }
    }
}
