//! The night shift on the real recorder, eye and clip: what nobody looked at is found later, survives kill -9 and a rebuilt index,
//! and never moves a relay.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, coverage, covered_ms};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::parts;
use nightjar_types::BBox;
use serde_json::{Value, json};

/// Footage that is looked at: pedestrians walk through all of it.
const FOOTAGE_MS: i64 = 20_000;

/// A camera under which nothing looks, and a rule that would switch a siren if it did.
fn home(detect: bool) -> Home {
    let mut home = Home::new();
    let url = format!("file:{}", parts::clip("vtest.mp4").display());
    home.camera(Camera::new("cam01", &url).detect(detect));
    home.item("[[output]]\nid = \"siren\"\nline = \"sim:1\"\n");
    home.item(
        "[[rule]]\nid = \"person-siren\"\nwhen = { class = \"person\" }\n\
         do = [{ pulse = \"siren\", for = \"2s\" }, { notify = \"Somebody is there\" }]\n",
    );
    // whatever else this machine does is not the matter here
    home.section("night", "load = 1.0\ntemperature = 110\nquiet = \"1s\"");
    home
}

fn recorded(api: &Api) -> (i64, i64) {
    clock::until("some footage", 60, || {
        (covered_ms(&coverage(api, "cam01", "main")) >= FOOTAGE_MS).then_some(())
    });
    let spans = coverage(api, "cam01", "main")["spans"].clone();
    let from = spans[0]["from_ms"].as_i64().unwrap();
    (from, from + FOOTAGE_MS)
}

fn events(api: &Api) -> Vec<Value> {
    api.json("/api/v1/events?camera=cam01&limit=200")["events"].as_array().cloned().unwrap_or_default()
}

fn id_of(event: &Value) -> String {
    event["id"].as_str().unwrap().to_string()
}

/// They overlap in time, and where they were seen best.
fn is_same(a: &Value, b: &Value) -> bool {
    let place = |e: &Value| serde_json::from_value::<BBox>(e["bbox"].clone()).unwrap();
    let time = |e: &Value, end: &str| e[end].as_i64().unwrap();
    time(a, "start_ms") < time(b, "end_ms")
        && time(b, "start_ms") < time(a, "end_ms")
        && place(a).iou(&place(b)) > 0.5
}

fn ids(events: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = events.iter().map(id_of).collect();
    ids.sort();
    ids
}

fn nothing_moved(api: &Api) {
    let siren = &api.json("/api/v1/outputs")[0];
    assert_eq!((&siren["moves"], &siren["on"]), (&json!(0), &json!(false)), "{siren}");
    assert_eq!(api.json("/api/v1/rules")[0]["fired"], 0);
}

