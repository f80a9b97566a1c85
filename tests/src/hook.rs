//! Targets of webhooks on loopback: web servers that take what they are told, or do what a webhook should not meet.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Whoever says nothing, or takes nothing, for so long is hung up on.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest message that is read.
const LONGEST: u64 = 64 << 10;

/// What a target does with whoever asks.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Takes everything but the first message with these words, which it refuses.
    RefusesOnce(&'static str),
    /// Never answers.
    Silent,
    /// Sends on to this address.
    Redirects(String),
    /// Answers with so many bytes.
    Talks(usize),
}

/// A target that goes on until the test's process ends.
pub struct Target {
    /// On 127.0.0.1.
    pub port: u16,
    connections: Arc<AtomicU32>,
}

impl Target {
    /// On a free port.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (connections, refused) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let count = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Relaxed);
                let (manner, refused) = (manner.clone(), refused.clone());
                std::thread::spawn(move || manner.meet(&stream, &refused)); // who hung up needs no answer
            }
        });
        Self { port, connections }
    }

    /// How often somebody connected.
    pub fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }
}

impl Manner {
    fn meet(&self, stream: &TcpStream, refused: &AtomicU32) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let body = body(stream)?;
        let mut stream = stream;
        let (status, more, length) = match self {
            Self::Silent => return stream.read(&mut [0]).map(drop),
            Self::RefusesOnce(words) => {
                let is_it = String::from_utf8_lossy(&body).contains(words);
                let refuses = is_it && refused.fetch_add(1, Relaxed) == 0;
                (if refuses { "400 Bad Request" } else { "200 OK" }, String::new(), 0)
            }
            Self::Redirects(to) => ("307 Over There", format!("location: {to}\r\n"), 0),
            Self::Talks(bytes) => ("200 OK", String::new(), *bytes),
        };
        write!(stream, "HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n")?;
        std::io::copy(&mut std::io::repeat(b'x').take(length as u64), &mut stream).map(drop)
    }
}

/// A request's body.
fn body(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = BufReader::new(stream.take(LONGEST));
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        length = lower.strip_prefix("content-length:").and_then(|n| n.trim().parse().ok()).unwrap_or(length);
        line.clear();
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    Ok(body)
}
