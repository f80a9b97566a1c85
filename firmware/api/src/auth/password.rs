//! Password → argon2id hash as a PHC string, and back to yes or no. Costs 19 MiB and tens of milliseconds a call.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// OWASP Password Storage Cheat Sheet, the argon2id row for small memory: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Shortest password, in characters.
pub(crate) const MIN_CHARS: usize = 8;
/// Longest password, in bytes: what is hashed has a bound.
pub(crate) const MAX_BYTES: usize = 256;

fn argon() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are in argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes with the given random salt.
pub(crate) fn hash(password: &str, salt: [u8; 16]) -> String {
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a valid salt");
    argon().hash_password(password.as_bytes(), &salt).expect("length and parameters are in range").to_string()
}

/// Compares in constant time; a damaged hash fits no password.
pub(crate) fn fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_only_the_same_password() {
        let stored = hash("correct horse", [7; 16]);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(fits("correct horse", &stored));
        assert!(!fits("correct horsf", &stored));
        assert!(!fits("correct horse", "$argon2id$nonsense"));
        assert_ne!(stored, hash("correct horse", [8; 16]));
    }
}
