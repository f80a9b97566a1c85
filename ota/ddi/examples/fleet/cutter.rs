//! A way to the server that can be cut: connections in → the same at the server, until it is cut or a budget of bytes is used up.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One such way.
pub(crate) struct Cutter {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    is_cut: AtomicBool,
    /// Bytes to the board until the way is cut by itself.
    budget: AtomicU64,
    /// Bytes that went to the board.
    passed: AtomicU64,
    cut: Notify,
}

impl Cutter {
    pub(crate) async fn new(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let state =
            State { is_cut: false.into(), budget: u64::MAX.into(), passed: 0.into(), cut: Notify::new() };
        let state = Arc::new(state);
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((board, _)) = listener.accept().await {
                if !shared.is_cut.load(SeqCst) {
                    tokio::spawn(carry(board, server, shared.clone()));
                }
            }
        });
        Ok(Self { port, state })
    }

    /// Breaks every connection, and lets none through.
    pub(crate) fn cut(&self) {
        self.state.sever();
    }

    pub(crate) fn mend(&self) {
        self.state.is_cut.store(false, SeqCst);
    }

    /// It is cut after so many more bytes to the board.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.state.budget.store(bytes, SeqCst);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state.is_cut.load(SeqCst)
    }

    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(SeqCst)
    }
}

impl State {
    fn sever(&self) {
        self.is_cut.store(true, SeqCst);
        self.budget.store(u64::MAX, SeqCst);
        self.cut.notify_waiters();
    }
}

async fn carry(board: TcpStream, server: u16, state: Arc<State>) {
    let cut = state.cut.notified();
    let talk = async {
        let server = TcpStream::connect(("127.0.0.1", server)).await?;
        let ((mut from_board, mut to_board), (mut from_server, mut to_server)) =
            (board.into_split(), server.into_split());
        let up = async {
            tokio::io::copy(&mut from_board, &mut to_server).await?;
            to_server.shutdown().await
        };
        let down = async {
            let mut bytes = vec![0; 16 << 10];
            loop {
                let count = from_server.read(&mut bytes).await?;
                if count == 0 {
                    return to_board.shutdown().await;
                }
                to_board.write_all(&bytes[..count]).await?;
                state.passed.fetch_add(count as u64, SeqCst);
                let left = state.budget.load(SeqCst);
                if left != u64::MAX {
                    state.budget.store(left.saturating_sub(count as u64), SeqCst);
                    if left <= count as u64 {
                        state.sever();
                        return Ok(());
                    }
                }
            }
        };
        tokio::try_join!(up, down).map(drop)
    };
    tokio::select! {
        _ = talk => {}
        () = cut => {}
    }
}
