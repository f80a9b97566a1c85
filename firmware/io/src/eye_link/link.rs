//! One eye process after the other: start it, shake hands, carry messages both ways, notice when it is gone or hangs.

use super::culprits::{Evidence, Suspect};
use super::process::{End, Process};
use super::sieve::{self, Sieve};
use super::{EyeConfig, EyeState, Shared};
use crate::clock;
use nightjar_types::Mono;
use nightjar_types::black_box::Mark;
use nightjar_types::eye::{self, Busy, Ease, FromEye, PROTOCOL, ToEye, Work};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{timeout, timeout_at};

/// A model is loaded and optimised before the first answer, at the very first start GStreamer looks at its some 250
/// plugins (7 s here, busy); a Pi Zero takes its time.
const HELLO_DEADLINE: Duration = Duration::from_secs(60);
/// How often it is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How long it may take in a message.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// With no camera to look at, it is let go after this long.
const IDLE_FOR: Duration = Duration::from_secs(60);
const IDLE: &str = "nobody asks for pictures";
const RENEWED: &str = "it is to read its measurements";

/// It was ended on purpose: nothing is wrong with it.
fn is_planned(why: &str) -> bool {
    [IDLE, RENEWED].contains(&why)
}

pub(super) struct Link {
    config: EyeConfig,
    shared: Arc<Shared>,
    seen: mpsc::Sender<FromEye>,
    sieve: Mutex<Sieve>,
    /// Pings so far; no answer may be to a later one.
    pings: AtomicU64,
}

/// Why an eye is let go, and whose doing that is known to be.
struct Fault {
    why: String,
    hangs: Option<Busy>,
    /// The connection broke: it is about to end by itself, and says why.
    is_gone: bool,
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self { why, hangs: None, is_gone: false }
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Self { is_gone: true, ..format!("the connection broke: {e}").into() }
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        why.to_string().into()
    }
}

impl Link {
    pub(super) fn new(config: EyeConfig, shared: Arc<Shared>, seen: mpsc::Sender<FromEye>) -> Self {
        let sieve = Mutex::new(Sieve::new(config.cameras.len()));
        Self { config, shared, seen, sieve, pings: AtomicU64::new(0) }
    }

    pub(super) async fn keep_running(self, mut stop: watch::Receiver<bool>) {
        let limits = self.config.limits;
        let mut pause = limits.pauses.0;
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
            if is_planned(&why) {
                self.reset(None);
                continue;
            }
            tracing::warn!(why, "the eye ended; starting it again");
            self.reset(Some(why));
            if clock::mono().since(begun) > limits.good {
                pause = limits.pauses.0;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            pause = (pause * 2).min(limits.pauses.1);
        }
    }

    /// No camera is detected on: the eye only runs while somebody asks for pictures.
    fn is_on_demand(&self) -> bool {
        self.config.cameras.is_empty()
    }

