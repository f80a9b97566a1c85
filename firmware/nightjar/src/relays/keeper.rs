//! What the recorder asks, edges of inputs, and the time → moves of lines, and what the recorder is told. No socket, no clock.

use super::{FromKeeper, InputEdge, Moved, Plan, ToKeeper, note};
use nightjar_board::{Board, BoardError, InputLine, OutputLine, Sense, Wiring, open_input, open_output};
use nightjar_rules::{Bank, Cause, Debounce, MAX_RELAYS, Micros};
use nightjar_types::{Mono, Wall};
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// A line that did not take its level is told again this often, microseconds.
const RETRY_US: u64 = 1_000_000;
/// Moves that may wait for the recorder to hear them: more than all relays can make within the lease. The oldest are
/// forgotten first.
const UNHEARD: usize = 4 * MAX_RELAYS;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) mono: Micros,
    pub(super) wall: Wall,
}

struct Output {
    id: String,
    pin: Box<dyn OutputLine>,
    /// What it should be at, and why; kept while the line does not take it.
    owed: Option<(bool, Cause)>,
}

struct Input {
    pin: Box<dyn InputLine>,
    level: Debounce,
    is_broken: bool,
}

/// Every line of the board that is in use.
pub(super) struct Keeper {
    bank: Bank<MAX_RELAYS>,
    outputs: Vec<Output>,
    inputs: Vec<Input>,
    rules: Vec<String>,
    moves: u64,
    unheard: VecDeque<Moved>,
    note: PathBuf,
    is_noted: bool,
    retry_at: Micros,
    said: Vec<FromKeeper>,
}

impl Keeper {
    /// Opens every line, outputs first and at their safe levels. Fails in words.
    pub(super) fn open(plan: Plan) -> anyhow::Result<Self> {
        let board = Board::by_id(&plan.board)?;
        let (mut bank, mut outputs, mut inputs) = (Bank::new(), Vec::new(), Vec::new());
        for output in plan.outputs {
            let line = board.resolve_line(&output.line)?;
            let wiring = Wiring { active_low: output.active_low, safe_on: output.limits.safe_on };
            let pin = open_output(&output.id, &line, wiring)?;
            bank.add(output.limits)?;
            outputs.push(Output { id: output.id, pin, owed: None });
        }
        plan.apart.into_iter().for_each(|(a, b)| bank.keep_apart(a, b));
        for input in plan.inputs {
            let line = board.resolve_line(&input.line)?;
            let sense = Sense { active_low: input.active_low, pull: input.pull };
            let mut pin = open_input(&input.id, &line, sense)?;
            let level = Debounce::new(input.settle_us, pin.is_active()?);
            inputs.push(Input { pin, level, is_broken: false });
        }
        Ok(Self {
            bank,
            outputs,
            inputs,
            rules: plan.rules,
            moves: 0,
            unheard: VecDeque::new(),
            note: plan.note,
            is_noted: false,
            retry_at: Micros(0),
            said: Vec::new(),
        })
    }

    /// One message of the recorder.
    pub(super) fn take(&mut self, message: ToKeeper, now: Now) {
        if !self.bank.is_heard() && matches!(message, ToKeeper::Beat | ToKeeper::Ask(_)) {
            // What it missed while nobody listened is no edge any more.
            let level = |(n, input): (usize, &Input)| InputEdge {
                input: n as u8,
                active: input.level.level(),
                at: Mono(now.mono.0),
                is_edge: false,
            };
            self.said.extend(self.inputs.iter().enumerate().map(level).map(FromKeeper::Input));
        }
        match message {
            ToKeeper::Open(_) => {}
            ToKeeper::Beat => {
                self.bank.hear(now.mono);
                self.said.push(FromKeeper::Alive);
            }
            ToKeeper::Ask(ask) => {
                // What was due before it was asked comes first.
                self.tick(now);
                let answer = self.bank.ask(ask, now.mono);
                self.tick(now);
                self.said.push(FromKeeper::Answered(ask, answer));
            }
            ToKeeper::Heard(n) => {
                self.unheard.retain(|moved| moved.n > n);
                if self.is_noted && self.unheard.is_empty() {
                    note::remove(&self.note);
                    self.is_noted = false;
                }
            }
            ToKeeper::Stop => {
                self.bank.stop(Cause::Stop);
                self.tick(now);
                self.said.push(FromKeeper::Stopped);
            }
        }
    }

    /// The recorder's end of the socket is closed.
    pub(super) fn gone(&mut self, now: Now) {
        self.bank.stop(Cause::Gone);
        self.tick(now);
        self.leave_note();
    }

