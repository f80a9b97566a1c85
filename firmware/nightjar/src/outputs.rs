//! Relay timing in, moves of real lines out. Every move is in the audit with its cause; a failing line is tried again.

use crate::names::Names;
use crate::updates::Updates;
use anyhow::Context;
use nightjar_api::Audit;
use nightjar_board::{Board, Line, OutputLine};
use nightjar_io::clock;
use nightjar_rules::{Answer, Cause, Limits, Micros, OutputIx, Relay};
use nightjar_types::config::Config;
use nightjar_types::status::{OutputStatus, Update};
use std::sync::{Arc, Mutex, PoisonError};

/// Outputs are numbered in one byte.
const MAX_OUTPUTS: usize = 64;

struct Switch {
    relay: Relay,
    pin: Box<dyn OutputLine>,
}

/// Every output.
pub(crate) struct Outputs {
    lines: Vec<Switch>,
    shown: Arc<Mutex<Vec<OutputStatus>>>,
    updates: Updates,
    audit: Audit,
    names: Names,
}

impl Outputs {
    /// Opens every line at its safe level, the level set together with the direction.
    pub(crate) fn open(
        config: &Config,
        board: &Board,
        audit: Audit,
        updates: Updates,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.outputs.len() <= MAX_OUTPUTS,
            "more than {MAX_OUTPUTS} outputs are not possible"
        );
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        for (output, line) in config.outputs.iter().zip(resolve(config, board)?) {
            let pin =
                board.open_output(&line, output.id.as_str(), output.is_active_low, output.is_safe_on)?;
            let max_on_us = Some(output.max_on.as_micros() as u64).filter(|us| *us > 0);
            let limits = Limits { safe_on: output.is_safe_on, max_on_us, min_off_us: 0 };
            lines.push(Switch { relay: Relay::new(limits)?, pin });
            shown.push(OutputStatus {
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
            });
        }
        let names = Names::new(config);
        Ok(Self { lines, shown: Arc::new(Mutex::new(shown)), updates, audit, names })
    }

    /// What the page shows, shared.
    pub(crate) fn shown(&self) -> Arc<Mutex<Vec<OutputStatus>>> {
        self.shown.clone()
    }

    fn relay(&mut self, output: OutputIx) -> Option<&mut Relay> {
        self.lines.get_mut(usize::from(output.0)).map(|l| &mut l.relay)
    }

    pub(crate) fn pulse(&mut self, output: OutputIx, rule: u8, us: u64, now: Micros) {
        if let Some(relay) = self.relay(output) {
            relay.pulse(rule, us, now);
        }
    }

    pub(crate) fn hold(&mut self, output: OutputIx, rule: u8, now: Micros) {
        if let Some(relay) = self.relay(output) {
            relay.hold(rule, now);
        }
    }

    pub(crate) fn release(&mut self, output: OutputIx, rule: u8, now: Micros) {
        if let Some(relay) = self.relay(output) {
            relay.release(rule, now);
        }
    }

    /// A person tests an output. Fails in words while something else drives it.
    pub(crate) fn test(&mut self, output: OutputIx, us: u64, who: &str, now: Micros) -> Result<(), String> {
        let Some(relay) = self.relay(output) else { return Err("there is no such output".into()) };
        match relay.test(us, now) {
            Answer::Busy => Err("it is driven by a rule right now; wait until it is at rest".into()),
            Answer::Refused => Err("the recorder is stopping".into()),
            Answer::Starts | Answer::Extends | Answer::Waits(_) => {
                let name = self.names.outputs[usize::from(output.0)].to_string();
                self.audit.record(who, &format!("tests output {name} for {} ms", us / 1_000));
                Ok(())
            }
        }
    }

    /// Carries out what is due. `why` puts a rule's number into words for the audit.
    pub(crate) fn tick(&mut self, now: Micros, why: impl Fn(u8) -> String) {
        for n in 0..self.lines.len() {
            while let Some(step) = self.lines[n].relay.tick(now) {
                let cause = words(step.cause, &why);
                self.carry_out(n, step.on, cause, now);
            }
        }
    }

    fn carry_out(&mut self, n: usize, on: bool, cause: String, now: Micros) {
        let line = &mut self.lines[n];
        let error = line.pin.set(on).err().map(|e| e.to_string());
        let until = line.relay.next_deadline().filter(|_| line.relay.is_active());
        let until_ms = until.map(|at| clock::wall().as_ms() + (at.0.saturating_sub(now.0) / 1_000) as i64);
        let status = {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            let s = &mut shown[n];
            if error.is_none() {
                s.on = on;
            }
            s.until_ms = until_ms;
            s.moves += u64::from(on != s.safe_on);
            s.cause = Some(cause.clone());
            s.moved_ms = Some(clock::wall().as_ms());
            s.error = error.clone();
            s.clone()
        };
        let level = if on { "on" } else { "off" };
        match error {
            None => {
                tracing::info!(output = status.id, level, cause, "moved");
                self.audit.record("nightjar", &format!("output {} {level}: {cause}", status.id));
            }
            Some(error) => {
                tracing::error!(output = status.id, level, cause, error, "could not be moved");
                self.audit
                    .record("nightjar", &format!("output {} NOT {level}: {error} ({cause})", status.id));
            }
        }
        self.updates.send(Update::Output(status));
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Micros> {
        self.lines.iter().filter_map(|l| l.relay.next_deadline()).min()
    }

    /// Everything to its safe level, for good.
    pub(crate) fn stop(&mut self, now: Micros) {
        self.lines.iter_mut().for_each(|l| l.relay.stop());
        self.tick(now, |_| String::new());
    }
}

fn words(cause: Cause, why: &impl Fn(u8) -> String) -> String {
    match cause {
        Cause::Rule(n) => why(n),
        Cause::Test => "test by a person".into(),
        Cause::TimeOver => "the pulse is over".into(),
        Cause::Released => "the condition no longer holds".into(),
        Cause::Safe => "told to be safe".into(),
        Cause::MaxOn => "on for as long as it may be".into(),
        Cause::Stop => "the recorder stops".into(),
    }
}

/// Every output's line on this board. Fails when it has no such line, or two outputs name one line in different words.
pub(crate) fn resolve(config: &Config, board: &Board) -> anyhow::Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for output in &config.outputs {
        let line = board.resolve_line(&output.line).with_context(|| format!("output \"{}\"", output.id))?;
        if let Some(n) = lines.iter().position(|l| (&l.chip, l.offset) == (&line.chip, line.offset)) {
            let (id, first) = (&output.id, &config.outputs[n].id);
            anyhow::bail!(
                "output \"{id}\": line {} is taken by output \"{first}\"; give it another line",
                output.line
            );
        }
        lines.push(line);
    }
    Ok(lines)
}
