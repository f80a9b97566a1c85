//! One HTTP/1.1 request over a Unix socket, or over loopback with or without TLS → status and body, with a deadline and a bound.

use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// For all of a request.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 1 << 20;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// All of it.
    pub(crate) body: Bytes,
}

/// Asks a program of this board at its socket. The error says in words why there is no answer.
pub(crate) async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    json: Option<String>,
) -> Result<Answer, String> {
    let asked = async {
        let stream = UnixStream::connect(socket).await.map_err(|e| format!("{}: {e}", socket.display()))?;
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        match json {
            Some(json) => {
                let request =
                    request.header("content-type", "application/json").body(Full::new(Bytes::from(json)));
                talk(stream, request).await
            }
            None => talk(stream, request.body(Empty::<Bytes>::new())).await,
        }
    };
    in_time(asked).await
}

/// Asks for a page of this board over its own address.
pub(crate) async fn page(address: &str) -> Result<Answer, String> {
    let uri: Uri = address.parse().map_err(|e| format!("\"{address}\" is no address: {e}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let ip: std::net::IpAddr =
        host.parse().map_err(|_| format!("\"{address}\" does not name an IP address"))?;
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let request =
        Request::builder().uri(path).header("host", format!("{host}:{port}")).body(Empty::<Bytes>::new());
    let asked = async {
        let stream = TcpStream::connect((ip, port)).await.map_err(|e| e.to_string())?;
        if !is_tls {
            return talk(stream, request).await;
        }
        let name = ServerName::IpAddress(IpAddr::from(ip));
        let stream = tokio_rustls::TlsConnector::from(own_board()?).connect(name, stream).await;
        talk(stream.map_err(|e| format!("TLS: {e}"))?, request).await
    };
    in_time(asked).await
}

async fn in_time(asked: impl Future<Output = Result<Answer, String>>) -> Result<Answer, String> {
    timeout(WITHIN, asked).await.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())))
}

/// Sends one request and reads the answer. The caller gives it a deadline.
pub(crate) async fn talk<S, B>(stream: S, request: hyper::http::Result<Request<B>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = request.map_err(|e| e.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let answer: Result<Response<Incoming>, _> = sender.send_request(request).await;
    let answer = answer.map_err(|e| e.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    connection.abort();
    Ok(Answer { status, body: body.map_err(|e| e.to_string())?.to_bytes() })
}

/// The board's own certificate is not known here, and over its own address nobody is in between. That whoever answers holds
/// the key of the certificate that he shows is checked all the same: it is part of "the page answers".
fn own_board() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?.dangerous();
    Ok(Arc::new(config.with_custom_certificate_verifier(Arc::new(AnyName(provider))).with_no_client_auth()))
}

#[derive(Debug)]
struct AnyName(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
