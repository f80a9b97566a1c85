//! A running hawkBit → a table of what fifty simulated boards and it did together; fails if a row is not as it must be.
//! `cargo xtask fleet` gets and starts the server.

mod board;
mod cutter;
mod hawkbit;
mod scenes;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// No wait is longer; on a busy machine the server is slow.
const DEADLINE: Duration = Duration::from_secs(900);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until `look` finds something; gives how long that took.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<(Duration, T)> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok((begin.elapsed(), found));
        }
        if begin.elapsed() > DEADLINE {
            bail!("still not so after {} s: {what}", DEADLINE.as_secs());
        }
        sleep(LOOK).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, folder, count] = &words[..] else { bail!("usage: fleet URL FOLDER BOARDS") };
    let count: usize = count.parse().context("BOARDS is a number")?;
    let rows = scenes::all(server, &PathBuf::from(folder), count).await?;
    println!("\n| scene | must be | was | s |\n|---|---|---|---:|");
    for row in &rows {
        let mark = if row.is_right { "" } else { "**WRONG** " };
        println!("| {} | {} | {mark}{} | {:.0} |", row.scene, row.must, row.was, row.took.as_secs_f64());
    }
    let wrong = rows.iter().filter(|row| !row.is_right).count();
    if wrong > 0 {
        bail!("{wrong} of {} rows are not as they must be", rows.len());
    }
    Ok(())
}
