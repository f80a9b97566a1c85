//! A good update: what it fetches, what it costs in footage, and that nothing but this board decides about it.

use super::cuts;
use super::setting::{CAMERAS, PATIENCE, configure_only, ready, recording, recording_of, running};
use crate::agent;
use crate::clock::{self, Stopwatch};
use crate::page::{self, Page};
use crate::suite::{Lab, locked};
use anyhow::{Context, Result, bail};
use std::sync::Arc;

/// The next version, made by `cargo xtask hil` from the same sources.
const GOOD: &str = "good.raucb";

/// Installed from an address: only what differs travels. What is on its card meanwhile is kept for the tests that cut the power.
pub(super) fn good(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    let bed = lab.bed.as_ref();
    let began = page.newest(CAMERAS[0])?;
    let size = lab.common.bundles.join(GOOD).metadata().context("good.raucb is missing")?.len();
    lab.shelf.reset();
    let watch = Stopwatch::start();
    let before = agent::begin(bed, &page, &lab.shelf.url(bed, GOOD))?;
    let cards = cuts::take(lab, watch)?;
    let whole = watch.seconds();
    let entry = agent::over(&page, None, PATIENCE)?;
    agent::expect(&entry, "kept", &[])?;
    let (requests, bytes) = lab.shelf.fetched();
    let page = recording(lab)?;
    let after = agent::status(&page)?;
    let (from, to, old, new) = (before.slot, after.slot, before.version, after.version);
    if to == from || new == old {
        bail!("it is entered as kept, and slot {to} with version {new} runs as before");
    }
    // By the system itself.
    lab.bed.awake(PATIENCE)?;
    lab.bed.run(&format!(
        "grep -qw rauc.slot={to} /proc/cmdline && grep -qx 'IMAGE_VERSION=\"*{new}\"*' /etc/os-release"
    ))?;
    if bytes * 2 > size {
        bail!("{bytes} of {size} bytes were fetched: the index of blocks was of no use");
    }
    let lacks = gaps(&page, began)?;
    *locked(&lab.common.cards) = Some(Arc::new(cards));
    Ok(format!(
        "{old} in {from} → {new} in {to} in {whole:.0} s; {:.1} of {:.1} MB fetched in {requests} requests; recording gap {lacks}, \
         by the agent {}",
        bytes as f64 / 1e6,
        size as f64 / 1e6,
        entry.gap_s.map_or("unknown".to_owned(), |gap| format!("{gap} s"))
    ))
}

/// As its fleet's server says: fetched from there with the board's own token; judged with no network at all, on a board one of whose
/// cameras was dead before; and over for the server after the gate alone, once it can be reached again.
pub(super) fn of_a_fleet(lab: &mut Lab) -> Result<String> {
    const BOARD: &str = "barn-1";
    const OWN: &[&str] = &["own"];
    ready(lab)?;
    // Its own is a clip: pictures made on the board would keep an emulated one from everything else, as a detector would.
    let cameras = format!(
        "[[camera]]\nid = \"dead\"\nmain = \"rtsp://{}/nobody\"\ndetect = false\n[[camera]]\nid = \"own\"\nmain = \"file:/data/own.mp4\"\n\
         detect = false\ntamper = false\n",
        lab.bed.lend(9)
    );
    lab.bed.push(&std::fs::read(lab.common.clip()).context("the clip is missing")?, "/data/own.mp4")?;
    configure_only(lab, &cameras)?;
    let page = recording_of(lab, OWN)?;

    let common = lab.common.clone();
    let fleet = common.fleet.as_ref().context("no hawkBit server")?;
    let (token, new) = ("d0c4f5a1b2e3", common.next.as_str());
    fleet.add_board(BOARD, token)?;
    let set = fleet.add_version(new, &common.bundles.join(GOOD))?;
    let settings = format!(
        "\n[fleet]\nserver = \"http://{}\"\nboard = \"{BOARD}\"\ntoken_file = \"/etc/nightjar/fleet.token\"\nplain = true\n",
        lab.bed.lend(fleet.port())
    );
    lab.bed.push(settings.as_bytes(), "/tmp/fleet")?;
    lab.bed.run(&format!(
        "umask 077 && echo {token} > /etc/nightjar/fleet.token && cat /tmp/fleet >> /etc/nightjar/ota.toml && \
         nightjar-ota check /etc/nightjar/ota.toml && systemctl restart nightjar-ota.service && sync"
    ))?;
    let watch = Stopwatch::start();
    agent::listen(lab.bed.as_ref());
    fleet.assign(BOARD, set)?;

    lab.console()?.expect(&["nightjar: slot"], 2 * PATIENCE)?;
    lab.bed.network(false)?;
    lab.console()?.expect(&[agent::OVER], PATIENCE)?;
    let judged = watch.seconds();
    lab.bed.network(true)?;
    page::answers(lab.bed.as_ref(), PATIENCE)?;
    lab.bed.lend_again(PATIENCE)?;
    let entry = agent::over(&page, None, PATIENCE)?;
    agent::expect(&entry, "kept", &[])?;

    let told = || fleet.action(BOARD);
    let lines = clock::until("hawkBit hears that it is over", PATIENCE, || {
        let (state, lines) = told()?;
        Ok((state == "finished").then_some(lines))
    })
    .with_context(|| format!("{:?}", told()))?;
    let place = |words: &str| lines.iter().position(|line| line.contains(words));
    let (written, over) = (place("is written to slot"), place("finished: "));
    let version = agent::status(&page)?.version;
    if written.is_none() || over.is_none() || written > over || version != new {
        bail!("hawkBit heard this, and {version} runs: {lines:#?}");
    }
    recording_of(lab, OWN)?;
    Ok(format!(
        "{new} kept {judged:.0} s after it was assigned, without a network and with camera \"dead\" dead before ({}); closed after {:.0} s; \
         {} words to hawkBit, the last: {}",
        entry.reason,
        watch.seconds(),
        lines.len(),
        lines.last().map_or("none", String::as_str)
    ))
}

/// Seconds that each camera lacks.
fn gaps(page: &Page, from: u64) -> Result<String> {
    let mut worst: f64 = 0.0;
    for camera in CAMERAS {
        worst = worst.max(page.lacks(camera, from)?);
    }
    Ok(format!("{worst:.1} s"))
}
