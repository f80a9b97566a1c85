//! Model output (boxes, scores) → found things: threshold, picture coordinates, per-class non-maximum suppression.

use crate::picture::Rect;
use crate::{Error, Letterbox};
use nightjar_types::BBox;

/// At most this many candidates of one picture go into suppression, best first; it bounds the time a picture can take.
pub const MAX_CANDIDATES: usize = 400;

/// A box this near an edge of a crop is cut by it, as a fraction of the crop.
const EDGE: f32 = 0.02;

/// One thing the model sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Index into the card's labels.
    pub class: u16,
    /// 0..1.
    pub score: f32,
    /// Fractions of the picture.
    pub bbox: BBox,
}

/// Which of a model's boxes count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidates {
    /// Least score, 0..1.
    pub min_score: f32,
    /// Two boxes of one class that share more than this are one thing, 0..1.
    pub nms_iou: f32,
}

impl Candidates {
    /// Found things, best first.
    ///
    /// `boxes` is `N,4` (top, left, bottom, right as fractions of the input), `scores` is `N,classes`. A value that
    /// is not a number never counts.
    pub fn read(
        &self,
        boxes: &[f32],
        scores: &[f32],
        classes: usize,
        letterbox: &Letterbox,
    ) -> Result<Vec<Found>, Error> {
        let wrong = || Error::Output { boxes: boxes.len(), scores: scores.len(), classes };
        if classes == 0
            || !boxes.len().is_multiple_of(4)
            || Some(scores.len()) != (boxes.len() / 4).checked_mul(classes)
        {
            return Err(wrong());
        }
        let mut found = Vec::new();
        for (corners, row) in boxes.chunks_exact(4).zip(scores.chunks_exact(classes)) {
            for (class, &score) in row.iter().enumerate() {
                if score < self.min_score || !score.is_finite() || !corners.iter().all(|c| c.is_finite()) {
                    continue;
                }
                let &[top, left, bottom, right] = corners else { continue };
                let input = BBox { x: left, y: top, w: right - left, h: bottom - top };
                let bbox = letterbox.to_picture(input);
                if bbox.w > 0.0 && bbox.h > 0.0 {
                    found.push(Found { class: class as u16, score, bbox });
                }
            }
        }
        Ok(merge(found, self.nms_iou))
    }
}

/// Things found in a crop, as fractions of it → fractions of the picture. What an edge of the crop cuts is left out,
/// unless the picture ends there too: half a thing is found wrong, and whole in another look.
pub fn from_crop(found: &[Found], crop: Rect, picture: (usize, usize)) -> Vec<Found> {
    let at = crop.in_picture(picture);
    let inner = |from: usize, to: usize, side: usize| (from > 0, to < side);
    let (left, right) = inner(crop.x, crop.x + crop.w, picture.0);
    let (top, bottom) = inner(crop.y, crop.y + crop.h, picture.1);
    let cut = |b: &BBox| {
        (left && b.x < EDGE)
            || (top && b.y < EDGE)
            || (right && b.x + b.w > 1.0 - EDGE)
            || (bottom && b.y + b.h > 1.0 - EDGE)
    };
    let place = |b: &BBox| BBox { x: at.x + b.x * at.w, y: at.y + b.y * at.h, w: b.w * at.w, h: b.h * at.h };
    found.iter().filter(|f| !cut(&f.bbox)).map(|f| Found { bbox: place(&f.bbox), ..*f }).collect()
}

/// What several looks at parts of one picture found → each thing once, best first.
pub fn merge(mut found: Vec<Found>, iou: f32) -> Vec<Found> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    suppress(&found, iou)
}

