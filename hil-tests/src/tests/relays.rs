//! A relay's line in the kernel, moved by the recorder and read from outside it.

use super::setting::{PATIENCE, configure, ready, recording};
use crate::cameras::{self, Cameras};
use crate::clock;
use crate::page::Page;
use crate::suite::Lab;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// PL061's line 1 on the QEMU board; on a real one the file /etc/nightjar/hil-line names the lines of WIRING.md.
const OUTPUT: &str = "[[output]]\nid = \"siren\"\nline = \"@LINE@\"\nactive = \"high\"\nsafe = \"off\"\n";
/// What a person before the third camera does.
const RULE: &str = "[[rule]]\nid = \"person-siren\"\nwhen = { class = \"person\", camera = \"door\" }\n\
                    do = [{ pulse = \"siren\", for = \"3s\" }]\n";
/// The variant that computes with whole numbers alone: an emulated processor takes ten times as long for the others, longer than a
/// detector may that does not hang.
const EYE: &str = "[eye]\ncard = \"ssdlite-mnv2-coco12-int8\"\n";
/// The kernel's own view of all lines.
const LINES: &str = "/sys/kernel/debug/gpio";

pub(super) fn moves(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let (line, output) = siren(lab)?;
    configure(lab, &output)?;
    let page = recording(lab)?;
    if level(lab)? {
        bail!("the siren is on before anybody switched it on");
    }
    let watch = clock::Stopwatch::start();
    page.post("/api/v1/outputs/siren/test", "{\"confirm\":\"siren\",\"ms\":5000}")?;
    clock::until("the line is high", 30, || Ok(level(lab)?.then_some(())))?;
    let on = watch.seconds();
    clock::until("the line is low again", 60, || Ok((!level(lab)?).then_some(())))?;
    let moved = moves_of(&page)?;
    if moved != 1 {
        bail!("one pulse moved the line {moved} times");
    }
    // A recorder that dies leaves its relay at the safe level.
    page.post("/api/v1/outputs/siren/test", "{\"confirm\":\"siren\",\"ms\":5000}")?;
    clock::until("the line is high", 30, || Ok(level(lab)?.then_some(())))?;
    lab.bed.run("systemctl kill --kill-whom=main --signal=KILL nightjar.service")?;
    clock::until("a killed recorder's line is low", 60, || Ok((!level(lab)?).then_some(())))?;
    recording(lab)?;
    Ok(format!("{line} high {on:.1} s after the page's button, low by itself; low after kill -9"))
}

/// People walk through the clip; the detector on the board sees one, a rule moves the line.
pub(super) fn moves_for_a_person(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let (line, output) = siren(lab)?;
    let clip = lab.common.bundles.with_file_name("door.mp4");
    cameras::at_a_door(&lab.common.workspace, &clip)?;
    let door = Cameras::start(&lab.common.workspace, &clip)?;
    let url = door.url(lab.bed.as_ref(), 1);
    let camera = format!("[[camera]]\nid = \"door\"\nmain = \"{url}\"\ntamper = false\n");
    configure(lab, &format!("{EYE}{output}{camera}{RULE}"))?;
    let watch = clock::Stopwatch::start();
    let page = recording(lab)?;
    clock::until("the line is high", PATIENCE, || Ok(level(lab)?.then_some(())))?;
    let on = watch.seconds();
    clock::until("the line is low again", PATIENCE, || Ok((!level(lab)?).then_some(())))?;
    // An event is written with its rules when it is over.
    let event = clock::until("an event says that the rule fired for it", PATIENCE, || {
        let events = page.json("/api/v1/events?camera=door&label=person")?;
        let has_fired = |event: &&Value| {
            event["rules"].as_array().is_some_and(|rules| rules.contains(&"person-siren".into()))
        };
        Ok(events["events"].as_array().into_iter().flatten().find(has_fired).cloned())
    })?;
    let score = event["score"].as_f64().unwrap_or(0.0);
    let held = held_in(&page)?;
    recording(lab)?;
    Ok(format!(
        "{line} high {on:.0} s after the recorder's start for a person (score {score:.2}), low by itself; the eye is held in by {held}"
    ))
}

/// What holds the eye in, by its own words: it locks itself, and its unit must let it.
fn held_in(page: &Page) -> Result<String> {
    let health = page.json("/api/v1/health")?;
    let words = health["eye"]["sandbox"].as_str().unwrap_or_default();
    let in_force = words.split("; without").next().unwrap_or_default();
    if ["seccomp", "landlock"].iter().any(|lock| !in_force.contains(lock)) {
        bail!("the eye that decodes what cameras send is not locked in: {health}");
    }
    Ok(in_force.to_owned())
}

/// The line's name, and a siren at it.
fn siren(lab: &Lab) -> Result<(String, String)> {
    let line = lab.bed.run("cat /etc/nightjar/hil-line 2>/dev/null || echo PL1")?;
    lab.bed.run("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug")?;
    let output = OUTPUT.replace("@LINE@", &line);
    Ok((line, output))
}

/// Whether the kernel says that the line which the recorder holds as an output is high.
fn level(lab: &Lab) -> Result<bool> {
    let text = lab.bed.run(&format!("cat {LINES}"))?;
    let line = text.lines().find(|line| line.contains("nightjar") || line.contains("siren"));
    // Nobody holds it: the kernel made it an input, which the wiring pulls to its safe level.
    Ok(line.is_some_and(|line| line.contains(" out ") && line.contains(" hi")))
}

fn moves_of(page: &Page) -> Result<u64> {
    let found = clock::until("the page says that it is off again", PATIENCE, || {
        let outputs = page.json("/api/v1/outputs")?;
        Ok(outputs[0]["moves"].as_u64().filter(|_| outputs[0]["on"] == false))
    });
    found.context("the page's outputs")
}
