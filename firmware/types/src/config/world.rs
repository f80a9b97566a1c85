//! `[mqtt]`, `[[webhook]]`, `[ntfy]`, `[email]`, `[push]`: who outside is told, and how → checked.

use super::value::ByteSize;
use super::{Password, error::near};
use crate::{Name, Secret};
use serde::Deserialize;
use url::Url;

/// Who outside is told. All of it empty: nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// `[mqtt]`.
    pub mqtt: Option<Mqtt>,
    /// `[[webhook]]`, in file order.
    pub webhooks: Vec<Webhook>,
    /// `[ntfy]`.
    pub ntfy: Option<Ntfy>,
    /// `[email]`.
    pub email: Option<Email>,
    /// `[push]`.
    pub push: Option<Push>,
}

/// The broker to which all that happens is published.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Over TLS.
    pub tls: bool,
    /// Certificates in PEM that vouch for the broker, in place of the system's.
    pub ca_file: Option<String>,
    /// User name at the broker.
    pub username: Option<String>,
    /// Password at the broker.
    pub password: Option<Password>,
    /// First level or levels of every topic.
    pub prefix: String,
    /// Prefix under which Home Assistant looks for new things; `None`: it is not told.
    pub home_assistant: Option<String>,
    /// What is seen in each picture is told, too.
    pub detections: bool,
    /// Bytes of messages that may wait for the broker.
    pub queue: u64,
}

/// What an alarm tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tells {
    /// What rules say: `{ notify = "…" }`.
    pub notices: bool,
    /// Begin and end of every event.
    pub events: bool,
    /// Begin and end of every problem of the device.
    pub problems: bool,
}

/// An address that is told by HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Its id.
    pub id: Name,
    /// Where.
    pub url: String,
    /// The key that signs what is sent; `None`: it is not signed.
    pub key: Option<Password>,
    /// What it is told.
    pub tells: Tells,
    /// It may be an address of the local network or of this board.
    pub lan: bool,
    /// Certificates in PEM that vouch for it, in place of the system's.
    pub ca_file: Option<String>,
}

/// A topic of an ntfy server.
#[derive(Debug, Clone, PartialEq)]
pub struct Ntfy {
    /// The topic's address.
    pub url: String,
    /// Access token.
    pub token: Option<Password>,
    /// What it is told.
    pub tells: Tells,
    /// It may be an address of the local network or of this board.
    pub lan: bool,
    /// Certificates in PEM that vouch for it, in place of the system's.
    pub ca_file: Option<String>,
    /// The event's picture goes along.
    pub picture: bool,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte.
    Always,
    /// Begun in the clear, then TLS or nothing.
    StartTls,
    /// None: a relay on this board or network that is trusted.
    Off,
}

/// A mail server and who is written to.
#[derive(Debug, Clone, PartialEq)]
pub struct Email {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub tls: MailTls,
    /// Certificates in PEM that vouch for it, in place of the system's.
    pub ca_file: Option<String>,
    /// User name at the server.
    pub username: Option<String>,
    /// Password at the server.
    pub password: Option<Password>,
    /// Sender.
    pub from: String,
    /// Recipients, 1 to 16.
    pub to: Vec<String>,
    /// What they are told.
    pub tells: Tells,
    /// The event's picture goes along.
    pub picture: bool,
}

