//! One RTSP connection: requests in; answers, and pictures or faults as commanded, out.

use super::rtp::{PAYLOAD_TYPE, Packetiser};
use super::wire::{Request, Requests};
use super::{Clip, Command, Mode, Sent, Shared};
use crate::{clock, seed::Seed};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::{Interval, interval, timeout};

/// A client that takes nothing for so long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
const SESSION: &str = "4e6a";

struct Session {
    shared: Arc<Shared>,
    connection: u64,
    socket: OwnedWriteHalf,
    command: watch::Receiver<Command>,
    seed: Seed,
    packets: Packetiser,
    /// Timestamp of the session's first picture; RFC 3550 wants it random.
    first_timestamp: u32,
    is_playing: bool,
    /// Pictures since PLAY, sent or not.
    ticks: u64,
    /// Clip on air and its next picture.
    on_air: (usize, usize),
}

/// Serves one connection to its end.
pub(super) async fn run(stream: TcpStream, connection: u64, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, socket) = stream.into_split();
    let command = shared.command.subscribe();
    let drops = command.borrow().drops;
    let mut seed = Seed::new(connection);
    let packets = Packetiser::new(seed.bits() as u32, seed.bits() as u16, 0);
    let first_timestamp = seed.bits() as u32;
    let mut session = Session {
        connection,
        socket,
        command,
        seed,
        packets,
        first_timestamp,
        is_playing: false,
        ticks: 0,
        on_air: (0, 0),
        shared,
    };
    let mut requests = Requests::new(reader);
    let mut ticker: Interval = interval(Duration::from_millis(1000 / u64::from(session.shared.clips[0].fps)));
    loop {
        let is_playing = session.is_playing;
        if session.ticks == 0 {
            ticker.reset(); // the first picture is due a moment after PLAY, however long the client took to it
        }
        tokio::select! {
            request = requests.next() => session.answer(&request?).await?,
            _ = ticker.tick(), if is_playing => session.tick().await?,
            changed = session.command.changed() => {
                let is_cut = session.command.borrow().drops != drops;
                if is_cut || changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

impl Session {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(WRITE_DEADLINE, self.socket.write_all(bytes)).await?
    }

    async fn answer(&mut self, request: &Request) -> io::Result<()> {
        let sequence = request.header("cseq").to_string();
        if let Some(login) = self.shared.login.clone() {
            let proof = request.header("authorization");
            if request.method != "OPTIONS" && !login.accepts(&request.method, proof) {
                if !proof.is_empty() {
                    self.shared.log().refused += 1;
                }
                let challenge = login.challenge();
                let head =
                    format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\nWWW-Authenticate: {challenge}");
                return self.send(format!("{head}\r\n\r\n").as_bytes()).await;
            }
        }
        let (headers, body) = self.perform(request).await;
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{headers}{length}\r\n{body}");
        self.send(head.as_bytes()).await?;
        match request.method.as_str() {
            "PLAY" => {
                self.is_playing = true;
                self.shared.log().plays += 1;
            }
            "TEARDOWN" => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
        Ok(())
    }

    /// Headers and body of the answer.
    async fn perform(&mut self, request: &Request) -> (String, String) {
        match request.method.as_str() {
            "OPTIONS" => {
                let verbs = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
                (format!("Public: {verbs}\r\n"), String::new())
            }
            "DESCRIBE" => {
                tokio::time::sleep(self.shared.start_delay).await;
                let base = request.url.trim_end_matches('/');
                let clip = self.command.borrow().clip;
                let headers = format!("Content-Type: application/sdp\r\nContent-Base: {base}/\r\n");
                (headers, sdp(&self.shared.clips[clip]))
            }
            "SETUP" => {
                let ssrc = self.packets.ssrc;
                let transport = format!("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={ssrc:08X}");
                (format!("Transport: {transport}\r\nSession: {SESSION};timeout=60\r\n"), String::new())
            }
            "PLAY" => {
                let base = request.url.trim_end_matches('/');
                let (sequence, time) = (self.packets.sequence, self.first_timestamp);
                let info = format!("url={base}/track1;seq={sequence};rtptime={time}");
                (format!("Session: {SESSION}\r\nRange: npt=0.000-\r\nRTP-Info: {info}\r\n"), String::new())
            }
            _ => (format!("Session: {SESSION}\r\n"), String::new()),
        }
    }

    /// One picture's time has come.
    async fn tick(&mut self) -> io::Result<()> {
        let command = *self.command.borrow();
        if command.clip != self.on_air.0 {
            self.on_air = (command.clip, 0);
        }
        let shared = Arc::clone(&self.shared);
        let clip = &shared.clips[self.on_air.0];
        let frame = &clip.frames[self.on_air.1];
        self.on_air.1 = (self.on_air.1 + 1) % clip.frames.len();
        let passed = self.ticks * 90_000 / u64::from(clip.fps);
        let timestamp = self.first_timestamp.wrapping_add(passed as u32);
        self.ticks += 1;
        match command.mode {
            Mode::Play => {
                let bytes = self.packets.picture(&frame.nals, timestamp);
                self.send(&bytes).await?;
                let sent =
                    Sent { connection: self.connection, at_ms: clock::wall_ms(), hash: frame.hash.clone() };
                shared.log().sent.push(sent);
                Ok(())
            }
            Mode::Stall => Ok(()),
            Mode::GarbagePayload => {
                let bytes = self.packets.garbage(timestamp, &mut self.seed);
                self.send(&bytes).await
            }
            Mode::GarbageFraming => {
                let bytes = self.seed.bytes(1000);
                self.send(&bytes).await
            }
        }
    }
}

/// RFC 8866 session description with the parameter sets of RFC 6184, section 8.1.
fn sdp(clip: &Clip) -> String {
    let profile: String = clip.sps[1..4].iter().map(|byte| format!("{byte:02X}")).collect();
    let (sps, pps) = (BASE64_STANDARD.encode(&clip.sps), BASE64_STANDARD.encode(&clip.pps));
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=fake camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        &format!("m=video 0 RTP/AVP {PAYLOAD_TYPE}"),
        &format!("a=rtpmap:{PAYLOAD_TYPE} H264/90000"),
        &format!("a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sps},{pps}"),
        "a=control:track1",
        "",
    ]
    .join("\r\n")
}
