//! The real `nightjar-eye detect` on the pedestrian clip: what the cheap ways of looking lose against the dear ones.
//!
//! No labels of persons are committed: each test takes a stronger way of looking as the truth.
#![allow(clippy::unwrap_used)] // All of it is test code.

mod support;

use serde_json::Value;
use support::{eye, ffmpeg, models, pedestrians, run};

/// Left, top, width, height as fractions of the picture.
type Place = [f64; 4];

/// What was said of one frame.
struct Said {
    runs: u64,
    people: Vec<(f64, Place)>,
}

fn detect(input: &str, args: &[&str]) -> Vec<Said> {
    let out = run(eye().args(["detect", "--json", "--input", input, "--models"]).arg(models()).args(args));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let number = |b: &Value, k: &str| b[k].as_f64().unwrap();
            let people = line["boxes"].as_array().unwrap().iter().filter(|b| b["label"] == "person");
            let people = people.map(|b| (number(b, "score"), ["x", "y", "w", "h"].map(|k| number(b, k))));
            Said { runs: line["runs"].as_u64().unwrap(), people: people.collect() }
        })
        .collect()
}

/// The first frames of the pedestrian clip, changed by a filter of ffmpeg.
fn clip(folder: &tempfile::TempDir, frames: u32, filter: &str) -> String {
    let path = folder.path().join("clip.mp4").to_str().unwrap().to_owned();
    let (input, frames) = (pedestrians(), frames.to_string());
    let coder = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-g", "20", "-bf", "0"];
    let cut = ["-i", input.to_str().unwrap(), "-frames:v", &frames, "-vf", filter];
    ffmpeg(&[&cut[..], &coder, &[&path]].concat());
    path
}

fn overlap(a: &Place, b: &Place) -> f64 {
    let shared = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let both = shared(0) * shared(1);
    both / (a[2] * a[3] + b[2] * b[3] - both)
}

/// Which share of the people of `truth` from score `sure` on is in `said`, at half an overlap, from score `least` on.
fn found(said: &[Said], least: f64, truth: &[Said], sure: f64) -> f64 {
    assert_eq!(said.len(), truth.len());
    let (mut hits, mut all) = (0, 0);
    for (said, truth) in said.iter().zip(truth) {
        let mut free: Vec<&Place> = said.people.iter().filter(|p| p.0 >= least).map(|p| &p.1).collect();
        for (_, place) in truth.people.iter().filter(|p| p.0 >= sure) {
            all += 1;
            if let Some(at) = free.iter().position(|f| overlap(f, place) >= 0.5) {
                free.swap_remove(at);
                hits += 1;
            }
        }
    }
    assert!(all >= said.len(), "{all} people in {} frames: the truth saw nobody", said.len());
    f64::from(hits) / all as f64
}

fn runs(said: &[Said]) -> u64 {
    said.iter().map(|s| s.runs).sum()
}

#[test]
fn three_runs_a_second_and_prediction_say_nearly_what_a_run_a_frame_says() {
    let folder = tempfile::tempdir().unwrap();
    let input = clip(&folder, 80, "null");
    let every = detect(&input, &[]);
    let three = detect(&input, &["--rate", "3"]);
    assert!(runs(&every) >= 80 && runs(&three) <= 24, "{} and {} runs in 8 s", runs(&every), runs(&three));
    // The first looks have no past to predict from.
    let (every, three) = (&every[10..], &three[10..]);
    let (recall, precision) = (found(three, 0.3, every, 0.5), found(every, 0.3, three, 0.5));
    assert!(recall > 0.8 && precision > 0.8, "recall {recall:.3}, precision {precision:.3}");
}

#[test]
fn two_models_agree_about_whom_they_are_sure_of() {
    let folder = tempfile::tempdir().unwrap();
    let input = clip(&folder, 40, "null");
    let dear = detect(&input, &["--whole"]);
    let cheap = detect(&input, &["--whole", "--card", "ssdlite-mnv2-coco12-w8"]);
    let (there, back) = (found(&dear, 0.3, &cheap, 0.6), found(&cheap, 0.3, &dear, 0.6));
    assert!(there > 0.85 && back > 0.85, "{there:.3} of the cheaper one's, {back:.3} of the dearer one's");
}

#[test]
fn far_people_are_found_in_crops_around_motion_and_not_in_the_whole_picture() {
    let folder = tempfile::tempdir().unwrap();
    let near = detect(&clip(&folder, 60, "null"), &["--whole"]);
    // The same people far away: a third of the picture's width and height is the clip, off the middle.
    let far = clip(&folder, 60, "pad=2304:1728:1000:700:gray");
    let out = |said: Vec<Said>| -> Vec<Said> {
        let back = |[x, y, w, h]: Place| {
            [(x * 2304.0 - 1000.0) / 768.0, (y * 1728.0 - 700.0) / 576.0, w * 3.0, h * 3.0]
        };
        said.into_iter()
            .map(|s| Said {
                people: s.people.into_iter().map(|(score, place)| (score, back(place))).collect(),
                ..s
            })
            .collect()
    };
    let whole = out(detect(&far, &["--rate", "5", "--whole"]));
    let crops = out(detect(&far, &["--rate", "5"]));
    assert!(runs(&crops) <= 30, "{} runs in 6 s", runs(&crops));
    let (near, whole, crops) = (&near[10..], &whole[10..], &crops[10..]);
    let (without, with) = (found(whole, 0.3, near, 0.5), found(crops, 0.3, near, 0.5));
    assert!(without < 0.3 && with > 0.6, "{without:.3} of them in the whole picture, {with:.3} in crops");
    let right = found(near, 0.3, crops, 0.5);
    assert!(right > 0.7, "{right:.3} of what crops show is there");
}
