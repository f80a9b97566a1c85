//! A [`Plan`] → a running `nightjar relays`, started again when it ends; what it says, in order.

use super::{FromKeeper, Plan, ToKeeper};
use anyhow::{Context, bail};
use nightjar_io::clock;
use nightjar_rules::Ask;
use nightjar_types::eye::{body_len, decode, encode};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How long it may take to open its lines.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(1);
/// Pauses before it is started again: at once, since its relays may be anywhere, then ever longer.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
];
/// One that lived for so long did not end because of how it was started.
const WELL: Duration = Duration::from_secs(60);
/// Messages that may wait for the rules.
const QUEUE: usize = 256;
/// What of our environment it gets.
const ENVIRONMENT: &[&str] = &["NIGHTJAR_LOG", "NIGHTJAR_SIM", "RUST_BACKTRACE"];

/// What comes from the keeper.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It said something.
    Said(FromKeeper),
    /// It ended, or could not be started again. Every line was given back to the kernel.
    Down(String),
    /// It runs again, with every line at its safe level.
    Up(UnixStream),
}

/// The recorder's end. Dropping it ends the process, which puts everything to its safe level first.
#[derive(Debug)]
pub(crate) struct Link {
    to: Option<UnixStream>,
    heard: mpsc::Receiver<Heard>,
}

impl Link {
    /// Starts it and waits until every line is at its safe level. Fails in words when one cannot be opened.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Self> {
        let (child, to) = spawn(&plan)?;
        let from = to.try_clone()?;
        let (send, heard) = mpsc::channel(QUEUE);
        tokio::spawn(attend(plan, child, from, send));
        Ok(Self { to: Some(to), heard })
    }

    /// What comes next. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }

    /// Takes the socket of one that was started again.
    pub(crate) fn is_up(&mut self, to: UnixStream) {
        self.to = Some(to);
    }

    /// The rules go round. False: nobody is there to hear it.
    pub(crate) fn beat(&mut self) -> bool {
        self.tell(&ToKeeper::Beat)
    }

    /// Asks for a move. False: nobody is there to make it.
    pub(crate) fn ask(&mut self, ask: Ask) -> bool {
        self.tell(&ToKeeper::Ask(ask))
    }

    /// All moves up to `n` are in the audit.
    pub(crate) fn heard(&mut self, n: u64) {
        self.tell(&ToKeeper::Heard(n));
    }

    /// Everything to its safe level, for good. False: nobody is there.
    pub(crate) fn stop(&mut self) -> bool {
        self.tell(&ToKeeper::Stop)
    }

    /// It does not answer: it is ended and started again.
    pub(crate) fn give_up(&mut self) {
        if let Some(to) = self.to.take() {
            let _ = to.shutdown(Shutdown::Both); // fails when it is gone already
        }
    }

    /// The socket holds thousands of these messages: when it takes no more, nobody reads them.
    fn tell(&mut self, message: &ToKeeper) -> bool {
        let Some(to) = &mut self.to else { return false };
        let sent = encode(message).map_err(std::io::Error::other).and_then(|bytes| to.write_all(&bytes));
        if let Err(e) = &sent {
            tracing::error!(error = %e, "the relays cannot be told");
            self.give_up();
        }
        sent.is_ok()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.heard.close(); // first, or the next one would be started
        self.give_up();
    }
}

/// Passes on what it says; starts it again when it ends, until nobody listens any more.
async fn attend(plan: Plan, mut child: Child, mut from: UnixStream, heard: mpsc::Sender<Heard>) {
    let mut tries = 0;
    loop {
        let began = clock::mono();
        let why = listen(from, &heard).await;
        if timeout(END_WITHIN, child.wait()).await.is_err() {
            let _ = child.kill().await; // the next must not find its lines taken
        }
        if clock::mono().since(began) >= WELL {
            tries = 0;
        }
        let mut why = format!("the process that keeps the relays ended: {why}");
        (child, from) = loop {
            if heard.send(Heard::Down(why)).await.is_err() {
                return;
            }
            sleep(PAUSES[tries.min(PAUSES.len() - 1)]).await;
            tries += 1;
            let again = plan.clone();
            let started = tokio::task::spawn_blocking(move || {
                let (child, to) = spawn(&again)?;
                anyhow::Ok((child, to.try_clone()?, to))
            });
            why = match started.await {
                Ok(Ok((child, from, to))) => {
                    if heard.send(Heard::Up(to)).await.is_err() {
                        return;
                    }
                    break (child, from);
                }
                Ok(Err(e)) => format!("{e:#}"),
                Err(e) => e.to_string(),
            };
        };
    }
}

/// Until the connection ends; says why.
async fn listen(from: UnixStream, heard: &mpsc::Sender<Heard>) -> String {
    let mut from = match tokio::net::UnixStream::from_std(from) {
        Ok(from) => tokio::io::BufReader::new(from),
        Err(e) => return e.to_string(),
    };
    let mut body = Vec::new();
    loop {
        let mut prefix = [0; 4];
        let said = async {
            from.read_exact(&mut prefix).await?;
            body.resize(body_len(prefix)?, 0);
            from.read_exact(&mut body).await?;
            anyhow::Ok(decode::<FromKeeper>(&body)?)
        };
        match said.await {
            Ok(said) => {
                if heard.send(Heard::Said(said)).await.is_err() {
                    return "nobody listens".into();
                }
            }
            Err(e) => return e.to_string(),
        }
    }
}

/// Starts the process and waits until its lines are open. Blocks.
fn spawn(plan: &Plan) -> anyhow::Result<(Child, UnixStream)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    // This very program, also when an update has put another one in its place.
    let child = Command::new("/proc/self/exe")
        .arg0("nightjar")
        .arg("relays")
        .env_clear()
        .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .process_group(0) // a Ctrl-C on the console is the recorder's to obey
        .spawn()
        .context("the process that keeps the relays cannot be started")?;
    ours.write_all(&encode(&ToKeeper::Open(plan.clone()))?)?;
    ours.set_read_timeout(Some(OPEN_WITHIN))?;
    let mut receive = || {
        let mut prefix = [0; 4];
        ours.read_exact(&mut prefix)?;
        let mut body = vec![0; body_len(prefix)?];
        ours.read_exact(&mut body)?;
        anyhow::Ok(decode(&body)?)
    };
    match receive().context("the process that keeps the relays does not answer")? {
        FromKeeper::Opened(Ok(())) => {}
        FromKeeper::Opened(Err(why)) => bail!("{why}"),
        other => bail!("the process that keeps the relays began with {other:?}"),
    }
    ours.set_nonblocking(true)?;
    Ok((child, ours))
}
