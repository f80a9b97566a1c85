//! A detector of somebody else's in the real `nightjar-eye`: the example in Python on a picture that we know, and such as
//! break the contract.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod support;

use nightjar_types::VideoCodec;
use nightjar_types::eye::{FromEye, PROTOCOL, ToEye};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::{Clip, Recorder, at, eye, ffmpeg, finish, models, run};

fn bright() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/detectors/bright.py")
}

/// A white square on grey, from a quarter to a half of the picture both ways; a frame is 320×240.
fn square(folder: &Path) -> PathBuf {
    let path = folder.join("square.mp4");
    let source = "color=c=0x404040:size=320x240:rate=10,drawbox=x=80:y=60:w=80:h=60:color=white:t=fill,trim=end_frame=10";
    let out = path.to_str().unwrap();
    ffmpeg(&[
        "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-bf", "0", "-g", "10", out,
    ]);
    path
}

/// A script in `folder` with the example's hello and then `rest`.
fn script(folder: &Path, rest: &str) -> PathBuf {
    let path = folder.join("detector.py");
    let hello =
        r#"{"type": "hello", "protocol": 1, "name": "n", "labels": ["a"], "width": 64, "height": 64}"#;
    let text = format!(
        "#!/usr/bin/python3\nimport json, os, sys, time\nsays = lambda m: print(json.dumps(m), flush=True)\n\
         sys.stdin.buffer.readline()\nhello = {hello}\n{rest}\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn runtime(program: &Path) -> String {
    format!("json:{}", program.display())
}

#[test]
fn the_example_finds_the_bright_square_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let clip = square(folder.path());
    let args = ["detect", "--json", "--min-score", "0.5", "--runtime", &runtime(&bright()), "--input"];
    let out = run(eye().args(args).arg(&clip));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    for line in lines {
        let boxes = line["boxes"].as_array().unwrap();
        assert_eq!(boxes.len(), 1, "{line}");
        assert_eq!(boxes[0]["label"], "bright");
        for (side, at) in [("x", 0.25), ("y", 0.25), ("w", 0.25), ("h", 0.25)] {
            let found = boxes[0][side].as_f64().unwrap();
            assert!((found - at).abs() < 0.06, "{side} {found}, not {at}: cells are 8 pixels of 160×96");
        }
    }
}

#[test]
fn the_example_serves_a_recorder_and_its_hash_is_the_models() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip::read(&square(folder.path()), VideoCodec::H264, 10);
    let mut recorder =
        Recorder::start(&models(), &["--rate", "10", "--runtime", &runtime(&bright()), "--memory", "384"]);
    recorder.say(&ToEye::Hello { protocol: PROTOCOL });
    let FromEye::Hello { model, sandbox, .. } = recorder.hear() else { panic!("no hello") };
    assert_eq!((model.card.as_str(), model.labels.as_slice()), ("json:bright", &["bright".to_owned()][..]));
    assert_eq!(model.sha256.len(), 64);
    assert!(sandbox.in_force.iter().any(|part| part.starts_with("memory")), "{sandbox:?}");
    recorder.open(4, &clip, 0.5);
    recorder.unit(4, at(0), true, &clip.key());
    let FromEye::Frame { inferred, detections, .. } = recorder.frame(4, at(0)) else { panic!("no frame") };
    assert!(inferred);
    assert!(
        detections.iter().any(|d| d.label == "bright" && (d.bbox.x - 0.25).abs() < 0.06),
        "{detections:?}"
    );
    assert_eq!(recorder.hang_up().0, Some(0));
}

#[test]
fn one_that_breaks_the_contract_is_named_with_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip::read(&square(folder.path()), VideoCodec::H264, 10);
    let look = "look = json.loads(sys.stdin.buffer.readline()); sys.stdin.buffer.read(look['bytes'])";
    let thing =
        |x: &str| format!(r#"{{"label": "a", "score": 0.9, "x": {x}, "y": 0.1, "w": 0.1, "h": 0.1}}"#);
    let found = |id: &str, things: &str| {
        format!(
            "says(hello); {look}; says({{'type': 'found', 'id': {id}, 'things': [{things}]}}); sys.stdin.buffer.read()"
        )
    };
    let wrong: Vec<(String, &str)> = vec![
        ("sys.exit(1)".into(), "ended"),
        ("hello['protocol'] = 2; says(hello)".into(), "protocol 2"),
        ("hello['width'] = 1; says(hello)".into(), "1×64"),
        ("hello['more'] = 1; says(hello)".into(), "more"),
        ("says({'type': 'error', 'id': None, 'words': 'no camera rights'})".into(), "no camera rights"),
        ("os.write(1, b'x' * 3000000)".into(), "more than"),
        ("print('Loading weights...', flush=True)".into(), "no message"),
        (format!("says(hello); {look}; sys.exit(1)"), "ended"),
        (format!("says(hello); {look}; sys.stdin.buffer.read()"), "within 5 s"),
        (
            format!("says(hello); {look}; [(os.write(1, b' '), time.sleep(0.2)) for _ in range(300)]"),
            "within 5 s",
        ),
        (found("9", ""), "look 1"),
        (found("1", &thing("float('nan')")), "no message"),
        (found("1", &thing("7.0")), "fractions"),
        (found("1", &thing("0.1").replace("\"a\"", "\"b\"")), "none of its labels"),
    ];
    for (rest, part) in wrong {
        let program = script(folder.path(), &rest);
        let mut recorder = Recorder::start(&models(), &["--runtime", &runtime(&program)]);
        let tell = |recorder: &mut Recorder| -> std::io::Result<()> {
            use std::io::Write;
            let (codec, config, camera) = (clip.codec, clip.config.clone(), "c".to_owned());
            let open = ToEye::Open { stream: 1, camera, codec, config, min_score: 0.5 };
            let unit = ToEye::Unit { stream: 1, mono: at(0), is_key: true, data: clip.key() };
            for message in [ToEye::Hello { protocol: PROTOCOL }, open, unit] {
                recorder.socket.write_all(&nightjar_types::eye::encode(&message).unwrap())?;
            }
            Ok(())
        };
        let _ = tell(&mut recorder); // it may be gone already
        let Recorder { socket, child, .. } = recorder;
        let (code, said) = finish(child);
        drop(socket);
        assert_eq!(code, Some(5), "{rest}: {said}");
        let last = said.lines().rfind(|line| line.starts_with("nightjar-eye: ")).unwrap_or_default();
        assert!(last.contains(part) && last.contains("detector.py"), "{rest}: {said}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let out = run(eye().args(["bench", "--runtime", "json:/nowhere/detector"]));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(5) && said.contains("/nowhere/detector"), "{said}");
}
