//! Class, size and place of a box → is it looked at all, and how sure must it be? Masks, class lists and limits of a camera or zone.

use crate::{BBox, ClassId, FULL, Point, RulesError, Score, Zone};
use heapless::Vec;

/// Most masks of one camera.
pub const MAX_MASKS: usize = 8;
/// Most classes that one camera or zone names.
pub const MAX_CLASSES: usize = 24;

/// Areas of a camera's picture in which nothing is ever seen: a thing that stands in one is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masks(Vec<Zone, MAX_MASKS>);

impl Masks {
    /// One more area.
    pub fn add(&mut self, area: Zone) -> Result<(), RulesError> {
        self.0.push(area).map_err(|_| RulesError::TooManyMasks(MAX_MASKS))
    }

    /// What stands at `foot` is not to be seen. Edges belong to the mask.
    pub fn hide(&self, foot: Point) -> bool {
        self.0.iter().any(|area| area.contains(foot))
    }
}

/// What a thing of one class must be like to count. Sizes are those of its box, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThingLimits {
    /// Least confidence.
    pub min_score: Score,
    /// Least width, picture units.
    pub min_width: u16,
    /// Largest width.
    pub max_width: u16,
    /// Least height.
    pub min_height: u16,
    /// Largest height.
    pub max_height: u16,
}

impl Default for ThingLimits {
    /// Everything counts.
    fn default() -> Self {
        Self { min_score: Score::default(), min_width: 0, max_width: FULL, min_height: 0, max_height: FULL }
    }
}

impl ThingLimits {
    /// A box of this size counts.
    pub fn fit(&self, bbox: BBox) -> bool {
        (self.min_width..=self.max_width).contains(&bbox.w)
            && (self.min_height..=self.max_height).contains(&bbox.h)
    }
}

/// Which classes count, and what they must be like. The default lets all through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sieve {
    only: Vec<ClassId, MAX_CLASSES>,
    limits: Vec<(ClassId, ThingLimits), MAX_CLASSES>,
}

impl Sieve {
    /// From the first call on only named classes count.
    pub fn only(&mut self, class: ClassId) -> Result<(), RulesError> {
        if self.only.contains(&class) {
            return Ok(());
        }
        self.only.push(class).map_err(|_| RulesError::TooManyClasses(MAX_CLASSES))
    }

    /// What things of a class must be like; replaces what was said before.
    pub fn limit(&mut self, class: ClassId, limits: ThingLimits) -> Result<(), RulesError> {
        if limits.min_width > limits.max_width || limits.min_height > limits.max_height {
            return Err(RulesError::NothingFits);
        }
        self.limits.retain(|(of, _)| *of != class);
        self.limits.push((class, limits)).map_err(|_| RulesError::TooManyClasses(MAX_CLASSES))
    }

    /// A box of this class and size counts; how sure it must be is another question.
    pub fn admits(&self, class: ClassId, bbox: BBox) -> bool {
        (self.only.is_empty() || self.only.contains(&class))
            && self.of(class).is_none_or(|limits| limits.fit(bbox))
    }

    /// Least confidence of a class.
    pub fn min_score(&self, class: ClassId) -> Score {
        self.of(class).map_or(Score::default(), |limits| limits.min_score)
    }

    fn of(&self, class: ClassId) -> Option<&ThingLimits> {
        self.limits.iter().find(|(of, _)| *of == class).map(|(_, limits)| limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERSON: ClassId = ClassId(0);
    const CAR: ClassId = ClassId(1);

    fn tall(h: u16) -> BBox {
        BBox { x: 100, y: 100, w: 300, h }
    }

    #[test]
    fn a_mask_hides_what_stands_in_it_and_nothing_else() {
        let corners = [(0, 0), (5_000, 0), (5_000, 4_000), (0, 4_000)].map(|(x, y)| Point { x, y });
        let mut masks = Masks::default();
        assert!(!masks.hide(Point { x: 1, y: 1 }));
        masks.add(Zone::new(&corners).unwrap()).unwrap();
        assert!(masks.hide(Point { x: 5_000, y: 4_000 }), "an edge belongs to it");
        assert!(!masks.hide(Point { x: 5_001, y: 10 }));
        for _ in 1..MAX_MASKS {
            masks.add(Zone::new(&corners).unwrap()).unwrap();
        }
        assert_eq!(masks.add(Zone::new(&corners).unwrap()), Err(RulesError::TooManyMasks(MAX_MASKS)));
    }

    #[test]
    fn classes_that_are_not_named_do_not_count_once_one_is() {
        let mut sieve = Sieve::default();
        assert!(sieve.admits(PERSON, tall(1)) && sieve.admits(CAR, tall(1)));
        sieve.only(CAR).unwrap();
        sieve.only(CAR).unwrap();
        assert!(!sieve.admits(PERSON, tall(1)) && sieve.admits(CAR, tall(1)));
    }

    #[test]
    fn limits_are_of_one_class() {
        let mut sieve = Sieve::default();
        let score = Score::from_thousandths(600);
        let limits =
            ThingLimits { min_score: score, min_height: 500, max_height: 4_000, ..ThingLimits::default() };
        sieve.limit(PERSON, limits).unwrap();
        let admitted = [499, 500, 4_000, 4_001].map(|h| sieve.admits(PERSON, tall(h)));
        assert_eq!(admitted, [false, true, true, false]);
        assert!(sieve.admits(CAR, tall(1)));
        assert_eq!((sieve.min_score(PERSON), sieve.min_score(CAR)), (score, Score::default()));
        sieve.limit(PERSON, ThingLimits::default()).unwrap();
        assert!(sieve.admits(PERSON, tall(1)), "said again");
        let none = ThingLimits { min_width: 9, max_width: 8, ..ThingLimits::default() };
        assert_eq!(sieve.limit(CAR, none), Err(RulesError::NothingFits));
    }

    proptest! {
        #[test]
        fn what_is_admitted_fits_and_what_fits_is_admitted(
            (w, h) in (0..=FULL, 0..=FULL), (a, b) in (0..=FULL, 0..=FULL), (c, d) in (0..=FULL, 0..=FULL),
        ) {
            let limits = ThingLimits {
                min_width: a.min(b), max_width: a.max(b), min_height: c.min(d), max_height: c.max(d),
                ..ThingLimits::default()
            };
            let mut sieve = Sieve::default();
            sieve.limit(PERSON, limits).unwrap();
            let fits = w >= a.min(b) && w <= a.max(b) && h >= c.min(d) && h <= c.max(d);
            prop_assert_eq!(sieve.admits(PERSON, BBox { x: 0, y: 0, w, h }), fits);
        }
    }
}
