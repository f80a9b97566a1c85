//! A file of certificates, or those of the system → how TLS is spoken to the world. Made only when an alarm needs it.

use super::unreadable;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are remembered: as many as there are likely targets.
const SESSIONS: usize = 8;

/// The system's certificates are a hundred and more: they are in memory once.
static SYSTEM: Mutex<Option<Arc<ClientConfig>>> = Mutex::new(None);

/// A file of certificates in PEM, at least one. Fails in words, for the alarm `what`.
pub(super) fn ca(what: &str, file: &str) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(file).map_err(|e| format!("{what}: ca_file {file}: {}", unreadable(&e)))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|e| no_ca(what, file, &e.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(no_ca(what, file, "there is no certificate in it")) } else { Ok(pem) }
}

fn no_ca(what: &str, file: &str, why: &str) -> String {
    format!("{what}: ca_file {file}: {why}; it holds certificates in PEM, from BEGIN CERTIFICATE on")
}

/// Trusts those in `ca_file`, or who the system trusts. Fails in words, for the alarm `what`.
pub(super) fn client(what: &str, ca_file: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    let mut roots = RootCertStore::empty();
    match (ca_file, &*system) {
        (None, Some(config)) => return Ok(config.clone()),
        (Some(file), _) => {
            let pem = ca(what, file)?;
            for certificate in CertificateDer::pem_slice_iter(&pem).flatten() {
                roots.add(certificate).map_err(|e| no_ca(what, file, &e.to_string()))?;
            }
        }
        (None, None) => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(format!(
                    "{what}: this system trusts nobody: install ca-certificates, or name a ca_file"
                ));
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("{what}: TLS: {e}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    let config = Arc::new(config);
    if ca_file.is_none() {
        *system = Some(config.clone());
    }
    Ok(config)
}
