//! The recorder's socket → one camera's session, whose pictures go back on it. The process ends with the socket or the camera.

use super::fault::Fault;
use super::outlet::Outlet;
use super::session::Session;
use crate::error::Error;
use crate::serve;
use gstreamer as gst;
use nightjar_types::capture::{FromCapture, MAX_STREAMS, PROTOCOL, ToCapture};
use nightjar_types::eye::encode;
use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long the recorder may take for its two messages.
const HELLO: Duration = Duration::from_secs(10);
/// How long it may read nothing while the socket's buffer is full.
const WRITE: Duration = Duration::from_secs(30);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until the socket closes or the camera fails, which is told on the socket.
pub(super) fn serve() -> Result<(), Error> {
    serve::end_on_panic();
    let socket = serve::socket()?;
    socket.set_write_timeout(Some(WRITE))?;
    (&socket).write_all(&encode(&FromCapture::Hello { protocol: PROTOCOL })?)?;
    socket.set_read_timeout(Some(HELLO))?;
    let writer = socket.try_clone()?;
    let mut reader = BufReader::new(socket);
    match serve::read(&mut reader)? {
        Some(ToCapture::Hello { protocol: PROTOCOL }) => {}
        Some(ToCapture::Hello { protocol }) => {
            return Err(Error::Protocol { theirs: protocol, ours: PROTOCOL });
        }
        Some(_) => return Err(Error::Protocol { theirs: 0, ours: PROTOCOL }),
        None => return Ok(()),
    }
    let Some(ToCapture::Start { kind, device, streams }) = serve::read(&mut reader)? else { return Ok(()) };
    reader.get_ref().set_read_timeout(None)?;
    std::thread::Builder::new().name("recorder".into()).spawn(move || {
        // Nothing more is said: what comes is the end, and a driver that hangs must not outlive it.
        while let Ok(Some(ToCapture::Hello { .. } | ToCapture::Start { .. })) = serve::read(&mut reader) {}
        std::process::exit(0);
    })?;
    let (outlet, queue) = Outlet::new();
    let (done, written) = channel::<()>();
    std::thread::Builder::new().name("outlet".into()).spawn(move || {
        write(writer, &queue);
        drop(done);
    })?;
    let capture = || {
        if streams.len() > MAX_STREAMS {
            return Err(Fault::unusable(format!("{MAX_STREAMS} streams at most come from one camera")));
        }
        gst::init().map_err(|e| Fault::unusable(format!("GStreamer: {e}")))?;
        let mut session = Session::open(kind, &device, &streams)?;
        outlet.send(FromCapture::Ready { words: session.words.clone() });
        session.start(streams.len(), &outlet)?;
        let ended = session.watch(None);
        std::mem::forget(session); // see `Session`
        ended
    };
    if let Err(fault) = capture() {
        outlet.send(FromCapture::Ended { cause: fault.cause, words: fault.words });
    }
    // Ends without an answer: when the last words are out, or when nobody takes them.
    let _ = written.recv_timeout(LAST_WORDS);
    std::process::exit(0);
}

/// Writes until `Ended` is out, the socket closes or every outlet is gone.
fn write(mut socket: UnixStream, queue: &Receiver<FromCapture>) {
    while let Ok(message) = queue.recv() {
        let sent = match encode(&message) {
            Ok(bytes) => socket.write_all(&bytes),
            Err(error) => {
                tracing::warn!(%error, "a picture is too large to be recorded: lower the bit rate");
                Ok(())
            }
        };
        if sent.is_err() {
            std::process::exit(0);
        }
        if matches!(message, FromCapture::Ended { .. }) {
            return;
        }
    }
}
