//! A recorder on a virtual clock writes a journal; rehearsed with its own rules it moves exactly as it did.

use super::*;
use crate::relays::words;
use crate::seed::Seed;
use nightjar_rules::{CameraIx, Cause, ClassId};

const S: u64 = 1_000_000;

const CONFIG: &str = r#"
    [device]
    timezone = "CET-1CEST,M3.5.0,M10.5.0/3"
    [[camera]]
    id = "front"
    main = "synthetic:"
    [[input]]
    id = "door"
    line = "sim:4"
    [[output]]
    id = "siren"
    line = "sim:1"
    cooldown = "20s"
    [[output]]
    id = "lamp"
    line = "sim:2"
    max_on = "90s"
"#;

const RULES: &str = r#"
    [[rule]]
    id = "person"
    when = { class = "person", dwell = "2s", score = 0.6, armed = true }
    do = { pulse = "siren", for = "5s" }
    [[rule]]
    id = "car"
    when = { class = "car" }
    do = { hold = "lamp", linger = "3s" }
    cooldown = "0s"
    [[rule]]
    id = "door"
    when = { input = "door", dwell = "10s", during = "20:00-06:00" }
    do = { latch = "lamp" }
"#;

fn config(rules: &str) -> Config {
    Config::from_toml(&format!("{CONFIG}{rules}"), "config").unwrap()
}

/// A recorder that goes round every second or when something comes, some milliseconds late, as `stage.rs` does.
struct Recorder {
    names: Names,
    book: Box<RuleBook<RULES_OF_BOOK, WATCHES>>,
    bank: Bank<MAX_RELAYS>,
    local: LocalTime,
    is_armed: bool,
    start: Wall,
    now: u64,
    journal: Vec<Record>,
}

const RULES_OF_BOOK: usize = super::RULES;

impl Recorder {
    fn new(start: &str) -> Self {
        let config = config(RULES);
        let Compiled { names, book, .. } = compile(&config).unwrap();
        let local = LocalTime::of(&config).unwrap();
        let (bank, start) = (outputs::bank(&config).unwrap(), local.moment(start).unwrap());
        let mut recorder =
            Self { names, book, bank, local, is_armed: false, start, now: 5 * S, journal: vec![] };
        recorder.note(What::Began { armed: false });
        recorder
    }

    fn note(&mut self, what: What) {
        let wall = self.start.plus_micros(self.now as i64);
        self.journal.push(Record { mono: Mono(self.now), wall, what });
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            if let Some(ask) = outputs::ask_of(&order) {
                self.bank.ask(ask, Micros(self.now));
            }
        }
        while let Some((output, step)) = self.bank.tick(Micros(self.now)) {
            let output = self.names.outputs[usize::from(output.0)].to_string();
            let cause = words(step.cause, |n| format!("rule {n}"));
            self.note(What::Moved { output, on: step.on, cause });
        }
    }

    fn round(&mut self) {
        self.bank.hear(Micros(self.now));
        let minute = self.local.minute_of_week(self.start.plus_micros(self.now as i64));
        self.book.set_present(Present { is_armed: self.is_armed, minute });
        let mut orders = Vec::new();
        self.book.tick(Micros(self.now), &mut |o| orders.push(o));
        self.obey(orders);
    }

    fn pass(&mut self, us: u64, late: &mut Seed) {
        let end = self.now + us;
        while self.now < end {
            let due = [self.book.next_deadline(), self.bank.next_deadline()].into_iter().flatten().min();
            let due = due.map_or(end, |at| at.0.max(self.now + 1)).min(self.now + S).min(end);
            self.now = due + late.below(3_000);
            self.round();
        }
    }

    fn see(&mut self, class: &str, track: u32, score: u16) {
        self.round();
        let thing = SeenThing { class: class.into(), track, score, bbox: [4_000, 4_000, 1_000, 2_000] };
        self.note(What::Seen { camera: "front".into(), things: vec![thing] });
        let bbox = BBox { x: 4_000, y: 4_000, w: 1_000, h: 2_000 };
        let class: ClassId = self.names.class(class).unwrap();
        let thing = Thing::new(track, class, Score::from_thousandths(score), bbox);
        let mut orders = Vec::new();
        self.book.observe(CameraIx(0), Micros(self.now), &[thing], &mut |o| orders.push(o));
        self.obey(orders);
    }

    fn door(&mut self, active: bool) {
        self.round();
        self.note(What::Input { input: "door".into(), active, is_edge: true });
        let mut orders = Vec::new();
        self.book.sense(InputIx(0), active, true, Micros(self.now), &mut |o| orders.push(o));
        self.obey(orders);
    }

    fn arm(&mut self, armed: bool) {
        self.is_armed = armed;
        self.note(What::Armed(armed));
        self.round();
    }
}

