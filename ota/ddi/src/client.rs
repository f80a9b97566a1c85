//! Requests to one server → what it has for this board; reports → acknowledged there.

use crate::http::{self, Answer, Ask};
use crate::report::{Finished, Report, lines};
use crate::wire::{Artifact, Deployment, Garbled, parse};
use crate::{Error, Setup, tls};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use nightjar_types::Secret;
use rustls::ClientConfig;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::{Origin, Url};

/// The largest answer: a deployment of a hundred files has about 100 KiB.
const MAX_ANSWER: usize = 1 << 20;
/// hawkBit's longest name or value of an attribute, characters, and how many it keeps.
const MAX_ATTRIBUTE: usize = 128;
const MAX_ATTRIBUTES: usize = 100;

/// What a poll found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Until the next poll, if the server says.
    pub sleep: Option<Duration>,
    /// It wants to know what this board is.
    pub wants_inventory: bool,
    /// The action that is to be stopped.
    pub cancel: Option<u64>,
    /// An update that waits for the owner's yes.
    pub confirmation: Option<Deployment>,
    /// An update.
    pub deployment: Option<Deployment>,
}

/// What becomes of attributes that the server has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Others stay.
    Merge,
    /// Others go.
    Replace,
}

/// How a program other than this one gets at an artifact, such as RAUC when it streams.
#[derive(Debug)]
pub struct Door {
    /// Where it lies.
    pub url: Url,
    /// What it has to show there, as `Name: value`. Nothing where it lies at somebody else's.
    pub header: Option<Secret<String>>,
    /// It lies at the server itself: the same authority and the same certificate count.
    pub is_own: bool,
}

/// The way of one board to its server.
pub struct Client {
    base: Url,
    login: Option<Secret<String>>,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Checks the settings and reads the certificates; nothing is sent yet.
    pub fn new(setup: &Setup) -> Result<Self, Error> {
        let base = setup.base()?;
        let login = setup.login.header();
        if let Some(login) = &login
            && HeaderValue::from_str(login.reveal()).is_err()
        {
            let why = "there are characters in it that no token has; is there a line break?".into();
            return Err(Error::Setup { what: "token", why });
        }
        // an artifact may lie behind https: although the server does not
        let needs_tls = base.scheme() == "https" || setup.address.ca_file.is_some();
        Ok(Self { base, login, tls: needs_tls.then(|| tls::client(setup)).transpose()? })
    }

    /// Scheme, host and port of the server.
    pub fn server(&self) -> String {
        http::origin(&self.base)
    }

    /// Asks what there is to do. A server that does not know the board yet may take it up.
    pub async fn poll(&self) -> Result<Orders, Error> {
        let base = self.ask("poll", &[], parse::base).await?;
        let mut orders =
            Orders { sleep: base.sleep, wants_inventory: base.wants_inventory, ..Orders::default() };
        if let Some(action) = base.cancel {
            let path = ["cancelAction", &action.to_string()];
            let read = |bytes: &[u8]| parse::cancel(bytes, action);
            orders.cancel = current(self.ask("cancelAction", &path, read).await)?;
        }
        if let Some(action) = base.confirmation {
            let path = ["confirmationBase", &action.to_string()];
            let read = |bytes: &[u8]| parse::confirmation(bytes, action);
            orders.confirmation = current(self.ask("confirmationBase", &path, read).await)?;
        }
        if let Some(action) = base.deployment {
            let path = ["deploymentBase", &action.to_string()];
            let read = |bytes: &[u8]| parse::deployment(bytes, action);
            orders.deployment = current(self.ask("deploymentBase", &path, read).await)?;
        }
        Ok(orders)
    }

    /// Tells what this board is: hardware, version, slot.
    pub async fn inventory(&self, mode: Mode, data: &BTreeMap<String, String>) -> Result<(), Error> {
        let cut = |text: &str| text.chars().take(MAX_ATTRIBUTE).collect::<String>();
        let known: BTreeMap<String, String> =
            data.iter().take(MAX_ATTRIBUTES).map(|(key, value)| (cut(key), cut(value))).collect();
        self.tell(Method::PUT, &["configData"], &json!({ "mode": mode, "data": known })).await
    }

    /// Reports on an action.
    pub async fn report(&self, action: u64, report: &Report) -> Result<(), Error> {
        let path = ["deploymentBase", &action.to_string(), "feedback"];
        self.send(Method::POST, &path, report.to_json()).await
    }

