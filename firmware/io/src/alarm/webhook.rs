//! Messages → signed POSTs of JSON to an address of somebody's own, one after the other.
//!
//! With a key, `Nightjar-Signature: t=SECONDS,v1=HEX` goes along: HEX is HMAC-SHA256 of `SECONDS.BODY` under the key. Who is told
//! checks both it and that the seconds are of now; every message has an `id`, by which one that comes twice is known.

use super::http::{Failure, Target};
use super::message::{Post, Writer};
use super::{Alarm, Letter, Opening, message};
use crate::clock;
use futures_util::future::BoxFuture;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use nightjar_types::config;
use ring::hmac;

const SIGNATURE: HeaderName = HeaderName::from_static("nightjar-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

struct Hook {
    target: Target,
    key: Option<hmac::Key>,
}

pub(super) fn open(opening: &Opening<'_>) -> Result<Vec<Alarm>, String> {
    opening.config.world.webhooks.iter().map(|hook| one(opening, hook)).collect()
}

fn one(opening: &Opening<'_>, hook: &config::Webhook) -> Result<Alarm, String> {
    let what = format!("webhook \"{}\"", hook.id);
    let target = Target::open(&what, &hook.url, hook.lan, hook.ca_file.as_deref())?;
    let key = hook.key.as_ref().map(|key| (opening.reveal)(&format!("{what}: key"), key)).transpose()?;
    let key = key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes()));
    Ok(Alarm {
        id: hook.id.to_string(),
        target: target.origin(),
        offline: if hook.lan {
            "Works without the internet when its target is on the local network."
        } else {
            "Needs the internet: without it messages wait for up to a day."
        },
        room: message::ROOM,
        longest: message::LONGEST,
        scribe: Box::new(Writer::new(opening, hook.tells)),
        courier: message::courier(Hook { target, key }, opening.deadline),
    })
}

impl Post for Hook {
    fn post<'a>(&'a mut self, letter: &'a Letter) -> BoxFuture<'a, Result<String, Failure>> {
        let mut headers = vec![(CONTENT_TYPE, JSON)];
        if let Some(key) = &self.key {
            headers.push((SIGNATURE, signature(key, clock::wall().as_ms() / 1_000, &letter.body)));
        }
        Box::pin(self.target.post(headers, letter.body.clone()))
    }
}

fn signature(key: &hmac::Key, seconds: i64, body: &[u8]) -> HeaderValue {
    let mut signed = hmac::Context::with_key(key);
    signed.update(format!("{seconds}.").as_bytes());
    signed.update(body);
    let hex: String = signed.sign().as_ref().iter().map(|b| format!("{b:02x}")).collect();
    HeaderValue::from_str(&format!("t={seconds},v1={hex}")).expect("digits are a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_time_with_the_body() {
        // printf '1795000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let signed = signature(&key, 1_795_000_000, b"{\"a\":1}");
        assert_eq!(
            signed.to_str().unwrap(),
            "t=1795000000,v1=1bd16f4bb96630234f5d9db1391a58d04079ea2aaf515271f43b4b91dcdfe987"
        );
    }
}
