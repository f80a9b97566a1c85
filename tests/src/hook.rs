//! A webhook's target on loopback: refuses the first test, takes everything else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Whoever says nothing for so long is hung up on.
const SILENT: Duration = Duration::from_secs(5);
/// Longest message that is read.
const LONGEST: u64 = 64 << 10;

/// Starts it; gives its port. It ends with the test.
pub fn start() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let mut has_refused = false;
        for stream in listener.incoming().flatten() {
            let _ = answer(&stream, &mut has_refused); // who hung up needs no answer
        }
    });
    port
}

fn answer(stream: &TcpStream, has_refused: &mut bool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENT))?;
    let mut request = BufReader::new(stream.take(LONGEST));
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        length = lower.strip_prefix("content-length:").and_then(|n| n.trim().parse().ok()).unwrap_or(length);
        line.clear();
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    let refuses = !*has_refused && String::from_utf8_lossy(&body).contains("Test by");
    *has_refused |= refuses;
    let status = if refuses { "400 Bad Request" } else { "200 OK" };
    write!(&mut &*stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
