//! What is taken out of the recorder, and out of its card: FFmpeg plays it, `nightjar verify` believes it, and no longer when
//! one byte is changed.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{coverage, covered_ms};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::parts;
use nightjar_tests::probe::{self, Track};
use nightjar_tests::rtsp_server::RtspServer;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FPS: u32 = 10;

fn ffprobe(words: &[&str], file: &Path) -> Value {
    let out = Command::new("ffprobe").args(["-v", "error", "-of", "json"]).args(words).arg(file).output();
    let out = out.expect("ffprobe is installed: run \"cargo xtask test\"");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn fetch(api: &Api, home: &Home, path: &str, name: &str) -> PathBuf {
    let file = home.path(name);
    std::fs::write(&file, api.get(path).expect(200).body).unwrap();
    file
}

/// `nightjar verify --json` with the device's key: whether all is intact, and what it says.
fn verify(home: &Home, key: &str, files: &[&Path]) -> (bool, Value) {
    let mut words = vec!["verify", "--json", "--key", key];
    words.extend(files.iter().map(|f| f.to_str().unwrap()));
    let ended = home.plain(&words);
    let said: Value = serde_json::from_str(&ended.said).unwrap_or_else(|e| panic!("{e}: {}", ended.said));
    assert_eq!(ended.code == Some(0), said["intact"] == true, "{said}");
    (ended.code == Some(0), said)
}

#[test]
fn exports_and_slabs_prove_themselves_and_a_changed_byte_is_named() {
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("main.mp4"), FPS)], Settings::default());
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &camera.url()).detect(false));
    home.section("storage", &format!("path = {:?}\nquota = \"64MiB\"", home.storage()));
    let daemon = home.start();
    let admin = daemon.admin();
    let key = admin.json("/api/v1/device-key");
    let (key, fingerprint) = (key["public_key"].as_str().unwrap(), key["fingerprint"].as_str().unwrap());
    let footage = || covered_ms(&coverage(&admin, "cam01", "main"));
    clock::until("a full slab", 120, || (home.slabs("cam01", "main").len() > 1).then_some(()));
    let full = footage();
    clock::until("three more seconds", 30, || (footage() > full + 3_000).then_some(()));
    let spans = coverage(&admin, "cam01", "main");
    let from = spans["spans"][0]["from_ms"].as_i64().unwrap();
    let to = from + full + 2_000;
    let path = |more: &str| format!("/api/v1/cameras/cam01/video.mp4?from={from}&to={to}{more}");

    let clip = fetch(&admin, &home, &path(""), "clip.mp4");
    probe::assert_plays(&clip);
    let (is_good, said) = verify(&home, key, &[&clip]);
    assert!(is_good, "{said}");
    let told = &said["files"][0];
    assert_eq!((told["kind"].as_str(), told["camera"].as_str()), (Some("export"), Some("cam01")));
    assert_eq!(told["fingerprint"].as_str(), Some(fingerprint));
    assert!(told["from_ms"].as_i64().unwrap() <= from && told["to_ms"].as_i64().unwrap() >= to, "{told}");
    assert!(told["slabs"].as_array().unwrap().len() > 1, "it goes over two slabs: {told}");

    // one bit in the middle of the pictures: the second is named
    let mut bytes = std::fs::read(&clip).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bent = home.path("bent.mp4");
    std::fs::write(&bent, &bytes).unwrap();
    let (is_good, said) = verify(&home, key, &[&bent]);
    assert!(!is_good);
    let faults = said["files"][0]["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{said}");
    let (a, b) = (faults[0]["from_ms"].as_i64().unwrap(), faults[0]["to_ms"].as_i64().unwrap());
    assert!(b - a <= 1_500 && a > from && b < to, "{faults:?}");
    let words = home.plain(&["verify", bent.to_str().unwrap()]);
    assert_eq!(words.code, Some(1));
    assert!(words.said.contains("NOT AUTHENTIC: camera cam01"), "{}", words.said);

    // another's key, and no proof at all
    let (is_good, said) = verify(&home, &"ab".repeat(32), &[&clip]);
    assert!(!is_good && said["files"][0]["refused"].is_string(), "{said}");
    let bare = fetch(&admin, &home, &path("&proof=0"), "bare.mp4");
    assert!(!verify(&home, key, &[&bare]).0);
    assert_eq!(probe::units(&bare, Track::Video), probe::units(&clip, Track::Video));

    playlist_plays_the_same(&admin, &home, from, to, &bare);
    timelapse_holds_a_picture_a_step(&admin, &home, from, to);
    assert!(daemon.stop().success());

    let slabs = home.slabs("cam01", "main");
    let all: Vec<&Path> = slabs.iter().map(PathBuf::as_path).collect();
    let words = home.plain(&["verify", home.storage().to_str().unwrap()]);
    assert_eq!(words.code, Some(0), "{}", words.said);
    let (_, said) = verify(&home, key, &all);
    let files = said["files"].as_array().unwrap();
    let sealed: Vec<&Value> = files.iter().filter(|f| f["slabs"][0]["sealed"] == true).collect();
    assert!(!sealed.is_empty(), "{said}");
    assert!(sealed.iter().all(|f| f["intact"] == true && f["fingerprint"] == fingerprint), "{said}");
    assert_eq!(said["missing"].as_array().map(Vec::len), Some(0), "{said}");
    let mut slab = std::fs::read(&slabs[0]).unwrap();
    let middle = slab.len() / 2;
    slab[middle] ^= 0x40;
    std::fs::write(&bent, slab).unwrap();
    let (is_good, said) = verify(&home, key, &[&bent]);
    assert!(!is_good && said["files"][0]["faults"].as_array().unwrap().len() == 1, "{said}");
}

