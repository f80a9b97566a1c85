//! Random bytes → a one-time setup code that a person can type, and the check of what they typed.

use crate::error::OpenError;
use crate::state_file;
use nightjar_types::Secret;
use ring::hmac;

/// No `0 O 1 I L`: 31 signs, 8 of them are 39.6 bits.
const SIGNS: &[u8; 31] = b"ABCDEFGHJKMNPQRSTUVWXYZ23456789";
const LEN: usize = 8;

/// The code that lets the first admin in. Only the console sees it.
#[derive(Debug, Clone)]
pub struct SetupCode(Secret<String>);

impl SetupCode {
    /// A fresh one.
    pub(crate) fn new() -> Result<Self, OpenError> {
        let mut code = String::with_capacity(LEN + 1);
        while code.len() < LEN + 1 {
            let [byte] = state_file::random::<1>()?;
            // 248 = 8 * 31: above that some signs would come more often.
            if byte < 248 {
                code.push(char::from(SIGNS[usize::from(byte) % SIGNS.len()]));
                if code.len() == LEN / 2 {
                    code.push('-');
                }
            }
        }
        Ok(Self(Secret::new(code)))
    }

    /// `XXXX-XXXX`, for the console and nothing else.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// What the server keeps of the code: enough to check it.
#[derive(Debug)]
pub(crate) struct Expected {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl Expected {
    pub(crate) fn of(code: &SetupCode) -> Result<Self, OpenError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &state_file::random::<32>()?);
        let tag = hmac::sign(&key, plain(code.reveal()).as_bytes());
        Ok(Self { key, tag })
    }

    /// Constant time in what was typed; case, blanks and dashes do not matter.
    pub(crate) fn fits(&self, typed: &str) -> bool {
        hmac::verify(&self.key, plain(typed).as_bytes(), self.tag.as_ref()).is_ok()
    }
}

fn plain(typed: &str) -> String {
    typed.chars().take(64).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_typed_as_a_person_types() {
        let code = SetupCode::new().unwrap();
        let shown = code.reveal().to_owned();
        assert_eq!((shown.len(), shown.as_bytes()[4]), (9, b'-'));
        assert!(shown.bytes().all(|b| b == b'-' || SIGNS.contains(&b)), "{shown}");
        let expected = Expected::of(&code).unwrap();
        assert!(expected.fits(&shown));
        assert!(expected.fits(&format!(" {} ", shown.replace('-', " ").to_lowercase())));
        assert!(!expected.fits(""));
        assert!(!expected.fits(&shown[..8]));
        assert!(!expected.fits("AAAA-AAA1"));
    }

    #[test]
    fn does_not_print_itself() {
        let code = SetupCode::new().unwrap();
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
