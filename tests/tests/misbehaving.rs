//! A camera that misbehaves on command: each fault gets its name and its mend, footage from before and after plays.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{Daemon, camera_status, coverage, covered_ms, gap_causes};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Login, Mode, NotACamera, Scheme, Settings};
use nightjar_tests::home::{Camera, Home, free_port};
use nightjar_tests::parts;
use nightjar_tests::probe::{self, Track};
use serde_json::Value;
use std::time::Duration;

const FPS: u32 = 10;

fn clip(name: &str) -> Clip {
    Clip::read(&parts::clip(name), FPS)
}

fn home_with(url: &str) -> Home {
    let mut home = Home::new();
    home.camera(Camera::new("cam01", url).detect(false));
    home
}

/// Waits until the camera records and `more_ms` of new footage are there.
#[track_caller]
fn until_recorded(daemon: &Daemon, api: &Api, more_ms: i64) {
    let before = covered_ms(&coverage(api, "cam01", "main"));
    daemon.until_state(api, "cam01", &["recording"], 60);
    clock::until("new footage", 60, || {
        (covered_ms(&coverage(api, "cam01", "main")) >= before + more_ms).then_some(())
    });
}

/// Stops, and checks that all that was recorded plays.
#[track_caller]
fn stop_and_play(daemon: Daemon, home: &Home) {
    assert!(daemon.stop().success());
    let slabs = home.all_slabs();
    assert!(!slabs.is_empty(), "something was recorded");
    slabs.iter().for_each(|slab| probe::assert_plays(slab));
}

/// What a person reads about a camera: its mend and its stream's error.
fn words(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    format!("{} | {}", text(&status["mend"]), text(&status["streams"][0]["error"]))
}

#[track_caller]
fn assert_gap(api: &Api, cause: &str) {
    let mut last = Value::Null;
    let found = clock::within(30, || {
        last = coverage(api, "cam01", "main");
        gap_causes(&last).iter().any(|one| one == cause).then_some(())
    });
    assert!(found.is_some(), "no gap with the cause {cause:?}: {last}");
}

#[test]
fn a_silent_camera_is_called_stalled_and_asked_again() {
    let camera = FakeCamera::start(vec![clip("sub.mp4")], Settings::default());
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    until_recorded(&daemon, &admin, 3000);
    camera.set_mode(Mode::Stall);
    let status = daemon.until_state(&admin, "cam01", &["stalled"], 30);
    assert!(!status["mend"].as_str().unwrap().is_empty(), "{status}");
    assert_gap(&admin, "stalled");
    assert_eq!(admin.json("/api/v1/health")["ok"], false);
    camera.set_mode(Mode::Play);
    until_recorded(&daemon, &admin, 3000);
    assert!(camera.log().plays >= 2, "it connected again");
    let cover = coverage(&admin, "cam01", "main");
    assert!(
        cover["gaps"].as_array().unwrap().iter().all(|gap| !gap["to_ms"].is_null()),
        "every gap has ended: {cover}"
    );
    clock::until("nothing needs a person any more", 30, || {
        (admin.json("/api/v1/health")["ok"] == true).then_some(())
    });
    stop_and_play(daemon, &home);
}

#[test]
fn a_broken_connection_leaves_a_gap_and_comes_back() {
    let settings = Settings { start_delay: Duration::from_secs(2), ..Settings::default() };
    let camera = FakeCamera::start(vec![clip("sub.mp4")], settings);
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    until_recorded(&daemon, &admin, 2000);
    camera.drop_connections();
    clock::until("it plays again", 60, || (camera.log().plays >= 2).then_some(()));
    until_recorded(&daemon, &admin, 2000);
    assert_gap(&admin, "disconnected");
    // Then it goes away altogether and comes back at the same address.
    let port = camera.port();
    drop(camera);
    let status = daemon.until_state(&admin, "cam01", &["offline"], 60);
    assert!(!status["mend"].as_str().unwrap().is_empty(), "{status}");
    let camera = FakeCamera::start_on(port, vec![clip("sub.mp4")], Settings::default());
    until_recorded(&daemon, &admin, 2000);
    let gaps = gap_causes(&coverage(&admin, "cam01", "main"));
    assert!(gaps.len() >= 2 && gaps.iter().all(|cause| cause == "disconnected"), "{gaps:?}");
    stop_and_play(daemon, &home);
    drop(camera);
}

#[test]
fn a_wrong_password_is_named_and_not_hammered() {
    let login = Some(Login::new(Scheme::Digest, "root", "right one"));
    let camera = FakeCamera::start(vec![clip("sub.mp4")], Settings { login, ..Settings::default() });
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &camera.url()).login("root", "wrong one").detect(false));
    let daemon = home.start();
    let admin = daemon.admin();
    let status = daemon.until_state(&admin, "cam01", &["auth-failed"], 30);
    assert!(status["mend"].as_str().unwrap().contains("password"), "{status}");
    // Cameras lock an account after a handful of wrong passwords.
    let hammered = clock::within(10, || (camera.log().refused > 5).then_some(()));
    assert!(hammered.is_none(), "{} attempts in some 10 s", camera.log().refused);
    println!("wrong password: {} attempts in some 10 s", camera.log().refused);
    assert_gap(&admin, "auth-failed");
    assert!(daemon.stop().success());

    home.clear().camera(Camera::new("cam01", &camera.url()).login("root", "right one").detect(false));
    let daemon = home.start();
    let admin = daemon.api.log_in(nightjar_tests::daemon::ADMIN, nightjar_tests::daemon::ADMIN_PASSWORD);
    until_recorded(&daemon, &admin, 2000);
    stop_and_play(daemon, &home);
}

