//! The recorder's command line: `run`, `config check`, `token new`. Everything else is wiring in the modules below.

mod arming;
mod check;
mod cli;
mod clip;
mod compile;
mod console;
mod daemon;
mod daily;
mod desk;
mod forecast;
mod gate;
mod health;
mod heat;
mod isolation;
mod journal;
mod keeping;
mod latency;
mod load;
mod measuring;
mod names;
mod night;
mod outputs;
mod own;
mod pace;
mod power;
mod problems;
mod rehearse;
mod relays;
mod reload;
mod resight;
#[cfg(test)]
mod seed;
mod sight;
mod stage;
mod story;
mod supervisor;
mod tampering;
mod updates;
mod verify;
mod welcome;

use anyhow::Context;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE, // what is wrong was printed
        Err(e) => {
            eprintln!("nightjar: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// False: the answer is no.
fn run(args: cli::Args) -> anyhow::Result<bool> {
    match args.verb {
        cli::Verb::Run { config } => {
            console::start_logging();
            loop {
                match daemon::run(load::config(config.as_deref())?, config.clone())? {
                    daemon::End::Stop => return Ok(true),
                    daemon::End::PowerOff if power::off()? => return Ok(true),
                    daemon::End::Again | daemon::End::PowerOff => {}
                }
            }
        }
        cli::Verb::Check { folder, config, rebuild, json } => {
            check::run(folder.as_deref(), config.as_deref(), rebuild, json)
        }
        cli::Verb::Config { what: cli::ConfigVerb::Check { file } } => {
            let config = load::config(Some(&file))?;
            let care = load::tried(&config).with_context(|| file.display().to_string())?;
            for words in own::in_place(&config)?.into_iter().chain(care) {
                println!("{}: take care: {words}", file.display());
            }
            println!("{}: good: {}", file.display(), console::summary(&config));
            Ok(true)
        }
        cli::Verb::Token { what: cli::TokenVerb::New { config, role, ttl, label } } => {
            let config = load::config(Some(&config))?;
            let state = load::state_dir(&config);
            println!(
                "{}",
                nightjar_api::mint_token(&state, role.into(), ttl, &label, nightjar_io::clock::wall())?
            );
            Ok(true)
        }
        cli::Verb::Rules { what: cli::RulesVerb::Rehearse { config, rules, from, to } } => {
            rehearse::run(&config, &rules, from.as_deref(), to.as_deref())?;
            Ok(true)
        }
        cli::Verb::Relays => {
            console::start_logging();
            relays::run()?;
            Ok(true)
        }
        cli::Verb::Welcome { listen, page, qr, folder, heard, failed } => {
            console::start_logging();
            qr.iter().for_each(|text| console::show_qr(text));
            welcome::run(&welcome::Welcome { listen, page, folder, heard, failed })?;
            Ok(true)
        }
        cli::Verb::Verify { files, key, json } => verify::run(&files, key.as_deref(), json),
    }
}