/// Greedy non-maximum suppression: of things sorted best first, those that share at most `iou` with a better one of
/// their class.
pub fn suppress(sorted: &[Found], iou: f32) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for candidate in sorted {
        let hidden = kept.iter().any(|k| k.class == candidate.class && k.bbox.iou(&candidate.bbox) > iou);
        if !hidden {
            kept.push(*candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: Letterbox = Letterbox { input: (300, 300), at: (0, 0), inner: (300, 300) };

    fn found() -> impl Strategy<Value = Found> {
        (0u16..3, 0f32..1.0, 0f32..1.0, 0f32..1.0, 0.01f32..0.6, 0.01f32..0.6)
            .prop_map(|(class, score, x, y, w, h)| Found { class, score, bbox: BBox { x, y, w, h } })
    }

    proptest! {
        #[test]
        fn suppression_keeps_no_overlapping_pair_and_loses_nothing_else(
            mut all in prop::collection::vec(found(), 0..60), iou in 0.1f32..0.9,
        ) {
            all.sort_by(|a, b| b.score.total_cmp(&a.score));
            let kept = suppress(&all, iou);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[..i] {
                    prop_assert!(a.class != b.class || a.bbox.iou(&b.bbox) <= iou);
                }
            }
            for gone in all.iter().filter(|f| !kept.contains(f)) {
                let hides =
                    |k: &Found| k.class == gone.class && k.score >= gone.score && k.bbox.iou(&gone.bbox) > iou;
                prop_assert!(kept.iter().any(hides));
            }
        }

        #[test]
        fn any_numbers_are_survived(values in prop::collection::vec(any::<f32>(), 0..64)) {
            let n = values.len() / 6;
            let (boxes, scores) = values.split_at(n * 4);
            let read = Candidates { min_score: 0.3, nms_iou: 0.5 }.read(boxes, &scores[..n * 2], 2, &WHOLE).unwrap();
            for f in read {
                let b = f.bbox;
                prop_assert!(b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= 1.001 && b.y + b.h <= 1.001);
            }
        }
    }

    #[test]
    fn the_threshold_and_the_corner_order_hold() {
        let rule = Candidates { min_score: 0.5, nms_iou: 0.5 };
        let boxes = [0.1, 0.2, 0.5, 0.4, 0.6, 0.6, 0.9, 0.9];
        let read = rule.read(&boxes, &[0.9, 0.1, 0.2, 0.49], 2, &WHOLE).unwrap();
        assert_eq!(read.len(), 1);
        let b = read[0].bbox;
        assert!((b.x - 0.2).abs() < 1e-6 && (b.y - 0.1).abs() < 1e-6);
        assert!((b.w - 0.2).abs() < 1e-6 && (b.h - 0.4).abs() < 1e-6);
    }

    #[test]
    fn what_a_crop_cuts_is_no_thing_but_at_the_picture_s_own_edge_it_is() {
        let crop = Rect { x: 0, y: 100, w: 200, h: 100 };
        let thing =
            |x: f32, y: f32, w: f32, h: f32| Found { class: 0, score: 0.9, bbox: BBox { x, y, w, h } };
        let all = [
            thing(0.0, 0.2, 0.2, 0.5),
            thing(0.4, 0.0, 0.2, 0.5),
            thing(0.81, 0.3, 0.19, 0.5),
            thing(0.4, 0.3, 0.2, 0.5),
        ];
        let kept = from_crop(&all, crop, (400, 300));
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(kept[0].bbox.x, 0.0);
        let b = kept[1].bbox;
        assert!((b.x - 0.2).abs() < 1e-6 && (b.y - 130.0 / 300.0).abs() < 1e-6);
        assert!((b.w - 0.1).abs() < 1e-6 && (b.h - 50.0 / 300.0).abs() < 1e-6);
    }

    #[test]
    fn a_thing_in_two_crops_is_one() {
        let one = Found { class: 0, score: 0.8, bbox: BBox { x: 0.4, y: 0.3, w: 0.1, h: 0.2 } };
        let again = Found { score: 0.9, bbox: BBox { x: 0.405, ..one.bbox }, ..one };
        assert_eq!(
            merge(vec![one, again, Found { class: 1, ..one }], 0.5),
            [again, Found { class: 1, ..one }]
        );
    }

    #[test]
    fn tensors_of_another_model_are_named() {
        let rule = Candidates { min_score: 0.5, nms_iou: 0.5 };
        assert!(rule.read(&[0.0; 8], &[0.0; 3], 2, &WHOLE).is_err());
        assert!(rule.read(&[0.0; 7], &[0.0; 2], 2, &WHOLE).is_err());
        assert!(rule.read(&[], &[], 0, &WHOLE).is_err());
    }
}
