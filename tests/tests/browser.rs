//! The page in Debian's Chromium at 375×812, on a running recorder; screenshots go to test-output/screenshots.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, coverage, covered_ms};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::hook::{Manner, Target};
use nightjar_tests::parts;
use nightjar_tests::rtsp_server::RtspServer;
use nightjar_tests::skip::skip;
use nightjar_tests::updates::{self, Board, Program};
use std::path::Path;
use std::process::{Command, Stdio};

const CHROMIUM: &str = "/usr/bin/chromium";
const NO_NODE: &str = "node is installed: run \"cargo xtask test\"";

/// What keeps a phone from being there, if something does.
fn missing() -> Option<&'static str> {
    (!Path::new(CHROMIUM).exists()).then_some("/usr/bin/chromium is missing: apt-get install chromium")
}

/// Chromium's story of this name with the recorder of `home`.
fn story(name: &str, home: &Home) -> Command {
    let screenshots = parts::output("screenshots");
    std::fs::create_dir_all(&screenshots).unwrap();
    parts::ours("browser/node_modules/playwright-core");
    let mut command = Command::new("node");
    command.arg(parts::ours(&format!("browser/{name}.mjs"))).stdin(Stdio::null());
    command.env("NIGHTJAR_BASE", home.base()).env("NIGHTJAR_CHROMIUM", CHROMIUM);
    command.env("NIGHTJAR_SCREENSHOTS", &screenshots);
    command.env("NIGHTJAR_USER", ADMIN).env("NIGHTJAR_PASSWORD", ADMIN_PASSWORD);
    command
}

#[test]
fn a_phone_sets_up_watches_plays_tests_the_relay_draws_and_is_told() {
    if let Some(why) = missing() {
        skip("browser", why);
        return;
    }
    let server = RtspServer::start(2);
    let mut home = Home::new();
    for number in 1..=2_u8 {
        let camera = Camera::new(&format!("cam0{number}"), &server.url(number, "main"));
        let camera = camera.key("name", if number == 1 { "\"Front door\"" } else { "\"Yard\"" });
        home.camera(camera.sub_stream(&server.url(number, "sub")).detect(number == 1));
    }
    home.item("[[output]]\nid = \"siren\"\nline = \"sim:1\"\nactive = \"high\"\nsafe = \"off\"\n");
    home.item("[[output]]\nid = \"gate\"\nline = \"sim:2\"\nactive = \"high\"\nsafe = \"off\"\n");
    // The rule moves the gate, so that the siren moves by the page's test alone.
    home.item(
        "[[rule]]\nid = \"person-gate\"\nwhen = { class = \"person\", camera = \"cam01\" }\n\
         do = [{ pulse = \"gate\", for = \"1s\" }, { notify = \"Somebody is there\" }]\ncooldown = \"10s\"\n",
    );
    home.item(&format!(
        "[[webhook]]\nid = \"barn\"\nurl = \"http://127.0.0.1:{}/hook\"\nlan = true\ntells = [\"problems\"]\n",
        Target::start(Manner::RefusesOnce("Test by")).port
    ));
    home.section("push", "contact = \"mailto:me@example.org\"");
    home.item("[[input]]\nid = \"door\"\nline = \"sim:5\"\nkind = \"door\"\n");
    let daemon = home.start();
    let viewer = daemon.api.with_token(&home.token("viewer"));
    clock::until("30 s of footage and an event with a picture", 150, || {
        let covered = covered_ms(&coverage(&viewer, "cam01", "main")) >= 30_000;
        let events = viewer.json("/api/v1/events?camera=cam01");
        let pictured = events["events"].as_array()?.iter().any(|event| event["snapshot"] == true);
        (covered && pictured).then_some(())
    });

    let mut run = story("run", &home);
    let status = run.env("NIGHTJAR_SETUP_CODE", daemon.setup_code()).status().expect(NO_NODE);
    assert!(status.success(), "the browser's run failed, its reason is above");
    let token = viewer.json("/api/v1/session");
    assert_eq!(token["role"], "viewer");
    assert!(daemon.stop().success());
}

