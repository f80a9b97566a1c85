//! The world outside is away or hostile while a camera is recorded: what happened meanwhile arrives later, and no picture is lost.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::broker::Broker;
use nightjar_tests::clock;
use nightjar_tests::home::{Camera, Home, free_port};
use nightjar_tests::hook::{Manner, Target};
use nightjar_tests::probe::{self, Track};
use nightjar_tests::rtsp_server::{RtspServer, served};
use nightjar_tests::wires::Wires;
use serde_json::Value;
use std::collections::BTreeSet;

const BELL: u32 = 3;
/// What a target answers that has no measure.
const TOO_MUCH: usize = 10 << 20;

/// How long the broker is away, s: `NIGHTJAR_OUTAGE_S`, for the long run by hand.
fn outage_s() -> u64 {
    std::env::var("NIGHTJAR_OUTAGE_S")
        .map_or(5, |s| s.parse().expect("NIGHTJAR_OUTAGE_S is a number of seconds"))
}

/// Rings the bell so often, with time between that even a busy recorder tells apart.
fn ring(wires: &Wires, times: usize) {
    for _ in 0..times {
        for high in [true, false] {
            wires.drive(BELL, high);
            clock::pass(100);
        }
    }
}

/// Moments of the notices that were heard: one each, however often it was told.
fn rung(broker: &Broker) -> BTreeSet<i64> {
    broker.heard().iter().filter_map(|message| message["notice"]["at_ms"].as_i64()).collect()
}

fn alarm(admin: &Api, id: &str) -> Value {
    let all = admin.json("/api/v1/alarms");
    let alarms = all.as_array().unwrap_or_else(|| panic!("no list of alarms: {all}"));
    alarms.iter().find(|alarm| alarm["id"] == id).unwrap_or_else(|| panic!("no alarm {id}: {all}")).clone()
}

#[test]
fn a_broker_that_dies_and_targets_that_mean_ill_cost_neither_a_message_nor_a_picture() {
    let camera = RtspServer::start(1);
    let mut broker = Broker::start("nightjar/test/notices");
    let inside = Target::start(Manner::Talks(0));
    let silent = Target::start(Manner::Silent);
    let redirects = Target::start(Manner::Redirects(format!("http://127.0.0.1:{}/", inside.port)));
    let talks = Target::start(Manner::Talks(TOO_MUCH));
    let hooks = [
        ("silent", silent.port, true),
        ("refuses", free_port(), true),
        ("redirects", redirects.port, true),
        ("talks", talks.port, true),
        ("guarded", inside.port, false),
    ];

    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.camera(Camera::new("cam01", &camera.url(1, "main")).detect(false));
    home.item(&format!("[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n", broker.port));
    for (id, port, lan) in hooks {
        home.item(&format!("[[webhook]]\nid = {id:?}\nurl = \"http://127.0.0.1:{port}/\"\nlan = {lan}\n"));
    }
    home.item(&format!(
        "[[input]]\nid = \"bell\"\nline = \"sim:{BELL}\"\ndebounce = \"5ms\"\n\
         [[rule]]\nid = \"rings\"\nwhen = {{ input = \"bell\" }}\ndo = {{ notify = \"somebody rings\" }}\n"
    ));
    let daemon = home.start();
    let admin = daemon.admin();
    daemon.until_state(&admin, "cam01", &["recording"], 60);

    ring(&wires, 3);
    clock::until("the broker is told", 30, || (rung(&broker).len() == 3).then_some(()));
    broker.kill();
    let (seconds, start, mut times) = (outage_s(), clock::now(), 3);
    while clock::now().duration_since(start).as_secs() < seconds {
        ring(&wires, 5);
        times += 5;
    }
    let waiting = alarm(&admin, "mqtt");
    assert_ne!(waiting["state"], "working", "it is known that nobody is there: {waiting}");
    broker.again();
    let all = clock::within(60, || (rung(&broker).len() == times).then_some(()));
    assert!(
        all.is_some(),
        "{times} times it rang, {} were told: {}",
        rung(&broker).len(),
        alarm(&admin, "mqtt")
    );
    clock::until("nothing waits", 30, || (alarm(&admin, "mqtt")["waiting"] == 0).then_some(()));
    let told = alarm(&admin, "mqtt");
    assert_eq!((&told["dropped"], &told["failed"]), (&0.into(), &0.into()), "{told}");

    clock::until("every target has been tried", 60, || {
        hooks.iter().all(|(id, ..)| !alarm(&admin, id)["error"].is_null() || *id == "talks").then_some(())
    });
    for (id, ..) in hooks {
        let hook = alarm(&admin, id);
        assert_eq!(hook["dropped"], 0, "{id} is within its budget: {hook}");
        println!(
            "{id}: {}, {} wait, {} failed: {}",
            hook["state"], hook["waiting"], hook["failed"], hook["error"]
        );
    }
    assert!(redirects.connections() > 0 && talks.connections() > 0 && silent.connections() > 0);
    assert_eq!(inside.connections(), 0, "nobody was led to an address of this board");
    let guarded = alarm(&admin, "guarded")["error"].to_string();
    assert!(guarded.contains("lan = true"), "it says what would allow it: {guarded}");

    assert!(daemon.stop().success());
    let units: Vec<probe::Unit> =
        home.slabs("cam01", "main").iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
    probe::assert_unbroken("main", &probe::hashes(&units), &probe::hashes(&served("main.mp4", Track::Video)));
    println!("the broker was away for {seconds} s: {times} messages, {} pictures, none lost", units.len());
}
