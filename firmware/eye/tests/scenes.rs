//! The pedestrian clip and its empty place in ten lights and weathers → `nightjar-eye detect --gate --events`, the way of
//! `serve` → no event without a person, no person without an event, nothing taken for tampering.
//!
//! `NIGHTJAR_SCENES=long` takes longer scenes from several parts of the clip; run with `--nocapture` for the table.
#![allow(clippy::unwrap_used)] // All of it is test code.

#[path = "support/scenery.rs"]
mod scenery;
mod support;

use nightjar_types::BBox;
use scenery::{ALL, BUMP, Frame, H, Painter, Scenery, W};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use support::{eye, ffmpeg, models, pedestrians, run};

/// Looks of the model a second, as `serve` allows by default.
const RATE: &str = "5";
/// Somebody who is there this long must begin an event, seconds.
const THERE_S: f32 = 2.0;
/// A box is the same person's from this overlap on, in this share of the frames.
const SAME_IOU: f32 = 0.3;
const SAME_SHARE: f32 = 0.15;

/// The share of the people that falling snow hides from the default model as it is; the aim is nobody.
fn hidden(scenery: Scenery) -> f32 {
    if scenery == Scenery::Snow { 0.15 } else { 0.0 }
}

/// How long and how often is tried.
struct Plan {
    /// Frames a second, a divisor of the clip's 10.
    fps: usize,
    frames: usize,
    /// First frames of the parts of the clip with people.
    starts: &'static [usize],
    seeds: u32,
}

const SHORT: Plan = Plan { fps: 5, frames: 40, starts: &[100], seeds: 1 };
const LONG: Plan = Plan { fps: 10, frames: 160, starts: &[20, 300, 560], seeds: 3 };

/// What the eye said of one scene.
#[derive(Default)]
struct Seen {
    frames: usize,
    awake: usize,
    looks: usize,
    unsettled: usize,
    begun: Vec<u32>,
    labels: BTreeMap<u32, String>,
    /// Boxes by track and frame.
    tracks: BTreeMap<u32, BTreeMap<usize, BBox>>,
    tampered: Vec<String>,
}

/// Frames of the clip from `start`, every `step`th.
fn people(start: usize, step: usize, frames: usize) -> Vec<Frame> {
    let pick = format!("select='gte(n\\,{start})*not(mod(n-{start}\\,{step}))'");
    raw(&["-i", pedestrians().to_str().unwrap(), "-vf", &pick, "-fps_mode", "passthrough"], frames)
}

/// The place with nobody in it: the median of frames from all over the clip.
fn nobody() -> Frame {
    let pick = "select='not(mod(n\\,31))',tmedian=radius=12:planes=7";
    raw(&["-i", pedestrians().to_str().unwrap(), "-vf", pick, "-fps_mode", "passthrough"], 1).remove(0)
}

fn raw(args: &[&str], frames: usize) -> Vec<Frame> {
    let frames = frames.to_string();
    let out = run(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args).args([
        "-frames:v",
        &frames,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-",
    ]));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.chunks_exact(Frame::BYTES).map(Frame::read).collect()
}

/// Paints a scene, codes it as a camera would and lets the eye look.
fn watch(
    folder: &Path,
    name: &str,
    plan: &Plan,
    scenery: Scenery,
    seed: u32,
    frame: impl Fn(usize) -> Frame,
) -> Seen {
    let (yuv, mp4) = (folder.join(format!("{name}.yuv")), folder.join(format!("{name}.mp4")));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&yuv).unwrap());
    let mut painter = Painter::new(scenery, seed);
    let seconds = plan.frames as f32 / plan.fps as f32;
    for i in 0..plan.frames {
        let painted = painter.paint(&frame(i), i as f32 / plan.fps as f32, seconds, plan.fps as f32);
        for plane in painted.bytes() {
            file.write_all(plane).unwrap();
        }
    }
    file.flush().unwrap();
    let (size, fps) = (format!("{W}x{H}"), plan.fps.to_string());
    ffmpeg(&[
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-s",
        &size,
        "-r",
        &fps,
        "-i",
        yuv.to_str().unwrap(),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "24",
        "-bf",
        "0",
        "-g",
        "20",
        mp4.to_str().unwrap(),
    ]);
    std::fs::remove_file(&yuv).unwrap();
    let out = run(eye()
        .args(["detect", "--json", "--gate", "--events", "--min-score", "0.3", "--rate", RATE, "--models"])
        .arg(models())
        .arg("--input")
        .arg(&mp4));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8(out.stdout).unwrap();
    let seen = read(lines.lines().map(|l| serde_json::from_str(l).unwrap()));
    assert_eq!(seen.frames, plan.frames, "{name}");
    seen
}

fn read(lines: impl Iterator<Item = Value>) -> Seen {
    let mut seen = Seen::default();
    for line in lines {
        let watched = &line["watched"];
        seen.awake += usize::from(watched["moved"] == true);
        seen.unsettled += usize::from(watched["settled"] == false);
        seen.looks += usize::from(line["inferred"] == true);
        seen.begun.extend(watched["begin"].as_array().unwrap().iter().map(|t| t.as_u64().unwrap() as u32));
        if !watched["scene"]["tamper"].is_null() {
            seen.tampered.push(watched["scene"].to_string());
        }
        for b in line["boxes"].as_array().unwrap() {
            let Some(track) = b["track"].as_u64() else { continue };
            let side = |k: &str| b[k].as_f64().unwrap() as f32;
            let bbox = BBox { x: side("x"), y: side("y"), w: side("w"), h: side("h") };
            seen.labels.insert(track as u32, b["label"].as_str().unwrap().to_owned());
            seen.tracks.entry(track as u32).or_default().insert(seen.frames, bbox);
        }
        seen.frames += 1;
    }
    seen
}

