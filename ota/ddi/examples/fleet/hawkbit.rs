//! What an operator does at the server → requests to hawkBit's management API.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use url::Url;

const DEADLINE: Duration = Duration::from_secs(60);
/// Boundary of the parts of an upload.
const BOUNDARY: &str = "nightjar-upload";

/// A server, and its administrator.
pub(crate) struct Hawkbit {
    pub(crate) url: Url,
    login: String,
}

impl Hawkbit {
    /// hawkBit's first administrator is `admin`, `admin`.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let login = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode("admin:admin"));
        Ok(Self { url: Url::parse(url).context("--server")?, login })
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Result<Value> {
        let what = format!("{method} {path}");
        let talk = async {
            let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(TcpStream::connect(authority).await?)).await?;
            let request = Request::builder()
                .method(method)
                .uri(format!("/rest/v1/{path}"))
                .header(HOST, authority)
                .header(AUTHORIZATION, &self.login)
                .header(CONTENT_TYPE, kind)
                .header(CONTENT_LENGTH, body.len())
                .body(Full::new(Bytes::from(body)))?;
            let line = tokio::spawn(connection);
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, 8 << 20).collect().await;
            line.abort();
            let body = body.map_err(|e| anyhow::anyhow!("{e}"))?.to_bytes();
            if !head.status.is_success() {
                bail!("{}: {}", head.status, String::from_utf8_lossy(&body));
            }
            Ok(serde_json::from_slice(&body).unwrap_or_default())
        };
        tokio::time::timeout(DEADLINE, talk).await.context("no answer")?.context(what)
    }

    async fn json(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        self.send(method, path, "application/json", serde_json::to_vec(&body)?).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, "application/json", Vec::new()).await
    }

    /// Sets one of the tenant's settings.
    pub(crate) async fn set(&self, key: &str, value: Value) -> Result<()> {
        self.json(Method::PUT, &format!("system/configs/{key}"), json!({ "value": value })).await.map(drop)
    }

    /// Takes up a board with a token of its own.
    pub(crate) async fn add_board(&self, id: &str, token: &str) -> Result<()> {
        let board = json!([{ "controllerId": id, "name": id, "securityToken": token }]);
        self.json(Method::POST, "targets", board).await.map(drop)
    }

    /// Uploads a file as a version; gives the number of its distribution set.
    pub(crate) async fn add_version(&self, version: &str, file: &str, bytes: &[u8]) -> Result<u64> {
        let module = json!([{ "name": "nightjar", "version": version, "type": "os" }]);
        let module = id(&self.json(Method::POST, "softwaremodules", module).await?[0])?;
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send(Method::POST, &format!("softwaremodules/{module}/artifacts"), &kind, body).await?;
        let set =
            json!([{ "name": "nightjar", "version": version, "type": "os", "modules": [{ "id": module }] }]);
        id(&self.json(Method::POST, "distributionsets", set).await?[0])
    }

    /// Gives one board a version; gives the action.
    pub(crate) async fn assign(&self, board: &str, set: u64, with: Value) -> Result<u64> {
        let mut body = json!({ "id": set, "type": "forced" });
        for (key, value) in with.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.json(Method::POST, &format!("targets/{board}/assignedDS"), body).await?;
        let actions = self.get(&format!("targets/{board}/actions?sort=id:DESC&limit=1")).await?;
        id(&actions["content"][0])
    }

    /// Actions that are open and were made before `until_ms`: of boards that never came back, most likely.
    pub(crate) async fn open_since(&self, until_ms: u64) -> Result<Vec<u64>> {
        let found =
            self.get(&format!("actions?q=active%3D%3Dtrue%3Bcreatedat%3Dlt%3D{until_ms}&limit=500")).await?;
        found["content"].as_array().into_iter().flatten().map(id).collect()
    }

    /// Asks the board to stop; `force` closes the action, whatever the board says.
    pub(crate) async fn cancel(&self, board: &str, action: u64, force: bool) -> Result<()> {
        let path = format!("targets/{board}/actions/{action}?force={force}");
        self.send(Method::DELETE, &path, "application/json", Vec::new()).await.map(drop)
    }

    /// `pending` or `finished`, and all that the board reported, newest first.
    pub(crate) async fn action(&self, board: &str, action: u64) -> Result<(String, Vec<String>)> {
        let path = format!("targets/{board}/actions/{action}");
        let status = self.get(&path).await?["status"].as_str().unwrap_or_default().to_owned();
        let history = self.get(&format!("{path}/status?sort=id:DESC&limit=50")).await?;
        let mut lines = Vec::new();
        for entry in history["content"].as_array().into_iter().flatten() {
            let kind = entry["type"].as_str().unwrap_or_default();
            let words = entry["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
            lines.push(format!("{kind}: {}", words.collect::<Vec<_>>().join("; ")));
        }
        Ok((status, lines))
    }

    /// Boards whose id begins with `start`: id, `updateStatus`, installed version.
    pub(crate) async fn boards(&self, start: &str) -> Result<Vec<(String, String, String)>> {
        let found = self.get(&format!("targets?q=controllerId%3D%3D{start}*&limit=500")).await?;
        let mut all = Vec::new();
        for board in found["content"].as_array().context("no list of targets")? {
            let id = board["controllerId"].as_str().unwrap_or_default().to_owned();
            let status = board["updateStatus"].as_str().unwrap_or_default().to_owned();
            let installed = self.get(&format!("targets/{id}/installedDS")).await?;
            let version = installed["version"].as_str().unwrap_or_default().to_owned();
            all.push((id, status, version));
        }
        Ok(all)
    }

    /// A board's attributes, as it told them.
    pub(crate) async fn attributes(&self, board: &str) -> Result<Value> {
        self.get(&format!("targets/{board}/attributes")).await
    }

    /// Starts a rollout in two groups: `first` per cent, then the others. Gives its number once it runs.
    pub(crate) async fn roll_out(&self, name: &str, set: u64, boards: &str, first: u32) -> Result<u64> {
        let group = |name: &str, percent: u32| json!({ "name": name, "description": name, "targetPercentage": percent });
        let body = json!({
            "name": name, "description": name, "distributionSetId": set, "type": "forced",
            "targetFilterQuery": format!("controllerId=={boards}*"),
            "groups": [group("bench", first), group("everybody", 100)],
            "successCondition": { "condition": "THRESHOLD", "expression": "80" },
            "successAction": { "action": "NEXTGROUP", "expression": "" },
            "errorCondition": { "condition": "THRESHOLD", "expression": "20" },
            "errorAction": { "action": "PAUSE", "expression": "" },
        });
        let rollout = id(&self.json(Method::POST, "rollouts", body).await?)?;
        let path = format!("rollouts/{rollout}");
        let (_, status) = crate::until(&format!("rollout {name} can be started"), async || {
            let status = self.rollout(rollout).await?.0;
            Ok((status == "ready").then_some(status))
        })
        .await?;
        ensure!(status == "ready", "rollout {name} is {status}");
        self.json(Method::POST, &format!("{path}/start"), Value::Null).await?;
        Ok(rollout)
    }

    /// Its status, and that of each group with how many of its boards are in which.
    pub(crate) async fn rollout(&self, rollout: u64) -> Result<(String, Vec<Group>)> {
        let path = format!("rollouts/{rollout}");
        let status = self.get(&path).await?["status"].as_str().unwrap_or_default().to_owned();
        let found = self.get(&format!("{path}/deploygroups?representation=full&sort=id:ASC")).await?;
        let mut groups = Vec::new();
        for group in found["content"].as_array().into_iter().flatten() {
            let count = |kind: &str| group["totalTargetsPerStatus"][kind].as_u64().unwrap_or_default();
            groups.push(Group {
                status: group["status"].as_str().unwrap_or_default().to_owned(),
                total: group["totalTargets"].as_u64().unwrap_or_default(),
                finished: count("finished"),
                failed: count("error"),
                begun: count("running") + count("finished") + count("error"),
            });
        }
        Ok((status, groups))
    }
}

/// One group of a rollout.
pub(crate) struct Group {
    pub(crate) status: String,
    pub(crate) total: u64,
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    /// Boards that were told of it.
    pub(crate) begun: u64,
}

fn id(thing: &Value) -> Result<u64> {
    thing["id"].as_u64().with_context(|| format!("there is no id in {thing}"))
}
