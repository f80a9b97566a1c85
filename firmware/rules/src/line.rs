//! The path of a thing's foot → it crossed the line, and which way. Exact in integers; standing on the line does not flicker.
//!
//! A side counts once the foot is a *margin* away from the line: a tenth of the box's height, at least half a per cent of
//! the picture. A crossing is told when the other side counts and the path between led through the line, not around its end.

use crate::zone::cross;
use crate::{Point, RulesError, Thing};

/// Least distance from the line at which a side counts, picture units.
pub const MARGIN: u16 = 50;
/// … and as a share of the box's height: one part in so many. A detector's boxes of a standing person breathe by a few per cent.
pub const MARGIN_OF_HEIGHT: u16 = 10;

/// Which way a line is crossed. Looking from its first point to its second: `In` is from left to right. A line drawn from
/// left to right is crossed inwards by what comes down the picture, towards the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From left to right.
    In,
    /// From right to left.
    Out,
}

/// A line on a picture, of some length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    a: Point,
    b: Point,
}

/// A line and which crossings of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    /// The line.
    pub line: Line,
    /// Only this way; `None`: both.
    pub direction: Option<Direction>,
}

/// Where a thing is with respect to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The newest foot.
    foot: Point,
    /// The side that counts; `None`: it was never far enough away.
    side: Option<Direction>,
    /// Passages through the line since that side counted: inwards more, outwards less.
    net: i8,
}

impl Line {
    /// From one point to another.
    pub fn new(a: Point, b: Point) -> Result<Self, RulesError> {
        if a == b { Err(RulesError::NoLength) } else { Ok(Self { a, b }) }
    }

    /// On its right side, or on it.
    fn is_right(&self, p: Point) -> bool {
        cross(self.a, self.b, p) <= 0
    }

    /// The side of a point that is at least `margin` away.
    fn side(&self, p: Point, margin: u16) -> Option<Direction> {
        let turn = cross(self.a, self.b, p);
        let (x, y) = (i64::from(self.a.x) - i64::from(self.b.x), i64::from(self.a.y) - i64::from(self.b.y));
        // distance = |turn| / length, compared without a root
        let is_far = i128::from(turn).pow(2) >= i128::from(margin).pow(2) * i128::from(x * x + y * y);
        is_far.then_some(if turn < 0 { Direction::In } else { Direction::Out })
    }

    /// The way from `p` to `q` leads through the line: 1 inwards, -1 outwards, 0 it does not. Its ends belong to it.
    fn passage(&self, p: Point, q: Point) -> i8 {
        let (before, after) = (self.is_right(p), self.is_right(q));
        if before == after {
            return 0;
        }
        let (a, b) = (cross(p, q, self.a), cross(p, q, self.b));
        let is_through = (a <= 0 && b >= 0) || (a >= 0 && b <= 0);
        match (is_through, after) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => -1,
        }
    }
}

impl Path {
    /// Of a thing that is seen first.
    pub fn begin(line: &Line, thing: &Thing) -> Self {
        Self { foot: thing.foot, side: line.side(thing.foot, margin(thing)), net: 0 }
    }

    /// It is seen again: which way it has crossed the line, if it has just now.
    pub fn go_on(&mut self, line: &Line, thing: &Thing) -> Option<Direction> {
        self.net = self.net.saturating_add(line.passage(self.foot, thing.foot));
        self.foot = thing.foot;
        let side = line.side(thing.foot, margin(thing))?;
        let (was, net) = (self.side.replace(side), core::mem::take(&mut self.net));
        match side {
            _ if was == Some(side) => None,
            Direction::In if net > 0 => Some(Direction::In),
            Direction::Out if net < 0 => Some(Direction::Out),
            _ => None,
        }
    }
}

