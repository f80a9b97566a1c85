//! One client's connection → its requests answered (RFC 2326, interleaved TCP only), and after PLAY pictures when they are due.

use super::farm::{Shared, Track};
use super::footage::SSRC;
use crate::clock::since_1970;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes that the kernel keeps for a client that reads in lumps.
const SEND_BUFFER: usize = 1 << 20;
/// A client that takes nothing for this long is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// A client that lags by more loses pictures up to the next key frame, s.
const LAG: f64 = 4.0;
/// Between sender reports (RFC 3550), s.
const REPORT_EVERY: f64 = 5.0;
/// 1900 to 1970, s.
const NTP: u64 = 2_208_988_800;
/// Longest request.
const MAX_REQUEST: usize = 64 << 10;

/// Where replies and pictures go, in whole pieces.
type Out = Arc<Mutex<TcpStream>>;

/// Serves a client until it leaves or the farm stops.
pub(super) fn serve(shared: &Arc<Shared>, mut stream: TcpStream) {
    let Ok(out) = prepare(&stream) else { return };
    let mut client = Client { shared: shared.clone(), out, track: None, channel: 0, is_playing: false };
    let (mut have, mut buf) = (Vec::new(), [0; 4_096]);
    while !shared.is_stopping() {
        match stream.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => have.extend_from_slice(&buf[..n]),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(_) => break,
        }
        while let Some(request) = next_request(&mut have) {
            if client.answer(&request).is_err() {
                have.clear();
                break;
            }
        }
        if have.len() > MAX_REQUEST {
            break;
        }
    }
    stream.shutdown(Shutdown::Both).ok(); // ends the thread that sends
}

fn prepare(stream: &TcpStream) -> io::Result<Out> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    rustix::net::sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER)?;
    Ok(Arc::new(Mutex::new(stream.try_clone()?)))
}

struct Request {
    method: String,
    url: String,
    sequence: String,
    transport: String,
}

/// Takes the first whole request out of `have`; interleaved packets of the client (receiver reports) are skipped.
fn next_request(have: &mut Vec<u8>) -> Option<Request> {
    while have.first() == Some(&b'$') {
        let len = 4 + usize::from(u16::from_be_bytes([*have.get(2)?, *have.get(3)?]));
        if have.len() < len {
            return None;
        }
        have.drain(..len);
    }
    let end = have.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&have[..end]).into_owned();
    let field = |name: &str| {
        let found = text.lines().filter_map(|line| line.split_once(':'));
        found
            .into_iter()
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim().to_owned())
    };
    let body: usize = field("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    if have.len() < end + 4 + body {
        return None;
    }
    have.drain(..end + 4 + body);
    let mut words = text.split_whitespace();
    Some(Request {
        method: words.next()?.to_owned(),
        url: words.next()?.to_owned(),
        sequence: field("cseq").unwrap_or_default(),
        transport: field("transport").unwrap_or_default(),
    })
}

struct Client {
    shared: Arc<Shared>,
    out: Out,
    track: Option<Track>,
    channel: u8,
    is_playing: bool,
}