/// The people of `clear` that began an event, were there long enough, and have none in `seen`; and how many there are.
fn missed(plan: &Plan, clear: &Seen, seen: &Seen, moved: impl Fn(usize, BBox) -> BBox) -> (Vec<u32>, usize) {
    let long = (THERE_S * plan.fps as f32) as usize;
    let there = |track: &&u32| clear.labels[*track] == "person" && clear.tracks[*track].len() >= long;
    let people: Vec<u32> = clear.begun.iter().filter(there).copied().collect();
    let is_found = |track: &u32| {
        let theirs = &clear.tracks[track];
        seen.begun.iter().any(|other| {
            let same = theirs.iter().filter(|(frame, bbox)| {
                seen.tracks[other].get(frame).is_some_and(|b| b.iou(&moved(**frame, **bbox)) >= SAME_IOU)
            });
            same.count() as f32 >= SAME_SHARE * theirs.len() as f32
        })
    };
    (people.iter().filter(|track| !is_found(track)).copied().collect(), people.len())
}

#[derive(Default, Clone, Copy)]
struct Row {
    false_events: usize,
    people: usize,
    missed: usize,
    awake_empty: f32,
    awake_people: f32,
    unsettled: f32,
    tampered: usize,
}

#[test]
fn light_and_weather_begin_no_event_and_hide_no_person() {
    let plan = if std::env::var("NIGHTJAR_SCENES").is_ok_and(|v| v == "long") { LONG } else { SHORT };
    let folder = tempfile::tempdir().unwrap();
    let empty = nobody();
    let parts: Vec<Vec<Frame>> =
        plan.starts.iter().map(|&start| people(start, 10 / plan.fps, plan.frames)).collect();
    let clear: Vec<Seen> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| {
            watch(folder.path(), &format!("clear-{n}"), &plan, Scenery::Untouched, 1, |i| part[i].clone())
        })
        .collect();
    let jobs: Mutex<Vec<(Scenery, u32, Option<usize>)>> = Mutex::new(
        ALL.iter()
            .flat_map(|&scenery| {
                let empty = (1..=plan.seeds).map(move |seed| (scenery, seed, None));
                empty.chain((0..plan.starts.len()).map(move |part| (scenery, 1, Some(part))))
            })
            .collect(),
    );
    let rows: Mutex<BTreeMap<usize, Row>> = Mutex::default();
    let faults: Mutex<Vec<String>> = Mutex::default();
    let work = || {
        let next = || jobs.lock().unwrap().pop();
        while let Some((scenery, seed, part)) = next() {
            let name = format!("{scenery:?}-{seed}-{part:?}");
            let seen = watch(folder.path(), &name, &plan, scenery, seed, |i| {
                part.map_or_else(|| empty.clone(), |part| parts[part][i].clone())
            });
            let share = |n: usize| n as f32 / seen.frames as f32;
            let mut rows = rows.lock().unwrap();
            let row = rows.entry(ALL.iter().position(|s| *s == scenery).unwrap()).or_default();
            row.tampered += seen.tampered.len();
            if !seen.tampered.is_empty() {
                faults.lock().unwrap().push(format!("{name}: taken for tampering: {:?}", seen.tampered));
            }
            let Some(part) = part else {
                row.false_events += seen.begun.len();
                row.awake_empty += share(seen.awake) / plan.seeds as f32;
                row.unsettled += share(seen.unsettled) / plan.seeds as f32;
                for track in &seen.begun {
                    let first = seen.tracks[track].iter().next();
                    faults
                        .lock()
                        .unwrap()
                        .push(format!("{name}: a false {} at {first:?}", seen.labels[track]));
                }
                continue;
            };
            let bumped = |frame: usize, b: BBox| {
                let is_moved = scenery == Scenery::Bump && frame * 10 >= plan.frames * 4;
                let by = if is_moved { BUMP } else { (0, 0) };
                BBox { x: b.x + by.0 as f32 / W as f32, y: b.y + by.1 as f32 / H as f32, ..b }
            };
            let (lost, people) = missed(&plan, &clear[part], &seen, bumped);
            row.people += people;
            row.missed += lost.len();
            row.awake_people += share(seen.awake) / plan.starts.len() as f32;
            for track in lost {
                let there = &clear[part].tracks[&track];
                let (first, last) = (there.iter().next(), there.iter().next_back());
                println!("{name}: missed {track}, {first:?} to {last:?}");
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    println!(
        "{:<12} {:>12} {:>7} {:>7} {:>12} {:>13} {:>10}",
        "scene", "false events", "people", "missed", "awake, empty", "awake, people", "unsettled"
    );
    for (n, row) in rows.into_inner().unwrap() {
        println!(
            "{:<12} {:>12} {:>7} {:>7} {:>11.0}% {:>12.0}% {:>9.0}%",
            format!("{:?}", ALL[n]),
            row.false_events,
            row.people,
            row.missed,
            row.awake_empty * 100.0,
            row.awake_people * 100.0,
            row.unsettled * 100.0
        );
        assert!(row.people > 0, "nobody was there to be missed");
        let (scenery, most) = (ALL[n], hidden(ALL[n]) * row.people as f32);
        assert!(row.missed as f32 <= most, "{scenery:?}: {} of {} missed", row.missed, row.people);
    }
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}
