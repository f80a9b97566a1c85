//! One eye process after the other: start it, shake hands, carry messages both ways, notice when it is gone or hangs.

use super::{EyeConfig, EyeState, Shared};
use crate::clock;
use nightjar_types::eye::{self, FromEye, PROTOCOL, ToEye};
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{timeout, timeout_at};

/// A model is loaded and optimised before the first answer; a Pi Zero takes its time.
const HELLO_DEADLINE: Duration = Duration::from_secs(30);
/// How often it is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Silence after which it is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take in a message.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// Pauses between starts: doubling from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// After this long a start counts as good and the pauses begin anew.
const GOOD: Duration = Duration::from_secs(60);
/// With no camera to look at, it is let go after this long.
const IDLE_FOR: Duration = Duration::from_secs(60);
const IDLE: &str = "nobody asks for pictures";
const RENEWED: &str = "it is to read its measurements";
/// Its exit code when something it needs is missing or wrong.
const CANNOT_START: i32 = 3;
/// How long its exit code and last line may take after the connection broke.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Niceness: recording goes first.
const NICE: i32 = 10;

pub(super) struct Link {
    config: EyeConfig,
    shared: Arc<Shared>,
    seen: mpsc::Sender<FromEye>,
}

impl Link {
    pub(super) fn new(config: EyeConfig, shared: Arc<Shared>, seen: mpsc::Sender<FromEye>) -> Self {
        Self { config, shared, seen }
    }

