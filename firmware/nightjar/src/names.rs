//! Names ↔ the small numbers that the rules work with.

use nightjar_rules::{CameraIx, ClassId, Order, OutputIx, Point, Zone};
use nightjar_types::config::{self, Config};
use nightjar_types::{CameraId, OutputId, StreamKind};

/// Classes are numbered as they are met; this many at most.
const MAX_CLASSES: usize = 255;

/// All numbers of a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) cameras: Vec<CameraId>,
    pub(crate) outputs: Vec<OutputId>,
    pub(crate) rules: Vec<String>,
    classes: Vec<String>,
}

impl Names {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            cameras: config.cameras.iter().map(|c| c.id.clone()).collect(),
            outputs: config.outputs.iter().map(|o| o.id.clone()).collect(),
            rules: config.rules.iter().map(|r| r.id.to_string()).collect(),
            classes: Vec::new(),
        }
    }

    pub(crate) fn camera(&self, id: &CameraId) -> Option<CameraIx> {
        self.cameras.iter().position(|c| c == id).map(|n| CameraIx(n as u8))
    }

    pub(crate) fn output(&self, id: &OutputId) -> Option<OutputIx> {
        self.outputs.iter().position(|o| o == id).map(|n| OutputIx(n as u8))
    }

    /// The number of a class, given out when it is met first. `None` when all are given out.
    pub(crate) fn class(&mut self, label: &str) -> Option<ClassId> {
        if let Some(n) = self.classes.iter().position(|c| c == label) {
            return Some(ClassId(n as u8));
        }
        (self.classes.len() < MAX_CLASSES).then(|| {
            self.classes.push(label.to_string());
            ClassId(self.classes.len() as u8 - 1)
        })
    }

    /// Why a rule fired, as the audit says it; `event` is added to what was seen.
    pub(crate) fn why(&self, config: &Config, order: &Order, event: &str) -> String {
        let rule = &self.rules[usize::from(order.rule.0)];
        match order.input {
            Some(input) => format!("rule {rule}: input {}", config.inputs[usize::from(input.0)].id),
            None => {
                let camera = &self.cameras[usize::from(order.camera.0)];
                format!("rule {rule}: {} on {camera}{event}", self.class_name(order.class))
            }
        }
    }

    /// The camera or the input that a rule fired on.
    pub(crate) fn place(&self, config: &Config, order: &Order) -> (Option<String>, Option<String>) {
        match order.input {
            Some(input) => (None, Some(config.inputs[usize::from(input.0)].id.to_string())),
            None => (Some(self.cameras[usize::from(order.camera.0)].to_string()), None),
        }
    }

    pub(crate) fn class_name(&self, class: ClassId) -> &str {
        self.classes.get(usize::from(class.0)).map_or("thing", |c| c)
    }
}

/// A place as the rules take it.
pub(crate) fn point([x, y]: [f32; 2]) -> Point {
    Point::from_unit(x, y)
}

/// A configured polygon as the rules take it.
pub(crate) fn polygon(points: &[[f32; 2]]) -> anyhow::Result<Zone> {
    let corners: Vec<Point> = points.iter().copied().map(point).collect();
    Ok(Zone::new(&corners)?)
}

/// One recorded stream: its place in this list is its number everywhere.
#[derive(Debug, Clone)]
pub(crate) struct StreamName {
    /// Place in the configuration's list of cameras.
    pub(crate) camera: usize,
    pub(crate) id: (CameraId, StreamKind),
}

/// Every stream of a configuration, main before sub.
pub(crate) fn streams(config: &Config) -> Vec<StreamName> {
    let of_camera = |(n, c): (usize, &config::Camera)| {
        let kinds = [Some(StreamKind::Main), c.sub.as_ref().map(|_| StreamKind::Sub)];
        kinds
            .into_iter()
            .flatten()
            .map(|kind| StreamName { camera: n, id: (c.id.clone(), kind) })
            .collect::<Vec<_>>()
    };
    config.cameras.iter().enumerate().flat_map(of_camera).collect()
}

/// The stream that the eye looks at.
pub(crate) fn detected(config: &Config) -> Vec<StreamName> {
    let wanted = |s: &StreamName| {
        let camera = &config.cameras[s.camera];
        camera.detect && (camera.sub.is_none() || s.id.1 == StreamKind::Sub)
    };
    streams(config).into_iter().filter(wanted).collect()
}
