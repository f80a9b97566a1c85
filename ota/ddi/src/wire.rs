//! Bytes of a fleet server → what they mean, checked. Pure; bytes from outside never panic.
//!
//! Addresses of the server's own resources are not taken from its answers, only the numbers in them: behind a proxy it often names
//! itself wrongly, and a token goes to nobody but the configured server. Artifacts may lie anywhere.

use ring::digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbled(String);

/// What to do with a part of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handling {
    /// Not now: only the download is wanted, or a maintenance window is shut.
    Skip,
    /// When it suits the board.
    Attempt,
    /// As soon as it can be done safely.
    Forced,
}

/// Whether a maintenance window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// It is.
    Available,
    /// Later.
    Unavailable,
}

/// An action of the server: what is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its number.
    pub action: u64,
    /// Whether to fetch it.
    pub download: Handling,
    /// Whether to install it.
    pub update: Handling,
    /// The maintenance window, if there is one. A shut one is in `update`, too.
    pub window: Option<Window>,
    /// What it is made of.
    pub chunks: Vec<Chunk>,
}

/// One software module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its kind at the server, such as `os`.
    pub part: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its files.
    pub artifacts: Vec<Artifact>,
    /// What the owner of the fleet wrote beside it.
    pub metadata: BTreeMap<String, String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// A name without a folder.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of them.
    pub sha256: [u8; digest::SHA256_OUTPUT_LEN],
    /// Where it lies.
    pub url: Url,
}

/// What the server has for the board, by number; and how often it wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Until the next poll, if it is said.
    pub sleep: Option<Duration>,
    /// It wants to know what the board is.
    pub wants_inventory: bool,
    /// An action to be carried out.
    pub deployment: Option<u64>,
    /// An action that waits for a yes of the board's owner.
    pub confirmation: Option<u64>,
    /// A request to stop an action.
    pub cancel: Option<u64>,
}

/// The answers of the server.
pub mod parse {
    use super::{Base, Deployment, Garbled, raw};

    /// The answer to a poll.
    pub fn base(bytes: &[u8]) -> Result<Base, Garbled> {
        raw::read::<raw::Base>(bytes)?.check()
    }

    /// A deployment; `number` is what was asked for.
    pub fn deployment(bytes: &[u8], number: u64) -> Result<Deployment, Garbled> {
        let raw::Deployment { id, deployment } = raw::read(bytes)?;
        deployment.check(&id, number)
    }

    /// A deployment that waits for a yes.
    pub fn confirmation(bytes: &[u8], number: u64) -> Result<Deployment, Garbled> {
        let raw::Confirmation { id, confirmation } = raw::read(bytes)?;
        confirmation.check(&id, number)
    }

    /// The action that is to be stopped. hawkBit gives the request the action's own number.
    pub fn cancel(bytes: &[u8], number: u64) -> Result<u64, Garbled> {
        let raw::Cancel { cancel_action } = raw::read(bytes)?;
        match raw::number("stopId", &cancel_action.stop_id)? {
            stop if stop == number => Ok(stop),
            stop => Err(Garbled(format!("cancel {number} is to stop action {stop}"))),
        }
    }
}

/// As it is on the wire. Fields that are not known are of newer servers.
mod raw {
    use super::{Artifact, BTreeMap, Chunk, Duration, Garbled, Handling, Url, Window};
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Garbled> {
        serde_json::from_slice(bytes).map_err(|e| Garbled(e.to_string()))
    }

    pub(super) fn number(what: &str, text: &str) -> Result<u64, Garbled> {
        text.parse().map_err(|_| Garbled(format!("{what} `{}` is no number", shown(text))))
    }

    /// Foreign text for a message.
    fn shown(text: &str) -> String {
        text.chars().take(60).collect::<String>().escape_debug().to_string()
    }

    #[derive(Deserialize)]
    pub(super) struct Base {
        #[serde(default)]
        config: Config,
        #[serde(default, rename = "_links")]
        links: BTreeMap<String, Link>,
    }

    #[derive(Default, Deserialize)]
    struct Config {
        #[serde(default)]
        polling: Polling,
    }

    #[derive(Default, Deserialize)]
    struct Polling {
        sleep: Option<String>,
    }

    #[derive(Deserialize)]
    struct Link {
        href: String,
    }

    impl Base {
        pub(super) fn check(self) -> Result<super::Base, Garbled> {
            let number_of = |rel: &str| match self.links.get(rel) {
                None => Ok(None),
                Some(link) => last_number(rel, &link.href).map(Some),
            };
            Ok(super::Base {
                sleep: self.config.polling.sleep.as_deref().map(time).transpose()?,
                wants_inventory: self.links.contains_key("configData"),
                deployment: number_of("deploymentBase")?,
                // without a number it is where automatic consent is switched on
                confirmation: number_of("confirmationBase").unwrap_or(None),
                cancel: number_of("cancelAction")?,
            })
        }
    }