#[test]
fn a_missing_password_is_named() {
    let login = Some(Login::new(Scheme::Basic, "root", "right one"));
    let camera = FakeCamera::start(vec![clip("sub.mp4")], Settings { login, ..Settings::default() });
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    let status = daemon.until_state(&admin, "cam01", &["auth-failed"], 30);
    assert!(status["mend"].as_str().unwrap().contains("password"), "{status}");
}

#[test]
fn every_way_of_asking_for_a_password_works() {
    let mut home = Home::new();
    let schemes = [Scheme::Basic, Scheme::Digest, Scheme::DigestQop];
    let cameras = schemes.map(|scheme| {
        let login = Some(Login::new(scheme, "root", "p@ss w/rd:1"));
        FakeCamera::start(vec![clip("sub.mp4")], Settings { login, ..Settings::default() })
    });
    for (i, camera) in cameras.iter().enumerate() {
        home.camera(
            Camera::new(&format!("cam{i}"), &camera.url()).login("root", "p@ss w/rd:1").detect(false),
        );
    }
    let daemon = home.start();
    let admin = daemon.admin();
    for i in 0..schemes.len() {
        let id = format!("cam{i}");
        daemon.until_state(&admin, &id, &["recording"], 30);
        clock::until("footage", 30, || (covered_ms(&coverage(&admin, &id, "main")) > 1000).then_some(()));
    }
    stop_and_play(daemon, &home);
}

fn survives_garbage(mode: Mode) {
    let camera = FakeCamera::start(vec![clip("sub.mp4")], Settings::default());
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    until_recorded(&daemon, &admin, 2000);
    camera.set_mode(mode);
    let status = daemon.until_state(&admin, "cam01", &["garbage"], 60);
    assert!(!status["mend"].as_str().unwrap().is_empty(), "{status}");
    println!("{mode:?}: {}", words(&status));
    assert_gap(&admin, "garbage");
    camera.set_mode(Mode::Play);
    until_recorded(&daemon, &admin, 3000);
    stop_and_play(daemon, &home);
}

#[test]
fn random_payloads_are_called_garbage_and_survived() {
    survives_garbage(Mode::GarbagePayload);
}

#[test]
fn random_bytes_on_the_connection_are_called_garbage_and_survived() {
    survives_garbage(Mode::GarbageFraming);
}

#[test]
fn a_new_resolution_begins_a_new_file() {
    let camera = FakeCamera::start(vec![clip("sub.mp4"), clip("main.mp4")], Settings::default());
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    until_recorded(&daemon, &admin, 4000);
    assert_eq!(camera_status(&admin, "cam01")["streams"][0]["width"], 640);
    camera.switch_clip(1);
    clock::until("the new size shows", 30, || {
        (camera_status(&admin, "cam01")["streams"][0]["width"] == 1152).then_some(())
    });
    until_recorded(&daemon, &admin, 4000);
    let path = {
        let now = clock::wall_ms();
        format!("/api/v1/cameras/cam01/video.mp4?stream=main&from={}&to={now}", now - 2000)
    };
    assert_eq!(admin.get(&path).status, 200, "footage in the new size is served");
    stop_and_play(daemon, &home);
    let slabs = home.slabs("cam01", "main");
    assert!(slabs.len() >= 2, "{slabs:?}");
    assert_eq!(probe::size(&slabs[0]), (640, 480));
    assert_eq!(probe::size(&slabs[slabs.len() - 1]), (1152, 864));
    let units: Vec<probe::Unit> = slabs.iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
    let log = camera.log();
    let sent: Vec<&str> = log.sent.iter().map(|sent| sent.hash.as_str()).collect();
    assert_eq!(log.connections, 1, "no need to connect again");
    assert_eq!(probe::assert_unbroken("over the change", &probe::hashes(&units), &sent), 0);
}

#[test]
fn a_host_that_refuses_is_offline() {
    let home = home_with(&format!("rtsp://127.0.0.1:{}/live", free_port()));
    let daemon = home.start();
    let admin = daemon.admin();
    let status = daemon.until_state(&admin, "cam01", &["offline"], 30);
    assert!(!status["mend"].as_str().unwrap().is_empty(), "{status}");
    println!("closed port: {}", words(&status));
    assert!(words(&status).contains("127.0.0.1"), "it names the host: {status}");
    assert_gap(&admin, "disconnected");
}

#[test]
fn a_web_server_is_no_camera() {
    let web = NotACamera::start();
    let home = home_with(&web.url());
    let daemon = home.start();
    let admin = daemon.admin();
    let status = daemon.until_state(&admin, "cam01", &["offline", "garbage"], 30);
    println!("a web server: {}", words(&status));
    assert!(words(&status).to_lowercase().contains("rtsp"), "it says that no RTSP is spoken there: {status}");
}

#[test]
fn a_camera_that_starts_slowly_is_waited_for() {
    let settings = Settings { start_delay: Duration::from_secs(3), ..Settings::default() };
    let camera = FakeCamera::start(vec![clip("sub.mp4")], settings);
    let home = home_with(&camera.url());
    let daemon = home.start();
    let admin = daemon.admin();
    until_recorded(&daemon, &admin, 1000);
    stop_and_play(daemon, &home);
}
