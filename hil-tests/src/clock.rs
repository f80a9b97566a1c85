//! Nothing → a stopwatch, and waiting for something with a deadline. The only file here that asks what time it is.

use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often something is looked at that is waited for.
const PACE: Duration = Duration::from_millis(250);
/// As often, when a look is work for a board that has other things to do.
const PACE_OF_QUESTIONS: Duration = Duration::from_secs(1);

/// Time that passed since it was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods, reason = "this is the clock file of the board tests")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Looks until `look` gives something, and gives that; an error that says what was waited for when it takes too long.
pub(crate) fn until<T>(what: &str, seconds: u64, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    at_pace(PACE, what, seconds, look)
}

/// As [`until`], more seldom: a look is a question that an emulated board has to start programs for, or begin a TLS session.
pub(crate) fn until_told<T>(what: &str, seconds: u64, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    at_pace(PACE_OF_QUESTIONS, what, seconds, look)
}

fn at_pace<T>(
    pace: Duration,
    what: &str,
    seconds: u64,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if watch.seconds() > seconds as f64 {
            bail!("waited {seconds} s for this: {what}");
        }
        std::thread::sleep(pace);
    }
}

/// Seconds since 1970 UTC.
#[allow(clippy::disallowed_methods, reason = "this is the clock file of the board tests")]
pub(crate) fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock is before 1970")?.as_secs())
}

/// Lets a time pass that a test is about, e.g. how long a board is left in the middle of something.
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}
