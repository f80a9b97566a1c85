//! Anything in any order, checked against the rules told plainly.

use super::*;
use crate::retention::DEFAULT_AGE;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// A stream ends its slab and takes one of 1 MiB shifted by this.
    Next {
        stream: usize,
        shift: u32,
        seconds: i64,
        flags: u16,
    },
    Pin {
        nth: usize,
    },
    Unpin {
        nth: usize,
    },
    Hold {
        camera: usize,
        back_s: i64,
        for_s: i64,
    },
    Release {
        nth: usize,
    },
    Mark {
        camera: usize,
        back_s: i64,
        flags: u16,
    },
    Expire,
    Thin,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4_usize, 0..4_u32, 1..20_000_i64, 0..8_u16)
            .prop_map(|(stream, shift, seconds, flags)| Step::Next { stream, shift, seconds, flags }),
        1 => (0..40_usize).prop_map(|nth| Step::Pin { nth }),
        1 => (0..40_usize).prop_map(|nth| Step::Unpin { nth }),
        1 => (0..3_usize, 0..200_000_i64, 1..50_000_i64)
            .prop_map(|(camera, back_s, for_s)| Step::Hold { camera, back_s, for_s }),
        1 => (0..5_usize).prop_map(|nth| Step::Release { nth }),
        1 => (0..2_usize, 0..50_000_i64, 0..8_u16)
            .prop_map(|(camera, back_s, flags)| Step::Mark { camera, back_s, flags }),
        1 => Just(Step::Expire),
        1 => Just(Step::Thin),
    ]
}

#[derive(Default)]
struct Chaos {
    catalog: Catalog,
    now: i64,
    open: [Option<(u64, i64)>; 4],
    pins: Vec<u64>,
    number: u64,
}

fn id(n: usize) -> StreamId {
    let kind = if n.is_multiple_of(2) { StreamKind::Main } else { StreamKind::Sub };
    (Name::new(["a", "b"][n / 2]).unwrap(), kind)
}

fn keep(stream: &StreamId) -> Keep {
    let few = Limit { age: None, bytes: Some(9 * u64::from(MIB)) };
    match stream.0.as_str() {
        "a" => Keep { continuous: days(1), event: days(3), sub: few, ..Keep::default() },
        _ => Keep { motion: Limit { bytes: few.bytes, ..days(2) }, ..Keep::default() },
    }
}

/// The share of its age that a row has used up.
fn share(row: &SlabRow, now: i64) -> f64 {
    let age = row.tier().limit(&keep(&row.stream)).age.unwrap_or(DEFAULT_AGE);
    row.end().map_or(f64::INFINITY, |end| (now - end.0) as f64 / age.as_micros() as f64)
}

impl Chaos {
    fn free(&mut self, len: u32) {
        self.catalog.insert_free(self.number, len);
        self.number += 1;
    }

    fn may_go(&self, row: &SlabRow) -> bool {
        row.is_sealed && !self.pins.contains(&row.generation) && !self.catalog.holds().covers(row)
    }

    fn nth(&self, nth: usize) -> Option<u64> {
        let count = self.catalog.rows().count().max(1);
        self.catalog.rows().nth(nth % count).map(|r| r.generation)
    }

    fn next(&mut self, n: usize, len: u32, seconds: i64, flags: Flags) {
        if let Some((generation, since)) = self.open[n].take() {
            self.now += seconds * 1_000_000;
            self.catalog.appended(generation, Wall(since), Wall(self.now), 1, flags);
            self.catalog.seal(generation);
        }
        let before = self.catalog.clone();
        let (bytes, free) = (before.bytes(), before.free());
        let going: Vec<&SlabRow> = before.rows().filter(|r| self.may_go(r)).collect();
        let take = self.catalog.take(len, Wall(self.now), &keep);
        self.catalog.check_invariants();
        let first = going
            .iter()
            .filter(|r| r.len == len)
            .max_by(|a, b| share(a, self.now).total_cmp(&share(b, self.now)));
        match take {
            None => {
                assert!(first.is_none(), "one of its size may go");
                let rest = going.iter().map(|r| u64::from(r.len)).sum::<u64>();
                let waiting = before.free_slabs().iter().map(|f| u64::from(f.1)).sum::<u64>();
                assert!(rest + waiting < u64::from(len));
                return;
            }
            Some(Take::Free { len: took, .. }) => {
                assert_eq!((took, self.catalog.free() + 1), (len, free));
                assert_eq!(self.catalog.bytes() + u64::from(len), bytes);
            }
            Some(Take::Recycle(row)) => {
                assert!(self.may_go(&row), "{row:?} must stay");
                assert_eq!((row.len, self.catalog.bytes() + u64::from(len)), (len, bytes));
                assert!(first.is_some_and(|f| share(f, self.now) == share(&row, self.now)));
                assert!(!before.free_slabs().iter().any(|f| f.1 == len), "one waits");
            }
            Some(Take::Exchange(e)) => {
                assert!(e.rows.iter().all(|r| self.may_go(r) && r.len != len));
                assert_eq!((e.len, e.bytes() % u64::from(len)), (len, 0));
                assert!(
                    e.bytes() == u64::from(len) || e.rows.len() + e.free.len() == 1,
                    "no more than needed"
                );
                assert_eq!(self.catalog.bytes() + e.bytes(), bytes);
                if let (Some(own), false) = (first, e.rows.is_empty()) {
                    let least = e.rows.iter().map(|r| share(r, self.now)).min_by(f64::total_cmp).unwrap();
                    assert!(least > share(own, self.now), "what is given up goes before what is spared");
                }
                (1..e.slabs()).for_each(|_| self.free(len));
            }
        }
        let generation = self.catalog.fresh_generation();
        let mut row = row(generation, &id(n), 0, 0);
        (row.len, row.used, row.is_sealed) = (len, 0, false);
        row.spans.clear();
        self.catalog.insert(row);
        self.open[n] = Some((generation, self.now));
        assert_eq!(self.catalog.bytes(), bytes);
    }

