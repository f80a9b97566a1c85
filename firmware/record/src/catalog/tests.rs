//! The catalog as such; `ring` runs it as a recorder does, `chaos` as nobody should.

use super::*;
use crate::layout::Begun;
use nightjar_types::Name;
use nightjar_types::config::{Limit, Thin, ThinTo};
use std::time::Duration;

mod chaos;
mod ring;

pub(crate) const MIB: u32 = 1 << 20;
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn stream(name: &str) -> StreamId {
    (Name::new(name).unwrap(), StreamKind::Main)
}

pub(crate) fn days(n: u64) -> Limit {
    Limit { age: Some(Duration::from_secs(n * 86_400)), bytes: None }
}

pub(crate) fn forever(_: &StreamId) -> Keep {
    Keep::default()
}

/// A sealed row of 1 MiB with one span, full.
pub(crate) fn row(generation: u64, stream: &StreamId, from: i64, to: i64) -> SlabRow {
    SlabRow {
        generation,
        stream: stream.clone(),
        path: format!("{}/{from}", stream.0),
        begun: Begun { wall: Wall(from), ..Begun::default() },
        spans: vec![(Wall(from), Wall(to))],
        used: MIB,
        len: MIB,
        flags: Flags::default(),
        is_sealed: true,
        is_thin: false,
    }
}

fn add(c: &mut Catalog, name: &str, from: i64, to: i64, edit: impl FnOnce(&mut SlabRow)) -> u64 {
    let mut row = row(c.fresh_generation(), &stream(name), from, to);
    edit(&mut row);
    let generation = row.generation;
    c.insert(row);
    generation
}

fn recycled(take: Option<Take>) -> u64 {
    match take {
        Some(Take::Recycle(row)) => row.generation,
        other => panic!("no slab was recycled but {other:?}"),
    }
}

fn exchanged(take: Option<Take>) -> (Vec<u64>, Vec<(u64, u32)>, u32) {
    match take {
        Some(Take::Exchange(e)) => (e.rows.iter().map(|r| r.generation).collect(), e.free.clone(), e.slabs()),
        other => panic!("nothing was exchanged but {other:?}"),
    }
}

#[test]
fn recycles_what_ends_first_and_never_an_open_held_or_pinned_slab() {
    let mut c = Catalog::default();
    c.insert_free(7, MIB);
    let late = add(&mut c, "a", 100, 200, |_| ());
    let early = add(&mut c, "b", 10, 90, |_| ());
    let open = add(&mut c, "b", 90, 95, |r| r.is_sealed = false);
    let held = add(&mut c, "c", 1, 2, |_| ());
    let pinned = add(&mut c, "d", 3, 4, |_| ());
    let mut holds = c.holds().clone();
    let hold = Hold {
        id: 0,
        cameras: vec![Name::new("c").unwrap()],
        from: Wall(0),
        to: Wall(2),
        note: String::new(),
        by: String::new(),
        made: Wall(300),
    };
    holds.add(hold, c.rows(), u64::MAX).unwrap();
    c.set_holds(holds.list().to_vec());
    assert!(c.pin(pinned) && c.pin(pinned) && !c.pin(99));
    let take = |c: &mut Catalog| {
        let took = c.take(MIB, Wall(300), &forever);
        c.check_invariants();
        took
    };
    assert_eq!(take(&mut c), Some(Take::Free { number: 7, len: MIB }));
    assert_eq!(recycled(take(&mut c)), early);
    assert_eq!(recycled(take(&mut c)), late);
    assert_eq!(take(&mut c), None);
    c.seal(open);
    assert_eq!(recycled(take(&mut c)), open);
    c.unpin(pinned);
    assert_eq!(take(&mut c), None);
    c.unpin(pinned);
    assert_eq!(recycled(take(&mut c)), pinned);
    c.set_holds(Vec::new());
    assert_eq!(recycled(take(&mut c)), held);
    assert_eq!(c.rows().count(), 0);
}

#[test]
fn of_slabs_about_as_old_the_one_in_the_wanted_folder_goes() {
    let folders = ["c", "b", "a"].map(str::to_string);
    let none = BTreeMap::new();
    let mut c = Catalog::default();
    let first = add(&mut c, "a", 0, 100, |_| ());
    let near = add(&mut c, "b", 90, 190, |_| ());
    let far = add(&mut c, "c", 150, 250, |_| ());
    let footage =
        |c: &mut Catalog, now: i64| recycled(c.take_footage(MIB, &none, &folders, Wall(now), &forever));
    let mut again = c.clone();
    assert_eq!(footage(&mut c, 300), near, "it ends no slab's length later; the one in c does");
    assert_eq!([footage(&mut c, 300), footage(&mut c, 300)], [first, far]);
    let expired = |_: &StreamId| Keep {
        continuous: Limit { age: Some(Duration::from_micros(150)), bytes: None },
        ..Keep::default()
    };
    let gone = recycled(again.take_footage(MIB, &none, &folders, Wall(300), &expired));
    assert_eq!(gone, first, "what is to be deleted goes in its order");
    let ahead = 3 * HOUR; // with a clock that is wrong too
    add(&mut again, "d", ahead, ahead + 1, |_| ());
    assert_eq!(footage(&mut again, 300), near);
    again.check_invariants();
}

