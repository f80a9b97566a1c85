//! The small integers everything here is made of. Pictures are 10 000 × 10 000 units, whatever their pixels.

/// One whole picture edge in picture units.
pub const FULL: u16 = 10_000;

/// Microseconds on a clock that never jumps back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Micros(pub u64);

impl Micros {
    /// `self` and `us` microseconds; stays at the end of time instead of wrapping.
    pub const fn plus(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// Microseconds since `earlier`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The shell's number for a class name such as `person`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u8);

/// The shell's number for a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CameraIx(pub u8);

/// The shell's number for an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct OutputIx(pub u8);

/// The shell's number for an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputIx(pub u8);

/// A rule's place in its [`crate::RuleBook`], in the order of [`crate::RuleBook::add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub u8);

/// Confidence in thousandths, 0..=1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(u16);

impl Score {
    /// From thousandths; more than 1000 counts as 1000.
    pub const fn from_thousandths(n: u16) -> Self {
        Self(if n > 1_000 { 1_000 } else { n })
    }

    /// From 0..=1, rounded; what is not a number counts as 0.
    pub fn from_unit(score: f32) -> Self {
        // A float-to-integer cast saturates and turns NaN into 0.
        Self::from_thousandths((score * 1_000.0 + 0.5) as u16)
    }

    /// Thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// 0..=1.
    pub fn as_unit(self) -> f32 {
        f32::from(self.0) / 1_000.0
    }
}

/// A place in the picture: 0..=[`FULL`] from the top left, both edges included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Point {
    /// From the left.
    pub x: u16,
    /// From the top.
    pub y: u16,
}

impl Point {
    /// A place, moved to the nearest one inside the picture.
    pub const fn new(x: u16, y: u16) -> Self {
        Self { x: if x > FULL { FULL } else { x }, y: if y > FULL { FULL } else { y } }
    }

    /// From fractions of the picture, moved inside it.
    pub fn from_unit(x: f32, y: f32) -> Self {
        Self { x: units(x), y: units(y) }
    }
}

/// A box in picture units, inside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BBox {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Width.
    pub w: u16,
    /// Height.
    pub h: u16,
}

impl BBox {
    /// From fractions of the picture (left, top, width, height); what is outside is cut off.
    pub fn from_unit(x: f32, y: f32, w: f32, h: f32) -> Self {
        let (left, top) = (units(x), units(y));
        Self { x: left, y: top, w: units(x + w).saturating_sub(left), h: units(y + h).saturating_sub(top) }
    }

    /// Fractions of the picture: left, top, width, height.
    pub fn as_unit(self) -> [f32; 4] {
        [self.x, self.y, self.w, self.h].map(|n| f32::from(n) / f32::from(FULL))
    }

    /// Bottom centre: where a thing stands.
    pub fn foot(self) -> Point {
        Point::new(self.x.saturating_add(self.w / 2), self.y.saturating_add(self.h))
    }
}

/// One confirmed thing in one picture. Things without a track number are not shown to rules or events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thing {
    /// The tracker's number, unique on its camera.
    pub track: u32,
    /// What it is.
    pub class: ClassId,
    /// How sure the detector is in this picture.
    pub score: Score,
    /// Where it stands; zones look at this.
    pub foot: Point,
    /// Where it is.
    pub bbox: BBox,
}

impl Thing {
    /// A thing that stands at its box's bottom centre.
    pub fn new(track: u32, class: ClassId, score: Score, bbox: BBox) -> Self {
        Self { track, class, score, foot: bbox.foot(), bbox }
    }
}

/// Fraction → picture units, rounded, inside the picture; NaN becomes 0.
fn units(fraction: f32) -> u16 {
    ((fraction * f32::from(FULL) + 0.5) as u16).min(FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_picture_is_moved_inside() {
        assert_eq!(Point::from_unit(-0.2, 1.7), Point { x: 0, y: FULL });
        assert_eq!(Point::from_unit(f32::NAN, f32::INFINITY), Point { x: 0, y: FULL });
        assert_eq!(BBox::from_unit(0.9, 0.5, 0.5, 0.25), BBox { x: 9_000, y: 5_000, w: 1_000, h: 2_500 });
        assert_eq!(BBox::from_unit(-0.1, 0.0, 0.3, 1.0), BBox { x: 0, y: 0, w: 2_000, h: FULL });
        assert_eq!(BBox { x: FULL, y: FULL, w: u16::MAX, h: u16::MAX }.foot(), Point { x: FULL, y: FULL });
    }

    #[test]
    fn scores_round_and_saturate() {
        assert_eq!(Score::from_unit(0.5996).thousandths(), 600);
        assert_eq!(Score::from_unit(7.0), Score::from_thousandths(1_000));
        assert_eq!(Score::from_unit(-1.0), Score::default());
        assert_eq!(Score::from_unit(f32::NAN), Score::default());
        assert_eq!(Score::from_thousandths(250).as_unit(), 0.25);
    }

    #[test]
    fn time_saturates_at_both_ends() {
        assert_eq!(Micros(u64::MAX - 1).plus(5), Micros(u64::MAX));
        assert_eq!(Micros(3).since(Micros(5)), 0);
    }

    #[test]
    fn a_thing_stands_at_the_bottom_centre_of_its_box() {
        let bbox = BBox { x: 1_000, y: 2_000, w: 400, h: 1_000 };
        let thing = Thing::new(1, ClassId(0), Score::from_thousandths(900), bbox);
        assert_eq!(thing.foot, Point { x: 1_200, y: 3_000 });
        assert_eq!(bbox.as_unit(), [0.1, 0.2, 0.04, 0.1]);
    }
}
