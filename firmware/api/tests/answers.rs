//! What the routes answer: JSON, pictures, ranges of footage, words for what is wrong.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Bench, MemoryDesk};
use nightjar_api::{OPENAPI, ROUTES, Role, TlsMode, bind, page_size};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const RANGE: &str = "from=2026-11-21T10:00:00Z&to=1795255260000";

#[test]
fn every_route_is_in_the_openapi_file_and_nothing_else() {
    let file: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in file["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let least = operation["x-least-role"].as_str().unwrap().to_owned();
            assert_eq!(operation["security"] == json!([]), least == "open", "{method} {path}");
            described.insert((method.to_uppercase(), path.clone(), least));
        }
    }
    let routed = ROUTES.iter().map(|r| (r.method.to_string(), r.openapi_path(), r.least.as_str().to_owned()));
    assert_eq!(described, routed.collect());
    assert_refs_resolve(&file, &file);
}

fn assert_refs_resolve(file: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                assert!(file.pointer(&target[1..]).is_some(), "{target}");
            }
            fields.values().for_each(|field| assert_refs_resolve(file, field));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_refs_resolve(file, item)),
        _ => {}
    }
}

/// Every field that the server sends is described, and every described field is sent.
#[tokio::test]
async fn answers_have_the_described_fields() {
    let file: Value = serde_json::from_str(OPENAPI).unwrap();
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Admin);
    let event = &bench.desk.events[0].id;
    let form = json!({ "from_ms": 1, "to_ms": 2 });
    bench.post("/api/v1/holds", ("authorization", &format!("Bearer {token}")), form).await;
    let form = json!({ "camera": "front", "from_ms": 1, "to_ms": 2 });
    bench.post("/api/v1/night", ("authorization", &format!("Bearer {token}")), form).await;
    for (path, schema) in [
        ("/api/v1/session", "Session"),
        ("/api/v1/cameras", "CameraStatus"),
        ("/api/v1/outputs", "OutputStatus"),
        ("/api/v1/inputs", "InputStatus"),
        ("/api/v1/arm", "Arm"),
        ("/api/v1/rules", "RuleView"),
        ("/api/v1/health", "Health"),
        ("/api/v1/storage", "Storage"),
        ("/api/v1/holds", "Holds"),
        ("/api/v1/night", "Night"),
        ("/api/v1/events", "EventPage"),
        (&format!("/api/v1/events/{event}"), "EventView"),
        (&format!("/api/v1/cameras/front/coverage?{RANGE}"), "Coverage"),
    ] {
        let answer = bench.get(path, &token).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_described(&file, schema, &answer.json());
    }
}

fn assert_described(file: &Value, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        assert!(!items.is_empty(), "{name}");
        return items.iter().for_each(|item| assert_described(file, name, item));
    }
    let schema = &file["components"]["schemas"][name];
    let Some(properties) = schema["properties"].as_object() else { return };
    let sent: BTreeSet<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(sent, properties.keys().collect(), "{name}");
    for (key, property) in properties {
        let target = property["$ref"].as_str().or_else(|| property["items"]["$ref"].as_str());
        let inner = &value[key];
        if let (Some(target), false) = (target, inner.as_array().is_some_and(Vec::is_empty)) {
            assert_described(file, target.rsplit('/').next().unwrap(), inner);
        }
    }
}

#[tokio::test]
async fn footage_comes_whole_or_in_ranges() {
    let bench = Bench::start(TlsMode::Auto).await;
    let bearer = format!("Bearer {}", bench.token(Role::Viewer));
    let path = format!("/api/v1/cameras/front/video.mp4?stream=main&{RANGE}");
    let ask = async |method: &str, extra: &[(&str, &str)]| {
        let headers = [&[("authorization", bearer.as_str())], extra].concat();
        bench.ask(method, &path, &headers, "").await
    };
    let footage = &bench.desk.footage;
    let whole = ask("GET", &[]).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-type")), (200, "video/mp4"));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-length"), "300000");
    assert!(whole.body == footage[..]);
    assert_eq!(whole.header("content-disposition"), "inline; filename=\"front_10_00.mp4\"");
    let tag = whole.header("etag").to_owned();

    for (range, first, last) in [
        ("bytes=0-1", 0, 1),
        ("bytes=1000-270000", 1_000, 270_000),
        ("bytes=-5", 299_995, 299_999),
        ("bytes=299990-", 299_990, 299_999),
    ] {
        let part = ask("GET", &[("range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/300000"));
        assert!(part.body == footage[first..=last], "{range}");
    }
    let after = ask("GET", &[("range", "bytes=300000-")]).await;
    assert_eq!((after.status.as_u16(), after.header("content-range")), (416, "bytes */300000"));
    assert_eq!(ask("GET", &[("range", "bytes=0-1"), ("if-range", &tag)]).await.status, 206);
    assert_eq!(ask("GET", &[("range", "bytes=0-1"), ("if-range", "\"old\"")]).await.body.len(), 300_000);
    assert_eq!(ask("GET", &[("if-none-match", &tag)]).await.status, 304);
    let head = ask("HEAD", &[("range", "bytes=10-19")]).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (206, "10", 0));

    let download = bench.get(&format!("{path}&download=1"), &bench.token(Role::Viewer)).await;
    assert!(download.header("content-disposition").starts_with("attachment"));
}

