//! A TCP connection → RTSP requests; RTCP that the client interleaves is passed over.

use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// A head longer than this is no RTSP client.
const HEAD_LIMIT: usize = 16 << 10;

/// One request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value, empty when it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn parse(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_string);
        let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let pairs = lines.filter_map(|line| line.split_once(':'));
        let headers = pairs.map(|(key, value)| (key.trim().to_string(), value.trim().to_string())).collect();
        Self { method, url, headers }
    }
}

/// Reads requests; keeps what came too early.
pub(super) struct Requests {
    socket: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Requests {
    pub(super) fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, buffer: Vec::new() }
    }

    /// The next request. Nothing is lost when the future is dropped. An error is the end of the connection.
    pub(super) async fn next(&mut self) -> io::Result<Request> {
        loop {
            if let Some(request) = self.take() {
                return Ok(request);
            }
            let room = self.buffer.len() < HEAD_LIMIT;
            if !room || self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self) -> Option<Request> {
        while self.buffer.first() == Some(&b'$') {
            let length = [*self.buffer.get(2)?, *self.buffer.get(3)?];
            let end = 4 + usize::from(u16::from_be_bytes(length));
            if self.buffer.len() < end {
                return None;
            }
            self.buffer.drain(..end);
        }
        let head = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let request = Request::parse(&String::from_utf8_lossy(&self.buffer[..head]));
        let end = head + 4 + request.header("content-length").parse().unwrap_or(0);
        if self.buffer.len() < end {
            return None;
        }
        self.buffer.drain(..end);
        Some(request)
    }
}
