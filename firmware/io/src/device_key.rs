//! The state folder → the device's Ed25519 key, made at the first start. It signs what is recorded and exported.

use nightjar_record::{Sign, evidence};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// PKCS#8, version 1 or 2, readable by the recorder only.
const NAME: &str = "signing.key";

/// Why there is no key. The daemon says it and stops: footage must not be recorded unsigned by accident.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot {doing} {}: {source}; make the state folder writable for the recorder", path.display())]
    File {
        /// `read`, `make`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds no Ed25519 key.
    #[error(
        "{} is no Ed25519 key (PKCS#8); put the saved one back, or remove it: then a new one is made, and footage from \
         before is proven by the old public key only", .0.display()
    )]
    Damaged(PathBuf),
    /// The system gives no random bytes.
    #[error("no random bytes from the system for the device key")]
    Random,
}

/// The device's key.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl DeviceKey {
    /// Opens the key in `dir`, or makes it.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(NAME);
        let failed = |doing, source| KeyError::File { doing, path: path.clone(), source };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
                let made = made.map_err(|_| KeyError::Random)?;
                keep(dir, &path, made.as_ref()).map_err(|e| failed("make", e))?;
                tracing::info!(path = %path.display(), "made the device key");
                std::fs::read(&path).map_err(|e| failed("read", e))?
            }
            Err(e) => return Err(failed("read", e)),
        };
        let mode = std::fs::metadata(&path).map_err(|e| failed("read", e))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), mode = format!("{mode:o}"), "others can read the device key; chmod 600");
        }
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes);
        let pair = pair.map_err(|_| KeyError::Damaged(path.clone()))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Damaged(path.clone()))?;
        Ok(Self { pair, public })
    }

    /// The public key's fingerprint, as people compare it.
    pub fn fingerprint(&self) -> String {
        evidence::fingerprint(&self.public)
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", self.fingerprint())
    }
}

impl Sign for DeviceKey {
    fn public(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Whole or not at all; never over one that is there.
fn keep(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, UnparsedPublicKey};

    #[test]
    fn is_made_once_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let key = DeviceKey::open(dir.path()).unwrap();
        let again = DeviceKey::open(dir.path()).unwrap();
        assert_eq!(key.public(), again.public());
        let mode = std::fs::metadata(dir.path().join(NAME)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        let signed = again.sign(b"footage");
        UnparsedPublicKey::new(&ED25519, key.public()).verify(b"footage", &signed).unwrap();
        assert_eq!(key.fingerprint().len(), 39);
        assert!(!format!("{key:?}").contains("pair"));
    }

    #[test]
    fn a_damaged_key_is_named_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), b"not a key").unwrap();
        let words = DeviceKey::open(dir.path()).unwrap_err().to_string();
        assert!(words.contains("signing.key is no Ed25519 key"), "{words}");
        assert_eq!(std::fs::read(dir.path().join(NAME)).unwrap(), b"not a key");
        assert!(DeviceKey::open(&dir.path().join("nowhere")).unwrap_err().to_string().contains("writable"));
    }
}
