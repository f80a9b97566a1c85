//! Requests to relays in, their moves out: in the audit with their cause, on the page, and in words when they cannot be.
//!
//! Nothing is switched here: the keeper's process does that (`relays/`), so that it is done also when this one stalls.

use crate::names::Names;
use crate::relays::{FromKeeper, Heard, InputEdge, InputPlan, Link, Moved, OutputPlan, Plan, words};
use crate::updates::Updates;
use anyhow::Context;
use nightjar_api::Audit;
use nightjar_board::{Board, Line, Pull as Resistor, Wiring};
use nightjar_io::clock;
use nightjar_rules::{Answer, Ask, Bank, Cause, Limits, MAX_RELAYS, Micros, Order, OutputIx, What};
use nightjar_types::Mono;
use nightjar_types::config::{Config, Pull};
use nightjar_types::status::{OutputStatus, Update};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The keeper is told this often that the rules go round, microseconds: some times within its patience.
const BEAT_US: u64 = 1_000_000;
/// After so many beats that it did not answer it is started again.
const UNANSWERED: u32 = 8;
/// How long the keeper may take to put everything to its safe level at the end.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Inputs are numbered in one byte.
const MAX_INPUTS: usize = 64;

/// Whoever waits for what becomes of a request.
pub(crate) type Asker = oneshot::Sender<Result<(), String>>;

/// Every output.
pub(crate) struct Outputs {
    /// `None`: there is neither an output nor an input, and no process for them.
    link: Option<Link>,
    shown: Arc<Mutex<Vec<OutputStatus>>>,
    updates: Updates,
    audit: Audit,
    names: Names,
    /// Of the requests of people that are not answered yet, in order.
    asked: VecDeque<Asker>,
    /// By output: when the picture arrived for which a rule asked and that is not answered yet.
    pictures: Vec<Option<Mono>>,
    beaten: Option<Micros>,
    unanswered: u32,
}

/// Puts every output to its safe level, before anything else is done: the level together with the direction.
pub(crate) fn open(config: &Config, board: &Board, note: PathBuf) -> anyhow::Result<Option<Link>> {
    let plan = plan(config, board, note)?;
    if plan.outputs.is_empty() && plan.inputs.is_empty() {
        return Ok(None);
    }
    Link::start(plan).map(Some)
}

impl Outputs {
    /// `link` is what [`open`] gave for the same configuration.
    pub(crate) fn new(
        config: &Config,
        board: &Board,
        link: Option<Link>,
        audit: Audit,
        updates: Updates,
    ) -> anyhow::Result<Self> {
        let lines = resolve(config, board)?;
        let status = |(output, line): (&nightjar_types::config::Output, &Line)| OutputStatus {
            id: output.id.to_string(),
            line: output.line.clone(),
            driver: line.driver.to_string(),
            on: output.is_safe_on,
            safe_on: output.is_safe_on,
            until_ms: None,
            cause: None,
            moved_ms: None,
            moves: 0,
            error: None,
        };
        let shown = config.outputs.iter().zip(&lines).map(status).collect();
        Ok(Self {
            link,
            shown: Arc::new(Mutex::new(shown)),
            updates,
            audit,
            names: Names::new(config),
            asked: VecDeque::new(),
            pictures: vec![None; config.outputs.len()],
            beaten: None,
            unanswered: 0,
        })
    }

    /// What the page shows, shared.
    pub(crate) fn shown(&self) -> Arc<Mutex<Vec<OutputStatus>>> {
        self.shown.clone()
    }

    /// Says that the rules go round. Call it once a second or more often.
    pub(crate) fn beat(&mut self, now: Micros) {
        let Some(link) = &mut self.link else { return };
        if self.beaten.is_some_and(|at| now.since(at) < BEAT_US) {
            return;
        }
        self.beaten = Some(now);
        if self.unanswered >= UNANSWERED {
            tracing::error!("the process that keeps the relays does not answer; it is started again");
            link.give_up();
        }
        self.unanswered = if link.beat() { self.unanswered + 1 } else { 0 };
    }