    /// Takes the edges that inputs have told.
    pub(super) fn look(&mut self, now: Now) {
        let is_heard = self.bank.is_heard();
        for (n, input) in self.inputs.iter_mut().enumerate().filter(|(_, input)| !input.is_broken) {
            let Input { pin, level, is_broken } = input;
            let done = take_edges(&mut **pin, |active| {
                level.see(active, now.mono);
                Self::settle(n, level, is_heard, now, &mut self.said);
            });
            if let Err(e) = done {
                // It would wake us for ever.
                tracing::error!(error = %e, "the input is not listened to any more");
                *is_broken = true;
            }
        }
    }

    /// Carries out what is due.
    pub(super) fn tick(&mut self, now: Now) {
        for n in 0..self.inputs.len() {
            Self::settle(n, &mut self.inputs[n].level, self.bank.is_heard(), now, &mut self.said);
        }
        let was_heard = self.bank.is_heard();
        while let Some((output, step)) = self.bank.tick(now.mono) {
            self.outputs[usize::from(output.0)].owed = Some((step.on, step.cause));
            self.drive(usize::from(output.0), now, true);
        }
        if now.mono >= self.retry_at {
            (0..self.outputs.len()).for_each(|n| self.drive(n, now, false));
        }
        if was_heard && !self.bank.is_heard() {
            self.leave_note();
        }
    }

    /// When `tick` has something to do, if nothing is said until then.
    pub(super) fn next_deadline(&self) -> Option<Micros> {
        let owed = self.outputs.iter().any(|o| o.owed.is_some()).then_some(self.retry_at);
        let inputs = self.inputs.iter().filter_map(|i| i.level.next_deadline());
        inputs.chain(owed).chain(self.bank.next_deadline()).min()
    }

    /// What the recorder is to be told, since this was asked last.
    pub(super) fn said(&mut self) -> Vec<FromKeeper> {
        std::mem::take(&mut self.said)
    }

    /// Readable when [`Self::look`] has something to do.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.inputs.iter().filter(|i| !i.is_broken).map(|i| i.pin.fd())
    }

    fn settle(n: usize, level: &mut Debounce, is_heard: bool, now: Now, said: &mut Vec<FromKeeper>) {
        if let Some(active) = level.tick(now.mono).filter(|_| is_heard) {
            let edge = InputEdge { input: n as u8, active, at: Mono(now.mono.0), is_edge: true };
            said.push(FromKeeper::Input(edge));
        }
    }

    /// Puts a line where it should be, and tells of it: when it moved, and when it first did not.
    fn drive(&mut self, n: usize, now: Now, is_first: bool) {
        let output = &mut self.outputs[n];
        let Some((on, cause)) = output.owed else { return };
        let error = output.pin.set(on).err().map(|e| e.to_string());
        let is_news = is_first || error.is_none();
        match &error {
            None => output.owed = None,
            Some(error) => {
                tracing::error!(output = output.id, on, error, "could not be moved");
                self.retry_at = now.mono.plus(RETRY_US);
            }
        }
        if !is_news {
            return;
        }
        self.moves += 1;
        let until = self.bank.relays()[n].next_deadline().filter(|_| self.bank.relays()[n].is_active());
        let until = until.map(|at| now.wall.plus_micros(at.since(now.mono) as i64));
        let n = nightjar_rules::OutputIx(n as u8);
        let moved = Moved { n: self.moves, output: n, on, cause, at: now.wall, until, error };
        if self.unheard.len() == UNHEARD {
            self.unheard.pop_front();
        }
        self.unheard.push_back(moved.clone());
        self.said.push(FromKeeper::Moved(moved));
    }

    /// Writes down what the recorder has not heard: it may never.
    fn leave_note(&mut self) {
        if self.unheard.is_empty() {
            return;
        }
        let why = |n: u8| match self.rules.get(usize::from(n)) {
            Some(id) => format!("rule {id}"),
            None => "a rule".into(),
        };
        let moves: Vec<note::Noted> = self
            .unheard
            .iter()
            .map(|moved| note::Noted {
                at_ms: moved.at.as_ms(),
                output: self.outputs[usize::from(moved.output.0)].id.clone(),
                on: moved.on,
                cause: super::words(moved.cause, why),
                error: moved.error.clone(),
            })
            .collect();
        self.is_noted = note::leave(&self.note, &moves);
    }
}

/// Every edge that waits, in order, and then the level: the kernel leaves edges out when there are too many.
fn take_edges(pin: &mut dyn InputLine, mut see: impl FnMut(bool)) -> Result<(), BoardError> {
    let mut has_moved = false;
    while let Some(active) = pin.next_edge()? {
        see(active);
        has_moved = true;
    }
    if has_moved {
        see(pin.is_active()?);
    }
    Ok(())
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
