//! A model and the golden pictures → nothing, or what it does not find there as it must.

use crate::error::Error;
use crate::looker::Looker;
use nightjar_detect::{Colour, Found, Matrix, Picture};
use nightjar_models::{Card, GOLDENS, Golden};
use nightjar_types::BBox;

/// A thing that no golden names must stay below this score.
const SURE: f32 = 0.5;

/// Looks at every golden picture of the card; the first thing that is wrong, in words.
pub(crate) fn check(looker: &mut Looker, card: &Card) -> Result<Option<String>, Error> {
    if card.golden.is_empty() {
        return Ok(Some("its card names no golden picture to check it by".into()));
    }
    for (name, size, i420) in GOLDENS {
        let expected: Vec<&Golden> = card.golden.iter().filter(|g| g.picture == *name).collect();
        if expected.is_empty() {
            continue;
        }
        let found = looker.look(&picture(*size, i420)?, card.postprocess.min_score)?.found;
        if let Some(fault) = judge(&expected, &found, &card.labels) {
            return Ok(Some(format!("{name}: {fault}")));
        }
    }
    Ok(None)
}

/// A golden picture as decoders give it.
pub(crate) fn picture((width, height): (usize, usize), i420: &[u8]) -> Result<Picture, Error> {
    let (luma, chroma) = i420.split_at(width * height);
    let (u, v) = chroma.split_at(chroma.len() / 2);
    let half = width / 2;
    let colour = Colour::new(Matrix::Bt601, false);
    Ok(Picture::from_i420((width, height), (luma, width), (u, half), (v, half), colour)?)
}

fn judge(expected: &[&Golden], found: &[Found], labels: &[String]) -> Option<String> {
    let label = |f: &Found| labels.get(usize::from(f.class)).map_or("", String::as_str);
    let fits = |g: &Golden, f: &Found| {
        let [x, y, w, h] = g.bbox;
        label(f) == g.label
            && BBox { x, y, w, h }.iou(&f.bbox) >= g.iou
            && (f.score - g.score).abs() <= g.score_within
    };
    for golden in expected {
        if !found.iter().any(|f| fits(golden, f)) {
            let nearest = found.iter().find(|f| label(f) == golden.label);
            return Some(match nearest {
                Some(f) => format!(
                    "{} of {:.2} at {:.2?} instead of {:.2} at {:.2?}",
                    golden.label,
                    f.score,
                    [f.bbox.x, f.bbox.y, f.bbox.w, f.bbox.h],
                    golden.score,
                    golden.bbox
                ),
                None => format!("no {}", golden.label),
            });
        }
    }
    let known = |f: &Found| expected.iter().any(|g| label(f) == g.label);
    let stranger = found.iter().find(|f| f.score >= SURE && !known(f))?;
    Some(format!("a {} of {:.2} that is not there", label(stranger), stranger.score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_box_score_or_thing_is_told() {
        let golden = Golden {
            picture: "p".into(),
            label: "cat".into(),
            score: 0.9,
            bbox: [0.1, 0.1, 0.5, 0.5],
            score_within: 0.1,
            iou: 0.8,
        };
        let labels = ["dog".to_owned(), "cat".to_owned()];
        let found = |class, score, x| Found { class, score, bbox: BBox { x, y: 0.1, w: 0.5, h: 0.5 } };
        let judged = |found: &[Found]| judge(&[&golden], found, &labels);
        assert_eq!(judged(&[found(1, 0.85, 0.11)]), None);
        assert_eq!(judged(&[found(1, 0.85, 0.11), found(0, 0.4, 0.1)]), None);
        assert!(judged(&[]).unwrap().contains("no cat"));
        assert!(judged(&[found(1, 0.7, 0.1)]).unwrap().contains("0.70"));
        assert!(judged(&[found(1, 0.9, 0.4)]).unwrap().contains("instead of"));
        assert!(judged(&[found(1, 0.9, 0.1), found(0, 0.6, 0.1)]).unwrap().contains("dog"));
    }

    #[test]
    fn every_golden_is_a_picture() {
        for (_, size, i420) in GOLDENS {
            assert_eq!(picture(*size, i420).unwrap().size(), *size);
        }
    }
}
