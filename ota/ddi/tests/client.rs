//! The client against servers on loopback that do what hawkBit does, and what broken or hostile ones do.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_ddi::{Address, Artifact, Client, Error, Login, Next, Report, Setup};
use nightjar_types::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The head of a request → the whole answer, after which the connection ends.
type Answer = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// A server on loopback: where it is, and the heads of all that it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(
        tls: Option<ServerConfig>,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let url = format!("{}://localhost:{port}", if tls.is_some() { "https" } else { "http" });
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer): (_, Arc<Answer>) = (asked.clone(), Arc::new(answer));
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, log, answer) = (tls.clone(), log.clone(), answer.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &log, &*answer).await,
                        Some(tls) => {
                            // the client is told by TLS itself when it is refused
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &log, &*answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: &Mutex<Vec<String>>, answer: &Answer) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let answer = answer(&head);
    log.lock().unwrap().push(head);
    let _ = stream.write_all(&answer).await; // the client may have hung up
    let _ = stream.shutdown().await;
}

fn says(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut all =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    all.extend_from_slice(body);
    all
}

fn setup(server: &str) -> Setup {
    let login = Login::TargetToken(Secret::new("s3cret".into()));
    Setup { address: Address::new(server, "barn"), login }
}

fn client(server: &str) -> Client {
    Client::new(&setup(server)).expect("a good setup")
}

fn artifact(server: &str, bytes: &[u8]) -> Artifact {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    let url = format!("{server}/files/a.raucb").parse().expect("an address");
    Artifact { file: "a.raucb".into(), size: bytes.len() as u64, sha256, url }
}

/// Serves `bytes` by ranges, at most `most` of them a connection.
fn ranges(bytes: &[u8], most: usize) -> impl Fn(&str) -> Vec<u8> + Send + Sync + 'static {
    let bytes = bytes.to_vec();
    move |head| {
        let from = head
            .to_ascii_lowercase()
            .split("range: bytes=")
            .nth(1)
            .and_then(|r| r.split('-').next()?.parse().ok());
        let from: usize = from.unwrap_or(0);
        let (last, size) = (bytes.len() - 1, bytes.len());
        let mut answer = says(
            "206 Partial Content",
            &format!("Content-Range: bytes {from}-{last}/{size}\r\n"),
            &bytes[from..],
        );
        let extra = (bytes.len() - from).saturating_sub(most);
        answer.truncate(answer.len() - extra);
        answer
    }
}

#[tokio::test]
async fn asks_for_the_server_s_own_resources_by_number_and_shows_its_token_there() {
    let server = Server::new(None, |head| {
        let body = if head.contains("/cancelAction/") {
            r#"{"id":"3","cancelAction":{"stopId":"3"}}"#
        } else {
            r#"{"config":{"polling":{"sleep":"00:01:00"}},"_links":{"cancelAction":{"href":"http://elsewhere/x/cancelAction/3"}}}"#
        };
        says("200 OK", "", body.as_bytes())
    })
    .await;
    let orders = client(&server.url).poll().await.expect("it answers");
    assert_eq!((orders.cancel, orders.sleep.map(|s| s.as_secs())), (Some(3), Some(60)));
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "an address in an answer is not followed");
    assert!(asked[1].starts_with("GET /DEFAULT/controller/v1/barn/cancelAction/3 "), "{}", asked[1]);
    assert!(asked.iter().all(|head| head.to_ascii_lowercase().contains("authorization: targettoken s3cret")));
}

