//! A hawkBit server → a board that it has updates for, and what it heard of them, by its management API.

use crate::curl;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// What a hawkBit that was just started lets in.
const LOGIN: &str = "admin:admin";

/// A server on this machine's loopback.
pub(crate) struct Fleet {
    port: u16,
}

impl Fleet {
    pub(crate) fn at(port: u16) -> Self {
        Self { port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Takes up a board with a token of its own.
    pub(crate) fn add_board(&self, id: &str, token: &str) -> Result<()> {
        self.tell("targets", &json!([{ "controllerId": id, "name": id, "securityToken": token }])).map(drop)
    }

    /// Uploads a bundle as a version; gives the number of its distribution set.
    pub(crate) fn add_version(&self, version: &str, bundle: &Path) -> Result<u64> {
        let module = json!([{ "name": "nightjar", "version": version, "type": "os" }]);
        let module = number(&self.tell("softwaremodules", &module)?[0]["id"])?;
        let file = format!("file=@{}", bundle.display());
        self.curl(&["--form", &file], &format!("softwaremodules/{module}/artifacts"))?;
        let set =
            json!([{ "name": "nightjar", "version": version, "type": "os", "modules": [{ "id": module }] }]);
        number(&self.tell("distributionsets", &set)?[0]["id"])
    }

    /// Gives a board a version.
    pub(crate) fn assign(&self, board: &str, set: u64) -> Result<()> {
        let body = json!({ "id": set, "type": "forced" });
        self.tell(&format!("targets/{board}/assignedDS"), &body).map(drop)
    }

    /// State of the newest action of a board (`running`, `finished`, `error`), and all that was said of it, the oldest first.
    pub(crate) fn action(&self, board: &str) -> Result<(String, Vec<String>)> {
        let actions = self.curl(&[], &format!("targets/{board}/actions?sort=id:DESC&limit=1"))?;
        let action = &actions["content"][0];
        let state =
            action["detailStatus"].as_str().or(action["status"].as_str()).unwrap_or_default().to_owned();
        let path = format!("targets/{board}/actions/{}/status?sort=id:ASC&limit=200", number(&action["id"])?);
        let lines = self.curl(&[], &path)?;
        let line = |line: &Value| {
            let words = line["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("{}: {}", line["type"].as_str().unwrap_or_default(), words.collect::<Vec<_>>().join(" "))
        };
        Ok((state, lines["content"].as_array().into_iter().flatten().map(line).collect()))
    }

    fn tell(&self, path: &str, body: &Value) -> Result<Value> {
        self.curl(&["--header", "Content-Type: application/json", "--data", &body.to_string()], path)
    }

    fn curl(&self, more: &[&str], path: &str) -> Result<Value> {
        let base = format!("http://127.0.0.1:{}/rest/v1/", self.port);
        let words = [&["--max-time", "300", "--user", LOGIN], more].concat();
        let text = curl::ask(&words, &base, path).context("hawkBit")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("hawkBit, {path}, gives no JSON: {text}"))
    }
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("hawkBit gives {value} where a number is expected"))
}
