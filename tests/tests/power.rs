//! A board on its battery: the mains that comes back in time changes nothing; when it stays away all is closed and the board is
//! asked to shut down.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::wires::Wires;
use nightjar_tests::{parts, probe};

const MAINS: u32 = 4;

fn is_told(api: &Api) -> bool {
    let health = api.json("/api/v1/health");
    let problems = health["problems"].as_array().cloned().unwrap_or_default();
    problems
        .iter()
        .any(|words| words.as_str().is_some_and(|words| words.starts_with("The mains is gone since")))
}

/// The mains at this board with so long until it shuts down.
fn home(camera: &FakeCamera, shutdown_after: &str) -> (Home, Wires) {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.section("power", &format!("shutdown_after = \"{shutdown_after}\""));
    home.item(&format!(
        "[[input]]\nid = \"ups\"\nline = \"sim:{MAINS}\"\nkind = \"ac-fail\"\ndebounce = \"0ms\"\n"
    ));
    home.camera(Camera::new("cam01", &camera.url()).detect(false));
    let folder = home.path("run");
    std::fs::create_dir(&folder).unwrap();
    home.environment("RUNTIME_DIRECTORY", folder.to_str().unwrap());
    (home, wires)
}

#[test]
fn mains_that_comes_back_is_a_problem_that_is_over() {
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("sub.mp4"), 10)], Settings::default());
    let (home, wires) = home(&camera, "1h");
    let daemon = home.start();
    let admin = daemon.admin();
    wires.drive(MAINS, true);
    clock::until("it is said that the mains is gone", 30, || is_told(&admin).then_some(()));
    wires.drive(MAINS, false);
    clock::until("it is over", 30, || (!is_told(&admin)).then_some(()));
    assert!(!home.path("run/power-off").exists());
    assert!(daemon.stop().success());
}

#[test]
fn mains_that_stays_away_closes_everything_and_asks_for_a_shutdown() {
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("sub.mp4"), 10)], Settings::default());
    let (home, wires) = home(&camera, "1s");
    let daemon = home.start();
    let admin = daemon.admin();
    daemon.until_state(&admin, "cam01", &["recording"], 60);
    wires.drive(MAINS, true);
    clock::until("the board is asked to shut down", 60, || home.path("run/power-off").exists().then_some(()));
    assert!(home.said().contains("everything is on the card"), "closed before it was asked: {}", home.said());
    // what systemd does then
    assert!(daemon.stop().success());
    let slabs = home.all_slabs();
    assert!(!slabs.is_empty());
    slabs.iter().for_each(|slab| probe::assert_plays(slab));
}
