//! A verb's name → everything it needs is on this machine. The table [`STEPS`] says what there is to set up, in order.

mod apt;
mod clips;
mod model;
pub(crate) mod node;
mod packages;
mod python;
pub(crate) mod yocto;

use crate::clock::Stopwatch;
use crate::options::Options;
use crate::place::Place;
use crate::run;
use anyhow::{Result, bail};

/// One thing to set up. Every step is quick when its thing is there.
struct Step {
    name: &'static str,
    /// The verbs that need it.
    verbs: &'static [&'static str],
    run: fn(&Place, &str) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "system packages", verbs: VERBS, run: apt::install },
    Step {
        name: "node",
        verbs: &["web", "demo", "test", "lint", "bench"],
        run: |place, _| node::install(place),
    },
    Step {
        name: "page packages",
        verbs: &["web", "demo", "test", "lint", "bench"],
        run: |place, _| node::packages(place, "web-mini"),
    },
    Step {
        name: "browser test packages",
        verbs: &["test"],
        run: |place, _| node::packages(place, "tests/browser"),
    },
    Step {
        name: "tools of the Yocto layer",
        verbs: &["test", "lint"],
        run: |place, _| yocto::install(place),
    },
    Step {
        name: "model",
        verbs: &["demo", "test", "bench", "image", "hil"],
        run: |place, _| model::prepare(place),
    },
    Step { name: "clips", verbs: &["demo", "test", "bench", "hil"], run: |place, _| clips::make(place) },
];

/// The verbs that need something set up. What builds for boards, and `fleet`, are left to `setup --for …`: they are large.
const VERBS: &[&str] =
    &["demo", "test", "web", "lint", "cross", "cross-armv7", "image", "hil", "bench", "fleet"];

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    match options.text("for") {
        Some(verb) if VERBS.contains(&verb) => for_verb(place, verb),
        Some(other) => bail!("`--for {other}`: known are {}", VERBS.join(", ")),
        None => ["test", "demo", "bench"].iter().try_for_each(|verb| for_verb(place, verb)),
    }
}

/// Sets up what `verb` needs.
pub(crate) fn for_verb(place: &Place, verb: &str) -> Result<()> {
    run::say(&format!("setup for `{verb}`"));
    let watch = Stopwatch::start();
    for step in STEPS.iter().filter(|step| step.verbs.contains(&verb)) {
        (step.run)(place, verb).map_err(|error| error.context(format!("setting up {}", step.name)))?;
    }
    run::done("setup", &watch.words());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_serves_known_verbs() {
        for step in STEPS {
            assert!(
                !step.verbs.is_empty() && step.verbs.iter().all(|verb| VERBS.contains(verb)),
                "{}",
                step.name
            );
        }
    }
}