#[test]
fn a_phone_keeps_footage_and_lets_it_go() {
    if let Some(why) = missing() {
        skip("browser", why);
        return;
    }
    let mut home = Home::new();
    let clip = format!("file:{}", parts::clip("main.mp4").display());
    home.camera(Camera::new("cam01", &clip).key("name", "\"Front door\"").detect(false));
    // Nothing that the detector knows is in its picture, so it records nothing, which is no fault.
    let quiet = Camera::new("cam02", "synthetic:").key("record", "{ main = \"event\" }");
    home.camera(quiet.key("name", "\"Yard\"").detect(true));
    let daemon = home.start();
    let admin = daemon.admin();
    clock::until("20 s of footage", 90, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) >= 20_000).then_some(())
    });
    let status = story("holds", &home).status().expect(NO_NODE);
    assert!(status.success(), "the browser's run failed, its reason is above");
    assert!(daemon.stop().success());
}

/// What the firewall of a board with a camera side leaves behind (libnftables-json(5)): two cameras wanted out.
const FIREWALL: &str = r#"{"nftables": [{"counter": {"name": "refused", "packets": 44}},
    {"chain": {"name": "arriving", "hook": "prerouting", "policy": "accept"}}, {"chain": {"name": "through", "policy": "drop"}},
    {"set": {"name": "blocked", "elem": [{"elem": {"val": {"concat": ["127.9.0.12", "8.8.8.8"]}, "counter": {"packets": 41}}},
    {"elem": {"val": {"concat": ["10.9.0.13", "203.0.113.7"]}, "counter": {"packets": 3}}}]}}]}"#;

/// The yard's camera works, or is gone. The front door is where the firewall saw it, and nobody is there.
fn with_cameras(home: &mut Home, yard_works: bool) {
    let clip = format!("file:{}", parts::clip("main.mp4").display());
    let yard = if yard_works { clip.as_str() } else { "rtsp://127.0.0.1:9/gone" };
    home.clear().camera(Camera::new("yard", yard).detect(false));
    home.camera(Camera::new("front", "rtsp://127.9.0.12/main").key("name", "\"Front door\"").detect(false));
}

#[test]
fn a_phone_updates_the_board_and_is_told_why_it_was_rolled_back() {
    if let Some(why) = missing().or_else(updates::missing) {
        skip("browser updates", why);
        return;
    }
    let mut home = Home::new();
    let (signs, run) = (home.path("signs"), home.path("run"));
    std::fs::create_dir_all(run.join("nightjar-isolation")).unwrap();
    std::fs::create_dir_all(&signs).unwrap();
    std::fs::write(run.join("nightjar-isolation/table.json"), FIREWALL).unwrap();
    home.environment("NIGHTJAR_RUN", run.to_str().unwrap());
    with_cameras(&mut home, true);
    let mut board = Board::new(&home);
    let bundle = board.bundle("2.0");
    let daemon = home.start();
    let admin = daemon.admin();
    clock::until("5 s of footage", 90, || {
        (covered_ms(&coverage(&admin, "yard", "main")) >= 5_000).then_some(())
    });
    let mut updates = story("updates", &home);
    updates.env("NIGHTJAR_BUNDLE", bundle).env("NIGHTJAR_SIGNS", &signs);
    let mut phone = Program(updates.spawn().expect(NO_NODE));
    let mut until_sign = |name: &str| {
        clock::until(&format!("the phone's sign \"{name}\""), 180, || {
            let ended = phone.0.try_wait().unwrap();
            assert!(ended.is_none(), "the browser's run failed before \"{name}\", its reason is above");
            signs.join(name).exists().then_some(())
        });
    };

    until_sign("no-agent");
    board.boot('A');
    until_sign("restarts");
    clock::until("the agent starts the board anew", 20, || board.journal()["left_ms"].as_i64());
    board.power_off();
    assert!(daemon.stop().success());
    until_sign("away");
    with_cameras(&mut home, false);
    board.boot('B');
    let daemon = home.start();
    until_sign("trial");
    board.decide();
    clock::until("it goes back", 30, || (board.journal()["step"]["name"] == "going-back").then_some(()));
    assert!(daemon.stop().success());
    with_cameras(&mut home, true);
    board.boot('A');
    let daemon = home.start();
    let status = phone.0.wait().unwrap();
    assert!(status.success(), "the browser's run failed, its reason is above");
    assert!(daemon.stop().success());
}
