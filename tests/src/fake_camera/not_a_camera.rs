//! An HTTP server where a camera was expected: whatever is asked, the answer is a web page.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PAGE: &str = "<html><body>It works!</body></html>";

/// A running web server; dropping it ends it.
pub struct NotACamera {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl NotACamera {
    /// On a free port of 127.0.0.1.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let is_over = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ours.load(Ordering::Relaxed) {
                    return;
                }
                let _ = answer(stream);
            }
        });
        Self { port, is_over }
    }

    /// The URL that somebody typed by mistake.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    lines.map_while(Result::ok).find(|line| line.is_empty());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", PAGE.len());
    write!(stream, "{head}Connection: close\r\n\r\n{PAGE}")
}

impl Drop for NotACamera {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread out of accept().
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
