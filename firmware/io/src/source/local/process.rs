//! One capture process: started, greeted, listened to until it ends. Returns why, in words.

use super::device::Device;
use super::{Ended, Retry};
use bytes::Bytes;
use nightjar_types::capture::{FromCapture, PROTOCOL, ToCapture};
use nightjar_types::eye::{body_len, decode, encode};
use nightjar_types::{GapCause, Mono};
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A program that starts says hello at once; a Pi Zero under load takes its time.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// How long the last process may take to be gone after it was killed.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How long its exit code may take after the connection broke.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Read at once. Coded pictures have some kilobytes.
const BUFFER: usize = 256 << 10;
/// Above the recorder's, below the detector's (800): when memory is short, footage goes last.
const OOM_SCORE: &str = "400";
/// Its exit code when it does not know the verb: an older program.
const WRONG_ARGUMENTS: i32 = 2;
/// Its exit code when it speaks another protocol.
const OTHER_PROTOCOL: i32 = 4;

/// What a stream's session hears.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// The camera is open: pictures come soon.
    Ready,
    /// Width, height and avcC record.
    Params((u16, u16, Bytes)),
    /// One coded picture.
    Unit {
        /// When the camera took it.
        captured: Mono,
        /// NAL units with length prefixes, it says.
        data: Bytes,
    },
    /// Pictures were left out.
    Left(u32),
    /// Nothing more comes.
    Ended(Ended),
}

/// Runs one process to its end.
pub(super) async fn run(device: &Device) -> Ended {
    let mut child = device.child.lock().await;
    if let Some(mut old) = child.take() {
        let _ = old.start_kill(); // fails when it is gone already
        if timeout(GONE_WITHIN, old.wait()).await.is_err() {
            *child = Some(old);
            return gone(
                "the last capture process does not end: the camera's driver hangs; unplug the camera",
            );
        }
    }
    let (started, socket) = match spawn(device) {
        Ok(both) => both,
        Err(e) => return gone(&format!("{} cannot be started: {e}", device.program.display())),
    };
    let child = child.insert(started);
    let why = match talk(device, socket).await {
        Ok(ended) => {
            // It goes by itself; one that does not is ended before the next is started.
            let _ = timeout(LAST_WORDS, child.wait()).await;
            return ended;
        }
        Err(why) => why,
    };
    // One that ends by itself without a word has usually left an exit code.
    match timeout(LAST_WORDS, child.wait()).await {
        Ok(Ok(status)) if matches!(status.code(), Some(WRONG_ARGUMENTS | OTHER_PROTOCOL)) => gone(&format!(
            "{} is of another version: install both programs from one release",
            device.program.display()
        )),
        Ok(Ok(status)) => gone(&format!("the capture process ended ({status})")),
        _ => gone(&format!("the capture process: {why}")),
    }
}

fn gone(words: &str) -> Ended {
    Ended { cause: GapCause::Disconnected, words: words.into(), retry: Retry::Soon }
}

fn spawn(device: &Device) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&device.program)
        .arg("capture")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .process_group(0) // a Ctrl-C on the console is the recorder's to obey
        .spawn()?;
    if let Some(pid) = child.id() {
        // a kernel that refuses is no reason not to record
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE);
    }
    Ok((child, UnixStream::from_std(ours)?))
}

/// Greets and listens. An error is what broke the connection, `Ok` what the process said of its end.
async fn talk(device: &Device, socket: UnixStream) -> Result<Ended, String> {
    let (from, mut to) = socket.into_split();
    let mut from = BufReader::with_capacity(BUFFER, from);
    let start = ToCapture::Start { kind: device.kind, device: device.name.clone(), streams: device.wanted() };
    for message in [ToCapture::Hello { protocol: PROTOCOL }, start] {
        let bytes = encode(&message).map_err(|e| e.to_string())?;
        to.write_all(&bytes).await.map_err(broken)?;
    }
    match timeout(HELLO_WITHIN, receive(&mut from)).await {
        Err(_) => return Err("it did not say hello in time".into()),
        Ok(heard) => match heard? {
            FromCapture::Hello { protocol: PROTOCOL } => {}
            FromCapture::Hello { protocol } => {
                return Ok(gone(&format!(
                    "it speaks protocol {protocol}, this recorder {PROTOCOL}; install both from one release"
                )));
            }
            _ => return Err("it did not begin with hello".into()),
        },
    }
    loop {
        match receive(&mut from).await? {
            FromCapture::Hello { .. } => return Err("it said hello twice".into()),
            FromCapture::Ready { words } => {
                tracing::info!(camera = device.camera, "{words}");
                device.ready().await;
            }
            FromCapture::Params { stream, width, height, config } => {
                device.tell(stream, Heard::Params((width, height, config))).await;
            }
            FromCapture::Unit { stream, captured, data } => {
                device.tell(stream, Heard::Unit { captured, data }).await;
            }
            FromCapture::Left { stream, units } => device.tell(stream, Heard::Left(units)).await,
            FromCapture::Ended { cause, words } => return Ok(Ended { cause, words, retry: Retry::Soon }),
        }
    }
}

fn broken(e: io::Error) -> String {
    format!("the connection broke: {e}")
}

async fn receive(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<FromCapture, String> {
    let mut prefix = [0; 4];
    from.read_exact(&mut prefix).await.map_err(broken)?;
    let len = body_len(prefix).map_err(|e| e.to_string())?;
    let mut body = vec![0; len];
    from.read_exact(&mut body).await.map_err(broken)?;
    decode(&body).map_err(|e| e.to_string())
}