/// Messages to browsers that asked for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// Whom the push service may turn to: `mailto:` or `https:`.
    pub contact: String,
    /// What they are told.
    pub tells: Tells,
    /// The push service may be an address of the local network or of this board.
    pub lan: bool,
    /// Certificates in PEM that vouch for it, in place of the system's.
    pub ca_file: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedMqtt {
    broker: String,
    ca_file: Option<String>,
    username: Option<String>,
    password: Option<Secret<String>>,
    password_file: Option<String>,
    #[serde(default = "nightjar")]
    prefix: String,
    #[serde(default = "homeassistant")]
    home_assistant: String,
    #[serde(default = "yes")]
    detections: bool,
    #[serde(default = "one_mib")]
    queue: ByteSize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedWebhook {
    id: String,
    url: String,
    key: Option<Secret<String>>,
    key_file: Option<String>,
    tells: Option<Vec<String>>,
    #[serde(default)]
    lan: bool,
    ca_file: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedNtfy {
    url: String,
    token: Option<Secret<String>>,
    token_file: Option<String>,
    tells: Option<Vec<String>>,
    #[serde(default)]
    lan: bool,
    ca_file: Option<String>,
    #[serde(default = "yes")]
    picture: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedEmail {
    server: String,
    ca_file: Option<String>,
    username: Option<String>,
    password: Option<Secret<String>>,
    password_file: Option<String>,
    from: String,
    to: Vec<String>,
    tells: Option<Vec<String>>,
    #[serde(default = "yes")]
    picture: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedPush {
    contact: String,
    tells: Option<Vec<String>>,
    #[serde(default)]
    lan: bool,
    ca_file: Option<String>,
}

fn yes() -> bool {
    true
}

fn nightjar() -> String {
    "nightjar".into()
}

fn homeassistant() -> String {
    "homeassistant".into()
}

fn one_mib() -> ByteSize {
    ByteSize(1 << 20)
}

type Faults<'a> = &'a mut dyn FnMut(String);

/// Least and most that may wait for a broker.
const MIN_QUEUE: u64 = 64 << 10;
const MAX_QUEUE: u64 = 64 << 20;
/// Recipients of one mail.
const MAX_RECIPIENTS: usize = 16;

pub(super) fn mqtt(typed: TypedMqtt, fault: Faults<'_>) -> Option<Mqtt> {
    let what = "[mqtt]";
    let server = server(what, "broker", &typed.broker, &[("mqtt", 1883), ("mqtts", 8883)], fault);
    let password = secret(what, "password", typed.password, typed.password_file, fault);
    if password.is_some() && typed.username.is_none() {
        fault(format!("{what} password: brokers know passwords by user name; add username"));
    }
    if typed.prefix.is_empty() || !is_topic(&typed.prefix) {
        fault(format!("{what} prefix: \"{}\" is no topic; use letters, digits, _ - and /", typed.prefix));
    }
    if !typed.home_assistant.is_empty() && !is_topic(&typed.home_assistant) {
        let prefix = &typed.home_assistant;
        fault(format!(
            "{what} home_assistant: \"{prefix}\" is no topic; \"homeassistant\" is usual, \"\" is off"
        ));
    }
    if !(MIN_QUEUE..=MAX_QUEUE).contains(&typed.queue.0) {
        fault(format!("{what} queue: must be between 64KiB and 64MiB"));
    }
    let (scheme, host, port) = server?;
    let tls = scheme == "mqtts";
    if typed.ca_file.is_some() && !tls {
        fault(format!("{what} ca_file: only means something with a broker at mqtts:"));
    }
    Some(Mqtt {
        host,
        port,
        tls,
        ca_file: typed.ca_file,
        username: typed.username,
        password,
        prefix: typed.prefix,
        home_assistant: Some(typed.home_assistant).filter(|prefix| !prefix.is_empty()),
        detections: typed.detections,
        queue: typed.queue.0,
    })
}

pub(super) fn webhook(typed: TypedWebhook, fault: Faults<'_>) -> Option<Webhook> {
    let what = format!("webhook \"{}\"", typed.id);
    let id = Name::new(typed.id).map_err(|e| fault(format!("webhook id: {e}"))).ok();
    let url = http(&format!("{what}: url"), &typed.url, fault);
    let key = secret(&what, "key", typed.key, typed.key_file, fault);
    let tells = tells(&what, typed.tells, fault);
    Some(Webhook { id: id?, url: url?, key, tells, lan: typed.lan, ca_file: typed.ca_file })
}

pub(super) fn ntfy(typed: TypedNtfy, fault: Faults<'_>) -> Option<Ntfy> {
    let url = http("[ntfy] url", &typed.url, fault);
    if url.as_ref().is_some_and(|url| url.trim_end_matches('/').matches('/').count() < 3) {
        fault("[ntfy] url: names no topic; write https://ntfy.sh/a-topic-that-nobody-guesses".into());
    }
    let token = secret("[ntfy]", "token", typed.token, typed.token_file, fault);
    let tells = tells("[ntfy]", typed.tells, fault);
    Some(Ntfy { url: url?, token, tells, lan: typed.lan, ca_file: typed.ca_file, picture: typed.picture })
}

pub(super) fn email(typed: TypedEmail, fault: Faults<'_>) -> Option<Email> {
    let what = "[email]";
    let schemes = [("smtps", 465), ("smtp", 587), ("smtp-plain", 25)];
    let server = server(what, "server", &typed.server, &schemes, fault);
    let password = secret(what, "password", typed.password, typed.password_file, fault);
    if password.is_some() != typed.username.is_some() {
        fault(format!("{what}: username and password belong together; write both or none"));
    }
    for (key, address) in typed.to.iter().map(|to| ("to", to)).chain([("from", &typed.from)]) {
        let is_address =
            address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !is_address || address.contains(char::is_whitespace) {
            fault(format!("{what} {key}: \"{address}\" is no mail address such as me@example.org"));
        }
    }
    if !(1..=MAX_RECIPIENTS).contains(&typed.to.len()) {
        fault(format!("{what} to: needs 1 to {MAX_RECIPIENTS} addresses, has {}", typed.to.len()));
    }
    let tells = tells(what, typed.tells, fault);
    let (scheme, host, port) = server?;
    let tls = match scheme {
        "smtps" => MailTls::Always,
        "smtp" => MailTls::StartTls,
        _ => MailTls::Off,
    };
    if tls == MailTls::Off && password.is_some() {
        fault(format!("{what} server: a password is never sent in the clear; use smtp: or smtps:"));
    }
    Some(Email {
        host,
        port,
        tls,
        ca_file: typed.ca_file,
        username: typed.username,
        password,
        from: typed.from,
        to: typed.to,
        tells,
        picture: typed.picture,
    })
}

pub(super) fn push(typed: TypedPush, fault: Faults<'_>) -> Push {
    if !typed.contact.starts_with("mailto:") && !typed.contact.starts_with("https:") {
        fault("[push] contact: push services want mailto:me@example.org or an https: address".into());
    }
    let tells = tells("[push]", typed.tells, fault);
    Push { contact: typed.contact, tells, lan: typed.lan, ca_file: typed.ca_file }
}

/// `scheme://host:port` with one of these schemes and its usual port → its parts.
fn server<'a>(
    what: &str,
    key: &str,
    text: &str,
    schemes: &[(&'a str, u16)],
    fault: Faults<'_>,
) -> Option<(&'a str, String, u16)> {
    let known = schemes.iter().map(|(scheme, _)| format!("{scheme}:")).collect::<Vec<_>>().join(" ");
    let found = text.split_once("://").and_then(|(scheme, _)| schemes.iter().find(|(s, _)| *s == scheme));
    let Some((scheme, usual)) = found else {
        fault(format!(
            "{what} {key}: the address must begin with one of {known}, as in {}://192.168.1.5",
            schemes[0].0
        ));
        return None;
    };
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            fault(format!(
                "{what} {key}: write user and password as keys username and password, not in the address"
            ));
            None
        }
        Ok(url) => match url.host_str().filter(|host| !host.is_empty()) {
            Some(host) => Some((scheme, host.to_string(), url.port().unwrap_or(*usual))),
            None => {
                fault(format!("{what} {key}: the address names no host"));
                None
            }
        },
        Err(e) => {
            fault(format!("{what} {key}: not an address: {e}"));
            None
        }
    }
}

/// An address of HTTP, without user and password.
fn http(what: &str, text: &str, fault: Faults<'_>) -> Option<String> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            fault(format!("{what}: the address must begin with http: or https:"));
            None
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            fault(format!("{what}: user and password in the address would be shown; use a key or token"));
            None
        }
        Ok(url) => Some(url.into()),
        Err(e) => {
            fault(format!("{what}: not an address such as https://example.org/hook: {e}"));
            None
        }
    }
}

fn secret(
    what: &str,
    key: &str,
    inline: Option<Secret<String>>,
    file: Option<String>,
    fault: Faults<'_>,
) -> Option<Password> {
    match (inline, file) {
        (Some(_), Some(_)) => {
            fault(format!("{what}: {key} and {key}_file say the same twice; leave one out"));
            None
        }
        (Some(inline), None) => Some(Password::Inline(inline)),
        (None, file) => file.map(Password::File),
    }
}

fn is_topic(text: &str) -> bool {
    let level =
        |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    text.len() <= 64 && text.split('/').all(level)
}

/// What there is to tell.
const TELLINGS: &[&str] = &["notices", "events", "problems"];

fn tells(what: &str, typed: Option<Vec<String>>, fault: Faults<'_>) -> Tells {
    let typed = typed.unwrap_or_else(|| vec!["notices".into(), "problems".into()]);
    for wrong in typed.iter().filter(|t| !TELLINGS.contains(&t.as_str())) {
        let hint = match near(wrong, TELLINGS, 3) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are {}", TELLINGS.join(", ")),
        };
        fault(format!("{what}: tells: there is no \"{wrong}\"; {hint}"));
    }
    if typed.is_empty() {
        fault(format!("{what}: tells: an empty list tells nothing; name some of {}", TELLINGS.join(", ")));
    }
    let has = |telling: &str| typed.iter().any(|t| t == telling);
    Tells { notices: has("notices"), events: has("events"), problems: has("problems") }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, MailTls, Password};

    const GOOD: &str = r#"
