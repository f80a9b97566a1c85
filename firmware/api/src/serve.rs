//! A listening socket → connections → the router; with TLS, or plain, or a redirect from plain to TLS on the same port.

use crate::app::App;
use crate::error::OpenError;
use crate::stall::Impatient;
use crate::tls::Tls;
use crate::{TlsMode, Web, board, routes};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// Connections at once.
const MAX_CONNECTIONS: u32 = 128;
/// Programs of this board that ask at once.
const MAX_PROGRAMS: usize = 4;
/// For a request's head; also how long a connection may lie idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// For the first byte and the TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// A peer that takes no byte for so long is closed; more than live viewers get, so that those are counted as too slow.
const WRITE_WITHIN: Duration = Duration::from_secs(15);
/// How long open connections may take to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often the certificate's dates are looked at: one comparison.
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// Request head in bytes.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// From where a request came, and whether TLS carried it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) tls: bool,
}

/// Listens. Port 0 takes a free one.
pub fn bind(addr: SocketAddr) -> Result<std::net::TcpListener, OpenError> {
    std::net::TcpListener::bind(addr).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => OpenError::PortInUse { addr },
        _ => OpenError::Listen { addr, source },
    })
}

/// A server that is ready to run: its certificate is made and its socket listens.
pub struct Server {
    listener: std::net::TcpListener,
    addr: SocketAddr,
    app: Arc<App>,
    router: Router,
    tls: Option<Arc<Tls>>,
    ca: Option<PathBuf>,
    board: Option<std::os::unix::net::UnixListener>,
}

impl Server {
    /// Prepares. Reads and writes the state folder; needs no runtime.
    pub fn open(listener: std::net::TcpListener, mut web: Web) -> Result<Self, OpenError> {
        let listen = |source| OpenError::Listen { addr: SocketAddr::from(([0, 0, 0, 0], 0)), source };
        let addr = listener.local_addr().map_err(listen)?;
        listener.set_nonblocking(true).map_err(|source| OpenError::Listen { addr, source })?;
        let options = &web.options;
        let wanted = match options.tls {
            TlsMode::Auto => !addr.ip().is_loopback(),
            TlsMode::On => true,
            TlsMode::Off => false,
        };
        let now = (web.clock)();
        let mut ips = options.ips.clone();
        ips.push(addr.ip());
        let tls = wanted.then(|| Tls::open(&options.state_dir, &options.names, &ips, now)).transpose()?;
        let ca = tls.is_some().then(|| options.state_dir.join("tls/ca.pem"));
        let board = web.board.take();
        let app = Arc::new(App::new(web));
        let router = routes::router(&app);
        Ok(Self { listener, addr, app, router, tls: tls.map(Arc::new), ca, board })
    }

    /// Where it listens, with the port that was taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The CA certificate a person may install on a phone; `None` without TLS.
    pub fn ca(&self) -> Option<&std::path::Path> {
        self.ca.as_deref()
    }

    /// Serves until `shutdown` is ready, then ends every connection within five seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), OpenError> {
        let (addr, page) = (self.addr, board::page(self.scheme(), self.addr));
        let listener =
            TcpListener::from_std(self.listener).map_err(|source| OpenError::Listen { addr, source })?;
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
        let board = self.board.map(UnixListener::from_std).transpose();
        let board = board.map_err(|source| OpenError::Listen { addr, source })?;
        let (programs, at_board) = (Arc::new(Semaphore::new(MAX_PROGRAMS)), board::router(&self.app, page));
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut renew = interval(RENEW_EVERY);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = tasks.join_next() => {}
                _ = renew.tick() => if let Some(tls) = &self.tls { renewed(tls, &self.app).await },
                (stream, place) = program(board.as_ref(), &programs) => {
                    let io = Impatient::new(stream, WRITE_WITHIN, place);
                    let peer = Peer { addr, tls: false };
                    tasks.spawn(talk(io, Arc::clone(&self.app), Answers::Routes(at_board.clone(), peer)));
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            self.app.tally.connected();
                            let (app, router) = (Arc::clone(&self.app), self.router.clone());
                            let tls = self.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.config)));
                            tasks.spawn(connection(stream, peer, app, router, tls, place));
                        }
                        Err(_) => self.app.tally.connection_refused(),
                    },
                    // Out of file descriptors: open connections have to end first.
                    Err(error) => {
                        tracing::warn!(%error, "web: cannot accept a connection");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(listener);
        self.app.stop.send_replace(true);
        // The places also count WebSockets, which live on in tasks of their own.
        let all = timeout(STOP_WITHIN, places.acquire_many(MAX_CONNECTIONS)).await;
        if all.is_err() {
            tracing::warn!("web: connections that did not end in time are cut");
        }
        tasks.shutdown().await;
        Ok(())
    }
}

