//! Messages from every thread → the recorder's socket, in order, through one bounded queue.

use crate::error::Error;
use nightjar_types::eye::{FromEye, encode};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Messages that may wait. A recorder that is this far behind loses boxes, never snapshots or ends of tracks.
const QUEUE: usize = 256;

/// The way to the recorder; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(SyncSender<FromEye>);

impl Outbox {
    /// The outbox and the queue that [`write`] empties.
    pub(crate) fn new() -> (Self, Receiver<FromEye>) {
        let (sender, receiver) = sync_channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Waits for room. When the recorder is gone there is nobody to tell.
    pub(crate) fn send(&self, message: FromEye) {
        let _ = self.0.send(message);
    }

    /// Drops the message when there is no room: the next picture's boxes replace it anyway.
    pub(crate) fn send_if_room(&self, message: FromEye) {
        if let Err(TrySendError::Full(_)) = self.0.try_send(message) {
            tracing::debug!("the recorder reads slowly: boxes of one picture dropped");
        }
    }
}

/// Writes until the socket closes or every outbox is gone.
pub(crate) fn write(mut socket: UnixStream, queue: &Receiver<FromEye>) -> Result<(), Error> {
    while let Ok(message) = queue.recv() {
        match encode(&message) {
            Ok(bytes) => socket.write_all(&bytes)?,
            // Only a still of a huge picture can be this long.
            Err(error) => match message {
                FromEye::Still { request, .. } => {
                    let answer = FromEye::Still { request, jpeg: Err(error.to_string()) };
                    socket.write_all(&encode(&answer)?)?;
                }
                _ => tracing::warn!(%error, "a message was not sent"),
            },
        }
    }
    Ok(())
}
