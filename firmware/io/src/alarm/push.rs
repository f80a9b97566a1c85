//! Messages → the browsers that asked for them, through their makers' push services, which cannot read them.
//! RFC 8030 (the request), RFC 8291 (what is in it), RFC 8292 (who sends it).

mod book;
mod seal;
mod vapid;

pub use book::{Book, BookError, Subscription};
pub use vapid::SenderKey;

use super::http::{Failure, Target};
use super::message::{Message, Post, Writer};
use super::{Alarm, Ended, Letter, Opening, Scribe, message, tls};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderName, HeaderValue};
use nightjar_types::status::Update;
use rustls::ClientConfig;
use std::sync::Arc;

/// As in the configuration.
const NAME: &str = "[push]";
const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
/// A push service keeps a message for a phone that is off for as long as we would, seconds.
const KEPT: HeaderValue = HeaderValue::from_static("86400");

struct Push {
    book: Arc<Book>,
    contact: String,
    lan: bool,
    ca_file: Option<String>,
    /// `None`: nobody has asked for messages yet, and whom the system trusts is not in memory for it.
    tls: Option<Arc<ClientConfig>>,
}

/// Writes while somebody has asked for messages.
struct Asked {
    book: Arc<Book>,
    writer: Writer,
}

impl Scribe for Asked {
    fn write(&mut self, update: &Update) -> Vec<Letter> {
        if self.book.is_empty() { Vec::new() } else { self.writer.write(update) }
    }
}

pub(super) fn open(opening: &Opening<'_>) -> Result<Vec<Alarm>, String> {
    let Some(push) = &opening.config.world.push else { return Ok(Vec::new()) };
    // a file that is named is looked at in any case: what is wrong with it is said now
    let is_needed = push.ca_file.is_some() || opening.book.as_ref().is_some_and(|book| !book.is_empty());
    let tls = is_needed.then(|| tls::client(NAME, push.ca_file.as_deref())).transpose()?;
    let Some(book) = opening.book.clone() else { return Ok(Vec::new()) };
    Ok(vec![Alarm {
        id: "push".into(),
        target: "browsers that asked for it".into(),
        offline: "Needs the internet, here and on the phone: the messages go through the browser's maker.",
        room: message::ROOM,
        longest: message::LONGEST,
        scribe: Box::new(Asked { book: book.clone(), writer: Writer::new(opening, push.tells) }),
        courier: message::courier(
            Push { book, contact: push.contact.clone(), lan: push.lan, ca_file: push.ca_file.clone(), tls },
            opening.deadline,
        ),
    }])
}

impl Post for Push {
    fn post<'a>(&'a mut self, letter: &'a Letter) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let body = shown(&Message::read(letter)?);
            let all = self.book.all();
            let tls = self.tls()?;
            let (mut reached, mut later) = (0, None);
            for to in &all {
                match self.send(to, &tls, &body).await {
                    Ok(_) => reached += 1,
                    // RFC 8030, section 7.3: the browser does not want it any more
                    Err(Failure::Gone(_)) => {
                        self.book.forget(&to.endpoint).map_err(|e| Failure::Never(e.to_string()))?;
                    }
                    Err(Failure::Never(words)) => tracing::warn!(words, "a push service refuses a message"),
                    Err(Failure::Later(ended)) => later = Some(ended),
                }
            }
            match later {
                // who has it already shows it once: the browser replaces one of the same id
                Some(ended) if reached == 0 => Err(Failure::Later(ended)),
                _ => Ok(format!("{reached} of {} browsers", all.len())),
            }
        })
    }
}

impl Push {
    fn tls(&mut self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let made = tls::client(NAME, self.ca_file.as_deref());
        let made = made.map_err(|words| Failure::Later(Ended::slow(words)))?;
        Ok(self.tls.insert(made).clone())
    }

    async fn send(&self, to: &Subscription, tls: &Arc<ClientConfig>, body: &[u8]) -> Result<String, Failure> {
        let target = Target::new(NAME, &to.endpoint, self.lan, Some(tls.clone())).map_err(Failure::Never)?;
        let failed = || Failure::Later(Ended::soon("[push]: no random bytes from the system".into()));
        let token = self.book.key().token(&target.origin(), &self.contact).ok_or_else(failed)?;
        let sealed = seal::seal(to, body).map_err(Failure::Never)?;
        let headers = vec![
            (AUTHORIZATION, HeaderValue::from_str(&token).map_err(|e| Failure::Never(e.to_string()))?),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (TTL, KEPT),
            (URGENCY, HeaderValue::from_static("high")),
        ];
        target.post(headers, Bytes::from(sealed)).await
    }
}

/// What the page's service worker shows.
fn shown(message: &Message) -> Vec<u8> {
    let text = serde_json::json!({
        "id": message.id, "title": message.title, "text": message.text, "at": message.at,
        "camera": message.camera, "event": message.event,
    });
    text.to_string().into_bytes()
}