/// [`Server::open`] and [`Server::run`] in one.
pub async fn serve(
    listener: std::net::TcpListener,
    web: Web,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), OpenError> {
    Server::open(listener, web)?.run(shutdown).await
}

/// A program of this board that has a place; never, when none may come.
async fn program(
    board: Option<&UnixListener>,
    places: &Arc<Semaphore>,
) -> (UnixStream, OwnedSemaphorePermit) {
    let Some(board) = board else { return std::future::pending().await };
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match board.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "web: a program of this board cannot be heard");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn renewed(tls: &Arc<Tls>, app: &App) {
    let (tls, now) = (Arc::clone(tls), app.now());
    match tokio::task::spawn_blocking(move || tls.renew(now)).await {
        Ok(Ok(true)) => tracing::info!("web: a new certificate is in use"),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!(%error, "web: the certificate could not be renewed"),
        Err(error) => tracing::error!(%error, "web: renewing the certificate broke off"),
    }
}

async fn connection(
    stream: TcpStream,
    addr: SocketAddr,
    app: Arc<App>,
    router: Router,
    tls: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
) {
    // Live fragments should not wait for the next one. Failing only costs that.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = tls else {
        let io = Impatient::new(stream, WRITE_WITHIN, place);
        return talk(io, app, Answers::Routes(router, Peer { addr, tls: false })).await;
    };
    // RFC 8446, section 5.1: a handshake record begins with 22. Anything else is somebody who forgot the s in https.
    let mut first = [0; 1];
    match timeout(HANDSHAKE_WITHIN, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        _ => return,
    }
    let local = stream.local_addr().unwrap_or(addr);
    let io = Impatient::new(stream, WRITE_WITHIN, place);
    if first != [22] {
        return talk(io, app, Answers::Redirect(local)).await;
    }
    // A failed handshake is the client's matter: it does not trust us yet, or speaks no TLS.
    if let Ok(Ok(io)) = timeout(HANDSHAKE_WITHIN, acceptor.accept(io)).await {
        talk(io, app, Answers::Routes(router, Peer { addr, tls: true })).await;
    }
}

/// What a connection gets.
#[derive(Clone)]
enum Answers {
    Routes(Router, Peer),
    Redirect(SocketAddr),
}

impl Answers {
    async fn give(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        match self {
            Self::Routes(mut router, peer) => {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer);
                router.call(request).await
            }
            Self::Redirect(local) => Ok(to_https(&request, local)),
        }
    }
}

async fn talk<S>(io: S, app: Arc<App>, answers: Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = app.stop.subscribe();
    let service = service_fn(move |request| answers.clone().give(request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let mut conn = pin!(builder.serve_connection(TokioIo::new(io), service).with_upgrades());
    // Errors here are the peer's: it left, was too slow, or sent what is not HTTP.
    tokio::select! {
        ended = conn.as_mut() => { let _ = ended; return }
        _ = stop.wait_for(|stop| *stop) => {}
    }
    conn.as_mut().graceful_shutdown();
    let _ = conn.await;
}

/// 308 keeps the method. The host is the client's own, so it can only redirect itself.
fn to_https(request: &Request<Incoming>, local: SocketAddr) -> Response<Body> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.map_or_else(|| local.to_string(), str::to_owned);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    Response::builder()
        .status(StatusCode::PERMANENT_REDIRECT)
        .header(header::LOCATION, format!("https://{host}{path}"))
        .header(header::CONNECTION, "close")
        .body(Body::from("this port speaks https\n"))
        .unwrap_or_else(|_| Response::new(Body::from("this port speaks https\n")))
}