#[test]
fn the_waiting_slab_of_the_least_rank_is_taken() {
    let mut c = Catalog::default();
    for (number, len) in [(1, MIB), (2, MIB), (3, 2 * MIB), (4, MIB)] {
        c.insert_free(number, len);
    }
    let rank = |number: u64| u64::from(number != 2);
    assert_eq!([c.take_waiting(MIB, &rank), c.take_waiting(MIB, &rank)], [Some(2), Some(4)]);
    assert_eq!((c.take_waiting(4 * MIB, &rank), c.free()), (None, 2));
}

#[test]
fn the_share_of_the_allowed_age_decides_who_goes() {
    let keep = |_: &StreamId| Keep { continuous: days(2), event: days(30), ..Keep::default() };
    let mut c = Catalog::default();
    let event = add(&mut c, "a", 0, HOUR, |r| r.flags = Flags::EVENT);
    let quiet = add(&mut c, "a", 9 * DAY, 9 * DAY + HOUR, |_| ());
    let moved = add(&mut c, "a", HOUR, 2 * HOUR, |r| r.flags = Flags::MOTION);
    // 10 of 30 days, 1 of 2 days, 10 of 365 days
    for expected in [quiet, event, moved] {
        assert_eq!(recycled(c.take(MIB, Wall(10 * DAY), &keep)), expected);
        c.check_invariants();
    }
}

#[test]
fn a_slab_without_footage_goes_before_all() {
    let mut c = Catalog::default();
    add(&mut c, "a", 0, 1, |_| ());
    let empty = add(&mut c, "b", 5, 6, |r| r.spans.clear());
    assert_eq!(recycled(c.take(MIB, Wall(10), &forever)), empty);
    c.check_invariants();
}

#[test]
fn footage_from_the_future_goes_in_the_order_in_which_it_was_written() {
    let mut c = Catalog::default();
    let before = add(&mut c, "a", 10 * DAY, 10 * DAY + 1, |_| ());
    // the clock said 1970 for a while
    let young = add(&mut c, "b", 5, 6, |_| ());
    assert_eq!(recycled(c.take(MIB, Wall(7), &forever)), before, "the old goes, not what was just recorded");
    assert_eq!(recycled(c.take(MIB, Wall(7), &forever)), young);
    // it said 2038, then it was mended
    let ahead = add(&mut c, "a", 5_000 * DAY, 5_000 * DAY + 1, |_| ());
    let young = add(&mut c, "b", 11 * DAY, 11 * DAY + 1, |_| ());
    assert_eq!(recycled(c.take(MIB, Wall(12 * DAY), &forever)), ahead, "it does not stay until 2038");
    assert_eq!(recycled(c.take(MIB, Wall(12 * DAY), &forever)), young);
    c.check_invariants();
}

#[test]
fn waiting_room_of_another_size_is_exchanged_before_footage_goes() {
    let mut c = Catalog::default();
    c.insert_free(1, 8 * MIB);
    c.insert_free(2, 64 * MIB);
    add(&mut c, "a", 0, 1, |r| r.len = 4 * MIB);
    let (rows, free, slabs) = exchanged(c.take(4 * MIB, Wall(9), &forever));
    assert_eq!((rows, free, slabs), (vec![], vec![(1, 8 * MIB)], 2), "the smallest that is large enough");
    c.insert_free(3, 4 * MIB);
    assert_eq!(c.take(4 * MIB, Wall(9), &forever), Some(Take::Free { number: 3, len: 4 * MIB }));
    c.remove(1);
    let (_, free, slabs) = exchanged(c.take(4 * MIB, Wall(9), &forever));
    assert_eq!((free, slabs), (vec![(2, 64 * MIB)], 16));
    for (number, len) in [(10, 2), (11, 1), (12, 4), (13, 2)] {
        c.insert_free(number, len * MIB);
    }
    let (_, free, slabs) = exchanged(c.take(8 * MIB, Wall(9), &forever));
    let mut free: Vec<u64> = free.iter().map(|f| f.0).collect();
    free.sort_unstable();
    assert_eq!((free, slabs), (vec![10, 12, 13], 1), "exactly 8 MiB");
    assert_eq!(c.free_slabs(), [(11, MIB)]);
    assert_eq!(c.take(8 * MIB, Wall(9), &forever), None, "too little is left");
    c.check_invariants();
}

#[test]
fn a_slab_too_young_is_spared_for_older_ones_of_other_sizes() {
    let mut c = Catalog::default();
    // a's slabs of 1 MiB reach back 100 h, b's of 4 MiB 10 h
    let old: Vec<u64> = (0..90).map(|n| add(&mut c, "a", n * HOUR, (n + 1) * HOUR, |_| ())).collect();
    for n in 90..100 {
        add(&mut c, "b", n * HOUR, (n + 1) * HOUR, |r| (r.len, r.used) = (4 * MIB, 0));
    }
    let now = Wall(100 * HOUR);
    let (rows, free, slabs) = exchanged(c.take(4 * MIB, now, &forever));
    assert_eq!((rows, free.len(), slabs), (old[..4].to_vec(), 0, 1));
    // the other way round: what is not too young is recycled
    assert_eq!(recycled(c.take(MIB, now, &forever)), old[4]);
    c.check_invariants();
}

