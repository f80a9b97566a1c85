//! Found things on a fake clock: numbers, absences, what may begin and what stays one.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

fn thing(class: u16, score: f32, x: f32, y: f32) -> Found {
    Found { class, score, bbox: BBox { x, y, w: 0.1, h: 0.2 } }
}

fn at(ms: u64) -> Mono {
    Mono(ms * 1000)
}

fn tracker() -> Tracker {
    Tracker::new(TrackerConfig::new(0.5))
}

#[test]
fn three_hits_confirm_and_one_flash_does_not() {
    let mut t = tracker();
    t.look(at(0), &[thing(0, 0.8, 0.3, 0.3), thing(0, 0.8, 0.7, 0.3)]);
    t.look(at(100), &[thing(0, 0.8, 0.31, 0.3)]);
    assert!(t.at(at(100)).iter().all(|t| t.id.is_none()));
    t.look(at(200), &[thing(0, 0.8, 0.32, 0.3)]);
    let now = t.at(at(200));
    assert_eq!(now.len(), 1, "the flash is forgotten");
    assert_eq!(now[0].id, Some(1));
}

#[test]
fn a_slow_board_confirms_too() {
    let mut t = tracker();
    for i in 0..3 {
        t.look(at(i * 800), &[thing(0, 0.8, 0.3, 0.3)]);
    }
    assert!(t.has_confirmed());
}

#[test]
fn keeps_its_number_through_a_short_absence_and_predicts_on() {
    let mut t = tracker();
    for i in 0..10 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.1 + 0.02 * i as f32, 0.3)]);
    }
    for i in 10..15 {
        assert!(t.look(at(i * 100), &[]).is_empty());
    }
    let there = t.at(at(1400))[0];
    assert!((there.bbox.x - 0.38).abs() < 0.03 && there.misses == 5, "{there:?}");
    t.look(at(1500), &[thing(0, 0.8, 0.4, 0.3)]);
    assert_eq!(t.at(at(1500))[0].id, Some(1));
}

#[test]
fn is_lost_after_two_seconds_and_only_then() {
    let mut t = tracker();
    for i in 0..5 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
    }
    assert!(t.look(at(2300), &[]).is_empty());
    let lost = t.look(at(2400), &[]);
    assert_eq!(lost, [Lost { id: 1, seen: at(400) }]);
    assert!(!t.has_confirmed());
}

#[test]
fn one_miss_of_a_rare_look_loses_nobody() {
    let mut t = tracker();
    for i in 0..3 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
    }
    assert!(t.look(at(2500), &[]).is_empty());
    t.look(at(4500), &[thing(0, 0.8, 0.3, 0.3)]);
    assert_eq!(t.at(at(4500))[0].id, Some(1));
}

#[test]
fn unsure_things_keep_a_track_but_begin_none() {
    let mut t = tracker();
    for i in 0..3 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3), thing(0, 0.3, 0.7, 0.7)]);
    }
    assert_eq!(t.at(at(200)).len(), 1);
    for i in 3..40 {
        assert!(t.look(at(i * 100), &[thing(0, 0.3, 0.3, 0.3)]).is_empty());
    }
    assert_eq!(t.at(at(3900))[0].id, Some(1));
}

#[test]
fn a_quick_walker_keeps_the_number_though_boxes_never_overlap() {
    let mut t = tracker();
    for i in 0..8u8 {
        t.look(at(u64::from(i) * 500), &[thing(0, 0.8, 0.05 + 0.11 * f32::from(i), 0.3)]);
    }
    let now = t.at(at(3500));
    assert_eq!((now.len(), now[0].id), (1, Some(1)));
}

#[test]
fn two_who_cross_stay_two() {
    let mut t = tracker();
    for i in 0..30u8 {
        let x = 0.02 * f32::from(i);
        t.look(at(u64::from(i) * 100), &[thing(0, 0.8, 0.1 + x, 0.30), thing(0, 0.8, 0.7 - x, 0.36)]);
    }
    let now = t.at(at(2900));
    assert_eq!(now.iter().filter_map(|t| t.id).collect::<Vec<_>>(), [1, 2]);
    let first = now[0].bbox;
    assert!(first.x > 0.5, "number 1 walked right: {first:?}");
}

