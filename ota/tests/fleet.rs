//! Orders of a hawkBit server through the whole agent: from a poll to "closed", over reboots and alarms. The server is a page of
//! this file; the real one is asked by `cargo xtask fleet`.
#![allow(clippy::unwrap_used, reason = "test code")]

#[macro_use]
mod board;

use board::false_rauc::FalseRauc;
use board::{Board, WITHIN, image};
use nightjar_ddi::Pace;
use nightjar_ota::hawkbit;
use serde_json::{Value, json};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What the server wants, and what it was told.
#[derive(Default)]
struct Desk {
    /// Number of the action and name of its file.
    deployment: Option<(u64, &'static str)>,
    cancel: Option<u64>,
    /// `execution/finished: words`, each once.
    told: Vec<String>,
    inventory: Value,
}

struct Server {
    url: String,
    desk: Arc<Mutex<Desk>>,
    polls: Vec<JoinHandle<()>>,
}

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let desk = Arc::new(Mutex::new(Desk::default()));
        let (of_task, base) = (desk.clone(), url.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, of_task.clone(), base.clone()));
            }
        });
        Self { url, desk, polls: vec![task] }
    }

    /// What the agent's own program does beside the agent.
    fn lead(&mut self, board: &mut Board) {
        let config = board.config().fleet.unwrap();
        let (client, manner) = config.open().unwrap();
        let fleet = board.fleet.take().unwrap();
        self.polls.push(tokio::spawn(hawkbit::serve(fleet, client, manner, Pace::at_once())));
    }

    fn want(&self, number: u64, file: &'static str) {
        self.desk.lock().unwrap().deployment = Some((number, file));
    }

    fn told(&self) -> Vec<String> {
        self.desk.lock().unwrap().told.clone()
    }

    async fn until_told(&self, what: &str) {
        let waited = timeout(WITHIN, async {
            while !self.told().iter().any(|line| line.contains(what)) {
                sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("the server never heard {what:?}, but {:#?}", self.told()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.polls.iter().for_each(JoinHandle::abort);
    }
}

async fn answer(stream: TcpStream, desk: Arc<Mutex<Desk>>, base: String) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            len = n.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert!(head.contains("TargetToken t0ken"), "{head}");
    let (status, said) = desk.lock().unwrap().hear(head.lines().next().unwrap_or_default(), &body, &base);
    let said = said.to_string();
    let all =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}", said.len());
    let _ = stream.get_mut().write_all(all.as_bytes()).await; // the board may have been switched off
}

impl Desk {
    fn hear(&mut self, line: &str, body: &Value, base: &str) -> (&'static str, Value) {
        let path = line.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap();
        let root = "/DEFAULT/controller/v1/barn-1";
        let number = path.split('/').find_map(|part| part.parse::<u64>().ok());
        let link = |what: &str, n: u64| json!({ "href": format!("{base}{root}/{what}/{n}") });
        let rest = path.strip_prefix(root).expect("a board asks for itself alone");
        match (rest, number) {
            ("", _) => {
                let mut links = json!({});
                if let Some(n) = self.cancel {
                    links["cancelAction"] = link("cancelAction", n);
                } else if let Some((n, _)) = self.deployment {
                    links["deploymentBase"] = link("deploymentBase", n);
                }
                ("200 OK", json!({ "config": { "polling": { "sleep": "00:00:01" } }, "_links": links }))
            }
            ("/configData", _) => {
                self.inventory = body["data"].clone();
                ("200 OK", json!({}))
            }
            (rest, Some(n)) if rest.ends_with("/feedback") => {
                let (status, word) = (&body["status"], |v: &Value| v.as_str().unwrap_or_default().to_owned());
                let (execution, finished) = (word(&status["execution"]), word(&status["result"]["finished"]));
                let is_cancel = rest.starts_with("/cancelAction");
                let what = if is_cancel { "cancel " } else { "" };
                self.told.push(format!("{what}{n} {execution}/{finished}: {}", word(&status["details"][0])));
                if execution == "closed" {
                    (self.deployment, self.cancel) = (self.deployment.filter(|d| d.0 != n), None);
                }
                ("200 OK", json!({}))
            }
            (rest, Some(n)) if rest.starts_with("/cancelAction") => {
                ("200 OK", json!({ "id": n.to_string(), "cancelAction": { "stopId": n.to_string() } }))
            }
            (_, Some(n)) => {
                let Some((_, file)) = self.deployment.filter(|d| d.0 == n) else {
                    return ("404 Not Found", json!({}));
                };
                let artifact = json!({
                    "filename": file, "size": 7, "hashes": { "sha256": "00".repeat(32) },
                    "_links": { "download-http": { "href": format!("{base}{root}/softwaremodules/1/artifacts/{file}") } }
                });
                let chunk =
                    json!({ "part": "os", "name": "nightjar", "version": "2.0", "artifacts": [artifact] });
                let deployment = json!({ "download": "forced", "update": "forced", "chunks": [chunk] });
                ("200 OK", json!({ "id": n.to_string(), "deployment": deployment }))
            }
            _ => ("404 Not Found", json!({})),
        }
    }
}

/// A board whose RAUC copies for as long as the test wants, and its server.
async fn board_of_a_fleet(board: &mut Board) -> (FalseRauc, Server) {
    let mut server = Server::new().await;
    fs::write(board.path("token"), "t0ken\n").unwrap();
    board.fleet_lines =
        format!("[fleet]\nserver = \"{}\"\nboard = \"barn-1\"\ntoken_file = \"DIR/token\"\n", server.url);
    let rauc = restarted(board, 'A', &mut server).await;
    (rauc, server)
}

async fn restarted(board: &mut Board, slot: char, server: &mut Server) -> FalseRauc {
    board.boot(slot).await;
    board.without_rauc().await;
    let rauc = FalseRauc::start(board).await;
    board.start_agent().await;
    server.lead(board);
    rauc
}

#[tokio::test]
async fn an_order_is_streamed_tried_and_closed_only_after_the_gate() {
    let mut board = board_or_skip!("ota fleet");
    let (rauc, mut server) = board_of_a_fleet(&mut board).await;
    server.want(17, "2.raucb");
    board.until_status("copying", |s| s["progress"]["percent"] == 42).await;
    let asked = rauc.calls().into_iter().find(|call| call.starts_with("install ")).unwrap();
    let url = format!("{}/DEFAULT/controller/v1/barn-1/softwaremodules/1/artifacts/2.raucb", server.url);
    assert_eq!(asked, format!("install {url} with Authorization: TargetToken t0ken"));
    server.until_told("17 proceeding/none: 2.0 is written to slot B").await;
    rauc.complete(None).await;
    board.rebooted().await;
    assert!(!server.told().iter().any(|line| line.contains("closed")), "{:#?}", server.told());
    rauc.die().await;
    fs::write(board.path("B"), image("2.0")).unwrap();
    let _rauc = restarted(&mut board, 'B', &mut server).await;
    server.until_told("17 closed/success: ").await;
    let waited = timeout(WITHIN, async {
        while server.desk.lock().unwrap().inventory["version"] != "2.0" {
            sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("the server knows the new version");
    let inventory = server.desk.lock().unwrap().inventory.clone();
    assert_eq!((&inventory["hardware"], &inventory["slot"]), (&json!("nightjar-test"), &json!("B")));
    let closed = server.told().iter().filter(|line| line.contains("closed")).count();
    assert_eq!(closed, 1, "{:#?}", server.told());
}

#[tokio::test]
async fn an_alarm_holds_an_order_up_and_the_server_hears_why_once() {
    let mut board = board_or_skip!("ota fleet alarm");
    board.recorder.lock().unwrap().as_mut().unwrap().alarm = Some("output \"siren\" is on".into());
    let (rauc, server) = board_of_a_fleet(&mut board).await;
    server.want(18, "2.raucb");
    server.until_told("18 scheduled/none: an alarm is on: output \"siren\" is on").await;
    board.recorder.lock().unwrap().as_mut().unwrap().alarm = None;
    board.until_status("copying", |s| s["progress"]["percent"] == 42).await;
    assert_eq!(
        server.told().iter().filter(|line| line.contains("scheduled")).count(),
        1,
        "{:#?}",
        server.told()
    );
    // it is not wanted any more: the copy ends and is undone
    server.desk.lock().unwrap().cancel = Some(18);
    server.until_told("cancel 18 closed/success: RAUC cannot stop a copy").await;
    rauc.complete(None).await;
    assert_eq!(board.entry(1).await["result"], "cancelled");
    board.no_reboot_was_asked();
}

#[tokio::test]
async fn an_order_without_a_bundle_is_closed_with_the_reason() {
    let mut board = board_or_skip!("ota fleet without a bundle");
    let (rauc, server) = board_of_a_fleet(&mut board).await;
    server.want(19, "readme.txt");
    server.until_told("19 closed/failure: there is not one file *.raucb").await;
    assert!(!rauc.calls().iter().any(|call| call.starts_with("install")), "{:?}", rauc.calls());
}
