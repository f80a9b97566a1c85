//! The real `nightjar-eye detect`, `bench` and `--help` on real files.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod support;

use nightjar_types::VideoCodec;
use nightjar_types::eye::{FromEye, Measured, ModelRun, PROTOCOL, ToEye};
use serde_json::Value;
use support::{eye, ffmpeg, models, pedestrians, run};

fn lines(args: &[&str]) -> Vec<Value> {
    let out = run(eye().args(["detect", "--json", "--models"]).arg(models()).args(args));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The first frames of the pedestrian clip as a file of its own.
fn short_clip(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("short.mp4").to_str().unwrap().to_owned();
    ffmpeg(&["-i", pedestrians().to_str().unwrap(), "-frames:v", "21", "-c", "copy", &path]);
    path
}

#[test]
fn every_frame_gets_its_line_and_people_their_boxes() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines(&["--input", &short_clip(&folder), "--every", "2"]);
    assert_eq!(lines.len(), 21);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line["frame"], i);
        assert_eq!(line["pts_ms"], 100 * i);
        assert_eq!(line["inferred"], i % 2 == 0);
        assert_eq!(line["inference_ms"].as_f64().unwrap() > 0.0, i % 2 == 0);
        for b in line["boxes"].as_array().unwrap() {
            let side = |k: &str| b[k].as_f64().unwrap();
            assert!(
                side("x") >= 0.0
                    && side("y") >= 0.0
                    && side("x") + side("w") < 1.001
                    && side("y") + side("h") < 1.001
            );
        }
    }
    let people = |line: &Value| {
        line["boxes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|b| b["label"] == "person" && b["score"].as_f64() > Some(0.5))
            .count()
    };
    assert!(people(&lines[0]) >= 3 && people(&lines[20]) >= 3, "{}", lines[20]);
}

#[test]
fn a_single_picture_works_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.jpg");
    let path = path.to_str().unwrap();
    ffmpeg(&["-i", pedestrians().to_str().unwrap(), "-frames:v", "1", path]);
    let lines = lines(&["--input", path]);
    assert_eq!(lines.len(), 1);
    assert!(lines[0]["boxes"].as_array().unwrap().iter().any(|b| b["label"] == "person"));
}

#[test]
fn files_that_are_no_video_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "no video").unwrap();
    for path in [text, folder.path().join("nowhere.mp4")] {
        let out = run(eye().args(["detect", "--models"]).arg(models()).arg("--input").arg(&path));
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
}

#[test]
fn unknown_cards_and_runtimes_list_the_known_ones() {
    for (args, known) in [(["--card", "yolo"], "ssdlite-mnv2-coco12-w8"), (["--runtime", "magic"], "tract")] {
        let out = run(eye().args(["bench", "--models"]).arg(models()).args(args));
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{said}");
        assert!(said.contains(args[1]) && said.contains(known), "{said}");
    }
}

#[test]
fn bench_measures_every_card() {
    for (card, _) in nightjar_models::CARDS {
        let out =
            run(eye().args(["bench", "--json", "--runs", "2", "--card", card, "--models"]).arg(models()));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert!(said["median_ms"].as_f64() > Some(0.0) && said["card"] == *card, "{said}");
    }
}

/// One process after the other reads and writes the same file, as the recorder lets them.
#[test]
fn bench_remembers_what_is_right_and_serve_goes_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eye-choice.json");
    let bench = |models: &std::path::Path, more: &[&str]| -> Measured {
        let out = run(eye()
            .args(["bench", "--json", "--runs", "1", "--remember"])
            .arg(&file)
            .arg("--models")
            .arg(models)
            .args(more));
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    };
    let measured = bench(&models(), &[]);
    for id in nightjar_models::AUTO {
        let good = |m: &&ModelRun| m.card == *id && m.runtime == "fused";
        let run = measured.models.iter().find(good).unwrap();
        assert_eq!(run.fault, None, "{id}");
    }
    assert!(!measured.good_decoders(VideoCodec::H264).is_empty());
    // Where nothing is, nothing would be found; but it is remembered already.
    assert_eq!(bench(folder.path(), &[]), measured);
    assert!(bench(folder.path(), &["--anew"]).models.is_empty());

    // A variant that is fast and wrong is passed over.
    let mut other = measured.clone();
    for run in &mut other.models {
        if run.card.ends_with("f32") && run.runtime == "tract" {
            run.look_ms = Some(0.001);
        } else if run.card.ends_with("w8") {
            (run.look_ms, run.fault) = (Some(0.0001), Some("chelsea-192x128: no cat".into()));
        }
    }
    std::fs::write(&file, serde_json::to_vec(&other).unwrap()).unwrap();
    let mut recorder = support::Recorder::start(&models(), &["--choice", file.to_str().unwrap()]);
    recorder.say(&ToEye::Hello { protocol: PROTOCOL });
    let FromEye::Hello { model, .. } = recorder.hear() else { panic!("no hello") };
    assert_eq!(model.card, "nanodet-g-coco12-f32");
    let told = recorder.until(|m| if let FromEye::Measured(told) = m { Some(told.clone()) } else { None });
    assert_eq!(told, other);
    recorder.hang_up();
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let out = run(eye().arg("--help"));
    let said = String::from_utf8_lossy(&out.stdout);
    for part in ["detect", "serve", "bench", "NIGHTJAR_MODELS", "Exit codes"] {
        assert!(said.contains(part), "{said}");
    }
}
