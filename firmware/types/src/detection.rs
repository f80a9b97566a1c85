//! What the eye saw in one picture.

use serde::{Deserialize, Serialize};

/// A box in fractions of the picture: 0..1, origin top left.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl BBox {
    /// Area as a fraction of the picture.
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// Intersection over union, 0..1.
    pub fn iou(&self, other: &BBox) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        let shared = w.max(0.0) * h.max(0.0);
        let joined = self.area() + other.area() - shared;
        if joined > 0.0 { shared / joined } else { 0.0 }
    }
}

/// One thing in one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Class name from the model card, e.g. `person`.
    pub label: String,
    /// Confidence 0..1.
    pub score: f32,
    /// Where.
    pub bbox: BBox,
    /// The tracker's number for this thing; `None` until the track is confirmed.
    pub track: Option<u32>,
}