    /// `…/deploymentBase/12?c=-7` → 12.
    fn last_number(rel: &str, href: &str) -> Result<u64, Garbled> {
        let path = href.split(['?', '#']).next().unwrap_or_default();
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        number(rel, last)
    }

    /// `HH:MM:SS`.
    fn time(text: &str) -> Result<Duration, Garbled> {
        let wrong = || Garbled(format!("sleep `{}` is no HH:MM:SS", shown(text)));
        let parts: Vec<u64> =
            text.split(':').map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let [h, m, s] = parts[..] else { return Err(wrong()) };
        let total = h.checked_mul(3600).and_then(|h| h.checked_add(m.checked_mul(60)?)?.checked_add(s));
        total.map(Duration::from_secs).ok_or_else(wrong)
    }

    #[derive(Deserialize)]
    pub(super) struct Deployment {
        pub(super) id: String,
        pub(super) deployment: Plan,
    }

    #[derive(Deserialize)]
    pub(super) struct Confirmation {
        pub(super) id: String,
        pub(super) confirmation: Plan,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Cancel {
        pub(super) cancel_action: Stop,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Stop {
        pub(super) stop_id: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Plan {
        download: Handling,
        update: Handling,
        maintenance_window: Option<Window>,
        #[serde(default)]
        chunks: Vec<Module>,
    }

    #[derive(Deserialize)]
    struct Module {
        part: String,
        version: String,
        name: String,
        #[serde(default)]
        artifacts: Vec<File>,
        metadata: Option<Vec<Note>>,
    }

    #[derive(Deserialize)]
    struct Note {
        key: String,
        value: String,
    }

    #[derive(Deserialize)]
    struct File {
        filename: String,
        size: u64,
        #[serde(default)]
        hashes: Hashes,
        #[serde(default, rename = "_links")]
        links: BTreeMap<String, Link>,
    }

    #[derive(Default, Deserialize)]
    struct Hashes {
        sha256: Option<String>,
    }

    impl Plan {
        pub(super) fn check(self, id: &str, asked: u64) -> Result<super::Deployment, Garbled> {
            let action = number("id", id)?;
            if action != asked {
                return Err(Garbled(format!("action {asked} was asked for, {action} came")));
            }
            let chunks = self.chunks.into_iter().map(Module::check).collect::<Result<_, _>>()?;
            let (download, update, window) = (self.download, self.update, self.maintenance_window);
            Ok(super::Deployment { action, download, update, window, chunks })
        }
    }

    impl Module {
        fn check(self) -> Result<Chunk, Garbled> {
            let notes = self.metadata.unwrap_or_default().into_iter();
            Ok(Chunk {
                part: self.part,
                name: self.name,
                version: self.version,
                artifacts: self.artifacts.into_iter().map(File::check).collect::<Result<_, _>>()?,
                metadata: notes.map(|note| (note.key, note.value)).collect(),
            })
        }
    }

    impl File {
        fn check(self) -> Result<Artifact, Garbled> {
            let name = &self.filename;
            let wrong = |what: &str| Garbled(format!("file `{}` {what}", shown(name)));
            let is_plain = !name.is_empty() && name.len() <= 255 && name != "." && name != "..";
            if !is_plain || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
                return Err(wrong("has a name that is none"));
            }
            let hash = self.hashes.sha256.as_deref().and_then(sha256);
            let sha256 = hash.ok_or_else(|| wrong("comes without its SHA-256"))?;
            let link = self.links.get("download").or_else(|| self.links.get("download-http"));
            let link = link.ok_or_else(|| wrong("comes without an address"))?;
            let url = Url::parse(&link.href).ok().filter(|url| url.has_host());
            let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
            let url = url.ok_or_else(|| wrong("has an address that is none"))?;
            Ok(Artifact { size: self.size, sha256, url, file: self.filename })
        }
    }

    fn sha256(text: &str) -> Option<[u8; 32]> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const HASH: &str = "00ff10a0b0c0d0e0f0112233445566778899aabbccddeeff0011223344556677";

    /// What hawkBit 1.0.4 sent, with other names.
    fn deployment(change: impl FnOnce(&mut Value)) -> Result<Deployment, Garbled> {
        let mut body = json!({
            "id": "12",
            "deployment": {
                "download": "forced", "update": "attempt", "maintenanceWindow": "available",
                "chunks": [{
                    "part": "os", "version": "2.0.0", "name": "nightjar",
                    "artifacts": [{
                        "filename": "nightjar.raucb", "hashes": {"sha1": "", "md5": "", "sha256": HASH}, "size": 6_000_000_000u64,
                        "_links": {
                            "download-http": {"href": "http://fleet:8080/DEFAULT/controller/v1/b/softwaremodules/3/artifacts/nightjar.raucb"},
                            "md5sum-http": {"href": "http://fleet:8080/…"}
                        }
                    }],
                    "metadata": [{"key": "notes", "value": "night shift"}]
                }]
            },
            "actionHistory": {"status": "RUNNING", "messages": []}
        });
        change(&mut body);
        parse::deployment(&serde_json::to_vec(&body).expect("JSON"), 12)
    }

    #[test]
    fn reads_what_the_server_has() {
        let base = br#"{"config":{"polling":{"sleep":"00:05:30"}},"_links":{
            "deploymentBase":{"href":"https://h/DEFAULT/controller/v1/b/deploymentBase/12?c=-2127183556"},
            "installedBase":{"href":"https://h/x/installedBase/11"},
            "confirmationBase":{"href":"https://h/x/confirmationBase"},
            "configData":{"href":"https://h/DEFAULT/controller/v1/b/configData"}}}"#;
        let base = parse::base(base).expect("an answer");
        let sleep = Some(Duration::from_secs(330));
        let wanted =
            Base { sleep, wants_inventory: true, deployment: Some(12), confirmation: None, cancel: None };
        assert_eq!(base, wanted);
        let cancel = br#"{"id":"12","cancelAction":{"stopId":"12"}}"#;
        assert_eq!(parse::cancel(cancel, 12), Ok(12));
        assert!(parse::cancel(cancel, 13).is_err());
        let nothing = parse::base(b"{}").expect("an idle server");
        assert!(!nothing.wants_inventory && nothing.sleep.is_none());
    }

