//! The recorder's key pair → tokens by which push services know who sends: RFC 8292.

use crate::clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

/// A token is good for so long, seconds; services take up to a day.
const GOOD_FOR: i64 = 12 * 3_600;

/// Signs tokens.
pub struct SenderKey(EcdsaKeyPair);

impl SenderKey {
    /// PKCS#8 of a new key; `None`: the system gives no random bytes.
    pub(super) fn make() -> Option<Vec<u8>> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        made.ok().map(|made| made.as_ref().to_vec())
    }

    /// `None`: it is no such key.
    pub(super) fn read(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new());
        pair.ok().map(Self)
    }

    /// As browsers want it: `applicationServerKey`, URL-safe base64.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// The `Authorization` header for a push service; `None`: the system gives no random bytes.
    pub(super) fn token(&self, origin: &str, contact: &str) -> Option<String> {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let until = clock::wall().as_ms() / 1_000 + GOOD_FOR;
        let head = part(json!({ "typ": "JWT", "alg": "ES256" }));
        let signed = format!("{head}.{}", part(json!({ "aud": origin, "exp": until, "sub": contact })));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), self.public()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn a_service_can_check_who_sends() {
        let key = SenderKey::read(&SenderKey::make().unwrap()).unwrap();
        let token = key.token("https://push.example.net", "mailto:me@example.org").unwrap();
        let (token, public) = token.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(public));
        public.verify(signed.as_bytes(), &bytes(signature)).unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(
            (&claims["aud"], &claims["sub"]),
            (&"https://push.example.net".into(), &"mailto:me@example.org".into())
        );
        assert!(SenderKey::read(b"none").is_none());
    }
}
