//! Files of certificates → how TLS is spoken: who is trusted, and who the board says it is.

use crate::{Error, Login, Setup};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

pub(crate) fn client(setup: &Setup) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    match &setup.address.ca_file {
        Some(file) => {
            for certificate in certificates("ca_file", file)? {
                roots.add(certificate).map_err(|e| wrong("ca_file", file, &e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let why = "this system trusts nobody: install ca-certificates, or name a file".into();
                return Err(Error::Setup { what: "ca_file", why });
            }
        }
    }
    let tls = |e: rustls::Error| Error::Setup { what: "TLS", why: e.to_string() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_root_certificates(roots);
    let config = match &setup.login {
        Login::TargetToken(_) | Login::GatewayToken(_) => builder.with_no_client_auth(),
        Login::Certificate { chain, key } => {
            let own = certificates("certificate", chain)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong("certificate key", key, &e))?;
            builder.with_client_auth_cert(own, secret).map_err(|e| wrong("certificate", chain, &e))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|e| wrong(what, file, &e))?;
    if all.is_empty() {
        return Err(wrong(what, file, &"there is no certificate in it"));
    }
    Ok(all)
}

fn wrong(what: &'static str, file: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Setup { what, why: format!("{}: {why}; it is a file in PEM", file.display()) }
}
