//! Updates that are signed, installed and bad: the board goes back by itself and says why.

use super::setting::{PATIENCE, configure, local_camera, ready, recording, running};
use crate::agent;
use crate::bed::Need;
use crate::clock::Stopwatch;
use crate::page::{self, Page};
use crate::suite::Lab;
use anyhow::{Result, bail};

pub(super) const NEEDS: &[Need] = &[Need::Flash, Need::Slots];
/// What is broken on purpose need not be waited for as long as what is good. The gate reads it when the new system has started.
const HURRY: &str = "sed -i 's/^deadline = .*/deadline = \"60s\"/' /etc/nightjar/ota.toml && grep -q '\"60s\"' /etc/nightjar/ota.toml";

/// Its first stage finds no root.
pub(super) fn kernel(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    goes_back(lab, &page, "kernel-panics.raucb", &["boot loader went back"])
}

/// It dies as soon as it starts.
pub(super) fn recorder(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    goes_back(lab, &page, "recorder-crashes.raucb", &["recorder", "page", "camera", "boot loader went back"])
}

/// It answers and writes nothing.
pub(super) fn footage(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    goes_back(lab, &page, "nothing-recorded.raucb", &["does not record", "read back"])
}

/// Its kernel has lost the driver of the camera on the board.
pub(super) fn camera(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let camera = local_camera(lab.bed.as_ref())?;
    configure(lab, &camera)?;
    let page = recording(lab)?;
    page::records(&page, &["local"], PATIENCE)?;
    goes_back(lab, &page, "camera-lost.raucb", &["local"])
}

fn goes_back(lab: &Lab, page: &Page, bundle: &str, reasons: &[&str]) -> Result<String> {
    let bed = lab.bed.as_ref();
    bed.run(HURRY)?;
    let watch = Stopwatch::start();
    let agent::Status { version: old, last, .. } = agent::begin(bed, page, &lab.shelf.url(bed, bundle))?;
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