#[test]
fn an_event_marks_what_was_written_before_it() {
    let mut c = Catalog::default();
    let quiet = add(&mut c, "a", 0, 10, |_| ());
    let near = add(&mut c, "a", 10, 20, |_| ());
    let open = add(&mut c, "a", 20, 30, |r| r.is_sealed = false);
    add(&mut c, "b", 10, 20, |_| ());
    let camera = stream("a").0;
    let key = Flags::EVENT.with(Flags::KEY);
    assert_eq!(c.mark(&camera, Wall(15), Wall(25), key), [near, open]);
    assert_eq!(c.mark(&camera, Wall(15), Wall(25), key), [] as [u64; 0], "they have it");
    assert_eq!(c.get(near).unwrap().tier(), Tier::Event);
    assert_eq!(c.get(near).unwrap().flags, Flags::EVENT, "a key frame is in every slab");
    assert_eq!(c.get(quiet).unwrap().tier(), Tier::Continuous);
    c.check_invariants();
}

#[test]
fn thinning_and_restamping_keep_the_catalog_true() {
    let mut c = Catalog::default();
    let sources: Vec<u64> = (0..4).map(|n| add(&mut c, "a", n * 10, n * 10 + 10, |_| ())).collect();
    let bytes = c.bytes();
    let thin = SlabRow { is_thin: true, ..row(c.fresh_generation(), &stream("a"), 0, 40) };
    c.pin(sources[1]);
    assert_eq!(c.replace(&sources, thin.clone()), None, "a download needs one");
    assert_eq!((c.rows().count(), c.bytes()), (4, bytes));
    c.unpin(sources[1]);
    let out = c.replace(&sources, thin.clone()).unwrap();
    assert_eq!(out.iter().map(|r| r.generation).collect::<Vec<_>>(), sources);
    assert_eq!(c.rows().cloned().collect::<Vec<_>>(), std::slice::from_ref(&thin));
    assert_eq!(c.replace(&sources, thin.clone()), None, "they are gone");
    c.check_invariants();
    c.restamped(thin.generation, "a/new".to_owned(), 1_000);
    let moved = c.get(thin.generation).unwrap();
    assert_eq!(moved.begun.wall, Wall(1_000));
    assert_eq!(
        (moved.path.as_str(), moved.start(), moved.end()),
        ("a/new", Some(Wall(1_000)), Some(Wall(1_040)))
    );
    c.check_invariants();
    assert_eq!(recycled(c.take(MIB, Wall(9_000), &forever)), thin.generation);
}

#[test]
fn coverage_joins_slabs_and_clips() {
    let mut c = Catalog::default();
    add(&mut c, "a", 0, 10_000_000, |_| ());
    add(&mut c, "a", 10_000_100, 20_000_000, |_| ());
    add(&mut c, "a", 30_000_000, 40_000_000, |r| r.is_sealed = false);
    let spans = c.coverage(&stream("a"), Wall(5_000_000), Wall(35_000_000));
    assert_eq!(spans, [(Wall(5_000_000), Wall(20_000_000)), (Wall(30_000_000), Wall(35_000_000))]);
    assert_eq!(c.newest_before(&stream("a"), Wall(25_000_000)).unwrap().path, "a/10000100");
    assert_eq!(c.oldest(None), Some(Wall(0)));
    assert_eq!(c.last_end(&stream("a")), Some(Wall(40_000_000)));
    c.check_invariants();
}

#[test]
fn a_slab_is_about_two_minutes() {
    const GIB: u64 = 1 << 30;
    let main = default_rate(StreamKind::Main);
    let sub = default_rate(StreamKind::Sub);
    assert_eq!(slab_len(main, 100 * GIB, 2), 64 * MIB);
    assert_eq!(slab_len(sub, 100 * GIB, 2), 8 * MIB);
    assert_eq!(slab_len(0, 100 * GIB, 2), MIB);
    assert_eq!(slab_len(u64::MAX, u64::MAX, 1), 64 * MIB);
    let least = least_slabs(2) * 64 * u64::from(MIB);
    assert_eq!(slab_len(main, least, 2), 64 * MIB, "so many of each stream just fit");
    assert_eq!(slab_len(main, least - 1, 2), 32 * MIB);
    assert_eq!(slab_len(main, 0, 0), MIB);
    assert_eq!([1, 2, 3, 4, 5, 6, 24].map(least_slabs), [5, 10, 15, 15, 15, 18, 72]);
    for rate in (0..10_000_000).step_by(7_919) {
        let len = slab_len(rate, u64::MAX, 1);
        assert!(len.is_power_of_two() && (SMALLEST_SLAB..=LARGEST_SLAB).contains(&len));
        if len > SMALLEST_SLAB && len < LARGEST_SLAB {
            assert!((80..=172).contains(&(u64::from(len) / rate)), "{len} bytes at {rate} a second");
        }
    }
}
