//! The update agent's command line: `run` is the agent, everything else asks it.

mod cli;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use cli::{Args, Verb};
use nightjar_ddi::Pace;
use nightjar_ota::{Agent, Config, Fleet, Socket, State, client, hawkbit, listen, usb};
use sd_notify::NotifyState;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Read when it is there and no other is named.
const CONFIG: &str = "/etc/nightjar/ota.toml";
/// systemd's watchdog is fed this often: a third of what the unit gives it.
const FEED_EVERY: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    let done = runtime.context("no runtime").and_then(|runtime| {
        let done = runtime.block_on(run(Args::parse()));
        runtime.shutdown_timeout(Duration::from_secs(1));
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nightjar-ota: {e:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    if let Verb::Check { file } = &args.verb {
        let config = Config::load(Some(file))?;
        config.fleet.as_ref().map(|server| server.open()).transpose()?;
        println!("{}: good", file.display());
        return Ok(());
    }
    let usual = PathBuf::from(CONFIG);
    let file = args.config.or_else(|| usual.exists().then_some(usual));
    let config = Config::load(file.as_deref())?;
    let socket = config.socket.clone();
    match args.verb {
        Verb::Run => serve(config).await,
        Verb::Check { .. } => Ok(()),
        Verb::Status { json } => {
            let status = get(&socket, "/v1/status").await?;
            if json { print_json(&status) } else { print_status(&status) }
        }
        Verb::History { json } => {
            let history = get(&socket, "/v1/history").await?;
            if json { print_json(&history) } else { print_history(&history) }
        }
        Verb::Install { bundle } => install(&socket, &bundle).await,
        Verb::Cancel => tell(&socket, "/v1/cancel").await,
        Verb::Reboot => tell(&socket, "/v1/reboot").await,
        Verb::Usb { folder } => {
            start_logging();
            let words = usb::offer(&socket, &folder).await.map_err(|why| anyhow!(why))?;
            tracing::info!("{words}");
            Ok(())
        }
    }
}

async fn serve(config: Config) -> Result<()> {
    start_logging();
    let config = Arc::new(config);
    let state = State::open(&config.state)?;
    let listener = listen(&config.socket)?;
    let (agent, desk, fleet) = Agent::new(config.clone(), state.clone());
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let fed = async {
        loop {
            tokio::time::sleep(FEED_EVERY).await;
            notify(NotifyState::Watchdog);
        }
    };
    tokio::select! {
        done = agent.run(|| notify(NotifyState::Ready)) => done.context("the agent ended"),
        () = Socket::new(config.clone(), state, desk).serve(listener) => Ok(()),
        () = fed => Ok(()),
        () = obey_server(&config, fleet) => Ok(()),
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}

/// The fleet's orders, as long as the agent works. A login that cannot be used must not end it: there may be a system on trial.
async fn obey_server(config: &Config, fleet: Fleet) {
    match config.fleet.as_ref().map(|server| server.open()) {
        Some(Ok((client, manner))) => hawkbit::serve(fleet, client, manner, Pace::default()).await,
        Some(Err(why)) => tracing::error!(%why, "no fleet's server is asked"),
        None => {}
    }
    std::future::pending().await
}

fn notify(state: NotifyState<'_>) {
    if let Err(e) = sd_notify::notify(false, &[state]) {
        tracing::warn!(error = %e, "systemd could not be told");
    }
}

async fn install(socket: &Path, bundle: &str) -> Result<()> {
    let is_address = bundle.starts_with("https://") || bundle.starts_with("http://");
    let action = if is_address {
        let form = serde_json::json!({ "url": bundle }).to_string();
        let answer = client::ask(socket, hyper::Method::POST, "/v1/install?origin=console", Some(form)).await;
        client::action_of(&answer.map_err(|why| anyhow!(why))?)
    } else {
        client::send(socket, Path::new(bundle), "console").await
    };
    let action = action.map_err(|why| anyhow!(why))?;
    let words =
        client::follow(socket, &action, |line| println!("{line}")).await.map_err(|why| anyhow!(why))?;
    println!("{words}");
    Ok(())
}

async fn get(socket: &Path, path: &str) -> Result<Value> {
    client::ask(socket, hyper::Method::GET, path, None).await.map_err(|why| anyhow!(why))
}

async fn tell(socket: &Path, path: &str) -> Result<()> {
    let said = client::ask(socket, hyper::Method::POST, path, None).await.map_err(|why| anyhow!(why))?;
    println!("{}", said["words"].as_str().unwrap_or_default());
    Ok(())
}

fn print_json(value: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn print_status(status: &Value) -> Result<()> {
    let word = |key: &str| status[key].as_str().unwrap_or("none").to_owned();
    println!("version {} in slot {}; floor: {}", word("version"), word("slot"), word("floor"));
    println!("{}", word("words"));
    if let Some(words) = status["progress"]["words"].as_str().filter(|w| !w.is_empty()) {
        println!("{} %: {words}", status["progress"]["percent"]);
    }
    if status["last"].is_object() {
        println!("last: {}", line(&status["last"]));
    }
    Ok(())
}

fn print_history(history: &Value) -> Result<()> {
    let entries = history["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().for_each(|entry| println!("{}", line(entry)));
    if entries.is_empty() {
        println!("no update yet");
    }
    Ok(())
}

fn line(entry: &Value) -> String {
    let word = |key: &str| entry[key].as_str().unwrap_or_default();
    let at = nightjar_types::Wall::from_ms(entry["at_ms"].as_i64().unwrap_or_default());
    let gap = entry["gap_s"].as_u64().map(|s| format!(", {s} s of recording missing")).unwrap_or_default();
    let unsure = if entry["clock_sure"] == false { " (clock not set)" } else { "" };
    format!(
        "{at}{unsure} slot {}: {} over {}: {}{gap}: {}",
        word("slot"),
        word("version"),
        word("from_version"),
        word("result"),
        word("reason")
    )
}

/// Logs to standard error; `NIGHTJAR_LOG` filters, e.g. `debug`.
fn start_logging() {
    let asked = std::env::var("NIGHTJAR_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| {
        Targets::new().with_default(tracing::Level::INFO).with_target("zbus", tracing::Level::WARN)
    });
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}
