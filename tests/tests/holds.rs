//! Holds on the real recorder: they outlive restarts and a ring that wraps around them; and a quota that changes while it records.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, coverage, covered_ms, signal};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::{parts, probe};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Footage in order: (from, to) in milliseconds.
fn spans(api: &Api) -> Vec<(i64, i64)> {
    let cover = coverage(api, "cam01", "main");
    let ms = |span: &Value, key: &str| span[key].as_i64().unwrap();
    cover["spans"].as_array().unwrap().iter().map(|s| (ms(s, "from_ms"), ms(s, "to_ms"))).collect()
}

fn said(api: &Api) -> Vec<String> {
    let audit = api.json("/api/v1/audit?limit=1000");
    let lines = audit.as_array().unwrap().iter();
    lines
        .map(|line| format!("{}: {}", line["who"].as_str().unwrap(), line["what"].as_str().unwrap()))
        .collect()
}

/// Six cameras of 4 Mbit/s share 64 slabs of two seconds each: the ring wraps in some twenty seconds.
fn home(quota: &str) -> Home {
    let mut home = Home::new();
    let storage = format!("path = {:?}\nquota = \"{quota}\"\nholds = 0.5", home.storage());
    home.section("storage", &storage);
    for n in 1..=6 {
        let url = format!("file:{}", parts::clip("main.mp4").display());
        home.camera(Camera::new(&format!("cam0{n}"), &url).detect(false));
    }
    home
}

/// What the slabs take on the disk, waiting ones included.
fn reserved_mib(home: &Home) -> u64 {
    // one may be renamed between the look and the question
    let len = |path: &PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
    home.all_slabs().into_iter().chain(home.waiting_slabs()).map(|path| len(&path)).sum::<u64>() >> 20
}

#[test]
fn a_hold_outlives_restarts_and_a_ring_that_wraps_around_it() {
    let home = home("64MiB");
    let daemon = home.start();
    let admin = daemon.admin();
    clock::until("6 s of footage", 60, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) >= 6_000).then_some(())
    });
    let from = spans(&admin)[0].0 + 500;
    let form = json!({ "cameras": ["cam01"], "from_ms": from, "to_ms": from + 2_000, "note": "parcel" });
    let viewer = admin.with_token(&home.token("viewer"));
    viewer.post("/api/v1/holds", &form).expect(403);
    let hold = admin.post("/api/v1/holds", &form).expect(201).json();
    let empty = json!({ "from_ms": from - 86_400_000, "to_ms": from - 86_000_000 });
    let refused = admin.post("/api/v1/holds", &empty).expect(422);
    assert!(refused.text().contains("no footage of any camera"), "{}", refused.text());
    // several at once: none may be lost
    let others: Vec<u64> = std::thread::scope(|scope| {
        let ask = || admin.post("/api/v1/holds", &form).expect(201).json()["id"].as_u64().unwrap();
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(admin.json("/api/v1/holds")["holds"].as_array().unwrap().len(), 5);
    for id in others {
        admin.delete(&format!("/api/v1/holds/{id}")).expect(200);
    }
    assert!(daemon.stop().success());

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    let holds = admin.json("/api/v1/holds");
    assert_eq!(holds["holds"], json!([hold]), "a restart changes nothing");
    assert_eq!(holds["budget_bytes"], 32 << 20);
    let kept = |spans: &[(i64, i64)]| spans.iter().any(|(a, b)| *a <= from && *b >= from + 2_000);
    let wrapped = clock::until("footage after the held slabs is gone", 120, || {
        let spans = spans(&admin);
        assert!(kept(&spans), "the held footage is gone: {spans:?}");
        let hole = spans.windows(2).find(|pair| pair[1].0 - pair[0].1 > 8_000)?;
        (hole[0].1 >= from + 2_000).then_some(spans.clone())
    });
    println!("held {} bytes of {}; spans {wrapped:?}", holds["used_bytes"], holds["budget_bytes"]);
    let oldest = wrapped[0].0;
    let all = json!({ "from_ms": oldest, "to_ms": clock::wall_ms() });
    let refused = admin.post("/api/v1/holds", &all).expect(409);
    assert!(refused.text().contains("let another go"), "{}", refused.text());
    let storage = admin.json("/api/v1/storage");
    assert_eq!((&storage["state"], &storage["holds"]["count"]), (&json!("ok"), &json!(1)));
    assert!(storage["wear"]["written_bytes"].as_u64() > storage["wear"]["video_bytes"].as_u64(), "{storage}");
    daemon.kill();

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    let found = spans(&admin);
    assert!(kept(&found), "the held footage is gone after a kill: {found:?}");
    let clip =
        admin.get(&format!("/api/v1/cameras/cam01/video.mp4?from={from}&to={}", from + 2_000)).expect(200);
    let file = home.path("held.mp4");
    std::fs::write(&file, &clip.body).unwrap();
    probe::assert_plays(&file);

    let id = hold["id"].as_u64().unwrap();
    viewer.delete(&format!("/api/v1/holds/{id}")).expect(403);
    admin.delete(&format!("/api/v1/holds/{id}")).expect(200);
    admin.delete(&format!("/api/v1/holds/{id}")).expect(404);
    clock::until("what was let go is recycled", 120, || (!kept(&spans(&admin))).then_some(()));
    assert!(daemon.stop().success());

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    let said = said(&admin);
    let has = |words: &[&str]| said.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["user tester: made hold", "cam01 from", "\"parcel\""]), "{said:#?}");
    assert!(has(&["user tester: let go hold"]), "{said:#?}");
    assert!(
        has(&["nightjar: cam01/main: footage from", "deleted: the oldest footage makes room"]),
        "{said:#?}"
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_quota_changes_while_it_records_and_a_bad_file_changes_nothing() {
    let home = home("64MiB");
    let daemon = home.start();
    let admin = daemon.admin();
    daemon.until_state(&admin, "cam01", &["recording"], 60);
    let file = home.path("nightjar.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let hang_up = |quota: &str, words: &str| {
        let text = good.replace("64MiB", quota).replace("holds = 0.5", "holds = 0.25");
        std::fs::write(&file, text).unwrap();
        signal(daemon.pid(), Signal::HUP);
        clock::until(words, 20, || said(&admin).iter().any(|line| line.contains(words)).then_some(()));
        admin.json("/api/v1/storage")["quota_bytes"].as_u64().unwrap() >> 20
    };
    assert_eq!(hang_up("96MiB", "needs a restart: [storage] holds"), 96);
    clock::until("the pool has grown", 30, || (reserved_mib(&home) >= 92).then_some(()));
    assert_eq!(hang_up("64 apples", "nothing is changed"), 96);
    assert_eq!(hang_up("900TiB", "can be had on the disk"), 96);
    assert_eq!(hang_up("64MiB", "[storage] quota changed from 96 to 64 MiB"), 64);
    clock::until("the pool has shrunk", 60, || (reserved_mib(&home) <= 64).then_some(()));
    let newest = spans(&admin).last().unwrap().1;
    clock::until("it records on", 30, || (spans(&admin).last()?.1 > newest + 2_000).then_some(()));
    assert!(daemon.stop().success());
}
