//! The state folder → who asked for messages, and the key that signs them. Written when it changes, whole or not at all.

use super::vapid::SenderKey;
use crate::storage::disk;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// PKCS#8, readable by the recorder only. With another key every browser has to ask anew.
const KEY: &str = "push.key";
const BOOK: &str = "push.json";
/// Browsers that may ask.
const MAX_BROWSERS: usize = 32;
/// Longest address of one.
const MAX_ENDPOINT: usize = 1_024;

/// A browser that asked for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Where its push service takes them. Who knows it may send there.
    pub endpoint: String,
    /// The browser's P-256 public key, 65 bytes.
    pub public_key: Vec<u8>,
    /// The browser's secret, 16 bytes.
    pub auth: Vec<u8>,
    /// Who is logged in there.
    pub who: String,
}

/// What is wrong with the book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Make the state folder writable.
    #[error("cannot {doing} {}: {source}; make the state folder writable for the recorder", path.display())]
    File {
        /// `read`, `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Delete it.
    #[error("{} is damaged; delete it: browsers have to ask for messages anew", .0.display())]
    Damaged(PathBuf),
    /// Ask with another one.
    #[error("{0}")]
    Refused(String),
    /// The system gives no random bytes.
    #[error("no random bytes from the system for the push key")]
    Random,
}

/// Who asked for messages.
pub struct Book {
    dir: PathBuf,
    key: SenderKey,
    all: Mutex<Vec<Subscription>>,
}

impl Book {
    /// Opens the one in `dir`; its key is made at the first time.
    pub fn open(dir: &Path) -> Result<Self, BookError> {
        let path = dir.join(KEY);
        let bytes = match read(&path)? {
            Some(bytes) => bytes,
            None => {
                let made = SenderKey::make().ok_or(BookError::Random)?;
                write(&path, &made)?;
                made
            }
        };
        let key = SenderKey::read(&bytes).ok_or(BookError::Damaged(path))?;
        let path = dir.join(BOOK);
        let all = read(&path)?.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        let all = all.map_err(|_| BookError::Damaged(path))?.unwrap_or_default();
        Ok(Self { dir: dir.into(), key, all: Mutex::new(all) })
    }

    /// Who sends.
    pub fn key(&self) -> &SenderKey {
        &self.key
    }

    /// Everybody.
    pub fn all(&self) -> Vec<Subscription> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody asked.
    pub fn is_empty(&self) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes a browser in, on behalf of `who`; `public_key` and `auth` as it gives them, in URL-safe base64. Writes a file.
    pub fn add(&self, endpoint: &str, public_key: &str, auth: &str, who: &str) -> Result<(), BookError> {
        let refused =
            |words: &str| BookError::Refused(format!("this is no subscription of a browser: {words}"));
        let bytes = |text: &str, length: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
            bytes.filter(|bytes| bytes.len() == length)
        };
        if !endpoint.starts_with("https://") || endpoint.len() > MAX_ENDPOINT {
            return Err(refused("its endpoint is no https: address"));
        }
        let public_key = bytes(public_key, 65).ok_or_else(|| refused("keys.p256dh are not 65 bytes"))?;
        let auth = bytes(auth, 16).ok_or_else(|| refused("keys.auth are not 16 bytes"))?;
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = all.clone();
        next.retain(|s| s.endpoint != endpoint);
        if next.len() == MAX_BROWSERS {
            return Err(BookError::Refused(format!(
                "{MAX_BROWSERS} browsers are told already; remove one first"
            )));
        }
        next.push(Subscription { endpoint: endpoint.into(), public_key, auth, who: who.into() });
        self.keep(&next)?;
        *all = next;
        Ok(())
    }

    /// Leaves a browser out; whether it was in. Writes a file.
    pub fn forget(&self, endpoint: &str) -> Result<bool, BookError> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let next: Vec<Subscription> = all.iter().filter(|s| s.endpoint != endpoint).cloned().collect();
        let was_in = next.len() < all.len();
        if was_in {
            self.keep(&next)?;
            *all = next;
        }
        Ok(was_in)
    }

    fn keep(&self, all: &[Subscription]) -> Result<(), BookError> {
        write(&self.dir.join(BOOK), &serde_json::to_vec(all).expect("texts and bytes are JSON"))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BookError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BookError::File { doing: "read", path: path.into(), source }),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BookError> {
    let written = disk::replace(path, bytes, disk::PRIVATE);
    written.map_err(|source| BookError::File { doing: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_browsers_and_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        let (key, auth) = (URL_SAFE_NO_PAD.encode([4; 65]), URL_SAFE_NO_PAD.encode([7; 16]));
        book.add("https://push.example.net/a", &key, &auth, "user ada").unwrap();
        book.add("https://push.example.net/a", &key, &auth, "user bob").unwrap();
        let again = Book::open(dir.path()).unwrap();
        assert_eq!((again.all().len(), again.all()[0].who.as_str()), (1, "user bob"));
        assert_eq!(again.key().public(), book.key().public());
        assert!(again.forget("https://push.example.net/a").unwrap());
        assert!(!again.forget("https://push.example.net/a").unwrap());
        assert!(Book::open(dir.path()).unwrap().all().is_empty());
    }

    #[test]
    fn refuses_what_no_browser_gives() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        let (key, auth) = (URL_SAFE_NO_PAD.encode([4; 65]), URL_SAFE_NO_PAD.encode([7; 16]));
        for (endpoint, key, auth, words) in [
            ("http://push.example.net/a", key.as_str(), auth.as_str(), "https:"),
            ("https://push.example.net/a", "AAAA", &auth, "p256dh"),
            ("https://push.example.net/a", &key, "!", "auth"),
        ] {
            let refused = book.add(endpoint, key, auth, "x").unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        let browser = |n: usize| book.add(&format!("https://push.example.net/{n}"), &key, &auth, "x");
        (0..MAX_BROWSERS).for_each(|n| browser(n).unwrap());
        assert!(browser(99).unwrap_err().to_string().contains("32 browsers"));
        std::fs::write(dir.path().join(BOOK), "{").unwrap();
        assert!(Book::open(dir.path()).err().unwrap().to_string().contains("push.json is damaged"));
    }
}
