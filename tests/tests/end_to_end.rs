//! The whole chain on real parts: GStreamer's RTSP server → nightjar → files, event, relay; FFmpeg is the judge.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{coverage, covered_ms};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::probe::{self, Track};
use nightjar_tests::rtsp_server::{RtspServer, served};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

const FOOTAGE_MS: i64 = 20_000;
const EXPORT_MS: i64 = 10_000;

#[test]
fn a_person_is_recorded_detected_and_moves_the_relay() {
    let server = RtspServer::start_with_password(1, "viewer", "lens cap 7");
    let mut home = Home::new();
    let camera = Camera::new("cam01", &server.url(1, "main")).sub_stream(&server.url(1, "sub"));
    home.camera(camera.login("viewer", "lens cap 7").detect(true));
    home.item("[[output]]\nid = \"siren\"\nline = \"sim:1\"\nactive = \"high\"\nsafe = \"off\"\n");
    home.item(
        "[[rule]]\nid = \"person-siren\"\nwhen = { class = \"person\", camera = \"cam01\" }\n\
         do = [{ pulse = \"siren\", for = \"2s\" }, { notify = \"Somebody is there\" }]\ncooldown = \"10s\"\n",
    );
    let daemon = home.start();
    let admin = daemon.admin();
    let updates = admin.updates();
    assert_eq!(admin.json("/api/v1/outputs")[0]["on"], false, "the relay is safe at the start");
    daemon.until_state(&admin, "cam01", &["recording"], 60);

    siren_goes_on_and_off(&updates);
    let event = person_with_a_snapshot(&admin, &home);
    rule_is_seen_everywhere(&admin, &event);
    only_who_may_gets_in(&daemon.api, &home);

    clock::until("20 s of footage", 90, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) >= FOOTAGE_MS).then_some(())
    });
    for slab in home.all_slabs() {
        probe::assert_plays(&slab); // while it is being written
    }
    let export = export_is_whole(&admin, &home);
    assert!(daemon.stop().success(), "SIGTERM ends it with 0");

    let main = assert_recorded_unbroken(&home, "main", "main.mp4", &[Track::Video, Track::Audio]);
    assert_recorded_unbroken(&home, "sub", "sub.mp4", &[Track::Video]);
    let (main, export) = (probe::hashes(&main), probe::hashes(&export));
    assert!(
        main.windows(export.len()).any(|window| window == export),
        "the export has the frames of the files"
    );
}

/// Reads on until the siren went on and came back off.
fn siren_goes_on_and_off(updates: &Receiver<(String, Value)>) {
    for (on, cause) in [(true, "person-siren"), (false, "")] {
        let what = if on { "the siren goes on" } else { "the siren goes off again" };
        let moved = clock::until(what, 120, || {
            let (name, data) = updates.recv_timeout(Duration::from_secs(30)).ok()?;
            (name == "output" && data["id"] == "siren" && data["on"] == on).then_some(data)
        });
        let words = moved["cause"].as_str().unwrap_or_default();
        assert!(words.contains(cause), "it says why: {moved}");
    }
}

/// Waits for a person event with a picture, and checks that the picture is a whole JPEG.
fn person_with_a_snapshot(admin: &Api, home: &Home) -> Value {
    let event = clock::until("a person event with a snapshot", 120, || {
        let page = admin.json("/api/v1/events?camera=cam01&label=person");
        let events = page["events"].as_array().cloned().unwrap_or_default();
        events
            .into_iter()
            .find(|event| event["snapshot"] == true && !event["rules"].as_array().is_none_or(Vec::is_empty))
    });
    let id = event["id"].as_str().expect("an event has an id");
    let picture = admin.get(&format!("/api/v1/events/{id}/snapshot.jpg")).expect(200);
    assert_eq!(picture.header("content-type"), "image/jpeg");
    assert!(picture.body.starts_with(&[0xFF, 0xD8]) && picture.body.ends_with(&[0xFF, 0xD9]), "SOI … EOI");
    let file = home.path("snapshot.jpg");
    std::fs::write(&file, &picture.body).unwrap();
    probe::assert_plays(&file);
    let (width, height) = probe::size(&file);
    assert!(width >= 160 && height >= 120, "{width}x{height}");
    assert!(event["score"].as_f64().unwrap() >= 0.3, "{event}");
    assert_eq!(event["model"].as_str().unwrap().len(), 64, "SHA-256 of the model: {event}");
    admin.json(&format!("/api/v1/events/{id}"))
}

