//! What a person at the console sees: the log, and at first start the address, the setup code and its QR code.

use nightjar_types::config::Config;
use qrcode::{EcLevel, QrCode, render::unicode};
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Logs to standard error; `NIGHTJAR_LOG` filters, e.g. `debug` or `nightjar_io=trace`.
pub(crate) fn start_logging() {
    let usual = Targets::new()
        .with_default(Level::INFO)
        .with_targets([("retina", Level::WARN), ("sled", Level::WARN)]);
    let asked = std::env::var("NIGHTJAR_LOG").ok().map(|filter| filter.parse::<Targets>());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let is_wrong = matches!(asked, Some(Err(_)));
    let filter = asked.and_then(Result::ok).unwrap_or(usual);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    if is_wrong {
        tracing::warn!(
            "NIGHTJAR_LOG is no filter such as \"debug\" or \"info,nightjar_io=trace\", and is not used"
        );
    }
}

/// A configuration in one line.
pub(crate) fn summary(config: &Config) -> String {
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}, {}, {} MiB at {}, page at {}",
        count(config.cameras.len(), "camera"),
        count(config.outputs.len(), "output"),
        count(config.rules.len(), "rule"),
        config.storage.quota >> 20,
        config.storage.path,
        config.web.listen
    )
}

/// The address that a phone can open.
pub(crate) fn address(scheme: &str, listens: SocketAddr) -> String {
    let ip = if listens.ip().is_unspecified() { lan_ip() } else { listens.ip() };
    format!("{scheme}://{}", SocketAddr::new(ip, listens.port()))
}

/// This machine's address on the network that leads elsewhere. No packet is sent: a UDP socket only chooses its route.
pub(crate) fn lan_ip() -> IpAddr {
    let route = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?; // TEST-NET-1, RFC 5737: never assigned
        socket.local_addr()
    };
    route().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |a| a.ip())
}

/// For a phone's camera.
pub(crate) fn show_qr(text: &str) {
    if let Ok(qr) = QrCode::with_error_correction_level(text, EcLevel::L) {
        println!("{}", qr.render::<unicode::Dense1x2>().quiet_zone(true).build());
    }
}

/// Address and, while there is no admin, the setup code.
pub(crate) fn welcome(address: &str, setup_code: Option<&str>) {
    println!("open {address}");
    if let Some(code) = setup_code {
        println!("setup code: {code}");
        show_qr(&format!("{address}/#/setup?code={code}"));
        println!(
            "The code works once: it makes the first administrator. Scan it with a phone on this network."
        );
    }
}