/// What the pixels say: nothing moved, all moved, the light is changing.
fn still<'a>() -> Witness<'a> {
    Witness { trust: Trust::Settled, moved_in: &|_| false, is_place: &|_| false }
}

fn unsettled<'a>() -> Witness<'a> {
    Witness { trust: Trust::Unsettled, moved_in: &|_| true, is_place: &|_| false }
}

#[test]
fn what_never_moves_gets_no_number_until_it_goes_elsewhere() {
    let mut t = tracker();
    for i in 0..50 {
        t.look_with(at(i * 200), &[thing(0, 0.9, 0.3, 0.3)], &[WHOLE], still());
    }
    assert!(t.has_confirmed() && !t.has_unsure(), "it is known, and looked at rarely");
    assert!(t.at(at(9800)).iter().all(|t| t.id.is_none()));
    for i in 0..10u8 {
        let x = 0.3 + 0.015 * f32::from(i);
        t.look_with(at(10_000 + u64::from(i) * 200), &[thing(0, 0.9, x, 0.3)], &[WHOLE], still());
    }
    assert_eq!(t.at(at(11_800))[0].id, Some(1));
}

#[test]
fn what_has_the_pattern_of_the_place_has_not_moved_though_its_light_did() {
    let mut t = tracker();
    for i in 0..50 {
        let light = Witness { trust: Trust::Settled, moved_in: &|_| true, is_place: &|_| true };
        t.look_with(at(i * 200), &[thing(2, 0.9, 0.3, 0.3)], &[WHOLE], light);
    }
    assert!(t.at(at(9800)).iter().all(|t| t.id.is_none()));
}

#[test]
fn nothing_begins_while_the_light_changes_and_nobody_is_lost() {
    let mut t = tracker();
    for i in 0..5 {
        t.look(at(i * 200), &[thing(0, 0.9, 0.1, 0.3)]);
    }
    for i in 5..20 {
        assert!(t.look_with(at(i * 200), &[thing(0, 0.9, 0.7, 0.3)], &[WHOLE], unsettled()).is_empty());
    }
    assert_eq!(t.at(at(3800)).iter().filter_map(|t| t.id).collect::<Vec<_>>(), [1]);
    t.look(at(4000), &[thing(0, 0.9, 0.1, 0.3), thing(0, 0.9, 0.7, 0.3)]);
    assert_eq!(t.at(at(4000)).len(), 2);
    t.look(at(4200), &[thing(0, 0.9, 0.1, 0.3), thing(0, 0.9, 0.71, 0.3)]);
    assert_eq!(t.at(at(4200)).iter().filter_map(|t| t.id).collect::<Vec<_>>(), [1, 2], "confirmed after it");
}

#[test]
fn a_parked_car_stays_one_though_it_is_missed_and_passed() {
    let mut t = tracker();
    let car = [thing(2, 0.9, 0.5, 0.5)];
    for i in 0..40 {
        t.look(at(i * 200), &car);
    }
    for i in 40..200 {
        assert!(t.look_with(at(i * 200), &[], &[WHOLE], still()).is_empty(), "its pixels have not changed");
    }
    t.look_with(at(40_000), &car, &[WHOLE], still());
    assert_eq!(t.at(at(40_000))[0].id, Some(1));
    // A lorry stops in front of it: it is lost, found again and told no second time.
    let lost: Vec<Lost> = (201..230).flat_map(|i| t.look(at(i * 200), &[])).collect();
    assert_eq!(lost.iter().map(|l| l.id).collect::<Vec<_>>(), [1]);
    for i in 230..400 {
        t.look(at(i * 200), &car);
    }
    assert!(t.at(at(79_800)).iter().all(|t| t.id.is_none()));
    // Another one that drives up to the same place some minutes later is.
    let mut x = 0.1;
    for i in 0..20 {
        t.look(at(500_000 + i * 200), &[thing(2, 0.9, x, 0.5)]);
        x += 0.02;
    }
    assert_eq!(t.at(at(503_800)).iter().filter_map(|t| t.id).collect::<Vec<_>>(), [2]);
}