    /// A rule asks; `picture`: when that arrived for which it does.
    pub(crate) fn ask(&mut self, ask: Ask, picture: Option<Mono>) {
        if let Some(of) = self.pictures.get_mut(usize::from(ask.output().0)) {
            *of = picture;
        }
        if !self.link.as_mut().is_some_and(|link| link.ask(ask)) {
            let name = self.name(ask.output());
            self.audit.record("nightjar", &format!("output {name} was not asked: nobody keeps the relays"));
        }
    }

    /// A person asks; `answer` learns whether it is done.
    pub(crate) fn ask_for(&mut self, ask: Ask, who: &str, answer: Asker) {
        let name = self.name(ask.output());
        let what = match ask {
            Ask::Test { us, .. } => format!("tests output {name} for {} ms", us / 1_000),
            _ => format!("switches output {name} to its safe level"),
        };
        self.audit.record(who, &what);
        if self.link.as_mut().is_some_and(|link| link.ask(ask)) {
            self.asked.push_back(answer);
        } else {
            let _ = answer.send(Err("the relays do not answer; they are started again".into()));
        }
    }

    /// When the picture arrived for which a rule just moved an output. What moves later, after its answer, is late by intent.
    pub(crate) fn picture(&self, moved: &Moved) -> Option<Mono> {
        let asked = matches!(moved.cause, Cause::Rule(_));
        self.pictures.get(usize::from(moved.output.0)).copied().flatten().filter(|_| asked)
    }