/// A day with visits, doors and arming.
fn day(seed: u64) -> Recorder {
    let mut seed = Seed(seed);
    let mut recorder = Recorder::new("2026-11-20 12:00");
    for track in 0..150 {
        match seed.below(10) {
            0 => recorder.arm(seed.0.is_multiple_of(2)),
            1 => {
                let open = seed.below(2) == 0;
                recorder.door(open);
            }
            _ => {
                let class = ["person", "car", "dog"][seed.below(3) as usize];
                for _ in 0..seed.below(60) {
                    recorder.see(class, track, 400 + seed.below(500) as u16);
                    recorder.pass(S / 10 + seed.below(S / 5), &mut Seed(seed.0));
                }
            }
        }
        recorder.pass(seed.below(1_000) * S, &mut Seed(seed.0));
    }
    recorder
}

fn rehearsed(recorder: &Recorder, rules: &str) -> Vec<(Fate, Edge)> {
    let config = config(rules);
    let local = LocalTime::of(&config).unwrap();
    let to = recorder.start.plus_micros(recorder.now as i64);
    let (did, would) = rehearse(&config, local, recorder.journal.iter().cloned(), to).unwrap();
    compare(did, would)
}

#[test]
fn the_same_rules_move_exactly_what_moved() {
    for seed in 0..8 {
        let recorder = day(seed);
        let told = rehearsed(&recorder, RULES);
        let other: Vec<_> = told.iter().filter(|(fate, _)| *fate != Fate::Same).collect();
        assert!(other.is_empty(), "seed {seed}: {other:#?} of {}", told.len());
        assert!(told.len() > 20, "seed {seed}: {} moves", told.len());
    }
}

#[test]
fn other_rules_show_what_is_new_and_what_is_no_more() {
    let recorder = day(3);
    let told = rehearsed(&recorder, &RULES.replace("class = \"car\"", "class = \"dog\""));
    let count = |wanted: Fate| told.iter().filter(|(fate, _)| *fate == wanted).count();
    assert!(count(Fate::Same) > 0 && count(Fate::New) > 0 && count(Fate::Gone) > 0, "{told:?}");
    let new = told.iter().find(|(fate, _)| *fate == Fate::New).unwrap();
    assert!(new.1.output == "lamp" && new.1.cause.contains("rule car: dog on front"), "{new:?}");
    let none = rehearsed(&recorder, "");
    assert!(none.iter().all(|(fate, _)| *fate == Fate::Gone));
    let dry = rehearsed(&recorder, &RULES.replace("    id =", "    dry_run = true\n    id ="));
    assert!(dry.iter().all(|(fate, _)| *fate == Fate::Gone), "a dry run moves nothing");
}

#[test]
fn a_stall_shows_as_what_it_was() {
    let mut recorder = day(1);
    recorder.note(What::Moved {
        output: "siren".into(),
        on: false,
        cause: words(Cause::Stalled, |_| String::new()),
    });
    let told = rehearsed(&recorder, RULES);
    let gone: Vec<_> = told.iter().filter(|(fate, _)| *fate == Fate::Gone).collect();
    assert!(gone.len() == 1 && gone[0].1.cause.contains("did not answer"), "{gone:?}");
}
