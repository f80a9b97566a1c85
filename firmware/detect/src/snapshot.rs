//! A track's looks → is this one worth a picture, because it is clearly better than the last one taken?

use nightjar_types::{BBox, Mono};
use std::time::Duration;

/// Least time between two pictures of one track.
pub const SPACING: Duration = Duration::from_secs(1);
/// How much better the next one must be.
const CLEARLY: f32 = 1.25;
/// A box this near an edge of the picture is cut by it, as a fraction of the picture.
const EDGE: f32 = 0.01;
/// What a cut box is worth against a whole one.
const CUT: f32 = 0.4;

/// The best look at one track so far. `Default` takes the first.
#[derive(Debug, Clone, Copy, Default)]
pub struct BestShot {
    taken: Option<(Mono, f32)>,
}

impl BestShot {
    /// Score × area, less when the thing is cut by an edge of the picture.
    pub fn worth(score: f32, bbox: &BBox) -> f32 {
        let cut =
            bbox.x < EDGE || bbox.y < EDGE || bbox.x + bbox.w > 1.0 - EDGE || bbox.y + bbox.h > 1.0 - EDGE;
        score * bbox.area() * if cut { CUT } else { 1.0 }
    }

    /// Whether to take a picture of this look; remembers that it was taken.
    pub fn take(&mut self, now: Mono, score: f32, bbox: &BBox) -> bool {
        let worth = Self::worth(score, bbox);
        let better = match self.taken {
            None => true,
            Some((at, best)) => now.since(at) >= SPACING && worth > best * CLEARLY,
        };
        if better {
            self.taken = Some((now, worth));
        }
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_then_only_clearly_better_ones() {
        let mut best = BestShot::default();
        let small = BBox { x: 0.4, y: 0.4, w: 0.1, h: 0.2 };
        let large = BBox { x: 0.4, y: 0.4, w: 0.2, h: 0.3 };
        assert!(best.take(Mono(0), 0.6, &small));
        assert!(!best.take(Mono(500_000), 0.9, &large), "too soon");
        assert!(!best.take(Mono(1_500_000), 0.65, &small), "hardly better");
        assert!(best.take(Mono(2_000_000), 0.6, &large));
        assert!(!best.take(Mono(9_000_000), 0.6, &large), "the same");
    }

    #[test]
    fn a_box_cut_by_the_edge_is_worth_less() {
        let inside = BBox { x: 0.1, y: 0.1, w: 0.2, h: 0.2 };
        let cut = BBox { x: 0.0, ..inside };
        assert!(BestShot::worth(0.5, &cut) < BestShot::worth(0.5, &inside));
    }
}
