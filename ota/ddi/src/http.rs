//! One request → the head of its answer, and a body that is read within bounds. HTTP/1.1 over a connection of its own; redirects
//! are not followed, every wait has a deadline.

use crate::Error;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

/// From the first packet to the head of the answer, and again for the rest of a short one.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// A long body may pause for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// The largest head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// Of an answer that says no so much is shown.
const MAX_WORDS: usize = 160;

/// What is asked for.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    /// What it is, for messages.
    pub(crate) name: &'a str,
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    /// Who answers to what, for messages.
    from: (String, String),
    _line: Line,
}

/// The task that keeps a connection going; it ends with the answer.
struct Line(JoinHandle<Result<(), hyper::Error>>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Scheme, host and port: what may be shown.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl Ask<'_> {
    pub(crate) async fn send(self) -> Result<Answer, Error> {
        let (server, asked) = (origin(self.url), format!("{} {}", self.method, self.name));
        within(&server, &asked, DEADLINE, self.exchange(server.clone(), asked.clone())).await?
    }

    async fn exchange(&self, server: String, asked: String) -> Result<Answer, Error> {
        let lost = |why: String| Error::Unreachable { server: server.clone(), why };
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
        let port = self.url.port_or_known_default().unwrap_or(443);
        let stream = TcpStream::connect((&*host, port))
            .await
            .map_err(|e| lost(format!("{e}; is its address right, and is there a network?")))?;
        let _ = stream.set_nodelay(true); // only slower without
        let request = self.request(&host).map_err(|e| lost(format!("{asked}: {e}")))?;
        let broke = |e: hyper::Error| lost(format!("it broke off: {e}"));
        let (answer, line) = match self.tls {
            None => converse(stream, request).await.map_err(broke)?,
            Some(tls) => {
                let name = ServerName::try_from(host).map_err(|e| lost(e.to_string()))?;
                let stream = TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(|e| {
                    lost(format!("TLS: {e}; if its certificate is of a CA of your own, name that in ca_file"))
                })?;
                converse(stream, request).await.map_err(broke)?
            }
        };
        let (head, body) = answer.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body, from: (server, asked), _line: line })
    }

    fn request(&self, host: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let authority = &self.url[Position::BeforeHost..Position::AfterPort];
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, if authority.is_empty() { host } else { authority })
            .header(USER_AGENT, concat!("nightjar-ddi/", env!("CARGO_PKG_VERSION")));
        if self.method != Method::GET {
            request = request.header(CONTENT_LENGTH, self.body.len());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(hyper::Response<Incoming>, Line), hyper::Error> {
    let mut client = http1::Builder::new();
    let (mut sender, connection) = client.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
    let line = Line(tokio::spawn(connection));
    Ok((sender.send_request(request).await?, line))
}

async fn within<T>(
    server: &str,
    asked: &str,
    deadline: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::time::timeout(deadline, work).await.map_err(|_| Error::Silent {
        server: server.into(),
        asked: asked.into(),
        seconds: deadline.as_secs(),
    })
}

impl Answer {
    /// The whole body, if the server said yes and it has no more than `max` bytes.
    pub(crate) async fn read(mut self, max: usize) -> Result<Bytes, Error> {
        let (server, asked) = self.from.clone();
        within(&server, &asked, DEADLINE, async {
            if !self.status.is_success() {
                return Err(self.refused().await);
            }
            let mut body = BytesMut::new();
            while let Some(piece) = self.piece().await? {
                if body.len() + piece.len() > max {
                    return Err(self.garbled(format!("more than {max} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body.freeze())
        })
        .await?
    }

    /// The next bytes of the body; nothing at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let (server, asked) = &self.from;
            match within(server, asked, PAUSE, self.body.frame()).await? {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(e)) => {
                    let why = format!("{asked} broke off: {e}");
                    return Err(Error::Unreachable { server: server.clone(), why });
                }
            }
        }
    }

    /// It said no: what it said.
    pub(crate) async fn refused(&mut self) -> Error {
        let mut body = BytesMut::new();
        while body.len() < MAX_WORDS * 8
            && let Ok(Some(piece)) = self.piece().await
        {
            body.extend_from_slice(&piece[..piece.len().min(MAX_WORDS * 8)]);
        }
        let after = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let (server, asked) = self.from.clone();
        let (status, said) = (self.status.as_u16(), words(&body));
        Error::Refused { server, asked, status, said, after: after.map(Duration::from_secs) }
    }

    pub(crate) fn garbled(&self, why: String) -> Error {
        let (server, asked) = self.from.clone();
        Error::Garbled { server, asked, why }
    }
}

/// What a body that says no tells people: hawkBit's `message`, or its first line.
fn words(body: &[u8]) -> String {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    let text = String::from_utf8_lossy(body);
    let line = message.unwrap_or_else(|| text.trim_start().lines().next().unwrap_or_default());
    let shown: String = line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    let is_markup = shown.starts_with(['<', '{']) || shown.contains(char::REPLACEMENT_CHARACTER);
    if shown.is_empty() || is_markup { String::new() } else { format!(" ({shown})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_the_server_said_and_no_markup() {
        assert_eq!(words(br#"{"errorCode":"x","message":"Quota\nis full"}"#), " (Quotais full)");
        assert_eq!(words(b"Bad gateway\nmore"), " (Bad gateway)");
        assert_eq!(words(b"<html>502</html>"), "");
        assert_eq!(words(&[0xff, 0xfe]), "");
        assert!(words(&[b'x'; 5_000]).len() < 200);
    }
}
