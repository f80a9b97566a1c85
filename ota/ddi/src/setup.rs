//! What was configured → the board's address at the server, checked.

use crate::Error;
use nightjar_types::Secret;
use std::net::IpAddr;
use std::path::PathBuf;
use url::{Host, Url};

/// How a board finds its server and says who it is.
#[derive(Debug)]
pub struct Setup {
    /// Where it goes.
    pub address: Address,
    /// Who it is.
    pub login: Login,
}

/// Where a board's server is, and whom it is taken for. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `https://fleet.example.org`, with the path of a proxy if there is one.
    pub server: String,
    /// hawkBit's tenant; `DEFAULT` where nobody made another.
    pub tenant: String,
    /// The board's id there.
    pub board: String,
    /// Certificates in PEM of the only ones whose servers are trusted; else those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// A token may travel unencrypted over `http:`. Without this it may only to the board itself.
    pub plain: bool,
}

impl Address {
    /// In the tenant that every server has, trusted as the system trusts, and over TLS.
    pub fn new(server: &str, board: &str) -> Self {
        let (server, tenant, board) = (server.into(), "DEFAULT".into(), board.into());
        Self { server, tenant, board, ca_file: None, plain: false }
    }
}

/// How a board says who it is.
#[derive(Debug)]
pub enum Login {
    /// A secret of this board alone.
    TargetToken(Secret<String>),
    /// A secret of many boards: who has it may be any of them.
    GatewayToken(Secret<String>),
    /// A certificate of this board, which a proxy before the server looks at.
    Certificate {
        /// The certificate and what is between it and the root, PEM.
        chain: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
}

impl Login {
    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> Option<Secret<String>> {
        match self {
            Self::TargetToken(token) => Some(Secret::new(format!("TargetToken {}", token.reveal()))),
            Self::GatewayToken(token) => Some(Secret::new(format!("GatewayToken {}", token.reveal()))),
            Self::Certificate { .. } => None,
        }
    }
}

impl Setup {
    /// `{server}/{tenant}/controller/v1/{board}`.
    pub(crate) fn base(&self) -> Result<Url, Error> {
        let Address { server, tenant, board, plain, .. } = &self.address;
        let wrong = |what, why: String| Error::Setup { what, why };
        let mut url =
            Url::parse(server).map_err(|e| wrong("server", format!("{server}: {e}; write https://HOST")))?;
        let is_https = url.scheme() == "https";
        if !is_https && url.scheme() != "http" || url.host().is_none() {
            return Err(wrong("server", format!("{server}: write https://HOST")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "server",
                "a user name has no place in the address; boards have tokens".into(),
            ));
        }
        if !is_https && matches!(self.login, Login::Certificate { .. }) {
            return Err(wrong("server", format!("{server}: a certificate is shown over https: only")));
        }
        if !is_https && !plain && !is_loopback(&url) {
            return Err(wrong(
                "server",
                format!(
                    "{server}: the token would be seen by all between; use https:, or allow it with plain = true"
                ),
            ));
        }
        for (what, text) in [("tenant", tenant), ("board", board)] {
            if text.is_empty() || text.len() > MAX_ID || text.chars().any(char::is_control) {
                return Err(wrong(
                    what,
                    format!("`{}` is empty, longer than {MAX_ID} bytes or no text", text.escape_debug()),
                ));
            }
        }
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| wrong("server", format!("{server}: write https://HOST")))?
            .pop_if_empty()
            .extend([&**tenant, "controller", "v1", &**board]);
        Ok(url)
    }
}

/// hawkBit's longest id of a target.
const MAX_ID: usize = 256;

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(server: &str) -> Setup {
        let login = Login::TargetToken(Secret::new("s3cret".into()));
        Setup { address: Address::new(server, "barn/1 ü"), login }
    }

    #[test]
    fn a_boards_address_stays_below_the_servers() {
        let url = setup("https://fleet.example.org/hb/").base().expect("a good server");
        assert_eq!(url.as_str(), "https://fleet.example.org/hb/DEFAULT/controller/v1/barn%2F1%20%C3%BC");
    }

    #[test]
    fn a_token_does_not_travel_in_the_open_unless_told_to() {
        let words = setup("http://192.168.1.5:8080").base().expect_err("plain").to_string();
        assert!(words.contains("https:") && words.contains("plain = true"), "{words}");
        assert!(setup("http://127.0.0.1:8080").base().is_ok() && setup("http://[::1]:8080").base().is_ok());
        let mut plain = setup("http://192.168.1.5:8080");
        plain.address.plain = true;
        assert!(plain.base().is_ok());
        for server in ["ftp://x", "fleet", "https://user@fleet", "data:x"] {
            assert!(setup(server).base().is_err(), "{server}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let setup = setup("https://fleet");
        let header = setup.login.header().expect("a token");
        assert!(!format!("{setup:?} {header:?}").contains("s3cret"));
        assert_eq!(header.reveal(), "TargetToken s3cret");
    }
}
