//! A [`Desk`] (what the daemon knows and can do) → the web: REST v1, live WebSocket, recordings as MP4, SSE, the page.
//!
//! Open [`Auth`] and [`Audit`], [`bind`], then run a [`Server`]. This crate knows nothing of storage, sources or rules.
#![forbid(unsafe_code)]

mod alarms;
mod app;
mod arm;
mod asked;
mod audit;
mod auth;
mod board;
pub mod desk;
mod error;
mod gate;
mod hls;
mod live;
mod metrics;
mod night;
mod page;
mod range;
mod routes;
mod rules;
mod serve;
mod session;
mod sight;
mod sse;
mod stall;
mod state_file;
mod storage;
mod tls;
mod update;
mod video;
mod views;

pub use alarms::{PushForm, PushKeys, PushView};
pub use audit::{Audit, AuditView, Verified, verify as verify_audit};
pub use auth::{Auth, Role, SetupCode, mint_token};
pub use board::bind as bind_board;
pub use desk::{
    Desk, DeskError, DeviceKeyView, EventQuery, Export, ExportQuery, Form, LiveFeed, LiveMessage,
};
pub use error::OpenError;
pub use night::{JobView, NightForm, NightView};
pub use page::page_size;
#[doc(hidden)]
pub use range::{Asked, Portion, decide};
pub use routes::{Least, ROUTES, Route};
pub use rules::{Draft, MoveView, Rehearsal, RulesText};
pub use serve::{Server, bind, serve};
pub use sight::SightView;
pub use storage::{
    BudgetView, CLOCK_RANGE_MS, CardView, ChangeView, ClockView, ForecastView, HoldForm, HoldView, HoldsView,
    LifeView, StorageView, StreamForecast, WearView,
};

use nightjar_types::Wall;
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

/// The wall clock, given by the daemon.
pub type Clock = Arc<dyn Fn() -> Wall + Send + Sync>;

/// The OpenAPI 3.1 description, JSON.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// When TLS is used (`[web] tls`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// Unless it listens on loopback only.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never: something in front does it.
    Off,
}

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The device's name for people.
    pub device: String,
    /// Version of the daemon.
    pub version: String,
    /// Folder for users, keys, certificates, audit.
    pub state_dir: PathBuf,
    /// When TLS is used.
    pub tls: TlsMode,
    /// Host names for the certificate, e.g. `nightjar.local`; what is no DNS name is left out.
    pub names: Vec<String>,
    /// Addresses for the certificate, beside loopback and the one listened on.
    pub ips: Vec<IpAddr>,
    /// Socket of the update agent.
    pub update_agent: PathBuf,
}

/// All that a server needs.
pub struct Web {
    /// Settings.
    pub options: Options,
    /// The daemon.
    pub desk: Arc<dyn Desk>,
    /// Users and sessions.
    pub auth: Arc<Auth>,
    /// The audit log; keep a clone to record relay moves.
    pub audit: Audit,
    /// The wall clock.
    pub clock: Clock,
    /// Where programs of this board ask; `None`: nobody does.
    pub board: Option<UnixListener>,
}
