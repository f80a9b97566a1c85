//! Mistakes of people and disks → a message that names the thing and the mend, and nothing lost.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, coverage, covered_ms};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::parts;
use nightjar_tests::probe::{self, Track};
use std::net::TcpListener;
use std::path::Path;

/// A home whose config is right.
fn sound_home() -> Home {
    let mut home = Home::new();
    home.camera(Camera::new("cam01", "synthetic:").detect(false));
    home
}

/// `config check` refuses it and says all of `words`; `run` does the same.
#[track_caller]
fn assert_refused(home: &Home, words: &[&str]) {
    let checked = home.verb(&["config", "check"]);
    assert_ne!(checked.code, Some(0), "config check takes it: {}", checked.said);
    let ran = home.run_to_end();
    assert!(ran.code.is_some_and(|code| code != 0), "run ends with an error: {ran:?}");
    for said in [&checked.said, &ran.said] {
        for word in words {
            assert!(said.contains(word), "the message lacks {word:?}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
    println!("{}", checked.said.trim());
}

#[test]
fn a_sound_config_passes() {
    let ended = sound_home().verb(&["config", "check"]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[test]
fn a_missing_config_file_is_named() {
    let home = sound_home();
    let missing = home.path("missing.toml");
    let missing = missing.to_str().unwrap();
    for words in [&["config", "check", missing][..], &["run", "--config", missing]] {
        let ended = home.plain(words);
        assert!(ended.code.is_some_and(|code| code != 0) && ended.said.contains(missing), "{ended:?}");
    }
}

/// `nightjar.toml:LINE` of the first line that begins with `key`.
fn place(home: &Home, key: &str) -> String {
    let text = std::fs::read_to_string(home.write_config()).unwrap();
    let line = text.lines().position(|line| line.starts_with(key)).unwrap() + 1;
    format!("nightjar.toml:{line}")
}

#[test]
fn a_mistyped_key_names_file_line_and_the_near_name() {
    let mut home = sound_home();
    home.section("storage", &format!("path = {:?}\nqouta = \"256MiB\"", home.storage()));
    assert_refused(&home, &[&place(&home, "qouta"), "qouta", "\"quota\""]);

    let mut home = Home::new();
    home.camera(Camera::new("cam01", "synthetic:").key("detekt", "true"));
    assert_refused(&home, &[&place(&home, "detekt"), "detekt", "\"detect\""]);
}

#[test]
fn text_that_is_no_toml_names_file_and_line() {
    let mut home = sound_home();
    home.item("[[camera]\nid = ");
    assert_refused(&home, &["nightjar.toml"]);
}

#[test]
fn a_value_of_the_wrong_kind_names_its_place() {
    let mut home = sound_home();
    home.section("storage", &format!("path = {:?}\nquota = \"a lot\"", home.storage()));
    assert_refused(&home, &[&place(&home, "quota"), "a lot"]);
}

#[test]
fn two_cameras_with_one_id_are_refused() {
    let mut home = sound_home();
    home.camera(Camera::new("cam01", "synthetic:"));
    assert_refused(&home, &["cam01"]);
}

#[test]
fn an_output_on_a_taken_line_names_both() {
    let mut home = sound_home();
    home.item("[[output]]\nid = \"gate\"\nline = \"sim:1\"\n[[output]]\nid = \"siren\"\nline = \"sim:1\"\n");
    assert_refused(&home, &["gate", "siren", "sim:1"]);
}

#[test]
fn a_rule_that_names_nothing_is_refused() {
    let mut home = sound_home();
    home.item("[[rule]]\nid = \"r\"\nwhen = { class = \"person\", camera = \"cam01\" }\ndo = [{ pulse = \"sirem\", for = \"2s\" }]\n");
    assert_refused(&home, &["sirem"]);
    let mut home = sound_home();
    home.item("[[output]]\nid = \"siren\"\nline = \"sim:1\"\n");
    home.item("[[rule]]\nid = \"r\"\nwhen = { class = \"person\", camera = \"cam09\" }\ndo = [{ pulse = \"siren\", for = \"2s\" }]\n");
    assert_refused(&home, &["cam09"]);
}

/// `run` gives up and says all of `words`; the config by itself may be right.
#[track_caller]
fn assert_gives_up(home: &Home, words: &[&str]) {
    let ran = home.run_to_end();
    assert!(ran.code.is_some_and(|code| code != 0), "run ends with an error: {ran:?}");
    for word in words {
        assert!(ran.said.contains(word), "the message lacks {word:?}: {}", ran.said);
    }
    assert!(!ran.said.contains("panicked"), "{}", ran.said);
    println!("{}", ran.said.trim());
}

#[test]
fn a_quota_of_tebibytes_on_a_small_disk_is_a_slip_and_refused() {
    let mut home = sound_home();
    home.section("storage", &format!("path = {:?}\nquota = \"900TiB\"", home.storage()));
    assert_gives_up(&home, &["quota"]);
    let size: u64 = std::fs::read_dir(home.storage()).map_or(0, |entries| entries.count() as u64);
    assert!(size < 10, "it reserved nothing");
}

#[test]
fn a_taken_port_is_named() {
    let home = sound_home();
    let _taken = TcpListener::bind(("127.0.0.1", home.port())).unwrap();
    assert_gives_up(&home, &[&home.port().to_string()]);
}

#[test]
fn storage_that_cannot_be_written_is_named() {
    // Root may write everywhere, but nobody can below a file, nor make folders in /proc.
    let mut home = sound_home();
    let file = home.path("file");
    std::fs::write(&file, "in the way").unwrap();
    let below = file.join("footage");
    home.section("storage", &format!("path = {below:?}\nquota = \"256MiB\""));
    assert_gives_up(&home, &[below.to_str().unwrap()]);
    home.section("storage", "path = \"/proc/nightjar-footage\"\nquota = \"256MiB\"");
    assert_gives_up(&home, &["/proc/nightjar-footage"]);
}

/// A copy of the models in which every weight file has one wrong byte.
fn spoilt_models(home: &Home) -> String {
    let folder = home.path("models");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(parts::models()).unwrap() {
        let from = entry.unwrap().path();
        let mut bytes = std::fs::read(&from).unwrap();
        if from.extension().is_some_and(|end| end == "onnx") {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        std::fs::write(folder.join(from.file_name().unwrap()), bytes).unwrap();
    }
    folder.to_str().unwrap().to_string()
}

#[test]
fn a_model_with_a_wrong_hash_stops_detection_only() {
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("sub.mp4"), 10)], Settings::default());
    let mut home = Home::new();
    let models = spoilt_models(&home);
    home.section("eye", &format!("card = \"ssdlite-mnv2-coco12-w8\"\nmodels = {models:?}"));
    home.camera(Camera::new("cam01", &camera.url()).detect(true));
    let daemon = home.start();
    let admin = daemon.admin();
    let problem = clock::until("the health page names the model", 60, || {
        let health = admin.json("/api/v1/health");
        let problems = health["problems"].as_array()?.clone();
        problems.into_iter().find(|problem| problem.as_str().is_some_and(|words| words.contains("ssdlite")))
    });
    println!("{problem}");
    let words = problem.as_str().unwrap().to_lowercase();
    assert!(words.contains("sha256") || words.contains("sha-256") || words.contains("hash"), "{problem}");
    assert_eq!(admin.json("/api/v1/health")["ok"], false);
    let before = covered_ms(&coverage(&admin, "cam01", "main"));
    clock::until("recording goes on", 60, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) > before + 2000).then_some(())
    });
    assert!(daemon.stop().success());
    home.all_slabs().iter().for_each(|slab| probe::assert_plays(slab));
}

