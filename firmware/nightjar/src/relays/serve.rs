//! `nightjar relays`: a socket and lines → a [`Keeper`] that is woken by messages, edges and deadlines. One thread, no runtime.

use super::keeper::{Keeper, Now};
use super::{FromKeeper, ToKeeper};
use anyhow::{Context, bail};
use nightjar_io::clock;
use nightjar_rules::Micros;
use nightjar_types::eye::{body_len, decode, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Runs until the recorder's end of the socket, which is standard input, is closed.
pub(crate) fn run() -> anyhow::Result<()> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("standard input is closed")?;
    serve(UnixStream::from(stdin)).context("nightjar relays is started by nightjar run")
}

/// The same on any socket.
pub(super) fn serve(mut socket: UnixStream) -> anyhow::Result<()> {
    let mut inbox = Vec::new();
    let plan = loop {
        match next(&mut inbox)? {
            Some(ToKeeper::Open(plan)) => break plan,
            Some(_) => bail!("it was not told which lines first"),
            None if !read(&mut socket, &mut inbox)? => bail!("nobody said which lines"),
            None => {}
        }
    };
    let (opened, keeper) = match Keeper::open(plan) {
        Ok(keeper) => (Ok(()), Some(keeper)),
        Err(e) => (Err(format!("{e:#}")), None),
    };
    socket.write_all(&encode(&FromKeeper::Opened(opened))?)?;
    let Some(mut keeper) = keeper else { return Ok(()) };
    socket.set_nonblocking(true)?;
    let ended = attend(&mut keeper, &mut socket, &mut inbox);
    keeper.gone(now());
    ended
}

fn now() -> Now {
    Now { mono: Micros(clock::mono().0), wall: clock::wall() }
}

/// Goes round until the recorder is gone.
fn attend(keeper: &mut Keeper, socket: &mut UnixStream, inbox: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        let is_open = read(socket, inbox)?;
        while let Some(message) = next(inbox)? {
            keeper.take(message, now());
        }
        keeper.look(now());
        keeper.tick(now());
        for said in keeper.said() {
            // A recorder that reads nothing for so long that its socket is full is as good as gone.
            socket.write_all(&encode(&said)?)?;
        }
        if !is_open {
            return Ok(());
        }
        wait(keeper, socket)?;
    }
}

/// Until a message, an edge or the next deadline.
fn wait(keeper: &Keeper, socket: &UnixStream) -> anyhow::Result<()> {
    let left = keeper.next_deadline().map(|at| at.since(now().mono));
    let left =
        left.map(|us| Timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1_000) as i64 });
    let mut fds = vec![PollFd::new(socket, PollFlags::IN)];
    fds.extend(keeper.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    match poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e).context("poll"),
    }
}

/// Puts what has come into `inbox`. False: nothing will come any more.
fn read(socket: &mut UnixStream, inbox: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut bytes = [0; 4096];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                inbox.extend_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    return Ok(true);
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("the recorder's socket"),
        }
    }
}

/// Takes the first whole message out of `inbox`.
fn next(inbox: &mut Vec<u8>) -> anyhow::Result<Option<ToKeeper>> {
    let Some((prefix, rest)) = inbox.split_first_chunk::<4>() else { return Ok(None) };
    let len = body_len(*prefix)?;
    let Some(body) = rest.get(..len) else { return Ok(None) };
    let message = decode(body)?;
    inbox.drain(..4 + len);
    Ok(Some(message))
}
