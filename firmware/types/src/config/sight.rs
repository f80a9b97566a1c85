//! What of a camera's picture counts: typed masks, lines, classes, limits and scores → checked ones, with the nearest known class
//! when a name looks mistyped.

use super::Zone;
use super::error::near;
use crate::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a camera or zone lets count. The default lets all count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Only these classes; empty: all.
    pub classes: Vec<String>,
    /// What things of a class must be like.
    pub limits: BTreeMap<String, Limits>,
}

/// What a thing of one class must be like. Sizes are shares of the picture's width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Least confidence, 0..1.
    pub min_score: f32,
    /// Least width of its box.
    pub min_width: f32,
    /// Largest width.
    pub max_width: f32,
    /// Least height.
    pub min_height: f32,
    /// Largest height.
    pub max_height: f32,
}

/// Confidences of one camera in place of those of `[eye]`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// Least confidence that is reported at all, 0..1.
    pub min_score: Option<f32>,
    /// Least confidence that begins an event, 0..1.
    pub event_score: Option<f32>,
}

/// A line that is crossed, as fractions of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: Name,
    /// From here to there.
    pub points: [[f32; 2]; 2],
}

/// Which way a line is crossed. Looking from its first point to its second, `In` is from left to right: for a line drawn
/// from left to right that is down the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From left to right.
    In,
    /// From right to left.
    Out,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedScores {
    min_score: Option<f32>,
    event_score: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedLimits {
    min_score: f32,
    min_width: f32,
    max_width: f32,
    min_height: f32,
    max_height: f32,
}

impl Default for TypedLimits {
    fn default() -> Self {
        Self { min_score: 0.0, min_width: 0.0, max_width: 1.0, min_height: 0.0, max_height: 1.0 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedMask {
    points: Vec<[f32; 2]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedLine {
    id: String,
    points: Vec<[f32; 2]>,
}

/// What the COCO data set names (https://cocodataset.org): every class of the models that come with the recorder. Another
/// model's classes are taken as they are, unless they look like one of these, mistyped.
const KNOWN: &[&str] = &[
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];
/// Classes that a camera or zone may name, masks and lines that a camera may have.
const MAX_CLASSES: usize = 24;
const MAX_MASKS: usize = 8;
const MAX_LINES: usize = 8;

/// Tells a class that looks mistyped.
pub(super) fn class(what: &str, class: &str, fault: &mut dyn FnMut(String)) {
    if class.is_empty() || KNOWN.contains(&class) {
        if class.is_empty() {
            fault(format!("{what}: a class has a name, such as \"person\""));
        }
        return;
    }
    let most = if class.len() <= 4 { 1 } else { 2 };
    if let Some(known) = near(&class.to_lowercase(), KNOWN, most) {
        fault(format!("{what}: there is no class \"{class}\"; did you mean \"{known}\"?"));
    }
}

pub(super) fn filter(
    what: &str,
    classes: Vec<String>,
    limits: BTreeMap<String, TypedLimits>,
    fault: &mut dyn FnMut(String),
) -> Filter {
    for name in classes.iter().chain(limits.keys()) {
        class(what, name, fault);
    }
    if classes.len() > MAX_CLASSES || limits.len() > MAX_CLASSES {
        fault(format!("{what}: at most {MAX_CLASSES} classes can be named; leave the rest out"));
    }
    for name in limits.keys().filter(|name| !classes.is_empty() && !classes.contains(name)) {
        fault(format!(
            "{what}: filter.{name}: \"{name}\" is not among its classes, so nothing is left to filter"
        ));
    }
    let limits = limits.into_iter().map(|(name, l)| {
        let what = format!("{what}: filter.{name}");
        for (key, value) in [
            ("min_score", l.min_score),
            ("min_width", l.min_width),
            ("max_width", l.max_width),
            ("min_height", l.min_height),
            ("max_height", l.max_height),
        ] {
            if !(0.0..=1.0).contains(&value) {
                fault(format!("{what}.{key}: {value} is not between 0 and 1"));
            }
        }
        for (side, min, max) in [("width", l.min_width, l.max_width), ("height", l.min_height, l.max_height)]
        {
            if min > max {
                fault(format!(
                    "{what}: min_{side} ({min}) is above max_{side} ({max}), so nothing fits; swap them"
                ));
            }
        }
        let TypedLimits { min_score, min_width, max_width, min_height, max_height } = l;
        (name, Limits { min_score, min_width, max_width, min_height, max_height })
    });
    Filter { limits: limits.collect(), classes }
}

pub(super) fn scores(what: &str, typed: TypedScores, fault: &mut dyn FnMut(String)) -> Scores {
    let TypedScores { min_score, event_score } = typed;
    for (key, score) in [("min_score", min_score), ("event_score", event_score)] {
        if score.is_some_and(|s| !(0.0..=1.0).contains(&s)) {
            fault(format!("{what}: eye.{key} is not between 0 and 1"));
        }
    }
    Scores { min_score, event_score }
}

/// 3 to 16 points inside the picture, that enclose something.
pub(super) fn polygon(what: &str, points: &[[f32; 2]], fault: &mut dyn FnMut(String)) {
    if !(3..=16).contains(&points.len()) {
        fault(format!("{what}: needs 3 to 16 points, has {}", points.len()));
    }
    inside(what, points, fault);
    let [a, rest @ ..] = points else { return };
    let turn = |b: &[f32; 2], c: &[f32; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    if points.len() >= 3 && rest.iter().all(|b| rest.iter().all(|c| turn(b, c).abs() < 1e-7)) {
        fault(format!("{what}: its points lie on one line; draw an area"));
    }
}

fn inside(what: &str, points: &[[f32; 2]], fault: &mut dyn FnMut(String)) {
    if points.iter().flatten().any(|v| !(0.0..=1.0).contains(v)) {
        fault(format!("{what}: points are fractions of the picture, 0 to 1"));
    }
}

pub(super) fn masks(what: &str, typed: Vec<TypedMask>, fault: &mut dyn FnMut(String)) -> Vec<Vec<[f32; 2]>> {
    if typed.len() > MAX_MASKS {
        fault(format!("{what}: has {} masks; at most {MAX_MASKS}, so join some", typed.len()));
    }
    for (n, mask) in typed.iter().enumerate() {
        polygon(&format!("{what}: mask {}", n + 1), &mask.points, fault);
    }
    typed.into_iter().map(|mask| mask.points).collect()
}

pub(super) fn lines(what: &str, typed: Vec<TypedLine>, fault: &mut dyn FnMut(String)) -> Vec<Line> {
    if typed.len() > MAX_LINES {
        fault(format!("{what}: has {} lines; at most {MAX_LINES}", typed.len()));
    }
    let mut lines: Vec<Line> = Vec::new();
    for TypedLine { id, points } in typed {
        let what = format!("{what}: line \"{id}\"");
        inside(&what, &points, fault);
        let id = match Name::new(id) {
            Ok(id) => id,
            Err(e) => {
                fault(format!("{what}: {e}"));
                continue;
            }
        };
        if lines.iter().any(|l| l.id == id) {
            fault(format!("{what}: two lines have this id; every line needs its own"));
        }
        match points[..] {
            [a, b] if a == b => {
                fault(format!(
                    "{what}: has no length: its two points are the same; draw it from one place to another"
                ));
            }
            [a, b] => lines.push(Line { id, points: [a, b] }),
            _ => fault(format!("{what}: needs 2 points, has {}", points.len())),
        }
    }
    lines
}

/// `"in"`, `"out"` or none.
pub(super) fn way(what: &str, typed: Option<&str>, fault: &mut dyn FnMut(String)) -> Option<Way> {
    match typed? {
        "in" => Some(Way::In),
        "out" => Some(Way::Out),
        other => {
            fault(format!(
                "{what}: direction: \"{other}\" is neither \"in\" nor \"out\"; leave it out for both"
            ));
            None
        }
    }
}

/// Whether a rule's line, zone, dwell and the like go together on its camera.
pub(super) fn rule(
    what: &str,
    when: &super::typed::When,
    camera: Option<(&str, &[Zone], &[Line])>,
    fault: &mut dyn FnMut(String),
) {
    if let Some(name) = &when.class {
        class(what, name, fault);
    }
    let has_line = when.line.is_some();
    if when.direction.is_some() && !has_line {
        fault(format!("{what}: a direction is that of a line; add line = \"…\""));
    }
    if has_line && (when.zone.is_some() || !when.dwell.0.is_zero()) {
        fault(format!(
            "{what}: a line is crossed in a moment: leave zone and dwell out, or make two rules of it"
        ));
    }
    if !when.away.0.is_zero() && when.dwell.0.is_zero() {
        fault(format!("{what}: away only means something with dwell"));
    }
    if when.away.0.as_secs() > 3_600 {
        fault(format!("{what}: away is at most 1h"));
    }
    let Some((camera, zones, lines)) = camera else {
        if when.zone.is_some() || has_line {
            let part = if has_line { "line" } else { "zone" };
            fault(format!("{what}: a {part} belongs to a camera; add camera = \"…\""));
        }
        return;
    };
    let zone_ids: Vec<&str> = zones.iter().map(|z| z.id.as_str()).collect();
    let line_ids: Vec<&str> = lines.iter().map(|l| l.id.as_str()).collect();
    for (part, wanted, known) in [("zone", &when.zone, &zone_ids), ("line", &when.line, &line_ids)] {
        let Some(wanted) = wanted.as_deref().filter(|w| !known.contains(w)) else { continue };
        let hint = near(wanted, known, 1 + wanted.len() / 3);
        let hint = hint.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        fault(format!("{what}: camera \"{camera}\" has no {part} \"{wanted}\"{hint}"));
    }
}