#[tokio::test]
async fn goes_on_where_a_download_was_cut_off() {
    let bytes: Vec<u8> = (0..200_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let (server, folder) = (Server::new(None, ranges(&bytes, 1 << 20)).await, tempfile::tempdir().unwrap());
    let to = folder.path().join("a.raucb");
    std::fs::write(folder.path().join("a.raucb.part"), &bytes[..150_000]).unwrap();
    let mut seen = 0;
    client(&server.url)
        .download(&artifact(&server.url, &bytes), &to, |there| seen = there)
        .await
        .expect("it comes");
    assert_eq!((std::fs::read(&to).unwrap() == bytes, seen), (true, 200_000));
    assert!(server.asked()[0].to_ascii_lowercase().contains("range: bytes=150000-"), "{:?}", server.asked());
}

#[tokio::test(start_paused = true)]
async fn makes_the_connection_again_as_long_as_it_brings_something() {
    let bytes = vec![7; 100_000];
    let (server, folder) = (Server::new(None, ranges(&bytes, 30_000)).await, tempfile::tempdir().unwrap());
    let to = folder.path().join("a.raucb");
    client(&server.url)
        .download(&artifact(&server.url, &bytes), &to, |_| ())
        .await
        .expect("it comes in the end");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn what_was_left_of_another_file_does_not_spoil_this_one() {
    let bytes = vec![1; 10_000];
    let (server, folder) = (Server::new(None, ranges(&bytes, 1 << 20)).await, tempfile::tempdir().unwrap());
    let to = folder.path().join("a.raucb");
    std::fs::write(folder.path().join("a.raucb.part"), vec![2; 5_000]).unwrap();
    client(&server.url).download(&artifact(&server.url, &bytes), &to, |_| ()).await.expect("fetched anew");
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_with_another_hash_or_size_is_refused_and_not_kept() {
    let right = vec![1; 10_000];
    for wrong in [vec![9; 10_000], vec![1; 12_000]] {
        let server = Server::new(None, move |_| says("200 OK", "", &wrong)).await;
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.raucb");
        let wanted = artifact(&server.url, &right);
        let error = client(&server.url).download(&wanted, &to, |_| ()).await.expect_err("it is wrong");
        assert_eq!(error.next(), Next::Fail, "{error}");
        assert!(!to.exists());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_too_early_is_asked_for_again_but_not_for_ever() {
    let right = vec![1; 10_000];
    let server = Server::new(None, |_| says("200 OK", "", &[1; 9_000])).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.raucb");
    let wanted = artifact(&server.url, &right);
    let error = client(&server.url).download(&wanted, &to, |_| ()).await.expect_err("it never comes");
    assert_eq!((error.next(), server.asked().len()), (Next::Retry, 5), "{error}");
    assert!(!to.exists());
}

#[tokio::test]
async fn the_token_goes_to_nobody_else() {
    let bytes = [3; 1_000];
    let elsewhere = Server::new(None, ranges(&bytes, 1 << 20)).await;
    let folder = tempfile::tempdir().unwrap();
    let client = client("http://localhost:9");
    let artifact = artifact(&elsewhere.url, &bytes);
    client.download(&artifact, &folder.path().join("a"), |_| ()).await.expect("open to all");
    assert!(!elsewhere.asked()[0].contains("s3cret"));
    assert!(client.door(&artifact).header.is_none());
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let server = Server::new(None, |_| says("200 OK", "", &b" ".repeat(2 << 20))).await;
    let error = client(&server.url).poll().await.expect_err("too much");
    assert!(matches!(&error, Error::Garbled { why, .. } if why.contains("more than")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
    let error = client(&url).poll().await.expect_err("silence");
    assert!(matches!(error, Error::Silent { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_that_says_no_is_told_with_its_mend_and_without_the_token() {
    let server = Server::new(None, |head| match head.contains("/feedback") {
        true => says("410 Gone", "", b""),
        false => says("429 Too Many Requests", "Retry-After: 7\r\n", br#"{"message":"slow down"}"#),
    })
    .await;
    let client = client(&server.url);
    let error = client.poll().await.expect_err("too many");
    assert_eq!((error.next(), error.after().map(|s| s.as_secs())), (Next::Retry, Some(7)));
    let words = error.to_string();
    assert!(words.contains("429") && words.contains("slow down") && words.contains(&server.url), "{words}");
    assert!(!words.contains("s3cret"));
    let gone = client.report(3, &Report::closed(true, "well")).await.expect_err("gone");
    assert_eq!(gone.next(), Next::Forget);
}

/// Keys and certificates in a folder: `ca.pem`, `board.pem`, `board.key`; and the server's configuration, which asks boards for theirs.
fn authority(folder: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, &ca).unwrap();
        (certificate, key)
    };
    let ((board, board_key), (server, server_key)) = (sign("barn"), sign("localhost"));
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(folder.join("board.pem"), board.pem()).unwrap();
    std::fs::write(folder.join("board.key"), board_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![server.der().clone()];
    let key = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
}

#[tokio::test]
async fn a_board_shows_its_certificate_and_trusts_only_the_named_authority() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::new(Some(authority(folder.path())), |_| says("200 OK", "", b"{}")).await;
    authority(other.path());
    let login = |dir: &Path| Login::Certificate { chain: dir.join("board.pem"), key: dir.join("board.key") };
    let with = |ca: &Path, login| {
        let ca_file = Some(ca.join("ca.pem"));
        Setup { address: Address { ca_file, ..setup(&server.url).address }, login }
    };
    let poll = async |setup: Setup| Client::new(&setup).expect("files are good").poll().await;

    poll(with(folder.path(), login(folder.path()))).await.expect("both know each other");
    assert!(!server.asked()[0].contains("authorization"));
    let stranger = poll(with(folder.path(), login(other.path()))).await.expect_err("not of this authority");
    assert!(matches!(stranger, Error::Unreachable { .. }), "{stranger}");
    let false_server = poll(with(other.path(), login(folder.path()))).await.expect_err("not trusted");
    assert!(false_server.to_string().contains("ca_file"), "{false_server}");
    let token = with(folder.path(), Login::TargetToken(Secret::new("s3cret".into())));
    assert!(poll(token).await.is_err(), "this server wants certificates");
    let missing = with(folder.path(), login(Path::new("nowhere")));
    let words = Client::new(&missing).err().expect("no such file").to_string();
    assert!(words.contains("nowhere") && words.contains("PEM"), "{words}");
}