    async fn until_asked(&self) {
        while self.shared.stills().asked.is_empty() && !self.shared.archive.is_wanted() {
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
        self.shared.paces.iter().for_each(|pace| pace.set(false));
        let mut stills = self.shared.stills();
        stills.asked.clear();
        stills.waiting.clear();
    }

    /// Starts it and stays until it ends. Returns why, in words.
    async fn run_once(&self) -> String {
        let (process, socket) = match Process::start(&self.config) {
            Ok(started) => started,
            Err(e) => return format!("{} cannot be started: {e}", self.config.program.display()),
        };
        self.shared.state().pid = process.id();
        let (mut from, mut to) = socket.into_split();
        let fault = match timeout(HELLO_DEADLINE, self.shake_hands(&mut from, &mut to)).await {
            Err(_) => "it did not say hello in time".into(),
            Ok(Err(fault)) => fault,
            Ok(Ok(())) => {
                process.settle();
                self.shared.culprits().began();
                self.shared.mailboxes.iter().for_each(|m| m.renew());
                tokio::select! {
                    fault = self.listen(&mut from) => fault,
                    fault = self.tell(&mut to) => fault,
                    () = self.shared.renew.notified() => RENEWED.into(),
                }
            }
        };
        let Fault { why, hangs, is_gone } = fault;
        if is_planned(&why) {
            drop((from, to)); // it ends by itself then
            return process.end(why, true).await.why;
        }
        let end = process.end(why, is_gone).await;
        self.judge(end, hangs)
    }

    /// Whose bytes it was, if that is known; why it ended, in words that name them.
    fn judge(&self, end: End, hangs: Option<Busy>) -> String {
        let End { why, is_own_doing, marks } = end;
        let marks = match hangs {
            Some(Busy { work, on, mono, .. }) => vec![Mark { work, on, mono }],
            None if is_own_doing => marks,
            None => return why,
        };
        let suspects: Vec<(Suspect, Work)> = marks.iter().filter_map(|mark| self.suspect(*mark)).collect();
        let at: Vec<String> = marks.iter().filter_map(|mark| self.at(mark)).collect();
        let evidence = Evidence { marks: suspects, hung: hangs.is_some() };
        let caught = self.shared.culprits().died(&evidence, clock::mono());
        if let Some(Suspect::Stream(n)) = caught {
            tracing::error!(
                camera = self.camera(n),
                "its pictures ended the eye again and again: quarantine"
            );
        }
        if at.is_empty() || hangs.is_some() { why } else { format!("{why} while {}", at.join(" and ")) }
    }

    fn suspect(&self, mark: Mark) -> Option<(Suspect, Work)> {
        let suspect = match mark.work {
            Work::Still => Suspect::Still(*self.shared.stills().sources.get(&mark.on)?),
            Work::Decoding | Work::Looking => {
                self.config.cameras.get(mark.on as usize)?;
                Suspect::Stream(mark.on)
            }
        };
        Some((suspect, mark.work))
    }

    /// What a thread was at, for people.
    fn at(&self, mark: &Mark) -> Option<String> {
        let doing = match mark.work {
            Work::Decoding => "it decoded",
            Work::Looking => "its model looked at",
            Work::Still => return Some("it made a single picture".into()),
        };
        Some(format!("{doing} {}", self.config.cameras.get(mark.on as usize)?))
    }

    fn camera(&self, stream: u32) -> &str {
        self.config.cameras.get(stream as usize).map_or("", String::as_str)
    }

    async fn shake_hands(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<(), Fault> {
        send(to, &ToEye::Hello { protocol: PROTOCOL }).await?;
        match receive(from).await? {
            FromEye::Hello { protocol: PROTOCOL, model, sandbox } => {
                sieve::hello(&model, &sandbox)?;
                let (in_force, missing) = (sandbox.in_force.join(", "), sandbox.missing.join("; "));
                tracing::info!(card = model.card, in_force, missing, "the eye is open");
                {
                    let mut state = self.shared.state();
                    state.is_running = true;
                    state.error = None;
                    state.since = Some(clock::mono());
                    state.model = model.clone();
                    state.sandbox = sandbox.clone();
                }
                // the stage must know: track numbers begin anew
                let hello = FromEye::Hello { protocol: PROTOCOL, model, sandbox };
                self.shared.archive.renew(&hello);
                self.seen.send(hello).await.map_err(|_| "nobody listens any more".into())
            }
            FromEye::Hello { protocol, .. } => Err(format!(
                "it speaks protocol {protocol}, this recorder {PROTOCOL}; install both from one release"
            )
            .into()),
            _ => Err("it began with something else instead of hello".into()),
        }
    }

    async fn listen(&self, from: &mut OwnedReadHalf) -> Fault {
        let limits = self.config.limits;
        let mut before: Vec<Busy> = Vec::new();
        loop {
            let message = match timeout(limits.silence, receive(from)).await {
                Err(_) => {
                    return format!("it hangs: no sign of life for {} s", limits.silence.as_secs_f32())
                        .into();
                }
                Ok(Err(fault)) => return fault,
                Ok(Ok(message)) => message,
            };
            if let Err(why) =
                self.sieve.lock().unwrap_or_else(PoisonError::into_inner).check(&message, clock::mono())
            {
                return format!("what it says makes no sense: {why}").into();
            }
            let Some(message) = self.shared.archive.sort(message) else { continue };
            match message {
                FromEye::Pong { nonce, .. } if nonce > self.pings.load(Relaxed) => {
                    return "it answered what it was not asked".into();
                }
                FromEye::Pong { counters, busy, .. } => {
                    self.shared.state().counters = counters;
                    if let Some(hangs) = hanging(&before, &busy, limits.hang) {
                        return self.hangs(hangs);
                    }
                    before = busy;
                    self.shared.culprits().tick(clock::mono());
                }
                FromEye::Measured(measured) => self.shared.state().measured = Some(measured),
                FromEye::Decoder { stream, element } => {
                    self.shared.state().decoders.insert(stream, element);
                }
                FromEye::Still { request, jpeg } => {
                    if let Some(answer) = self.shared.stills().waiting.remove(&request) {
                        let _ = answer.send(jpeg); // whoever asked may have gone
                    }
                }
                FromEye::Pace { stream, is_quiet } => {
                    if let Some(pace) = self.shared.paces.get(stream as usize) {
                        pace.set(!is_quiet);
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

    fn hangs(&self, busy: Busy) -> Fault {
        let seconds = f64::from(busy.ms) / 1000.0;
        let camera = self.camera(busy.on);
        let why = match busy.work {
            Work::Decoding => format!("its decoder hangs: {seconds:.1} s on one picture of {camera}"),
            Work::Looking => format!("its model hangs: {seconds:.1} s on one picture of {camera}"),
            Work::Still => format!("it hangs: {seconds:.1} s on one still"),
        };
        Fault { hangs: Some(busy), ..why.into() }
    }

    async fn tell(&self, to: &mut OwnedWriteHalf) -> Fault {
        let mut ping_at = tokio::time::Instant::now() + PING_EVERY;
        let mut eased = Ease::default();
        let mut busy = clock::mono();
        let mut withheld = vec![false; self.shared.mailboxes.len()];
        loop {
            let news = timeout_at(ping_at, self.shared.wake.notified()).await;
            let mut told = self.tell_all(to, &mut withheld).await;
            let level = *self.shared.ease();
            if told.is_ok() && level != eased {
                told = send(to, &ToEye::Ease { level }).await;
                eased = level;
            }
            let is_needed = !self.shared.stills().waiting.is_empty() || self.shared.archive.is_wanted();
            if self.is_on_demand() && !is_needed {
                if clock::mono().since(busy) > IDLE_FOR {
                    return IDLE.into();
                }
            } else {
                busy = clock::mono();
            }
            if news.is_err() && told.is_ok() {
                ping_at += PING_EVERY;
                let nonce = self.pings.fetch_add(1, Relaxed) + 1;
                told = send(to, &ToEye::Ping { nonce }).await;
            }
            if let Err(fault) = told {
                return fault;
            }
        }
    }

    async fn tell_all(&self, to: &mut OwnedWriteHalf, withheld: &mut [bool]) -> Result<(), Fault> {
        loop {
            let Some(question) = self.shared.stills().asked.pop_front() else { break };
            send(to, &question).await?;
        }
        for (n, mailbox) in self.shared.mailboxes.iter().enumerate() {
            let stream = n as u32;
            let was_withheld = std::mem::replace(
                &mut withheld[n],
                self.shared.culprits().is_withheld(Suspect::Stream(stream)),
            );
            if withheld[n] {
                drop(mailbox.take());
                continue;
            }
            if was_withheld {
                mailbox.renew();
            }
            let taken = mailbox.take();
            match taken.params {
                Some(Some(params)) => {
                    self.shared.paces[n].set(true); // until it says otherwise
                    let (camera, min_score) = (self.config.cameras[n].clone(), self.config.min_scores[n]);
                    let (codec, config) = (params.codec, params.config);
                    send(to, &ToEye::Open { stream, camera, codec, config, min_score }).await?;
                }
                Some(None) => send(to, &ToEye::Close { stream }).await?,
                None => {}
            }
            if taken.has_skipped {
                send(to, &ToEye::Skip { stream }).await?;
            }
            for unit in taken.units {
                self.will_send(n, unit.arrived);
                send(to, &ToEye::Unit { stream, mono: unit.arrived, is_key: unit.is_key, data: unit.data })
                    .await?;
            }
        }
        for message in self.shared.archive.take() {
            send(to, &message).await?; // last: live pictures go first
        }
        Ok(())
    }

    fn will_send(&self, stream: usize, mono: Mono) {
        let newest = &mut self.sieve.lock().unwrap_or_else(PoisonError::into_inner).newest[stream];
        *newest = (*newest).max(Some(mono));
    }
}

/// A thread that was at the same thing in two answers, and for longer than `most`. One answer alone could be late: it
/// waits in the socket while whoever reads here is busy.
fn hanging(before: &[Busy], now: &[Busy], most: Duration) -> Option<Busy> {
    let is_same = |a: &Busy, b: &Busy| (a.work, a.on, a.mono) == (b.work, b.on, b.mono) && a.ms < b.ms;
    let too_long = |busy: &&Busy| u128::from(busy.ms) > most.as_millis();
    let worst = now.iter().filter(too_long).filter(|b| before.iter().any(|a| is_same(a, b)));
    worst.max_by_key(|busy| busy.ms).copied()
}

async fn send(to: &mut OwnedWriteHalf, message: &ToEye) -> Result<(), Fault> {
    let bytes = match eye::encode(message) {
        Ok(bytes) => bytes,
        Err(e) => {
            tracing::warn!(error = %e, "a picture is too large for the eye; left out");
            return Ok(());
        }
    };
    match timeout(WRITE_DEADLINE, to.write_all(&bytes)).await {
        Err(_) => Err("it hangs: it does not take in pictures any more".into()),
        Ok(Err(e)) => Err(e.into()),
        Ok(Ok(())) => Ok(()),
    }
}

async fn receive(from: &mut OwnedReadHalf) -> Result<FromEye, Fault> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await?;
    let len = eye::body_len(prefix).map_err(|e| e.to_string())?;
    let mut body = vec![0; len];
    from.read_exact(&mut body).await?;
    Ok(eye::decode(&body).map_err(|e| e.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hangs_when_two_answers_say_so() {
        let busy = |mono, ms| Busy { work: Work::Looking, on: 1, mono: Mono(mono), ms };
        let most = Duration::from_secs(8);
        assert_eq!(hanging(&[], &[busy(1, 9000)], most), None, "one answer may be old");
        assert_eq!(hanging(&[busy(1, 7000)], &[busy(1, 8001)], most), Some(busy(1, 8001)));
        assert_eq!(hanging(&[busy(1, 7000)], &[busy(2, 8001)], most), None, "another picture");
        assert_eq!(hanging(&[busy(1, 6000)], &[busy(1, 7000)], most), None);
    }
}
