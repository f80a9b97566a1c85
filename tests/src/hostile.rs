//! Web servers that a webhook should not meet: each takes connections and does one thing with them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// What a server does with whoever asks.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Never answers.
    Silent,
    /// Sends on to this address.
    Redirects(String),
    /// Answers with so many bytes.
    Talks(usize),
}

/// A server that goes on until the test's process ends.
pub struct Server {
    /// On 127.0.0.1.
    pub port: u16,
    connections: Arc<AtomicU32>,
}

impl Server {
    /// On a free port.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::<AtomicU32>::default();
        let count = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Relaxed);
                let manner = manner.clone();
                std::thread::spawn(move || manner.meet(stream));
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
    /// Errors mean that the other side went away, as it may.
    fn meet(&self, mut stream: TcpStream) {
        let _ = stream.set_write_timeout(Some(Duration::from_secs(60)));
        let mut asked = [0; 4096];
        if stream.read(&mut asked).unwrap_or(0) == 0 {
            return;
        }
        let head = match self {
            Self::Silent => {
                while stream.read(&mut asked).unwrap_or(0) > 0 {}
                return;
            }
            Self::Redirects(to) => {
                format!("HTTP/1.1 307 Over There\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Self::Talks(bytes) => format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n"),
        };
        let mut sent = stream.write_all(head.as_bytes());
        if let Self::Talks(bytes) = self {
            for _ in 0..bytes.div_ceil(asked.len()) {
                sent = sent.and_then(|()| stream.write_all(&asked));
            }
        }
        let _ = sent;
    }
}
