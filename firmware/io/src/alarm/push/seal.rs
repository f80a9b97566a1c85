//! A message and a browser's keys → bytes that only that browser can read: RFC 8291, in one record of RFC 8188.

use super::Subscription;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// RFC 8291, section 4: a push service takes 4,096 bytes; less what is added.
const MAX_TEXT: usize = 3_993;
/// Record size: one record holds any message.
const RECORD: u32 = 4_096;

/// Fails in words when the keys are none or the message is too long.
pub(super) fn seal(to: &Subscription, text: &[u8]) -> Result<Vec<u8>, String> {
    let random = SystemRandom::new();
    let failed = |_| "no random bytes from the system".to_string();
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(failed)?;
    let own_public = own.compute_public_key().map_err(failed)?;
    let mut salt = [0; 16];
    random.fill(&mut salt).map_err(failed)?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &to.public_key);
    let shared =
        agree_ephemeral(own, &theirs, <[u8]>::to_vec).map_err(|_| "a browser's key is none".to_string())?;
    with(&shared, to, own_public.as_ref(), &salt, text)
}

/// The deterministic part.
fn with(
    shared: &[u8],
    to: &Subscription,
    own_public: &[u8],
    salt: &[u8; 16],
    text: &[u8],
) -> Result<Vec<u8>, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("the message has {} bytes, more than {MAX_TEXT}", text.len()));
    }
    // HKDF of one block each: extract, then expand with the counter 1
    let info = [b"WebPush: info\0", &to.public_key[..], own_public].concat();
    let secret = mac(mac(&to.auth, &[shared]).as_ref(), &[&info, &[1]]);
    let root = mac(salt, &[secret.as_ref()]);
    let key = mac(root.as_ref(), &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = mac(root.as_ref(), &[b"Content-Encoding: nonce\0", &[1]]);
    let wrong = |_| "the cipher does not take its key".to_string();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key.as_ref()[..16]).map_err(wrong)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..12]).map_err(wrong)?;
    let mut record = [text, &[2]].concat(); // 2: the last record
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).map_err(wrong)?;
    let length = [own_public.len() as u8];
    Ok([&salt[..], &RECORD.to_be_bytes(), &length, own_public, &record].concat())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| mac.update(part));
    mac.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn browser() -> Subscription {
        Subscription {
            endpoint: "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".into(),
            public_key: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
            who: "user ada".into(),
        }
    }

    #[test]
    fn seals_as_rfc_8291_section_5_does() {
        let own =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = with(&shared, &browser(), &own, &salt, text).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn no_two_messages_look_alike_and_a_long_one_is_refused() {
        let [a, b] = [(), ()].map(|()| seal(&browser(), b"hello").unwrap());
        assert!(a != b && a.len() == 16 + 4 + 1 + 65 + 5 + 1 + 16);
        assert!(seal(&browser(), &[0; MAX_TEXT]).unwrap().len() <= 4_096);
        assert!(seal(&browser(), &[0; MAX_TEXT + 1]).unwrap_err().contains("more than"));
        let broken = Subscription { public_key: vec![4; 65], ..browser() };
        assert!(seal(&broken, b"x").unwrap_err().contains("key is none"));
    }
}
