//! What programs of the board are told of a real recorder: who records, what is on the disk, what a restart cost.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::home::{Camera, Home, free_port};
use nightjar_tests::{clock, parts};
use nightjar_types::gate::{GateCamera, GateReport};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// `None`: it does not answer yet.
fn ask(home: &Home, path: &str) -> Option<GateReport> {
    let mut stream = UnixStream::connect(home.path("board.sock")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: board\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    Some(serde_json::from_str(body).unwrap())
}

fn camera<'r>(report: &'r GateReport, id: &str) -> &'r GateCamera {
    report.cameras.iter().find(|c| c.id == id).unwrap()
}

fn until_well(home: &Home, path: &str) -> GateReport {
    let mut last = None;
    clock::within(60, || {
        last = ask(home, path);
        let report = last.as_ref()?;
        (camera(report, "front").recording && report.slab.read_back).then_some(())
    });
    let report = last.expect("the recorder answers");
    assert!(camera(&report, "front").recording && report.slab.read_back, "{report:#?}");
    report
}

#[test]
fn the_gate_says_who_records_what_is_on_the_disk_and_what_a_restart_cost() {
    let mut home = Home::new();
    let front = format!("file:{}", parts::clip("main.mp4").display());
    home.camera(Camera::new("front", &front).detect(false));
    home.camera(Camera::new("dead", &format!("rtsp://127.0.0.1:{}/x", free_port())).detect(false));
    home.item("[[output]]\nid = \"siren\"\nline = \"sim:1\"");
    let daemon = home.start();
    let report = until_well(&home, "/gate");
    let (front, dead) = (camera(&report, "front"), camera(&report, "dead"));
    assert!(front.why.is_empty() && front.last_age_ms.unwrap() < 10_000, "{front:?}");
    assert!(!dead.recording && !dead.why.is_empty() && dead.last_age_ms.is_none(), "{dead:?}");
    assert!(report.slab.written && report.slab.at_ms.unwrap() >= front.since_ms.unwrap(), "{report:#?}");
    assert!(report.relays.len() == 1 && report.relays[0].ok, "{:?}", report.relays);
    assert_eq!((report.eye.wanted, report.alarm.clone()), (false, None));
    assert_eq!(report.page, format!("{}/", home.base()));

    // from before it stops until it records again
    let left_ms = clock::wall_ms();
    assert!(daemon.stop().success());
    assert!(ask(&home, "/gate").is_none(), "nobody answers for a recorder that is gone");
    clock::pass(2_000);
    let daemon = home.start();
    let report = until_well(&home, &format!("/gate?since_ms={left_ms}"));
    let missing = camera(&report, "front").missing_ms.unwrap();
    let all = (report.now_ms - left_ms) as u64;
    assert!((1_500..all).contains(&missing), "{missing} of {all}");
    assert_eq!(camera(&report, "dead").missing_ms, None, "it never recorded, so nothing is missing");
    drop(daemon);
}
