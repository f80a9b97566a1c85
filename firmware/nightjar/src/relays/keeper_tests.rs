//! Starts, crashes, stalls and changes of the configuration on a virtual clock: every electrical edge must have been asked for.

use super::*;
use crate::relays::{InputPlan, OutputPlan};
use crate::seed::Seed;
use nightjar_board::Pull;
use nightjar_board::driver::sim;
use nightjar_rules::{Answer, Ask, LEASE_US, Limits, OutputIx};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const S: u64 = 1_000_000;
/// Lines of the bench that these tests have.
const LINES: [u32; 3] = [10, 11, 12];
const KEY: u32 = 13;

/// The bench is one for the whole process: these tests take turns.
fn bench() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at(us: u64) -> Now {
    Now { mono: Micros(us), wall: Wall(1_795_000_000_000_000 + us as i64) }
}

fn plan(dir: &std::path::Path, outputs: &[(bool, Limits)]) -> Plan {
    let output = |(n, (active_low, limits)): (usize, &(bool, Limits))| OutputPlan {
        id: format!("out{n}"),
        line: format!("sim:{}", LINES[n]),
        active_low: *active_low,
        limits: *limits,
    };
    let (id, line) = ("key".into(), format!("sim:{KEY}"));
    Plan {
        board: "sim".into(),
        outputs: outputs.iter().enumerate().map(output).collect(),
        apart: Vec::new(),
        inputs: vec![InputPlan { id, line, active_low: false, pull: Pull::None, settle_us: 50_000 }],
        rules: vec!["night".into(), "day".into()],
        note: dir.join("relays.json"),
    }
}

fn moves(keeper: &mut Keeper) -> Vec<(bool, Cause)> {
    let said = keeper.said().into_iter();
    said.filter_map(|s| if let FromKeeper::Moved(m) = s { Some((m.on, m.cause)) } else { None }).collect()
}

fn hold(output: u8) -> ToKeeper {
    ToKeeper::Ask(Ask::Hold { output: OutputIx(output), rule: 0 })
}

#[test]
fn a_silent_recorder_loses_its_relays_and_finds_a_note() {
    let (_turn, dir) = (bench(), tempfile::tempdir().unwrap());
    let plan = plan(dir.path(), &[(true, Limits::default())]);
    let note = plan.note.clone();
    let mut keeper = Keeper::open(plan).unwrap();
    let probe = sim::probe(LINES[0]).unwrap();
    assert!(probe.is_high(), "off");
    keeper.take(hold(0), at(0));
    assert_eq!((moves(&mut keeper), probe.is_high()), (vec![(true, Cause::Rule(0))], false));
    keeper.take(ToKeeper::Heard(1), at(5));
    assert_eq!(keeper.next_deadline(), Some(Micros(LEASE_US)));
    keeper.tick(at(LEASE_US));
    assert_eq!((moves(&mut keeper), probe.is_high()), (vec![(false, Cause::Stalled)], true));
    let text = std::fs::read_to_string(&note).unwrap();
    assert!(text.contains("did not answer for 6 s") && text.contains("out0"), "{text}");
    keeper.take(ToKeeper::Heard(2), at(60 * S));
    assert!(!note.exists(), "heard after all");
}

#[test]
fn a_recorder_that_is_gone_leaves_everything_safe_and_its_successor_reads_why() {
    let (_turn, dir) = (bench(), tempfile::tempdir().unwrap());
    let mut keeper = Keeper::open(plan(dir.path(), &[(false, Limits::default())])).unwrap();
    keeper.take(hold(0), at(0));
    keeper.take(ToKeeper::Heard(1), at(1));
    keeper.gone(at(7));
    assert!(!sim::probe(LINES[0]).unwrap().is_high());
    drop(keeper);
    let audit = nightjar_api::Audit::open(dir.path(), std::sync::Arc::new(nightjar_io::clock::wall)).unwrap();
    assert_eq!(note::take(dir.path(), &audit).len(), 1);
    let lines: Vec<String> = audit.newest(9).into_iter().map(|l| l.what).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("output out0 off at 2026-") && lines[0].ends_with("ended without a word"),
        "{lines:?}"
    );
    assert_eq!((note::take(dir.path(), &audit).len(), audit.newest(9).len()), (0, 1), "once");
}