    /// What the keeper says next. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Heard {
        match &mut self.link {
            Some(link) => link.next().await,
            None => std::future::pending().await,
        }
    }

    /// Tells everybody what the keeper said; gives back what an input says. `why` puts a rule's number into words.
    pub(crate) fn take(&mut self, heard: Heard, why: impl Fn(u8) -> String) -> Option<InputEdge> {
        match heard {
            Heard::Said(FromKeeper::Input(edge)) => return Some(edge),
            Heard::Said(FromKeeper::Moved(moved)) => self.moved(moved, why),
            Heard::Said(FromKeeper::Answered(ask, answer)) => self.answered(ask, answer, why),
            Heard::Said(FromKeeper::Alive) => self.unanswered = 0,
            Heard::Said(FromKeeper::Opened(_) | FromKeeper::Stopped) => {}
            Heard::Up(to) => {
                self.unanswered = 0;
                if let Some(link) = &mut self.link {
                    link.is_up(to);
                    link.beat(); // from now on what an input does is news
                }
                self.audit.record("nightjar", "the relays are kept again, each at its safe level");
                self.show_all(|status| status.error = None);
            }
            Heard::Down(why) => self.down(&why),
        }
        None
    }

    /// Everything to its safe level, for good. What the keeper said meanwhile is the caller's to take.
    pub(crate) async fn stop(&mut self) -> Vec<Heard> {
        let mut said = Vec::new();
        if !self.link.as_mut().is_some_and(Link::stop) {
            return said;
        }
        let until_stopped = async {
            loop {
                match self.next().await {
                    Heard::Said(FromKeeper::Stopped) => return,
                    heard => said.push(heard),
                }
            }
        };
        if timeout(STOP_WITHIN, until_stopped).await.is_err() {
            tracing::error!("the process that keeps the relays did not say that all is safe; it is ended");
        }
        said
    }

    /// Outputs that are not at their safe level, and the level.
    pub(crate) fn away(&self) -> Vec<(String, bool)> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().filter(|s| s.on != s.safe_on).map(|s| (s.id.clone(), s.on)).collect()
    }

    fn name(&self, output: OutputIx) -> String {
        self.names.outputs.get(usize::from(output.0)).map(ToString::to_string).unwrap_or_default()
    }

    fn moved(&mut self, moved: Moved, why: impl Fn(u8) -> String) {
        let Moved { n, output, on, cause, at, until, error } = moved;
        let cause = words(cause, why);
        let status = self.show(output, |s| {
            if error.is_none() {
                s.on = on;
                s.moves += u64::from(on != s.safe_on);
            }
            s.until_ms = until.map(nightjar_types::Wall::as_ms);
            s.cause = Some(cause.clone());
            s.moved_ms = Some(at.as_ms());
            s.error = error.clone();
        });
        let (name, level) = (self.name(output), if on { "on" } else { "off" });
        // What was long in coming says when it was.
        let late = clock::wall().micros_since(at) > 1_000_000;
        let when = if late { format!(" at {at}") } else { String::new() };
        match (error, status) {
            (None, _) => {
                tracing::info!(output = name, level, cause, "moved");
                self.audit.record("nightjar", &format!("output {name} {level}{when}: {cause}"));
            }
            (Some(error), _) => {
                tracing::error!(output = name, level, cause, error, "could not be moved");
                self.audit.record("nightjar", &format!("output {name} NOT {level}{when}: {error} ({cause})"));
            }
        }
        if let Some(link) = &mut self.link {
            link.heard(n);
        }
    }

    fn answered(&mut self, ask: Ask, answer: Answer, why: impl Fn(u8) -> String) {
        if let Some(of) = self.pictures.get_mut(usize::from(ask.output().0)) {
            *of = None;
        }
        let refused = match answer {
            Answer::Busy => "it is driven by a rule right now; wait until it is at rest".into(),
            Answer::Refused => "the recorder is stopping".into(),
            Answer::Cools(until) => {
                let left = until.since(now()).div_ceil(1_000_000);
                format!("it has just been on and cools down for {left} s more")
            }
            Answer::Apart(other) => format!("it is never on together with {}, which is", self.name(other)),
            Answer::Starts | Answer::Extends | Answer::Waits(_) | Answer::Ends => String::new(),
        };
        let is_persons = matches!(ask, Ask::Test { .. } | Ask::Off { .. });
        if let Some(asker) = is_persons.then(|| self.asked.pop_front()).flatten() {
            let _ = asker.send(if refused.is_empty() { Ok(()) } else { Err(refused) }); // whoever asked may have gone
        } else if !refused.is_empty()
            && let Ask::Pulse { rule, .. } | Ask::Hold { rule, .. } | Ask::Latch { rule, .. } = ask
        {
            let (name, why) = (self.name(ask.output()), why(rule));
            tracing::info!(output = name, why, refused, "not moved");
            self.audit.record("nightjar", &format!("output {name} not asked for: {refused} ({why})"));
        }
    }

    /// Nobody keeps the lines: the kernel has them back.
    fn down(&mut self, why: &str) {
        tracing::error!("{why}");
        if let Some(link) = &mut self.link {
            link.give_up();
        }
        while let Some(asker) = self.asked.pop_front() {
            let _ = asker.send(Err("the relays do not answer; they are started again".into()));
        }
        let names: Vec<String> = self.away().into_iter().map(|(name, _)| name).collect();
        let lost = if names.is_empty() { String::new() } else { format!("; let go: {}", names.join(", ")) };
        self.audit.record("nightjar", &format!("{why}{lost}"));
        let at_ms = clock::wall().as_ms();
        self.show_all(|status| {
            if status.on != status.safe_on {
                (status.cause, status.moved_ms) = (Some(why.to_string()), Some(at_ms));
            }
            (status.on, status.until_ms, status.error) = (status.safe_on, None, Some(why.to_string()));
        });
    }

    fn show_all(&self, change: impl Fn(&mut OutputStatus)) {
        let count = self.names.outputs.len();
        (0..count).for_each(|n| drop(self.show(OutputIx(n as u8), &change)));
    }

    /// Changes what is shown of one output, and tells who looks.
    fn show(&self, output: OutputIx, change: impl FnOnce(&mut OutputStatus)) -> Option<OutputStatus> {
        let status = {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let status = shown.get_mut(usize::from(output.0))?;
            change(status);
            status.clone()
        };
        self.updates.send(Update::Output(status.clone()));
        Some(status)
    }
}

/// What an order of the rules asks of an output; `None`: nothing.
pub(crate) fn ask_of(order: &Order) -> Option<Ask> {
    let rule = order.rule.0;
    match order.what {
        What::Pulse { output, us } => Some(Ask::Pulse { output, rule, us }),
        What::Hold { output } => Some(Ask::Hold { output, rule }),
        What::Release { output } => Some(Ask::Release { output, rule }),
        What::Latch { output } => Some(Ask::Latch { output, rule }),
        What::Unlatch { output } => Some(Ask::Unlatch { output, rule }),
        What::Fired | What::Notify => None,
    }
}

