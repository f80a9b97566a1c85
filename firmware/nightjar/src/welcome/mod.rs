//! A phone on the board's own access point → which Wi-Fi to join and the time zone, as files for `nightjar-setup`.
//!
//! Runs before anything is configured, so it needs no configuration. Whatever a phone asks for to find out whether there is an
//! internet leads here: RFC 8910 (captive portals), and a redirect for those who only try. One request at a time, each bounded.

mod form;
mod request;

use anyhow::Context;
use form::Wish;
use nightjar_io::clock;
use nightjar_io::storage::disk;
use nightjar_types::Mono;
use request::Request;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A phone that has not said what it wants by then is hung up on.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it was started with.
pub(crate) struct Welcome {
    /// Where it listens: the access point's address.
    pub(crate) listen: SocketAddr,
    /// Where the recorder's page is, as a phone reaches it here.
    pub(crate) page: String,
    /// Where the wish is left: `wifi.conf` and `environment`.
    pub(crate) folder: PathBuf,
    /// Names of networks that were heard, a line each; and why the last one could not be joined.
    pub(crate) heard: Option<PathBuf>,
    pub(crate) failed: Option<PathBuf>,
}

/// Answers until a phone has said which network to join.
pub(crate) fn run(welcome: &Welcome) -> anyhow::Result<()> {
    let listener = TcpListener::bind(welcome.listen)
        .with_context(|| format!("{} cannot be listened on", welcome.listen))?;
    tracing::info!(at = %listener.local_addr()?, "waits for a phone on the access point");
    loop {
        let (stream, _) = listener.accept()?;
        match welcome.serve(stream) {
            Ok(Some(wish)) => {
                leave(&welcome.folder, &wish)?;
                tracing::info!(network = wish.shown(), "will join");
                return Ok(());
            }
            Ok(None) => {}
            Err(e) => tracing::debug!(error = %e, "a request was not understood"),
        }
    }
}

impl Welcome {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<Option<Wish>> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = request::read(&mut Hurried { stream: &stream, begin: clock::mono() })?;
        let (answer, wish) = self.answer(&request);
        stream.write_all(answer.as_bytes())?;
        Ok(wish)
    }

    fn answer(&self, request: &Request) -> (String, Option<Wish>) {
        let read = |path: &Option<PathBuf>| {
            path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let is_ours = request.host == self.listen.ip().to_string() || request.host == self.listen.to_string();
        match (request.method.as_str(), request.path.as_str()) {
            _ if !is_ours => (request::redirect(&format!("http://{}/", self.address())), None),
            ("GET", "/") => {
                (request::html(200, &form::ask(&read(&self.heard), &read(&self.failed), &self.page)), None)
            }
            ("POST", "/join") => match Wish::of(&request.body) {
                Ok(wish) => (request::html(200, &form::thanks(&wish)), Some(wish)),
                Err(why) => (request::html(400, &form::ask(&read(&self.heard), why, &self.page)), None),
            },
            _ => (request::redirect(&format!("http://{}/", self.address())), None),
        }
    }

    /// As a browser writes it.
    fn address(&self) -> String {
        if self.listen.port() == 80 { self.listen.ip().to_string() } else { self.listen.to_string() }
    }
}

/// Whoever sends byte by byte holds up the next one for as long as this only.
struct Hurried<'s> {
    stream: &'s TcpStream,
    begin: Mono,
}

impl Read for Hurried<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = PATIENCE.saturating_sub(clock::mono().since(self.begin));
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

/// Puts the files in place; `wifi.conf` last, since `nightjar-setup` looks for it.
fn leave(folder: &Path, wish: &Wish) -> anyhow::Result<()> {
    let put = |name: &str, text: &str| {
        disk::replace(&folder.join(name), text.as_bytes(), 0o600)
            .with_context(|| format!("{} cannot be written", folder.join(name).display()))
    };
    if let Some(text) = wish.environment() {
        put("environment", &text)?;
    }
    put("wifi.conf", &wish.supplicant())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            listen: "10.77.0.1:80".parse().unwrap(),
            page: "https://10.77.0.1:8443/".into(),
            folder: PathBuf::new(),
            heard: None,
            failed: None,
        }
    }

    fn asked(method: &str, host: &str, path: &str, body: &str) -> Request {
        Request { method: method.into(), host: host.into(), path: path.into(), body: body.into() }
    }

    #[test]
    fn what_phones_try_leads_to_the_form() {
        for (host, path) in [
            ("connectivitycheck.gstatic.com", "/generate_204"),
            ("captive.apple.com", "/hotspot-detect.html"),
            ("www.msftconnecttest.com", "/connecttest.txt"),
            ("10.77.0.1", "/favicon.ico"),
        ] {
            let (answer, wish) = welcome().answer(&asked("GET", host, path, ""));
            assert!(
                answer.starts_with("HTTP/1.1 302 ") && answer.contains("\r\nLocation: http://10.77.0.1/\r\n"),
                "{answer}"
            );
            assert!(wish.is_none());
        }
        let (answer, _) = welcome().answer(&asked("GET", "10.77.0.1", "/", ""));
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("https://10.77.0.1:8443/"),
            "{answer}"
        );
    }

    #[test]
    fn a_wish_becomes_two_files_and_a_mistake_is_said() {
        let (answer, wish) = welcome().answer(&asked("POST", "10.77.0.1", "/join", "ssid=barn&key=short"));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("8 to 63"), "{answer}");
        assert!(wish.is_none());
        let body = "ssid=barn+%26+h%C3%B6f&key=right+one&zone=Europe%2FBerlin";
        let (answer, wish) = welcome().answer(&asked("POST", "10.77.0.1", "/join", body));
        assert!(answer.contains("barn &amp; höf"), "{answer}");
        let dir = tempfile::tempdir().unwrap();
        leave(dir.path(), &wish.unwrap()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("wifi.conf").contains("ssid=6261726e20262068c3b666\n"), "{}", read("wifi.conf"));
        assert_eq!(read("environment"), "TZ=Europe/Berlin\n");
    }

    #[test]
    fn over_a_socket_it_ends_with_the_wish() {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let welcome = Welcome { listen: free, folder: dir.path().to_owned(), ..welcome() };
        let ask = |text: String| {
            let mut stream = (0..100)
                .find_map(|_| {
                    let stream = TcpStream::connect(free).ok();
                    if stream.is_none() {
                        std::thread::sleep(Duration::from_millis(20)); // it has not begun to listen
                    }
                    stream
                })
                .unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        std::thread::scope(|scope| {
            let server = scope.spawn(|| run(&welcome));
            assert!(ask("nonsense\r\n\r\n".into()).is_empty());
            let answer = ask("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n".into());
            assert!(answer.contains(&format!("Location: http://{free}/")), "{answer}");
            let body = "ssid=barn&key=right+one&zone=";
            let answer = ask(format!(
                "POST /join HTTP/1.1\r\nHost: {free}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            server.join().unwrap().unwrap();
        });
        assert!(dir.path().join("wifi.conf").exists() && !dir.path().join("environment").exists());
    }
}
