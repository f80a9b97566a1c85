//! Messages → a topic of an ntfy server, with the event's picture. <https://docs.ntfy.sh/publish/>

use super::http::{Failure, Target};
use super::message::{Message, Post, Writer, picture};
use super::{Alarm, Letter, Opening, Pictures, message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use nightjar_types::Secret;

const TITLE: HeaderName = HeaderName::from_static("title");
const MESSAGE: HeaderName = HeaderName::from_static("message");
const FILE_NAME: HeaderName = HeaderName::from_static("filename");
const PRIORITY: HeaderName = HeaderName::from_static("priority");

struct Ntfy {
    target: Target,
    token: Option<Secret<HeaderValue>>,
    pictures: Option<Pictures>,
}

pub(super) fn open(opening: &Opening<'_>) -> Result<Vec<Alarm>, String> {
    let Some(ntfy) = &opening.config.world.ntfy else { return Ok(Vec::new()) };
    let target = Target::open("[ntfy]", &ntfy.url, ntfy.lan, ntfy.ca_file.as_deref())?;
    let token = ntfy.token.as_ref().map(|token| (opening.reveal)("[ntfy] token", token)).transpose()?;
    let bearer = |token: Secret<String>| {
        let header = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
        header.map(Secret::new).map_err(|_| "[ntfy] token: has characters that no token has".to_string())
    };
    let token = token.map(bearer).transpose()?;
    Ok(vec![Alarm {
        id: "ntfy".into(),
        target: target.origin(),
        offline: if ntfy.lan {
            "Works without the internet with a server on the local network, for Android phones in it."
        } else {
            "Needs the internet: without it messages wait for up to a day."
        },
        room: message::ROOM,
        longest: message::LONGEST,
        scribe: Box::new(Writer::new(opening, ntfy.tells)),
        courier: message::courier(
            Ntfy { target, token, pictures: ntfy.picture.then(|| opening.pictures.clone()) },
            opening.deadline,
        ),
    }])
}

impl Post for Ntfy {
    fn post<'a>(&'a mut self, letter: &'a Letter) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let message = Message::read(letter)?;
            let mut headers = vec![(TITLE, text(&message.title))];
            headers.extend(self.token.as_ref().map(|token| (AUTHORIZATION, token.reveal().clone())));
            if message.kind == "notice"
                || message.step.as_deref() == Some("begin") && message.kind == "problem"
            {
                headers.push((PRIORITY, HeaderValue::from_static("high")));
            }
            let jpeg = picture(self.pictures.as_ref(), letter).await;
            let body = match jpeg {
                Some(jpeg) => {
                    headers.push((FILE_NAME, HeaderValue::from_static("event.jpg")));
                    headers.push((MESSAGE, text(&message.words())));
                    jpeg
                }
                None => Bytes::from(message.words()),
            };
            self.target.post(headers, body).await
        })
    }
}

/// As a header: RFC 2047 where it is more than one line of ASCII.
fn text(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let coded = if is_plain { text.to_string() } else { format!("=?UTF-8?B?{}?=", STANDARD.encode(text)) };
    HeaderValue::from_str(&coded).expect("plain ASCII is a header")
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_of_any_language_fit_into_a_header() {
        assert_eq!(super::text("Front door"), "Front door");
        assert_eq!(super::text("Tür"), "=?UTF-8?B?VMO8cg==?=");
    }
}
