//! One request → one answer, over a connection of its own to an address that the guard let pass. Redirects are not followed.

use super::{Ended, guard, tls};
use crate::source::Retry;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use url::Url;

/// Of an answer's body so much is read, for its words; the rest is never taken from the wire.
const MAX_BODY: usize = 4 << 10;
/// The largest head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// Of that so much is shown.
const MAX_WORDS: usize = 120;

/// Where requests go.
pub(super) struct Target {
    /// For messages: who asks.
    what: String,
    url: Url,
    /// Addresses of the local network and of this board are meant.
    lan: bool,
    tls: Option<Arc<ClientConfig>>,
}

/// Why a request failed.
pub(super) enum Failure {
    /// The other side is not to be reached or not well: later.
    Later(Ended),
    /// It will never take this one.
    Never(String),
    /// Nobody is there any more to take it.
    Gone(String),
}

impl Target {
    /// `what` is the alarm, for messages.
    pub(super) fn new(
        what: &str,
        url: &str,
        lan: bool,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|e| format!("{what}: url: {e}"))?;
        Ok(Self { what: what.into(), url, lan, tls })
    }

    /// One that is asked again and again: whom TLS trusts, `ca_file` or the system's, is read now.
    pub(super) fn open(what: &str, url: &str, lan: bool, ca_file: Option<&str>) -> Result<Self, String> {
        let tls = url.starts_with("https:").then(|| tls::client(what, ca_file)).transpose()?;
        Self::new(what, url, lan, tls)
    }

    /// Scheme, host and port: what may be shown. The path of many a hook is its only secret.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// POSTs; gives the answer in words. The caller sets a deadline.
    pub(super) async fn post(
        &self,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<String, Failure> {
        let later = |words: String| Failure::Later(Ended::soon(words));
        let stream = self.connect().await?;
        let request = self.request(headers, body).map_err(Failure::Never)?;
        let origin = self.origin();
        let lost = |e: hyper::Error| later(format!("{origin} broke off: {e}"));
        let (status, said) = match &self.tls {
            None => exchange(stream, request).await.map_err(lost)?,
            Some(tls) => {
                let name = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string();
                let name = ServerName::try_from(name).map_err(|e| Failure::Never(e.to_string()))?;
                let stream = TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(|e| {
                    let mend = "if its certificate is of a CA of your own, name that in ca_file";
                    Failure::Later(Ended::slow(format!("{origin}: TLS: {e}; {mend}")))
                })?;
                exchange(stream, request).await.map_err(lost)?
            }
        };
        let words = format!("{origin} answers {}{said}", status.as_u16());
        match status {
            s if s.is_success() => Ok(words),
            s if s.is_redirection() => Err(Failure::Never(format!(
                "{words}: a redirect, which is not followed; write the address it leads to"
            ))),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(later(words))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Failure::Gone(words)),
            s if s.is_client_error() => Err(Failure::Never(words)),
            _ => Err(later(words)),
        }
    }

    /// A connection to one of the host's addresses, each looked at by the guard just before.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or(443);
        let found = lookup_host((host, port)).await.map_err(|e| {
            Failure::Later(Ended::soon(format!(
                "{host} is not found: {e}; is there internet, and is the name right?"
            )))
        })?;
        let (mut refused, mut failed) = (None, None);
        for address in found {
            if let Some(kind) = guard::not_public(address.ip()).filter(|_| !self.lan) {
                refused = Some((address, kind));
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(e) => failed = Some((address, e)),
            }
        }
        Err(Failure::Later(match (failed, refused) {
            (Some((address, e)), _) => Ended::soon(format!("{host} ({address}) cannot be reached: {e}")),
            (None, Some((address, kind))) => {
                Ended { words: self.forbidden(host, address, kind), retry: Retry::Slow }
            }
            (None, None) => Ended::soon(format!("{host} has no address")),
        }))
    }

    fn forbidden(&self, host: &str, address: SocketAddr, kind: &str) -> String {
        format!("{host} is {}, {kind}: set lan = true in {} if that is meant", address.ip(), self.what)
    }

    fn request(
        &self,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, host)
            .header(USER_AGENT, concat!("nightjar/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).map_err(|e| format!("{}: {e}", self.what))
    }
}

/// Status, and the beginning of the body if it is text.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, String), hyper::Error> {
    let mut client = http1::Builder::new();
    let (mut sender, connection) = client.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
    let ask = async {
        let mut answer = sender.send_request(request).await?;
        let mut body = BytesMut::new();
        while body.len() < MAX_BODY
            && let Some(Ok(frame)) = answer.frame().await
        {
            body.extend_from_slice(
                frame.data_ref().map_or(&[][..], |data| &data[..data.len().min(MAX_BODY)]),
            );
        }
        Ok((answer.status(), words(&body)))
    };
    tokio::pin!(ask);
    // the connection may be over before all that it brought is read
    tokio::select! {
        biased;
        answered = &mut ask => return answered,
        ended = connection => ended?,
    }
    ask.await
}

/// The first line of a text, shortened; nothing of what is none.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.trim_start().lines().next().unwrap_or_default();
    let shown: String = line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    if shown.is_empty() || shown.contains(char::REPLACEMENT_CHARACTER) {
        String::new()
    } else {
        format!(": {shown}")
    }
}