#[tokio::test]
async fn a_playlist_names_the_file_that_stays_the_same() {
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Viewer);
    let answer = bench.get(&format!("/api/v1/cameras/front/recorded.m3u8?{RANGE}"), &token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/vnd.apple.mpegurl")
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let uri = text.lines().nth(1).unwrap();
    assert!(uri.starts_with("video.mp4?stream=main&from=1970-01-01T00:00:00.001Z&to="), "{uri}");
    assert!(uri.ends_with("&chapters=0&proof=0&tag=tag-1"), "{uri}");
    let file = bench.get(&format!("/api/v1/cameras/front/{uri}"), &token).await;
    assert_eq!(file.status.as_u16(), 400, "the bench's file spans years: {uri}");
    let key = bench.get("/api/v1/device-key", &token).await;
    assert!(String::from_utf8(key.body.to_vec()).unwrap().contains("\"fingerprint\":\"abab-abab\""));
}

#[tokio::test]
async fn places_for_footage_are_counted_and_come_back() {
    let bench = Bench::start(TlsMode::Auto).await;
    let bearer = format!("Bearer {}", bench.token(Role::Viewer));
    let path = format!("/api/v1/cameras/front/video.mp4?{RANGE}");
    let bench = std::sync::Arc::new(bench);
    // More than there are places, all at once and again: each is read to its end, so each gets its turn.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (bench, bearer, path) = (std::sync::Arc::clone(&bench), bearer.clone(), path.clone());
        tasks.spawn(
            async move { bench.ask("GET", &path, &[("authorization", &bearer)], "").await.body.len() },
        );
    }
    while let Some(len) = tasks.join_next().await {
        assert_eq!(len.unwrap(), 300_000);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Admin);
    for (path, status, words) in [
        ("/api/v1/cameras/nobody/snapshot.jpg", 404, "there is no camera \"nobody\""),
        ("/api/v1/cameras/yard/video.mp4?from=0&to=1000", 404, "the camera went silent"),
        ("/api/v1/cameras/front/video.mp4?from=0&to=99999999", 400, "longer than 24 h"),
        ("/api/v1/cameras/front/video.mp4?from=5&to=5", 400, "not before"),
        ("/api/v1/cameras/front/video.mp4?from=0&to=5&proof=maybe", 400, "neither 1 nor 0"),
        ("/api/v1/cameras/front/video.mp4?from=0&to=5&tag=other", 409, "load the playlist again"),
        ("/api/v1/cameras/front/recorded.m3u8?from=0&to=99999999", 400, "longer than 24 h"),
        ("/api/v1/cameras/yard/recorded.m3u8?from=0&to=1000", 404, "the camera went silent"),
        ("/api/v1/cameras/front/timelapse.mp4?from=0&to=99999999&every=1", 400, "at most 20000"),
        ("/api/v1/cameras/front/timelapse.mp4?from=0&to=9999&every=0", 400, "1 second or more"),
        ("/api/v1/cameras/front/timelapse.mp4?from=0&to=9999&fps=61", 400, "1 to 60"),
        ("/api/v1/cameras/front/video.mp4?from=0", 400, "missing field `to`"),
        ("/api/v1/cameras/front/coverage?from=noon&to=5", 400, "\"noon\" is no time"),
        ("/api/v1/cameras/front/coverage?from=0&to=5&strem=sub", 400, "strem"),
        ("/api/v1/cameras/front/still.jpg?stream=big", 400, "big"),
        ("/api/v1/cameras/front/live/main", 400, "WebSocket"),
        ("/api/v1/cameras/front/live/big", 404, "use main or sub"),
        ("/api/v1/events?limit=0", 400, "limit is 1 to 500"),
        ("/api/v1/events?before=xyz", 400, "20 hexadecimal digits"),
        ("/api/v1/events/00000000000000000000", 404, "no event"),
    ] {
        let answer = bench.get(path, &token).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{path}: {error}");
        assert!(error.contains(words), "{path}: {error}");
    }
    let bearer = format!("Bearer {token}");
    let test = async |body: &str, mime: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", mime)];
        let answer = bench.ask("POST", "/api/v1/outputs/siren/test", &headers, body).await;
        (answer.status.as_u16(), answer.json()["error"].to_string())
    };
    let json = "application/json; charset=utf-8";
    for (body, mime, status, words) in [
        ("{\"confirm\":\"gate\",\"ms\":500}", json, 400, "has to be"),
        ("{\"confirm\":\"siren\",\"ms\":5001}", json, 400, "100 to 5000"),
        ("{\"confirm\":\"siren\"}", json, 400, "missing field `ms`"),
        ("{\"confirm\":\"siren\",\"ms\":500,\"x\":1}", json, 400, "unknown field"),
        ("confirm=siren", "application/x-www-form-urlencoded", 415, "application/json"),
        (&"x".repeat(70_000), json, 413, "larger than 65536"),
    ] {
        let (got, error) = test(body, mime).await;
        assert_eq!(got, status, "{error}");
        assert!(error.contains(words), "{error}");
    }
    assert!(bench.desk.tested.lock().unwrap().is_empty());
}

