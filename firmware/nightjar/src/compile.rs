//! Configuration → the rules with their numbers. Fails on what the rules cannot work with, e.g. a zone without an area.

use crate::names::{self, Names};
use crate::sight::{self, Sight};
use anyhow::Context;
use nightjar_rules::{Action, Circumstances, Crossing, Direction, InputIx, Line, Rule, RuleBook};
use nightjar_rules::{Schedule, Score, Sieve, Zone};
use nightjar_types::config::{self, Config, RuleAction, Way};
use std::time::Duration;

/// Rules of one device.
pub(crate) const RULES: usize = 64;
/// Presences that may satisfy rules at a time.
pub(crate) const WATCHES: usize = 256;

/// All that a configuration says about what is seen.
pub(crate) struct Compiled {
    pub(crate) names: Names,
    /// 90 kB, of which a few rules touch a page or two: it is not to be copied about.
    pub(crate) book: Box<RuleBook<RULES, WATCHES>>,
    /// By camera.
    pub(crate) sights: Vec<Sight>,
}

/// Every rule and camera of a configuration with its numbers.
pub(crate) fn compile(config: &Config) -> anyhow::Result<Compiled> {
    let mut names = Names::new(config);
    let sights = Sight::all(config, &mut names)?;
    let mut book = Box::new(RuleBook::new());
    for rule in &config.rules {
        let what = || format!("rule \"{}\"", rule.id);
        let compiled = compile_rule(config, rule, &mut names).with_context(what)?;
        book.add(compiled).with_context(what)?;
    }
    Ok(Compiled { names, book, sights })
}

fn compile_rule(config: &Config, rule: &config::Rule, names: &mut Names) -> anyhow::Result<Rule> {
    let when = &rule.when;
    let camera = when.camera.as_ref().and_then(|id| names.camera(id));
    let configured = camera.map(|c| &config.cameras[usize::from(c.0)]);
    let (zone, sieve) = zone(when, configured, names)?;
    let us = |d: Duration| d.as_micros() as u64;
    let mut actions = Vec::new();
    for action in &rule.actions {
        let output = |id| names.output(id).with_context(|| format!("there is no output \"{id}\""));
        actions.push(match action {
            RuleAction::Pulse { output: id, on_for } => {
                Action::Pulse { output: output(id)?, us: us(*on_for) }
            }
            RuleAction::Hold { output: id, linger } => {
                Action::Hold { output: output(id)?, linger_us: us(*linger) }
            }
            RuleAction::Latch { output: id } => Action::Latch { output: output(id)? },
            RuleAction::Release { output: id } => Action::Unlatch { output: output(id)? },
            RuleAction::Notify { .. } => Action::Notify,
        });
    }
    Ok(Rule {
        class: when.class.as_deref().and_then(|label| names.class(label)),
        camera,
        zone,
        sieve,
        crossing: crossing(when, configured)?,
        moving: when.moving,
        circumstances: circumstances(config, &when.circumstances)?,
        min_score: Score::from_unit(when.score),
        dwell_us: us(when.dwell),
        away_us: us(when.away),
        cooldown_us: us(rule.cooldown),
        actions: Rule::actions(&actions)?,
    })
}

fn zone(
    when: &config::When,
    camera: Option<&config::Camera>,
    names: &mut Names,
) -> anyhow::Result<(Option<Zone>, Sieve)> {
    let Some((id, camera)) = when.zone.as_ref().zip(camera) else { return Ok((None, Sieve::default())) };
    let what = || format!("zone \"{id}\"");
    let zone =
        camera.zones.iter().find(|z| z.id == *id).with_context(|| format!("there is no {}", what()))?;
    let sieve = sight::sieve(&zone.filter, names).with_context(what)?;
    Ok((Some(names::polygon(&zone.points).with_context(what)?), sieve))
}

fn circumstances(config: &Config, said: &config::Circumstances) -> anyhow::Result<Circumstances> {
    let input = said.input.as_ref().and_then(|(id, becomes)| {
        let n = config.inputs.iter().position(|i| i.id == *id)?;
        Some((InputIx(n as u8), *becomes))
    });
    let during = said.during.as_ref().map(|during| Schedule::new(&during.spans)).transpose()?;
    Ok(Circumstances { input, armed: said.armed, during, count: said.count })
}

fn crossing(when: &config::When, camera: Option<&config::Camera>) -> anyhow::Result<Option<Crossing>> {
    let Some((id, camera)) = when.line.as_ref().zip(camera) else { return Ok(None) };
    let what = || format!("line \"{id}\"");
    let line =
        camera.lines.iter().find(|l| l.id == *id).with_context(|| format!("there is no {}", what()))?;
    let [a, b] = line.points.map(names::point);
    let direction = when.direction.map(|way| match way {
        Way::In => Direction::In,
        Way::Out => Direction::Out,
    });
    Ok(Some(Crossing { line: Line::new(a, b).with_context(what)?, direction }))
}