[mqtt]
broker = "mqtts://broker.lan"
username = "nightjar"
password = "hunter2"
[[webhook]]
id = "barn"
url = "https://example.org/hook"
key_file = "/etc/nightjar/barn.key"
tells = ["events"]
[ntfy]
url = "https://ntfy.sh/barn-4711"
token = "tk_hunter2"
[email]
server = "smtp://mail.example.org"
username = "me"
password = "hunter2"
from = "barn@example.org"
to = ["me@example.org"]
[push]
contact = "mailto:me@example.org"
"#;

    fn refused(text: &str) -> String {
        Config::from_toml(text, "x").unwrap_err().to_string()
    }

    #[test]
    fn reads_every_way_out() {
        let config = Config::from_toml(GOOD, "x").unwrap();
        let world = &config.world;
        let mqtt = world.mqtt.as_ref().unwrap();
        assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls), ("broker.lan", 8883, true));
        assert_eq!(
            (mqtt.prefix.as_str(), mqtt.home_assistant.as_deref()),
            ("nightjar", Some("homeassistant"))
        );
        let hook = &world.webhooks[0];
        assert_eq!(hook.key, Some(Password::File("/etc/nightjar/barn.key".into())));
        assert!(hook.tells.events && !hook.tells.notices && !hook.lan);
        assert!(world.ntfy.as_ref().unwrap().tells.problems);
        let email = world.email.as_ref().unwrap();
        assert_eq!((email.port, email.tls, email.to.len()), (587, MailTls::StartTls, 1));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_mend() {
        for (from, to, expected) in [
            (
                "mqtts://broker.lan",
                "tcp://broker.lan",
                "[mqtt] broker: the address must begin with one of mqtt: mqtts:",
            ),
            (
                "mqtts://broker.lan",
                "mqtt://me:hunter2@broker.lan",
                "[mqtt] broker: write user and password as keys",
            ),
            ("username = \"nightjar\"\n", "", "[mqtt] password: brokers know passwords by user name"),
            ("[mqtt]", "[mqtt]\nprefix = \"a#b\"", "[mqtt] prefix: \"a#b\" is no topic"),
            ("[mqtt]", "[mqtt]\nqueue = \"1KiB\"", "[mqtt] queue: must be between 64KiB and 64MiB"),
            (
                "https://example.org/hook",
                "ftp://example.org",
                "webhook \"barn\": url: the address must begin with http:",
            ),
            (
                "https://example.org/hook",
                "https://me:hunter2@example.org",
                "webhook \"barn\": url: user and password",
            ),
            (
                "[\"events\"]",
                "[\"evnets\"]",
                "webhook \"barn\": tells: there is no \"evnets\"; did you mean \"events\"?",
            ),
            ("[\"events\"]", "[]", "webhook \"barn\": tells: an empty list tells nothing"),
            ("key_file =", "key = \"hunter2\"\nkey_file =", "key and key_file say the same twice"),
            ("ntfy.sh/barn-4711", "ntfy.sh", "[ntfy] url: names no topic"),
            ("smtp://", "smtp-plain://", "[email] server: a password is never sent in the clear"),
            ("\"me@example.org\"", "\"me\"", "[email] to: \"me\" is no mail address"),
            ("mailto:me@example.org", "me", "[push] contact"),
            ("password = \"hunter2\"\n[[", "password = 4815162342\n[[", "in quotes"),
            ("token = \"tk_hunter2\"", "token = 4815162342", "in quotes"),
        ] {
            let words = refused(&GOOD.replacen(from, to, 1));
            assert!(words.contains(expected), "{words}\n  has not: {expected}");
            assert!(!words.contains("hunter2") && !words.contains("4815162342"), "{words}");
        }
        let twice = format!("{GOOD}[[webhook]]\nid = \"barn\"\nurl = \"http://example.org\"\n");
        assert!(refused(&twice).contains("two webhooks have the id \"barn\""));
    }
}
