//! Places of one thing at their times → where it is now and how fast it goes, in one coordinate: a Kalman filter.
//!
//! Speed is constant but for small random pushes. Unlike fixed gains it takes looks that are 0.1 s, 0.33 s or 2 s apart
//! for what each is worth, and learns a new thing's speed from its second look.

/// Standard deviations, all in sizes of the thing: how far a found place is off; what a second of pushes does to the
/// speed; how fast an unknown thing goes. A person walks 0.8 of its height a second; found boxes jitter by a twentieth.
/// Half or twice of each moves the pedestrian clip's person AP50 at three looks a second by .01 or less.
const OFF: f32 = 0.05;
const PUSH: f32 = 0.6;
const FIRST: f32 = 1.5;
/// How far a shift that two pictures show is off.
const SHIFT_OFF: f32 = 0.06;

/// Course along one coordinate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Course {
    place: f32,
    /// A second.
    speed: f32,
    /// Covariance of place and speed.
    place_place: f32,
    place_speed: f32,
    speed_speed: f32,
}

impl Course {
    /// First seen at `place`; `size` is the thing's mean side.
    pub(crate) fn new(place: f32, size: f32) -> Self {
        let square = |x: f32| x * x;
        Self {
            place,
            speed: 0.0,
            place_place: square(OFF * size),
            place_speed: 0.0,
            speed_speed: square(FIRST * size),
        }
    }

    /// Where it is `seconds` later.
    pub(crate) fn place(&self, seconds: f32) -> f32 {
        self.place + self.speed * seconds
    }

    /// How far it goes in so many seconds.
    pub(crate) fn way(&self, seconds: f32) -> f32 {
        self.speed * seconds
    }

    /// It stands.
    pub(crate) fn rest(&mut self) {
        self.speed = 0.0;
    }

    /// So many seconds go by and nothing is seen.
    pub(crate) fn pass(&mut self, seconds: f32, size: f32) {
        let (t, push) = (seconds, (PUSH * size).powi(2));
        self.place += self.way(t);
        self.place_place += t * (2.0 * self.place_speed + t * self.speed_speed) + push * t.powi(3) / 3.0;
        self.place_speed += t * self.speed_speed + push * t * t / 2.0;
        self.speed_speed += push * t;
    }

    /// Gone by `shift` in `seconds`, as two pictures show: it is there now, and its speed is learnt from it.
    pub(crate) fn shifted(&mut self, shift: f32, seconds: f32, size: f32) {
        let (was, surprise) = (*self, shift - self.way(seconds));
        self.pass(seconds, size);
        let off = (SHIFT_OFF * size).powi(2);
        // Of the way alone: where it began is as unsure as before.
        let way = self.place_place - was.place_place - 2.0 * seconds * was.place_speed;
        let gain_speed = if way + off > f32::MIN_POSITIVE {
            (self.place_speed - was.place_speed) / (way + off)
        } else {
            0.0
        };
        self.place = was.place + shift;
        self.speed += gain_speed * surprise;
        self.speed_speed = (self.speed_speed - gain_speed * (self.place_speed - was.place_speed)).max(0.0);
        self.place_place = was.place_place + off;
        self.place_speed = was.place_speed.max(0.0);
    }

    /// Seen at `place`, `seconds` after the last time.
    pub(crate) fn see(&mut self, place: f32, seconds: f32, size: f32) {
        self.pass(seconds, size);
        let (pp, ps) = (self.place_place, self.place_speed);
        let total = pp + (OFF * size).powi(2);
        if total <= f32::MIN_POSITIVE {
            (self.place, self.speed) = (place, 0.0);
            return;
        }
        let (gain_place, gain_speed) = (pp / total, ps / total);
        let surprise = place - self.place;
        self.place += gain_place * surprise;
        self.speed += gain_speed * surprise;
        self.place_place = (1.0 - gain_place) * pp;
        self.place_speed = (1.0 - gain_place) * ps;
        self.speed_speed = (self.speed_speed - gain_speed * ps).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_steady_walker_is_predicted_whatever_the_rhythm(
            speed in -0.3f32..0.3, size in 0.03f32..0.3, gaps in prop::collection::vec(0.05f32..1.0, 6..30),
            jitter in prop::collection::vec(-1f32..1.0, 30),
        ) {
            let mut course = Course::new(0.5, size);
            let mut at = 0.0;
            for (gap, jitter) in gaps.iter().zip(&jitter) {
                at += gap;
                course.see(0.5 + speed * at + jitter * 0.02 * size, *gap, size);
            }
            // Within a quarter of its size, a third of a second ahead: the boxes still overlap by more than half.
            let off = course.place(0.33) - (0.5 + speed * (at + 0.33));
            prop_assert!(off.abs() < 0.25 * size, "{off} of {size}");
        }

        #[test]
        fn any_order_of_numbers_stays_a_number(
            sights in prop::collection::vec((0f32..1.0, 0f32..100.0, 0f32..1.0), 1..200),
        ) {
            let mut course = Course::new(0.5, 0.1);
            for (place, seconds, size) in sights {
                course.see(place, seconds, size);
                prop_assert!(course.place(1.0).is_finite(), "{course:?}");
            }
        }
    }

    #[test]
    fn shifts_carry_a_thing_whose_speed_changes() {
        let (mut led, mut alone) = (Course::new(0.2, 0.1), Course::new(0.2, 0.1));
        for i in 1..10 {
            led.see(0.2 + 0.01 * i as f32, 0.1, 0.1);
            alone.see(0.2 + 0.01 * i as f32, 0.1, 0.1);
        }
        // It turns back.
        for _ in 0..4 {
            led.shifted(-0.01, 0.1, 0.1);
        }
        assert!((led.place(0.0) - 0.25).abs() < 0.015 && led.speed < 0.0, "{led:?}");
        assert!(alone.place(0.4) > 0.32);
        led.see(0.26, 0.0, 0.1);
        assert!(led.place(0.0) > 0.253, "what is found counts too: {led:?}");
    }

    #[test]
    fn the_second_look_already_gives_most_of_the_speed() {
        let mut course = Course::new(0.2, 0.1);
        course.see(0.25, 0.33, 0.1);
        assert!((course.place(0.33) - 0.30).abs() < 0.01, "{course:?}");
    }
}