/// Top-level boxes of an MP4 (ISO/IEC 14496-12, 4.2): type, offset, size.
fn boxes(file: &Path) -> Vec<(String, u64, u64)> {
    let bytes = std::fs::read(file).unwrap();
    let mut found = Vec::new();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let short = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let size = match short {
            0 => (bytes.len() - at) as u64,
            1 => u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()),
            size => u64::from(size),
        };
        found.push((String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned(), at as u64, size));
        at += size as usize;
    }
    found
}

#[test]
fn a_truncated_slab_keeps_what_is_left() {
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("sub.mp4"), 10)], Settings::default());
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &camera.url()).detect(false));
    let daemon = home.start();
    let admin = daemon.admin();
    clock::until("eight seconds of footage", 60, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) >= 8000).then_some(())
    });
    assert!(daemon.stop().success());
    let slab = home.slabs("cam01", "main").remove(0);
    let before = probe::units(&slab, Track::Video);
    let parts = boxes(&slab);
    println!("{:?}", parts.iter().map(|(kind, _, size)| format!("{kind} {size}")).collect::<Vec<_>>());
    assert_eq!(parts[0].0, "ftyp");
    assert_eq!(parts[parts.len() - 1].0, "free", "a free box spans the rest");
    // In the middle of the last but second fragment's media.
    let media: Vec<_> = parts.iter().filter(|(kind, _, _)| kind == "mdat").collect();
    let (_, offset, size) = media[media.len() - 3];
    std::fs::OpenOptions::new().write(true).open(&slab).unwrap().set_len(offset + size / 2).unwrap();

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    probe::assert_plays(&slab);
    let after = probe::units(&slab, Track::Video);
    let (left, all) = (probe::hashes(&after), probe::hashes(&before));
    println!("{} of {} pictures are left", left.len(), all.len());
    assert!(left.len() >= all.len() / 2 && left.len() < all.len() && all.starts_with(&left));
    let name = slab.file_name().unwrap().to_str().unwrap();
    let health = admin.json("/api/v1/health").to_string();
    assert!(home.said().contains(name) || health.contains(name), "it says which slab was cut: {health}");
    let known = covered_ms(&coverage(&admin, "cam01", "main"));
    clock::until("recording goes on", 60, || {
        (covered_ms(&coverage(&admin, "cam01", "main")) >= known + 2000).then_some(())
    });
    assert!(daemon.stop().success());
    home.all_slabs().iter().for_each(|slab| probe::assert_plays(slab));
}
