//! Updates that are signed, installed and bad: the board goes back by itself and says why.

use super::setting::{PATIENCE, configure, local_camera, ready, recording, running};
use crate::agent;
use crate::bed::Need;
use crate::clock::Stopwatch;
use crate::page::{self, Page};
use crate::suite::Lab;
use anyhow::{Result, bail};

pub(super) const NEEDS: &[Need] = &[Need::Flash, Need::Slots];
/// What is broken on purpose need not be waited for as long as what is good: s since the new system's start. The page of a recorder
/// that runs must be there by then, or it is the page that is missed.
const HURRY: u64 = 60;
/// A recorder that never runs will not be there later either.
const HURRY_WITHOUT_PAGE: u64 = 40;

/// Its first stage finds no root. From a file on the board, as from a stick.
pub(super) fn kernel(lab: &mut Lab) -> Result<String> {
    const FILE: &str = "/data/kernel-panics.raucb";
    let page = running(lab, "")?;
    lab.shelf.put(lab.bed.as_ref(), "kernel-panics.raucb", FILE)?;
    goes_back(lab, &page, FILE, HURRY_WITHOUT_PAGE, &["boot loader went back"])
}

/// It dies as soon as it starts.
pub(super) fn recorder(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    streamed(
        lab,
        &page,
        "recorder-crashes.raucb",
        HURRY_WITHOUT_PAGE,
        &["recorder does not answer", "boot loader went back"],
    )
}

/// It answers and writes nothing.
pub(super) fn footage(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    streamed(lab, &page, "nothing-recorded.raucb", HURRY, &["does not record", "read back"])
}

/// Its kernel has lost the driver of the camera on the board.
pub(super) fn camera(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let camera = local_camera(lab.bed.as_ref())?;
    configure(lab, &camera)?;
    let page = recording(lab)?;
    page::records(&page, &["local"], PATIENCE)?;
    streamed(lab, &page, "camera-lost.raucb", HURRY, &["local"])
}

fn streamed(lab: &Lab, page: &Page, bundle: &str, seconds: u64, reasons: &[&str]) -> Result<String> {
    goes_back(lab, page, &lab.shelf.url(lab.bed.as_ref(), bundle), seconds, reasons)
}

/// Installs what lies at an address or in a file of the board, which is judged for so many seconds.
fn goes_back(lab: &Lab, page: &Page, bundle: &str, seconds: u64, reasons: &[&str]) -> Result<String> {
    let bed = lab.bed.as_ref();
    // The gate reads it when the new system has started.
    let deadline = format!("deadline = \"{seconds}s\"");
    bed.run(&format!(
        "sed -i 's/^deadline = .*/{deadline}/' /etc/nightjar/ota.toml && grep -qx '{deadline}' /etc/nightjar/ota.toml"
    ))?;
    let watch = Stopwatch::start();
    let agent::Status { version: old, last, .. } = agent::begin(bed, page, bundle)?;
    agent::heard(bed, 3 * PATIENCE)?;
    let entry = agent::over(page, last.as_ref(), PATIENCE)?;
    agent::expect(&entry, "rolled-back", reasons)?;
    let now = agent::status(page)?.version;
    if now != old {
        bail!("it is entered as rolled back, and {now} runs");
    }
    recording(lab)?;
    Ok(format!("{old} records again after {:.0} s: {}", watch.seconds(), entry.reason))
}