    #[test]
    fn reads_a_deployment_larger_than_four_gigabytes() {
        let found = deployment(|_| {}).expect("a deployment");
        assert_eq!((found.update, found.window), (Handling::Attempt, Some(Window::Available)));
        let artifact = &found.chunks[0].artifacts[0];
        assert_eq!((artifact.size, artifact.sha256[1]), (6_000_000_000, 0xff));
        assert_eq!(found.chunks[0].metadata["notes"], "night shift");
    }

    #[test]
    fn says_what_is_wrong_with_an_answer() {
        let file = |v: &mut Value, key: &str, to: Value| {
            v["deployment"]["chunks"][0]["artifacts"][0][key] = to;
        };
        for (word, wrong) in [
            ("name that is none", deployment(|v| file(v, "filename", json!("../../etc/passwd")))),
            ("SHA-256", deployment(|v| file(v, "hashes", json!({"sha256": "12"})))),
            ("SHA-256", deployment(|v| file(v, "hashes", json!({"sha1": "12"})))),
            ("address", deployment(|v| file(v, "_links", json!({})))),
            (
                "address",
                deployment(|v| file(v, "_links", json!({"download": {"href": "file:///etc/passwd"}}))),
            ),
            ("invalid value", deployment(|v| file(v, "size", json!(-1)))),
            ("was asked for", deployment(|v| v["id"] = json!("13"))),
            ("unknown variant", deployment(|v| v["deployment"]["update"] = json!("now"))),
        ] {
            let words = wrong.expect_err(word).to_string();
            assert!(words.contains(word), "{words}");
        }
        assert!(parse::base(br#"{"config":{"polling":{"sleep":"5 minutes"}}}"#).is_err());
        let href = r#"{"_links":{"cancelAction":{"href":"https://h/x/cancelAction/18446744073709551616"}}}"#;
        assert!(parse::base(href.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parse::base(&bytes), parse::cancel(&bytes, 1));
            let _ = (parse::deployment(&bytes, 1), parse::confirmation(&bytes, 1));
        }

        #[test]
        fn no_text_in_a_field_makes_it_panic(text in any::<String>(), other in any::<String>()) {
            let base = json!({"config": {"polling": {"sleep": text}}, "_links": {"deploymentBase": {"href": other}}});
            let _ = parse::base(&serde_json::to_vec(&base).expect("JSON"));
            let _ = deployment(|v| {
                let file = &mut v["deployment"]["chunks"][0]["artifacts"][0];
                file["filename"] = json!(text);
                file["hashes"]["sha256"] = json!(other);
                file["_links"]["download-http"]["href"] = json!(text);
            });
        }
    }
}
