//! What is held, what is refused and in which words.

use super::*;
use crate::catalog::tests::{DAY, HOUR, MIB, row, stream};
use nightjar_types::{Name, StreamKind};

fn hold(cameras: &[&str], from: i64, to: i64) -> Hold {
    let cameras = cameras.iter().map(|c| Name::new(*c).unwrap()).collect();
    let (note, by) = ("parcel thief".to_owned(), "anna".to_owned());
    Hold { id: 0, cameras, from: Wall(from), to: Wall(to), note, by, made: Wall(100 * DAY) }
}

/// `front` has an hour in each of ten slabs, `back` the first three.
fn rows() -> Vec<SlabRow> {
    let rows = (0..13).map(|n| {
        let (name, hour) = if n < 10 { ("front", n) } else { ("back", n - 10) };
        row(n as u64 + 1, &stream(name), hour * HOUR, (hour + 1) * HOUR)
    });
    rows.collect()
}

#[test]
fn holds_whole_slabs_of_both_streams_and_counts_each_once() {
    let mut rows = rows();
    rows.push(row(50, &(Name::new("front").unwrap(), StreamKind::Sub), HOUR, 9 * HOUR));
    let mut holds = Holds::default();
    let budget = 100 * u64::from(MIB);
    let first = holds.add(hold(&["front"], HOUR + 1, 2 * HOUR + 1), rows.iter(), budget).unwrap();
    let held: Vec<u64> = rows.iter().filter(|r| holds.covers(r)).map(|r| r.generation).collect();
    assert_eq!(held, [2, 3, 50]);
    assert_eq!(holds.bytes(rows.iter()), 3 * u64::from(MIB));
    let second = holds.add(hold(&[], 0, 2 * HOUR), rows.iter(), budget).unwrap();
    assert_eq!(holds.bytes(rows.iter()), 6 * u64::from(MIB));
    assert!(holds.remove(first).is_some() && holds.remove(first).is_none());
    assert_eq!(holds.bytes(rows.iter()), 5 * u64::from(MIB));
    holds.remove(second);
    assert!(holds.add(hold(&["back"], 0, HOUR), rows.iter(), budget).unwrap() > second, "no id comes twice");
}

#[test]
fn an_incident_of_several_cameras_survives_its_file() {
    let rows = rows();
    let mut holds = Holds::default();
    holds.add(hold(&["front", "back", "front"], 0, HOUR), rows.iter(), u64::MAX).unwrap();
    let bytes = postcard::to_allocvec(holds.list()).unwrap();
    let mut again = Holds::default();
    again.set(postcard::from_bytes(&bytes).unwrap());
    assert_eq!(again, holds);
    assert_eq!(again.list()[0].cameras.len(), 2);
}

#[test]
fn refuses_by_name_and_with_the_mend() {
    let rows = rows();
    let mut holds = Holds::default();
    let mut refused = |hold: Hold, budget: u64| {
        let words = holds.add(hold, rows.iter(), budget).unwrap_err().to_string();
        assert_eq!(holds.list(), []);
        words
    };
    let all = u64::MAX;
    assert!(refused(hold(&[], 5, 5), all).contains("is empty"));
    assert!(refused(hold(&[], 9, 5), all).contains("a begin before the end"));
    assert!(refused(hold(&[], 0, 40 * DAY), all).contains("40 days is too long"));
    let (mut long, mut fits) = (hold(&[], 0, 1), hold(&[], 0, 1));
    (long.note, fits.note) = ("é".repeat(201), "é".repeat(200));
    assert!(refused(long, all).contains("201 characters: at most 200"));
    assert!(
        refused(hold(&["front", "back"], 5 * HOUR, 6 * HOUR), all).contains("no footage of camera \"back\"")
    );
    assert!(refused(hold(&["attic"], 0, HOUR), all).contains("no footage of camera \"attic\""));
    assert!(refused(hold(&[], 20 * HOUR, 21 * HOUR), all).contains("no footage of any camera"));
    assert!(refused(hold(&[], 90 * DAY, 101 * DAY), all).contains("hold more later"));
    assert_eq!(
        refused(hold(&[], 0, 10 * HOUR), 5 << 20),
        "this hold would take 14 MB, and of the 5.2 MB for held footage 5.2 MB are left: shorten it, let another go or raise the budget"
    );
    holds.add(fits, rows.iter(), 2 << 20).unwrap();
    let over = holds.add(hold(&["front"], 2 * HOUR, 3 * HOUR), rows.iter(), 2 << 20);
    assert_eq!(over, Err(HoldError::OverBudget { needs: 1 << 20, left: 0, budget: 2 << 20 }));
    holds.add(hold(&["front"], 0, 2), rows.iter(), 2 << 20).expect("that is held already");
    while holds.list().len() < MAX_HOLDS {
        holds.add(hold(&["front"], 0, 2), rows.iter(), 2 << 20).unwrap();
    }
    assert_eq!(holds.add(hold(&["front"], 0, 2), rows.iter(), all), Err(HoldError::TooMany));
}

#[test]
fn a_clock_that_is_ahead_cuts_a_hold_at_now() {
    let mut holds = Holds::default();
    let asked = Hold { made: Wall(HOUR), ..hold(&["front"], 0, HOUR + HOUR / 2) };
    holds.add(asked, rows().iter(), u64::MAX).unwrap();
    assert_eq!(holds.list()[0].to, Wall(HOUR));
}