#[test]
fn an_input_settles_and_what_nobody_heard_is_told_as_a_level() {
    let (_turn, dir) = (bench(), tempfile::tempdir().unwrap());
    let mut keeper = Keeper::open(plan(dir.path(), &[])).unwrap();
    let probe = sim::probe(KEY).unwrap();
    let inputs = |keeper: &mut Keeper| -> Vec<(bool, bool)> {
        let said = keeper.said().into_iter();
        said.filter_map(|s| if let FromKeeper::Input(e) = s { Some((e.active, e.is_edge)) } else { None })
            .collect()
    };
    keeper.take(ToKeeper::Beat, at(0));
    assert_eq!(inputs(&mut keeper), [(false, false)]);
    let press = |keeper: &mut Keeper, us: u64, high: bool| {
        probe.drive(high).unwrap();
        keeper.look(at(us));
    };
    press(&mut keeper, 100_000, true);
    press(&mut keeper, 110_000, false);
    press(&mut keeper, 120_000, true);
    assert_eq!((inputs(&mut keeper), keeper.next_deadline()), (vec![], Some(Micros(170_000))));
    keeper.tick(at(170_000));
    assert_eq!(inputs(&mut keeper), [(true, true)]);
    keeper.tick(at(10 * S));
    press(&mut keeper, 11 * S, false);
    keeper.tick(at(12 * S));
    assert_eq!(inputs(&mut keeper), [], "nobody lives");
    keeper.take(ToKeeper::Beat, at(20 * S));
    assert_eq!(inputs(&mut keeper), [(false, false)]);
}

/// What a relay may do by what was asked: worked out here by other means than in the rules.
#[derive(Default, Clone, Copy)]
struct Wish {
    pulse_until: u64,
    is_held: bool,
}