    /// The action was stopped; nothing of it remains.
    pub async fn cancelled(&self, action: u64, words: &str) -> Result<(), Error> {
        self.answer_cancel(action, &Report::closed(true, words)).await
    }

    /// It is too late to stop it, or it cannot be stopped.
    pub async fn too_late(&self, action: u64, words: &str) -> Result<(), Error> {
        let no = Report { finished: Finished::None, ..Report::of(crate::Execution::Rejected, words) };
        self.answer_cancel(action, &no).await
    }

    async fn answer_cancel(&self, action: u64, report: &Report) -> Result<(), Error> {
        self.send(Method::POST, &["cancelAction", &action.to_string(), "feedback"], report.to_json()).await
    }

    /// What the owner says to an update that waits for a yes.
    pub async fn consent(&self, action: u64, answer: &Result<(), String>) -> Result<(), Error> {
        let (word, details) = match answer {
            Ok(()) => ("confirmed", vec![]),
            Err(why) => ("denied", vec![why.clone()]),
        };
        let body = json!({ "confirmation": word, "details": lines(&details) });
        self.tell(Method::POST, &["confirmationBase", &action.to_string(), "feedback"], &body).await
    }

    /// What runs here, whatever the server believes: after somebody installed from a stick, or a slot was changed by hand.
    pub async fn installed(&self, name: &str, version: &str) -> Result<(), Error> {
        self.tell(Method::PUT, &["installedBase"], &json!({ "name": name, "version": version })).await
    }

    /// How another program gets at `artifact`.
    pub fn door(&self, artifact: &Artifact) -> Door {
        let is_own = self.is_own(&artifact.url);
        let login = self.login.as_ref().filter(|_| is_own);
        let header = login.map(|login| Secret::new(format!("Authorization: {}", login.reveal())));
        Door { url: artifact.url.clone(), header, is_own }
    }

    /// A part of an artifact, from `from` to its end.
    pub(crate) async fn open(&self, artifact: &Artifact, from: u64) -> Result<Answer, Error> {
        let url = &artifact.url;
        let range = HeaderValue::from_str(&format!("bytes={from}-")).expect("digits fit into a header");
        let mut headers = vec![(hyper::header::RANGE, range)];
        if self.is_own(url) {
            headers.extend(self.authorization());
        }
        if url.scheme() == "https" && self.tls.is_none() {
            let why = format!("{url} is behind TLS and the server is not; name a ca_file");
            return Err(Error::Setup { what: "ca_file", why });
        }
        let tls = self.tls.as_ref().filter(|_| url.scheme() == "https");
        let (method, body) = (Method::GET, Bytes::new());
        Ask { method, url, headers, body, tls, name: &artifact.file }.send().await
    }

    /// The token goes to the configured server alone.
    fn is_own(&self, url: &Url) -> bool {
        matches!(url.origin(), Origin::Tuple(..)) && url.origin() == self.base.origin()
    }

    fn authorization(&self) -> Option<(HeaderName, HeaderValue)> {
        let mut value = HeaderValue::from_str(self.login.as_ref()?.reveal()).ok()?;
        value.set_sensitive(true);
        Some((AUTHORIZATION, value))
    }

    async fn ask<T>(
        &self,
        name: &str,
        path: &[&str],
        read: impl FnOnce(&[u8]) -> Result<T, Garbled>,
    ) -> Result<T, Error> {
        let body = self.exchange(Method::GET, name, path, Bytes::new()).await?;
        read(&body).map_err(|why| Error::Garbled {
            server: self.server(),
            asked: format!("GET {name}"),
            why: why.to_string(),
        })
    }

    async fn tell(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(body).expect("texts are JSON");
        self.send(method, path, body).await
    }

    async fn send(&self, method: Method, path: &[&str], body: Vec<u8>) -> Result<(), Error> {
        self.exchange(method, &path.join("/"), path, body.into()).await.map(drop)
    }

    async fn exchange(&self, method: Method, name: &str, path: &[&str], body: Bytes) -> Result<Bytes, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        let mut headers = vec![(ACCEPT, HeaderValue::from_static("application/hal+json, application/json"))];
        if method != Method::GET {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        headers.extend(self.authorization());
        let tls = self.tls.as_ref().filter(|_| url.scheme() == "https");
        Ask { method, url: &url, headers, body, tls, name }.send().await?.read(MAX_ANSWER).await
    }
}

/// What was there when the poll was answered may be gone a moment later.
fn current<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Error::Refused { status: 404 | 410, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