impl Client {
    fn answer(&mut self, request: &Request) -> io::Result<()> {
        let after_host = request.url.splitn(4, '/').nth(3).unwrap_or_default();
        let path = after_host.trim_end_matches('/').trim_end_matches("/track0");
        match request.method.as_str() {
            "OPTIONS" => {
                self.reply(request, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n", "")
            }
            "DESCRIBE" => match self.shared.find(path) {
                None => self.refuse(request, "404 Not Found"),
                Some(track) => {
                    let head = format!(
                        "Content-Base: {}/\r\nContent-Type: application/sdp\r\n",
                        request.url.trim_end_matches('/')
                    );
                    self.reply(request, &head, &track.clip.sdp)
                }
            },
            "SETUP" => {
                let Some(track) = self.shared.find(path) else {
                    return self.refuse(request, "404 Not Found");
                };
                if !request.transport.to_uppercase().contains("TCP") {
                    return self.refuse(request, "461 Unsupported Transport");
                }
                let wanted = request.transport.split("interleaved=").nth(1);
                let channel = wanted.and_then(|rest| rest.split(['-', ';', ',']).next()?.parse().ok());
                self.channel = channel.unwrap_or(0);
                self.track = Some(track);
                let c = self.channel;
                let head = format!(
                    "Transport: RTP/AVP/TCP;unicast;interleaved={c}-{};ssrc={SSRC:08X}\r\n",
                    c.wrapping_add(1)
                );
                self.reply(request, &head, "")
            }
            "PLAY" => self.play(request),
            "TEARDOWN" => {
                self.reply(request, "", "")?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            "GET_PARAMETER" | "SET_PARAMETER" => self.reply(request, "", ""),
            _ => self.refuse(request, "501 Not Implemented"),
        }
    }

    fn play(&mut self, request: &Request) -> io::Result<()> {
        let Some(track) = self.track.clone() else {
            return self.refuse(request, "455 Method Not Valid in This State");
        };
        let first = track.clip.key_from(track.after(self.shared.now()));
        let head = format!(
            "Range: npt=now-\r\nRTP-Info: url={}/track0;seq={};rtptime={}\r\n",
            request.url.trim_end_matches('/'),
            track.clip.sequence(first),
            track.clip.rtp_time(first)
        );
        self.reply(request, &head, "")?;
        if !std::mem::replace(&mut self.is_playing, true) {
            let session = self.shared.begin(&track, first);
            let (shared, out, channel) = (self.shared.clone(), self.out.clone(), self.channel);
            std::thread::spawn(move || send(&shared, &out, &track, channel, session, first));
        }
        Ok(())
    }

    fn refuse(&self, request: &Request, status: &str) -> io::Result<()> {
        self.write(format!("RTSP/1.0 {status}\r\nCSeq: {}\r\n\r\n", request.sequence))
    }

    fn reply(&self, request: &Request, head: &str, body: &str) -> io::Result<()> {
        let session = if self.track.is_some() { "Session: 1;timeout=60\r\n" } else { "" };
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.write(format!(
            "RTSP/1.0 200 OK\r\nCSeq: {}\r\n{session}{head}{length}\r\n{body}",
            request.sequence
        ))
    }

    fn write(&self, text: String) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }
}

/// Sends pictures from `first` on until the connection ends.
fn send(shared: &Shared, out: &Out, track: &Track, channel: u8, session: usize, first: u64) {
    let (mut n, mut buf, mut report_at) = (first, Vec::new(), 0.0);
    let (mut packets, mut octets) = (0u32, 0u32);
    while !shared.is_stopping() {
        let due = track.due(n);
        let wait = due - shared.now();
        if wait > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(wait));
        } else if wait < -LAG {
            let next = track.clip.key_from(track.after(shared.now()));
            shared.note(session, |session| session.dropped.extend(n..next));
            n = next;
            continue;
        }
        track.clip.write(n, channel, &mut buf);
        let picture = track.clip.picture(n);
        let mut stream = out.lock().unwrap_or_else(PoisonError::into_inner);
        if due >= report_at {
            report_at = due + REPORT_EVERY;
            let report = sender_report(channel, track.clip.rtp_time(n), packets, octets);
            if stream.write_all(&report).is_err() {
                return;
            }
        }
        if stream.write_all(&buf).is_err() {
            return;
        }
        drop(stream);
        packets = packets.wrapping_add(picture.starts.len() as u32);
        octets = octets.wrapping_add(picture.bytes as u32);
        n += 1;
        let late = shared.now() - due;
        shared.note(session, |session| {
            session.end = n;
            session.bytes += picture.bytes;
            session.late = session.late.max(late);
        });
    }
}

fn sender_report(channel: u8, rtp_time: u32, packets: u32, octets: u32) -> Vec<u8> {
    let now = since_1970();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    let mut report = vec![b'$', channel.wrapping_add(1), 0, 28, 0x80, 200, 0, 6];
    report.extend(SSRC.to_be_bytes());
    report.extend(((now.as_secs() + NTP) << 32 | fraction).to_be_bytes());
    for word in [rtp_time, packets, octets] {
        report.extend(word.to_be_bytes());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_whole_and_reports_of_the_client_skipped() {
        let mut have = b"$\x01\x00\x02ab".to_vec();
        have.extend(b"PLAY rtsp://h:1/cam01/main RTSP/1.0\r\nCSeq: 4\r\n\r\nOPT");
        let request = next_request(&mut have).expect("one whole request");
        assert_eq!((request.method.as_str(), request.sequence.as_str()), ("PLAY", "4"));
        assert_eq!(have, b"OPT");
        assert!(next_request(&mut have).is_none());
    }

    #[test]
    fn a_sender_report_has_the_length_that_it_says() {
        let report = sender_report(0, 1, 2, 3);
        assert_eq!(report.len(), 4 + 28);
        assert_eq!((report[1], report[5]), (1, 200));
    }
}
