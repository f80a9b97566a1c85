//! Where things move and are expected → which parts of the picture the model looks at, so that small things are large.
//!
//! A look costs at most what a look at the whole picture costs: one or two crops, each zoomed clearly more than the
//! whole picture would be, or else the whole picture. The whole picture comes now and then anyway.

use crate::picture::Rect;
use nightjar_types::{BBox, Mono};
use std::time::Duration;

/// How long crops alone may do.
pub const WHOLE: Duration = Duration::from_secs(2);
/// A crop is worth it from this zoom on, against the whole picture's.
const WORTH: f32 = 1.25;
/// Input pixels of a picture's pixel at most: enlarging further shows a model nothing new.
const MOST_ZOOM: f32 = 1.5;
/// What is added on each side of a place: a share of its size, and of the picture's longer side. A person that is cut
/// by the edge of a crop is no person.
const MARGIN: f32 = 0.5;
const LEAST_MARGIN: f32 = 0.02;

/// What one run of the model looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Which part of the picture.
    pub rect: Rect,
    /// With the model's small input, not its usual one.
    pub small: bool,
}

/// Widths and heights of a model's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// The usual one.
    pub usual: (usize, usize),
    /// One for crops that costs less than half as much, when the model has one.
    pub small: Option<(usize, usize)>,
}

/// Chooses the views of one stream. `Default` begins with the whole picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planner {
    whole: Option<Mono>,
}

impl Planner {
    /// What to look at in the picture of `now`: `places` are where things move and where tracks are expected.
    pub fn views(&self, now: Mono, picture: (usize, usize), inputs: Inputs, places: &[BBox]) -> Vec<View> {
        let all = vec![View { rect: Rect::whole(picture), small: false }];
        if self.whole.is_none_or(|seen| now.since(seen) >= WHOLE) || places.is_empty() {
            return all;
        }
        crops(picture, inputs, places).unwrap_or(all)
    }

    /// The picture of `now` is looked at in these views.
    pub fn looked(&mut self, now: Mono, picture: (usize, usize), views: &[View]) {
        if views.iter().any(|v| v.rect == Rect::whole(picture)) {
            self.whole = Some(now);
        }
    }
}

/// One small crop, or two, or a usual one; `None` when the whole picture is as good.
fn crops(picture: (usize, usize), inputs: Inputs, places: &[BBox]) -> Option<Vec<View>> {
    let least = zoom(picture, inputs.usual) * WORTH;
    let fit = |area: &Area, input: (usize, usize), small: bool| {
        let rect = area.rect(picture, input);
        (zoom((rect.w, rect.h), input) >= least).then_some(View { rect, small })
    };
    let mut areas: Vec<Area> = places.iter().map(|p| Area::around(p, picture)).collect();
    let all = areas.iter().copied().reduce(Area::with)?;
    if let Some(small) = inputs.small {
        if let Some(one) = fit(&all, small, true) {
            return Some(vec![one]);
        }
        join(&mut areas, 2);
        let two: Option<Vec<View>> = areas.iter().map(|a| fit(a, small, true)).collect();
        if two.is_some() {
            return two;
        }
    }
    fit(&all, inputs.usual, false).map(|view| vec![view])
}

/// Joins areas until there are `most`, always the pair that grows least.
fn join(areas: &mut Vec<Area>, most: usize) {
    while areas.len() > most {
        let mut best = (f32::INFINITY, 0, 1);
        for i in 0..areas.len() {
            for j in i + 1..areas.len() {
                let grown = areas[i].with(areas[j]).size() - areas[i].size().max(areas[j].size());
                if grown < best.0 {
                    best = (grown, i, j);
                }
            }
        }
        let (_, i, j) = best;
        let other = areas.swap_remove(j);
        areas[i] = areas[i].with(other);
    }
}

/// Input pixels of a pixel when a part of this size is shown whole.
fn zoom(part: (usize, usize), input: (usize, usize)) -> f32 {
    (input.0 as f32 / part.0 as f32).min(input.1 as f32 / part.1 as f32)
}

/// A part of the picture in pixels, not yet a crop.
#[derive(Debug, Clone, Copy)]
struct Area {
    low: [f32; 2],
    high: [f32; 2],
}

impl Area {
    fn around(place: &BBox, picture: (usize, usize)) -> Self {
        let least = picture.0.max(picture.1) as f32 * LEAST_MARGIN;
        let axis = |low: f32, len: f32, side: usize| {
            // A place is never trusted: what is no number or lies outside ends at the picture's edges.
            let side = side as f32;
            let within = |x: f32| if x.is_nan() { 0.0 } else { x.clamp(0.0, side) };
            let (from, to) = (within(low * side), within((low + len) * side));
            let margin = ((to - from) * MARGIN).max(least);
            (within(from - margin), within(to + margin))
        };
        let (left, right) = axis(place.x, place.w, picture.0);
        let (top, bottom) = axis(place.y, place.h, picture.1);
        Self { low: [left, top], high: [right, bottom] }
    }

    fn with(self, other: Self) -> Self {
        let both = |a: [f32; 2], b: [f32; 2], f: fn(f32, f32) -> f32| [f(a[0], b[0]), f(a[1], b[1])];
        Self { low: both(self.low, other.low, f32::min), high: both(self.high, other.high, f32::max) }
    }