#[tokio::test]
async fn pictures_come_from_the_stream_there_is() {
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Viewer);
    for (path, text) in [
        ("/api/v1/cameras/front/snapshot.jpg", "front sub None"),
        ("/api/v1/cameras/yard/snapshot.jpg", "yard main None"),
        ("/api/v1/cameras/front/still.jpg?at=5", "front main Some(Wall(5000))"),
        (&format!("/api/v1/events/{}/snapshot.jpg", MemoryDesk::event(3).id), "\u{fffd}\u{fffd}event"),
    ] {
        let answer = bench.get(path, &token).await;
        assert_eq!((answer.text().as_str(), answer.header("content-type")), (text, "image/jpeg"));
    }
}

#[tokio::test]
async fn events_come_in_pages() {
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Viewer);
    let (mut seen, mut sizes, mut before) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = bench.get(&format!("/api/v1/events?camera=front&limit=3{before}"), &token).await.json();
        let ids: Vec<_> = page["events"].as_array().unwrap().iter().map(|e| e["id"].clone()).collect();
        sizes.push(ids.len());
        seen.extend(ids);
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, bench.desk.events.iter().map(|e| json!(e.id)).collect::<Vec<_>>());
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let bench = Bench::start(TlsMode::Auto).await;
    let answer = bench.get("/metrics", &bench.token(Role::Viewer)).await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    for line in [
        "nightjar_build_info{version=\"9.9.9\",board=\"sim\"} 1",
        "nightjar_stream_fps{camera=\"front\",stream=\"sub\"} 25",
        "nightjar_faults_total{name=\"dropped_gops\"} 4",
        "nightjar_storage_slowest_write_seconds 0.25",
        "nightjar_output_on{output=\"gate\"} 1",
        "nightjar_web_places_taken{kind=\"live\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let mut named = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(named.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(named.contains(name.split('{').next().unwrap()), "{line}");
            value.parse::<f64>().unwrap();
        }
    }
}

#[tokio::test]
async fn the_page_is_sent_compressed_or_not_and_known_again() {
    let bench = Bench::start(TlsMode::Auto).await;
    let answer = bench.ask("GET", "/", &[("accept-encoding", "gzip, br")], "").await;
    assert_eq!(answer.status, 200);
    if page_size().0 == 0 {
        assert!(answer.text().contains("cargo xtask web"), "{}", answer.text());
        return;
    }
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let tag = answer.header("etag").to_owned();
    assert_eq!(
        bench.ask("GET", "/", &[("accept-encoding", "gzip"), ("if-none-match", &tag)], "").await.status,
        304
    );
    let plain = bench.ask("GET", "/", &[], "").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.text().contains("<html"));
    let asset = plain.text().split('"').find(|t| t.starts_with("/assets/")).map(str::to_owned);
    let asset = bench.ask("GET", &asset.unwrap(), &[("accept-encoding", "gzip")], "").await;
    assert!(asset.header("cache-control").contains("immutable"));
}

#[test]
fn a_taken_port_is_named_with_its_mend() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = taken.local_addr().unwrap();
    let error = bind(addr).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "web: {addr} is already in use: another program listens there; set [web] listen to a free port"
        )
    );
    let error = bind("203.0.113.1:0".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("cannot listen on 203.0.113.1:0"), "{error}");
}
