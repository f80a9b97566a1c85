//! `nightjar rules rehearse`: other rules, and the journal of what was seen and heard → which relays would have moved, and when,
//! beside those that did. The same rule book and the same relay timing as in the recorder, on the journal's clock.

use crate::arming::LocalTime;
use crate::compile::{Compiled, RULES, WATCHES, compile};
use crate::journal::{self, Person, Record, SeenThing, What};
use crate::names::Names;
use crate::{load, outputs, own, relays};
use anyhow::{Context, bail};
use nightjar_io::clock;
use nightjar_rules::{
    Ask, BBox, Bank, InputIx, MAX_RELAYS, Micros, Order, Present, RuleBook, Score, Thing, What as Does,
};
use nightjar_types::config::Config;
use nightjar_types::{Mono, Wall};
use std::path::Path;

/// Before the first moment that is asked for the rules are run in for so long: who stood there then has stood there.
const RUN_IN_US: i64 = 3_600_000_000;
/// A move that did and one that would happen are the same when they are no further apart: the recorder may have been late.
const SAME_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60_000_000;

/// One move of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) at: Wall,
    pub(crate) output: String,
    pub(crate) on: bool,
    pub(crate) cause: String,
}

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It did happen and would again.
    Same,
    /// It would happen.
    New,
    /// It did happen and would not any more.
    Gone,
}

impl Fate {
    /// As the page calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// Reads the journal of `config`'s recorder, runs the rules of `rules` over it and prints what they would have done.
pub(crate) fn run(config: &Path, rules: &Path, from: Option<&str>, to: Option<&str>) -> anyhow::Result<()> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
    };
    let others = (read(rules)?, rules.display().to_string());
    let new = own::with_rules(&read(config)?, &config.display().to_string(), Some((&others.0, &others.1)))?;
    let local = LocalTime::of(&new)?;
    let moment = |text: &str| local.moment(text);
    let to = to.map(moment).transpose()?.unwrap_or_else(clock::wall);
    let from = from.map(moment).transpose()?.unwrap_or(to.plus_micros(-24 * 60 * MINUTE_US));
    if from >= to {
        bail!("--from must be before --to");
    }
    let begun = clock::mono();
    let state_dir = load::state_dir(&new);
    if !journal::is_there(&state_dir) {
        bail!(
            "there is no journal in {}: the recorder keeps one while it has a rule, an input or an output; with a rule that only tells \
             something, or one with dry_run = true, it keeps one and moves nothing",
            state_dir.display()
        );
    }
    let told = told(&new, local, journal::read(&state_dir), from, to)?;
    let count = |fate| told.iter().filter(|(f, _)| *f == fate).count();
    for (fate, edge) in &told {
        let level = if edge.on { "on" } else { "off" };
        let fate = match fate {
            Fate::Same => "as it was",
            Fate::New => "NEW",
            Fate::Gone => "NO MORE",
        };
        println!("{}  {} {level}  {fate}: {}", edge.at, edge.output, edge.cause);
    }
    let took = clock::mono().since(begun).as_secs_f64().max(1e-6);
    println!(
        "{} to {}: {} moves as they were, {} new, {} no more; {:.0} times as fast as it happened",
        from,
        to,
        count(Fate::Same),
        count(Fate::New),
        count(Fate::Gone),
        to.micros_since(from) as f64 / 1e6 / took
    );
    Ok(())
}

/// What became of every move between two moments under the rules of `config`.
pub(crate) fn told(
    config: &Config,
    local: LocalTime,
    records: impl Iterator<Item = Record>,
    from: Wall,
    to: Wall,
) -> anyhow::Result<Vec<(Fate, Edge)>> {
    let records = records.filter(|r| r.wall.0 >= from.0 - RUN_IN_US && r.wall < to);
    let (did, would) = rehearse(config, local, records, to)?;
    let within = |edge: &Edge| edge.at >= from && edge.at < to;
    let [did, would] = [did, would].map(|edges| edges.into_iter().filter(within).collect::<Vec<_>>());
    Ok(compare(did, would))
}

