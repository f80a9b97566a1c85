//! State folder, names, addresses → a certificate for this device from a CA of its own, renewed before it ends.
//!
//! `tls/ca.pem` is what a person installs on the phone to have no warning; `tls/ca.key` never leaves the device.

use crate::error::OpenError;
use crate::state_file;
use nightjar_types::Wall;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use ring::digest;
use rustls::ServerConfig;
use rustls::crypto::ring as provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

const DAY_S: i64 = 86_400;
/// Life of a server certificate in days: iOS takes no longer ones (Apple support note 103769).
const LIFE_DAYS: i64 = 397;
/// Renewed when less is left.
const RENEW_DAYS: i64 = 30;

/// The server's TLS.
pub(crate) struct Tls {
    dir: PathBuf,
    names: Vec<String>,
    ips: Vec<IpAddr>,
    current: Arc<Current>,
    pub(crate) config: Arc<ServerConfig>,
}

/// What the certificate was made for, beside it on disk: `tls/server.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    from_s: i64,
    until_s: i64,
    names: Vec<String>,
    ips: Vec<IpAddr>,
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<(Arc<CertifiedKey>, Made)>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().expect("nothing panics while it swaps the certificate").0))
    }
}

impl Tls {
    /// Opens `state_dir/tls`, makes what is missing. `names` and `ips` go into the certificate beside localhost.
    pub(crate) fn open(
        state_dir: &Path,
        names: &[String],
        ips: &[IpAddr],
        now: Wall,
    ) -> Result<Self, OpenError> {
        let dir = state_dir.join("tls");
        state_file::folder(&dir)?;
        let names = sorted(names.iter().filter(|n| is_dns_name(n)).cloned().chain(["localhost".into()]));
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let ips = sorted(ips.iter().copied().filter(|ip| !ip.is_unspecified()).chain(loopback));
        let key = certificate(&dir, &names, &ips, now)?;
        let current = Arc::new(Current(RwLock::new(key)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(told)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { dir, names, ips, current, config: Arc::new(config) })
    }

    /// Makes a new certificate when the old one nears its end, or when the clock was set and it no longer covers the day.
    /// Reads and writes the disk only then.
    pub(crate) fn renew(&self, now: Wall) -> Result<bool, OpenError> {
        let good =
            self.current.0.read().expect("nothing panics while it swaps the certificate").1.is_good(now);
        if !good {
            let fresh = certificate(&self.dir, &self.names, &self.ips, now)?;
            *self.current.0.write().expect("nothing panics while it swaps the certificate") = fresh;
        }
        Ok(!good)
    }
}

impl Made {
    fn is_good(&self, now: Wall) -> bool {
        let now_s = now.0.div_euclid(1_000_000);
        (self.from_s..self.until_s - RENEW_DAYS * DAY_S).contains(&now_s)
    }
}

/// The one on disk when it fits, else a new one.
fn certificate(
    dir: &Path,
    names: &[String],
    ips: &[IpAddr],
    now: Wall,
) -> Result<(Arc<CertifiedKey>, Made), OpenError> {
    let (chain_path, key_path, made_path) =
        (dir.join("server.pem"), dir.join("server.key"), dir.join("server.json"));
    let made: Option<Made> =
        state_file::read(&made_path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(made) = made.filter(|m| m.is_good(now) && m.names == names && m.ips == ips)
        && let (Some(chain), Some(key)) = (state_file::read(&chain_path)?, state_file::read(&key_path)?)
        && let Ok(key) = certified(&chain, &key)
    {
        return Ok((key, made));
    }
    let issuer = authority(dir)?;
    let key = KeyPair::generate().map_err(told)?;
    let from_s = now.0.div_euclid(1_000_000) - DAY_S;
    let until_s = from_s + LIFE_DAYS * DAY_S;
    let mut params = CertificateParams::new(names.to_vec()).map_err(told)?;
    params.subject_alt_names.extend(ips.iter().map(|ip| SanType::IpAddress(*ip)));
    params.distinguished_name = named("Nightjar recorder");
    let ((y0, m0, d0), (y1, m1, d1)) = (day(from_s), day(until_s));
    params.not_before = date_time_ymd(y0, m0, d0);
    params.not_after = date_time_ymd(y1, m1, d1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let signed = params.signed_by(&key, &issuer.issuer).map_err(told)?;
    let chain = format!("{}{}", signed.pem(), issuer.pem);
    let made = Made { from_s, until_s, names: names.to_vec(), ips: ips.to_vec() };
    state_file::replace(&key_path, key.serialize_pem().as_bytes())?;
    state_file::replace(&chain_path, chain.as_bytes())?;
    // Last: it vouches for the other two. A crash before leaves a pair that does not fit and is made again.
    state_file::replace(
        &made_path,
        &serde_json::to_vec_pretty(&made).expect("numbers and strings always serialise"),
    )?;
    Ok((certified(chain.as_bytes(), key.serialize_pem().as_bytes())?, made))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// The device's CA. Its parameters follow from its key alone, so key and certificate always belong together.
fn authority(dir: &Path) -> Result<Authority, OpenError> {
    let (key_path, pem_path) = (dir.join("ca.key"), dir.join("ca.pem"));
    let key = match state_file::read(&key_path)? {
        Some(pem) => {
            let pem = String::from_utf8(pem).map_err(told)?;
            KeyPair::from_pem(&pem)
                .map_err(|error| OpenError::Tls(format!("{}: {error}", key_path.display())))?
        }
        None => {
            let key = KeyPair::generate().map_err(told)?;
            state_file::replace(&key_path, key.serialize_pem().as_bytes())?;
            key
        }
    };
    let id: String = digest::digest(&digest::SHA256, key.public_key_raw()).as_ref()[..4]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("Nightjar device CA {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Fixed, so that a board whose clock starts in 1970 makes a CA that is valid once the clock is right.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2050, 1, 1);
    let pem = match state_file::read(&pem_path)? {
        Some(pem) => String::from_utf8(pem).map_err(told)?,
        None => {
            let pem = params.self_signed(&key).map_err(told)?.pem();
            state_file::replace(&pem_path, pem.as_bytes())?;
            pem
        }
    };
    Ok(Authority { issuer: Issuer::new(params, key), pem })
}

fn certified(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, OpenError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().map_err(told)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(told)?;
    CertifiedKey::from_der(chain, key, &provider::default_provider()).map(Arc::new).map_err(told)
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

fn day(unix_s: i64) -> (i32, u8, u8) {
    let (year, month, day, ..) = Wall(unix_s * 1_000_000).civil();
    (year as i32, month as u8, day as u8)
}

/// Letters, digits, dashes and dots: what a certificate's DNS name may hold.
fn is_dns_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items.dedup();
    items
}

fn told(error: impl std::fmt::Display) -> OpenError {
    OpenError::Tls(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_795_255_200_000_000);

    fn later(days: i64) -> Wall {
        NOW.plus_micros(days * DAY_S * 1_000_000)
    }

    #[test]
    fn keeps_its_certificate_until_it_nears_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read(folder.path().join("tls").join(name)).unwrap();
        let tls = Tls::open(folder.path(), &["nightjar.local".into()], &[], NOW).unwrap();
        let (ca, server) = (read("ca.pem"), read("server.pem"));
        Tls::open(folder.path(), &["nightjar.local".into()], &[], later(300)).unwrap();
        assert_eq!(read("server.pem"), server);
        assert!(!tls.renew(later(300)).unwrap());
        assert!(tls.renew(later(370)).unwrap());
        assert!(!tls.renew(later(370)).unwrap());
        assert_ne!(read("server.pem"), server);
        assert_eq!(read("ca.pem"), ca, "installed phones go on trusting");
    }

    #[test]
    fn a_new_address_or_a_clock_set_late_makes_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let read = || std::fs::read(folder.path().join("tls/server.pem")).unwrap();
        let tls = Tls::open(folder.path(), &[], &[], Wall(5_000_000)).unwrap();
        let first = read();
        assert!(tls.renew(NOW).unwrap(), "made in 1970, the clock is right now");
        assert_ne!(read(), first);
        let second = read();
        Tls::open(folder.path(), &[], &["192.168.1.9".parse().unwrap()], NOW).unwrap();
        assert_ne!(read(), second);
    }

    #[test]
    fn half_written_files_are_made_again() {
        let folder = tempfile::tempdir().unwrap();
        Tls::open(folder.path(), &[], &[], NOW).unwrap();
        let other = KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(folder.path().join("tls/server.key"), other).unwrap();
        Tls::open(folder.path(), &[], &[], NOW).unwrap();
    }
}