#[test]
fn what_nobody_looked_at_is_found_when_somebody_asks() {
    let home = home(false);
    let daemon = home.start();
    let admin = daemon.admin();
    let updates = admin.updates();
    let (from, to) = recorded(&admin);
    assert!(events(&admin).is_empty(), "nobody looks");
    let form = json!({ "camera": "cam01", "from_ms": from, "to_ms": to, "label": "person" });
    admin.with_token(&home.token("viewer")).post("/api/v1/night", &form).expect(403);
    let unknown = json!({ "camera": "yard", "from_ms": from, "to_ms": to });
    admin.post("/api/v1/night", &unknown).expect(404);
    let job = admin.post("/api/v1/night", &form).expect(201).json();
    assert_eq!(admin.post("/api/v1/night", &form).expect(201).json()["id"], job["id"], "the same is one job");

    // killed while it works: what is left is in the state folder
    clock::until("the eye looks at it", 240, || {
        (admin.json("/api/v1/health")["eye"]["inferred"].as_u64()? > 0).then_some(())
    });
    daemon.kill();
    let kept = std::fs::read_to_string(home.path("state/night.json")).unwrap();
    assert!(kept.contains("\"cam01\""), "{kept}");

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    assert_eq!(admin.json("/api/v1/night")["jobs"][0]["id"], job["id"], "it goes on");
    clock::until("the range was looked at", 300, || {
        admin.json("/api/v1/night")["jobs"].as_array()?.is_empty().then_some(())
    });
    let found = clock::until("events are found", 30, || {
        let found = events(&admin);
        (!found.is_empty()).then_some(found)
    });
    println!("{} events found in {FOOTAGE_MS} ms", found.len());
    for event in &found {
        assert_eq!(event["label"], "person");
        let (start, end) = (event["start_ms"].as_i64().unwrap(), event["end_ms"].as_i64().unwrap());
        assert!(start >= from - 2_500 && start < to && end >= start, "{from}..{to}: {event}");
        assert!(event["found_ms"].as_i64().unwrap() > to, "it is marked as found later: {event}");
        assert_eq!(event["rules"], json!([]));
    }
    let with_picture = found.iter().find(|e| e["snapshot"] == true).expect("one has a picture");
    let id = with_picture["id"].as_str().unwrap();
    let picture = admin.get(&format!("/api/v1/events/{id}/snapshot.jpg")).expect(200);
    assert!(picture.body.starts_with(&[0xFF, 0xD8]));
    nothing_moved(&admin);
    let told: Vec<String> = updates.try_iter().map(|(name, _)| name).collect();
    assert!(!told.iter().any(|name| name == "notice"), "nobody is told: {told:?}");
    let audit = admin.get("/api/v1/audit?limit=100").expect(200).text();
    assert!(audit.contains("asked to look again at cam01"), "{audit}");
    let before = ids(&found);
    assert!(daemon.stop().success());

    // the index is a cache of the slabs
    let checked = home.plain(&["check", "--rebuild", home.storage().to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{}", checked.said);
    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    let rebuilt = events(&admin);
    assert_eq!(ids(&rebuilt), before, "the rebuilt index has them all");
    assert!(rebuilt.iter().all(|e| e["found_ms"].is_i64()), "and knows that they were found later");

    // asked once more, nothing is found twice
    admin.post("/api/v1/night", &form).expect(201);
    clock::until("the range was looked at again", 300, || {
        admin.json("/api/v1/night")["jobs"].as_array()?.is_empty().then_some(())
    });
    let again = events(&admin);
    let kept = again.iter().filter(|e| before.contains(&id_of(e))).count();
    assert_eq!(kept, before.len(), "all are still there");
    // this look was not interrupted, so that somebody may be new; whoever was found is not found twice
    let new: Vec<&Value> = again.iter().filter(|e| !before.contains(&id_of(e))).collect();
    assert!(new.len() * 4 <= before.len(), "{new:?}");
    for event in new {
        let twice = found.iter().find(|old| is_same(old, event));
        assert!(twice.is_none(), "{event} was found as {twice:?}");
    }
    nothing_moved(&admin);
    assert!(daemon.stop().success());
}

#[test]
fn a_job_can_be_dropped_and_an_empty_range_is_done_at_once() {
    let home = home(false);
    let daemon = home.start();
    let admin = daemon.admin();
    let (from, to) = recorded(&admin);
    let long_ago = json!({ "camera": "cam01", "from_ms": from - 9_000_000, "to_ms": from - 8_000_000 });
    admin.post("/api/v1/night", &long_ago).expect(201);
    clock::until("there is nothing to look at", 60, || {
        admin.json("/api/v1/night")["jobs"].as_array()?.is_empty().then_some(())
    });
    let form = json!({ "camera": "cam01", "from_ms": from, "to_ms": to, "label": "zebra" });
    let job = admin.post("/api/v1/night", &form).expect(201).json();
    let path = format!("/api/v1/night/{}", job["id"]);
    // done at once or dropped: gone it is
    let dropped = admin.delete(&path);
    assert!(dropped.status == 200 || dropped.status == 404, "{}", dropped.text());
    admin.delete(&path).expect(404);
    assert!(events(&admin).is_empty(), "no zebra");
    assert_eq!(admin.json("/api/v1/night")["state"], "idle");
    assert!(daemon.stop().success());
}