    fn expire(&mut self) {
        let expired = self.catalog.expired(Wall(self.now), &keep);
        for (generation, why) in expired {
            let weighs = self.weighs(generation);
            let row = self.catalog.remove(generation).unwrap();
            assert!(self.may_go(&row));
            match why {
                Why::Age { limit } => assert!(self.now - row.end().unwrap().0 > limit.as_micros() as i64),
                Why::Bytes { limit } => assert!(weighs > limit, "{weighs} bytes are not more than {limit}"),
                Why::Thinned => panic!("thinning is not a limit"),
            }
            self.free(row.len);
        }
        for row in self.catalog.rows().filter(|r| self.may_go(r)) {
            let limit = row.tier().limit(&keep(&row.stream));
            assert!(limit.age.is_none_or(|age| self.now - row.end().unwrap().0 <= age.as_micros() as i64));
            assert!(limit.bytes.is_none_or(|bytes| self.weighs(row.generation) <= bytes));
        }
        assert_eq!(self.catalog.expired(Wall(self.now), &keep), []);
    }

    /// Bytes of a row's stream and tier that count.
    fn weighs(&self, generation: u64) -> u64 {
        let of = self.catalog.get(generation).unwrap();
        let rows = self.catalog.rows().filter(|r| (&r.stream, r.tier()) == (&of.stream, of.tier()));
        rows.filter(|r| !self.catalog.holds().covers(r)).map(|r| u64::from(r.len)).sum()
    }

    fn thin(&mut self) {
        let thin = |stream: &StreamId| {
            let to = if stream.0.as_str() == "a" { ThinTo::KeyFrames } else { ThinTo::Sub };
            Keep { thin: Some(Thin { after: Duration::from_secs(3_600), to }), ..Keep::default() }
        };
        let Some(job) = self.catalog.thinnable(Wall(self.now), &thin).into_iter().next() else { return };
        match job {
            ThinJob::Delete { generation } => {
                let row = self.catalog.remove(generation).unwrap();
                assert!(self.may_go(&row) && row.stream == id(2));
                self.free(row.len);
            }
            ThinJob::Rewrite { stream, generations, len } => {
                let rows: Vec<SlabRow> =
                    generations.iter().map(|g| self.catalog.get(*g).unwrap().clone()).collect();
                assert!(
                    rows.iter().all(|r| self.may_go(r) && !r.is_thin && r.len == len && r.stream == stream)
                );
                let mut thin = rows[0].clone();
                thin.generation = self.catalog.fresh_generation();
                thin.spans = rows.iter().flat_map(|r| r.spans.clone()).collect();
                thin.is_thin = true;
                assert_eq!(self.catalog.replace(&generations, thin), Some(rows));
                (1..generations.len()).for_each(|_| self.free(len));
            }
        }
    }

    fn run(&mut self, step: Step) {
        let marks = |bits: u16| Flags(bits);
        match step {
            Step::Next { stream, shift, seconds, flags } => {
                self.next(stream, MIB << shift, seconds, marks(flags));
            }
            Step::Pin { nth } => {
                if let Some(generation) = self.nth(nth) {
                    assert!(self.catalog.pin(generation));
                    self.pins.push(generation);
                }
            }
            Step::Unpin { nth } => {
                if !self.pins.is_empty() {
                    let generation = self.pins.swap_remove(nth % self.pins.len());
                    self.catalog.unpin(generation);
                }
            }
            Step::Hold { camera, back_s, for_s } => {
                let from = Wall(self.now - back_s * 1_000_000);
                let cameras = if camera < 2 { vec![id(camera * 2).0] } else { vec![] };
                let to = from.plus_micros(for_s * 1_000_000);
                let (note, by) = (String::new(), String::new());
                let hold = Hold { id: 0, cameras, from, to, note, by, made: Wall(self.now) };
                let mut holds = self.catalog.holds().clone();
                // what an open slab wrote last may come to the catalog later, and fall under a hold then
                let budget = (self.catalog.bytes() / 3).max(holds.bytes(self.catalog.rows()));
                if holds.add(hold, self.catalog.rows(), budget).is_ok() {
                    assert!(holds.bytes(self.catalog.rows()) <= budget);
                    self.catalog.set_holds(holds.list().to_vec());
                }
            }
            Step::Release { nth } => {
                let mut holds = self.catalog.holds().clone();
                if let Some(hold) = holds.list().get(nth) {
                    holds.remove(hold.id).unwrap();
                    self.catalog.set_holds(holds.list().to_vec());
                }
            }
            Step::Mark { camera, back_s, flags } => {
                let from = Wall(self.now - back_s * 1_000_000);
                let changed = self.catalog.mark(&id(camera * 2).0, from, Wall(self.now), marks(flags));
                assert!(changed.iter().all(|g| self.catalog.get(*g).unwrap().overlaps(from, Wall(self.now))));
            }
            Step::Expire => self.expire(),
            Step::Thin => self.thin(),
        }
        self.catalog.check_invariants();
    }
}

proptest! {
    #[test]
    fn the_catalog_keeps_its_rules_whatever_comes(
        waiting in proptest::collection::vec(0..5_u32, 5..30),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut chaos = Chaos::default();
        for shift in waiting {
            chaos.free(MIB << shift);
        }
        let bytes = chaos.catalog.bytes();
        for step in steps {
            chaos.run(step);
            prop_assert_eq!(chaos.catalog.bytes(), bytes);
        }
    }
}
