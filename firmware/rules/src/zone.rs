//! Corners → is a point inside? Exact in integers; an edge and a corner count as inside.

use crate::{Point, RulesError};
use heapless::Vec;

/// Most corners a zone can have.
pub const MAX_CORNERS: usize = 16;

/// A polygon on a picture. May be concave; where it crosses itself the even-odd rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    corners: Vec<Point, MAX_CORNERS>,
}

impl Zone {
    /// A zone of 3 to [`MAX_CORNERS`] corners in order, not all on one line. The last corner joins the first.
    pub fn new(corners: &[Point]) -> Result<Self, RulesError> {
        if corners.len() < 3 {
            return Err(RulesError::TooFewCorners(corners.len()));
        }
        let [a, ..] = corners else { return Err(RulesError::TooFewCorners(0)) };
        let flat = corners.iter().all(|b| corners.iter().all(|c| cross(*a, *b, *c) == 0));
        if flat {
            return Err(RulesError::FlatZone);
        }
        let corners = Vec::from_slice(corners).map_err(|_| RulesError::TooManyCorners(corners.len()))?;
        Ok(Self { corners })
    }

    /// `p` is inside or on an edge.
    pub fn contains(&self, p: Point) -> bool {
        let mut inside = false;
        let mut a = self.corners[self.corners.len() - 1];
        for &b in &self.corners {
            let turn = cross(a, b, p);
            if turn == 0 && between(a.x, b.x, p.x) && between(a.y, b.y, p.y) {
                return true;
            }
            // The ray from `p` to the left meets this edge when the edge spans p.y (one end below, the other not) and `p`
            // is on its right: for an edge going down the picture (b.y > a.y) that is a positive turn.
            if (a.y > p.y) != (b.y > p.y) && (turn > 0) == (b.y > a.y) {
                inside = !inside;
            }
            a = b;
        }
        inside
    }

    /// The corners.
    pub fn corners(&self) -> &[Point] {
        &self.corners
    }
}

/// Twice the signed area of the triangle a, b, p; 0 when they are on one line.
pub(crate) fn cross(a: Point, b: Point, p: Point) -> i64 {
    let [ax, ay, bx, by, px, py] = [a.x, a.y, b.x, b.y, p.x, p.y].map(i64::from);
    (px - ax) * (by - ay) - (py - ay) * (bx - ax)
}

fn between(a: u16, b: u16, n: u16) -> bool {
    (a.min(b)..=a.max(b)).contains(&n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec as List;

    fn zone(corners: &[(u16, u16)]) -> Zone {
        let corners: List<Point> = corners.iter().map(|&(x, y)| Point { x, y }).collect();
        Zone::new(&corners).unwrap()
    }

    #[test]
    fn a_square_holds_its_edges_and_corners() {
        let z = zone(&[(100, 100), (200, 100), (200, 200), (100, 200)]);
        for x in 90..210 {
            for y in 90..210 {
                let inside = (100..=200).contains(&x) && (100..=200).contains(&y);
                assert_eq!(z.contains(Point { x, y }), inside, "{x},{y}");
            }
        }
    }

    #[test]
    fn the_picture_as_a_zone_holds_every_clamped_point() {
        let z = zone(&[(0, 0), (10_000, 0), (10_000, 10_000), (0, 10_000)]);
        for p in [(0, 0), (10_000, 10_000), (5_000, 10_000), (0, 7), (10_000, 3)] {
            assert!(z.contains(Point { x: p.0, y: p.1 }));
        }
    }

    #[test]
    fn a_notch_is_outside() {
        // A U: the notch is x 40..60 above y 70.
        let z = zone(&[(0, 0), (40, 0), (40, 70), (60, 70), (60, 0), (100, 0), (100, 100), (0, 100)]);
        assert!(!z.contains(Point { x: 50, y: 30 }));
        assert!(!z.contains(Point { x: 50, y: 0 }));
        assert!(z.contains(Point { x: 50, y: 70 }));
        assert!(z.contains(Point { x: 20, y: 30 }));
        assert!(z.contains(Point { x: 80, y: 0 }));
        assert!(!z.contains(Point { x: 101, y: 50 }));
    }

    #[test]
    fn refuses_what_has_no_area() {
        let p = |x, y| Point { x, y };
        assert_eq!(Zone::new(&[p(0, 0), p(1, 1)]), Err(RulesError::TooFewCorners(2)));
        assert_eq!(Zone::new(&[p(0, 0), p(5, 5), p(9, 9)]), Err(RulesError::FlatZone));
        assert_eq!(Zone::new(&[p(3, 3); 8]), Err(RulesError::FlatZone));
        let round: List<Point> = (0..17).map(|i| p(i * 10, (i * i) % 97)).collect();
        assert_eq!(Zone::new(&round), Err(RulesError::TooManyCorners(17)));
        // Doubled corners are harmless.
        let z = zone(&[(0, 0), (0, 0), (10, 0), (10, 10), (10, 10)]);
        assert!(z.contains(p(9, 5)) && !z.contains(p(2, 9)));
    }

    fn point() -> impl Strategy<Value = Point> {
        (0..=40u16, 0..=40u16).prop_map(|(x, y)| Point { x, y })
    }

    proptest! {
        #[test]
        fn a_triangle_agrees_with_the_sign_of_its_turns(a in point(), b in point(), c in point(), p in point()) {
            prop_assume!(cross(a, b, c) != 0);
            let turns = [cross(a, b, p), cross(b, c, p), cross(c, a, p)];
            let inside = turns.iter().all(|t| *t >= 0) || turns.iter().all(|t| *t <= 0);
            prop_assert_eq!(Zone::new(&[a, b, c]).unwrap().contains(p), inside);
        }

        #[test]
        fn start_corner_and_direction_do_not_matter(mut corners in prop::collection::vec(point(), 3..16), p in point(), by in 0..16usize) {
            let Ok(zone) = Zone::new(&corners) else { return Ok(()) };
            let by = by % corners.len();
            corners.rotate_left(by);
            prop_assert_eq!(Zone::new(&corners).unwrap().contains(p), zone.contains(p));
            corners.reverse();
            prop_assert_eq!(Zone::new(&corners).unwrap().contains(p), zone.contains(p));
        }

        #[test]
        fn every_corner_is_inside(corners in prop::collection::vec(point(), 3..16)) {
            if let Ok(zone) = Zone::new(&corners) {
                prop_assert!(corners.iter().all(|c| zone.contains(*c)));
            }
        }
    }
}