    pub(super) async fn keep_running(self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSES.0;
        loop {
            if self.is_on_demand() {
                tokio::select! {
                    () = self.until_asked() => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
            let begun = clock::mono();
            let why = tokio::select! {
                why = self.run_once() => why,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if why == IDLE || why == RENEWED {
                self.reset(None);
                continue;
            }
            tracing::warn!(why, "the eye ended; starting it again");
            self.reset(Some(why));
            if clock::mono().since(begun) > GOOD {
                pause = PAUSES.0;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// No camera is detected on: the eye only runs while somebody asks for pictures.
    fn is_on_demand(&self) -> bool {
        self.config.cameras.is_empty()
    }

    async fn until_asked(&self) {
        while self.shared.stills().asked.is_empty() {
            self.shared.wake.notified().await;
        }
    }

    fn reset(&self, why: Option<String>) {
        {
            let mut state = self.shared.state();
            let (restarts, model) =
                (state.restarts + u64::from(why.is_some()), std::mem::take(&mut state.model));
            *state = EyeState { restarts, model, error: why, ..EyeState::default() };
        }
        let mut stills = self.shared.stills();
        stills.asked.clear();
        stills.waiting.clear();
    }

    /// Starts it and stays until it ends. Returns why, in words.
    async fn run_once(&self) -> String {
        let (mut child, socket) = match self.spawn() {
            Ok(started) => started,
            Err(e) => return format!("{} cannot be started: {e}", self.config.program.display()),
        };
        self.shared.state().pid = child.id();
        let said = child.stderr.take().map(|from| tokio::spawn(pass_on(from)));
        let (mut from, mut to) = socket.into_split();
        let why = match timeout(HELLO_DEADLINE, self.shake_hands(&mut from, &mut to)).await {
            Err(_) => "it did not say hello in time".to_string(),
            Ok(Err(why)) => why,
            Ok(Ok(())) => {
                self.shared.mailboxes.iter().for_each(|m| m.renew());
                tokio::select! {
                    why = self.listen(&mut from) => why,
                    why = self.tell(&mut to) => why,
                    () = self.shared.renew.notified() => RENEWED.into(),
                }
            }
        };
        // an eye that exits by itself has usually said more in its exit code
        let status =
            if why == IDLE || why == RENEWED { None } else { timeout(LAST_WORDS, child.wait()).await.ok() };
        let _ = child.start_kill(); // fails when it is gone already
        match status {
            // it said on its standard error what it misses
            Some(Ok(status)) if status.code() == Some(CANNOT_START) => match said {
                Some(said) => timeout(LAST_WORDS, said).await.ok().and_then(Result::ok).unwrap_or(why),
                None => why,
            },
            Some(Ok(status)) => format!("{why} ({status})"),
            _ => why,
        }
    }

    fn spawn(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(&self.config.program)
            .arg("serve")
            .args(&self.config.args)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0) // a Ctrl-C on the console is the recorder's to obey
            .spawn()?;
        if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
            // both only make a bad day better; a kernel that refuses is no reason not to see
            let _ = rustix::process::setpriority_process(Some(pid), NICE);
            let _ = std::fs::write(format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()), "800");
        }
        Ok((child, UnixStream::from_std(ours)?))
    }

    async fn shake_hands(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<(), String> {
        send(to, &ToEye::Hello { protocol: PROTOCOL }).await?;
        match receive(from).await? {
            FromEye::Hello { protocol: PROTOCOL, model } => {
                tracing::info!(card = model.card, "the eye is open");
                {
                    let mut state = self.shared.state();
                    state.is_running = true;
                    state.error = None;
                    state.since = Some(clock::mono());
                    state.model = model.clone();
                }
                // the stage must know: track numbers begin anew
                let hello = FromEye::Hello { protocol: PROTOCOL, model };
                self.seen.send(hello).await.map_err(|_| "nobody listens any more".to_string())
            }
            FromEye::Hello { protocol, .. } => Err(format!(
                "it speaks protocol {protocol}, this recorder {PROTOCOL}; install both from one release"
            )),
            other => Err(format!("it began with {other:?} instead of hello")),
        }
    }

    async fn listen(&self, from: &mut OwnedReadHalf) -> String {
        loop {
            let message = match timeout(SILENCE, receive(from)).await {
                Err(_) => return "it went silent".into(),
                Ok(Err(why)) => return why,
                Ok(Ok(message)) => message,
            };
            match message {
                FromEye::Pong { counters, .. } => self.shared.state().counters = counters,
                FromEye::Measured(measured) => self.shared.state().measured = Some(measured),
                FromEye::Decoder { stream, element } => {
                    self.shared.state().decoders.insert(stream, element);
                }
                FromEye::Still { request, jpeg } => {
                    if let Some(answer) = self.shared.stills().waiting.remove(&request) {
                        let _ = answer.send(jpeg); // whoever asked may have gone
                    }
                }
                FromEye::Hello { .. } => return "it said hello twice".into(),
                seen => {
                    if self.seen.send(seen).await.is_err() {
                        return "nobody listens any more".into();
                    }
                }
            }
        }
    }

    async fn tell(&self, to: &mut OwnedWriteHalf) -> String {
        let mut ping_at = tokio::time::Instant::now() + PING_EVERY;
        let mut nonce = 0;
        let mut busy = clock::mono();
        loop {
            let news = timeout_at(ping_at, self.shared.wake.notified()).await;
            let mut told = self.tell_all(to).await;
            if self.is_on_demand() && self.shared.stills().waiting.is_empty() {
                if clock::mono().since(busy) > IDLE_FOR {
                    return IDLE.into();
                }
            } else {
                busy = clock::mono();
            }
            if news.is_err() && told.is_ok() {
                nonce += 1;
                ping_at += PING_EVERY;
                told = send(to, &ToEye::Ping { nonce }).await;
            }
            if let Err(why) = told {
                return why;
            }
        }
    }

    async fn tell_all(&self, to: &mut OwnedWriteHalf) -> Result<(), String> {
        loop {
            let Some(question) = self.shared.stills().asked.pop_front() else { break };
            send(to, &question).await?;
        }
        for (n, mailbox) in self.shared.mailboxes.iter().enumerate() {
            let (taken, stream) = (mailbox.take(), n as u32);
            match taken.params {
                Some(Some(params)) => {
                    let (camera, min_score) = (self.config.cameras[n].clone(), self.config.min_score);
                    send(
                        to,
                        &ToEye::Open {
                            stream,
                            camera,
                            codec: params.codec,
                            config: params.config,
                            min_score,
                        },
                    )
                    .await?;
                }
                Some(None) => send(to, &ToEye::Close { stream }).await?,
                None => {}
            }
            if taken.has_skipped {
                send(to, &ToEye::Skip { stream }).await?;
            }
            for unit in taken.units {
                send(to, &ToEye::Unit { stream, mono: unit.arrived, is_key: unit.is_key, data: unit.data })
                    .await?;
            }
        }
        Ok(())
    }
}

/// Its log lines go where ours go; the last one is kept.
async fn pass_on(from: ChildStderr) -> String {
    let mut lines = BufReader::new(from).lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
        last = line;
    }
    last.strip_prefix("nightjar-eye: ").map(String::from).unwrap_or(last)
}

async fn send(to: &mut OwnedWriteHalf, message: &ToEye) -> Result<(), String> {
    let bytes = match eye::encode(message) {
        Ok(bytes) => bytes,
        Err(e) => {
            tracing::warn!(error = %e, "a picture is too large for the eye; left out");
            return Ok(());
        }
    };
    match timeout(WRITE_DEADLINE, to.write_all(&bytes)).await {
        Err(_) => Err("it does not take in pictures any more".into()),
        Ok(Err(e)) => Err(format!("the connection broke: {e}")),
        Ok(Ok(())) => Ok(()),
    }
}

async fn receive(from: &mut OwnedReadHalf) -> Result<FromEye, String> {
    let broken = |e: io::Error| format!("the connection broke: {e}");
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await.map_err(broken)?;
    let len = eye::body_len(prefix).map_err(|e| e.to_string())?;
    let mut body = vec![0; len];
    from.read_exact(&mut body).await.map_err(broken)?;
    eye::decode(&body).map_err(|e| e.to_string())
}