/// The timing of the relays of a configuration, as their keeper has it.
pub(crate) fn bank(config: &Config) -> anyhow::Result<Bank<MAX_RELAYS>> {
    let mut bank = Bank::new();
    for output in &config.outputs {
        bank.add(limits(output))?;
    }
    apart(config).into_iter().for_each(|(a, b)| bank.keep_apart(a, b));
    Ok(bank)
}

fn limits(output: &nightjar_types::config::Output) -> Limits {
    let us = |d: Duration| d.as_micros() as u64;
    Limits {
        safe_on: output.is_safe_on,
        max_on_us: Some(us(output.max_on)).filter(|us| *us > 0),
        min_off_us: us(output.min_off),
        cooldown_us: us(output.cooldown),
    }
}

/// Pairs that may never be on together.
fn apart(config: &Config) -> Vec<(OutputIx, OutputIx)> {
    let names = Names::new(config);
    let pairs = config.outputs.iter().flat_map(|o| o.never_with.iter().map(|other| (&o.id, other)));
    pairs.filter_map(|(a, b)| names.output(a).zip(names.output(b))).collect()
}

fn now() -> Micros {
    Micros(clock::mono().0)
}

/// What the keeper is told of this configuration.
fn plan(config: &Config, board: &Board, note: PathBuf) -> anyhow::Result<Plan> {
    resolve(config, board)?;
    let output = |o: &nightjar_types::config::Output| OutputPlan {
        id: o.id.to_string(),
        line: o.line.clone(),
        active_low: o.is_active_low,
        limits: limits(o),
    };
    let input = |i: &nightjar_types::config::Input| InputPlan {
        id: i.id.to_string(),
        line: i.line.clone(),
        active_low: i.is_active_low,
        pull: match i.pull {
            Pull::None => Resistor::None,
            Pull::Up => Resistor::Up,
            Pull::Down => Resistor::Down,
        },
        settle_us: i.debounce.as_micros() as u64,
    };
    Ok(Plan {
        board: board.id().into(),
        outputs: config.outputs.iter().map(output).collect(),
        apart: apart(config),
        inputs: config.inputs.iter().map(input).collect(),
        rules: Names::new(config).rules,
        note,
    })
}

/// What of the wiring is not safe while the board boots, before any program runs: in words with the mend.
pub(crate) fn at_boot(config: &Config, board: &Board) -> anyhow::Result<Vec<String>> {
    let lines = resolve(config, board)?;
    let of = |(o, line): (&nightjar_types::config::Output, Line)| {
        let wiring = Wiring { active_low: o.is_active_low, safe_on: o.is_safe_on };
        Some(format!("output \"{}\": {}", o.id, board.at_boot(&line, wiring)?))
    };
    Ok(config.outputs.iter().zip(lines).filter_map(of).collect())
}

/// Every output's line on this board. Fails when it has no such line, or two of outputs and inputs name one line in
/// different words.
pub(crate) fn resolve(config: &Config, board: &Board) -> anyhow::Result<Vec<Line>> {
    anyhow::ensure!(config.outputs.len() <= MAX_RELAYS, "more than {MAX_RELAYS} outputs are not possible");
    anyhow::ensure!(config.inputs.len() <= MAX_INPUTS, "more than {MAX_INPUTS} inputs are not possible");
    let outputs = config.outputs.iter().map(|o| (format!("output \"{}\"", o.id), &o.line));
    let inputs = config.inputs.iter().map(|i| (format!("input \"{}\"", i.id), &i.line));
    let mut taken: Vec<(String, Line)> = Vec::new();
    for (what, text) in outputs.chain(inputs) {
        let line = board.resolve_line(text).with_context(|| what.clone())?;
        if let Some((first, _)) = taken.iter().find(|(_, l)| (&l.chip, l.offset) == (&line.chip, line.offset))
        {
            anyhow::bail!("{what}: line {text} is taken by {first}; give it another line");
        }
        taken.push((what, line));
    }
    taken.truncate(config.outputs.len());
    Ok(taken.into_iter().map(|(_, line)| line).collect())
}