fn margin(thing: &Thing) -> u16 {
    (thing.bbox.h / MARGIN_OF_HEIGHT).max(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BBox, ClassId, Score};
    use proptest::prelude::*;
    use std::{vec, vec::Vec as List};

    fn at(x: u16, y: u16) -> Thing {
        let mut thing = Thing::new(1, ClassId(0), Score::from_thousandths(800), BBox::default());
        thing.foot = Point { x, y };
        thing
    }

    /// From left to right across the middle of the picture.
    fn gate() -> Line {
        Line::new(Point { x: 2_000, y: 5_000 }, Point { x: 8_000, y: 5_000 }).unwrap()
    }

    fn crossings(line: &Line, feet: &[(u16, u16)]) -> List<Direction> {
        let mut path = Path::begin(line, &at(feet[0].0, feet[0].1));
        feet[1..].iter().filter_map(|&(x, y)| path.go_on(line, &at(x, y))).collect()
    }

    #[test]
    fn down_the_picture_is_in_and_up_is_out() {
        use Direction::{In, Out};
        let walk = [(5_000, 3_000), (5_000, 4_990), (5_000, 5_040), (5_000, 5_060), (5_000, 9_000)];
        assert_eq!(crossings(&gate(), &walk), [In]);
        let back: List<(u16, u16)> = walk.iter().rev().copied().collect();
        assert_eq!(crossings(&gate(), &back), [Out]);
        let there_and_back = [&walk[..], &back[1..], &walk[1..]].concat();
        assert_eq!(crossings(&gate(), &there_and_back), [In, Out, In]);
    }

    #[test]
    fn who_goes_around_its_end_does_not_cross_it() {
        let around = [(5_000, 3_000), (9_000, 3_000), (9_000, 7_000), (5_000, 7_000)];
        assert_eq!(crossings(&gate(), &around), []);
        // around, and back through it
        let back = [&around[..], &[(5_000, 3_000)]].concat();
        assert_eq!(crossings(&gate(), &back), [Direction::Out]);
    }

    #[test]
    fn a_leap_over_the_line_counts_and_its_ends_belong_to_it() {
        assert_eq!(crossings(&gate(), &[(3_000, 100), (4_000, 9_900)]), [Direction::In]);
        assert_eq!(crossings(&gate(), &[(2_000, 100), (2_000, 9_900)]), [Direction::In]);
        assert_eq!(crossings(&gate(), &[(1_999, 100), (1_999, 9_900)]), []);
    }

    #[test]
    fn who_turns_back_on_the_line_has_not_crossed_it() {
        assert_eq!(crossings(&gate(), &[(5_000, 4_000), (5_000, 5_030), (5_000, 4_970), (5_000, 4_000)]), []);
    }

    #[test]
    fn who_appears_on_the_line_has_not_crossed_it() {
        assert_eq!(crossings(&gate(), &[(5_000, 5_000), (5_000, 5_020), (5_000, 7_000)]), []);
        assert_eq!(
            crossings(&gate(), &[(5_000, 4_990), (5_000, 7_000)]),
            [Direction::In],
            "but through it is"
        );
    }

    #[test]
    fn a_line_has_two_ends() {
        let p = Point { x: 7, y: 7 };
        assert_eq!(Line::new(p, p), Err(RulesError::NoLength));
    }

    fn point() -> impl Strategy<Value = Point> {
        (0..=10_000u16, 0..=10_000u16).prop_map(|(x, y)| Point { x, y })
    }

    proptest! {
        #[test]
        fn trembling_within_the_margin_never_crosses(ys in prop::collection::vec(4_951..5_050u16, 2..80), x in 2_500..7_500u16) {
            let feet: List<(u16, u16)> = ys.into_iter().map(|y| (x, y)).collect();
            prop_assert_eq!(crossings(&gate(), &feet), []);
        }

        #[test]
        fn a_line_from_edge_to_edge_alternates(feet in prop::collection::vec(point(), 2..60), y in 1_000..9_000u16) {
            let line = Line::new(Point { x: 0, y }, Point { x: 10_000, y }).unwrap();
            let feet: List<(u16, u16)> = feet.into_iter().map(|p| (p.x, p.y)).collect();
            let told = crossings(&line, &feet);
            prop_assert!(told.windows(2).all(|two| two[0] != two[1]), "{:?}", told);
            // as many as sides that counted one after the other
            let sides: List<bool> = feet.iter().filter(|f| f.1.abs_diff(y) >= MARGIN).map(|f| f.1 > y).collect();
            let mut changes = sides.clone();
            changes.dedup();
            let first_counts = feet[0].1.abs_diff(y) >= MARGIN;
            if first_counts {
                prop_assert_eq!(told.len(), changes.len().saturating_sub(1));
            }
        }

        #[test]
        fn walked_backwards_it_is_the_other_way(p in point(), q in point(), a in point(), b in point()) {
            let Ok(line) = Line::new(a, b) else { return Ok(()) };
            prop_assert_eq!(line.passage(p, q), -line.passage(q, p));
            let turned = Line::new(b, a).unwrap();
            let touches = [p, q].iter().any(|p| cross(a, b, *p) == 0);
            prop_assert!(touches || turned.passage(p, q) == -line.passage(p, q));
            let told = crossings(&line, &[(p.x, p.y), (q.x, q.y)]);
            let back = crossings(&line, &[(q.x, q.y), (p.x, p.y)]);
            prop_assert!(told.len() <= 1 && back.len() <= 1);
            let far = [p, q].iter().all(|p| line.side(*p, MARGIN).is_some());
            prop_assert!(!far || told.len() == back.len());
        }
    }

    #[test]
    fn a_crossing_is_told_once_the_other_side_counts() {
        let mut tall = at(5_000, 4_000);
        tall.bbox.h = 3_000; // the margin is 300
        let mut path = Path::begin(&gate(), &tall);
        let mut told = vec![];
        for y in (4_000..6_000).step_by(100) {
            tall.foot.y = y;
            told.extend(path.go_on(&gate(), &tall).map(|way| (y, way)));
        }
        assert_eq!(told, [(5_300, Direction::In)]);
    }
}
