//! What must stay secret is in no log, no answer, no message and no file, not even when all is logged.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN_PASSWORD, coverage, covered_ms};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Login, Scheme, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::parts;
use std::path::Path;

const RIGHT: &str = "Riegel-7-vor";
const WRONG: &str = "Schloss-9-weg";

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn passwords_and_tokens_are_nowhere_to_be_read() {
    let guarded = |scheme| {
        let login = Some(Login::new(scheme, "root", RIGHT));
        FakeCamera::start(
            vec![Clip::read(&parts::clip("sub.mp4"), 10)],
            Settings { login, ..Settings::default() },
        )
    };
    let (basic, digest) = (guarded(Scheme::Basic), guarded(Scheme::Digest));
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &basic.url()).login("root", RIGHT).detect(false));
    home.camera(Camera::new("cam02", &digest.url()).login("root", WRONG).detect(false));
    let password_file = home.path("password");
    std::fs::write(&password_file, format!("{RIGHT}\n")).unwrap();
    let from_file = Camera::new("cam03", &digest.url()).key("username", "\"root\"");
    home.camera(from_file.key("password_file", &format!("{password_file:?}")).detect(false));
    // alarms that reach nobody have the most to complain about
    home.section(
        "mqtt",
        &format!("broker = \"mqtt://127.0.0.1:1\"\nusername = \"root\"\npassword = {RIGHT:?}"),
    );
    home.section("ntfy", &format!("url = \"http://127.0.0.1:1/barn\"\nlan = true\ntoken = {RIGHT:?}"));
    let hook = format!(
        "[[webhook]]\nid = \"barn\"\nurl = \"http://127.0.0.1:1/{WRONG}\"\nlan = true\nkey = {RIGHT:?}\n"
    );
    home.item(&hook);
    home.environment("NIGHTJAR_LOG", "trace").environment("RUST_LOG", "trace");
    let checked = home.verb(&["config", "check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.said);

    let daemon = home.start();
    let code = daemon.setup_code();
    let admin = daemon.admin();
    let token = home.token("viewer");
    daemon.until_state(&admin, "cam01", &["recording"], 30);
    daemon.until_state(&admin, "cam02", &["auth-failed"], 30);
    daemon.until_state(&admin, "cam03", &["recording"], 30);
    clock::until("footage", 30, || (covered_ms(&coverage(&admin, "cam01", "main")) > 1000).then_some(()));
    daemon.api.with_token(&token).json("/api/v1/session");
    let wrong = serde_json::json!({"username": "tester", "password": WRONG});
    daemon.api.post("/api/v1/login", &wrong).expect(401);
    daemon
        .api
        .post("/api/v1/setup", &serde_json::json!({"code": code, "username": "second", "password": RIGHT}))
        .expect(409);
    for alarm in ["mqtt", "ntfy", "barn"] {
        daemon
            .api
            .with_token(&home.token("operator"))
            .post(&format!("/api/v1/alarms/{alarm}/test"), &serde_json::json!({}))
            .expect(200);
        clock::until("an alarm that reaches nobody", 30, || {
            let alarms = admin.json("/api/v1/alarms");
            let found = alarms.as_array()?.iter().find(|a| a["id"] == alarm)?;
            found["error"].as_str().map(str::to_string)
        });
    }
    let paths =
        ["cameras", "health", "outputs", "rules", "audit", "events", "session", "openapi.json", "alarms"];
    let mut said: Vec<(String, Vec<u8>)> =
        paths.iter().map(|path| (path.to_string(), admin.get(&format!("/api/v1/{path}")).body)).collect();
    said.push(("metrics".into(), admin.get("/metrics").body));
    said.push(("config check".into(), checked.said.into_bytes()));
    let session = admin.session().to_string();
    assert!(daemon.stop().success());
    said.push(("the logs".into(), home.said().into_bytes()));
    let state = files_below(&home.path("state")).into_iter().chain(home.all_slabs());
    said.extend(state.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())));

    // "cm9vd…" is "root:Riegel-7-vor" as basic authentication sends it.
    let secrets = [RIGHT, WRONG, "cm9vdDpSaWVnZWwtNy12b3I", ADMIN_PASSWORD, token.as_str(), session.as_str()];
    for (place, bytes) in &said {
        for secret in secrets {
            assert!(!contains(bytes, secret), "{place} shows {secret:?}");
        }
    }
    println!("{} places searched", said.len());
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    for url in [format!("rtsp://root:{RIGHT}@127.0.0.1:1/live"), format!("rtsp://root:{RIGHT}@[broken/live")]
    {
        let mut home = Home::new();
        home.camera(Camera::new("cam01", &url).detect(false));
        let checked = home.verb(&["config", "check"]);
        assert!(!checked.said.contains(RIGHT), "{}", checked.said);
        if checked.code == Some(0) {
            let daemon = home.start();
            let admin = daemon.admin();
            daemon.until_state(&admin, "cam01", &["offline"], 30);
            let shown = admin.get("/api/v1/cameras").text() + &admin.get("/api/v1/health").text();
            drop(daemon);
            assert!(!shown.contains(RIGHT) && !home.said().contains(RIGHT), "{shown}");
        }
    }
}

#[test]
fn a_mistake_next_to_a_password_does_not_print_it() {
    let mut home = Home::new();
    let camera = Camera::new("cam01", "rtsp://127.0.0.1:1/live").login("root", RIGHT);
    home.camera(camera.key("pasword", &format!("{WRONG:?}")));
    let checked = home.verb(&["config", "check"]);
    assert_ne!(checked.code, Some(0));
    assert!(checked.said.contains("pasword") && !checked.said.contains(RIGHT), "{}", checked.said);
    assert!(!checked.said.contains(WRONG), "{}", checked.said);
}

#[test]
fn a_password_without_quotes_is_not_repeated() {
    let mut home = Home::new();
    let camera = Camera::new("cam01", "rtsp://127.0.0.1:1/live").key("username", "\"root\"");
    home.camera(camera.key("password", "4815162342"));
    let checked = home.verb(&["config", "check"]);
    assert_ne!(checked.code, Some(0));
    assert!(
        checked.said.contains("nightjar.toml") && !checked.said.contains("4815162342"),
        "{}",
        checked.said
    );
}