/// Moves that did happen by the records, and those that would happen by the rules of `config` until `to`.
pub(crate) fn rehearse(
    config: &Config,
    local: LocalTime,
    records: impl Iterator<Item = Record>,
    to: Wall,
) -> anyhow::Result<(Vec<Edge>, Vec<Edge>)> {
    let mut stand_in = StandIn::new(config, local)?;
    let mut did = Vec::new();
    for Record { mono, wall, what } in records {
        match what {
            What::Began { armed } => stand_in.begin(mono, wall, armed)?,
            What::Ended => {
                stand_in.pass(mono, wall);
                stand_in.end();
            }
            What::Moved { output, on, cause } => {
                stand_in.pass_until(wall);
                did.push(Edge { at: wall, output, on, cause });
            }
            What::Seen { camera, things } => stand_in.at(mono, wall, |s, now| s.see(&camera, &things, now)),
            What::Input { input, active, is_edge } => {
                stand_in.at(mono, wall, |s, now| s.sense(&input, active, is_edge, now));
            }
            What::Armed(armed) => stand_in.at(mono, wall, |s, _| s.is_armed = armed),
            What::Asked(output, person) => stand_in.at(mono, wall, |s, now| s.asked(&output, person, now)),
        }
    }
    stand_in.pass_until(to);
    Ok((did, stand_in.edges))
}

/// The recorder's part from the rules to the relays.
struct StandIn {
    config: Config,
    local: LocalTime,
    names: Names,
    book: Box<RuleBook<RULES, WATCHES>>,
    bank: Bank<MAX_RELAYS>,
    is_armed: bool,
    /// Where the journal is.
    mono: Mono,
    wall: Wall,
    why: Vec<String>,
    edges: Vec<Edge>,
}

impl StandIn {
    fn new(config: &Config, local: LocalTime) -> anyhow::Result<Self> {
        let Compiled { names, book, .. } = compile(config)?;
        Ok(Self {
            bank: outputs::bank(config)?,
            config: config.clone(),
            local,
            names,
            book,
            is_armed: false,
            mono: Mono(0),
            wall: Wall(0),
            why: config.rules.iter().map(|r| format!("rule {}", r.id)).collect(),
            edges: Vec::new(),
        })
    }

    /// A recorder starts, with its relays at their safe levels.
    fn begin(&mut self, mono: Mono, wall: Wall, armed: bool) -> anyhow::Result<()> {
        self.end();
        let fresh = Self::new(&self.config, self.local.clone())?;
        let edges = std::mem::take(&mut self.edges);
        *self = Self { is_armed: armed, mono, wall, edges, ..fresh };
        Ok(())
    }

    /// The recorder ended, now or, when it crashed, some time after the last record.
    fn end(&mut self) {
        self.bank.stop(nightjar_rules::Cause::Stop);
        self.move_relays(Micros(self.mono.0));
    }

    /// Lets time pass until a record, then takes it.
    fn at(&mut self, mono: Mono, wall: Wall, take: impl FnOnce(&mut Self, Micros)) {
        self.pass(mono, wall);
        take(self, Micros(mono.0));
        self.go_round(Micros(mono.0));
    }

    fn pass_until(&mut self, wall: Wall) {
        let left = wall.micros_since(self.wall).max(0) as u64;
        if self.mono > Mono(0) {
            self.pass(Mono(self.mono.0 + left), self.wall.plus_micros(left as i64));
        }
    }

    /// Everything that is due until then, in its order: holds that end, relays that go back, minutes that begin.
    fn pass(&mut self, mono: Mono, wall: Wall) {
        while self.mono < mono {
            let minute = self.mono.0 + (MINUTE_US - self.wall.0.rem_euclid(MINUTE_US)) as u64;
            let due = [self.book.next_deadline(), self.bank.next_deadline()].into_iter().flatten();
            // What was due before is due now.
            let due = due.map(|at| at.0.max(self.mono.0 + 1)).chain([minute, mono.0]).min().unwrap_or(mono.0);
            self.wall = self.wall.plus_micros((due - self.mono.0) as i64);
            self.mono = Mono(due);
            self.go_round(Micros(due));
        }
        // The clock may have been set.
        (self.mono, self.wall) = (mono, wall);
    }