    fn size(&self) -> f32 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// The crop: of the input's shape where the picture has room for it, on even pixels, as colour is half as fine.
    fn rect(&self, picture: (usize, usize), input: (usize, usize)) -> Rect {
        let input = [input.0 as f32, input.1 as f32];
        let len = [0, 1].map(|i| self.high[i] - self.low[i]);
        // Picture pixels of an input pixel.
        let scale = (len[0] / input[0]).max(len[1] / input[1]).max(1.0 / MOST_ZOOM);
        let axis = |i: usize, side: usize| {
            let wanted = ((input[i] * scale).ceil().max(len[i]) as usize).next_multiple_of(2);
            let room = side.saturating_sub(wanted);
            let middle = (self.low[i] + self.high[i]) / 2.0;
            let from = ((middle - wanted as f32 / 2.0).max(0.0) as usize).min(room) / 2 * 2;
            (from, wanted.min(side - from))
        };
        let (x, w) = axis(0, picture.0);
        let (y, h) = axis(1, picture.1);
        Rect { x, y, w, h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUTS: Inputs = Inputs { usual: (288, 224), small: Some((160, 160)) };
    const HD: (usize, usize) = (1280, 720);

    fn place(x: f32, y: f32, w: f32, h: f32) -> BBox {
        BBox { x, y, w, h }
    }

    fn begun() -> Planner {
        let mut planner = Planner::default();
        planner.looked(Mono(0), HD, &[View { rect: Rect::whole(HD), small: false }]);
        planner
    }

    #[test]
    fn one_far_walker_gets_one_small_crop_and_is_seen_larger() {
        let views = begun().views(Mono(100_000), HD, INPUTS, &[place(0.7, 0.4, 0.02, 0.09)]);
        assert_eq!(views.len(), 1);
        let View { rect, small } = views[0];
        assert!(small && zoom((rect.w, rect.h), (160, 160)) > 2.0 * zoom(HD, INPUTS.usual), "{rect:?}");
        assert!(rect.x < 870 && rect.x + rect.w > 950, "with room around");
    }

    #[test]
    fn two_far_apart_get_two_and_many_the_whole_picture() {
        let apart = [place(0.1, 0.4, 0.02, 0.09), place(0.9, 0.4, 0.02, 0.09)];
        let views = begun().views(Mono(100_000), HD, INPUTS, &apart);
        assert_eq!(views.iter().map(|v| v.small).collect::<Vec<_>>(), [true, true]);
        let many: Vec<BBox> = (0..6).map(|i| place(0.16 * i as f32, 0.1 * i as f32, 0.02, 0.3)).collect();
        let views = begun().views(Mono(100_000), HD, INPUTS, &many);
        assert_eq!(views, [View { rect: Rect::whole(HD), small: false }]);
    }

    #[test]
    fn a_model_without_a_small_input_gets_one_usual_crop() {
        let only = Inputs { usual: (300, 300), small: None };
        let views =
            begun().views(Mono(100_000), HD, only, &[place(0.3, 0.4, 0.1, 0.2), place(0.5, 0.4, 0.1, 0.2)]);
        assert!(views.len() == 1 && !views[0].small && views[0].rect != Rect::whole(HD), "{views:?}");
    }

    #[test]
    fn the_whole_picture_comes_first_and_now_and_then() {
        let far = [place(0.7, 0.4, 0.02, 0.09)];
        let whole = [View { rect: Rect::whole(HD), small: false }];
        assert_eq!(Planner::default().views(Mono(0), HD, INPUTS, &far), whole);
        let mut planner = begun();
        let crop = planner.views(Mono(1_900_000), HD, INPUTS, &far);
        assert_ne!(crop, whole);
        planner.looked(Mono(1_900_000), HD, &crop);
        assert_eq!(planner.views(Mono(2_000_000), HD, INPUTS, &far), whole);
        assert_eq!(planner.views(Mono(100_000), HD, INPUTS, &[]), whole, "nowhere to crop to");
    }

    proptest! {
        #[test]
        fn crops_lie_in_the_picture_cover_the_places_and_cost_no_more_than_the_whole(
            size in (2usize..3000, 2usize..2000),
            small in prop::option::of((32usize..200, 32usize..200)),
            places in prop::collection::vec((-0.2f32..1.1, -0.2f32..1.1, 0f32..0.5, 0f32..0.5), 1..20),
        ) {
            let inputs = Inputs { usual: (288, 224), small };
            let places: Vec<BBox> = places.into_iter().map(|(x, y, w, h)| place(x, y, w, h)).collect();
            let views = begun().views(Mono(1), size, inputs, &places);
            prop_assert!(!views.is_empty() && views.len() <= 2 && (views.len() == 1 || views.iter().all(|v| v.small)));
            for View { rect, .. } in &views {
                prop_assert!(rect.w > 0 && rect.h > 0 && rect.x % 2 == 0 && rect.y % 2 == 0);
                prop_assert!(rect.x + rect.w <= size.0 && rect.y + rect.h <= size.1, "{rect:?}");
            }
            for p in places {
                let centre = |low: f32, len: f32, side: usize| {
                    let at = |x: f32| (x * side as f32).clamp(0.0, side as f32);
                    (at(low) + at(low + len)) / 2.0
                };
                let (x, y) = (centre(p.x, p.w, size.0), centre(p.y, p.h, size.1));
                let covered = views.iter().any(|v| {
                    let (left, top) = (v.rect.x as f32 - 2.0, v.rect.y as f32 - 2.0);
                    x >= left && y >= top && x <= left + v.rect.w as f32 + 4.0 && y <= top + v.rect.h as f32 + 4.0
                });
                prop_assert!(covered, "{p:?} in {views:?}");
            }
        }

        #[test]
        fn any_numbers_are_survived(values in prop::collection::vec(any::<f32>(), 4..40)) {
            let places: Vec<BBox> = values.chunks_exact(4).map(|v| place(v[0], v[1], v[2], v[3])).collect();
            for View { rect, .. } in begun().views(Mono(1), HD, INPUTS, &places) {
                prop_assert!(rect.w > 0 && rect.x + rect.w <= HD.0 && rect.h > 0 && rect.y + rect.h <= HD.1);
            }
        }
    }
}
