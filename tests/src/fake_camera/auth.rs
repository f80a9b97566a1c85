//! An Authorization header → is it the right password (RFC 7617, RFC 7616 with MD5).

use super::clip::hex;
use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};

/// Kept for the camera's life: cameras do that.
const NONCE: &str = "6f1d9a3c77e24b05";
const REALM: &str = "fake camera";

/// Which scheme the camera asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The password in Base64.
    Basic,
    /// MD5 without quality of protection, as RFC 2069 and most cameras.
    Digest,
    /// MD5 with `qop=auth`.
    DigestQop,
}

/// What the camera asks for.
#[derive(Debug, Clone)]
pub struct Login {
    /// How.
    pub scheme: Scheme,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Login {
    /// Short form.
    pub fn new(scheme: Scheme, user: &str, password: &str) -> Self {
        Self { scheme, user: user.to_string(), password: password.to_string() }
    }

    /// Value of the WWW-Authenticate header.
    pub(super) fn challenge(&self) -> String {
        match self.scheme {
            Scheme::Basic => format!("Basic realm=\"{REALM}\""),
            Scheme::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\""),
            Scheme::DigestQop => {
                format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\", qop=\"auth\", algorithm=MD5")
            }
        }
    }

    /// Whether the header of a request with this method proves the password.
    pub(super) fn accepts(&self, method: &str, header: &str) -> bool {
        match header.split_once(' ') {
            Some(("Basic", proof)) if self.scheme == Scheme::Basic => {
                proof.trim() == BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password))
            }
            Some(("Digest", fields)) if self.scheme != Scheme::Basic => self.accepts_digest(method, fields),
            _ => false,
        }
    }

    fn accepts_digest(&self, method: &str, fields: &str) -> bool {
        let field = |name: &str| field(fields, name).unwrap_or_default();
        let secret = md5(&format!("{}:{REALM}:{}", self.user, self.password));
        let request = md5(&format!("{method}:{}", field("uri")));
        let expected = match self.scheme {
            Scheme::DigestQop => {
                let (count, client) = (field("nc"), field("cnonce"));
                md5(&format!("{secret}:{NONCE}:{count}:{client}:auth:{request}"))
            }
            _ => md5(&format!("{secret}:{NONCE}:{request}")),
        };
        field("username") == self.user && field("nonce") == NONCE && field("response") == expected
    }
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text))
}

/// `name="value"` or `name=value` in a comma separated list. No value here holds a comma.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let pairs = fields.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"')).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_base64_of_both() {
        // The example of RFC 7617, section 2.
        let login = Login::new(Scheme::Basic, "Aladdin", "open sesame");
        assert!(login.accepts("DESCRIBE", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(!login.accepts("DESCRIBE", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZT=="));
        assert!(!login.accepts("DESCRIBE", ""));
    }

    #[test]
    fn a_digest_holds_for_one_password_and_one_method() {
        let login = Login::new(Scheme::Digest, "u", "p");
        let response = md5(&format!("{}:{NONCE}:{}", md5(&format!("u:{REALM}:p")), md5("PLAY:rtsp://x/")));
        let header =
            format!("Digest username=\"u\", nonce=\"{NONCE}\", uri=\"rtsp://x/\", response=\"{response}\"");
        assert!(login.accepts("PLAY", &header));
        assert!(!login.accepts("SETUP", &header));
        assert!(!Login::new(Scheme::Digest, "u", "q").accepts("PLAY", &header));
    }
}