    fn go_round(&mut self, now: Micros) {
        self.bank.hear(now);
        let minute = self.local.minute_of_week(self.wall);
        self.book.set_present(Present { is_armed: self.is_armed, minute });
        self.order(|book, out| book.tick(now, out));
        self.move_relays(now);
    }

    fn see(&mut self, camera: &str, things: &[SeenThing], now: Micros) {
        let Some(camera) = self.config.cameras.iter().position(|c| c.id.as_str() == camera) else { return };
        let thing = |t: &SeenThing| {
            let [x, y, w, h] = t.bbox;
            let score = Score::from_thousandths(t.score);
            Some(Thing::new(t.track, self.names.class(&t.class)?, score, BBox { x, y, w, h }))
        };
        let things: Vec<Thing> = things.iter().filter_map(thing).collect();
        self.order(|book, out| book.observe(nightjar_rules::CameraIx(camera as u8), now, &things, out));
    }

    fn sense(&mut self, input: &str, active: bool, is_edge: bool, now: Micros) {
        let Some(n) = self.config.inputs.iter().position(|i| i.id.as_str() == input) else { return };
        self.order(|book, out| book.sense(InputIx(n as u8), active, is_edge, now, out));
    }

    fn asked(&mut self, output: &str, person: Person, now: Micros) {
        let Some(output) = nightjar_types::Name::new(output).ok().and_then(|id| self.names.output(&id))
        else {
            return;
        };
        let ask = match person {
            Person::Test { us } => Ask::Test { output, us },
            Person::Off => Ask::Off { output },
        };
        self.bank.ask(ask, now);
    }

    fn order(&mut self, ask: impl FnOnce(&mut RuleBook<RULES, WATCHES>, &mut dyn FnMut(Order))) {
        let mut orders = Vec::new();
        ask(&mut self.book, &mut |order| orders.push(order));
        for order in orders {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        let (n, now) = (usize::from(order.rule.0), order.at);
        if order.what == Does::Fired {
            self.why[n] = self.names.why(&self.config, &order, "");
        }
        if let Some(ask) = outputs::ask_of(&order).filter(|_| !self.config.rules[n].is_dry_run) {
            self.bank.ask(ask, now);
            self.move_relays(now);
        }
    }

    fn move_relays(&mut self, now: Micros) {
        while let Some((output, step)) = self.bank.tick(now) {
            let n = usize::from(output.0);
            let why = |rule: u8| self.why.get(usize::from(rule)).cloned().unwrap_or_default();
            let cause = relays::words(step.cause, why);
            let output = self.names.outputs.get(n).map(ToString::to_string).unwrap_or_default();
            self.edges.push(Edge { at: self.wall, output, on: step.on, cause });
        }
    }
}

/// Every move once, in the order of time.
pub(crate) fn compare(did: Vec<Edge>, would: Vec<Edge>) -> Vec<(Fate, Edge)> {
    let mut left = would;
    let mut told: Vec<(Fate, Edge)> = Vec::new();
    for edge in did {
        let is_same = |e: &Edge| {
            (&e.output, e.on) == (&edge.output, edge.on) && e.at.micros_since(edge.at).abs() <= SAME_US
        };
        let fate = match left.iter().position(is_same) {
            Some(n) => {
                left.remove(n);
                Fate::Same
            }
            None => Fate::Gone,
        };
        told.push((fate, edge));
    }
    told.extend(left.into_iter().map(|edge| (Fate::New, edge)));
    told.sort_by_key(|(_, edge)| edge.at);
    told
}

#[cfg(test)]
#[path = "rehearse_tests.rs"]
mod tests;