/// The same story by every other way of asking.
fn rule_is_seen_everywhere(admin: &Api, event: &Value) {
    assert_eq!(event["rules"][0], "person-siren", "{event}");
    let siren = clock::until("the siren is off", 30, || {
        let outputs = admin.json("/api/v1/outputs");
        (outputs[0]["on"] == false).then(|| outputs[0].clone())
    });
    assert!(siren["moves"].as_u64().unwrap() >= 1 && siren["moved_ms"].as_i64().is_some(), "{siren}");
    let rules = admin.json("/api/v1/rules");
    assert!(rules[0]["fired"].as_u64().unwrap() >= 1, "{rules}");
    let still = admin.get("/api/v1/cameras/cam01/snapshot.jpg").expect(200);
    assert!(still.body.starts_with(&[0xFF, 0xD8]));
    let health = admin.json("/api/v1/health");
    assert_eq!(health["ok"], true, "{}", health["problems"]);
    assert!(health["eye"]["inferred"].as_u64().unwrap() > 0, "{}", health["eye"]);
    let metrics = admin.get("/metrics").expect(200).text();
    assert!(metrics.contains("nightjar_"), "{metrics}");
}

/// Nothing without a proof, little with a viewer's token.
fn only_who_may_gets_in(open: &Api, home: &Home) {
    for path in [
        "/api/v1/cameras",
        "/api/v1/health",
        "/api/v1/cameras/cam01/snapshot.jpg",
        "/api/v1/updates",
        "/metrics",
    ] {
        assert_eq!(open.get(path).status, 401, "{path}");
    }
    let viewer = open.with_token(&home.token("viewer"));
    assert_eq!(viewer.json("/api/v1/session")["role"], "viewer");
    viewer
        .post("/api/v1/outputs/siren/test", &serde_json::json!({"confirm": "siren", "ms": 200}))
        .expect(403);
    viewer.get("/api/v1/audit").expect(403);
    assert_eq!(open.with_token("nonsense").get("/api/v1/health").status, 401);
}

/// Takes the first seconds out as one MP4, in one go and in pieces; gives back its pictures.
fn export_is_whole(admin: &Api, home: &Home) -> Vec<probe::Unit> {
    let from = coverage(admin, "cam01", "main")["spans"][0]["from_ms"].as_i64().unwrap();
    let path = format!("/api/v1/cameras/cam01/video.mp4?stream=main&from={from}&to={}", from + EXPORT_MS);
    let whole = admin.get(&path).expect(200);
    assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), ("video/mp4", "bytes"));
    assert!(!whole.header("etag").is_empty());
    let (size, piece) = (whole.body.len(), whole.body.len() / 7 + 1);
    let mut joined = Vec::new();
    while joined.len() < size {
        let last = (joined.len() + piece).min(size) - 1;
        let part = admin.get_range(&path, joined.len(), last).expect(206);
        assert_eq!(part.header("content-range"), format!("bytes {}-{last}/{size}", joined.len()));
        assert_eq!(part.header("etag"), whole.header("etag"));
        joined.extend(part.body);
    }
    assert!(joined == whole.body, "the pieces make the whole");
    admin.get_range(&path, size, size + 1).expect(416);
    let nothing = "/api/v1/cameras/cam01/video.mp4?stream=main&from=1000&to=2000";
    assert!(!admin.get(nothing).expect(404).json()["error"].as_str().unwrap().is_empty());

    let file = home.path("export.mp4");
    std::fs::write(&file, &whole.body).unwrap();
    probe::assert_plays(&file);
    let sounds = probe::units(&file, Track::Audio);
    let clip = served("main.mp4", Track::Audio);
    probe::assert_unbroken("exported sound", &probe::hashes(&sounds), &probe::hashes(&clip));
    let pictures = probe::units(&file, Track::Video);
    assert!(pictures.len() as i64 >= EXPORT_MS / 100 - 1, "10 s hold 100 pictures, not {}", pictures.len());
    pictures
}

/// Every unit between the first and the last recorded one is there, and every file plays; gives back the pictures.
fn assert_recorded_unbroken(home: &Home, stream: &str, clip: &str, tracks: &[Track]) -> Vec<probe::Unit> {
    let slabs: Vec<PathBuf> = home.slabs("cam01", stream);
    assert!(!slabs.is_empty(), "{stream}: nothing was recorded");
    let mut pictures = Vec::new();
    for track in tracks {
        let recorded: Vec<probe::Unit> = slabs.iter().flat_map(|slab| probe::units(slab, *track)).collect();
        let source = served(clip, *track);
        probe::assert_unbroken(
            &format!("{stream} {track:?}"),
            &probe::hashes(&recorded),
            &probe::hashes(&source),
        );
        println!("{stream} {track:?}: {} units in {} files, unbroken", recorded.len(), slabs.len());
        if *track == Track::Video {
            assert!(recorded.len() as i64 >= FOOTAGE_MS / 100, "{stream}: only {} pictures", recorded.len());
            pictures = recorded;
        }
    }
    slabs.iter().for_each(|slab| probe::assert_plays(slab));
    pictures
}