/// A bench on which one recorder after another lives, and what its relays did.
struct World {
    dir: tempfile::TempDir,
    seed: Seed,
    now: u64,
    heard: Option<u64>,
    shapes: Vec<(bool, Limits)>,
    keeper: Option<Keeper>,
    wishes: Vec<Wish>,
    /// Levels that were last seen on the wires.
    seen: Vec<bool>,
    unintended: Vec<String>,
    edges: u64,
    stories: HashMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            seed: Seed(seed),
            now: S,
            heard: None,
            shapes: Vec::new(),
            keeper: None,
            wishes: Vec::new(),
            seen: Vec::new(),
            unintended: Vec::new(),
            edges: 0,
            stories: HashMap::new(),
        };
        world.change_config();
        world
    }

    fn safe_level(&self, n: usize) -> bool {
        let (active_low, limits) = self.shapes[n];
        limits.safe_on != active_low
    }

    /// Another wiring and other limits, then a start.
    fn change_config(&mut self) {
        let seed = &mut self.seed;
        self.shapes = (0..LINES.len())
            .map(|_| {
                let limits = Limits {
                    safe_on: seed.below(4) == 0,
                    max_on_us: (seed.below(2) == 0).then(|| (1 + seed.below(20)) * S),
                    min_off_us: seed.below(3) * S / 2,
                    cooldown_us: seed.below(3) * S,
                };
                (seed.below(2) == 0, limits)
            })
            .collect();
        self.start();
    }

    fn start(&mut self) {
        self.keeper = Some(Keeper::open(plan(self.dir.path(), &self.shapes)).unwrap());
        self.heard = None;
        self.wishes = vec![Wish::default(); LINES.len()];
        self.seen = (0..LINES.len()).map(|n| self.safe_level(n)).collect();
        for (n, line) in LINES.iter().enumerate() {
            let probe = sim::probe(*line).unwrap();
            if probe.is_high() != self.safe_level(n) || probe.moved() != 0 {
                self.unintended.push(format!("line {n} was not opened at its safe level"));
            }
        }
    }

    /// Ends the keeper the way it was told to and looks at what it left.
    fn end(&mut self, how: &'static str) {
        let mut keeper = self.keeper.take().unwrap();
        match how {
            "stop" => keeper.take(ToKeeper::Stop, at(self.now)),
            _ => keeper.gone(at(self.now)),
        }
        self.watch(&format!("at {how}"));
        for (n, line) in LINES.iter().enumerate() {
            if sim::probe(*line).unwrap().is_high() != self.safe_level(n) {
                self.unintended.push(format!("line {n} is not safe after {how}"));
            }
        }
    }

    /// Judges every new level on the wires.
    fn watch(&mut self, when: &str) {
        for (n, line) in LINES.iter().enumerate() {
            let high = sim::probe(*line).unwrap().is_high();
            if high == self.seen[n] {
                continue;
            }
            self.seen[n] = high;
            self.edges += 1;
            let wish = self.wishes[n];
            let is_wanted = wish.is_held || self.now < wish.pulse_until;
            let lives = self.heard.is_some_and(|at| self.now < at + LEASE_US);
            if high != self.safe_level(n) && !(is_wanted && lives) {
                self.unintended.push(format!("line {n} left its safe level {when} at {} unasked", self.now));
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let n = usize::from(ask.output().0);
        let min_off = self.shapes[n].1.min_off_us;
        let before = self.wishes[n];
        match ask {
            // One that must wait for its rest runs in full after it.
            Ask::Pulse { us, .. } | Ask::Test { us, .. } => {
                self.wishes[n].pulse_until = before.pulse_until.max(self.now + us + min_off);
            }
            Ask::Hold { .. } | Ask::Latch { .. } => self.wishes[n].is_held = true,
            _ => {}
        }
        self.heard = Some(self.now);
        let keeper = self.keeper.as_mut().unwrap();
        keeper.take(ToKeeper::Ask(ask), at(self.now));
        let refused = keeper.said().into_iter().any(|s| {
            matches!(
                s,
                FromKeeper::Answered(_, Answer::Busy | Answer::Refused | Answer::Cools(_) | Answer::Apart(_))
            )
        });
        if refused {
            self.wishes[n] = before;
        }
        self.watch("on a request");
        match ask {
            Ask::Release { .. } | Ask::Unlatch { .. } => self.wishes[n].is_held = false,
            Ask::Off { .. } => self.wishes[n] = Wish::default(),
            _ => {}
        }
    }

    /// Lets time pass, at each deadline as the process would, sometimes late as on a busy board.
    fn pass(&mut self, us: u64) {
        let end = self.now + us;
        loop {
            let due = self.keeper.as_ref().unwrap().next_deadline().map(|at| at.0).filter(|at| *at <= end);
            let Some(due) = due else { break };
            self.now = due.max(self.now + 1) + self.seed.below(2) * self.seed.below(3_000);
            self.keeper.as_mut().unwrap().tick(at(self.now));
            self.watch("by itself");
            let silent = self.heard.is_none_or(|at| self.now >= at + LEASE_US + 6_000);
            for n in (0..LINES.len()).filter(|_| silent) {
                if self.seen[n] != self.safe_level(n) {
                    self.unintended.push(format!("line {n} is on and nobody lives"));
                }
            }
        }
        self.now = self.now.max(end);
    }

    fn step(&mut self) {
        let output = OutputIx(self.seed.below(LINES.len() as u64) as u8);
        let us = (1 + self.seed.below(80)) * S / 10;
        let story = match self.seed.below(100) {
            0..20 => {
                self.ask(Ask::Pulse { output, rule: 0, us });
                "pulse"
            }
            20..32 => {
                self.ask(Ask::Hold { output, rule: 1 });
                "hold"
            }
            32..44 => {
                self.ask(Ask::Release { output, rule: 1 });
                "release"
            }
            44..50 => {
                self.ask(Ask::Test { output, us: us.min(S) });
                "test"
            }
            50..54 => {
                self.ask(Ask::Off { output });
                "off"
            }
            54..84 => {
                for _ in 0..self.seed.below(8) {
                    self.keeper.as_mut().unwrap().take(ToKeeper::Beat, at(self.now));
                    self.heard = Some(self.now);
                    self.pass(S);
                }
                "life"
            }
            84..90 => {
                self.pass(LEASE_US + us);
                // what was asked before the silence is forgotten
                self.wishes = vec![Wish::default(); LINES.len()];
                "stall"
            }
            90..94 => {
                self.end("crash");
                self.start();
                "crash"
            }
            94..97 => {
                self.end("stop");
                self.start();
                "stop"
            }
            _ => {
                self.end("stop");
                self.change_config();
                "config"
            }
        };
        *self.stories.entry(story).or_default() += 1;
    }
}

#[test]
fn in_a_thousand_seeded_lives_no_relay_moves_unasked() {
    let _turn = bench();
    let (mut edges, mut stories): (u64, HashMap<&str, u64>) = (0, HashMap::new());
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        (0..60).for_each(|_| world.step());
        world.end("crash");
        assert!(world.unintended.is_empty(), "seed {seed}: {:?}", world.unintended);
        edges += world.edges;
        world.stories.iter().for_each(|(story, n)| *stories.entry(story).or_default() += n);
    }
    println!("{edges} edges, all of them asked for; {stories:?}");
    assert!(
        edges > 10_000 && ["stall", "crash", "config"].iter().all(|s| stories[s] > 1_000),
        "{edges} {stories:?}"
    );
}
