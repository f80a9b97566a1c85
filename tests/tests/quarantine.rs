//! A thread of the real eye that hangs while the others answer is noticed; a camera whose pictures do that three times is spared, in
//! words, until a person lets it out; it is recorded all the time and the other camera is looked at.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::probe::{self, Track};
use nightjar_tests::rtsp_server::served;
use nightjar_tests::{parts, skip};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The eye's process id while it runs.
fn running(api: &Api) -> Option<u64> {
    let eye = api.json("/api/v1/health")["eye"].clone();
    eye["pid"].as_u64().filter(|_| eye["state"] == "running")
}

/// Holds a thread of the eye in the middle of its work; `None` when the system does not permit it.
fn hold(pid: u64, thread: &str) -> Option<Child> {
    let mut holding = Command::new("/usr/bin/python3")
        .arg(parts::ours("eye/stop_thread.py"))
        .args([&pid.to_string(), thread])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holding.stdout.take().unwrap()).read_line(&mut line).unwrap();
    match line.trim() {
        "held" => Some(holding),
        "not permitted" => None,
        other => panic!("stop_thread.py said {other:?}"),
    }
}

fn quarantine(api: &Api) -> Vec<Value> {
    api.json("/api/v1/health")["eye"]["quarantine"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_camera_whose_pictures_hang_the_model_is_spared_and_the_other_is_not() {
    let mut home = Home::new();
    let moving = format!("file:{}", parts::clip("sub.mp4").display());
    home.camera(Camera::new("front", &moving).detect(true));
    home.camera(Camera::new("yard", &moving).detect(true));
    let daemon = home.start();
    let admin = daemon.admin();
    let mut words = Vec::new();
    while quarantine(&admin).is_empty() {
        assert!(words.len() < 8, "eight hangs and nobody is blamed: {words:?}");
        let pid = clock::until("the eye runs", 240, || running(&admin));
        clock::until("it looks at pictures", 240, || {
            (admin.json("/api/v1/health")["eye"]["inferred"].as_u64()? > 3).then_some(())
        });
        let Some(mut holding) = hold(pid, "model 0") else {
            return skip::skip(
                "hanging threads",
                "the system does not let one process stop another's thread (ptrace)",
            );
        };
        let error = clock::until("the hang is noticed", 120, || {
            let error = admin.json("/api/v1/health")["eye"]["error"].as_str().map(str::to_owned);
            (error.is_some() || running(&admin).is_some_and(|new| new != pid)).then_some(error)
        });
        // Without one the board had just been measured, and the recorder itself took another eye.
        words.extend(error);
        drop(holding.stdin.take());
        holding.wait().unwrap();
        clock::until("another eye runs", 240, || running(&admin).filter(|new| *new != pid));
    }
    println!("{words:#?}");
    // Held in the middle of what it tells of a picture, it holds the stream's decoder up as well.
    assert!(
        words.iter().all(|why| why.contains(" hangs: ") && why.contains("on one picture of")),
        "{words:?}"
    );
    let spared = quarantine(&admin)[0].clone();
    let camera = spared["camera"].as_str().unwrap().to_owned();
    let blamed = words.iter().filter(|why| why.contains(&camera)).count();
    assert_eq!(blamed, 3, "{camera}: {words:?}");
    let health = admin.json("/api/v1/health");
    let problems = health["problems"].to_string();
    for part in ["three times", "detection is off for this camera until", "recorded all the same"] {
        assert!(problems.contains(part), "{problems}");
    }
    let other = if camera == "front" { "yard" } else { "front" };
    let decoders = |api: &Api| api.json("/api/v1/health")["eye"]["decoders"].to_string();
    clock::until("the other is looked at", 120, || decoders(&admin).contains(other).then_some(()));
    assert!(!decoders(&admin).contains(&camera), "{}", decoders(&admin));

    let path = format!("/api/v1/cameras/{camera}/eye/release");
    assert_eq!(admin.post(&path, &serde_json::json!({})).status, 204);
    assert_eq!(admin.post(&path, &serde_json::json!({})).status, 409);
    clock::until("it is looked at again", 120, || decoders(&admin).contains(&camera).then_some(()));
    assert!(quarantine(&admin).is_empty());
    assert!(admin.json("/api/v1/audit").to_string().contains("out of the detector's quarantine"));
    assert!(daemon.stop().success());
    let source = served("sub.mp4", Track::Video);
    for camera in ["front", "yard"] {
        let units: Vec<probe::Unit> =
            home.slabs(camera, "main").iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
        probe::assert_unbroken(camera, &probe::hashes(&units), &probe::hashes(&source));
    }
}