/// FFmpeg's HLS client reads the byte ranges: the same pictures as in the file.
fn playlist_plays_the_same(admin: &Api, home: &Home, from: i64, to: i64, file: &Path) {
    let path = format!("/api/v1/cameras/cam01/recorded.m3u8?from={from}&to={to}");
    let text = admin.get(&path).expect(200).text();
    assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    let token = home.token("viewer");
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-headers", &format!("Authorization: Bearer {token}\r\n")])
        .args(["-i", &format!("{}{path}", home.base())])
        .args(["-map", "0:v:0", "-c", "copy", "-bsf:v", "filter_units=pass_types=1-5", "-f", "framemd5", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8(out.stdout).unwrap();
    let played: Vec<&str> =
        lines.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit(',').next().unwrap().trim()).collect();
    let units = probe::units(file, Track::Video);
    assert_eq!(played, probe::hashes(&units), "{text}");
}

/// A picture for every step of five seconds, each one whole.
fn timelapse_holds_a_picture_a_step(admin: &Api, home: &Home, from: i64, to: i64) {
    let path = format!("/api/v1/cameras/cam01/timelapse.mp4?from={from}&to={to}&every=5&fps=10");
    let film = fetch(admin, home, &path, "film.mp4");
    probe::assert_plays(&film);
    let told = ffprobe(&["-count_frames", "-show_streams", "-show_format"], &film);
    let streams = told["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "no sound: {told}");
    let frames: i64 = streams[0]["nb_read_frames"].as_str().unwrap().parse().unwrap();
    let steps = (to - from + 4_999) / 5_000;
    assert!((steps - 1..=steps).contains(&frames), "{frames} of {steps}");
    let seconds: f64 = told["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((seconds - frames as f64 / 10.0).abs() < 0.02, "{seconds} s");
    let size = std::fs::metadata(&film).unwrap().len() as usize;
    let part = admin.get_range(&path, size / 3, size / 2).expect(206);
    assert!(part.body == std::fs::read(&film).unwrap()[size / 3..=size / 2]);
}

#[test]
fn events_are_chapters() {
    let server = RtspServer::start(1);
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &server.url(1, "main")).sub_stream(&server.url(1, "sub")).detect(true));
    let daemon = home.start();
    let admin = daemon.admin();
    let event = clock::until("a person in recorded footage", 120, || {
        let page = admin.json("/api/v1/events?camera=cam01&label=person");
        let events = page["events"].as_array().cloned().unwrap_or_default();
        let start = |e: &Value| e["start_ms"].as_i64().unwrap();
        let cover = coverage(&admin, "cam01", "main");
        let span = cover["spans"].as_array()?.last()?;
        let (first, last) = (span["from_ms"].as_i64()?, span["to_ms"].as_i64()?);
        // the sub stream, which is looked at, may begin before the main stream
        events.into_iter().find(|e| start(e) >= first && start(e) + 2_000 < last)
    });
    let at = event["start_ms"].as_i64().unwrap();
    let path = format!("/api/v1/cameras/cam01/video.mp4?from={}&to={}", at - 500, at + 1_500);
    let answer = admin.get(&path).expect(200);
    let start: i64 = answer.header("x-nightjar-start-ms").parse().unwrap();
    let clip = home.path("chapters.mp4");
    std::fs::write(&clip, &answer.body).unwrap();
    let told = ffprobe(&["-show_chapters"], &clip);
    let chapters = told["chapters"].as_array().unwrap();
    let own = chapters.iter().find(|c| {
        let seconds: f64 = c["start_time"].as_str().unwrap().parse().unwrap();
        // things of other classes may come into the picture with the person
        let is_person = c["tags"]["title"].as_str().is_some_and(|t| t.starts_with("person "));
        is_person && ((seconds * 1_000.0) as i64 - (at - start)).abs() <= 2
    });
    let title = own.unwrap_or_else(|| panic!("{event}: {told}"))["tags"]["title"].as_str().unwrap();
    assert!(title.ends_with(" %"), "{title}");
    probe::assert_plays(&clip);
}
