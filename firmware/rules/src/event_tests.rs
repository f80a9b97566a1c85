//! Tracks come and go on a fake clock.

use super::*;
use proptest::prelude::*;
use std::{collections::HashMap, vec, vec::Vec as List};

const CAM: CameraIx = CameraIx(1);
const S: u64 = 1_000_000;

fn thing(track: u32, score: u16) -> Thing {
    let bbox = BBox { x: score, y: 100, w: 50, h: 80 };
    Thing::new(track, ClassId(2), Score::from_thousandths(score), bbox)
}

fn see<const N: usize>(book: &mut EventBook<N>, now_s: u64, things: &[Thing]) -> List<(What, u32, u16)> {
    let mut said = vec![];
    book.observe(CAM, Micros(now_s * S), things, &mut |c| {
        said.push((c.what, c.event.track, c.event.score.thousandths()));
    });
    said
}

#[test]
fn an_event_begins_gets_better_and_ends() {
    let mut book = EventBook::<8>::new(3 * S, Score::default());
    assert_eq!(see(&mut book, 1, &[thing(7, 500)]), [(What::Begin, 7, 500)]);
    assert_eq!(see(&mut book, 2, &[thing(7, 400)]), []);
    assert_eq!(see(&mut book, 3, &[thing(7, 700)]), [(What::Better, 7, 700)]);
    assert_eq!(see(&mut book, 4, &[thing(7, 650)]), []);
    let mut ends = vec![];
    book.lost(CAM, 9, &mut |c| ends.push(c));
    book.lost(CameraIx(0), 7, &mut |c| ends.push(c));
    assert_eq!(ends, []);
    book.lost(CAM, 7, &mut |c| ends.push(c));
    let bbox = thing(7, 700).bbox;
    let (score, first, last) = (Score::from_thousandths(700), Micros(S), Micros(4 * S));
    let event = Sighting { camera: CAM, track: 7, class: ClassId(2), score, bbox, first, last };
    assert_eq!(ends, [Change { what: What::End, event }]);
    assert!(book.is_empty());
}

#[test]
fn a_parked_car_is_one_event_all_night() {
    let mut book = EventBook::<8>::new(5 * S, Score::from_thousandths(50));
    let mut said = vec![];
    for second in 0..36_000 {
        let trembling = 600 + (second * 7 % 40) as u16;
        said.extend(see(&mut book, second, &[thing(7, trembling)]));
    }
    assert_eq!(said, [(What::Begin, 7, 600)], "its score trembles by less than is worth telling");
    assert_eq!(book.live(CAM, 7).unwrap().first, Micros(0));
}

#[test]
fn ends_after_the_time_unseen_and_not_before() {
    let mut book = EventBook::<8>::new(3 * S, Score::default());
    see(&mut book, 1, &[thing(7, 500)]);
    let due = book.next_deadline().unwrap();
    let mut ends = vec![];
    book.tick(Micros(due.0 - 1), &mut |c| ends.push(c));
    assert_eq!(ends, []);
    book.tick(due, &mut |c| ends.push(c));
    assert_eq!((ends.len(), ends[0].event.last), (1, Micros(S)));
    assert_eq!(book.next_deadline(), None);
    assert_eq!(see(&mut book, 9, &[thing(7, 300)]), [(What::Begin, 7, 300)], "the number begins a new event");
    assert_eq!(
        see(&mut book, 20, &[thing(7, 310)]),
        [(What::End, 7, 300), (What::Begin, 7, 310)],
        "a picture after a long silence does not stretch the old event"
    );
}

#[test]
fn small_steps_are_kept_but_not_told() {
    let mut book = EventBook::<8>::new(3 * S, Score::from_thousandths(50));
    see(&mut book, 1, &[thing(7, 500)]);
    assert_eq!(see(&mut book, 1, &[thing(7, 540)]), []);
    assert_eq!(book.live(CAM, 7).map(|e| e.score.thousandths()), Some(540));
    assert_eq!(see(&mut book, 1, &[thing(7, 520)]), []);
    assert_eq!(book.live(CAM, 7).map(|e| e.score.thousandths()), Some(540), "never gets worse");
    assert_eq!(see(&mut book, 1, &[thing(7, 549)]), []);
    assert_eq!(see(&mut book, 1, &[thing(7, 550)]), [(What::Better, 7, 550)]);
}

#[test]
fn a_full_book_ends_what_was_unseen_longest() {
    let mut book = EventBook::<3>::new(60 * S, Score::default());
    for (s, track) in [(1, 1), (2, 2), (3, 3), (4, 1)] {
        see(&mut book, s, &[thing(track, 500)]);
    }
    assert_eq!(see(&mut book, 5, &[thing(4, 600)]), [(What::End, 2, 500), (What::Begin, 4, 600)]);
    assert_eq!((book.evicted(), book.len()), (1, 3));
}

#[test]
fn the_same_number_on_two_cameras_is_two_events() {
    let mut book = EventBook::<4>::new(S, Score::default());
    let mut n = 0;
    for camera in [CameraIx(0), CameraIx(1)] {
        book.observe(camera, Micros(0), &[thing(1, 500)], &mut |_| n += 1);
    }
    assert_eq!((n, book.len()), (2, 2));
    book.close(&mut |c| {
        assert_eq!(c.what, What::End);
        n += 1;
    });
    assert_eq!((n, book.len()), (4, 0));
}

proptest! {
    #[test]
    fn every_event_begins_once_and_ends_once(
        pictures in prop::collection::vec(
            (0..3u8, 0..4_000_000u64, prop::collection::vec((0..8u32, 0..1_000u16), 0..6), any::<bool>()), 1..60),
        step in 0..200u16,
    ) {
        let mut book = EventBook::<4>::new(2 * S, Score::from_thousandths(step));
        let mut open: HashMap<(u8, u32), Sighting> = HashMap::new();
        let mut check = |c: Change| {
            let key = (c.event.camera.0, c.event.track);
            match c.what {
                What::Begin => assert!(open.insert(key, c.event).is_none(), "began twice"),
                What::Better => {
                    let old = open.insert(key, c.event).expect("better after begin");
                    assert!(c.event.score > old.score && c.event.first == old.first);
                }
                What::End => {
                    let old = open.remove(&key).expect("ended once");
                    assert!(c.event.score >= old.score && c.event.last >= old.last);
                }
            }
            assert!(open.len() <= 4);
        };
        let mut now = Micros(0);
        for (camera, gap, things, lose) in pictures {
            now = now.plus(gap);
            let things: List<Thing> = things.iter().map(|&(track, score)| thing(track, score)).collect();
            book.observe(CameraIx(camera), now, &things, &mut check);
            if lose {
                book.lost(CameraIx(camera), 3, &mut check);
            }
            book.check_invariants();
        }
        book.close(&mut check);
        prop_assert!(open.is_empty());
    }
}