#[test]
fn ending_tells_of_every_confirmed_track() {
    let mut t = tracker();
    for i in 0..3 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.3, 0.3)]);
    }
    t.look(at(300), &[thing(0, 0.8, 0.3, 0.3), thing(1, 0.9, 0.6, 0.6)]);
    assert_eq!(t.end(), [Lost { id: 1, seen: at(300) }]);
    assert!(t.at(at(300)).is_empty());
}

proptest! {
    #[test]
    fn numbers_are_unique_and_never_come_back(
        looks in prop::collection::vec(
            (1u64..1500, prop::collection::vec((0u16..2, 0.2f32..1.0, 0f32..0.9, 0f32..0.8), 0..20)), 1..40),
    ) {
        let mut t = tracker();
        let (mut now, mut ended, mut known) = (0, HashSet::new(), HashSet::new());
        for (passed, things) in looks {
            now += passed;
            let found: Vec<Found> = things.iter().map(|&(c, s, x, y)| thing(c, s, x, y)).collect();
            for lost in t.look(at(now), &found) {
                prop_assert!(known.contains(&lost.id), "lost before it was known");
                prop_assert!(ended.insert(lost.id), "lost twice");
            }
            let ids: Vec<u32> = t.tracks.iter().filter_map(|t| t.id).collect();
            prop_assert!(ids.iter().all(|id| !ended.contains(id)), "a number came back");
            known.extend(ids);
            for shown in t.at(at(now + 400)) {
                let b = shown.bbox;
                prop_assert!(b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= 1.0001 && b.y + b.h <= 1.0001);
            }
        }
    }
}

#[test]
fn who_turns_back_between_two_looks_is_followed() {
    let sketch = |x: usize| {
        let mut data = vec![90; 320 * 180];
        for (i, byte) in data.iter_mut().enumerate() {
            let (column, row) = (i % 320, i / 320);
            if (x..x + 24).contains(&column) && (60..108).contains(&row) {
                *byte = (40 + (column - x) * 37 % 150 + row * 53 % 60) as u8;
            }
        }
        Sketch::of(crate::Plane { data: &data, width: 320, height: 180, stride: 320 })
    };
    let place = |x: usize| BBox { x: x as f32 / 320.0, y: 60.0 / 180.0, w: 24.0 / 320.0, h: 48.0 / 180.0 };
    let (mut led, mut alone) = (tracker(), tracker());
    let mut x: usize = 60;
    for i in 0..8 {
        x = 60 + 4 * i;
        let found = [Found { class: 0, score: 0.8, bbox: place(x) }];
        led.follow(at(i as u64 * 100), sketch(x));
        led.look(at(i as u64 * 100), &found);
        alone.look(at(i as u64 * 100), &found);
    }
    // Slows down, stands, goes back.
    for (i, step) in (8..).zip([2, 0, -2, -3, -4]) {
        x = (x as i32 + step) as usize;
        led.follow(at(i * 100), sketch(x));
    }
    let (led, alone) = (led.at(at(1200))[0].bbox, alone.at(at(1200))[0].bbox);
    assert!(led.iou(&place(x)) > 0.7, "{led:?} at {:?}", place(x));
    assert!(alone.iou(&place(x)) < 0.4);
}

#[test]
fn what_no_view_showed_was_not_missed() {
    let mut t = tracker();
    for i in 0..5 {
        t.look(at(i * 100), &[thing(0, 0.8, 0.1, 0.3), thing(0, 0.8, 0.7, 0.3)]);
    }
    let left = BBox { x: 0.0, y: 0.0, w: 0.5, h: 1.0 };
    for i in 5..40 {
        assert!(t.look_at(at(i * 100), &[thing(0, 0.8, 0.1, 0.3)], &[left]).is_empty(), "{i}");
    }
    assert_eq!(t.at(at(3900)).iter().map(|t| t.misses).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(t.expected(at(3900)).count(), 2);
    let both = BBox { w: 1.0, ..left };
    let mut lost = Vec::new();
    for i in 40..42 {
        lost.extend(t.look_at(at(i * 100), &[thing(0, 0.8, 0.1, 0.3)], &[both]));
    }
    assert_eq!(lost.iter().map(|l| l.seen).collect::<Vec<_>>(), [at(400)], "missed where it was looked for");
    assert!(t.at(at(4100)).iter().all(|t| t.bbox.x < 0.5));
}
