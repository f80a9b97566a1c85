//! What is deleted, why, and what is thinned.

use super::*;
use crate::Catalog;
use crate::catalog::tests::{DAY, HOUR, MIB, days, row, stream};
use crate::layout::Flags;
use nightjar_types::config::Thin;

fn catalog(rows: impl IntoIterator<Item = SlabRow>) -> Catalog {
    let mut catalog = Catalog::default();
    rows.into_iter().for_each(|row| catalog.insert(row));
    catalog.check_invariants();
    catalog
}

fn hourly(count: u64) -> impl Iterator<Item = SlabRow> {
    (0..count).map(|n| row(n + 1, &stream("front"), n as i64 * HOUR, (n as i64 + 1) * HOUR))
}

fn thin(to: ThinTo) -> impl Fn(&StreamId) -> Keep {
    move |_| Keep { thin: Some(Thin { after: Duration::from_secs(10 * 3_600), to }), ..Keep::default() }
}

#[test]
fn what_is_too_old_or_too_much_expires_with_its_reason() {
    let two_mib = Limit { age: None, bytes: Some(2 * u64::from(MIB)) };
    let keep = |_: &StreamId| Keep { continuous: days(1), event: two_mib, ..Keep::default() };
    let mut rows: Vec<SlabRow> = hourly(8).collect();
    for n in [1, 3, 4] {
        rows[n].flags = Flags::EVENT;
    }
    rows[5].is_sealed = false; // open
    rows[6].flags = Flags::MOTION;
    let c = catalog(rows);
    let old = Why::Age { limit: Duration::from_secs(86_400) };
    let much = Why::Bytes { limit: 2 << 20 };
    assert_eq!(c.expired(Wall(DAY + HOUR), &keep), [(2, much)], "just as old as allowed");
    assert_eq!(c.expired(Wall(DAY + 9 * HOUR), &keep), [(1, old), (2, much), (3, old), (8, old)]);
    assert_eq!(old.to_string(), "older than 1 day");
    assert_eq!(much.to_string(), "the oldest of more than 2.1 MB");
}

#[test]
fn open_slabs_count_and_held_ones_do_not() {
    let keep = |_: &StreamId| Keep {
        continuous: Limit { age: None, bytes: Some(3 * u64::from(MIB)) },
        ..Keep::default()
    };
    let expired = |c: &Catalog| c.expired(Wall(DAY), &keep).iter().map(|e| e.0).collect::<Vec<_>>();
    let mut rows: Vec<SlabRow> = hourly(5).collect();
    rows[4].is_sealed = false;
    let mut c = catalog(rows);
    assert_eq!(expired(&c), [1, 2]);
    c.pin(1);
    assert_eq!(expired(&c), [2, 3], "a download delays it, and the others make up for it");
    c.unpin(1);
    let (note, by) = (String::new(), String::new());
    let hold = crate::Hold { id: 1, cameras: vec![], from: Wall(0), to: Wall(1), note, by, made: Wall(DAY) };
    c.set_holds(vec![hold]);
    assert_eq!(expired(&c), [2], "a hold has its own budget");
}

#[test]
fn the_sub_stream_stands_in_only_where_it_is_whole() {
    let mut rows: Vec<SlabRow> = hourly(24).collect();
    let sub = (stream("front").0, StreamKind::Sub);
    // the sub stream came a little later, and missed hour 3
    let jitter = JOIN_US / 2;
    let mut other = row(100, &sub, jitter, 3 * HOUR);
    other.spans.push((Wall(4 * HOUR), Wall(24 * HOUR)));
    rows.push(other);
    rows[7].is_sealed = false;
    let mut c = catalog(rows);
    c.pin(6);
    let jobs = c.thinnable(Wall(20 * HOUR), &thin(ThinTo::Sub));
    let deleted: Vec<u64> = jobs
        .iter()
        .map(|job| match job {
            ThinJob::Delete { generation } => *generation,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(deleted, [1, 2, 3, 5, 7, 9, 10]);
}

#[test]
fn key_frames_are_thinned_in_batches_of_neighbours() {
    let batches = |c: &Catalog, now| {
        let jobs = c.thinnable(Wall(now), &thin(ThinTo::KeyFrames));
        jobs.into_iter()
            .map(|job| match job {
                ThinJob::Rewrite { generations, len, .. } => (generations, len / MIB),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let ids = |range: std::ops::RangeInclusive<u64>| range.collect::<Vec<u64>>();
    let mut rows: Vec<SlabRow> = hourly(60).collect();
    rows[5].is_thin = true;
    for row in &mut rows[10..14] {
        row.len = 2 * MIB;
    }
    let mut c = catalog(rows);
    c.pin(18);
    // 1..=5, a thin one, 7..=10, four larger, 15..=17 too few, a pinned one, then 19..=50 are old enough
    assert_eq!(
        batches(&c, 60 * HOUR),
        [(ids(1..=5), 1), (ids(7..=10), 1), (ids(11..=14), 2), (ids(19..=34), 1), (ids(35..=50), 1)]
    );
    assert_eq!(batches(&c, 59 * HOUR).last().unwrap().0, ids(19..=34), "the next one is not full yet");
    c.unpin(18);
    assert_eq!(batches(&c, 60 * HOUR)[3].0, ids(15..=30));
    assert_eq!(c.thinnable(Wall(60 * HOUR), &|_| Keep::default()), []);
}
